"""Every place of a C file at which an operator can make a mistake, found by libclang.

What a mutant changes is a stretch of the file's text, so that it can be shown as a patch. Code that a
macro writes is not changed, but its arguments are.
"""

from __future__ import annotations

import ctypes
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from clang.cindex import (
    Cursor,
    CursorKind,
    Index,
    SourceLocation,
    TypeKind,
    conf,
)

OPERATORS = {
    "NEG": "a condition negated",
    "ROR": "another relational operator",
    "LCR": "&& for ||, or || for &&",
    "DROP": "one side of && or || left out",
    "SDL": "a statement deleted",
    "RET": "another value returned",
    "ENUM": "another enumerator",
    "CASE": "a case label removed",
    "CONST": "a number one higher or lower",
    "REPLY": "another reply code",
    "BRK": "a break deleted",
    "OFF": "a slice off by one",
}

RELATIONS = ("<", "<=", ">", ">=", "==", "!=")
REPLY_CODES = (250, 354, 421, 450, 451, 452, 500, 501, 503, 550, 551, 552, 553, 554)
# Of bytes.h: their second argument is a number of octets.
SLICES = frozenset({"bytes_first", "bytes_from"})
# In a string: a reply code before its text, or an enhanced code.
_CODE = re.compile(r'"([2-5][0-9]{2})(?=[ -])')
_ENHANCED = re.compile(r'"([45])(?=\.[0-9]{1,3}\.[0-9]{1,3}\b)')

_CONDITIONAL = {
    CursorKind.IF_STMT: 0,
    CursorKind.WHILE_STMT: 0,
    CursorKind.DO_STMT: 1,
    CursorKind.CONDITIONAL_OPERATOR: 0,
}
_BODIED = {
    CursorKind.COMPOUND_STMT,
    CursorKind.IF_STMT,
    CursorKind.FOR_STMT,
    CursorKind.WHILE_STMT,
    CursorKind.DO_STMT,
    CursorKind.CASE_STMT,
    CursorKind.DEFAULT_STMT,
}
_DELETABLE = {
    CursorKind.CALL_EXPR,
    CursorKind.BINARY_OPERATOR,
    CursorKind.COMPOUND_ASSIGNMENT_OPERATOR,
    CursorKind.UNARY_OPERATOR,
    CursorKind.CONTINUE_STMT,
}

Edit = tuple[int, int, str]  # start and end in the file, and what stands there instead


@dataclass(frozen=True)
class Site:
    """A place, and everything that one operator can make of it."""

    file: str  # relative to the root
    start: int
    line: int
    function: str
    operator: str
    edits: tuple[Edit, ...]

    def edit(self, seed: int) -> Edit:
        """The same one for the same seed, whatever else is drawn."""
        key = f"{seed} {self.file} {self.start} {self.operator}"
        return random.Random(key).choice(self.edits)


class Source:
    """A file and its cursors' places in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.octets = path.read_bytes()

    def text(self, start: int, end: int) -> str:
        return self.octets[start:end].decode("utf-8", "replace")

    def place(self, cursor: Cursor) -> tuple[int, int] | None:
        """First and last octet, if the cursor's text is in this file and not made by a macro."""
        start = self._offset(cursor.extent.start)
        end = self._offset(cursor.extent.end)
        if start is None or end is None or start >= end:
            return None
        return start, end

    def _offset(self, location: SourceLocation) -> int | None:
        """Of what a macro's argument says: where it is written; of what a macro makes: of the macro."""
        file, line = ctypes.c_void_p(), ctypes.c_uint()
        column, offset = ctypes.c_uint(), ctypes.c_uint()
        conf.lib.clang_getFileLocation(
            location,
            *(ctypes.byref(value) for value in (file, line, column, offset)),
        )
        expansion = location.file
        if expansion is None or Path(expansion.name) != self.path:
            return None
        return offset.value


def sites(path: Path, root: Path, arguments: Sequence[str]) -> list[Site]:
    """Every site of a file, in its order."""
    unit = Index.create().parse(str(path), args=list(arguments))
    source, name = Source(path), str(path.relative_to(root))
    found: dict[tuple[int, str], Site] = {}
    for function in unit.cursor.get_children():
        inside = function.location.file and Path(function.location.file.name) == path
        if not inside:
            continue
        called = function.spelling or "(file)"
        for cursor, parent in _walk(function, None):
            for operator, start, edits in _edits(source, cursor, parent, function):
                line = source.octets.count(b"\n", 0, start) + 1
                site = Site(name, start, line, called, operator, tuple(edits))
                found.setdefault((start, operator), site)
    return [found[key] for key in sorted(found)]


def _walk(
    cursor: Cursor, parent: Cursor | None
) -> Iterator[tuple[Cursor, Cursor | None]]:
    yield cursor, parent
    for child in cursor.get_children():
        yield from _walk(child, cursor)


Found = Iterator[tuple[str, int, list[Edit]]]


def _edits(
    source: Source, cursor: Cursor, parent: Cursor | None, function: Cursor
) -> Found:
    """Operator, start and edits of everything that this cursor can become."""
    for rule in (_conditions, _statements, _operators, _values, _slices):
        yield from rule(source, cursor, parent)
    if cursor.kind == CursorKind.RETURN_STMT:
        yield from _returns(source, cursor, function)


def _negated(source: Source, condition: Cursor) -> Found:
    place = source.place(condition)
    if place is not None:
        start, end = place
        yield "NEG", start, [(start, end, f"!({source.text(start, end)})")]


def _conditions(source: Source, cursor: Cursor, parent: Cursor | None) -> Found:
    children = list(cursor.get_children())
    index = _CONDITIONAL.get(cursor.kind)
    if index is not None and len(children) > index:
        yield from _negated(source, children[index])
    if cursor.kind == CursorKind.FOR_STMT:
        # Which of the three parts are there is not said; the condition is the one that compares.
        for part in children[:-1]:
            if part.kind == CursorKind.BINARY_OPERATOR and part.type.kind in (
                TypeKind.INT,
                TypeKind.BOOL,
            ):
                yield from _negated(source, part)
                break


def _statements(source: Source, cursor: Cursor, parent: Cursor | None) -> Found:
    place = source.place(cursor)
    if place is None or parent is None:
        return
    start, end = place
    if cursor.kind == CursorKind.BREAK_STMT:
        yield "BRK", start, [(start, end, "")]
    elif cursor.kind == CursorKind.CASE_STMT:
        label = next(cursor.get_children(), None)
        where = source.place(label) if label is not None else None
        colon = source.octets.find(b":", where[1]) if where else -1
        if colon >= 0:
            yield "CASE", start, [(start, colon + 1, "")]
    elif parent.kind in _BODIED and cursor.kind in _DELETABLE:
        # Not the parts of a for's head, which a semicolon follows as well.
        in_head = parent.kind == CursorKind.FOR_STMT and not _is_last(cursor, parent)
        if source.octets[end:].lstrip()[:1] == b";" and not in_head:
            yield "SDL", start, [(start, end, "")]
    elif parent.kind in _BODIED and cursor.kind == CursorKind.IF_STMT:
        if len(list(cursor.get_children())) == 2:
            whole = source.octets[end - 1 : end] == b"}"
            yield "SDL", start, [(start, end, "{}" if whole else "(void)0")]


def _is_last(cursor: Cursor, parent: Cursor) -> bool:
    return bool(list(parent.get_children())[-1] == cursor)


def _operators(source: Source, cursor: Cursor, parent: Cursor | None) -> Found:
    if cursor.kind != CursorKind.BINARY_OPERATOR:
        return
    left, right = (source.place(child) for child in cursor.get_children())
    if left is None or right is None or left[1] > right[0]:
        return
    between = source.text(left[1], right[0])
    symbol = between.strip(" \t\n()")
    at = left[1] + between.find(symbol)
    stretch = at, at + len(symbol)
    if symbol in RELATIONS:
        yield "ROR", at, [(*stretch, other) for other in RELATIONS if other != symbol]
    elif symbol in ("&&", "||"):
        yield "LCR", at, [(*stretch, "||" if symbol == "&&" else "&&")]
        if "(" not in between and ")" not in between:
            start, end = left[0], right[1]
            sides = [source.text(*left), source.text(*right)]
            yield "DROP", start, [(start, end, side) for side in sides]


def _values(source: Source, cursor: Cursor, parent: Cursor | None) -> Found:
    place = source.place(cursor)
    if place is None:
        return
    start, end = place
    text = source.text(start, end)
    if cursor.kind == CursorKind.INTEGER_LITERAL and re.match(r"[0-9]", text):
        if re.fullmatch(r"[2-5][0-9][0-9]", text):
            others = [str(code) for code in REPLY_CODES if str(code) != text]
            yield "REPLY", start, [(start, end, other) for other in others]
        else:
            edits = [(start, end, f"({text} {sign} 1)") for sign in "+-"]
            yield "CONST", start, edits
    elif cursor.kind == CursorKind.STRING_LITERAL:
        yield from _codes(start, text)
    elif cursor.kind == CursorKind.DECL_REF_EXPR:
        named = cursor.referenced
        if (
            named is None
            or named.kind != CursorKind.ENUM_CONSTANT_DECL
            or named.spelling != text
            or (parent is not None and parent.kind == CursorKind.CASE_STMT)
        ):
            return
        enum = named.semantic_parent
        names = [child.spelling for child in enum.get_children()]
        # A nameless one holds constants that have nothing to do with each other.
        if enum.spelling and "unnamed" not in enum.spelling:
            others = [name for name in names if name != text]
            if others:
                yield "ENUM", start, [(start, end, other) for other in others]


def _codes(start: int, text: str) -> Found:
    """In a string."""
    if match := _CODE.match(text):
        edit = start + 1, start + 4
        others = [str(code) for code in REPLY_CODES if str(code) != match[1]]
        yield "REPLY", start, [(*edit, other) for other in others]
    elif match := _ENHANCED.match(text):
        other = "5" if match[1] == "4" else "4"
        yield "REPLY", start, [(start + 1, start + 2, other)]


def _slices(source: Source, cursor: Cursor, parent: Cursor | None) -> Found:
    if cursor.kind != CursorKind.CALL_EXPR or cursor.spelling not in SLICES:
        return
    arguments = list(cursor.get_arguments())
    place = source.place(arguments[1]) if len(arguments) == 2 else None
    if place is not None:
        start, end = place
        text = source.text(start, end)
        yield "OFF", start, [(start, end, f"({text}) {sign} 1") for sign in "+-"]


def _returns(source: Source, cursor: Cursor, function: Cursor) -> Found:
    value = next(cursor.get_children(), None)
    place = source.place(value) if value is not None else None
    if place is None:
        return
    start, end = place
    text = source.text(start, end)
    returned = function.result_type.get_canonical()
    if returned.kind == TypeKind.BOOL:
        others = [f"!({text})"]
    elif returned.kind == TypeKind.POINTER:
        others = ["0"]
    elif returned.kind == TypeKind.RECORD:
        others = [f"({function.result_type.spelling}){{0}}"]
    elif returned.kind == TypeKind.ENUM:
        names = [child.spelling for child in returned.get_declaration().get_children()]
        others = [name for name in names if name != text]
    else:
        others = ["0", f"({text}) + 1"]
    others = [other for other in others if other != text]
    if others:
        yield "RET", start, [(start, end, other) for other in others]
