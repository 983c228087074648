"""Cases as tests: which there are, and when they are played, which is with the first of a scenario's that a
session has."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib import import_module
from typing import Any, TypeVar, cast

import pytest

from conformance.clauses import also_as
from conformance.lab.world import Lab
from conformance.vectors.clauses import clause_of
from conformance.vectors.load import Case, load_cases
from conformance.vectors.play import Form, Outcome, play

F = TypeVar("F", bound=Callable[..., Any])

# The test of a case, while its outcome is reported.
SEEN = pytest.StashKey[Outcome]()


def form_of(folder: str) -> Form:
    """How the cases of a folder are played and judged."""
    module = import_module(f"conformance.vectors.{folder.replace('-', '_')}")
    return cast(Form, module.FORM)


def off_wire(folder: str) -> dict[str, str]:
    """The cases of a folder that cannot be seen on the wire, and why."""
    form = form_of(folder)
    reasons = {case.id: form.off_wire(case) for case in load_cases(folder)}
    return {name: reason for name, reason in reasons.items() if reason is not None}


def vectors(folder: str) -> Callable[[F], F]:
    """Has a test of a relay, and of a receiver, take `case`, every case of a folder in turn that can be seen on
    the wire, each with the mark of its clause. What was seen of it is the fixture `seen`.
    """
    form = form_of(folder)
    cases = [
        pytest.param(case, id=case.id, marks=pytest.mark.clause(clause_of(case)))
        for case in load_cases(folder)
        if form.off_wire(case) is None
    ]

    def decorate(function: F) -> F:
        marked: F = pytest.mark.parametrize("case", cases)(function)
        return also_as("receiver")(marked)

    return decorate


def case_of(item: pytest.Item) -> Case | None:
    """The case that a collected test plays, if it plays one."""
    callspec = getattr(item, "callspec", None)
    case = callspec.params.get("case") if callspec is not None else None
    return case if isinstance(case, Case) else None


def slots_of(items: Iterable[pytest.Item]) -> int:
    """How many slots of a plan tests need: one each, but for the cases of a scenario, which share one."""
    cases = [(item.nodeid, case_of(item)) for item in items]
    return len({case.scenario.key if case else name for name, case in cases})


class Stage:
    """Of one process."""

    def __init__(self) -> None:
        self._outcomes: dict[str, Outcome] = {}  # by the test's id; not yet judged

    def seen(
        self,
        lab: Lab,
        item: pytest.Item,
        items: Iterable[pytest.Item],
        is_wanted: Callable[[pytest.Item], bool],
    ) -> Outcome:
        """What was seen of the case of a test; the scenario is played with those of `items` that are wanted.
        Raises what play() does."""
        case = case_of(item)
        assert case is not None
        if item.nodeid not in self._outcomes:
            form = form_of(case.folder)
            chosen = {
                other.nodeid: played
                for other in items
                if (played := case_of(other)) is not None
                and played.scenario.key == case.scenario.key
                and is_wanted(other)
            }
            self._outcomes.update(play(lab, form, chosen))
        item.stash[SEEN] = self._outcomes.pop(item.nodeid)
        return item.stash[SEEN]
