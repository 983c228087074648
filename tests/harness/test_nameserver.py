"""The lab's nameserver: what it answers, and every way in which it can fail to."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import dns.exception
import dns.flags
import dns.message
import dns.opcode
import dns.query
import dns.rcode
import dns.rdatatype
import pytest

from conformance.lab import namespace
from conformance.lab.loop import LoopThread
from conformance.lab.nameserver import faults
from conformance.lab.nameserver.exchange import SILENCE
from conformance.lab.nameserver.server import Nameserver
from conformance.lab.nameserver.zone import ZoneData
from conformance.lab.plan import FIXTURES, ROOT

ADDRESS, PORT = "127.0.0.1", 5353
PATIENCE = 5.0


@pytest.fixture
def server(loop: LoopThread) -> Iterator[Nameserver]:
    server = Nameserver(loop, ADDRESS, PORT)
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
    recursion: bool = True,
) -> dns.message.Message:
    query = dns.message.make_query(name, rdtype, use_edns=0 if edns else False)
    if not recursion:
        query.flags &= ~dns.flags.RD
    if tcp:
        return dns.query.tcp(query, ADDRESS, timeout=patience, port=PORT)
    return dns.query.udp(query, ADDRESS, timeout=patience, port=PORT)


def texts(message: dns.message.Message) -> list[str]:
    """The records of an answer; names compressed against the question have its letter case."""
    records = [rdata.to_text() for rrset in message.answer for rdata in rrset]
    return sorted(text if '"' in text else text.lower() for text in records)


@pytest.mark.parametrize("tcp", [False, True])
def test_it_answers_with_its_records(server: Nameserver, tcp: bool) -> None:
    server.add("a.example", "MX", "10 mx1.a.example.", "20 mx2.a.example.")
    assert texts(ask("A.Example", "MX", tcp=tcp)) == [
        "10 mx1.a.example.",
        "20 mx2.a.example.",
    ]


def test_names_outside_its_zones_do_not_exist(server: Nameserver) -> None:
    assert ask("b.example").rcode() == dns.rcode.NXDOMAIN


def test_a_name_without_records_of_the_type_exists(server: Nameserver) -> None:
    response = ask("a.example", "MX")
    assert (response.rcode(), response.answer) == (dns.rcode.NOERROR, [])


def test_a_name_above_another_exists(server: Nameserver) -> None:
    server.add("x.y.example", "A", "192.0.2.1")
    assert ask("y.example").rcode() == dns.rcode.NOERROR
    server.remove("x.y.example")
    assert ask("y.example").rcode() == dns.rcode.NXDOMAIN


def test_aliases_are_followed(server: Nameserver) -> None:
    server.add("alias.example", "CNAME", "a.example.")
    assert texts(ask("alias.example")) == ["192.0.2.1", "a.example."]


def test_an_alias_of_a_failing_name_fails(server: Nameserver) -> None:
    server.add("alias.example", "CNAME", "a.example.")
    server.fail("a.example", faults.Servfail(), "A")
    assert ask("alias.example").rcode() == dns.rcode.SERVFAIL
    assert ask("alias.example", "MX").rcode() == dns.rcode.NOERROR


def test_records_are_in_the_order_in_which_they_were_added(server: Nameserver) -> None:
    hosts = [f"{n}.example." for n in (5, 2, 9, 1, 7, 3)]
    server.add("pointer.example", "PTR", *hosts)
    for _ in range(3):
        (rrset,) = ask("pointer.example", "PTR").answer
        assert [rdata.to_text() for rdata in rrset] == hosts


def test_port_0_is_free_for_both_transports(loop: LoopThread) -> None:
    servers = [Nameserver(loop, ADDRESS, 0) for _ in range(2)]
    try:
        for server in servers:
            server.add("a.example", "A", "192.0.2.1")
            server.start()
        ports = [int(server.resolver.rpartition(":")[2]) for server in servers]
        assert ports[0] != ports[1]
        query = dns.message.make_query("a.example", "A")
        for port in ports:
            over_udp = dns.query.udp(query, ADDRESS, timeout=PATIENCE, port=port)
            over_tcp = dns.query.tcp(query, ADDRESS, timeout=PATIENCE, port=port)
            assert texts(over_udp) == texts(over_tcp) == ["192.0.2.1"]
    finally:
        for server in servers:
            server.stop()


def test_a_zone_can_be_given_in_the_form_of_the_vectors(loop: LoopThread) -> None:
    zone = ZoneData.from_mapping(
        {
            "a.example": {"MX": ["10 b.example", "5 c.example"], "A": "SERVFAIL"},
            "parts.example": {"TXT": [["v=spf1 ", "-all"], "caf\xe9"]},
            "empty.example": {},
            "slow.below.example": "DROP",
        }
    )
    server = Nameserver(loop, ADDRESS, 0, zone)

    def respond(name: str, rdtype: str) -> dns.message.Message | None:
        query = dns.message.make_query(name, rdtype).to_wire()
        wire = server.respond(query, "tcp").wire
        return dns.message.from_wire(wire) if wire else None

    def rcode(name: str, rdtype: str) -> dns.rcode.Rcode | None:
        response = respond(name, rdtype)
        return response.rcode() if response else None

    mx, txt = respond("a.example", "MX"), respond("parts.example", "TXT")
    assert mx and texts(mx) == ["10 b.example.", "5 c.example."]
    assert txt and texts(txt) == ['"caf\\233"', '"v=spf1 " "-all"']
    assert rcode("a.example", "A") == dns.rcode.SERVFAIL
    assert rcode("empty.example", "A") == dns.rcode.NOERROR
    assert rcode("below.example", "A") == dns.rcode.NOERROR
    assert rcode("slow.below.example", "A") is None
    assert rcode("other.example", "A") == dns.rcode.NXDOMAIN


def test_set_replaces_and_remove_removes(server: Nameserver) -> None:
    server.set("a.example", "A", "192.0.2.2")
    assert texts(ask("a.example")) == ["192.0.2.2"]
    server.remove("a.example", "A")
    assert ask("a.example").rcode() == dns.rcode.NXDOMAIN


def test_long_texts_are_divided_into_strings(server: Nameserver) -> None:
    server.add_text("t.example", 'a"\\' + "x" * 300)
    (rdata,) = ask("t.example", "TXT", tcp=True).answer[0]
    assert b"".join(rdata.strings) == b'a"\\' + b"x" * 300  # type: ignore[attr-defined]
    assert [len(part) for part in rdata.strings] == [255, 48]  # type: ignore[attr-defined]


def test_an_answer_too_long_for_udp_is_truncated(server: Nameserver) -> None:
    server.add("big.example", "TXT", *(f'"{n} {"x" * 200}"' for n in range(10)))
    assert ask("big.example", "TXT").flags & dns.flags.TC
    assert len(ask("big.example", "TXT", tcp=True).answer[0]) == 10


def test_every_question_is_recorded(server: Nameserver) -> None:
    ask("a.example")
    ask("b.example", "MX", tcp=True)
    seen = [(q.name, q.rdtype, q.transport, q.outcome) for q in server.queries()]
    assert seen == [
        ("a.example", "A", "udp", "NOERROR"),
        ("b.example", "MX", "tcp", "NXDOMAIN"),
    ]
    assert len(server.queries("b.example", "MX")) == 1
    ask("A.eXample")
    assert server.queries()[-1].written == "A.eXample"


def test_every_fault_has_a_docstring_and_a_test_here() -> None:
    tested = Path(__file__).read_text()
    of_the_lab = [
        f for f in faults.Fault.__subclasses__() if f.__module__ == faults.__name__
    ]
    names = {fault.__name__: fault for fault in of_the_lab}
    undescribed = [n for n, f in names.items() if not (f.__doc__ or "").endswith(".")]
    untested = [name for name in names if f"faults.{name}(" not in tested]
    assert (undescribed, untested) == ([], [])


def test_drop_sends_no_answer(server: Nameserver) -> None:
    server.fail("a.example", faults.Drop())
    with pytest.raises(dns.exception.Timeout):
        ask("a.example", patience=0.2)


def test_a_fault_can_be_for_one_type_only(server: Nameserver) -> None:
    server.fail("a.example", faults.Servfail(), "MX")
    assert ask("a.example", "MX").rcode() == dns.rcode.SERVFAIL
    assert ask("a.example", "A").rcode() == dns.rcode.NOERROR


def test_refused(server: Nameserver) -> None:
    server.fail("a.example", faults.Refused())
    assert ask("a.example").rcode() == dns.rcode.REFUSED


def test_truncate_sends_the_whole_answer_over_tcp_only(server: Nameserver) -> None:
    server.fail("a.example", faults.Truncate())
    response = ask("a.example")
    assert response.flags & dns.flags.TC and not response.answer
    assert texts(ask("a.example", tcp=True)) == ["192.0.2.1"]


def test_truncate_only_drops_tcp(server: Nameserver) -> None:
    server.fail("a.example", faults.TruncateOnly())
    assert ask("a.example").flags & dns.flags.TC
    with pytest.raises((EOFError, OSError)):
        ask("a.example", tcp=True)


def test_truncate_all_truncates_over_tcp_as_well(server: Nameserver) -> None:
    server.fail("a.example", faults.TruncateAll())
    for tcp in (False, True):
        response = ask("a.example", tcp=tcp)
        assert response.flags & dns.flags.TC and not response.answer


def test_late_answers_after_its_delay(server: Nameserver) -> None:
    server.fail("a.example", faults.Late(0.3))
    with pytest.raises(dns.exception.Timeout):
        ask("a.example", patience=0.1)
    assert texts(ask("a.example")) == ["192.0.2.1"]


def test_lost_answers_the_second_question_of_a_type(server: Nameserver) -> None:
    server.fail("a.example", faults.Lost())
    for rdtype in ("A", "MX"):
        with pytest.raises(dns.exception.Timeout):
            ask("a.example", rdtype, patience=0.1)
    assert texts(ask("a.example")) == ["192.0.2.1"]


def raw_answer(name: str, rdtype: str = "A") -> tuple[dns.message.Message, bytes]:
    query = dns.message.make_query(name, rdtype)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(PATIENCE)
        client.sendto(query.to_wire(), (ADDRESS, PORT))
        return query, client.recv(4096)


def test_wrong_id(server: Nameserver) -> None:
    server.fail("a.example", faults.WrongId())
    query, answer = raw_answer("a.example")
    assert dns.message.from_wire(answer).id != query.id


def test_wrong_question(server: Nameserver) -> None:
    server.fail("a.example", faults.WrongQuestion())
    query, answer = raw_answer("a.example")
    response = dns.message.from_wire(answer)
    assert response.id == query.id and response.question != query.question


def packets(name: str, count: int) -> list[tuple[bytes, int]]:
    """The packets that come for one question, each with the port that it is from."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(PATIENCE)
        client.sendto(
            dns.message.make_query(name, "A", id=7).to_wire(), (ADDRESS, PORT)
        )
        received = [client.recvfrom(4096) for _ in range(count)]
        return [(packet, address[1]) for packet, address in received]


def test_forged_sends_a_packet_with_one_thing_wrong_before_the_answer(
    server: Nameserver,
) -> None:
    right = dns.message.make_query("a.example", "A").question
    wrong_questions = {"name", "type", "class"}
    for wrong in ("id", "name", "type", "class", "query", "opcode", "length", "port"):
        server.fail("a.example", faults.Forged(wrong=wrong))
        (forged, port), (answer, own) = packets("a.example", 2)
        assert texts(dns.message.from_wire(answer)) == ["192.0.2.1"]
        assert (port != own) == (wrong == "port") and own == PORT
        assert (len(forged) < 12) == (wrong == "length")
        if wrong == "length":
            continue
        message = dns.message.from_wire(forged)
        assert message.rcode() == dns.rcode.NXDOMAIN
        assert (message.id != 7) == (wrong == "id")
        assert (message.question != right) == (wrong in wrong_questions)
        assert (not message.flags & dns.flags.QR) == (wrong == "query")
        assert (message.opcode() != dns.opcode.QUERY) == (wrong == "opcode")


def test_forged_can_be_the_only_answer_at_first(server: Nameserver) -> None:
    server.fail("a.example", faults.Forged(count=1))
    ((first, _),) = packets("a.example", 1)
    assert dns.message.from_wire(first).id != 7
    assert len(packets("a.example", 2)) == 2


def test_small_letters_does_not_repeat_the_case_of_a_name(server: Nameserver) -> None:
    server.fail("a.example", faults.SmallLetters())
    query = dns.message.make_query("A.eXample", "A")
    response = dns.message.from_wire(dns.query.udp(query, ADDRESS, port=PORT).to_wire())
    assert response.question[0].name.to_text() == "a.example."
    assert texts(response) == ["192.0.2.1"]


def test_long_lived(server: Nameserver) -> None:
    server.fail("a.example", faults.LongLived())
    response = ask("a.example")
    assert texts(response) == ["192.0.2.1"]
    assert [record.ttl for record in response.answer] == [2**31 - 1]
    assert [record.name.to_text() for record in response.additional] == [
        "beside.example."
    ]


def test_malformed(server: Nameserver) -> None:
    server.fail("a.example", faults.Malformed())
    query, answer = raw_answer("a.example")
    assert answer[:2] == query.to_wire()[:2]
    with pytest.raises(dns.exception.DNSException):
        dns.message.from_wire(answer)
    address = b"\xc0\x0c\0\x01\0\x01\0\0\0\0\0\x04\xc0\0\x02\x09"
    server.fail("a.example", faults.Malformed(address))
    assert texts(ask("a.example")) == ["192.0.2.9"]


def test_cname_loop(server: Nameserver) -> None:
    server.fail("a.example", faults.CnameLoop())
    response = ask("a.example")
    targets = {rrset.name.to_text(): rrset[0].to_text() for rrset in response.answer}
    assert targets == {"a.example.": "alias.example.", "alias.example.": "a.example."}


def test_a_referral_has_name_servers_and_no_answer(server: Nameserver) -> None:
    server.fail("a.example", faults.Referral())
    response = ask("a.example")
    assert response.rcode() == dns.rcode.NOERROR and not response.answer
    assert [rrset.rdtype for rrset in response.authority] == [dns.rdatatype.NS]
    assert not response.flags & (dns.flags.AA | dns.flags.RA)
    server.fail("a.example", faults.Referral(recurses=True, has_servers=False))
    response = ask("a.example")
    assert not response.authority
    assert response.flags & dns.flags.RA and not response.flags & dns.flags.AA


def test_alias_alone_leaves_out_what_it_leads_to(server: Nameserver) -> None:
    server.add("alias.example", "CNAME", "a.example.")
    assert len(ask("alias.example").answer) == 2
    server.fail("alias.example", faults.AliasAlone())
    (alias,) = ask("alias.example").answer
    assert alias.rdtype == dns.rdatatype.CNAME
    assert texts(ask("a.example")) == ["192.0.2.1"]


def test_a_code_comes_without_records(server: Nameserver) -> None:
    server.fail("a.example", faults.Code(dns.rcode.BADVERS))
    response = ask("a.example")
    assert response.rcode() == dns.rcode.BADVERS and not response.answer


def test_a_contradiction_has_records_of_a_name_that_does_not_exist(
    server: Nameserver,
) -> None:
    server.fail("a.example", faults.Contradiction())
    response = ask("a.example")
    assert response.rcode() == dns.rcode.NXDOMAIN
    assert texts(response) == ["192.0.2.1"]


def test_other_owner_renames_the_records(server: Nameserver) -> None:
    server.fail("a.example", faults.OtherOwner())
    response = ask("a.example")
    assert [rrset.name.to_text() for rrset in response.answer] == ["other.example."]
    assert not response.authority


def test_other_soa_is_of_another_zone(server: Nameserver) -> None:
    server.fail("a.example", faults.OtherSoa())
    response = ask("a.example")
    assert response.rcode() == dns.rcode.NOERROR and not response.answer
    (soa,) = response.authority
    assert soa.name.to_text() == "other.example."


def test_no_authority_leaves_out_the_soa(server: Nameserver) -> None:
    assert ask("a.example", "MX").authority
    server.fail("a.example", faults.NoAuthority())
    response = ask("a.example", "MX")
    assert response.rcode() == dns.rcode.NOERROR
    assert not response.answer and not response.authority
    assert texts(ask("a.example")) == ["192.0.2.1"]


def test_negative_ttl_sets_both_times_of_the_soa(server: Nameserver) -> None:
    server.fail("a.example", faults.NegativeTtl(7, 9))
    (soa,) = ask("a.example", "MX").authority
    assert (soa.ttl, soa[0].minimum) == (7, 9)


def test_no_edns_refuses_only_edns(server: Nameserver) -> None:
    server.fail("a.example", faults.NoEdns())
    assert ask("a.example").rcode() == dns.rcode.FORMERR
    assert texts(ask("a.example", edns=False)) == ["192.0.2.1"]
    server.fail("a.example", faults.NoEdns(is_header_alone=True))
    assert ask("a.example").question == []
    server.fail("a.example", faults.NoEdns(dns.rcode.NOTIMP))
    assert ask("a.example").rcode() == dns.rcode.NOTIMP


def test_unasked_refuses_only_who_does_not_desire_recursion(
    server: Nameserver,
) -> None:
    server.fail("a.example", faults.Unasked())
    assert ask("a.example", recursion=False).rcode() == dns.rcode.REFUSED
    assert texts(ask("a.example")) == ["192.0.2.1"]


def test_it_can_refuse_tcp_for_a_while(server: Nameserver) -> None:
    with server.closed_to_tcp():
        with pytest.raises(ConnectionRefusedError):
            ask("a.example", tcp=True)
    assert texts(ask("a.example", tcp=True)) == ["192.0.2.1"]


@pytest.mark.parametrize(
    "packet", [b"", b"\x00", b"\xff" * 11, b"\x12\x34" + b"\x00" * 10, b"x" * 600]
)
def test_garbage_is_not_answered(server: Nameserver, packet: bytes) -> None:
    assert server.respond(packet, "udp") == SILENCE
    assert texts(ask("a.example")) == ["192.0.2.1"]


def test_octets_behind_a_query_are_ignored_and_noted(server: Nameserver) -> None:
    query = dns.message.make_query("a.example", "A").to_wire()
    for packet in (query, query + b"\0" * 84):
        wire = server.respond(packet, "tcp").wire
        assert wire is not None and texts(dns.message.from_wire(wire)) == ["192.0.2.1"]
    shown = [str(asked) for asked in server.queries("a.example", "A")]
    assert ["stray" in line for line in shown] == [False, True]


def test_the_recorded_zones_load_and_match_the_page(loop: LoopThread) -> None:
    server = Nameserver(loop, ADDRESS, PORT)
    for path in sorted((FIXTURES / "zones").glob("*.zone")):
        server.load(path)

    def answers(name: str, rdtype: str) -> list[str]:
        wire = server.respond(
            dns.message.make_query(name, rdtype).to_wire(), "tcp"
        ).wire
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
def resolvable(loop: LoopThread, tmp_path: Path) -> Iterator[Nameserver]:
    """The server as this system's resolver."""
    server = Nameserver(loop)
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


def test_a_recording_is_a_zone_file_for_the_lab(
    resolvable: Nameserver, loop: LoopThread, tmp_path: Path
) -> None:
    resolvable.add("r.example", "MX", "10 mx.r.example.", ttl=77)
    resolvable.add_text("r.example", "two " * 80)
    assert record(tmp_path, "r.example.", "mx", "TXT").returncode == 0
    replayed = Nameserver(loop, ADDRESS, PORT)
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
def test_what_cannot_be_recorded_is_reported(
    resolvable: Nameserver, tmp_path: Path, arguments: list[str], status: int
) -> None:
    assert record(tmp_path, *arguments).returncode == status
    assert list(tmp_path.glob("*.zone")) == []


def test_without_dns_there_is_no_recording(
    resolvable: Nameserver, tmp_path: Path
) -> None:
    resolvable.stop()
    done = record(tmp_path, "a.example", "MX")
    assert (done.returncode, done.stderr.count("\n")) == (3, 1)
