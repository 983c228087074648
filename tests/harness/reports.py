"""Runs that are made up, to be reported, and what a browser would find in a page."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from html.parser import HTMLParser

from conformance.clauses import Clause
from conformance.report.model import Outcome, Run, TestResult, judge

TODAY = datetime.date(2026, 1, 2)
# What a subject might send.
HOSTILE = "\x00\x1b[2J</pre><script>alert(1)</script>\r\u202e\ud800[/red]\\"
VOID = {"meta", "br", "input"}


def clause(
    number: int,
    level: str = "required",
    heading: str = "A heading",
    source: str = "RFC 5321 4.1",
) -> Clause:
    return Clause(
        f"AB-{number:02}",
        heading,
        level,
        f"Statement {number}.",
        source,
        "words",
        ("relay",),
        None,
        "one",
    )


def a_test(number: int, outcome: str, text: str = "something") -> TestResult:
    return TestResult(
        id=f"test.py::test_{number}_{outcome}",
        title=f"title {text}",
        clauses=[f"AB-{number:02}"],
        outcome=Outcome(outcome),
        expected=text,
        actual=text,
        reason=text,
        details=text,
        where="test.py:1",
        command=f"scripts/conform -k AB-{number:02} -v",
    )


def a_run(
    clauses: Iterable[Clause], tests: list[TestResult], failure: str | None = None
) -> Run:
    return Run(
        subject="reference",
        version="1",
        started=datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC),
        duration=1.0,
        gate=("required", "documented", "limitation"),
        complete=True,
        clauses=judge(clauses, tests),
        tests=tests,
        failure=failure,
    )


class Document(HTMLParser):
    """What a browser would find in a document: text, identifiers and references."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text = ""
        self.elements: set[str] = set()
        self.ids: list[str] = []
        self.references: list[str] = []
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert not self._open, "elements are left open"

    def handle_starttag(
        self, tag: str, attributes: list[tuple[str, str | None]]
    ) -> None:
        self.elements.add(tag)
        if tag not in VOID:
            self._open.append(tag)
        for name, value in attributes:
            if name == "id":
                self.ids.append(value or "")
            elif name in ("href", "src", "action", "data"):
                self.references.append(value or "")

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag, f"</{tag}> closes something else"

    def handle_data(self, data: str) -> None:
        self.text += data
