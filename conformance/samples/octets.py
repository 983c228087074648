"""The content of DATA in octets: where it ends (RFC 5321 4.1.1.4, 4.5.2), and that CR and LF come only
together (2.3.8). Lines of dots and whatever some server has taken for an end, in every mixture.
"""

from __future__ import annotations

from dataclasses import dataclass

from conformance.samples.choices import Choices

CRLF = b"\r\n"
END = b".\r\n"
STRANGE = {"CR": b"\r", "LF": b"\n", "NUL": b"\0"}
RULES = {
    "CR": "no CR without LF (RFC 5321 2.3.8)",
    "LF": "no LF without CR (RFC 5321 2.3.8)",
    "NUL": "no octet 0 (RFC 5322 2.1)",
}
TEXTS = (b"a", b".", b"..", b". ", b"", b"x.", b"QUIT", b"RSET")


@dataclass(frozen=True)
class Content:
    """The body of a message on the wire, from the empty line on to the last line, without its end."""

    rule: str
    wire: bytes
    body: bytes  # as it is meant (dots removed), if all its octets may be in a message
    pieces: tuple[int, ...] = ()  # where the wire is cut into segments

    @property
    def shown(self) -> str:
        return repr(self.wire + END)

    def segments(self, before: bytes) -> list[bytes]:
        """What is sent, `before` first, in segments."""
        whole = before + self.wire + END
        places = [0, *(len(before) + place for place in self.pieces), len(whole)]
        return [whole[a:b] for a, b in zip(places, places[1:]) if a < b]


def _cuts(choices: Choices, length: int) -> tuple[int, ...]:
    if not choices.rarely(3):
        return ()
    return tuple(sorted(set(choices.several(lambda: choices.below(length + 3), 0, 6))))


def clean(choices: Choices) -> Content:
    """Lines that are sent with their dots doubled."""
    lines = choices.several(lambda: choices.one_of(TEXTS), 1, 8)
    body = b"".join(line + CRLF for line in lines)
    wire = b"".join(
        (b"." + line if line.startswith(b".") else line) + CRLF for line in lines
    )
    rule = "a line of the message that begins with a period (RFC 5321 4.5.2)"
    return Content(rule, wire, body, _cuts(choices, len(wire)))


def strange(choices: Choices, name: str) -> Content:
    """A body with one kind of octet where it must not be, and no end of the message: in all places in
    which it has been part of one, in front of periods and line ends and after them."""
    octet = STRANGE[name]

    def part() -> bytes:
        return choices.one_of((b"a", octet, b".", CRLF))

    text = b"".join([b"a", octet, *choices.several(part, 1, 12), b"a", CRLF])
    wire = _without_end(text)
    return Content(RULES[name], wire, b"", _cuts(choices, len(wire)))


def _without_end(wire: bytes) -> bytes:
    """Each line of one period gets a letter."""
    lines = wire.split(CRLF)
    return CRLF.join(b".a" if line == b"." else line for line in lines)
