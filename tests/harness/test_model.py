"""Catalogue, results model and transcript: what they make of right and of wrong input."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from conformance.clauses import CatalogueError, load_catalogue, selected, unmatched
from conformance.lab.transcript import Transcript, printable
from conformance.report.model import ClauseResult, Outcome, TestResult
from conformance.subjects.base import Subject, SubjectUnavailable
from conformance.subjects.known import faults_of_known

ROOT = Path(__file__).resolve().parents[2]
SUBJECTS = ROOT / "conformance" / "subjects"
README_ORDER = re.findall(
    r"^\| (fail|error|unimplemented|skipped|pass) \|",
    (ROOT / "README.md").read_text(),
    re.M,
)

GOOD = """
order: 1
heading: A heading
clauses:
  - id: AB-01
    level: required
    statement: Something
      holds.
    source: RFC 5321 4.4
    quote: some words
"""


def write(directory: Path, text: str) -> Path:
    (directory / "one.yaml").write_text(text)
    return directory


def test_a_capability_may_differ_from_role_to_role(tmp_path: Path) -> None:
    by_role = "capability: {relay: arc-seal, receiver: arc-verify}"
    path = write(tmp_path, f"{GOOD.rstrip()}\n    {by_role}\n")
    for role, needed in (("relay", "arc-seal"), ("receiver", "arc-verify")):
        assert load_catalogue(path, role)["AB-01"].capability == needed
    assert load_catalogue(path, "sender")["AB-01"].capability is None


def test_a_catalogue_is_read_in_order(tmp_path: Path) -> None:
    write(tmp_path, GOOD.replace("order: 1", "order: 2"))
    (tmp_path / "two.yaml").write_text(GOOD.replace("AB-01", "ZZ-01"))
    clauses = load_catalogue(tmp_path)
    assert list(clauses) == ["ZZ-01", "AB-01"]
    clause = clauses["AB-01"]
    assert clause.statement == "Something holds."
    assert (clause.heading, clause.roles, clause.capability) == (
        "A heading",
        ("relay",),
        None,
    )
    assert clause.gates


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("AB-01", "ab-1", "not an id such as SRS-03"),
        ("required", "important", "level"),
        ("source: RFC 5321 4.4", "origin: RFC 5321 4.4", "unknown key 'origin'"),
        ("    source: RFC 5321 4.4\n", "", "'source' is missing"),
        (
            "source: RFC 5321 4.4",
            "source: RFC 5321",
            "source 'RFC 5321' must have the form",
        ),
        (
            "    quote: some words\n",
            "    quote: some words\n    roles: [cook]\n",
            "roles",
        ),
        ("order: 1\n", "order: 1\ncapability: flying\n", "unknown capability"),
        ("heading: A heading\n", "", "'heading' is missing"),
        ("clauses:\n", "clauses: none\nothers:\n", "unknown key 'others'"),
    ],
)
def test_an_invalid_catalogue_is_refused_with_its_file_and_clause(
    tmp_path: Path, old: str, new: str, complaint: str
) -> None:
    with pytest.raises(CatalogueError, match=complaint):
        load_catalogue(write(tmp_path, GOOD.replace(old, new)))


def test_an_id_is_unique(tmp_path: Path) -> None:
    write(tmp_path, GOOD)
    (tmp_path / "two.yaml").write_text(GOOD)
    with pytest.raises(CatalogueError, match="AB-01 is also in one.yaml"):
        load_catalogue(tmp_path)


@pytest.mark.parametrize(
    ("globs", "expected"),
    [
        ([], ["SRS-01", "SRS-02", "EAI-01"]),
        (["SRS-*"], ["SRS-01", "SRS-02"]),
        (["srs-01", "eai-*"], ["SRS-01", "EAI-01"]),
        (["*-01"], ["SRS-01", "EAI-01"]),
        (["SRS"], []),
    ],
)
def test_globs_select_clauses(globs: list[str], expected: list[str]) -> None:
    assert selected(["SRS-01", "SRS-02", "EAI-01"], globs) == expected


@pytest.mark.parametrize(
    ("glob", "hint"),
    [("SRS-3", "SRS-03"), ("srs", "SRS-*"), ("SSR-*", "SRS-*"), ("SRS-O3", "SRS-03")],
)
def test_a_glob_that_matches_nothing_is_named_with_suggestions(
    glob: str, hint: str
) -> None:
    (complaint,) = unmatched(["SRS-03", "EAI-01"], ["eai-*", glob])
    assert f"'{glob}'" in complaint and hint in complaint


@pytest.mark.parametrize(
    ("outcomes", "verdict"),
    [
        ("", "skipped"),
        ("pass", "pass"),
        ("pass fail", "fail"),
        ("error fail pass", "fail"),
        ("pass error unimplemented", "error"),
        ("skipped skipped pass", "skipped"),
        ("pass unimplemented", "unimplemented"),
        ("skipped unimplemented", "unimplemented"),
        ("unimplemented", "unimplemented"),
    ],
)
def test_the_verdict_on_a_clause_is_the_worst_of_its_tests(
    tmp_path: Path, outcomes: str, verdict: str
) -> None:
    clause = load_catalogue(write(tmp_path, GOOD))["AB-01"]
    tests = [
        TestResult(str(n), "", [], Outcome(o)) for n, o in enumerate(outcomes.split())
    ]
    result = ClauseResult(clause, tests)
    assert result.verdict == verdict
    assert sum(result.outcomes.values()) == len(tests)
    # README has the order, and the outcomes of a report stand in it.
    order = [name for name in README_ORDER if name in result.outcomes]
    assert list(result.outcomes) == order


def test_a_clause_explains_why_its_tests_have_no_result(tmp_path: Path) -> None:
    clause = load_catalogue(write(tmp_path, GOOD))["AB-01"]

    def a_test(outcome: str, reason: str | None = None) -> TestResult:
        return TestResult("", "", [], Outcome(outcome), reason=reason)

    skipped, again, missing = (
        a_test("skipped", "no network"),
        a_test("skipped", "no network"),
        a_test("unimplemented", "no srs"),
    )
    alike = ClauseResult(clause, [skipped, again])
    assert (alike.tally, alike.reason) == ("", "no network")
    mixed = ClauseResult(clause, [skipped, a_test("pass"), again, missing])
    assert mixed.tally == "1 unimplemented, 2 skipped, 1 pass"
    assert mixed.reason == "skipped: no network; unimplemented: no srs"
    assert ClauseResult(clause, [a_test("pass")]).reason is None


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        (b"250 ok\r\n", "250 ok"),
        (b"250 ok\n", "250 ok\\n (bare)"),
        (b"250 ok", "250 ok (no line end)"),
        (b"\x00\x1b\xff\\\r\r\n", "\\x00\\x1b\\xff\\\\\\x0d"),
    ],
)
def test_a_transcript_shows_every_octet(data: bytes, shown: str) -> None:
    assert printable(data) == shown


def test_a_transcript_is_in_order_of_time() -> None:
    transcript = Transcript()
    transcript.add("client", ">", b"one\r\ntwo\r\n")
    transcript.remark("dns", "three")
    words = [line.split(maxsplit=3)[-1] for line in transcript.render().splitlines()]
    assert words == ["one", "two", "three"]


def test_known_failures_name_existing_clauses() -> None:
    for known in SUBJECTS.glob("*/known-failures.yaml"):
        assert not faults_of_known(known, load_catalogue()), known


def test_an_incomplete_adapter_is_unavailable_and_named_with_what_it_lacks() -> None:
    members: dict[str, object] = {"name": "new"}
    for method in ("version", "start", "stop", "kill"):
        members[method] = lambda self: None
    incomplete = type("Incomplete", (Subject,), members)
    with pytest.raises(SubjectUnavailable) as raised:
        incomplete()
    assert str(raised.value) == "subject new lacks configure, diagnosis, running"
