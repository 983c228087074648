"""What the suite, alone, makes of random mutants.

Its tests run in stages, up to the first failure.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from pathlib import Path

from tests.mutants.drawing import Maker, Mutant
from tests.mutants.judging import DID_NOT_END, Results, conform, ids_with, tests_with
from tests.mutants.nearness import Stage

# A test waits for some seconds where nothing comes; if all did, a run would take an hour.
SECONDS_MAX = 420.0


class Fate(StrEnum):
    """Of a mutant."""

    KILLED = "killed"
    SURVIVED = "survived"
    HANGS = "hangs"  # the run took too long, and no test failed
    ERROR = "error"  # the harness failed, and no test did


# The tests that have been asked may still be followed by one that kills it.
UNNOTICED = (Fate.SURVIVED, Fate.ERROR)


@dataclass(frozen=True)
class Outcome:
    """What came of one mutant."""

    mutant: Mutant
    fate: Fate
    by: str = ""  # the test that failed, or why there is no result
    seconds: float = 0.0
    reached: bool | None = None  # whether the suite executes its line, if that is known
    net: str = ""  # of tests other than the suite, the first that noticed
    left: Sequence[
        str
    ] = ()  # the tests that have not been asked, if there is no verdict yet


def _conclude(results: Results) -> tuple[Fate, str]:
    failed = tests_with(results, "fail")
    if failed:
        return Fate.KILLED, failed[0]
    failure = results["failure"]
    if failure == DID_NOT_END:
        return Fate.HANGS, failure
    if failure and not tests_with(results, "pass"):
        return Fate.KILLED, "(the relay does not start)"
    if failure:
        return Fate.ERROR, str(failure).splitlines()[0]
    errors = tests_with(results, "error")
    if errors:
        return Fate.ERROR, errors[0]
    return Fate.SURVIVED, ""


def try_out(mutant: Mutant, binary: Path, stages: Sequence[Stage]) -> Outcome:
    """Runs the suite against a mutant, the tests of one stage after the other."""
    began = time.monotonic()

    def attempt(stage: Stage, failures_enough: int = 1) -> Results:
        options = [f"-j{stage.labs}", "--brief"]
        if not stage.tests:
            # In an order of its own: neighbours in the suite notice the same things.
            options.append(f"--shuffle={mutant.number}")
        return conform(
            binary,
            stage.clauses,
            *options,
            only=stage.tests,
            seconds_max=SECONDS_MAX,
            failures_enough=failures_enough,
        )

    def again_alone(results: Results) -> tuple[Fate, str]:
        """On a busy machine a test may fail, or have no result, for no other reason."""
        doubtful = ids_with(results, "fail", "error")
        return _conclude(attempt(Stage(tests=doubtful, labs=1)))

    results: Results = {"tests": [], "failure": None}
    for stage in stages:
        found = attempt(stage)
        results = {**found, "tests": results["tests"] + found["tests"]}
        if _is_enough(results):
            break
    fate, by = _conclude(results)
    if not results["failure"] and fate != Fate.SURVIVED:
        fate, by = again_alone(results)
        if fate == Fate.SURVIVED and tests_with(results, "fail"):
            # If it takes it back, there may be others.
            others: Results = {"tests": [], "failure": None}
            for stage in stages:
                others["tests"] += attempt(stage, failures_enough=0)["tests"]
            if ids_with(others, "fail", "error"):
                fate, by = again_alone(others)
    return Outcome(mutant, fate, by, time.monotonic() - began)


def _is_enough(results: Results) -> bool:
    """Whether it is worth no further test."""
    return _conclude(results)[0] in (Fate.KILLED, Fate.HANGS)


def run(
    maker: Maker,
    drawn: Iterator[Mutant],
    number: int,
    jobs: int,
    judge: Callable[[Mutant, Path], Outcome],
    directory: Path,
) -> Iterator[Outcome]:
    """The outcomes of the first `number` mutants, in their order. One is compiled while others run. The relay
    of one that has no verdict yet stays in the directory, by its name."""
    room = threading.Semaphore(jobs + 1)

    def judged(mutant: Mutant, binary: Path) -> Outcome:
        outcome = None
        try:
            outcome = judge(mutant, binary)
            return outcome
        finally:
            if outcome is None or not outcome.left:
                binary.unlink()
            room.release()

    with ThreadPoolExecutor(jobs) as pool:
        waiting: list[Future[Outcome]] = []
        for mutant in islice(drawn, number):
            binary = maker.keep(directory / mutant.name)
            room.acquire()
            waiting.append(pool.submit(judged, mutant, binary))
            while waiting and waiting[0].done():
                yield waiting.pop(0).result()
        for future in waiting:
            yield future.result()


def write_patch(mutant: Mutant, path: Path, note: str = "") -> Path:
    """As `patch -p1` applies it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(note + mutant.patch, encoding="utf-8")
    return path


def write_survivor(outcome: Outcome, directory: Path) -> Path:
    """The patch, with what the tests say of it."""
    note = f"The suite says: {outcome.fate} {outcome.by}".strip()
    if outcome.reached is not None:
        note += f"; it {'has' if outcome.reached else 'never'} executed the line"
    if outcome.net:
        note += f"; noticed by: {outcome.net}"
    path = directory / f"{outcome.mutant.name}.patch"
    return write_patch(outcome.mutant, path, f"{note}\n")
