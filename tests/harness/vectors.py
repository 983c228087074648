"""What the vector runners share: scenarios from fixtures/vectors, a DNS that answers from a
scenario's zone on a loopback port, and the fairlead command.

The format is described in fixtures/vectors/README.md.
"""

from __future__ import annotations

import json
import os
import selectors
import socket
import struct
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rdtypes.ANY.TXT
import dns.rrset
import yaml

ROOT = Path(__file__).resolve().parents[2]
VECTORS = ROOT / "fixtures" / "vectors"
TTL = 300
PROCESS_TIMEOUT = 60.0

Zone = Mapping[str, Any]


@dataclass(frozen=True)
class Case:
    """One test of one scenario: a name that no other case of its folder has, and what it says."""

    id: str
    file: str
    scenario: Mapping[str, Any]
    name: str
    test: Mapping[str, Any]

    @property
    def zone(self) -> Zone:
        zone: Zone = self.scenario.get("zone") or {}
        return zone


def case_id(case: Case) -> str:
    """For pytest's `ids`."""
    return case.id


def load_cases(folder: str) -> list[Case]:
    """Every test of every scenario in fixtures/vectors/<folder>/*.yaml, in the files' order."""
    cases: list[Case] = []
    for path in sorted((VECTORS / folder).glob("*.yaml")):
        for scenario in yaml.safe_load_all(path.read_text(encoding="utf-8")):
            defaults = scenario.get("defaults") or {}
            for name, own in scenario["tests"].items():
                test = {**defaults, **own}
                cases.append(
                    Case(f"{path.stem}:{name}", path.name, scenario, name, test)
                )
    duplicates = {case.id for case in cases if sum(c.id == case.id for c in cases) > 1}
    assert not duplicates, f"test names used twice: {sorted(duplicates)}"
    return cases


def message_octets(text: str) -> bytes:
    """A message of a vector: characters up to U+00FF stand for octets, LF for CRLF."""
    return text.encode("latin-1").replace(b"\n", b"\r\n")


def fairlead() -> str:
    """The command under test."""
    return os.environ.get("FAIRLEAD", str(ROOT / "build" / "relay" / "fairlead"))


def run_fairlead(
    *arguments: str, stdin: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [fairlead(), *arguments],
        input=stdin,
        capture_output=True,
        timeout=PROCESS_TIMEOUT,
    )


def run_fairlead_json(*arguments: str, stdin: bytes = b"") -> Any:
    """The one JSON object that a tool prints when it could evaluate."""
    done = run_fairlead(*arguments, stdin=stdin)
    if done.returncode != 0:
        raise RuntimeError(
            f"fairlead {' '.join(arguments)}: exit {done.returncode}: "
            f"{done.stderr.decode(errors='replace').strip()}"
        )
    return json.loads(done.stdout)


def run_all(
    cases: list[Case], run: Callable[[Case, str], Any], workers: int = 8
) -> dict[str, Any]:
    """Runs `run(case, resolver)` for every case, several at once, each scenario with a DNS of its
    own. An exception is kept as the case's outcome."""

    def guarded(case: Case, resolver: str) -> Any:
        try:
            return run(case, resolver)
        except Exception as error:  # the case's own test reports it
            return error

    servers: dict[int, DnsServer] = {}
    try:
        for case in cases:
            if id(case.scenario) not in servers:
                servers[id(case.scenario)] = DnsServer(case.zone)
        with ThreadPoolExecutor(workers) as pool:
            outcomes = {
                case.id: pool.submit(guarded, case, servers[id(case.scenario)].resolver)
                for case in cases
            }
            return {case_id: outcome.result() for case_id, outcome in outcomes.items()}
    finally:
        for server in servers.values():
            server.close()


# The zone as DNS records


def _octets(text: str | bytes) -> bytes:
    """YAML holds octets as characters up to U+00FF."""
    return text if isinstance(text, bytes) else text.encode("latin-1")


def txt_rdata(value: str | list[str]) -> dns.rdata.Rdata:
    """A TXT record: its strings, or one text cut into strings of at most 255 octets."""
    if isinstance(value, list):
        strings = [_octets(part) for part in value]
    else:
        octets = _octets(value)
        strings = [octets[i : i + 255] for i in range(0, len(octets), 255)] or [b""]
    return dns.rdtypes.ANY.TXT.TXT(dns.rdataclass.IN, dns.rdatatype.TXT, strings)


def _rdata(kind: str, value: Any) -> dns.rdata.Rdata:
    if kind == "TXT":
        return txt_rdata(value)
    return dns.rdata.from_text(
        dns.rdataclass.IN,
        dns.rdatatype.from_text(kind),
        str(value),
        origin=dns.name.root,
        relativize=False,
    )


class ZoneData:
    """The `zone` of a scenario, ready to answer."""

    FAILURES = ("SERVFAIL", "REFUSED", "DROP")

    def __init__(self, zone: Zone) -> None:
        self._records: dict[dns.name.Name, dict[str, list[dns.rdata.Rdata]]] = {}
        self._failures: dict[tuple[dns.name.Name, str], str] = {}
        for text, types in zone.items():
            name = self._name(text)
            self._records.setdefault(name, {})
            if isinstance(types, str):
                types = {"*": types}
            for kind, values in (types or {}).items():
                if isinstance(values, str) and values in self.FAILURES:
                    self._failures[name, kind] = values
                    continue
                if not isinstance(values, list):
                    values = [values]
                self._records[name][kind] = [_rdata(kind, value) for value in values]

    @staticmethod
    def _name(text: str) -> dns.name.Name:
        return dns.name.from_text(str(text)).canonicalize()

    def failure(self, name: dns.name.Name, kind: str) -> str | None:
        name = name.canonicalize()
        return self._failures.get((name, kind)) or self._failures.get((name, "*"))

    def exists(self, name: dns.name.Name) -> bool:
        name = name.canonicalize()
        return any(known.is_subdomain(name) for known in self._records)

    def records(self, name: dns.name.Name, kind: str) -> list[dns.rdata.Rdata]:
        return self._records.get(name.canonicalize(), {}).get(kind, [])


def answer_query(zone: ZoneData, wire: bytes, udp: bool) -> bytes | None:
    """The response in wire form; None to stay silent."""
    try:
        query = dns.message.from_wire(wire)
    except dns.exception.DNSException:
        return None
    response = dns.message.make_response(query, recursion_available=True)
    if query.opcode() != dns.opcode.QUERY or len(query.question) != 1:
        response.set_rcode(dns.rcode.NOTIMP)
        return response.to_wire()
    question = query.question[0]
    kind = dns.rdatatype.to_text(question.rdtype)
    name = question.name
    for _ in range(16):  # a chain of CNAMEs, which may be a loop
        failure = zone.failure(name, kind)
        if failure == "DROP":
            return None
        if failure:
            response.set_rcode(dns.rcode.from_text(failure))
            return response.to_wire()
        aliases = zone.records(name, "CNAME")
        if not aliases or kind == "CNAME":
            break
        response.answer.append(dns.rrset.from_rdata(name, TTL, *aliases))
        name = aliases[0].target  # type: ignore[attr-defined]
    records = zone.records(name, kind)
    if records:
        rrset = dns.rrset.RRset(name, dns.rdataclass.IN, question.rdtype)
        rrset.update_ttl(TTL)
        for record in records:
            rrset.add(record)
        response.answer.append(rrset)
    elif not zone.exists(name):
        response.set_rcode(dns.rcode.NXDOMAIN)
    limit = max(query.payload, 512) if udp else 65535
    try:
        # In the zone's order: how many PTR names are tried depends on it.
        return response.to_wire(max_size=limit, want_shuffle=False)  # type: ignore[arg-type]
    except dns.exception.TooBig:
        truncated = dns.message.make_response(query, recursion_available=True)
        truncated.flags |= dns.flags.TC
        return truncated.to_wire()


class DnsServer:
    """Answers from one zone on 127.0.0.1, UDP and TCP on the same port, until closed.

    A name that is neither in the zone nor above one that is does not exist."""

    def __init__(self, zone: Zone) -> None:
        self._zone = ZoneData(zone)
        self._udp, self._tcp = self._bind()
        self._stop_reading, self._stop_writing = socket.socketpair()
        self.port: int = self._udp.getsockname()[1]
        self.resolver = f"127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    @staticmethod
    def _bind() -> tuple[socket.socket, socket.socket]:
        for _ in range(50):  # until a UDP port's TCP twin is free as well
            udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            udp.bind(("127.0.0.1", 0))
            try:
                return udp, socket.create_server(udp.getsockname())
            except OSError:
                udp.close()
        raise OSError("no port for the DNS server")

    def __enter__(self) -> DnsServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._stop_writing.send(b".")
        self._thread.join()
        for sock in (self._udp, self._tcp, self._stop_reading, self._stop_writing):
            sock.close()

    def _serve(self) -> None:
        with selectors.DefaultSelector() as selector:
            for sock in (self._udp, self._tcp, self._stop_reading):
                selector.register(sock, selectors.EVENT_READ)
            while True:
                ready = [key.fileobj for key, _ in selector.select()]
                if self._stop_reading in ready:
                    return
                if self._udp in ready:
                    self._serve_udp()
                if self._tcp in ready:
                    self._serve_tcp()

    def _serve_udp(self) -> None:
        wire, client = self._udp.recvfrom(65535)
        response = answer_query(self._zone, wire, udp=True)
        if response is not None:
            self._udp.sendto(response, client)

    def _serve_tcp(self) -> None:
        connection, _ = self._tcp.accept()
        with connection:
            connection.settimeout(5)
            for wire in self._tcp_queries(connection):
                response = answer_query(self._zone, wire, udp=False)
                if response is None:
                    return
                connection.sendall(struct.pack("!H", len(response)) + response)

    @staticmethod
    def _tcp_queries(connection: socket.socket) -> Iterator[bytes]:
        stream = connection.makefile("rb")
        while True:
            try:
                prefix = stream.read(2)
                if len(prefix) < 2:
                    return
                yield stream.read(struct.unpack("!H", prefix)[0])
            except (OSError, TimeoutError):
                return
