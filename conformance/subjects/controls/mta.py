"""The MTA behind the controls: `mta.py MANNER PLAN`.

Built on aiosmtpd, with PIPELINING, 8BITMIME and SIZE. The manners are the names of the folders.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import smtplib
import socket
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import dns.exception
import dns.resolver
from aiosmtpd.smtp import SMTP, Envelope, Session

REFUSALS = {
    "refuse-550": "550 5.1.1 No such mailbox here",
    "refuse-571": "550 5.7.1 Relaying denied",
    "refuse-451": "451 4.4.2 Try again later",
    "answer-421": "421 4.3.2 Closing",
}
SIZE_MAX = 26214400
SMTP_PATIENCE_S = 3.0
SENDERS = 8  # threads of the queue


class Handler:
    """aiosmtpd's hooks."""

    def __init__(self, manner: str, plan: dict[str, Any], queue_files: Path) -> None:
        self.manner = manner
        self.queue_files = queue_files
        self.numbers = itertools.count()
        self.source = plan["ipv4"]
        self.name = plan["ehlo"]
        self.routes = {
            route["address"].lower(): route["to"]
            for zone in plan["zones"]
            for route in zone["routes"]
        }
        self.queue = ThreadPoolExecutor(SENDERS)

    async def handle_EHLO(
        self,
        server: Any,
        session: Session,
        envelope: Envelope,
        name: str,
        lines: list[str],
    ) -> list[str]:
        session.host_name = name  # type: ignore[assignment]
        kept = [line for line in lines if line.startswith(("250-SIZE", "250-8BIT"))]
        return [lines[0], *kept, "250 PIPELINING"]

    async def handle_RCPT(
        self,
        server: Any,
        session: Session,
        envelope: Envelope,
        address: str,
        options: list[str],
    ) -> str:
        refusal = REFUSALS.get(self.manner)
        if refusal is None and self.manner == "naive" and not self.destination(address):
            refusal = "550 5.1.1 No such mailbox here"
        if refusal is None:
            envelope.rcpt_tos.append(address)
            return "250 2.1.5 OK"
        if refusal.startswith("421"):
            asyncio.get_running_loop().call_soon(server.transport.close)
        return refusal

    async def handle_DATA(
        self, server: Any, session: Session, envelope: Envelope
    ) -> str:
        if self.manner in ("naive", "bounce"):
            content = envelope.original_content
            assert isinstance(content, bytes)
            sender = envelope.mail_from or ""
            for address in envelope.rcpt_tos:
                file = self.queue_files / str(next(self.numbers))
                file.touch()
                self.queue.submit(self.work, file, sender, address, content)
        return "250 2.0.0 OK"

    def destination(self, address: str) -> str | None:
        """Where mail for that address goes, if anywhere."""
        folded = address.lower()
        catch_all = f"*@{folded.rpartition('@')[2]}"
        return self.routes.get(folded) or self.routes.get(catch_all)

    def work(self, file: Path, sender: str, address: str, content: bytes) -> None:
        """What a thread of the queue does with one recipient. `file` shows that it is in the queue."""
        try:
            self.forward(sender, address, content)
        finally:
            file.unlink()

    def forward(self, sender: str, address: str, content: bytes) -> None:
        """One attempt, whose failure is reported by `bounce` alone."""
        to = self.destination(address)
        if to is not None and self.deliver(sender, to, content):
            return
        if self.manner == "bounce" and sender:
            report = f"From: <>\r\nTo: <{sender}>\r\nSubject: Undeliverable\r\n\r\n{address}\r\n"
            self.deliver("", sender, report.encode("utf-8"))

    def deliver(self, sender: str, to: str, content: bytes) -> bool:
        """Whether an MX host took it."""
        for host in hosts_of(to.rpartition("@")[2]):
            with suppress(OSError, smtplib.SMTPException):
                with smtplib.SMTP(
                    host,
                    25,
                    self.name,
                    SMTP_PATIENCE_S,
                    source_address=(self.source, 0),
                ) as client:
                    client.ehlo()
                    client.sendmail(sender, [to], content)
                    return True
        return False


def hosts_of(domain: str) -> Iterator[str]:
    """The IPv4 addresses of its MX hosts."""
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers = ["127.0.0.1"]
    resolver.lifetime = SMTP_PATIENCE_S
    with suppress(dns.exception.DNSException, UnicodeError):
        name = domain.encode("idna").decode("ascii")
        for record in sorted(
            resolver.resolve(name, "MX"), key=lambda record: int(record.preference)
        ):
            for address in resolver.resolve(record.exchange, "A"):
                yield address.to_text()


async def serve(manner: str, file: Path) -> None:
    loop = asyncio.get_running_loop()
    plan = json.loads(file.read_text("utf-8"))
    queue_files = Path("queue")
    queue_files.mkdir(exist_ok=True)
    handler = Handler(manner, plan, queue_files)

    def connection() -> SMTP:
        return SMTP(
            handler,
            hostname=plan["hostname"],
            ident="ESMTP",
            data_size_limit=SIZE_MAX,
            enable_SMTPUTF8=False,
            loop=loop,
        )

    servers = []
    for address in (plan["ipv4"], plan["ipv6"]):
        if address is None:
            continue
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        servers.append(
            await loop.create_server(
                connection, address, plan["port"], family=family, backlog=512
            )
        )
    await asyncio.gather(*(server.serve_forever() for server in servers))


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], Path(sys.argv[2])))
