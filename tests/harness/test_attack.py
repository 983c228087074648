"""`attack` and its parts: percentiles, bounds, the table, the meter of the loop, costly keys, and the
command line."""

from __future__ import annotations

import base64
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import dns.message
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key

from load import attacks, idle
from load.attack import parser, run_attacks
from load.attacks.base import Attack
from load.crew import Cores, Counter
from load.figures import (
    Bounds,
    Figures,
    Latency,
    Service,
    Usage,
    judge_rest,
    judge_times,
    percentile,
    row,
    table,
    with_omitted,
)
from load.ground import Ground
from load.names import CountingNameserver, OneStep, Zone
from load.relay import Meter, configuration, merged, write_private
from load.signing import DIGEST_INFO, costly_key
from vectors import ROOT, fairlead

ATTACK = ROOT / "scripts" / "attack"
METER = Path(fairlead()).parents[1] / "load" / "libloop_meter.so"


def latency(p99: float) -> Latency:
    return Latency(100, p99 / 2, p99, p99)


def service(noop: float = 1.0, mail: float = 4.0, refusals: int = 0) -> Service:
    said = ("452 4.3.1 Out of memory for now",) * refusals
    return Service(latency(noop), latency(mail), 20, said)


def usage(held: float = 1.0, peak: int = 8192) -> Usage:
    return Usage(held, 0.1, 0.0, 8192, peak, 8)


def judge(
    served: Service, used: Usage, quiet: Service, bounds: Bounds = Bounds()
) -> list[str]:
    return [
        *judge_times(served, used, quiet, bounds),
        *judge_rest(served, used, bounds),
    ]


# Percentiles


@pytest.mark.parametrize(
    "share, expected", [(0.5, 5), (0.99, 10), (0.9, 9), (1.0, 10), (0.0, 1)]
)
def test_a_percentile_is_the_nearest_rank(share: float, expected: float) -> None:
    assert percentile([10, 9, 8, 7, 6, 5, 4, 3, 2, 1], share) == expected


def test_there_is_no_percentile_of_nothing() -> None:
    with pytest.raises(ValueError):
        percentile([], 0.5)


def test_a_long_wait_counts_for_those_that_it_kept_from_asking() -> None:
    assert with_omitted([1, 25], 10) == [1, 25, 15, 5]


def test_one_freeze_among_a_thousand_quick_answers_is_seen_in_the_p99() -> None:
    measured = Latency.of([0.1] * 1000 + [1000.0], 5.0)
    assert measured is not None
    assert measured.count == 1001
    assert measured.p99 > 900


# Bounds


def test_a_relay_like_the_quiet_one_is_within_all_bounds() -> None:
    assert judge(service(), usage(), service()) == []


@pytest.mark.parametrize(
    "measured, used, said",
    [
        (service(), usage(held=10.1), "held for 10.1 ms"),
        (service(noop=31.0), usage(), "NOOP p99 is 31.0 ms"),
        (service(mail=31.0), usage(), "mail p99 is 31.0 ms, 3.1 times"),
        (service(refusals=2), usage(), "2 of 20 mails of the good client failed: 452"),
        (service(), usage(peak=321 * 1024), "321 MiB"),
        (Service(None, latency(1.0), 20), usage(), "no NOOP"),
        (
            Service(latency(1.0), latency(1.0), 20, (), ("421 no",)),
            usage(),
            "session: 421 no",
        ),
    ],
)
def test_what_is_past_its_bound_is_said(
    measured: Service, used: Usage, said: str
) -> None:
    quiet = service(noop=10.0, mail=10.0)
    (phrase,) = judge(measured, used, quiet)
    assert said in phrase


def test_figures_at_their_bounds_are_within_them() -> None:
    quiet = service(noop=10.0, mail=10.0)
    at_bounds = service(noop=30.0, mail=30.0)
    assert judge(at_bounds, usage(held=10.0, peak=320 * 1024), quiet) == []


def test_a_p99_below_the_floor_is_not_held_to_the_quiet_one() -> None:
    assert judge(service(noop=9.0), usage(), service(noop=0.1)) == []
    (phrase,) = judge(
        service(noop=9.0), usage(), service(noop=0.1), Bounds(floor_ms=8.0)
    )
    assert "90.0 times" in phrase


@pytest.mark.parametrize(
    ("measured", "times", "is_broken"),
    [
        ([[]], 1, False),
        ([["slow"], []], 2, False),
        ([["slow"], ["slow"]], 2, True),
        ([["lost"]], 1, True),
        ([["slow", "lost"]], 1, True),
    ],
    ids=["well", "slow once", "slow twice", "a lost mail", "slow, and a lost mail"],
)
def test_only_what_was_slow_and_nothing_else_is_measured_again(
    monkeypatch: pytest.MonkeyPatch,
    measured: list[list[str]],
    times: int,
    is_broken: bool,
) -> None:
    left: list[list[str]] = [[], *measured]  # the quiet row first

    def measure(ground: object, attack: Attack, *_: object) -> Figures:
        broken = left.pop(0)
        return Figures(attack.name, service(), usage(), broken, [], broken == ["slow"])

    monkeypatch.setattr("load.attack.measure", measure)
    ground = Ground(Path(), Cores.share([0, 1]), Path())
    rows = run_attacks(ground, parser().parse_args(["herd"]))
    assert len(left) == len(measured) - times
    assert bool(rows[-1].broken) is is_broken


def test_a_message_of_25_mb_may_hold_the_loop_for_longer() -> None:
    large = attacks.named()["body-plain"].bounds_with(10.0)
    assert judge(service(), usage(held=49.0), service(), large) == []
    assert judge(service(), usage(held=51.0), service(), large)


@pytest.mark.parametrize("state, kib, broken", [("EHLO", 20.0, 0), ("EHLO", 20.1, 1)])
def test_an_idle_session_is_held_to_its_aim(
    state: str, kib: float, broken: int
) -> None:
    measured = idle.State(state, 500, kib, 1.0, idle.AIMS[state])
    assert len(idle.judge(measured)) == broken


# The table


def test_columns_are_aligned_and_the_first_is_to_the_left() -> None:
    assert table([["a", "1", ""], ["long", "22.5", "x"]]) == "a        1\nlong  22.5  x"


def test_a_row_has_its_ratio_to_the_quiet_one_and_says_when_it_failed() -> None:
    quiet = service(noop=1.0, mail=4.0)
    figures = Figures("name", service(noop=25.0, refusals=1), usage(), ["broken"])
    cells = row(figures, quiet)
    assert cells[0] == "name"
    assert cells[2:4] == ["12/25/25", "25.0"]
    assert "1/20" in cells
    assert cells[-1] == "FAILED"
    assert row(Figures("quiet", quiet, usage()), None)[3] == ""


# Parts


def test_the_relay_has_a_core_of_its_own_where_there_are_two() -> None:
    assert Cores.share([3]) == Cores(None, (3,), (3,))
    assert Cores.share([0, 1]) == Cores(0, (1,), (1,))
    assert Cores.share([0, 1, 2, 5]) == Cores(0, (1,), (2, 5))


def test_settings_are_merged_mapping_by_mapping() -> None:
    assert merged({"a": {"b": 1, "c": 2}, "d": 3}, {"a": {"c": 4}, "d": 5}) == {
        "a": {"b": 1, "c": 4},
        "d": 5,
    }


@pytest.mark.parametrize("name", attacks.named())
def test_the_relay_takes_the_configuration_of_every_attack(
    name: str, tmp_path: Path
) -> None:
    attack = attacks.named()[name]
    file = tmp_path / "fairlead.yaml"
    write_private(configuration(attack.routes(), attack.settings), file)
    result = subprocess.run(
        [fairlead(), "check-config", "-c", str(file)], capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("name", attacks.named())
def test_every_attack_says_what_it_sends(name: str) -> None:
    sentence = attacks.named()[name].sentence
    assert sentence.endswith(".")
    assert len(sentence) < 160


def test_a_costly_key_has_its_exponent_and_signs_rightly() -> None:
    key = costly_key(1024, 1022)
    public = load_der_public_key(base64.b64decode(key.data()))
    assert isinstance(public, rsa.RSAPublicKey)
    numbers = public.public_numbers()
    assert numbers.e.bit_length() == 1022
    signature = int.from_bytes(base64.b64decode(key.sign(b"octets")), "big")
    padded = pow(signature, numbers.e, numbers.n).to_bytes(128, "big")
    assert padded.startswith(b"\0\1\xff\xff")
    assert padded.endswith(b"\0" + DIGEST_INFO + hashlib.sha256(b"octets").digest())


COMPUTES = """
import select, time
poller = select.epoll()
poller.poll(0.1)
began = time.thread_time()
while time.thread_time() < began + 0.03:
    pass
time.sleep(0.2)
poller.poll(0)
"""


@pytest.mark.alone
def test_the_meter_measures_what_is_computed_between_two_waits(
    tmp_path: Path,
) -> None:
    meter = Meter(tmp_path / "meter")
    environment = {"LD_PRELOAD": str(METER), "LOOP_METER": str(meter.path)}
    subprocess.run(
        [sys.executable, "-c", COMPUTES], env=os.environ | environment, check=True
    )
    assert meter.rounds == 1
    # Not the waits before and after, nor the sleep.
    assert 30 <= meter.held_ms < 90
    meter.reset()
    assert meter.held_ms == 0


# The nameserver


def query(name: str) -> bytes:
    labels = b"".join(bytes([len(l)]) + l.encode() for l in name.split("."))
    return b"\x12\x34\x01\x00\0\1\0\0\0\0\0\0" + labels + b"\0\0\1\0\1"


class NoLoop:
    """The nameserver answers without one."""


def test_an_answer_that_is_known_has_the_id_and_the_case_of_its_question() -> None:
    zone, asked = Zone(), Counter()
    zone.add("a.chains.example", "A", "192.0.2.1")
    server = CountingNameserver(NoLoop(), zone, asked)  # type: ignore[arg-type]
    first = server.respond(query("a.chains.example"), "udp").wire
    again = server.respond(b"\x56\x78" + query("A.chAins.example")[2:], "udp").wire
    assert first is not None and again is not None
    assert again[:2] == b"\x56\x78"
    assert b"A\x06chAins" in again
    assert again[12 + 22 :] == first[12 + 22 :]
    assert asked.value == 2


def test_only_the_questions_below_a_domain_are_counted() -> None:
    zone, asked = Zone(), Counter()
    zone.count("chains.example")
    server = CountingNameserver(NoLoop(), zone, asked)  # type: ignore[arg-type]
    server.respond(query("a.Chains.example"), "udp")
    server.respond(query("a.other.example"), "udp")
    assert asked.value == 1


def test_of_a_chain_one_step_is_answered_at_a_time() -> None:
    zone = Zone()
    zone.add("a.example", "CNAME", "b.example.")
    zone.add("b.example", "A", "192.0.2.1")
    zone.fail("a.example", OneStep())
    server = CountingNameserver(NoLoop(), zone, Counter())  # type: ignore[arg-type]
    wire = server.respond(query("a.example"), "udp").wire
    assert wire is not None
    (rrset,) = dns.message.from_wire(wire).answer
    assert rrset[0].to_text() == "b.example."


# The command line


def attack(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(ATTACK), *arguments], capture_output=True, text=True, timeout=60
    )


def test_list_names_and_explains_every_attack() -> None:
    result = attack("--list")
    assert result.returncode == 0
    lines = result.stdout.splitlines()
    assert [line.split()[0] for line in lines] == list(attacks.named())


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["no-such-attack"], "no attack 'no-such-attack'; --list names them all"),
        (["--seconds", "0"], "'0' is not more than 0"),
        (["--seconds", "nan"], "'nan' is not more than 0"),
        (["--idle", "0"], "'0' is not at least 1"),
        (["--idle", "x"], "--idle"),
        (["--binary", "/nowhere"], "/nowhere: no such file"),
        (["--nonsense"], "--nonsense"),
    ],
)
def test_what_cannot_be_meant_is_a_usage_error(arguments: list[str], said: str) -> None:
    result = attack(*arguments)
    assert result.returncode == 2
    assert said in result.stderr


def test_help_explains_the_columns_the_bounds_and_the_exit_status() -> None:
    text = parser().format_help()
    for word in ("held", "ratio", "failed", "peak", "busy", "Exit status", "examples"):
        assert word in text
