"""A lab or a subject without a processor says nothing about the subject."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from running import GATING, Conform

from conformance.lab.lateness import LAG_MAX_S, STARVED_MIN_S, Lateness
from conformance.lab.loop import LoopThread

pytestmark = pytest.mark.alone

CROWD = 4


@pytest.fixture()
def loop() -> Iterator[LoopThread]:
    thread = LoopThread()
    yield thread
    thread.close()


@pytest.fixture()
def crowd() -> Iterator[list[int]]:
    """The process ids of some that never rest, on one core."""
    core = min(os.sched_getaffinity(0))
    busy = f"import os\nos.sched_setaffinity(0, [{core}])\nwhile True: pass"
    processes = [subprocess.Popen([sys.executable, "-c", busy]) for _ in range(CROWD)]
    yield [process.pid for process in processes]
    for process in processes:
        process.send_signal(signal.SIGKILL)
        process.wait()


def complaint_within(lateness: Lateness, seconds: float) -> str | None:
    """The first complaint, if there is one in that time."""
    deadline = time.monotonic() + seconds
    while (said := lateness.complaint()) is None and time.monotonic() < deadline:
        time.sleep(0.05)
    return said


def test_nobody_was_late(loop: LoopThread) -> None:
    assert Lateness(loop).complaint() is None


def test_a_subject_that_has_ended_is_none_to_complain_of(loop: LoopThread) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    assert Lateness(loop, lambda: [ended.pid]).complaint() is None


def test_servers_of_the_lab_that_are_late_are_a_complaint(loop: LoopThread) -> None:
    lateness = Lateness(loop)
    loop.call(lambda: time.sleep(2 * LAG_MAX_S))
    said = complaint_within(lateness, 10.0)
    assert said is not None and "servers were late" in said
    lateness.mark()
    assert lateness.complaint() is None


def test_a_subject_without_a_processor_is_a_complaint(
    loop: LoopThread, crowd: list[int]
) -> None:
    lateness = Lateness(loop, lambda: crowd)
    said = complaint_within(lateness, 10 * STARVED_MIN_S)
    assert said is not None and "no processor" in said


@pytest.mark.parametrize(
    "times, status, outcome", [(1, 0, "pass"), (9, 3, "error")], ids=["once", "always"]
)
def test_a_test_that_the_lab_was_late_for_is_run_again(
    conform: Conform, tmp_path: Path, times: int, status: int, outcome: str
) -> None:
    suite = f"""
import time
from pathlib import Path

@clause("{GATING[0]}")
def test_that_is_late(world):
    runs = Path("{tmp_path}", "runs")
    number = len(runs.read_text()) if runs.exists() else 0
    runs.write_text("x" * (number + 1))
    if number < {times}:
        world.lab.loop.call(lambda: time.sleep(1))
        expect(1, 2, "a number")
"""
    run = conform(suite)
    assert run.status == status, run.output + run.errors
    assert [t["outcome"] for t in run.results["tests"]] == [outcome]
    assert len((tmp_path / "runs").read_text()) == 2
