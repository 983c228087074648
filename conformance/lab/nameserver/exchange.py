"""One question to the nameserver, and the reply in wire form."""

from __future__ import annotations

from dataclasses import dataclass

import dns.flags
import dns.message
import dns.rcode

UDP_WITHOUT_EDNS = 512  # RFC 1035 4.2.1
MESSAGE_MAX = 65535


@dataclass(frozen=True)
class Reply:
    """What the server sends, and after how many seconds. Without `wire` it sends nothing, and
    closes the TCP connection of the query. Over UDP a forged packet may come before it, from the
    server's own address or from another port."""

    wire: bytes | None
    delay: float = 0.0
    forged: bytes | None = None
    is_from_elsewhere: bool = False


SILENCE = Reply(None)


@dataclass(frozen=True)
class Exchange:
    """A query, and the correct response to it."""

    query: dns.message.Message
    response: dns.message.Message
    transport: str  # "udp" or "tcp"

    def right(self) -> bytes:
        """The correct response; truncated if it is too long for UDP."""
        wire = encode(self.response)
        room = self.query.payload if self.query.edns >= 0 else 0
        if self.transport == "udp" and len(wire) > max(room, UDP_WITHOUT_EDNS):
            return self.truncated()
        return wire

    def empty(self, rcode: dns.rcode.Rcode) -> dns.message.Message:
        """A response without records."""
        response = dns.message.make_response(self.query, recursion_available=True)
        response.set_rcode(rcode)
        return response

    def truncated(self) -> bytes:
        response = self.empty(dns.rcode.NOERROR)
        response.flags |= dns.flags.TC
        return encode(response)


def encode(message: dns.message.Message) -> bytes:
    """The message in wire form, with the records in the order of the zone, so that a shuffled answer
    is not mistaken for a choice by the subject."""
    return message.to_wire(max_size=MESSAGE_MAX, want_shuffle=False)  # type: ignore[arg-type]
