"""`soak` and its parts: the invariant, the messages that are checked by it, the journals of both
sides, and the command line."""

from __future__ import annotations

import random
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from conformance.lab.client import stuffed
from load import soak_client, soak_upstream
from load.ledger import Journal, Ledger, Taken, Told, examine, make_message, violation
from load.relay import configuration, write_private
from load.soak import SETTINGS, parser
from vectors import ROOT, fairlead

SOAK = ROOT / "scripts" / "soak"
TO = ("x@good.example",)


def told(code: int | None, whole: bool = True) -> Told:
    return Told(7, code, whole, TO, ("> MAIL", "< 250"))


def taken(intact: bool = True, recipients: tuple[str, ...] = TO) -> Taken:
    return Taken(7, intact, recipients, ("< DATA",))


# The invariant


@pytest.mark.parametrize(
    "said, upstreams",
    [
        (told(250), [taken()]),
        (told(451), []),
        (told(550), []),
        (told(None), []),
        (told(None), [taken()]),  # SMTP's own deviation
        (told(None, whole=False), []),
        (told(550, whole=False), []),
    ],
)
def test_what_smtp_permits_is_no_violation(said: Told, upstreams: list[Taken]) -> None:
    assert violation(said, upstreams) is None


def test_a_refusal_without_anybodys_fault_is_a_violation() -> None:
    faultless = replace(told(451), faultless=True)
    assert "nothing wrong" in (violation(faultless, []) or "")
    killed = replace(told(None), faultless=True)
    assert violation(killed, []) is None


@pytest.mark.parametrize(
    "said, upstreams, wrong",
    [
        (told(250), [], "told 250, and no upstream took it"),
        (told(451), [taken()], "told 451, and an upstream took it"),
        (told(250), [taken(), taken()], "took it 2 times"),
        (told(None), [taken(), taken()], "took it 2 times"),
        (told(None, whole=False), [taken()], "whose end was never sent"),
        (told(250), [taken(intact=False)], "altered"),
        (told(250), [taken(recipients=("y@good.example",))], "taken for"),
        (None, [taken()], "that nobody sent"),
    ],
)
def test_every_breach_of_the_invariant_is_a_violation(
    said: Told | None, upstreams: list[Taken], wrong: str
) -> None:
    found = violation(said, upstreams)
    assert found is not None and wrong in found


# Messages


@pytest.mark.parametrize("seed", range(20))
def test_a_message_is_known_again_below_what_was_put_on_top(seed: int) -> None:
    message = make_message(42, random.Random(seed))
    assert examine(b"Received: from a\r\n\tby b\r\n" + message) == (42, True)
    assert len(max(message.split(b"\r\n"), key=len)) <= 998


@pytest.mark.parametrize(
    "alter",
    [
        lambda m: m + b"x\r\n",
        lambda m: m[:-2],
        lambda m: m.replace(b"Subject: soak", b"Subject: Soak"),
        lambda m: m.replace(b"\r\n\r\n", b"\r\n\r\n\r\n", 1),
    ],
)
def test_an_altered_message_is_noticed(alter: object) -> None:
    assert callable(alter)
    assert examine(alter(make_message(42, random.Random(1)))) == (42, False)


def test_a_message_without_an_id_is_nobodys() -> None:
    assert examine(b"From: <ann@sender.example>\r\n\r\n") == (None, False)


# Both sides


def ledger(tmp_path: Path) -> tuple[Ledger, Journal, Journal]:
    client, upstream = Journal(tmp_path / "client"), Journal(tmp_path / "upstream")
    readers = [Journal(client.path)], [Journal(upstream.path)]
    return Ledger(*readers), client, upstream


def test_the_ledger_compares_what_both_sides_wrote_and_has_their_dialogue(
    tmp_path: Path,
) -> None:
    compared, client, upstream = ledger(tmp_path)
    upstream.append(taken())
    assert compared.follow() == []  # its client is not done
    client.append(told(550))
    ((number, wrong),) = compared.follow()
    assert number == 7
    assert "told 550" in wrong
    transcript = compared.transcript(7)
    assert "client > MAIL" in transcript
    assert "upstream < DATA" in transcript


def test_a_second_delivery_long_afterwards_is_noticed(tmp_path: Path) -> None:
    compared, client, upstream = ledger(tmp_path)
    upstream.append(taken())
    client.append(told(250))
    assert compared.follow() == []
    upstream.append(taken())
    assert len(compared.follow()) == 1


def test_a_message_of_nobody_is_noticed_at_the_end(tmp_path: Path) -> None:
    compared, _, upstream = ledger(tmp_path)
    upstream.append(taken())
    assert compared.follow() == []
    assert len(compared.follow(over=True)) == 1


def test_a_record_that_is_being_written_is_read_when_it_is_whole(
    tmp_path: Path,
) -> None:
    writer, reader = Journal(tmp_path / "j"), Journal(tmp_path / "j")
    writer.append(told(250))
    whole = writer.path.read_bytes()
    writer.path.write_bytes(whole + whole[:10])
    assert len(list(reader.news())) == 1
    writer.path.write_bytes(whole + whole)
    assert len(list(reader.news())) == 1


class Wire:
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        self.written = b""
        self.closed = False

    def write(self, data: bytes) -> None:
        self.written += data

    def close(self) -> None:
        self.closed = True

    abort = close


def upstream_of(
    tmp_path: Path, act: str | None = None, stage: str | None = None
) -> tuple[soak_upstream.Upstream, Wire, Journal]:
    class Always(random.Random):
        def random(self) -> float:
            return 0.0

    host = soak_upstream.Host("h.example", "192.0.2.1", act, stage)
    journal, wire = Journal(tmp_path / "upstream"), Wire()
    upstream = soak_upstream.Upstream(host, journal, Always())
    upstream.connection_made(wire)  # type: ignore[arg-type]
    return upstream, wire, journal


MESSAGE = make_message(42, random.Random(5))
DIALOGUE = (
    b"EHLO a\r\nMAIL FROM:<a@b>\r\nRCPT TO:<x@good.example>\r\nDATA\r\n"
    + stuffed(b"Received: a\r\n" + MESSAGE)
    + b"QUIT\r\n"
)


@pytest.mark.parametrize("size", [1, 2, 5, 1000, 10**7])
def test_an_upstream_reads_a_message_in_pieces_of_any_size(
    tmp_path: Path, size: int
) -> None:
    upstream, wire, journal = upstream_of(tmp_path)
    for start in range(0, len(DIALOGUE), size):
        upstream.data_received(DIALOGUE[start : start + size])
    (record,) = journal.news()
    assert (record["id"], record["intact"]) == (42, True)
    assert record["recipients"] == ["x@good.example"]
    assert wire.written.count(b"250 2.0.0 taken\r\n") == 1
    assert wire.closed


@pytest.mark.parametrize(
    "act, stage",
    [
        (host.act, host.stage)
        for host in soak_upstream.hosts()[1:]
        if host.act not in ("stall", "early")
    ],
)
def test_an_upstream_that_fails_takes_nothing(
    tmp_path: Path, act: str, stage: str
) -> None:
    upstream, wire, journal = upstream_of(tmp_path, act, stage)
    for line in DIALOGUE.splitlines(keepends=True):
        upstream.data_received(line)
        if wire.closed:
            break
        # What a client would not send after a refusal.
        if stage in ("banner", "ehlo", "mail", "rcpt", "data") and b"DATA" in line:
            break
    assert list(journal.news()) == []
    assert b"taken" not in wire.written


def test_the_relay_takes_the_configuration_of_a_soak(tmp_path: Path) -> None:
    file = tmp_path / "fairlead.yaml"
    write_private(configuration(soak_client.routes(), SETTINGS), file)
    result = subprocess.run(
        [fairlead(), "check-config", "-c", str(file)], capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr


# The command line


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["--minutes", "0"], "'0' is not more than 0"),
        (["--workers", "0"], "'0' is not at least 1"),
        (["--workers", "201"], "--workers is at most 200"),
        (["--seed", "x"], "--seed"),
        (["--binary", "/nowhere"], "/nowhere: no such file"),
    ],
)
def test_what_cannot_be_meant_is_a_usage_error(arguments: list[str], said: str) -> None:
    result = subprocess.run(
        [str(SOAK), *arguments], capture_output=True, text=True, timeout=60
    )
    assert result.returncode == 2
    assert said in result.stderr


def test_help_explains_what_is_checked_and_the_exit_status() -> None:
    text = parser().format_help()
    for word in ("2xx", "--seed", "Exit status", "examples"):
        assert word in text
