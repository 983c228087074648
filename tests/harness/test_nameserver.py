"""The lab's DNS server: what it answers, and every way in which it can fail to."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import dns.exception
import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import pytest

from conformance.lab.nameserver import server as lab
from conformance.lab import namespace
from conformance.lab.loop import LoopThread
from conformance.lab.world import FIXTURES, ROOT

ADDRESS, PORT = "127.0.0.1", 5353
PATIENCE = 5.0


@pytest.fixture
def server(loop: LoopThread) -> Iterator[lab.DnsServer]:
    server = lab.DnsServer(loop, ADDRESS, PORT)
    server.add("a.example", "A", "192.0.2.1")
    server.start()
    yield server
    server.stop()


def ask(
    name: str,
    rdtype: str = "A",
    *,
    tcp: bool = False,
    patience: float = PATIENCE,
    edns: bool = True,
) -> dns.message.Message:
    query = dns.message.make_query(name, rdtype, use_edns=0 if edns else False)
    if tcp:
        return dns.query.tcp(query, ADDRESS, timeout=patience, port=PORT)
    return dns.query.udp(query, ADDRESS, timeout=patience, port=PORT)


def texts(message: dns.message.Message) -> list[str]:
    """The records of an answer; names compressed against the question have its letter case."""
    records = [rdata.to_text() for rrset in message.answer for rdata in rrset]
    return sorted(text if '"' in text else text.lower() for text in records)


@pytest.mark.parametrize("tcp", [False, True])
def test_it_answers_what_it_was_told(server: lab.DnsServer, tcp: bool) -> None:
    server.add("a.example", "MX", "10 mx1.a.example.", "20 mx2.a.example.")
    assert texts(ask("A.Example", "MX", tcp=tcp)) == [
        "10 mx1.a.example.",
        "20 mx2.a.example.",
    ]


def test_names_out_of_its_zones_do_not_exist(server: lab.DnsServer) -> None:
    assert ask("b.example").rcode() == dns.rcode.NXDOMAIN


def test_a_name_without_the_type_exists(server: lab.DnsServer) -> None:
    response = ask("a.example", "MX")
    assert (response.rcode(), response.answer) == (dns.rcode.NOERROR, [])


def test_a_name_above_another_exists(server: lab.DnsServer) -> None:
    server.add("x.y.example", "A", "192.0.2.1")
    assert ask("y.example").rcode() == dns.rcode.NOERROR
    server.remove("x.y.example")
    assert ask("y.example").rcode() == dns.rcode.NXDOMAIN


def test_aliases_are_followed(server: lab.DnsServer) -> None:
    server.add("alias.example", "CNAME", "a.example.")
    assert texts(ask("alias.example")) == ["192.0.2.1", "a.example."]


def test_set_replaces_and_remove_takes_away(server: lab.DnsServer) -> None:
    server.set("a.example", "A", "192.0.2.2")
    assert texts(ask("a.example")) == ["192.0.2.2"]
    server.remove("a.example", "A")
    assert ask("a.example").rcode() == dns.rcode.NXDOMAIN


def test_long_texts_are_cut_into_strings(server: lab.DnsServer) -> None:
    server.add_text("t.example", 'a"\\' + "x" * 300)
    (rdata,) = ask("t.example", "TXT", tcp=True).answer[0]
    assert b"".join(rdata.strings) == b'a"\\' + b"x" * 300  # type: ignore[attr-defined]
    assert [len(part) for part in rdata.strings] == [255, 48]  # type: ignore[attr-defined]


def test_an_answer_too_long_for_udp_is_truncated(server: lab.DnsServer) -> None:
    server.add("big.example", "TXT", *(f'"{n} {"x" * 200}"' for n in range(10)))
    assert ask("big.example", "TXT").flags & dns.flags.TC
    assert len(ask("big.example", "TXT", tcp=True).answer[0]) == 10


def test_every_question_is_on_record(server: lab.DnsServer) -> None:
    ask("a.example")
    ask("b.example", "MX", tcp=True)
    seen = [(q.name, q.rdtype, q.transport, q.outcome) for q in server.queries()]
    assert seen == [
        ("a.example", "A", "udp", "NOERROR"),
        ("b.example", "MX", "tcp", "NXDOMAIN"),
    ]
    assert len(server.queries("b.example", "MX")) == 1


def test_drop_says_nothing(server: lab.DnsServer) -> None:
    server.behave("a.example", lab.drop())
    with pytest.raises(dns.exception.Timeout):
        ask("a.example", patience=0.2)


def test_a_behaviour_may_be_for_one_type_only(server: lab.DnsServer) -> None:
    server.behave("a.example", lab.servfail(), "MX")
    assert ask("a.example", "MX").rcode() == dns.rcode.SERVFAIL
    assert ask("a.example", "A").rcode() == dns.rcode.NOERROR


def test_refused(server: lab.DnsServer) -> None:
    server.behave("a.example", lab.refused())
    assert ask("a.example").rcode() == dns.rcode.REFUSED


def test_truncate_gives_the_whole_over_tcp_only(server: lab.DnsServer) -> None:
    server.behave("a.example", lab.truncate())
    response = ask("a.example")
    assert response.flags & dns.flags.TC and not response.answer
    assert texts(ask("a.example", tcp=True)) == ["192.0.2.1"]


def test_truncate_only_drops_tcp(server: lab.DnsServer) -> None:
    server.behave("a.example", lab.truncate_only())
    assert ask("a.example").flags & dns.flags.TC
    with pytest.raises((EOFError, OSError)):
        ask("a.example", tcp=True)


def test_late_is_late(server: lab.DnsServer) -> None:
    server.behave("a.example", lab.late(0.3))
    with pytest.raises(dns.exception.Timeout):
        ask("a.example", patience=0.1)
    assert texts(ask("a.example")) == ["192.0.2.1"]


def raw_answer(name: str) -> tuple[dns.message.Message, bytes]:
    query = dns.message.make_query(name, "A")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(PATIENCE)
        client.sendto(query.to_wire(), (ADDRESS, PORT))
        return query, client.recv(4096)


def test_wrong_id(server: lab.DnsServer) -> None:
    server.behave("a.example", lab.wrong_id())
    query, answer = raw_answer("a.example")
    assert dns.message.from_wire(answer).id != query.id


def test_wrong_question(server: lab.DnsServer) -> None:
    server.behave("a.example", lab.wrong_question())
    query, answer = raw_answer("a.example")
    response = dns.message.from_wire(answer)
    assert response.id == query.id and response.question != query.question


def test_malformed(server: lab.DnsServer) -> None:
    server.behave("a.example", lab.malformed())
    query, answer = raw_answer("a.example")
    assert answer[:2] == query.to_wire()[:2]
    with pytest.raises(dns.exception.DNSException):
        dns.message.from_wire(answer)


def test_a_loop_of_aliases(server: lab.DnsServer) -> None:
    server.behave("a.example", lab.cname_loop())
    response = ask("a.example")
    targets = {rrset.name.to_text(): rrset[0].to_text() for rrset in response.answer}
    assert targets == {"a.example.": "alias.example.", "alias.example.": "a.example."}


def test_no_edns_refuses_only_edns(server: lab.DnsServer) -> None:
    server.behave("a.example", lab.no_edns())
    assert ask("a.example").rcode() == dns.rcode.FORMERR
    assert texts(ask("a.example", edns=False)) == ["192.0.2.1"]


@pytest.mark.parametrize(
    "packet", [b"", b"\x00", b"\xff" * 11, b"\x12\x34" + b"\x00" * 10, b"x" * 600]
)
def test_garbage_is_not_answered(server: lab.DnsServer, packet: bytes) -> None:
    assert server.respond(packet, "udp") == (None, 0.0)
    assert texts(ask("a.example")) == ["192.0.2.1"]


def test_the_recorded_zones_load_as_the_page_has_them(loop: LoopThread) -> None:
    server = lab.DnsServer(loop, ADDRESS, PORT)
    for path in sorted((FIXTURES / "zones").glob("*.zone")):
        server.load(path)

    def answers(name: str, rdtype: str) -> list[str]:
        wire, _ = server.respond(dns.message.make_query(name, rdtype).to_wire(), "tcp")
        assert wire is not None
        return texts(dns.message.from_wire(wire))

    assert answers("example.com", "MX") == [
        "13 amir.mx.cloudflare.net.",
        "24 isaac.mx.cloudflare.net.",
        "86 linda.mx.cloudflare.net.",
    ]
    assert answers("example.com", "TXT") == [
        '"v=spf1 include:_spf.mx.cloudflare.net ~all"'
    ]
    assert answers("_spf.mx.cloudflare.net", "TXT") == [
        '"v=spf1 ip4:104.30.0.0/20 ~all"'
    ]
    assert len(answers("gmail.com", "MX")) == 5
    assert answers("gmail-smtp-in.l.google.com", "AAAA") == ["2a00:1450:400c:c09::1b"]
    assert answers("7.0.30.104.in-addr.arpa", "PTR") == ["a0-7.email.cloudflare.net."]
    assert answers("a0-7.email.cloudflare.net", "A") == ["104.30.0.7"]
    (key,) = answers("2022._domainkey.email.cloudflare.net", "TXT")
    assert key.startswith('"v=DKIM1; h=sha256; k=rsa; p=') and key.count('" "') == 1


@pytest.fixture
def resolvable(loop: LoopThread, tmp_path: Path) -> Iterator[lab.DnsServer]:
    """The server as this system's resolver."""
    server = lab.DnsServer(loop)
    server.start()
    namespace.bind_resolver_files(tmp_path)
    yield server
    server.stop()


def record(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [
        str(ROOT / "scripts" / "record-dns"),
        "--directory",
        str(directory),
        *arguments,
    ]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_a_recording_is_a_zone_file_of_the_lab(
    resolvable: lab.DnsServer, loop: LoopThread, tmp_path: Path
) -> None:
    resolvable.add("r.example", "MX", "10 mx.r.example.", ttl=77)
    resolvable.add_text("r.example", "two " * 80)
    assert record(tmp_path, "r.example.", "mx", "TXT").returncode == 0
    replayed = lab.DnsServer(loop, ADDRESS, PORT)
    replayed.load(tmp_path / "r.example.zone")
    for rdtype in ("MX", "TXT"):
        query = dns.message.make_query("r.example", rdtype).to_wire()
        assert replayed.respond(query, "tcp") == resolvable.respond(query, "tcp")


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["nothing.example", "MX"], 1),
        (["a.example"], 2),
        (["a.example", "NOTYPE"], 2),
        (["../a", "MX"], 2),
    ],
)
def test_what_cannot_be_recorded_is_said_so(
    resolvable: lab.DnsServer, tmp_path: Path, arguments: list[str], status: int
) -> None:
    assert record(tmp_path, *arguments).returncode == status
    assert list(tmp_path.glob("*.zone")) == []


def test_without_dns_there_is_no_recording(
    resolvable: lab.DnsServer, tmp_path: Path
) -> None:
    resolvable.stop()
    done = record(tmp_path, "a.example", "MX")
    assert (done.returncode, done.stderr.count("\n")) == (3, 1)
