"""The lab's DNS: authoritative for everything, over UDP and TCP on 127.0.0.1:53.

It answers from zone files (RFC 1035 master files) and from records that tests add, NXDOMAIN to the
rest, and per name it can fail in the ways that real servers do. It follows CNAMEs like a recursive
server. Not built for load: a few thousand answers a second.
"""

from __future__ import annotations

import asyncio
import struct
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import dns.zonefile

from conformance.lab.loop import LoopThread
from conformance.lab.transcript import Transcript

CNAME_LIMIT = 8
TTL = 300
UDP_WITHOUT_EDNS = 512


@dataclass(frozen=True)
class Behaviour:
    """How the answers for a name go wrong; made by the functions below."""

    kind: str
    delay: float = 0.0
    payload: bytes = b""
    rcode: int = dns.rcode.NOERROR


def drop() -> Behaviour:
    """No answer at all: the client's time-out decides."""
    return Behaviour("drop")


def servfail() -> Behaviour:
    return Behaviour("rcode", rcode=dns.rcode.SERVFAIL)


def refused() -> Behaviour:
    return Behaviour("rcode", rcode=dns.rcode.REFUSED)


def truncate() -> Behaviour:
    """UDP answers are empty with TC set; TCP has the whole."""
    return Behaviour("truncate")


def truncate_only() -> Behaviour:
    """As `truncate`, and TCP connections asking for the name are dropped."""
    return Behaviour("truncate_only")


def late(seconds: float) -> Behaviour:
    """The right answer, late."""
    return Behaviour("late", delay=seconds)


def wrong_id() -> Behaviour:
    """Only answers with an id that nobody asked with."""
    return Behaviour("wrong_id")


def wrong_question() -> Behaviour:
    """Answers to another question than the one asked."""
    return Behaviour("wrong_question")


def cname_loop() -> Behaviour:
    """The name is an alias of an alias of itself."""
    return Behaviour("cname_loop")


def malformed(payload: bytes = b"\xc0\x0c\xc0\x0c\xff") -> Behaviour:
    """A right header and question with `payload` where the answer should be."""
    return Behaviour("malformed", payload=payload)


def no_edns() -> Behaviour:
    """FORMERR for queries with EDNS0, like servers older than it."""
    return Behaviour("no_edns")


@dataclass(frozen=True)
class Query:
    """One question the server was asked."""

    at: float  # time.monotonic()
    name: str  # lower case, without the last dot
    rdtype: str
    transport: str  # "udp" or "tcp"
    outcome: str  # "NOERROR", "NXDOMAIN", or the behaviour


def _absolute(name: str) -> dns.name.Name:
    return dns.name.from_text(name.rstrip(".") + ".").canonicalize()


class DnsServer:
    """The server. Its methods are called from tests' threads; records and behaviours take effect with
    the next question."""

    def __init__(
        self, loop: LoopThread, address: str = "127.0.0.1", port: int = 53
    ) -> None:
        self._loop = loop
        self._address = address
        self._port = port
        self._lock = threading.Lock()
        self._records: dict[tuple[dns.name.Name, int], dns.rrset.RRset] = {}
        self._names: dict[dns.name.Name, int] = {}
        self._behaviours: dict[tuple[dns.name.Name, int], Behaviour] = {}
        self._queries: list[Query] = []
        self._server: asyncio.AbstractServer | None = None
        self._transport: asyncio.DatagramTransport | None = None
        self.transcript: Transcript | None = None

    def start(self) -> None:
        """Binds; OSError where that is not possible."""
        self._loop.run(self._start())

    def stop(self) -> None:
        self._loop.call(self._close)

    # What tests say

    def load(self, path: Path) -> None:
        """Adds every record of a master file."""
        text = path.read_text(encoding="utf-8")
        for rrset in dns.zonefile.read_rrsets(
            text, rdclass=None, default_ttl=TTL, origin=dns.name.root, relativize=False
        ):
            with self._lock:
                self._merge(rrset)

    def add(self, name: str, rdtype: str, *rdata: str, ttl: int = TTL) -> None:
        """Adds records in master-file form: add("a.example", "MX", "10 mx.a.example.")."""
        rrset = dns.rrset.from_text(_absolute(name), ttl, "IN", rdtype, *rdata)
        with self._lock:
            self._merge(rrset)

    def add_text(self, name: str, text: str, ttl: int = TTL) -> None:
        """Adds a TXT record, in strings of at most 255 octets."""
        data = text.encode("utf-8")
        parts = [data[i : i + 255] for i in range(0, len(data), 255)] or [b""]
        quoted = " ".join(
            '"' + "".join(_quoted(byte) for byte in part) + '"' for part in parts
        )
        self.add(name, "TXT", quoted, ttl=ttl)

    def remove(self, name: str, rdtype: str | None = None) -> None:
        """Removes the records of a name, of one type or of all."""
        owner = _absolute(name)
        wanted = None if rdtype is None else dns.rdatatype.from_text(rdtype)
        with self._lock:
            for key in [key for key in self._records if key[0] == owner]:
                if wanted is None or key[1] == wanted:
                    self._forget(key)

    def set(self, name: str, rdtype: str, *rdata: str, ttl: int = TTL) -> None:
        """Replaces the records of one name and type."""
        self.remove(name, rdtype)
        self.add(name, rdtype, *rdata, ttl=ttl)

    def behave(self, name: str, behaviour: Behaviour, rdtype: str = "ANY") -> None:
        """From now on answers for `name` (of one type, or of all) go wrong as said."""
        with self._lock:
            self._behaviours[
                _absolute(name), dns.rdatatype.from_text(rdtype)
            ] = behaviour

    def queries(
        self, name: str | None = None, rdtype: str | None = None
    ) -> list[Query]:
        """The questions asked so far, oldest first."""
        wanted = name.rstrip(".").lower() if name is not None else None
        with self._lock:
            queries = list(self._queries)
        return [
            query
            for query in queries
            if (wanted is None or query.name == wanted)
            and (rdtype is None or query.rdtype == rdtype)
        ]

    # What the server does

    def _merge(self, rrset: dns.rrset.RRset) -> None:
        owner = rrset.name.canonicalize()
        key = (owner, int(rrset.rdtype))
        if key in self._records:
            self._records[key].union_update(rrset)  # type: ignore[no-untyped-call]
            return
        self._records[key] = dns.rrset.from_rdata_list(owner, rrset.ttl, list(rrset))
        for name in _ancestors(owner):
            self._names[name] = self._names.get(name, 0) + 1

    def _forget(self, key: tuple[dns.name.Name, int]) -> None:
        del self._records[key]
        for name in _ancestors(key[0]):
            self._names[name] -= 1

    def _exists(self, name: dns.name.Name) -> bool:
        return self._names.get(name, 0) > 0

    def _close(self) -> None:
        if self._transport:
            self._transport.close()
        if self._server:
            self._server.close()

    async def _start(self) -> None:
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(
            lambda: _Datagrams(self), local_addr=(self._address, self._port)
        )
        self._server = await asyncio.start_server(
            self._serve_tcp, self._address, self._port
        )

    async def _serve_tcp(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        try:
            while True:
                (length,) = struct.unpack("!H", await reader.readexactly(2))
                answer, delay = self.respond(await reader.readexactly(length), "tcp")
                if answer is None:
                    break
                await asyncio.sleep(delay)
                writer.write(struct.pack("!H", len(answer)) + answer)
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    def respond(self, packet: bytes, transport: str) -> tuple[bytes | None, float]:
        """The answer to a query and the delay in seconds before it leaves; None to say nothing."""
        try:
            query = dns.message.from_wire(packet)
        except (dns.exception.DNSException, ValueError):
            return None, 0.0
        if not query.question:
            return None, 0.0
        question = query.question[0]
        name = question.name.canonicalize()
        with self._lock:
            behaviour = self._behaviours.get(
                (name, int(question.rdtype))
            ) or self._behaviours.get((name, int(dns.rdatatype.ANY)))
            response = self._look_up(query, name)
        outcome = behaviour.kind if behaviour else dns.rcode.to_text(response.rcode())
        answer, delay = _encode(query, response, behaviour, transport)
        self._note(
            name, dns.rdatatype.to_text(question.rdtype), transport, outcome, response
        )
        return answer, delay

    def _look_up(
        self, query: dns.message.Message, name: dns.name.Name
    ) -> dns.message.Message:
        response = dns.message.make_response(query, recursion_available=True)
        response.flags |= dns.flags.AA
        rdtype = int(query.question[0].rdtype)
        current = name
        for _ in range(CNAME_LIMIT):
            alias = self._records.get((current, int(dns.rdatatype.CNAME)))
            if alias is None or rdtype == dns.rdatatype.CNAME:
                break
            response.answer.append(alias)
            current = alias[0].target.canonicalize()  # type: ignore[attr-defined]
        found = self._records.get((current, rdtype))
        if found is not None:
            response.answer.append(found)
            return response
        if not self._exists(current):
            response.set_rcode(dns.rcode.NXDOMAIN)
        response.authority.append(_SOA)
        return response

    def _note(
        self,
        name: dns.name.Name,
        rdtype: str,
        transport: str,
        outcome: str,
        response: dns.message.Message,
    ) -> None:
        shown = name.to_text(omit_final_dot=True)
        with self._lock:
            self._queries.append(
                Query(time.monotonic(), shown, rdtype, transport, outcome)
            )
        if self.transcript is not None:
            data = " ; ".join(
                f"{dns.rdatatype.to_text(rrset.rdtype)} {rdata.to_text()}"
                for rrset in response.answer
                for rdata in rrset
            )
            self.transcript.remark(
                "dns", f"{shown} {rdtype} ({transport}): {outcome} {data}"
            )


# How long a subject may remember that a name is not there (RFC 2308 5): less than it takes until the
# clients' few IPv4 addresses come round again, as a test may have put one on a DNSBL by then.
NEGATIVE_TTL = 1

_SOA = dns.rrset.from_text(
    ".",
    NEGATIVE_TTL,
    "IN",
    "SOA",
    f"ns.lab.example. postmaster.lab.example. 1 9 9 9 {NEGATIVE_TTL}",
)


def _ancestors(name: dns.name.Name) -> list[dns.name.Name]:
    names = []
    while name != dns.name.root:
        names.append(name)
        name = name.parent()
    return names


def _quoted(byte: int) -> str:
    if byte in b'"\\':
        return "\\" + chr(byte)
    return chr(byte) if 32 <= byte < 127 else f"\\{byte:03d}"


def _encode(
    query: dns.message.Message,
    response: dns.message.Message,
    behaviour: Behaviour | None,
    transport: str,
) -> tuple[bytes | None, float]:
    kind = behaviour.kind if behaviour else ""
    delay = behaviour.delay if behaviour else 0.0
    if kind == "drop" or (kind == "truncate_only" and transport == "tcp"):
        return None, 0.0
    if behaviour is not None and kind == "rcode":
        return _empty(query, behaviour.rcode).to_wire(), 0.0
    if kind == "no_edns" and query.edns >= 0:
        bare = _empty(query, dns.rcode.FORMERR)
        bare.use_edns(False)
        return bare.to_wire(), 0.0
    if kind == "wrong_id":
        response.id = query.id ^ 0x5555
    if kind == "wrong_question":
        other = dns.rrset.RRset(
            _absolute("wrong.example"), dns.rdataclass.IN, dns.rdatatype.A
        )
        response.question = [other]
    if kind == "cname_loop":
        response = _loop(query)
    if behaviour is not None and kind == "malformed":
        wire = bytearray(_empty(query, dns.rcode.NOERROR).to_wire())
        wire[6:8] = b"\x00\x01"
        return bytes(wire) + behaviour.payload, 0.0
    if kind.startswith("truncate") and transport == "udp":
        return _truncated(query), delay
    wire_whole = response.to_wire(max_size=65535)
    room = query.payload if query.edns >= 0 else UDP_WITHOUT_EDNS
    if transport == "udp" and len(wire_whole) > max(room, UDP_WITHOUT_EDNS):
        return _truncated(query), delay
    return wire_whole, delay


def _empty(query: dns.message.Message, rcode: int) -> dns.message.Message:
    response = dns.message.make_response(query, recursion_available=True)
    response.set_rcode(dns.rcode.Rcode(rcode))
    return response


def _truncated(query: dns.message.Message) -> bytes:
    response = _empty(query, dns.rcode.NOERROR)
    response.flags |= dns.flags.TC
    return response.to_wire()


def _loop(query: dns.message.Message) -> dns.message.Message:
    response = _empty(query, dns.rcode.NOERROR)
    name = query.question[0].name
    other = (
        _absolute("alias.")
        if name == dns.name.root
        else dns.name.Name((b"alias",) + name[1:])
    )
    for owner, target in ((name, other), (other, name)):
        response.answer.append(
            dns.rrset.from_text(owner, TTL, "IN", "CNAME", target.to_text())
        )
    return response


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, server: DnsServer) -> None:
        self._server = server

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        answer, delay = self._server.respond(data, "udp")
        if answer is None:
            return
        if delay:
            asyncio.get_running_loop().call_later(
                delay, self._transport.sendto, answer, address
            )
        else:
            self._transport.sendto(answer, address)
