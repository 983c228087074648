"""The ways in which the answers for a name can go wrong, as real servers' do.

Each fault is one class: its docstring says what a resolver sees, its `reply` makes it so out of the
right response. A new one needs nothing but its class here and a test in
tests/harness/test_nameserver.py; a test of the suite then says, for example,

    world.dns.fail(world.destination, faults.Late(2.0), "MX")
"""

from __future__ import annotations

from dataclasses import dataclass

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from conformance.lab.nameserver.exchange import SILENCE, Exchange, Reply, encode

TTL = 300


@dataclass(frozen=True)
class Fault:
    """The base of all faults. Their fields are what they can be told."""

    def reply(self, exchange: Exchange) -> Reply:
        raise NotImplementedError

    def __str__(self) -> str:
        """The name in transcripts and in the ids of parametrized tests."""
        return type(self).__name__


@dataclass(frozen=True)
class Drop(Fault):
    """No answer at all: the resolver's time-out decides."""

    def reply(self, exchange: Exchange) -> Reply:
        return SILENCE


@dataclass(frozen=True)
class Servfail(Fault):
    """SERVFAIL: the server cannot get at the zone."""

    def reply(self, exchange: Exchange) -> Reply:
        return Reply(encode(exchange.empty(dns.rcode.SERVFAIL)))


@dataclass(frozen=True)
class Refused(Fault):
    """REFUSED: the server does not answer for this name, or not for this client."""

    def reply(self, exchange: Exchange) -> Reply:
        return Reply(encode(exchange.empty(dns.rcode.REFUSED)))


@dataclass(frozen=True)
class Truncate(Fault):
    """Over UDP an empty answer with TC set; over TCP the right one."""

    def reply(self, exchange: Exchange) -> Reply:
        if exchange.transport == "udp":
            return Reply(exchange.truncated())
        return Reply(exchange.right())


@dataclass(frozen=True)
class TruncateOnly(Fault):
    """As Truncate, but TCP connections that ask for the name are closed."""

    def reply(self, exchange: Exchange) -> Reply:
        if exchange.transport == "udp":
            return Reply(exchange.truncated())
        return SILENCE


@dataclass(frozen=True)
class Late(Fault):
    """The right answer, late."""

    seconds: float

    def reply(self, exchange: Exchange) -> Reply:
        return Reply(exchange.right(), self.seconds)


@dataclass(frozen=True)
class WrongId(Fault):
    """Only answers with an id that nobody asked with, as a forger's guess has."""

    def reply(self, exchange: Exchange) -> Reply:
        exchange.response.id = exchange.query.id ^ 0x5555
        return Reply(exchange.right())


@dataclass(frozen=True)
class WrongQuestion(Fault):
    """The right id and records, but as the answer to another question."""

    def reply(self, exchange: Exchange) -> Reply:
        other = dns.name.from_text("wrong.example.")
        exchange.response.question = [
            dns.rrset.RRset(other, dns.rdataclass.IN, dns.rdatatype.A)
        ]
        return Reply(exchange.right())


@dataclass(frozen=True)
class CnameLoop(Fault):
    """The name is an alias of an alias of itself."""

    def reply(self, exchange: Exchange) -> Reply:
        name = exchange.query.question[0].name
        other = dns.name.Name((b"alias",) + name[1:])
        response = exchange.empty(dns.rcode.NOERROR)
        for owner, target in ((name, other), (other, name)):
            response.answer.append(
                dns.rrset.from_text(owner, TTL, "IN", "CNAME", target.to_text())
            )
        return Reply(encode(response))


@dataclass(frozen=True)
class Referral(Fault):
    """The name servers of the root and nothing else (RFC 2308 2.2), not authoritative, no recursion."""

    def reply(self, exchange: Exchange) -> Reply:
        response = exchange.empty(dns.rcode.NOERROR)
        response.flags &= ~(dns.flags.AA | dns.flags.RA)
        servers = dns.rrset.from_text(".", TTL, "IN", "NS", "ns.lab.example.")
        response.authority = [servers]
        return Reply(encode(response))


@dataclass(frozen=True)
class Malformed(Fault):
    """A right header and question, and `payload` where one record should follow."""

    payload: bytes = b"\xc0\x0c\xc0\x0c\xff"

    def reply(self, exchange: Exchange) -> Reply:
        wire = bytearray(encode(exchange.empty(dns.rcode.NOERROR)))
        wire[6:8] = b"\x00\x01"  # ANCOUNT (RFC 1035 4.1.1)
        return Reply(bytes(wire) + self.payload)


@dataclass(frozen=True)
class NoEdns(Fault):
    """FORMERR to queries with EDNS0, from a server older than it (RFC 6891 7)."""

    def reply(self, exchange: Exchange) -> Reply:
        if exchange.query.edns < 0:
            return Reply(exchange.right())
        response = exchange.empty(dns.rcode.FORMERR)
        response.use_edns(False)
        return Reply(encode(response))
