"""An upstream that takes everything and keeps nothing, for as many connections as come, in a process of
its own; and one beside it that takes connections and never says a word.

The lab's upstream records every octet, which is not for messages by the gigabyte.
"""

from __future__ import annotations

import asyncio
from typing import cast

ADDRESS = "198.51.100.26"
MUTE_ADDRESS = "198.51.100.27"
# The good client's messages go to one of their own, so that its waits are not the load's.
GOOD_ADDRESS = "198.51.100.28"
PORT = 25
BACKLOG = 4096

END_OF_DATA = b"\r\n.\r\n"
REPLIES = {
    b"EHLO": b"250-sink.example\r\n250-PIPELINING\r\n250-SIZE 52428800\r\n250 8BITMIME\r\n",
    b"DATA": b"354 go ahead\r\n",
    b"QUIT": b"221 bye\r\n",
}
OK = b"250 ok\r\n"


class Sink(asyncio.Protocol):
    """One connection. Content is looked through for its end and dropped."""

    def __init__(self) -> None:
        self._in_content = False
        self._rest = b""  # of a command; in content the last octets before the next

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(b"220 sink.example ESMTP\r\n")

    def data_received(self, data: bytes) -> None:
        data = self._rest + data
        while data:
            if self._in_content:
                data = self._content(data)
            else:
                data = self._command(data)
                if b"\n" not in data and not self._in_content:
                    self._rest = data
                    return

    def _content(self, data: bytes) -> bytes:
        """What follows the content, if it ends."""
        before, end, after = data.partition(END_OF_DATA)
        if not end:
            self._rest = before[-len(END_OF_DATA) + 1 :]
            return b""
        self._in_content = False
        self._rest = b""
        self._transport.write(OK)
        return after

    def _command(self, data: bytes) -> bytes:
        """What follows the first line, if there is one."""
        line, end, after = data.partition(b"\n")
        if not end:
            return data
        verb = line[:4].upper()
        self._transport.write(REPLIES.get(verb, OK))
        self._rest = b""
        if verb == b"DATA":
            self._in_content = True
            after = b"\r\n" + after
        elif verb == b"QUIT":
            self._transport.close()
        return after


class Mute(asyncio.Protocol):
    """Takes the connection, and that is all."""


def serve(listeners: dict[str, type[asyncio.Protocol]]) -> None:
    """The process: listens on each address until it is ended."""

    async def listen() -> None:
        loop = asyncio.get_running_loop()
        for address, protocol in listeners.items():
            await loop.create_server(protocol, address, PORT, backlog=BACKLOG)
        await asyncio.Event().wait()

    asyncio.run(listen())
