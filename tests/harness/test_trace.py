"""The map of clauses: what it finds in C and in tests, and each thing that it objects to."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest
from running import ROOT

from conformance.clauses import Clause
from conformance.quotes import Texts

PAGE = "# Page\n\n### Sender rewriting\n\nIt rewrites the\nsender.\n\n### Spam\n\nIt filters.\n"
DECISIONS = "## Shape\nOne dialogue.\n\n**Sender rewriting.** `<>` stays `<>`.\n**Spam.** None.\n"
RFC = (
    "4.1.  Order\n\n   The client waits\n\n\nKlensin      Standards Track     [Page 9]\n\x0c\n"
    "RFC 5321      SMTP      October 2008\n\n\n   for re-\n   plies.\n\n4.2.  Other\n\n   Nothing.\n"
)


@pytest.fixture(scope="module")
def trace() -> ModuleType:
    """scripts/trace as a module."""
    loader = importlib.machinery.SourceFileLoader("trace", str(ROOT / "scripts/trace"))
    spec = importlib.util.spec_from_loader("trace", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["trace"] = module
    loader.exec_module(module)
    return module


@pytest.fixture
def texts(tmp_path: Path) -> Texts:
    for name, text in (
        ("spec/postmaster.md", PAGE),
        ("spec/DECISIONS.md", DECISIONS),
        ("rfc/rfc5321.txt", RFC),
    ):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return Texts(tmp_path)


def clause(name: str, source: str = "RFC 5321 4.1", quote: str = "waits") -> Clause:
    return Clause(
        id=name,
        heading="Heading",
        level="required",
        statement="It is so.",
        source=source,
        quote=quote,
        roles=("relay",),
        capability=None,
        file="heading",
    )


@pytest.mark.parametrize(
    ("source", "quote"),
    [
        ("postmaster: Sender rewriting", "It rewrites the sender."),
        ("decisions: Sender rewriting", "`<>` stays `<>`"),
        ("decisions: Shape", "One dialogue."),
        ("RFC 5321 4.1", "The client waits for re-plies."),
    ],
)
def test_a_quote_is_found_over_line_and_page_ends(
    texts: Texts, source: str, quote: str
) -> None:
    assert texts.objection(source, quote) is None


@pytest.mark.parametrize(
    ("source", "quote", "reason"),
    [
        ("postmaster: Spam", "It rewrites the sender.", "does not say"),
        ("decisions: Sender rewriting", "None.", "does not say"),
        ("RFC 5321 4.2", "waits", "does not say"),
        ("RFC 5321 4.3", "waits", "no section"),
        ("RFC 9999 1", "waits", "no text"),
    ],
)
def test_a_quote_from_elsewhere_is_objected_to(
    texts: Texts, source: str, quote: str, reason: str
) -> None:
    assert reason in (texts.objection(source, quote) or "")


def test_macros_in_comments_are_no_decisions(trace: ModuleType, tmp_path: Path) -> None:
    file = tmp_path / "x.c"
    file.write_text(
        "/* CLAUSE(SRS_01, a) */\n// CLAUSE(SRS_02, b)\nif (CLAUSE(SRS_03, c) ||\n"
        "    CLAUSE(\n        DLG_04, d))\n"
    )
    assert list(trace.macros(file)) == [(3, "SRS-03"), (4, "DLG-04")]


def test_a_test_names_its_clauses_by_its_decorator(
    trace: ModuleType, tmp_path: Path
) -> None:
    file = tmp_path / "test_x.py"
    file.write_text(
        '@clause("SRS-01", "SRS-02")\n@pytest.mark.parametrize("n", [1])\n'
        "def test_one(n): ...\n\ndef test_two(): ...\n\ndef helper(): ...\n"
    )
    assert list(trace.tests(file)) == [
        ("test_one", ["SRS-01", "SRS-02"]),
        ("test_two", []),
    ]


def test_everything_that_does_not_fit_is_a_fault(
    trace: ModuleType, texts: Texts
) -> None:
    catalogue = {
        name: clause(name, quote=quote)
        for name, quote in (("A-01", "waits"), ("A-02", "waits"), ("A-03", "sleeps"))
    }
    found = trace.Trace(
        code={"A-01": ["relay/a.c:1"], "B-01": ["relay/a.c:2"]},
        tests={"A-01": ["t::a"], "A-03": ["t::c"], "C-01": ["t::d"]},
        nameless=["t::e"],
    )
    faults = trace.faults(found, catalogue, texts)
    assert [fault.split(":")[0] for fault in faults] == [
        "A-02 has no test",
        "t",
        "relay/a.c",
        "t",
        "A-03",
    ]


def test_without_the_texts_quotes_are_left_alone(trace: ModuleType) -> None:
    found = trace.Trace(tests={"A-01": ["t::a"]})
    assert trace.faults(found, {"A-01": clause("A-01", quote="sleeps")}, None) == []


def test_the_catalogue_of_this_repository_is_covered(trace: ModuleType) -> None:
    texts = Texts()
    faults = trace.faults(
        trace.collect(ROOT), trace.load_catalogue(), texts if texts.found() else None
    )
    assert faults == []
