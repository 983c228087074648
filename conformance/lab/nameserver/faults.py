"""The ways in which answers for a name can be wrong, as those of real servers sometimes are.

Each fault is one class: its docstring states what a resolver sees, and its `reply` makes that of the
correct response. A new one only needs its class here and a test in tests/harness/test_nameserver.py.
A test of the suite uses it like this:

    world.dns.fail(world.destination, faults.Late(2.0), "MX")
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace

import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from conformance.lab.nameserver.exchange import SILENCE, Exchange, Reply, encode

TTL = 300


@dataclass(frozen=True)
class Fault:
    """The base of all faults. Their fields are their parameters."""

    def reply(self, exchange: Exchange) -> Reply:
        raise NotImplementedError

    def __str__(self) -> str:
        """The name in transcripts and in the ids of parametrized tests."""
        return type(self).__name__


@dataclass(frozen=True)
class Drop(Fault):
    """No answer: the resolver's time-out decides."""

    def reply(self, exchange: Exchange) -> Reply:
        return SILENCE


@dataclass(frozen=True)
class Code(Fault):
    """Nothing but this response code."""

    rcode: dns.rcode.Rcode

    def reply(self, exchange: Exchange) -> Reply:
        return Reply(encode(exchange.empty(self.rcode)))


@dataclass(frozen=True)
class Servfail(Code):
    """SERVFAIL: the server cannot load the zone."""

    rcode: dns.rcode.Rcode = dns.rcode.SERVFAIL


@dataclass(frozen=True)
class Refused(Code):
    """REFUSED: the server does not answer for this name, or not for this client."""

    rcode: dns.rcode.Rcode = dns.rcode.REFUSED


@dataclass(frozen=True)
class Truncate(Fault):
    """An empty answer with TC set over UDP; the correct one over TCP."""

    def reply(self, exchange: Exchange) -> Reply:
        if exchange.transport == "udp":
            return Reply(exchange.truncated())
        return Reply(exchange.right())


@dataclass(frozen=True)
class TruncateOnly(Fault):
    """Like Truncate, but TCP connections that query the name are closed."""

    def reply(self, exchange: Exchange) -> Reply:
        if exchange.transport == "udp":
            return Reply(exchange.truncated())
        return SILENCE


@dataclass(frozen=True)
class TruncateAll(Fault):
    """An empty answer with TC set, over TCP as well."""

    def reply(self, exchange: Exchange) -> Reply:
        return Reply(exchange.truncated())


@dataclass(frozen=True)
class Late(Fault):
    """The correct answer, late."""

    seconds: float

    def reply(self, exchange: Exchange) -> Reply:
        return Reply(exchange.right(), self.seconds)


@dataclass(frozen=True)
class Lost(Fault):
    """No answer over UDP to the first questions of each type, as if a packet was lost; then the correct
    one. An object is for one name."""

    count: int = 1
    asked: Counter[int] = field(default_factory=Counter, compare=False, repr=False)

    def reply(self, exchange: Exchange) -> Reply:
        rdtype = exchange.query.question[0].rdtype
        if exchange.transport == "udp":
            self.asked[rdtype] += 1
        if self.asked[rdtype] > self.count:
            return Reply(exchange.right())
        return SILENCE


@dataclass(frozen=True)
class Forged(Lost):
    """Over UDP a forger's packet comes before the correct answer: that the name does not exist, and all but
    one thing in it is right. It is the only answer to the first questions, if `count` says so.
    """

    count: int = 0
    wrong: str = "id"  # or "name", "type", "class", "query", "opcode", "length", "port"

    def reply(self, exchange: Exchange) -> Reply:
        reply = super().reply(exchange)
        return replace(
            reply, forged=self.forge(exchange), is_from_elsewhere=self.wrong == "port"
        )

    def forge(self, exchange: Exchange) -> bytes:
        forged = exchange.empty(dns.rcode.NXDOMAIN)
        (question,) = exchange.query.question
        name, rdclass, rdtype = question.name, question.rdclass, question.rdtype
        if self.wrong == "id":
            forged.id ^= 1
        elif self.wrong == "name":
            name = dns.name.Name((b"x" * len(name[0]),) + name[1:])
        elif self.wrong == "type":
            rdtype = dns.rdatatype.TXT
        elif self.wrong == "class":
            rdclass = dns.rdataclass.CH
        elif self.wrong == "query":
            forged.flags &= ~dns.flags.QR
        elif self.wrong == "opcode":
            forged.set_opcode(dns.opcode.STATUS)
        forged.question = [dns.rrset.RRset(name, rdclass, rdtype)]
        wire = encode(forged)
        return wire[:11] if self.wrong == "length" else wire

    def __str__(self) -> str:
        return f"Forged({self.wrong})"


@dataclass(frozen=True)
class WrongId(Fault):
    """Only answers with the wrong id, like a forger's guess."""

    def reply(self, exchange: Exchange) -> Reply:
        exchange.response.id = exchange.query.id ^ 0x5555
        return Reply(exchange.right())


@dataclass(frozen=True)
class WrongQuestion(Fault):
    """The correct id and records, but as the answer to another question."""

    def reply(self, exchange: Exchange) -> Reply:
        other = dns.name.from_text("wrong.example.")
        exchange.response.question = [
            dns.rrset.RRset(other, dns.rdataclass.IN, dns.rdatatype.A)
        ]
        return Reply(exchange.right())


@dataclass(frozen=True)
class SmallLetters(Fault):
    """The correct answer, with the name in small letters, in whatever case it was asked for."""

    def reply(self, exchange: Exchange) -> Reply:
        (question,) = exchange.query.question
        name = question.name.canonicalize()
        exchange.response.question = [
            dns.rrset.RRset(name, question.rdclass, question.rdtype)
        ]
        return Reply(exchange.right())


@dataclass(frozen=True)
class LongLived(Fault):
    """The correct answer, and another name's record beside it, all with one TTL: the largest of RFC 2181 8."""

    ttl: int = 2**31 - 1

    def reply(self, exchange: Exchange) -> Reply:
        for records in exchange.response.answer:
            records.ttl = self.ttl
        beside = dns.rrset.from_text(
            "beside.example.", self.ttl, "IN", "A", "192.0.2.1"
        )
        exchange.response.additional.append(beside)
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
class AliasAlone(Fault):
    """Of the correct answer, which begins with an alias, that alone, as from a server that has nothing of
    the alias's target."""

    def reply(self, exchange: Exchange) -> Reply:
        del exchange.response.answer[1:]
        exchange.response.authority = []
        exchange.response.set_rcode(dns.rcode.NOERROR)
        return Reply(exchange.right())


@dataclass(frozen=True)
class Referral(Fault):
    """Only the name servers of the root (RFC 2308 2.2), not authoritative, without recursion: or as if
    it recursed, or without the name servers."""

    recurses: bool = False
    has_servers: bool = True

    def reply(self, exchange: Exchange) -> Reply:
        response = exchange.empty(dns.rcode.NOERROR)
        response.flags &= ~(dns.flags.AA | dns.flags.RA)
        if self.recurses:
            response.flags |= dns.flags.RA
        servers = dns.rrset.from_text(".", TTL, "IN", "NS", "ns.lab.example.")
        response.authority = [servers] if self.has_servers else []
        return Reply(encode(response))


@dataclass(frozen=True)
class Contradiction(Fault):
    """The correct answer, with the response code of a name that does not exist."""

    def reply(self, exchange: Exchange) -> Reply:
        exchange.response.set_rcode(dns.rcode.NXDOMAIN)
        return Reply(exchange.right())


@dataclass(frozen=True)
class OtherOwner(Fault):
    """The records of the correct answer, as those of a name that was not asked for."""

    def reply(self, exchange: Exchange) -> Reply:
        for records in exchange.response.answer:
            records.name = dns.name.from_text("other.example.")
        exchange.response.authority = []
        return Reply(exchange.right())


@dataclass(frozen=True)
class OtherSoa(Fault):
    """No record, and the SOA of a zone in which the name is not."""

    def reply(self, exchange: Exchange) -> Reply:
        response = exchange.empty(dns.rcode.NOERROR)
        text = f"ns.lab.example. postmaster.lab.example. 1 9 9 9 {TTL}"
        response.authority = [
            dns.rrset.from_text("other.example.", TTL, "IN", "SOA", text)
        ]
        return Reply(encode(response))


@dataclass(frozen=True)
class NoAuthority(Fault):
    """The correct answer, without the SOA that a negative one has (RFC 2308 2.2, NODATA type 3)."""

    def reply(self, exchange: Exchange) -> Reply:
        exchange.response.authority = []
        return Reply(exchange.right())


@dataclass(frozen=True)
class NegativeTtl(Fault):
    """The correct answer, negative, whose SOA has this TTL and MINIMUM (RFC 2308 5)."""

    ttl: int
    minimum: int

    def reply(self, exchange: Exchange) -> Reply:
        text = f"ns.lab.example. postmaster.lab.example. 1 9 9 9 {self.minimum}"
        soa = dns.rrset.from_text(".", self.ttl, "IN", "SOA", text)
        exchange.response.authority = [soa]
        return Reply(exchange.right())


@dataclass(frozen=True)
class Malformed(Fault):
    """A correct header and question, followed by `payload` in place of a record."""

    payload: bytes = b"\xc0\x0c\xc0\x0c\xff"

    def reply(self, exchange: Exchange) -> Reply:
        response = exchange.empty(dns.rcode.NOERROR)
        response.use_edns(False)  # its record would stand before the payload
        wire = bytearray(encode(response))
        wire[6:8] = b"\x00\x01"  # ANCOUNT (RFC 1035 4.1.1)
        return Reply(bytes(wire) + self.payload)


@dataclass(frozen=True)
class NoEdns(Fault):
    """FORMERR to queries with EDNS0, from a server older than it (RFC 6891 7), or another error."""

    rcode: dns.rcode.Rcode = dns.rcode.FORMERR
    is_header_alone: bool = False  # the question is not repeated

    def reply(self, exchange: Exchange) -> Reply:
        if exchange.query.edns < 0:
            return Reply(exchange.right())
        response = exchange.empty(self.rcode)
        response.use_edns(False)
        if self.is_header_alone:
            response.question = []
        return Reply(encode(response))


@dataclass(frozen=True)
class Unasked(Fault):
    """REFUSED to queries that do not desire recursion, from a server that only recurses (RFC 1035
    4.1.1)."""

    def reply(self, exchange: Exchange) -> Reply:
        if exchange.query.flags & dns.flags.RD:
            return Reply(exchange.right())
        return Reply(encode(exchange.empty(dns.rcode.REFUSED)))
