"""What a draw chooses, as a list of numbers: the same list makes the same sample, and a list that is
shorter or has smaller numbers makes a simpler one. That is how a sample that fails is minimised.

A draw puts the simplest of its options first, and writes a list of things as "one more?" before each of
them, so that to leave out a part of the numbers leaves out a thing.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")

# Samples that are tried to make one that failed simpler.
TRIALS_MAX = 400


class Choices:
    """Numbers drawn from `source`: at random, or from a list, after whose end all are 0."""

    def __init__(self, source: random.Random | Sequence[int]) -> None:
        self.taken: list[int] = []
        self._source = source

    def below(self, limit: int) -> int:
        """A number from 0 to `limit` - 1."""
        if isinstance(self._source, random.Random):
            number = self._source.randrange(limit)
        elif len(self.taken) < len(self._source):
            number = min(self._source[len(self.taken)], limit - 1)
        else:
            number = 0
        self.taken.append(number)
        return number

    def one_of(self, options: Sequence[T]) -> T:
        return options[self.below(len(options))]

    def rarely(self, one_in: int = 4) -> bool:
        return self.below(one_in) == one_in - 1

    def several(self, draw: Callable[[], T], least: int, most: int) -> list[T]:
        """From `least` to `most` things; each further one is a little less likely."""
        things = [draw() for _ in range(least)]
        while len(things) < most and self.below(3):
            things.append(draw())
        return things

    def text(self, alphabet: str, least: int, most: int) -> str:
        return "".join(self.several(lambda: self.one_of(alphabet), least, most))


def numbered(seed: int, name: str, number: int) -> Choices:
    """Those of a sample of a run: they depend on nothing else."""
    return Choices(random.Random(f"{seed} {name} {number}"))


def _simpler(numbers: list[int]) -> Iterator[list[int]]:
    for size in (8, 4, 2, 1):
        for start in range(len(numbers) - size, -1, -1):
            yield numbers[:start] + numbers[start + size :]
    for index, number in enumerate(numbers):
        for smaller in sorted({0, number // 2, number - 1}):
            if 0 <= smaller < number:
                yield [*numbers[:index], smaller, *numbers[index + 1 :]]


def minimised(numbers: list[int], fails: Callable[[list[int]], bool]) -> list[int]:
    """The simplest numbers that still fail, as far as TRIALS_MAX trials find them."""
    trials = 0
    found = True
    while found:
        found = False
        for candidate in _simpler(numbers):
            if trials == TRIALS_MAX:
                return numbers
            trials += 1
            if fails(candidate):
                numbers, found = candidate, True
                break
    return numbers
