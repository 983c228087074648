"""Replies of an upstream: RFC 5321 4.2 (Reply-line, Reply-code, textstring) and 4.2.1, 4.5.3.1.5.
Not drawn: 221 and 421, which close the session, and text of other octets than printable ASCII.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from conformance.samples.choices import Choices

LETTERS = "abc XYZ019.,:;-+=<>@()/\\\"'%"
CLOSING = (221, 421)


@dataclass(frozen=True)
class UpstreamReply:
    """What an upstream says to RCPT or to the message, in how many segments."""

    rule: str
    wire: bytes
    code: int = 0  # of a valid one
    lines: tuple[str, ...] = ()  # likewise: its texts
    pieces: int = 1

    @property
    def shown(self) -> str:
        return repr(self.wire)


def _text(choices: Choices) -> str:
    """Printable text that begins and ends with a letter, or none."""
    if choices.rarely(6):
        return ""
    return "t" + choices.text(LETTERS, 0, 10) + "t"


def _code(choices: Choices, digits: str) -> int:
    """Reply-code = %x32-35 %x30-35 %x30-39"""
    first, second = choices.one_of(digits), choices.one_of("5012345")
    code = int(first + second + choices.one_of("0123456789"))
    return code + 1 if code in CLOSING else code


def _lines(choices: Choices, digit: str) -> tuple[str, ...]:
    """Texts of one line or several, all with the same enhanced code or none (RFC 2034 4)."""
    code = ""
    if choices.below(2):
        code = f"{digit}.{choices.one_of('7015')}.{choices.one_of(('1', '0', '10', '26'))} "
    texts = choices.several(lambda: _text(choices), 1, 5)
    return tuple((code + (text or ("t" if code else ""))) for text in texts)


def _written(code: str, lines: tuple[str, ...], bare: bool = False) -> list[bytes]:
    """Reply-line = *( code "-" [ text ] CRLF ) code [ SP text ] CRLF"""
    marks = ["-"] * (len(lines) - 1) + [" "]
    if bare and not lines[-1]:
        marks[-1] = ""
    return [
        f"{code}{mark}{text}\r\n".encode("ascii") for mark, text in zip(marks, lines)
    ]


def valid(choices: Choices, digits: str) -> UpstreamReply:
    """A reply whose code begins with one of the digits."""
    code = _code(choices, digits)
    lines = _lines(choices, str(code)[0])
    wire = b"".join(_written(str(code), lines, bool(choices.below(2))))
    pieces = choices.below(4) + 1
    rule = "several lines" if len(lines) > 1 else "one line"
    return UpstreamReply(f"{rule} (RFC 5321 4.2)", wire, code, lines, pieces)


def _first_digit(choices: Choices, code: str) -> bytes:
    return f"{choices.one_of('16789')}{code[1:]} text\r\n".encode()


def _two_digits(choices: Choices, code: str) -> bytes:
    return f"{code[:2]}{choices.one_of((' text', '', '-text'))}\r\n".encode()


def _four_digits(choices: Choices, code: str) -> bytes:
    return f"{code}{choices.one_of('0123456789')} text\r\n".encode()


def _letters(choices: Choices, code: str) -> bytes:
    at = choices.below(3)
    return f"{code[:at]}{choices.one_of('aOl ?')}{code[at + 1:]} text\r\n".encode()


def _separator(choices: Choices, code: str) -> bytes:
    return f"{code}{choices.one_of('a_+=.')}text\r\n".encode()


def _no_code(choices: Choices, code: str) -> bytes:
    return choices.one_of((b"\r\n", b"text\r\n", b" \r\n"))


BROKEN: dict[str, Callable[[Choices, str], bytes]] = {
    "Reply-code: its first digit is 2 to 5": _first_digit,
    "Reply-code: three digits, not two": _two_digits,
    "Reply-code: three digits, not four": _four_digits,
    "Reply-code: digits": _letters,
    "Reply-line: a space or hyphen after the code": _separator,
    "Reply-line: begins with a code": _no_code,
}


def broken(choices: Choices) -> UpstreamReply:
    """One line of a reply breaks one rule: the only one, or the last, after good ones."""
    rule = choices.one_of(list(BROKEN))
    code = str(_code(choices, "245"))
    lines = choices.several(lambda: _text(choices), 0, 2)
    before = b"".join(f"{code}-{text}\r\n".encode() for text in lines)
    wire = before + BROKEN[rule](choices, code)
    return UpstreamReply(f"{rule} (RFC 5321 4.2)", wire)


def differing(choices: Choices) -> UpstreamReply:
    """Lines of one reply with more than one code (RFC 5321 4.2.1)."""
    first = _code(choices, "245")
    other = _code(choices, "245")
    if other == first:
        other = 250 if first != 250 else 550
    lines = choices.several(lambda: _text(choices), 2, 4)
    at = choices.below(len(lines) - 1) + 1
    codes = [first] * at + [other] * (len(lines) - at)
    marks = ["-"] * (len(lines) - 1) + [" "]
    wire = "".join(f"{c}{m}{t}\r\n" for c, m, t in zip(codes, marks, lines))
    rule = "each line has the same code (RFC 5321 4.2.1)"
    return UpstreamReply(rule, wire.encode())
