"""Several mutants judged at once: those that their first tests did not notice.

One relay has the mistakes of all of them. A test that it passes has noticed none, and a test that it fails
is asked again of each alone. So a survivor costs its part of one run of the suite. Two mistakes might make
up for each other, which is rarer if they are in different functions, and makes the rate no better.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import chain
from pathlib import Path

from tests.mutants.drawing import Mutant
from tests.mutants.judging import Results, conform, ids_with
from tests.mutants.nearness import LABS, Stage
from tests.mutants.sample import SECONDS_MAX, Fate, Outcome, try_out
from tests.mutants.workshop import BuildError

AT_ONCE = 8
# Of them, so many are asked alone side by side.
ALONE = 2
# A relay that fails so many tests is not asked further: each mutant is, about these.
FAILURES_ENOUGH = 10

# Of some mutants, a relay with all their mistakes; BuildError if there is none.
Join = Callable[[Sequence[Mutant]], Path]


def apart(waiting: Sequence[Outcome]) -> list[Outcome]:
    """Of those that wait, the first few that are in different functions."""
    found: dict[tuple[str, str], Outcome] = {}
    for outcome in waiting:
        site = outcome.mutant.site
        found.setdefault((site.file, site.function), outcome)
    return list(found.values())[:AT_ONCE]


def judge_together(
    waiting: Sequence[Outcome], binary_of: Callable[[Mutant], Path], join: Join
) -> list[Outcome]:
    """The outcomes of mutants that wait for the tests that are left, in their order."""
    began = time.monotonic()
    group = list(waiting)
    settled: dict[int, Outcome] = {}

    def alone(outcome: Outcome, tests: Sequence[str]) -> Outcome:
        mutant = outcome.mutant
        own = set(outcome.left)
        asked = [test for test in tests if test in own]
        if not asked:
            return outcome
        found = try_out(mutant, binary_of(mutant), [Stage(tests=asked, labs=1)])
        return replace(outcome, fate=found.fate, by=found.by)

    known: set[str] = set()  # what says nothing against the group
    while tests := _left(group, known):
        results = _run(join, [o.mutant for o in group], tests)
        ran = {test["id"] for test in results["tests"]}
        asked = ids_with(results, "fail", "error")
        broken = bool(results["failure"]) or not ran
        if broken:
            # Together they do not even run, so that nothing is known of any.
            ran, asked = set(tests), tests
        with ThreadPoolExecutor(ALONE) as pool:
            found = list(pool.map(lambda o: alone(o, asked), group))
        noticed = {o.mutant.number: o for o in found if o.fate != Fate.SURVIVED}
        settled |= noticed
        group = [o for o in group if o.mutant.number not in noticed]
        # What failed because of one says nothing of the others.
        known |= ran - set(asked) if noticed and not broken else ran
    share = (time.monotonic() - began) / len(waiting)
    outcomes = [settled.get(o.mutant.number, o) for o in waiting]
    return [replace(o, left=(), seconds=o.seconds + share) for o in outcomes]


def _left(group: Sequence[Outcome], known: set[str]) -> list[str]:
    """The tests that have yet to be asked of any of them."""
    tests = dict.fromkeys(chain.from_iterable(outcome.left for outcome in group))
    return [test for test in tests if test not in known]


def _run(join: Join, mutants: Sequence[Mutant], tests: Sequence[str]) -> Results:
    try:
        binary = join(mutants)
    except BuildError as error:
        return {"tests": [], "failure": str(error)}
    return conform(
        binary,
        (),
        f"-j{LABS}",
        "--brief",
        only=tests,
        seconds_max=SECONDS_MAX,
        failures_enough=FAILURES_ENOUGH,
    )
