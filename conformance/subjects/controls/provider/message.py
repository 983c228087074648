"""Messages as octets: their fields, their lines, and the downgrade of 8-bit parts (RFC 6152 3, RFC 2045)."""

from __future__ import annotations

import quopri
import re
from email.utils import formatdate, make_msgid
from typing import NamedTuple

FIELD = re.compile(rb"([!-9;-~]+)[ \t]*:")
LINE_END = re.compile(rb"\r\n|\r|\n")
LINE_MAX = 998
BOUNDARY = re.compile(
    rb"boundary\s*=\s*(?:\"((?:[^\"\\]|\\.)*)\"|([^\s;\"()]+))", re.IGNORECASE
)
NOT_SENT = (b"bcc", b"return-path")
LEAVES_8BIT = (b"8bit", b"binary", b"7bit", b"")


class Undowngradable(Exception):
    """What has 8-bit octets where there is no encoding for them."""


class Field(NamedTuple):
    """A field of the header: its name as it is, and all its octets."""

    name: bytes
    octets: bytes

    @property
    def value(self) -> bytes:
        """Unfolded."""
        return self.octets.partition(b":")[2].replace(b"\r\n", b"").strip()

    def is_named(self, name: bytes) -> bool:
        return self.name.lower() == name.lower()


def split(content: bytes) -> tuple[list[Field], bytes]:
    """The fields, and all that follows them: the empty line and the body."""
    fields: list[Field] = []
    position = 0
    while position < len(content):
        end = content.find(b"\r\n", position)
        end = len(content) if end < 0 else end + 2
        line = content[position:end]
        if line[:1] in (b" ", b"\t") and fields:
            last = fields.pop()
            fields.append(Field(last.name, last.octets + line))
        else:
            match = FIELD.match(line)
            if match is None:
                break
            fields.append(Field(match[1], line))
        position = end
    return fields, content[position:]


def joined(fields: list[Field], rest: bytes) -> bytes:
    return b"".join(field.octets for field in fields) + rest


def values(fields: list[Field], name: bytes) -> list[bytes]:
    return [field.value for field in fields if field.is_named(name)]


def normalized(content: bytes) -> bytes:
    """With CRLF wherever a line ends, and nowhere else CR, LF or NUL."""
    content = LINE_END.sub(b"\r\n", content.replace(b"\0", b""))
    return content if content.endswith(b"\r\n") or not content else content + b"\r\n"


def submitted(content: bytes, hostname: str) -> bytes:
    """A message as its author handed it in, completed (RFC 6409 8) and fit for SMTP."""
    content = normalized(content)
    fields, rest = split(content)
    added = []
    if not values(fields, b"Date"):
        added.append(Field(b"Date", f"Date: {formatdate()}\r\n".encode("ascii")))
    if not values(fields, b"Message-ID"):
        identity = make_msgid(domain=hostname)
        line = f"Message-ID: {identity}\r\n".encode("ascii")
        added.append(Field(b"Message-ID", line))
    fields = [field for field in fields if field.name.lower() not in NOT_SENT]
    if not rest.startswith(b"\r\n"):
        rest = b"\r\n" + rest
    if any(len(line) > LINE_MAX for line in rest.split(b"\r\n")):
        content = encoded_entity(fields, rest, long_lines=True)
        fields, rest = split(content)
    return joined(added + [folded(field) for field in fields], rest)


def folded(field: Field) -> Field:
    """A field whose lines are not too long, where it has white space."""
    lines = []
    for line in field.octets.removesuffix(b"\r\n").split(b"\r\n"):
        while len(line) > LINE_MAX:
            cut = line.rfind(b" ", 1, LINE_MAX)
            if cut <= 0 or not line[:cut].strip():
                break
            lines.append(line[:cut])
            line = line[cut:]
        lines.append(line)
    return Field(field.name, b"\r\n".join(lines) + b"\r\n")


def downgraded(content: bytes) -> bytes:
    """The message in 7 bits. Raises Undowngradable."""
    fields, rest = split(content)
    return encoded_entity(fields, rest)


def encoded_entity(
    fields: list[Field], rest: bytes, *, long_lines: bool = False
) -> bytes:
    """An entity (RFC 2045) of which every part that needs it is quoted-printable."""
    for field in fields:
        if not field.octets.isascii() and not long_lines:
            name = field.name.decode("ascii", "replace")
            raise Undowngradable(f"8-bit octets in the field {name}")
    if not needs_encoding(rest, long_lines):
        return joined(fields, rest)
    body = rest.removeprefix(b"\r\n")
    kind = (values(fields, b"Content-Type") or [b"text/plain"])[0]
    major = kind.split(b"/")[0].strip().lower()
    if major == b"multipart":
        body = encoded_parts(kind, body, long_lines)
        return joined(encoded_as(fields, b"7bit"), b"\r\n" + body)
    if kind.lower().startswith(b"message/rfc822"):
        inner = encoded_entity(*split(body), long_lines=long_lines)
        return joined(encoded_as(fields, b"7bit"), b"\r\n" + inner)
    now = (values(fields, b"Content-Transfer-Encoding") or [b""])[0].strip().lower()
    if now not in LEAVES_8BIT:
        raise Undowngradable(
            f"8-bit octets in a part that says {now.decode('latin-1')}"
        )
    return joined(encoded_as(fields, b"quoted-printable"), b"\r\n" + quoted(body))


def needs_encoding(octets: bytes, long_lines: bool) -> bool:
    if not long_lines:
        return not octets.isascii()
    return any(len(line) > LINE_MAX for line in octets.split(b"\r\n"))


def encoded_as(fields: list[Field], encoding: bytes) -> list[Field]:
    """The fields with that Content-Transfer-Encoding."""
    kept = [
        field for field in fields if not field.is_named(b"Content-Transfer-Encoding")
    ]
    names = [b"Content-Transfer-Encoding: " + encoding + b"\r\n"]
    if not values(fields, b"MIME-Version") and values(fields, b"From"):
        names.append(b"MIME-Version: 1.0\r\n")
    return kept + [Field(name.split(b":")[0], name) for name in names]


def encoded_parts(kind: bytes, body: bytes, long_lines: bool) -> bytes:
    found = BOUNDARY.search(kind)
    if found is None:
        raise Undowngradable("8-bit octets in a multipart without a boundary")
    boundary = b"--" + (found[1] or found[2])
    pattern = re.compile(
        rb"(?:\A|\r\n)" + re.escape(boundary) + rb"(?:--)?[ \t]*(?:\r\n|\Z)"
    )
    pieces, position = [], 0
    for number, match in enumerate(pattern.finditer(body)):
        pieces.append(encoded_piece(body[position : match.start()], number, long_lines))
        pieces.append(match[0])
        position = match.end()
    pieces.append(encoded_piece(body[position:], 0, long_lines))
    return b"".join(pieces)


def encoded_piece(piece: bytes, number: int, long_lines: bool) -> bytes:
    """A part; the preamble (0) and the epilogue say nothing, and lose what does not fit."""
    if not needs_encoding(piece, long_lines):
        return piece
    if number == 0:
        return b"".join(octet.to_bytes(1, "big") for octet in piece if octet < 128)
    fields, rest = split(piece)
    return encoded_entity(fields, rest, long_lines=long_lines)


def quoted(body: bytes) -> bytes:
    """Quoted-printable, line by line."""
    lines = body.replace(b"\r\n", b"\n")
    return quopri.encodestring(lines).replace(b"\n", b"\r\n")


def for_mailbox(sender: str, content: bytes) -> bytes:
    """With the Return-Path of the final delivery (RFC 5321 4.4)."""
    fields, rest = split(content)
    line = f"Return-Path: <{sender}>\r\n".encode("ascii")
    kept = [field for field in fields if not field.is_named(b"Return-Path")]
    return joined([Field(b"Return-Path", line), *kept], rest)
