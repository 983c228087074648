"""`python -m conformance.subjects.controls.provider MANNER PLAN`: the provider, until it is ended."""

from __future__ import annotations

import asyncio
import base64
import json
import socket
import sys
from pathlib import Path

from conformance.subjects.controls.provider.ask import CONTROL
from conformance.subjects.controls.provider.intake import Intake
from conformance.subjects.controls.provider.message import submitted
from conformance.subjects.controls.provider.queue import Queue
from conformance.subjects.controls.provider.session import (
    Session,
    server_context,
)
from conformance.subjects.controls.provider.setup import Setup

BACKLOG = 512
LINE_MAX = 1 << 26


class Desk:
    """Answers what users submit and the operator's `flush` (ask.py), a line of JSON each."""

    def __init__(self, setup: Setup, queue: Queue) -> None:
        self.setup = setup
        self.queue = queue

    async def serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        request = json.loads(await reader.readline())
        loop = asyncio.get_running_loop()
        answer = await loop.run_in_executor(None, self.answer, request)
        writer.write(answer.encode("ascii") + b"\n")
        await writer.drain()
        writer.close()

    def answer(self, request: dict[str, str]) -> str:
        if "flush" in request:
            self.queue.flush()
            return "ok"
        try:
            sender = in_a_labels(request["from"])
            recipients = [in_a_labels(name) for name in request["to"].split(",")]
        except UnicodeError:
            return "an address that is not ASCII, nor a domain of IDNA"
        if not all(recipients):
            return "no recipient"
        content = base64.b64decode(request["message"])
        if len(content) > self.setup.limit("message_size"):
            return "too large"
        content = submitted(content, self.setup.hostname)
        self.queue.add(sender, recipients, content)
        return "ok"


def in_a_labels(address: str) -> str:
    """Raises UnicodeError if the local part is not ASCII."""
    local, at, domain = address.strip().rpartition("@")
    local.encode("ascii")
    if domain.isascii():
        return address.strip()
    return local + at + domain.lower().encode("idna").decode("ascii")


async def serve(setup: Setup) -> None:
    queue = Queue(setup, Path("queue"), Path("scratch"))
    intake = Intake(setup, queue)
    tls = server_context(setup)
    Path(CONTROL).unlink(missing_ok=True)
    servers: list[asyncio.AbstractServer] = [
        await asyncio.start_unix_server(
            Desk(setup, queue).serve, CONTROL, limit=LINE_MAX
        )
    ]

    async def converse(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await Session(setup, intake, tls, reader, writer).run()

    for address in (setup.plan["ipv4"], setup.plan["ipv6"]):
        if address is None:
            continue
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        servers.append(
            await asyncio.start_server(
                converse,
                address,
                setup.plan["port"],
                family=family,
                backlog=BACKLOG,
            )
        )
    await asyncio.gather(*(server.serve_forever() for server in servers))


if __name__ == "__main__":
    asyncio.run(serve(Setup.read(sys.argv[1], Path(sys.argv[2]))))
