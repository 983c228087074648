"""An MTA that runs already (--target): what its operator can say of it, what he is told before the tests
run, and that several tests run at once without one in another's way."""

from __future__ import annotations

import json
import os
import re
import socket
import socketserver
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from dns.exception import SyntaxError
from dns.resolver import NoNameservers

from conformance.clauses import load_catalogue
from conformance.expect import ConformanceFailure
from conformance.lab import namespace
from conformance.lab.commons import Commons, Visitor, mail_left
from conformance.lab.loop import LoopThread
from conformance.lab.nameserver import faults
from conformance.lab.plan import STANDING_ADDRESSES, SUBJECT_IPV4, make_plan
from conformance.lab.transcript import Transcript
from conformance.settings import Settings
from conformance.subjects import folder_of, make_subject, plan_file
from conformance.subjects.base import Subject, SubjectUnavailable
from conformance.subjects.claims import read_claims
from conformance.subjects.reference.configuration import configuration
from conformance.suite.acts import look_up
from conformance.target import prepared

from running import Conform

CATALOGUE = [c for c in load_catalogue().values() if "relay" in c.roles]
PLAIN = [c.id for c in CATALOGUE if c.capability is None and c.gates]
SESSIONS = next(c.id for c in CATALOGUE if c.capability == "session-limits")
SLOTS = 12
ADDRESS, PORT = "127.0.0.1", 2510
TARGET = f"{ADDRESS}:{PORT}"
QUICK = 0.05  # --timeout-scale where nothing arrives


# What the operator says


def claims_file(tmp_path: Path, text: str) -> str:
    path = tmp_path / "claims.yaml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def target(**others: object) -> Settings:
    return replace(Settings(target=TARGET), **others)  # type: ignore[arg-type]


def test_without_a_file_nothing_is_claimed_of_process_and_configuration() -> None:
    claimed = make_subject(target()).capabilities
    assert {"srs", "dmarc", "in-session", "queue"} <= claimed
    assert not claimed & {"restart", "clock", "limits", "timeouts", "ipv6"}
    assert not claimed & {"page-addresses", "dmarc-rfc9989", "dmarc-options"}
    assert "memory-budget" not in claimed


def test_the_pages_addresses_are_claimed_by_being_at_them() -> None:
    at_the_page = make_subject(Settings(target=f"{SUBJECT_IPV4}:25"))
    assert "page-addresses" in at_the_page.capabilities


def test_a_file_says_what_the_target_claims_and_runs_with(tmp_path: Path) -> None:
    text = """
        capabilities: [srs, limits, timeouts, ipv6]
        title: Example MTA 7
        limits: {recipients: 50}
        timeouts: {client_command: 9}
        queue_files: ["queue/*"]
    """
    path = claims_file(tmp_path, text)
    subject = make_subject(target(capabilities=path, target6="[::1]:2511"))
    assert subject.capabilities == {"srs", "limits", "timeouts", "ipv6"}
    assert subject.limits.recipients == 50 and subject.limits.received_fields == 100
    assert subject.timeouts.client_command == 9 and subject.timeouts.client_data == 3
    assert subject.title == "Example MTA 7"
    assert subject.endpoint(6) == ("::1", 2511) and subject.endpoint(4)[1] == PORT
    assert subject.has_mail() is False
    (tmp_path / "queue").mkdir()
    (tmp_path / "queue" / "1").touch()
    assert subject.has_mail() is True
    named = make_subject(target(capabilities=path, name="Mine"))
    assert named.title == "Mine"
    assert "ipv6" not in named.capabilities


def test_the_subject_yaml_of_a_folder_is_such_a_file() -> None:
    claims = read_claims(folder_of("reference") / "subject.yaml")
    assert "session-limits" in claims.capabilities
    assert not claims.capabilities & {"restart", "clock", "plans", "provisioning"}
    assert claims.limits.sessions_per_client > 0


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("capabilities: [flying]", "flying"),
        ("limits: {recipients: 5}", "'capabilities' is a required property"),
        ("capabilities: [srs]\nlimits: {colour: 5}", "colour"),
        ("capabilities: [srs", "line"),
    ],
)
def test_a_file_with_a_fault_is_a_usage_error(
    conform: Conform, tmp_path: Path, text: str, complaint: str
) -> None:
    with pytest.raises(SubjectUnavailable, match=complaint):
        read_claims(Path(claims_file(tmp_path, text)))
    if "flying" in text:
        path = str(tmp_path / "claims.yaml")
        run = conform("", "--target", TARGET, "--capabilities", path)
        assert run.status == 2 and complaint in run.errors
        assert conform("", "--name", "X").status == 2


def test_every_capability_is_explained_without_a_file(conform: Conform) -> None:
    run = conform("", "--capabilities")
    assert run.status == 0 and "page-addresses" in run.output


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"target": "[::1]:25"}, "--target6"),
        ({"target": "no-such-host.example:25"}, "no IPv4 address"),
        ({"target6": "127.0.0.1:25"}, "no IPv6 address"),
        ({"target6": "::1"}, r"such as \[::1\]:25"),
    ],
)
def test_an_address_of_the_wrong_kind_is_refused(
    options: dict[str, str], complaint: str
) -> None:
    with pytest.raises(SubjectUnavailable, match=complaint):
        make_subject(target(**options))


def test_the_plan_has_the_targets_addresses(conform: Conform, tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    test = f'@clause("{PLAIN[0]}")\ndef test_it(world): pass\n'
    assert conform(test, "--target", TARGET, "--plan", str(path)).status == 0
    plan = json.loads(path.read_text())
    assert (plan["ipv4"], plan["ipv6"], plan["port"]) == (ADDRESS, None, PORT)
    listened = configuration(plan, tmp_path)["listen"]
    assert {at["address"] for at in listened} == {ADDRESS}


def test_a_target_is_reconfigured_for_no_test_and_judged_as_it_runs(
    tmp_path: Path,
) -> None:
    text = "capabilities: [dmarc-options]\ndmarc: {quarantine: reject}"
    subject = make_subject(target(capabilities=claims_file(tmp_path, text)))
    subject.plan = subject.adapt(make_plan(1))
    assert subject.runs_as(replace(subject.plan, dmarc_quarantine="reject"))
    assert not subject.runs_as(replace(subject.plan, dmarc_edition="rfc7489"))
    assert not subject.can_restart


# The labs' commons


@pytest.mark.parametrize("capability", ["queue", "in-session"])
@pytest.mark.parametrize("waits", [False, True])
def test_an_empty_queue_says_nothing_of_the_message_of_a_client_that_waits(
    tmp_path: Path, capability: str, waits: bool
) -> None:
    text = f"""
        capabilities: [{capability}]
        queue_files: ["queue/*"]
    """
    subject = make_subject(target(capabilities=claims_file(tmp_path, text)))
    assert subject.has_mail() is False
    unknown = waits and capability == "in-session"
    assert mail_left(subject, waits) is (None if unknown else False)


@pytest.fixture(scope="module", autouse=True)
def usual_routes() -> Iterator[None]:
    """As other tests have them, without the target's address as their source."""
    yield
    namespace.configure([])


@contextmanager
def opened(loop: LoopThread, directory: Path) -> Iterator[tuple[Commons, Visitor]]:
    """The commons of labs that test a target, and one that visits them."""
    subject = make_subject(target())
    commons = Commons(loop, subject, subject.adapt(make_plan(0)), 5.0, lambda: None)
    try:
        commons.start()
        commons.open(directory / "socket")
        visitor = Visitor(directory / "socket")
        yield commons, visitor
        visitor.stop()
    finally:
        commons.stop()


def test_the_service_is_at_the_targets_addresses_in_dns(
    loop: LoopThread, tmp_path: Path
) -> None:
    plan = make_plan(0)
    with opened(loop, tmp_path):
        assert look_up(plan.hostname, "A") == look_up(plan.ehlo, "A") == [ADDRESS]
        assert look_up(plan.hostname, "AAAA") == []
        (name,) = look_up("1.0.0.127.in-addr.arpa", "PTR")
        assert name.endswith(f".{plan.ehlo}.")
        assert look_up(name, "A") == [ADDRESS]


def test_who_does_not_choose_a_source_connects_from_the_targets_address(
    loop: LoopThread, tmp_path: Path
) -> None:
    with opened(loop, tmp_path):
        with socket.create_connection((STANDING_ADDRESSES[0], 25), 5.0) as connection:
            assert connection.getsockname()[0] == ADDRESS


def test_a_visitor_shares_numbers_records_faults_and_questions(
    loop: LoopThread, tmp_path: Path
) -> None:
    with opened(loop, tmp_path) as (commons, visitor):
        numbers = [side.take("slot") for side in (visitor, commons, visitor)]
        assert numbers == [0, 1, 2] and visitor.take("client") == 0
        dns = visitor.dns
        dns.add("a-0001.example", "TXT", "text")
        dns.fail("b-0001.example", faults.Refused(), "TXT")
        transcript = Transcript()
        dns.record(transcript, lambda name: "0001" in name)
        assert look_up("a-0001.example", "TXT") == ['"text"']
        with pytest.raises(NoNameservers):
            look_up("b-0001.example", "TXT")
        look_up("c-0002.example", "TXT")
        dns.record(None)
        text = transcript.render()
        assert 'a-0001.example TXT (udp): NOERROR TXT "text"' in text
        assert "b-0001.example TXT (udp): Refused" in text
        assert "0002" not in text
        assert dns.queries("c-0002.example", "TXT")[0].outcome == "NXDOMAIN"
        dns.remove("a-0001.example")
        assert look_up("a-0001.example", "TXT") == []
        with pytest.raises(SyntaxError, match="malformed"):
            dns.add("a-0001.example", "A", "no address")


def test_a_failure_at_the_shared_upstream_is_the_subjects(
    loop: LoopThread, tmp_path: Path
) -> None:
    with opened(loop, tmp_path) as (commons, visitor):
        assert commons.standing is not None and visitor.standing is not None
        commons.standing.patience = 0.01
        with pytest.raises(ConformanceFailure, match="no connection was made"):
            visitor.standing.wait_for_message()
        assert visitor.standing.messages == []


# Before the tests run


class Script(socketserver.StreamRequestHandler):
    """An MTA that answers every command as `replies` of its server say, by the command's first word."""

    def handle(self) -> None:
        replies: dict[bytes, bytes] = self.server.replies  # type: ignore[attr-defined]
        if b"PROXY" in replies and self.rfile.readline() != replies[b"PROXY"]:
            return
        self.wfile.write(replies.get(b"", b"220 mta.example\r\n"))
        in_data = False
        for line in self.rfile:
            verb = line[:4].upper().strip()
            if in_data and line != b".\r\n":
                continue
            reply = replies.get(verb, b"250 2.0.0 OK\r\n")
            in_data = verb == b"DATA"
            self.wfile.write(b"354 go ahead\r\n" if in_data else reply)
            if verb == b"QUIT":
                return


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


@contextmanager
def scripted(
    replies: dict[bytes, bytes] | None = None, address: str = ADDRESS, port: int = PORT
) -> Iterator[None]:
    with Server((address, port), Script) as server:
        # A connection may be gone again by the time that it is accepted.
        server.socket.setblocking(False)
        server.replies = replies or {}  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, args=(0.01,)).start()
        try:
            yield
        finally:
            server.shutdown()


def refusal(**others: object) -> str:
    """What the operator is told before the tests run."""
    settings = target(timeout_scale=QUICK, **others)
    with pytest.raises(SubjectUnavailable) as raised:
        make_subject(settings).version()
        with prepared(settings):
            pass
    return str(raised.value)


def test_it_is_said_that_nothing_listens() -> None:
    assert "nothing listens at --target 127.0.0.1:2510" in refusal()


def test_it_is_said_that_the_ipv6_address_does_not_answer() -> None:
    with scripted():
        assert "nothing listens at --target6 [::1]:2511" in refusal(
            target6="[::1]:2511"
        )


def test_a_banner_other_than_220_is_shown() -> None:
    with scripted({b"": b"554 5.7.1 not you\r\n"}):
        assert "'554 5.7.1 not you', not with 220" in refusal()


def test_the_banner_is_the_version() -> None:
    with scripted({b"": b"220 mta.example ESMTP Example 7\r\n"}):
        assert make_subject(target()).version() == "mta.example ESMTP Example 7"


def test_an_mta_that_wants_the_proxy_protocol_greets_after_it() -> None:
    header = f"PROXY TCP4 {ADDRESS} {ADDRESS} 49152 {PORT}\r\n".encode("ascii")
    with scripted({b"PROXY": header}):
        make_subject(target(client_address_by="proxy")).wait_until_ready()


def test_it_is_said_that_another_answers_dns() -> None:
    with scripted(), socket.socket(type=socket.SOCK_DGRAM) as other:
        other.bind((ADDRESS, 53))
        assert "answers DNS at 127.0.0.1:53" in refusal()


def test_it_is_said_that_the_mta_listens_everywhere() -> None:
    with scripted(address="0.0.0.0", port=25):
        said = refusal(target=f"{ADDRESS}:25")
    assert f"have the MTA listen on {ADDRESS} alone" in said


def test_it_is_said_that_a_plain_mail_is_refused_and_that_dns_is_not_asked() -> None:
    with scripted({b"RCPT": b"550 5.1.1 who?\r\n"}):
        said = refusal()
    assert "550 5.1.1 who?" in said and "--plan FILE" in said
    assert "has not asked the lab's nameserver" in said


def test_it_is_said_that_a_plain_mail_does_not_arrive() -> None:
    with scripted():
        said = refusal()
    assert "did not arrive" in said and "no connection was made" in said


def test_a_mail_that_does_not_arrive_does_not_matter_if_so_asked() -> None:
    settings = target(timeout_scale=QUICK, anyway=True)
    with scripted(), prepared(settings) as labs:
        assert labs.commons is not None


def test_a_target_that_cannot_be_judged_is_status_3_without_a_verdict(
    conform: Conform,
) -> None:
    run = conform(
        f'@clause("{PLAIN[0]}")\ndef test_it(world): pass\n', "--target", TARGET
    )
    assert run.status == 3
    assert (
        "nothing listens" in run.output and "nothing listens" in run.results["failure"]
    )
    assert run.results["tests"] == []


# Several at once


@pytest.fixture(scope="module")
def forwarder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An MTA that forwards, as HOST:PORT."""
    directory = tmp_path_factory.mktemp("forwarder")
    plan = replace(make_plan(SLOTS), ipv4=ADDRESS, ipv6="", port=PORT)
    plan_file.write(plan, directory / "plan.json")
    folder = folder_of("control-naive")
    process = subprocess.Popen(
        [folder / "start", directory / "plan.json"],
        cwd=directory,
        env={**os.environ, "SUBJECT": str(folder)},
    )
    Subject.wait_until_ready(make_subject(target()))  # it is only just starting
    try:
        yield TARGET
    finally:
        process.terminate()
        process.wait()


def test_tests_run_at_once_each_with_its_own_part_of_the_lab(
    conform: Conform, forwarder: str, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "meeting")
    suite = f"""
import os
from pathlib import Path
from conformance.suite.acts import forward
MEETING = {str(tmp_path / "meeting")!r}
COUNT = "PYTEST_XDIST_WORKER_COUNT"

@clause("{SESSIONS}")
def test_has_the_subject_for_itself(world):
    forward(world)
    assert COUNT not in os.environ

@clause("{PLAIN[0]}")
def test_writes(world):
    forward(world)
    Path(MEETING).write_text("here")  # waits for a reader
    forward(world)

@clause("{PLAIN[1]}")
def test_reads(world):
    forward(world)
    assert Path(MEETING).read_text() == "here"
    assert os.environ[COUNT] == "2"

@clause("{PLAIN[2]}")
def test_fails(world): expect(forward(world).recipients, [], "recipients")
"""
    path = claims_file(tmp_path, "capabilities: [queue, session-limits]")
    run = conform(
        suite,
        *("--target", forwarder, "--name", "Mine 7", "--capabilities", path),
        jobs="2",
    )
    assert run.output.splitlines()[-1] == "3 passed, 1 failed, 0 skipped", run.output
    assert run.status == 1
    assert run.results["subject"] == "Mine 7"
    tests = {test["title"]: test for test in run.results["tests"]}
    assert (
        f"--target {forwarder} --name 'Mine 7' --capabilities "
        in tests["fails"]["command"]
    )
    slots = [slots_in(run.report / test["transcript"]) for test in tests.values()]
    assert sorted(sorted(found) for found in slots) == [
        [n] for n in sorted(set().union(*slots))
    ]
    assert len(slots) == 4
    assert list((tmp_path / "tmp").iterdir()) == []


def slots_in(transcript: Path) -> set[str]:
    """The slots in the questions to DNS that a transcript shows."""
    lines = [line for line in transcript.read_text().splitlines() if " dns * " in line]
    return {slot for line in lines for slot in re.findall(r"-(\d{4})\.example", line)}


def test_one_test_at_a_time_is_possible_too(conform: Conform, forwarder: str) -> None:
    suite = f"""
@clause("{PLAIN[0]}")
def test_it(world): world.client().quit()
"""
    run = conform(suite, "--target", forwarder, jobs="1")
    assert run.output.splitlines()[-1] == "1 passed, 0 failed, 0 skipped"
    assert run.results["version"].startswith("amir.mx.cloudflare.net ESMTP")


def test_the_cases_of_rfcs_are_played_to_it_too(
    conform: Conform, forwarder: str, tmp_path: Path
) -> None:
    suite = """
from conformance.vectors.stage import form_of, vectors

@vectors("arc-seal")
def test_it(case, seen):
    form_of("arc-seal").judge(case, seen)
"""
    path = claims_file(tmp_path, "capabilities: [queue, arc-seal]")
    run = conform(suite, "--target", forwarder, "--capabilities", path, jobs="2")
    outcomes = {test["id"]: test["outcome"] for test in run.results["tests"]}
    # It adds no set, which is right only where none is to be added.
    passed = [name for name in outcomes if outcomes[name] == "pass"]
    assert all("gets-no-further" in name for name in passed) and passed
    assert set(outcomes.values()) == {"pass", "fail", "skipped"}, run.output
