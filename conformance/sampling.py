"""--sample: inputs drawn from a grammar of samples/, tried against the subject one after the other. Of each
rule that the subject gets wrong one sample is shown, after it was made as simple as it can be and still be
got wrong.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from conformance.expect import ConformanceFailure
from conformance.samples.choices import Choices, minimised, numbered

# Rules got wrong, after which a test has said enough.
BROKEN_MAX = 8
# For which a test may make samples simpler; each may have to wait for a subject that does not answer.
MINIMISING_S = 20.0


class Sample(Protocol):
    """An input with the rule that it keeps or breaks, which says what is right for it."""

    @property
    def rule(self) -> str:
        ...

    @property
    def shown(self) -> str:
        ...


S = TypeVar("S", bound=Sample)


@dataclass(frozen=True)
class Broken:
    """A rule that the subject gets wrong."""

    number: int  # of the sample in which it was seen first
    shown: str  # the simplest one
    rule: str
    failure: ConformanceFailure

    def expected(self, seed: int) -> str:
        return (
            f"{self.failure.expected} ({self.rule}) for {self.shown} "
            f"[seed {seed}, sample {self.number}]"
        )


@dataclass(frozen=True)
class Sampling:
    """The samples of one test: `count` of them, which follow from `seed` and the test's name."""

    count: int
    seed: int
    name: str
    remark: Callable[[str], None] = lambda text: None  # in the transcript

    def check(self, draw: Callable[[Choices], S], trial: Callable[[S], None]) -> None:
        """Fails if `trial`, which fails as a test does, fails for any of them."""
        broken: dict[str, Broken] = {}
        left = MINIMISING_S
        for number in range(self.count):
            choices = numbered(self.seed, self.name, number)
            sample = draw(choices)
            if sample.rule in broken:
                continue
            failure = self._failure(trial, sample)
            if failure is None:
                continue
            began = time.monotonic()
            found = Broken(number, sample.shown, sample.rule, failure)
            broken[sample.rule] = self._simplest(
                draw, trial, choices.taken, found, began + left
            )
            left -= time.monotonic() - began
            if len(broken) == BROKEN_MAX:
                break
        if broken:
            raise ConformanceFailure(
                _listed([one.expected(self.seed) for one in broken.values()]),
                _listed([one.failure.actual for one in broken.values()]),
            )

    def _failure(
        self, trial: Callable[[S], None], sample: S
    ) -> ConformanceFailure | None:
        self.remark(f"sample: {sample.shown}")
        try:
            trial(sample)
        except ConformanceFailure as failure:
            return failure
        return None

    def _simplest(
        self,
        draw: Callable[[Choices], S],
        trial: Callable[[S], None],
        numbers: list[int],
        found: Broken,
        deadline: float,
    ) -> Broken:
        """The simplest sample of that rule that fails, as far as it is found in time."""
        tried: set[str] = {found.shown}

        def fails(candidate: list[int]) -> bool:
            nonlocal found
            sample = draw(Choices(candidate))
            late = time.monotonic() > deadline
            if late or sample.rule != found.rule or sample.shown in tried:
                return False
            tried.add(sample.shown)
            failure = self._failure(trial, sample)
            if failure is None:
                return False
            found = Broken(found.number, sample.shown, sample.rule, failure)
            return True

        minimised(numbers, fails)
        return found


def _listed(texts: list[str]) -> str:
    """A text for each rule, numbered if there are several different ones."""
    if len(set(texts)) == 1:
        return texts[0]
    return "\n".join(f"({number}) {text}" for number, text in enumerate(texts, 1))
