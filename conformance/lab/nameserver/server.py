"""The lab's nameserver: authoritative for everything, over UDP and TCP on 127.0.0.1:53.

It answers from zone files (RFC 1035 master files) and from records that tests add, and NXDOMAIN for
other names; for each name it can have a fault of faults.py. It follows CNAMEs like a recursive server.
It is not built for load: a few thousand answers a second.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

from conformance.lab.loop import LoopThread
from conformance.lab.nameserver.exchange import SILENCE, Exchange, Reply
from conformance.lab.nameserver.faults import TTL, Fault
from conformance.lab.nameserver.zone import (
    Found,
    ZoneData,
    absolute,
    record,
    text_rdata,
)
from conformance.lab.transcript import Transcript

# How long a subject may cache that a name does not exist (RFC 2308 5): less than the time until one of
# the few client addresses is used again, since a test may have listed it in a DNSBL by then.
NEGATIVE_TTL = 1


def _soa(ttl: int) -> dns.rrset.RRset:
    text = f"ns.lab.example. postmaster.lab.example. 1 9 9 9 {ttl}"
    return dns.rrset.from_text(".", ttl, "IN", "SOA", text)


SOA, SOA_OF_A_MOMENT = _soa(NEGATIVE_TTL), _soa(0)

# How many UDP ports are tried until one is also free for TCP.
PORTS_TRIED_MAX = 50


@dataclass(frozen=True)
class Query:
    """One question to the server."""

    at: float  # time.monotonic()
    name: str  # lower case, without the last dot
    rdtype: str
    transport: str  # "udp" or "tcp"
    outcome: str  # "NOERROR", "NXDOMAIN", or the fault
    answer: str = ""  # its records, for a reader
    is_followed: bool = False  # there were octets behind it that are no part of it
    written: str = ""  # the name in the letter case of the packet

    def __str__(self) -> str:
        """As transcripts have it."""
        note = ", with stray octets behind the query" if self.is_followed else ""
        return f"{self.name} {self.rdtype} ({self.transport}{note}): {self.outcome} {self.answer}"


class Nameserver:
    """The server. Its methods are called from tests' threads; records and faults take effect with
    the next question. Port 0 is any free port."""

    def __init__(
        self,
        loop: LoopThread,
        address: str = "127.0.0.1",
        port: int = 53,
        zone: ZoneData | None = None,
    ) -> None:
        self._loop = loop
        self._address = address
        self._port = port
        self._lock = threading.Lock()
        self._zone = zone or ZoneData()
        self._played: ZoneData | None = None
        self._queries: list[Query] = []
        self._server: asyncio.AbstractServer | None = None
        self._transport: asyncio.DatagramTransport | None = None
        self._transcript: Transcript | None = None
        self._is_shown: Callable[[str], bool] = bool

    def start(self) -> None:
        """Binds the port, or raises OSError."""
        self._loop.run(self._start())

    def stop(self) -> None:
        self._loop.call(self._close)

    @contextmanager
    def closed_to_tcp(self) -> Iterator[None]:
        """Meanwhile it refuses TCP connections. Only for a server of our own."""
        assert self._server is not None
        self._loop.call(self._server.close)
        try:
            yield
        finally:
            self._loop.run(self._listen())

    @property
    def resolver(self) -> str:
        """Its address once it is started: "address:port"."""
        return f"{self._address}:{self._port}"

    def record(
        self, transcript: Transcript | None, is_shown: Callable[[str], bool] = bool
    ) -> None:
        """From now on notes questions in `transcript`, if `is_shown` of their name."""
        self._transcript, self._is_shown = transcript, is_shown

    # What tests say

    def load(self, path: Path) -> None:
        """Adds every record of a master file."""
        with self._lock:
            self._zone.load(path)

    def add(self, name: str, rdtype: str, *rdata: str, ttl: int = TTL) -> None:
        """Adds records in master-file form: add("a.example", "MX", "10 mx.a.example.")."""
        records = [record(rdtype, text) for text in rdata]
        with self._lock:
            self._zone.add(absolute(name), ttl, records)

    def add_text(self, name: str, text: str, ttl: int = TTL) -> None:
        """Adds a TXT record, in strings of at most 255 octets."""
        rdata = text_rdata(text.encode("utf-8"))
        with self._lock:
            self._zone.add(absolute(name), ttl, [rdata])

    def remove(self, name: str, rdtype: str | None = None) -> None:
        """Removes the records of a name, of one type or of all."""
        with self._lock:
            self._zone.remove(name, rdtype)

    def set(self, name: str, rdtype: str, *rdata: str, ttl: int = TTL) -> None:
        """Replaces the records of one name and type."""
        self.remove(name, rdtype)
        self.add(name, rdtype, *rdata, ttl=ttl)

    def fail(self, name: str, fault: Fault, rdtype: str = "ANY") -> None:
        """Gives answers for `name` (of one type, or of all) the fault from now on."""
        with self._lock:
            self._zone.fail(name, fault, rdtype)

    def play(self, scenario: ZoneData | None) -> None:
        """Until the next call, has the domains of a scenario for itself: of them, there are only its
        records, while all others are as they were. Nobody may cache then that a name does not exist;
        the scenario's own records should have a TTL of 0."""
        with self._lock:
            self._played = scenario

    def queries(
        self, name: str | None = None, rdtype: str | None = None
    ) -> list[Query]:
        """The questions so far, oldest first."""
        wanted = name.rstrip(".").lower() if name is not None else None
        with self._lock:
            queries = list(self._queries)
        return [
            query
            for query in queries
            if (wanted is None or query.name == wanted)
            and (rdtype is None or query.rdtype == rdtype)
        ]

    def queries_since(self, count: int) -> list[Query]:
        """The questions after the first `count`, oldest first."""
        with self._lock:
            return self._queries[count:]

    def count_queries(self) -> int:
        """The number of questions so far."""
        with self._lock:
            return len(self._queries)

    # What the server does

    def _close(self) -> None:
        if self._transport:
            self._transport.close()
        if self._server:
            self._server.close()

    async def _start(self) -> None:
        wanted = self._port
        tries = 1 if wanted else PORTS_TRIED_MAX
        for left in reversed(range(tries)):
            try:
                await self._bind()
                return
            except OSError:
                self._close()
                self._port = wanted
                if left == 0:
                    raise

    async def _bind(self) -> None:
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(
            lambda: _Datagrams(self), local_addr=(self._address, self._port)
        )
        self._port = self._transport.get_extra_info("sockname")[1]
        await self._listen()

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(
            self._serve_tcp, self._address, self._port
        )

    async def _serve_tcp(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        try:
            while True:
                (length,) = struct.unpack("!H", await reader.readexactly(2))
                reply = self.respond(await reader.readexactly(length), "tcp")
                if reply.wire is None:
                    break
                await asyncio.sleep(reply.delay)
                writer.write(struct.pack("!H", len(reply.wire)) + reply.wire)
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    def respond(self, packet: bytes, transport: str) -> Reply:
        """The reply to a query in wire form; silence if it is not a query. Octets behind a query are
        ignored, as by resolvers, but noted: some clients send what is left of their memory.
        """
        is_followed = False
        try:
            query = dns.message.from_wire(packet)
        except dns.message.TrailingJunk:
            is_followed = True
            query = dns.message.from_wire(packet, ignore_trailing=True)
        except (dns.exception.DNSException, ValueError):
            return SILENCE
        if not query.question:
            return SILENCE
        question = query.question[0]
        rdtype = dns.rdatatype.to_text(question.rdtype)
        with self._lock:
            zone, soa = self._zone, SOA
            if self._played is not None:
                soa = SOA_OF_A_MOMENT
                if self._played.has_domain_of(question.name):
                    zone = self._played
            found = zone.look_up(question.name, rdtype)
        exchange = Exchange(query, _response(query, found, soa), transport)
        self._note(exchange, rdtype, found.fault, is_followed)
        return found.fault.reply(exchange) if found.fault else Reply(exchange.right())

    def _note(
        self, exchange: Exchange, rdtype: str, fault: Fault | None, is_followed: bool
    ) -> None:
        question = exchange.query.question[0]
        name = question.name.canonicalize().to_text(omit_final_dot=True)
        outcome = str(fault or dns.rcode.to_text(exchange.response.rcode()))
        answer = " ; ".join(
            f"{dns.rdatatype.to_text(rrset.rdtype)} {rdata.to_text()}"
            for rrset in exchange.response.answer
            for rdata in rrset
        )
        query = Query(
            time.monotonic(),
            name,
            rdtype,
            exchange.transport,
            outcome,
            answer,
            is_followed,
            question.name.to_text(omit_final_dot=True),
        )
        with self._lock:
            self._queries.append(query)
        if self._transcript is not None and self._is_shown(name):
            self._transcript.remark("dns", str(query))


def _response(
    query: dns.message.Message, found: Found, soa: dns.rrset.RRset
) -> dns.message.Message:
    """The correct response."""
    response = dns.message.make_response(query, recursion_available=True)
    response.flags |= dns.flags.AA
    response.answer.extend(found.aliases)
    if found.records is not None:
        response.answer.append(found.records)
        return response
    if not found.exists:
        response.set_rcode(dns.rcode.NXDOMAIN)
    response.authority.append(soa)
    return response


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, server: Nameserver) -> None:
        self._server = server

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        reply = self._server.respond(data, "udp")
        if reply.forged is not None and reply.is_from_elsewhere:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as elsewhere:
                elsewhere.sendto(reply.forged, address)
        elif reply.forged is not None:
            self._transport.sendto(reply.forged, address)
        if reply.wire is None:
            return
        if reply.delay:
            asyncio.get_running_loop().call_later(
                reply.delay, self._transport.sendto, reply.wire, address
            )
        else:
            self._transport.sendto(reply.wire, address)
