"""Header fields as RFC 5322 2.2 and 2.2.3 have them: names, folded lines, empty values, white space of
every kind, lines up to 998 octets (2.1.1). Names are all X-..., of which no MTA has an opinion.
"""

from __future__ import annotations

from dataclasses import dataclass

from conformance.samples.choices import Choices

LINE_MAX = 998
# ftext is %d33-57 / %d59-126.
FTEXT = "".join(chr(c) for c in range(97, 123)) + "".join(
    chr(c) for c in range(33, 127) if chr(c) != ":" and not 97 <= c <= 122
)
TEXT = "abc" + "".join(chr(c) for c in range(33, 127)) + "  \t"


@dataclass(frozen=True)
class Header:
    """Fields, each with its folds and without its last line end."""

    rule: str
    fields: tuple[str, ...]

    @property
    def shown(self) -> str:
        return "\n".join(map(repr, self.fields))


def _line(choices: Choices) -> str:
    """With at least one character that is not white space, as a folded line has (RFC 5322 3.2.2)."""
    text = choices.text(TEXT, 0, 20)
    if choices.rarely(30):
        text += "l" * choices.one_of((70, 300, LINE_MAX - 60))
    return text + choices.one_of('abc.:;"(<\\') + choices.one_of(("", "", " ", "\t"))


def _field(choices: Choices) -> str:
    name = "X-" + choices.text(FTEXT, 1, 12)
    if choices.rarely(8):
        return f"{name}:{choices.one_of(('', ' '))}"
    folds = choices.several(
        lambda: choices.one_of((" ", "\t", "  ", " \t")) + _line(choices), 0, 3
    )
    start = choices.one_of((" ", "", "  ", "\t")) + _line(choices)
    return f"{name}:" + "\r\n".join([start, *folds])


def fields(choices: Choices) -> Header:
    drawn = tuple(choices.several(lambda: _field(choices), 1, 6))
    folded = any("\r\n" in field for field in drawn)
    rule = "folded fields (RFC 5322 2.2.3)" if folded else "fields (RFC 5322 2.2)"
    return Header(rule, drawn)
