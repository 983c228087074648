"""Assertions that state what was expected and what was seen instead.

A failing `expect` is the subject's failure, and keeps both sides apart so that a report can show one
under the other. A plain `assert` counts as a failure too; any other exception in a test counts as an
error of the harness.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from typing import Any, NoReturn, SupportsIndex, TypeVar, overload

T = TypeVar("T")


def show(value: Any) -> str:
    """`value` for a reader: text without quotes, a reply as received, anything else as Python
    writes it."""
    return (
        value if isinstance(value, str) else str(getattr(value, "shown", repr(value)))
    )


def counted(number: int, noun: str) -> str:
    """`1 message`, `2 messages`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


class ConformanceFailure(AssertionError):
    """The subject did not do what a clause requires."""

    def __init__(self, expected: str, actual: Any) -> None:
        self.expected = expected
        self.actual = show(actual)
        super().__init__(f"expected {expected}; got {self.actual}")

    def __reduce__(self) -> tuple[type[ConformanceFailure], tuple[str, str]]:
        """How it is pickled: both sides, which the message alone does not say."""
        return type(self), (self.expected, self.actual)


class Seen(list[T]):
    """What a subject was seen to do, in order. One that is not there is a failure of the subject, not
    of the test that looks at it."""

    def __init__(self, items: Iterable[T] = (), what: str = "element") -> None:
        super().__init__(items)
        self.what = what

    @overload
    def __getitem__(self, index: SupportsIndex) -> T:
        ...

    @overload
    def __getitem__(self, index: slice) -> list[T]:
        ...

    def __getitem__(self, index: SupportsIndex | slice) -> T | list[T]:
        try:
            return super().__getitem__(index)
        except IndexError:
            number = int(index) if not isinstance(index, slice) else 0
            wanted = number + 1 if number >= 0 else -number
            raise ConformanceFailure(
                f"at least {counted(wanted, self.what)}",
                f"{len(self)}" if self else "none",
            ) from None


class Unimplemented(Exception):
    """The subject does not declare a capability that a test needs."""

    def __init__(self, capability: str) -> None:
        super().__init__(f"the subject does not declare '{capability}'")
        self.capability = capability


def fail(expected: str, actual: Any) -> NoReturn:
    """Fails with both sides in the caller's own words."""
    raise ConformanceFailure(expected, actual)


def expect(actual: Any, expected: Any, what: str) -> None:
    """`actual` equals `expected`; `what` names the thing compared ("the reply's code")."""
    if actual != expected:
        raise ConformanceFailure(f"{what}: {show(expected)}", actual)


def expect_true(condition: Any, expected: str, actual: Any) -> None:
    """`condition` holds; `expected` states it in words."""
    if not condition:
        raise ConformanceFailure(expected, actual)


def expect_one_of(actual: Any, allowed: Collection[Any], what: str) -> None:
    """`actual` is one of `allowed`; `what` names it ("the code for MAIL")."""
    if actual not in allowed:
        wanted = [show(value) for value in allowed]
        listed = " or ".join(filter(None, [", ".join(wanted[:-1]), wanted[-1]]))
        raise ConformanceFailure(f"{what}: {listed}", actual)


def expect_in(needle: Any, haystack: Any, what: str) -> None:
    """`haystack` (text, bytes or a collection) contains `needle`."""
    if needle not in haystack:
        raise ConformanceFailure(f"{what} containing {show(needle)}", haystack)


def expect_not_in(needle: Any, haystack: Any, what: str) -> None:
    """`haystack` (text, bytes or a collection) does not contain `needle`."""
    if needle in haystack:
        raise ConformanceFailure(f"{what} without {show(needle)}", haystack)


def expect_match(pattern: str, text: str, what: str) -> re.Match[str]:
    """`text` matches the regular expression `pattern` from end to end; returns the match."""
    match = re.fullmatch(pattern, text, re.DOTALL)
    if match is None:
        raise ConformanceFailure(f"{what} of the form {pattern}", text)
    return match


def expect_reply(
    reply: Any,
    code: int | str,
    *,
    enhanced: str | None = None,
    text: str | None = None,
    to: str | None = None,
) -> None:
    """`reply` (a lab.client.Reply) has `code`, written in full (550) or as a class ("5xx", "45x"),
    and, where given, the enhanced code and exactly the text, without its codes. `to` names what the
    reply answers, for the reader. None, the reply to a step that was not reached, is a failure.
    """
    pattern = str(code).replace("x", "[0-9]")
    wanted = " ".join(part for part in (str(code), enhanced, text) if part)
    if to is not None:
        wanted = f"{wanted} to {to}"
    if reply is None:
        raise ConformanceFailure(wanted, "nothing: the dialogue ended before that step")
    good = re.fullmatch(pattern, str(reply.code)) is not None
    if enhanced is not None:
        good = good and reply.enhanced == enhanced
    if text is not None:
        good = good and reply.text == text
    if not good:
        raise ConformanceFailure(wanted, reply.shown)
