"""Sequences of commands and what the state of the session makes of the last: RFC 5321 4.1.1 and 4.1.4.
Left out: what a server may refuse or take as it likes (MAIL in a transaction, VRFY, commands before EHLO).
"""

from __future__ import annotations

from dataclasses import dataclass

from conformance.samples import SENDER, ZONE
from conformance.samples.choices import Choices

MAIL = f"MAIL FROM:<alice@{SENDER}>"
RCPT = f"RCPT TO:<info@{ZONE}>"
NOOP = "NOOP"
REFUSED = "[45]xx"


@dataclass(frozen=True)
class Commands:
    """Commands after EHLO, and the reply that is right for each, as a class or a code."""

    rule: str
    lines: tuple[str, ...]
    codes: tuple[str, ...]
    pieces: tuple[
        int, ...
    ] = ()  # where, if they are sent at once, they are cut into segments

    @property
    def shown(self) -> str:
        return " | ".join(self.lines)

    def segments(self, wire: bytes) -> list[bytes]:
        places = [0, *(place for place in self.pieces if place < len(wire)), len(wire)]
        return [wire[a:b] for a, b in zip(places, places[1:]) if a < b]


def in_any_case(choices: Choices, line: str) -> str:
    """The words of the grammar, which are before the colon or all there is, in any case
    (RFC 5321 2.4)."""
    words, colon, rest = line.partition(":")
    style = choices.below(4)
    if style == 1:
        words = words.lower()
    elif style == 2:
        words = words.title()
    elif style == 3:
        words = "".join(c.lower() if choices.below(2) else c for c in words)
    return words + colon + rest


class _Session:
    """The model of RFC 5321 4.1.4: whether there is a sender, and whether there is a recipient."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.codes: list[str] = []
        self.sender = self.recipient = False

    def say(self, line: str, code: str) -> None:
        self.lines.append(line)
        self.codes.append(code)

    def mail(self) -> None:
        self.say(MAIL, "250")
        self.sender = True

    def rcpt(self) -> None:
        if self.sender:
            self.say(RCPT, "250")
            self.recipient = True
        else:
            self.say(RCPT, REFUSED)

    def clear(self, line: str) -> None:
        self.say(line, "250")
        self.sender = self.recipient = False

    def commands(self, choices: Choices, rule: str, cuts: bool = False) -> Commands:
        lines = tuple(in_any_case(choices, line) for line in self.lines)
        size = sum(len(line) + 2 for line in lines)
        pieces = (
            choices.several(lambda: choices.below(size), 0, 6)
            if cuts and choices.rarely(3)
            else []
        )
        return Commands(rule, lines, tuple(self.codes), tuple(sorted(set(pieces))))


def _noise(choices: Choices, session: _Session) -> None:
    """Commands that change nothing."""
    for _ in choices.several(lambda: 0, 0, 2):
        session.say(NOOP, "250")


def _transaction(choices: Choices, session: _Session) -> None:
    session.mail()
    _noise(choices, session)
    for _ in choices.several(lambda: 0, 0, 3):
        session.rcpt()
    _noise(choices, session)


def cleared(choices: Choices, by: str) -> Commands:
    """A transaction that is discarded by RSET or EHLO, and a RCPT for which there is no sender then."""
    session = _Session()
    if choices.rarely():
        _transaction(choices, session)
        session.clear("RSET")
    _transaction(choices, session)
    session.clear(by)
    _noise(choices, session)
    if choices.below(2):
        session.mail()
        session.clear(by)
    session.rcpt()
    return session.commands(
        choices, f"{by.split()[0]} discards the sender (RFC 5321 4.1.4)"
    )


def complete(choices: Choices) -> Commands:
    """Everything in its place, with words in any case: all are accepted, and DATA is next."""
    session = _Session()
    for _ in choices.several(lambda: 0, 0, 2):
        _transaction(choices, session)
        session.clear("RSET")
        _noise(choices, session)
    _transaction(choices, session)
    session.rcpt()
    _noise(choices, session)
    session.say("DATA", "354")
    return session.commands(choices, "words in any case (RFC 5321 2.4)")


def group(choices: Choices) -> Commands:
    """A group of RFC 2920 3.1, which ends with a DATA that is in its place: cut anywhere."""
    session = _Session()
    for _ in choices.several(lambda: 0, 0, 2):
        session.clear("RSET")
        if choices.rarely():
            session.rcpt()
        session.mail()
        for _ in choices.several(lambda: 0, 0, 2):
            session.rcpt()
    session.clear("RSET")
    session.mail()
    for _ in choices.several(lambda: 0, 1, 4):
        session.rcpt()
    session.say("DATA", "354")
    return session.commands(
        choices, "a group in any segments (RFC 2920 3.2)", cuts=True
    )
