"""`python -m conformance.subjects.controls.provider MANNER PLAN`: the provider, until it is ended."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import signal
import socket
import sys
from pathlib import Path

from conformance.subjects.controls.provider.ask import CONTROL
from conformance.subjects.controls.provider.intake import Intake
from conformance.subjects.controls.provider.message import submitted
from conformance.subjects.controls.provider.queue import Queue
from conformance.subjects.controls.provider.session import (
    GOODBYE,
    Session,
    server_context,
)
from conformance.subjects.controls.provider.setup import Setup

BACKLOG = 512
LINE_MAX = 1 << 26
LAST_LOOKS, LOOK_S = 20, 0.1
LAST_ATTEMPTS_S = 2.0


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


class Sessions:
    """Those that are open, until the provider is ended."""

    def __init__(self, setup: Setup, intake: Intake) -> None:
        self.setup = setup
        self.intake = intake
        self.tls = server_context(setup)
        self.open: set[Session] = set()
        self.ended = asyncio.Event()

    async def converse(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        session = Session(self.setup, self.intake, self.tls, reader, writer)
        self.open.add(session)
        try:
            await session.run()
        finally:
            self.open.discard(session)

    async def ended_after(self, servers: list[asyncio.AbstractServer]) -> None:
        """Returns once SIGTERM has come and the sessions are over."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self.ended.set)
        await self.ended.wait()
        for server in servers:
            server.close()
        for session in list(self.open):
            session.shut_down()
        for _ in range(LAST_LOOKS):
            if not self.open:
                break
            await asyncio.sleep(LOOK_S)
        for session in list(self.open):
            await session.last_words(GOODBYE)


async def serve(setup: Setup) -> None:
    queue = Queue(setup, Path("queue"), Path("scratch"))
    sessions = Sessions(setup, Intake(setup, queue))
    Path(CONTROL).unlink(missing_ok=True)
    servers: list[asyncio.AbstractServer] = [
        await asyncio.start_unix_server(
            Desk(setup, queue).serve, CONTROL, limit=LINE_MAX
        )
    ]
    for address in (setup.plan["ipv4"], setup.plan["ipv6"]):
        if address is None:
            continue
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        servers.append(
            await asyncio.start_server(
                sessions.converse,
                address,
                setup.plan["port"],
                family=family,
                backlog=BACKLOG,
            )
        )
    await sessions.ended_after(servers)
    queue.stop(LAST_ATTEMPTS_S)
    # Its threads may still wait for a host; what they try is in its files.
    os._exit(0)


if __name__ == "__main__":
    asyncio.run(serve(Setup.read(sys.argv[1], Path(sys.argv[2]))))
