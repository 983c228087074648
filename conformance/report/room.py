"""A page of bounded size: texts that would not all fit share the room, and each gets its fair part.

Those that need less than an equal share leave the rest to the others. So no text is shown in full at
the cost of another that is not shown at all.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from pathlib import Path

from conformance.report.model import TestResult
from conformance.report.text import ends_of, shortened, visible

# Of one text, however much room there is, in characters.
FACT_LENGTH = 1_500
TRANSCRIPT_LENGTH = 16_000
TRANSCRIPT_READ = 4_000_000  # octets, of a file

Facts = list[tuple[str, str]]
Size = Callable[[str], int]
Cut = Callable[[str, int], str]


def share_of(sizes: Sequence[int], room: int) -> int:
    """The most that each of `sizes` may take so that all together stay within `room`."""
    left = room
    ordered = sorted(sizes)
    for number, size in enumerate(ordered):
        share = left // (len(ordered) - number)
        if size > share:
            return share
        left -= size
    return room


def fair(
    texts: Sequence[str], room: int, size: Size, cut: Cut = shortened
) -> list[str]:
    """`texts`, each as far as its share of `room` allows; `size` is what a text takes on the page, and
    `cut` shortens one to a number of characters."""
    share = share_of([size(text) for text in texts], room)
    return [_within(text, share, size, cut) for text in texts]


def _within(text: str, share: int, size: Size, cut: Cut) -> str:
    length, shown, taken = len(text), text, size(text)
    while taken > share and length > 0:
        # A character takes one octet or several, and those of the rest may take more.
        length = min(length - 1, length * share // taken)
        shown = cut(text, length)
        taken = size(shown)
    return shown if length > 0 else ""


def fair_facts(
    tests: Sequence[TestResult], room: int, size: Size, without: Container[str] = ()
) -> list[Facts]:
    """The facts of each test, but for its transcript and those that are shown otherwise."""
    named = [
        (number, name, shortened(visible(text), FACT_LENGTH))
        for number, test in enumerate(tests)
        for name, text in test.facts()
        if name != "transcript" and name not in without
    ]
    facts: list[Facts] = [[] for _ in tests]
    texts = fair([text for _, _, text in named], room, size)
    for (number, name, _), text in zip(named, texts):
        if text:
            facts[number].append((name, text))
    return facts


def fair_transcripts(
    tests: Sequence[tuple[TestResult, Path]], room: int, size: Size
) -> list[str]:
    """Both ends of each test's transcript; with each test goes the directory of its report."""
    texts = [
        visible(ends_of(_transcript(test, directory), TRANSCRIPT_LENGTH))
        for test, directory in tests
    ]
    return fair(texts, room, size, ends_of)


def _transcript(test: TestResult, directory: Path) -> str:
    """It is nowhere but in the report, whatever a results file says."""
    if test.transcript is None:
        return ""
    path = (directory / test.transcript).resolve()
    if not path.is_relative_to(directory.resolve()):
        return ""
    try:
        with path.open(encoding="utf-8", errors="backslashreplace") as file:
            return file.read(TRANSCRIPT_READ)
    except OSError:
        return ""
