"""Where a clause is named: decisions, marks and refusals in the relay's C, and tests of the suite.

scripts/trace prints and checks it, scripts/mutants breaks it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from conformance.vectors.clauses import clauses_of_vectors

SUITE = Path("conformance/suite")

_MACRO = re.compile(
    r"\b(?:CLAUSE|BREAK|unless_broken)\(\s*([A-Z][A-Z0-9]*_[0-9]+)(_[a-z0-9_]+)?\s*[,)]"
)
_REPLY = re.compile(r'"([A-Z][A-Z0-9]*-[0-9]{2,3})"')
_COMMENT_OR_STRING = re.compile(
    r'(?P<comment>/\*.*?\*/|//[^\n]*)|"(?:\\.|[^"\\\n])*"', re.S
)
_MARK = re.compile(r"\bClauses?:[\s*]+([\w-]+(?:,[\s*]+[\w-]+)*)")

Places = dict[str, list[str]]


@dataclass
class Trace:
    """The places that name a clause, by clause id, in the order found."""

    code: Places = field(default_factory=dict)  # "relay/smtpd/session.c:123"
    marks: Places = field(default_factory=dict)
    refusals: Places = field(default_factory=dict)
    tests: Places = field(default_factory=dict)  # "test_x.py::test_y"
    nameless: list[str] = field(default_factory=list)  # tests that name no clause


def _line(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1


def _without_comments(text: str) -> str:
    """A C file with its comments blanked, and the same lines."""
    return _COMMENT_OR_STRING.sub(
        lambda match: re.sub(r"[^\n]", " ", match[0]) if match["comment"] else match[0],
        text,
    )


def macros(text: str) -> Iterator[tuple[int, str]]:
    """Line and clause id of every CLAUSE() and its like in a C file, except in comments."""
    for line, clause, _ in breakages(text):
        yield line, clause


def breakages(text: str) -> Iterator[tuple[int, str, str]]:
    """Line, clause and id of every breakage in a C file, except in comments: DLG-04 and DLG-04-code
    are breakages of the clause DLG-04."""
    code = _without_comments(text)
    for match in _MACRO.finditer(code):
        clause, word = match.group(1), match.group(2) or ""
        line = _line(code, match.start())
        yield line, clause.replace("_", "-"), (clause + word).replace("_", "-")


def refusals(text: str) -> Iterator[tuple[int, str]]:
    """Line and clause id of every string in a C file that is a clause id."""
    code = _without_comments(text)
    for match in _REPLY.finditer(code):
        yield _line(code, match.start()), match.group(1)


def marks(text: str) -> Iterator[tuple[int, str]]:
    """Line and word of everything named after "Clause:" in a comment of a C file."""
    for comment in _COMMENT_OR_STRING.finditer(text):
        for mark in _MARK.finditer(comment["comment"] or ""):
            for name in re.finditer(r"[\w-]+", mark.group(1)):
                at = comment.start() + mark.start(1) + name.start()
                yield _line(text, at), name.group()


def _named(node: ast.AST) -> list[str]:
    """The ids in calls of clause() anywhere below `node`."""
    return [
        argument.value
        for call in ast.walk(node)
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Name)
        and call.func.id == "clause"
        for argument in call.args
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
    ]


def _folders(test: ast.FunctionDef) -> list[str]:
    """The folders of vectors whose cases a test takes: @vectors("spf")."""
    return [
        ast.literal_eval(decorator.args[0])
        for decorator in test.decorator_list
        if isinstance(decorator, ast.Call)
        and isinstance(decorator.func, ast.Name)
        and decorator.func.id == "vectors"
    ]


def tests(path: Path) -> Iterator[tuple[str, list[str]]]:
    """Every test function of a suite file with the clauses that it names, in any form."""
    module = ast.parse(path.read_text(encoding="utf-8"), str(path))
    for node in module.body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            names = [
                name for decorator in node.decorator_list for name in _named(decorator)
            ]
            for folder in _folders(node):
                names += clauses_of_vectors(folder)
            yield node.name, list(dict.fromkeys(names))


def collect(root: Path) -> Trace:
    trace = Trace()
    for path in sorted((root / "relay").rglob("*.[ch]")):
        if path.name == "clause.h":
            continue
        text = path.read_text(encoding="utf-8")
        for found, places in (
            (macros(text), trace.code),
            (marks(text), trace.marks),
            (refusals(text), trace.refusals),
        ):
            for line, name in found:
                places.setdefault(name, []).append(f"{path.relative_to(root)}:{line}")
    for path in sorted((root / SUITE).rglob("test_*.py")):
        for test, names in tests(path):
            place = f"{path.name}::{test}"
            if not names:
                trace.nameless.append(place)
            for name in names:
                trace.tests.setdefault(name, []).append(place)
    return trace
