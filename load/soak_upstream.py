"""Upstreams of a soak: one that takes every message, and for each way to fail at each stage one that
mostly does so. Every message that one takes is written down before it is granted."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from load.ledger import Journal, Taken, examine
from load.sink import BACKLOG, END_OF_DATA, PORT, REPLIES

STAGES = ("banner", "ehlo", "mail", "rcpt", "data", "content", "end")
ACTS = ("refuse", "defer", "close", "reset", "stall", "garbage", "partial", "early")
SHARE = 0.7  # of the occasions on which one that fails does
# Longer than the relay waits for anything, so it has given up when the connection ends.
STALL_S = 14.0
# For which one that has answered too early still takes octets.
LINGER_S = 1.0
GOOD = "good.example"

VERBS = {
    b"EHLO": "ehlo",
    b"HELO": "ehlo",
    b"MAIL": "mail",
    b"RCPT": "rcpt",
    b"DATA": "data",
}
SAID = {
    "refuse": (b"550 5.7.1 no\r\n",),
    "defer": (b"451 4.3.0 later\r\n",),
    "garbage": (
        b"hello\r\n",
        b"999 what\r\n",
        b"250\xff\x00\r\n",
        b"25",
        b"250-" + b"x" * 3000 + b"\r\n",
    ),
    "partial": (b"25",),
    "early": (
        b"250 2.0.0 taken\r\n",
    ),  # before it was asked, or what was not asked for
}


@dataclass(frozen=True)
class Host:
    """One upstream."""

    domain: str
    address: str
    act: str | None = None
    stage: str | None = None


def hosts() -> list[Host]:
    """All of them."""
    found = [Host(GOOD, "198.51.100.30")]
    for act in ACTS:
        for stage in STAGES:
            if act == "early" and stage != "data":
                continue
            found.append(
                Host(
                    f"{act}-{stage}.example",
                    f"198.51.100.{30 + len(found)}",
                    act,
                    stage,
                )
            )
    return found


class Upstream(asyncio.Protocol):
    """One connection."""

    def __init__(self, host: Host, journal: Journal, chance: random.Random) -> None:
        self._host = host
        self._journal = journal
        self._chance = chance
        self._buffer = b""
        self._content: bytearray | None = None
        self._recipients: list[str] = []
        self._dialogue: list[str] = []
        self._over = False  # it has failed, and says no more

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        if not self._fails("banner"):
            self._say(b"220 upstream.example ESMTP\r\n")

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while not self._over and self._buffer:
            step = self._read_command if self._content is None else self._read_content
            if not step():
                return

    def _read_command(self) -> bool:
        """One line, if there is one."""
        line, end, rest = self._buffer.partition(b"\n")
        if not end:
            return False
        self._buffer = rest
        self._note("<", line)
        verb = line[:4].upper()
        stage = VERBS.get(verb)
        if stage == "mail":
            self._recipients, self._dialogue = [], self._dialogue[-20:]
        if stage and self._fails(stage):
            return not self._over
        if stage == "rcpt":
            address = line[line.index(b"<") + 1 : line.index(b">")]
            self._recipients.append(address.decode("ascii", "replace"))
        self._say(REPLIES.get(verb, b"250 ok\r\n"))
        if stage == "data":
            self._content = bytearray(b"\r\n")
        if verb == b"QUIT":
            self._transport.close()
        return True

    def _read_content(self) -> bool:
        """What there is of the message."""
        assert self._content is not None
        searched = max(0, len(self._content) - len(END_OF_DATA))
        self._content += self._buffer
        self._buffer = b""
        if self._fails("content"):
            return False
        end = self._content.find(END_OF_DATA, searched)
        if end < 0:
            return False
        content = bytes(self._content[: end + 2])
        self._buffer = bytes(self._content[end + len(END_OF_DATA) :])
        self._content = None
        self._note("<", b"(%d octets)" % len(content))
        if not self._fails("end"):
            self._take(content.replace(b"\r\n..", b"\r\n.")[2:])
        return True

    def _take(self, content: bytes) -> None:
        number, intact = examine(content)
        self._note(">", b"250 taken")
        self._journal.append(
            Taken(number, intact, tuple(self._recipients), tuple(self._dialogue))
        )
        self._transport.write(b"250 2.0.0 taken\r\n")

    def _fails(self, stage: str) -> bool:
        """Does what this host does at its stage, or not."""
        act = self._host.act
        if stage != self._host.stage or act is None or self._chance.random() > SHARE:
            return False
        self._note("*", f"{act} at {stage}".encode())
        if act in SAID:
            self._transport.write(self._chance.choice(SAID[act]))
        ends = act != "refuse" and act != "defer"
        if ends or stage in ("banner", "content"):
            self._over = True
        if act == "stall":
            self._transport.pause_reading()
            asyncio.get_running_loop().call_later(STALL_S, self._transport.abort)
        elif act == "reset":
            self._transport.abort()
        elif act == "early":
            asyncio.get_running_loop().call_later(LINGER_S, self._transport.close)
        elif self._over:
            self._transport.close()
        return True

    def _say(self, reply: bytes) -> None:
        self._note(">", reply.rstrip())
        self._transport.write(reply)

    def _note(self, direction: str, said: bytes) -> None:
        text = said.decode("ascii", "backslashreplace").rstrip("\r")
        self._dialogue.append(f"{direction} {text[:200]}".replace("\r\n", " | "))


def serve(journal: Path, seed: int) -> None:
    """The process: listens until it is ended."""
    written, chance = Journal(journal), random.Random(seed)

    async def listen() -> None:
        loop = asyncio.get_running_loop()
        for host in hosts():

            def protocol(host: Host = host) -> Upstream:
                return Upstream(host, written, chance)

            await loop.create_server(protocol, host.address, PORT, backlog=BACKLOG)
        await asyncio.Event().wait()

    asyncio.run(listen())
