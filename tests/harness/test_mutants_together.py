"""Random mutants that their first tests did not notice: several in one relay."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from breaking import SOURCE, result, root, suite  # noqa: F401

from tests.mutants import drawing, together
from tests.mutants.drawing import Mutant
from tests.mutants.judging import Results
from tests.mutants.operators import sites
from tests.mutants.sample import Fate, Outcome
from tests.mutants.together import AT_ONCE, apart, judge_together
from tests.mutants.workshop import BuildError

ONE, TWO = "suite/test_it.py::test_one", "suite/test_it.py::test_two"


@pytest.fixture(autouse=True)
def one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that each run has the result that is meant for it."""
    monkeypatch.setattr(together, "ALONE", 1)


@pytest.fixture
def mutants(root: Path) -> list[Mutant]:
    """Two, of different functions."""
    found = sites(root / "relay/ask.c", root, ["-std=gnu17"])
    first, *_, last = [site for site in found if site.operator in ("LCR", "RET")]
    return [drawing.make(n, site, 1, root)[0] for n, site in ((1, first), (2, last))]


@pytest.fixture
def waiting(mutants: list[Mutant]) -> list[Outcome]:
    """Of the second, only one test is left."""
    first, second = mutants
    return [
        Outcome(first, Fate.SURVIVED, left=[ONE, TWO]),
        Outcome(second, Fate.SURVIVED, left=[TWO]),
    ]


def ran(**outcomes: str) -> Results:
    ids = {"one": ONE, "two": TWO}
    return {"tests": [result(how, id=ids[name]) for name, how in outcomes.items()]}


@pytest.mark.parametrize(
    "runs, fates",
    [
        ([ran(one="pass", two="pass")], "survived survived"),
        # Together; the first alone, and once more; the second with the test that is left of it.
        (
            [
                ran(one="fail", two="pass"),
                ran(one="fail"),
                ran(one="fail"),
            ],
            "killed survived",
        ),
        # Both are asked; of the first it is taken back; what failed is asked of it again.
        (
            [
                ran(one="pass", two="fail"),
                ran(two="pass"),
                ran(two="fail"),
                ran(two="fail"),
                ran(two="pass"),
            ],
            "survived killed",
        ),
        # It is taken back of each: a busy machine.
        (
            [ran(one="pass", two="fail"), ran(two="pass"), ran(two="pass")],
            "survived survived",
        ),
        # It ended early, and the rest is asked.
        (
            [
                ran(one="fail"),
                ran(one="pass"),
                ran(two="fail"),
                ran(two="fail"),
                ran(two="fail"),
                ran(two="fail"),
                ran(two="fail"),
            ],
            "killed killed",
        ),
        # Together they do not start.
        (
            [
                {"tests": [], "failure": "the relay does not start"},
                ran(one="pass", two="pass"),
                ran(two="fail"),
                ran(two="fail"),
            ],
            "survived killed",
        ),
    ],
)
def test_what_fails_together_is_asked_of_each_alone(
    suite: Callable[..., list[Any]],
    waiting: list[Outcome],
    runs: list[Results],
    fates: str,
) -> None:
    calls = suite(*runs)
    found = judge_together(waiting, lambda m: Path(m.name), lambda ms: Path("joined"))
    assert " ".join(outcome.fate for outcome in found) == fates
    assert len(calls) == len(runs)
    assert not any(outcome.left for outcome in found)


def test_what_does_not_compile_together_is_judged_alone(
    suite: Callable[..., list[Any]], waiting: list[Outcome]
) -> None:
    def join(mutants: Sequence[Mutant]) -> Path:
        raise BuildError("no")

    calls = suite(*[ran(two="fail")] * 4)
    found = judge_together(waiting, lambda m: Path(m.name), join)
    assert [outcome.fate for outcome in found] == [Fate.KILLED] * 2
    first, second = (Path(outcome.mutant.name) for outcome in waiting)
    assert [call[0] for call in calls] == [first, first, second, second]


def test_mutants_of_one_function_are_not_judged_together(
    mutants: list[Mutant], root: Path
) -> None:
    first, second = mutants
    another = drawing.make(3, first.site, 2, root)[0]
    outcomes = [Outcome(m, Fate.SURVIVED) for m in (first, another, second)]
    assert [o.mutant for o in apart(outcomes)] == [first, second]
    assert len(apart(outcomes * AT_ONCE)) == 2


def test_a_relay_has_all_their_mistakes(
    root: Path, tmp_path: Path, mutants: list[Mutant]
) -> None:
    maker = drawing.Maker(tmp_path / "maker", root)
    maker.join(mutants, 1)
    joined = (maker.workshop.source / "relay/ask.c").read_text()
    wanted = SOURCE
    for mutant in reversed(mutants):
        start, end, text = mutant.site.edit(1)
        wanted = wanted[:start] + text + wanted[end:]
    assert joined == wanted != SOURCE
