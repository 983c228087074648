"""The map of clauses: what it finds in C and in tests, each thing that it objects to, and what it
says of quotes that it cannot check."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from running import ROOT

from conformance import tracing
from conformance.clauses import Clause
from conformance.quotes import Texts, anchors
from conformance.levels import level_objection
from conformance.run import files_with
from conformance.settings import SUITE
from conformance.sources import parse_source

PAGE = "# Page\n\n### Sender rewriting\n\nIt rewrites the\nsender.\n\n### Spam\n\nIt filters.\n"
DECISIONS = """# Reading

<a id="shape"></a>
One
dialogue. 1. <a id="step"></a>One step.

## Rewriting
<a id="null-sender"></a>
`<>` stays `<>`.

### Spam
None.
"""
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
    return write_texts(tmp_path, {"spec/postmaster.md": PAGE, "rfc/rfc5321.txt": RFC})


def write_texts(folder: Path, files: dict[str, str]) -> Texts:
    for name, text in {**files, "specification.md": DECISIONS}.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return Texts(folder, folder / "specification.md")


def clause(
    name: str,
    source: str = "RFC 5321 4.1",
    quote: str = "waits",
    level: str | None = None,
) -> Clause:
    page = source.startswith("postmaster")
    return Clause(
        id=name,
        heading="Heading",
        level=level or ("documented" if page else "choice"),
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
        ("decisions: null-sender", "`<>` stays `<>`"),
        ("decisions: shape", "One dialogue."),
        ("decisions: step", "One step."),
        ("RFC 5321 4.1", "The client waits for re-plies."),
    ],
)
def test_a_quote_is_found_across_line_and_page_breaks(
    texts: Texts, source: str, quote: str
) -> None:
    assert texts.objection(parse_source(source), quote) is None


def test_texts_may_be_in_the_folder_itself(tmp_path: Path) -> None:
    texts = write_texts(tmp_path, {"postmaster.md": PAGE, "rfc5321.txt": RFC})
    for source in ("postmaster: Spam", "RFC 5321 4.1"):
        assert texts.has(parse_source(source))
    assert texts.objection(parse_source("postmaster: Spam"), "It filters.") is None


@pytest.mark.parametrize(
    ("source", "quote", "reason"),
    [
        ("postmaster: Spam", "It rewrites the sender.", "does not say"),
        ("decisions: null-sender", "None.", "does not say"),
        ("decisions: shape", "One step.", "does not say"),
        ("decisions: sender", "None.", "no anchor sender"),
        ("RFC 5321 4.2", "waits", "does not say"),
        ("RFC 5321 4.3", "waits", "no section"),
        ("RFC 9999 1", "waits", "is missing"),
    ],
)
def test_a_quote_that_is_not_in_its_source_is_refused(
    texts: Texts, source: str, quote: str, reason: str
) -> None:
    assert reason in (texts.objection(parse_source(source), quote) or "")


@pytest.mark.parametrize(
    ("source", "url"),
    [
        ("RFC 5321 4.1.1", "https://www.rfc-editor.org/rfc/rfc5321#section-4.1.1"),
        ("RFC 7208 D.2", "https://www.rfc-editor.org/rfc/rfc7208#appendix-D.2"),
        ("decisions: errors-421", "specification.html#errors-421"),
        (
            "postmaster: Email address internationalization (EAI)",
            "https://developers.cloudflare.com/email-routing/postmaster/"
            "#email-address-internationalization-eai",
        ),
        (
            'postmaster: Signs such "`+`" and "`.`" are treated as normal characters',
            "https://developers.cloudflare.com/email-routing/postmaster/"
            "#signs-such--and--are-treated-as-normal-characters",
        ),
    ],
)
def test_a_source_has_a_url(source: str, url: str) -> None:
    assert parse_source(source).url == url


@pytest.mark.parametrize(
    "source",
    ["RFC 5321", "RFC 4.1", "decisions: SMTP errors", "decisions:", "page: Spam", ""],
)
def test_a_source_of_unknown_form_is_refused(source: str) -> None:
    with pytest.raises(ValueError, match="must have the form"):
        parse_source(source)


def test_macros_in_comments_are_not_decisions() -> None:
    code = (
        "/* CLAUSE(SRS_01, a) */\n// CLAUSE(SRS_02, b)\nif (CLAUSE(SRS_03, c) ||\n"
        "    CLAUSE(\n        DLG_04, d))\n"
    )
    assert list(tracing.macros(code)) == [(3, "SRS-03"), (4, "DLG-04")]


def test_a_breakage_has_a_clause_and_perhaps_a_word() -> None:
    code = "x = BREAK(DLG_04_code, 1, 2);\ny = unless_broken(SRS_03);\n"
    assert list(tracing.breakages(code)) == [
        (1, "DLG-04", "DLG-04-code"),
        (2, "SRS-03", "SRS-03"),
    ]


def test_a_mark_is_a_comment_that_names_clauses() -> None:
    code = (
        "/* Clause: SRS-01 */\nint clause; // Clause: SRS-02.\n"
        "/* Why this is so. Clauses: ERR-05,\n * ERR-08, MSG-100 */\n"
        'char *text = "Clause: SRS-03";\n/* A clause: nothing. Clause ERR-01 */\n'
    )
    assert list(tracing.marks(code)) == [
        (1, "SRS-01"),
        (2, "SRS-02"),
        (3, "ERR-05"),
        (4, "ERR-08"),
        (4, "MSG-100"),
    ]


def test_a_misspelt_mark_is_found_too() -> None:
    assert list(tracing.marks("/* Clause: ERR_05, err-6 */")) == [
        (1, "ERR_05"),
        (1, "err-6"),
    ]


def test_a_refusal_names_its_clause_as_a_string() -> None:
    code = '/* "SRS-01" */\n{500, "5.5.1", "http://x/*", "DLG-12"}, /* "SRS-02" */\n'
    assert list(tracing.refusals(code)) == [(2, "DLG-12")]


def test_a_test_names_its_clauses_by_its_decorator(tmp_path: Path) -> None:
    file = tmp_path / "test_x.py"
    file.write_text(
        '@clause("SRS-01", "SRS-02")\n@pytest.mark.parametrize("n", [1])\n'
        "def test_one(n): ...\n\ndef test_two(): ...\n\ndef helper(): ...\n"
    )
    assert list(tracing.tests(file)) == [
        ("test_one", ["SRS-01", "SRS-02"]),
        ("test_two", []),
    ]


def test_every_inconsistency_is_a_fault(trace: ModuleType, texts: Texts) -> None:
    catalogue = {
        name: clause(name, quote=quote)
        for name, quote in (("A-01", "waits"), ("A-02", "waits"), ("A-03", "sleeps"))
    }
    found = trace.Trace(
        code={"A-01": ["relay/a.c:1"], "B-01": ["relay/a.c:2"]},
        marks={"A-01": ["relay/b.c:1"], "B-02": ["relay/b.c:2"]},
        refusals={"A-01": ["relay/c.c:1"], "B-03": ["relay/c.c:2"]},
        tests={"A-01": ["t::a"], "A-03": ["t::c"], "C-01": ["t::d"]},
        nameless=["t::e"],
    )
    faults = trace.faults(found, catalogue, texts)
    assert [fault.split(":")[0] for fault in faults] == [
        "A-02 has no test",
        "t",
        "relay/a.c",
        "relay/b.c",
        "relay/c.c",
        "t",
        "A-03",
    ]


def test_a_quote_without_its_text_is_counted_and_not_a_fault(
    trace: ModuleType, tmp_path: Path
) -> None:
    texts = write_texts(tmp_path, {"rfc/rfc5321.txt": RFC})
    catalogue = {
        "A-01": clause("A-01"),
        "A-02": clause("A-02", source="RFC 9999 1"),
        "A-03": clause("A-03", source="postmaster: Spam"),
        "A-04": clause("A-04", source="decisions: shape", quote="One dialogue."),
    }
    found = trace.Trace(tests={name: ["t::a"] for name in catalogue})
    assert trace.faults(found, catalogue, texts) == []
    assert trace.unchecked(catalogue, texts) == {"RFC 9999": 1, "postmaster": 1}


LEVELS_PAGE = PAGE + "\n## Known limitations\n\n### Signs\n\nSigns are normal.\n"
OLD_RFC = "5.  Sizes\n\n   It must be declared.\n\n   size ::= 1*20DIGIT\n"
NEW_RFC = "5.  Sizes\n\n   RFC 2119.  It MUST be declared, and it SHOULD be right. It must do.\n"


@pytest.mark.parametrize(
    ("level", "source", "quote", "borne"),
    [
        ("documented", "postmaster: Spam", "It filters.", True),
        ("documented", "postmaster: Signs", "Signs are normal.", False),
        ("limitation", "postmaster: Signs", "Signs are normal.", True),
        ("limitation", "postmaster: Spam", "It filters.", False),
        ("documented", "decisions: shape", "One dialogue.", False),
        ("choice", "decisions: shape", "One dialogue.", True),
        ("choice", "postmaster: Spam", "It filters.", False),
        ("required", "decisions: shape", "One dialogue.", False),
        ("required", "RFC 9000 5", "It MUST be declared", True),
        ("required", "RFC 9000 5", "It must do.", False),
        ("required", "RFC 1870 5", "It must be declared.", True),
        ("required", "RFC 1870 5", "size ::= 1*20DIGIT", True),
        ("required", "RFC 9000 5", "it SHOULD be right", False),
        ("recommended", "RFC 9000 5", "it SHOULD be right", True),
        ("recommended", "RFC 9000 5", "It MUST be declared", False),
    ],
)
def test_a_level_is_borne_by_source_and_quote(
    tmp_path: Path, level: str, source: str, quote: str, borne: bool
) -> None:
    texts = write_texts(
        tmp_path,
        {
            "spec/postmaster.md": LEVELS_PAGE,
            "rfc/rfc1870.txt": OLD_RFC,
            "rfc/rfc9000.txt": NEW_RFC,
        },
    )
    judged = clause("A-01", source, quote, level)
    assert (level_objection(judged, texts) is None) == borne


def test_without_the_page_a_sentence_of_it_may_have_either_level(
    tmp_path: Path,
) -> None:
    texts = write_texts(tmp_path, {})
    for level in ("documented", "limitation"):
        judged = clause("A-01", "postmaster: Spam", "It filters.", level)
        assert level_objection(judged, texts) is None


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(ROOT / "scripts/trace"), *arguments], capture_output=True, text=True
    )


def test_texts_that_were_requested_and_are_missing_are_faults(tmp_path: Path) -> None:
    trace = run("--quiet", "--texts", str(tmp_path))
    assert trace.returncode == 1
    assert f"{tmp_path} has no text of RFC 5321" in trace.stderr
    assert "NOT checked" in trace.stdout


def test_one_clause_is_shown_with_its_source_its_code_and_its_tests() -> None:
    trace = run("SMUG-03")
    assert trace.returncode == 0
    lines = trace.stdout.splitlines()
    assert [line for line in lines if line.startswith("SMUG-")] == lines[:1]
    kinds = {line.split()[0] for line in lines[1:] if line.startswith("    ")}
    assert {"source", "listed", "code", "test"} <= kinds


def test_an_unknown_clause_is_named() -> None:
    trace = run("SMUG-03", "NONE-01")
    assert trace.returncode == 2
    assert "NONE-01" in trace.stderr


def test_an_anchor_is_unique(trace: ModuleType) -> None:
    assert trace.repeated(["a", "b", "a"]) == [
        "specification.md: anchor a occurs 2 times"
    ]
    assert trace.repeated(anchors()) == []


def test_the_catalogue_of_this_repository_is_covered(trace: ModuleType) -> None:
    assert trace.faults(trace.collect(ROOT), trace.load_catalogue(), Texts()) == []


def test_every_clause_of_the_relay_can_be_broken(trace: ModuleType) -> None:
    assert trace.breakage_faults(trace.load_catalogue()) == []


def test_a_clause_that_nothing_breaks_is_a_fault(trace: ModuleType) -> None:
    catalogue = {**trace.load_catalogue(), "NONE-01": clause("NONE-01")}
    assert trace.breakage_faults(catalogue) == ["NONE-01 has no breakage"]


def test_breakages_are_looked_at_beside_named_clauses_if_asked_for() -> None:
    assert "breakages" not in run("SMUG-03").stdout
    trace = run("SMUG-03", "--breakages")
    assert trace.returncode == 0
    assert "breakages" in trace.stdout


def test_each_file_with_tests_of_an_area_is_looked_at_for_its_clauses() -> None:
    files: dict[str, set[str]] = {}
    for name, places in tracing.collect(ROOT).tests.items():
        area = f"{name.rpartition('-')[0]}-*"
        files.setdefault(area, set()).update(
            Path(place.partition("::")[0]).name for place in places
        )
    found = {area: {file.name for file in files_with(SUITE, [area])} for area in files}
    assert {
        area: files[area] - found[area] for area in files if files[area] - found[area]
    } == {}
