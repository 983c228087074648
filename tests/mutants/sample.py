"""What the suite, alone, makes of random mutants.

The tests that are about its file run first, and then the others, up to the first failure.
"""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain, islice
from pathlib import Path

from tests.mutants.drawing import Maker, Mutant
from tests.mutants.judging import DID_NOT_END, Results, clauses_of, conform, tests_with

# A test waits for some seconds where nothing comes; if all did, a run would take an hour.
SECONDS_MAX = 420.0

# For all tests of one mutant: mostly they wait.
LABS = 3


class Fate(StrEnum):
    """Of a mutant."""

    KILLED = "killed"
    SURVIVED = "survived"
    HANGS = "hangs"  # the run took too long, and no test failed
    ERROR = "error"  # the harness failed, and no test did


@dataclass(frozen=True)
class Outcome:
    """What came of one mutant."""

    mutant: Mutant
    fate: Fate
    by: str = ""  # the test that failed, or why there is no result
    seconds: float = 0.0
    reached: bool | None = None  # whether the suite executes its line, if that is known
    net: str = ""  # of tests other than the suite, the first that noticed


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


def try_out(mutant: Mutant, binary: Path, stages: Sequence[Sequence[str]]) -> Outcome:
    """Runs the suite against a mutant, the tests of the clauses of one stage after the other."""
    began = time.monotonic()

    def attempt(
        clauses: Sequence[str], jobs: int, until_failure: bool = True
    ) -> Results:
        # In an order of its own: neighbours in the suite notice the same things.
        options = [f"-j{jobs}", f"--shuffle={mutant.number}", "--brief"]
        return conform(
            binary,
            clauses,
            *options,
            seconds_max=SECONDS_MAX,
            until_failure=until_failure,
        )

    results: Results = {"tests": [], "failure": None}
    for stage in stages:
        found = attempt(stage, LABS)
        results = {**found, "tests": results["tests"] + found["tests"]}
        if _is_enough(results):
            break
    fate, by = _conclude(results)
    if not results["failure"] and fate != Fate.SURVIVED:
        # On a busy machine a test may fail, or have no result, for no other reason. It is asked again,
        # alone; and if it takes it back, there may be others.
        fate, by = _conclude(attempt(clauses_of(results, "fail", "error"), 1))
        if fate == Fate.SURVIVED and tests_with(results, "fail"):
            others = attempt(list(chain(*stages)), LABS, until_failure=False)
            doubtful = clauses_of(others, "fail", "error")
            if doubtful:
                fate, by = _conclude(attempt(doubtful, 1))
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
) -> Iterator[Outcome]:
    """The outcomes of the first `number` mutants, in their order. One is compiled while others run."""
    room = threading.Semaphore(jobs + 1)
    with tempfile.TemporaryDirectory(prefix="mutants-") as directory:

        def judged(mutant: Mutant, binary: Path) -> Outcome:
            try:
                return judge(mutant, binary)
            finally:
                binary.unlink()
                room.release()

        with ThreadPoolExecutor(jobs) as pool:
            waiting: list[Future[Outcome]] = []
            for mutant in islice(drawn, number):
                binary = maker.keep(Path(directory) / mutant.name)
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
