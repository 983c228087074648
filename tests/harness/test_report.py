"""The reports for a reader: the HTML file, whatever a subject says, and what a terminal shows."""

from __future__ import annotations

import io
import json
import re
from dataclasses import fields, replace
from pathlib import Path

import pytest
from rich.console import Console

from reports import HOSTILE, TODAY, Document, a_run, a_test, clause

import conformance.report
from conformance.quotes import anchors
from conformance.report import console as terminal
from conformance.report.files import write_files
from conformance.report.html import to_html, to_specification
from conformance.report.model import Outcome, Run, TestResult, Waiver
from conformance.report.results import to_json


def page(run: Run, directory: Path) -> Document:
    return Document(to_html(run, directory, TODAY))


def test_every_clause_has_an_anchor_a_level_and_a_verdict(tmp_path: Path) -> None:
    outcomes = list(Outcome)
    clauses = [clause(number) for number in range(len(outcomes) + 1)]
    run = a_run(clauses, [a_test(n, outcome) for n, outcome in enumerate(outcomes)])
    document = page(run, tmp_path)
    for result in run.clauses:
        assert result.clause.id in document.ids
        assert result.clause.statement in document.text
        assert result.verdict in document.text
    assert "no test of it ran" in document.text
    assert len(document.ids) == len(set(document.ids))


def test_every_source_is_a_link(tmp_path: Path) -> None:
    sources = ["RFC 5321 4.1", "postmaster: Spam", "decisions: errors-421"]
    clauses = [clause(number, source=text) for number, text in enumerate(sources)]
    run = a_run(clauses, [a_test(0, "fail"), a_test(1, "pass"), a_test(2, "fail")])
    document = page(run, tmp_path)
    exported = json.loads(to_json(run, TODAY))["clauses"]
    for one, entry in zip(clauses, exported):
        assert document.references.count(one.source_url) == 1 + (one.id != "AB-01")
        assert one.source in document.text
        assert (entry["source"], entry["source_url"]) == (one.source, one.source_url)


def test_the_decisions_are_beside_the_report_with_the_clauses_that_cite_them(
    tmp_path: Path,
) -> None:
    run = a_run([clause(1, source="decisions: errors-421")], [a_test(1, "pass")])
    write_files(run, tmp_path, TODAY)
    document = Document((tmp_path / "specification.html").read_text(encoding="utf-8"))
    assert [name for name in document.ids if name] == anchors()
    cited = [name for name in document.references if name.startswith("index.html#")]
    assert cited == ["index.html#AB-01"]
    for reference in document.references:
        if reference.startswith("#"):
            assert reference[1:] in document.ids


def test_broken_relays_are_linked_where_they_are_known_and_are_the_references(
    tmp_path: Path,
) -> None:
    run = a_run([clause(1)], [a_test(1, "pass")])
    assert "mutants.html" not in page(run, tmp_path).references
    (tmp_path / "mutants.html").write_text("")
    assert "mutants.html" in page(run, tmp_path).references
    assert "mutants.html" not in page(replace(run, subject="x"), tmp_path).references


def test_a_decision_that_no_clause_cites_is_shown_too() -> None:
    document = Document(to_specification([], "index.html"))
    assert "A 421 from the upstream becomes 451" in document.text
    assert document.elements.isdisjoint({"script", "link", "img", "iframe", "object"})


def test_every_link_is_internal_or_to_the_same_directory_or_to_a_source(
    tmp_path: Path,
) -> None:
    test = a_test(1, "fail")
    test.transcript = "transcripts/a #?.txt"
    also = a_test(2, "pass")
    also.transcript = "transcripts/b.txt"
    document = page(a_run([clause(1), clause(2)], [test, also]), tmp_path)
    assert "transcripts/a%20%23%3F.txt" in document.references
    for reference in document.references:
        assert (
            reference.startswith("transcripts/")
            or reference == clause(1).source_url
            or reference[1:] in document.ids
        )
    assert document.elements.isdisjoint({"script", "link", "img", "iframe", "object"})


def test_failures_come_before_all_clauses_and_in_full(tmp_path: Path) -> None:
    test = a_test(2, "fail")
    test.transcript = "transcript.txt"
    (tmp_path / test.transcript).write_text("client > EHLO there\n")
    text = page(a_run([clause(1), clause(2)], [a_test(1, "pass"), test]), tmp_path).text
    failed, _, table = text.partition("The clauses")
    for shown in ("Statement 2.", "expected", "test.py:1", test.command, "EHLO there"):
        assert shown in failed
    assert "Statement 1." not in failed and "Statement 1." in table


def test_gating_failures_come_before_those_that_only_warn(tmp_path: Path) -> None:
    clauses = [clause(1, "choice"), clause(2)]
    document = page(a_run(clauses, [a_test(1, "fail"), a_test(2, "fail")]), tmp_path)
    shown = [name for name in document.ids if name.startswith("failed-")]
    assert shown == ["failed-AB-02", "failed-AB-01"]
    assert "does not gate" in document.text


def test_a_test_of_two_clauses_is_shown_once_and_linked(tmp_path: Path) -> None:
    test = a_test(1, "fail")
    test.clauses.append("AB-02")
    document = page(a_run([clause(1), clause(2)], [test]), tmp_path)
    assert document.ids.count("test-1") == 1
    assert "#test-1" in document.references


def test_failures_outside_the_selected_clauses_are_not_lost(tmp_path: Path) -> None:
    text = page(a_run([clause(1)], [a_test(9, "fail", "stray")]), tmp_path).text
    assert "title stray" in text


def test_hostile_octets_are_visible_text(tmp_path: Path) -> None:
    tests = [a_test(number, outcome, HOSTILE) for number, outcome in enumerate(Outcome)]
    path = tmp_path / "transcripts" / "it.txt"
    path.parent.mkdir()
    path.write_bytes(HOSTILE.encode("utf-8", "surrogatepass") + b"\xff\n")
    for test in tests:
        test.transcript = "transcripts/it.txt"
    run = a_run([clause(number) for number in range(len(tests))], tests, HOSTILE)
    run.version = HOSTILE
    run.apply_waivers(
        [Waiver("AB-01", HOSTILE, TODAY), Waiver(HOSTILE, "", TODAY)], TODAY
    )
    html = to_html(run, tmp_path, TODAY)
    assert all(char.isprintable() or char == "\n" for char in html)
    html.encode("utf-8")
    document = Document(html)
    assert "script" not in document.elements
    assert r"\x00\x1b[2J</pre><script>alert(1)</script>" in document.text


@pytest.mark.parametrize(
    ("tests", "failure", "words"),
    [
        (["pass"], None, "conforms"),
        (["fail"], None, "does not conform: 1 gating clause failed"),
        (["error"], None, "no verdict"),
        ([], "no lab today", "could not run"),
        ([], None, "nothing ran"),
    ],
)
def test_the_report_states_the_conclusion(
    tmp_path: Path, tests: list[str], failure: str | None, words: str
) -> None:
    run = a_run([clause(1)], [a_test(1, outcome) for outcome in tests], failure)
    text = page(run, tmp_path).text
    assert words in text
    assert failure is None or failure in text


def test_hundreds_of_failures_with_long_transcripts_stay_below_two_megabytes(
    tmp_path: Path,
) -> None:
    path = tmp_path / "it.txt"
    path.write_text('"<&>' * 100_000)
    tests = [a_test(number % 400, "fail", '"' * 3_000) for number in range(1_600)]
    for number, test in enumerate(tests):
        test.id, test.title, test.transcript = str(number), "a title", path.name
    run = a_run([clause(number) for number in range(400)], tests)
    html = to_html(run, tmp_path, TODAY)
    assert len(html.encode()) < 2_000_000
    Document(html)


def test_every_key_of_the_results_is_described(tmp_path: Path) -> None:
    test = TestResult(**{f.name: "x" for f in fields(TestResult)})  # type: ignore[arg-type]
    test.clauses, test.outcome = ["AB-01"], Outcome.FAIL
    test.known = {"verdict": "right", "reason": "because"}
    run = a_run([replace(clause(1), capability="srs")], [test, a_test(1, "skipped")])
    run.apply_waivers([Waiver("AB-01", "known", TODAY)], TODAY)
    run.suite = {"version": "1"}
    run.title, run.banner, run.mended, run.new = "An MTA", "220 hi", [], []
    run.sample = {"count": 10, "seed": 1}
    document = json.loads(to_json(run, TODAY))
    text = conformance.report.__doc__ or ""
    described = {
        name
        for line in re.findall(r"^ {4,6}([a-z_]+(?:, [a-z_]+)*)(?:  |$)", text, re.M)
        for name in line.split(", ")
    }
    written = {*document, *document["clauses"][0], *document["tests"][0]}
    assert written == described
    assert document["schema"] == 1
    assert document["clauses"][0]["outcomes"] == {"fail": 1, "skipped": 1}


def test_a_clause_with_mixed_outcomes_counts_them(tmp_path: Path) -> None:
    tests = [a_test(1, "pass"), a_test(1, "pass"), a_test(1, "skipped", "no network")]
    run = a_run([clause(1)], tests)
    for text in (page(run, tmp_path).text, "\n".join(shown(run, 80, tty=False))):
        assert "1 skipped, 2 pass" in text and "skipped: no network" in text


def shown(run: Run, width: int, *, tty: bool, verbose: bool = False) -> list[str]:
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=tty, width=width, no_color=True)
    terminal.report(run, console, TODAY, verbose, Path("reports"))
    return stream.getvalue().splitlines()


MIXED = a_run(
    [clause(1), clause(2), clause(3)],
    [a_test(1, "pass"), a_test(2, "pass"), a_test(3, "fail")],
)


@pytest.mark.parametrize("tty", [False, True])
def test_the_counts_alone_are_the_last_line(tty: bool) -> None:
    assert shown(MIXED, 30, tty=tty)[-1] == "2 passed, 1 failed, 0 skipped"


def test_a_terminal_groups_passed_clauses_and_a_log_has_a_line_for_each() -> None:
    assert any("AB-01 AB-02" in line for line in shown(MIXED, 80, tty=True))
    for lines in (
        shown(MIXED, 80, tty=False),
        shown(MIXED, 200, tty=True, verbose=True),
    ):
        for number in (1, 2, 3):
            assert any(f"Statement {number}." in line for line in lines)


def test_a_terminal_is_not_flooded_with_failures() -> None:
    run = a_run([clause(n) for n in range(99)], [a_test(n, "fail") for n in range(99)])
    lines = shown(run, 80, tty=True)
    assert any("... and 74 more in reports/index.html" in line for line in lines)


@pytest.mark.parametrize("tty", [False, True])
def test_hostile_octets_do_not_reach_a_terminal(tty: bool) -> None:
    run = a_run([clause(1)], [a_test(1, "fail", HOSTILE)], HOSTILE)
    text = (
        "\n".join(shown(run, 80, tty=tty)).replace("\x1b[1m", "").replace("\x1b[2m", "")
    )
    text = text.replace("\x1b[0m", "")
    assert all(char.isprintable() or char == "\n" for char in text)
    assert "[/red]" in text


def test_the_report_shows_the_most_direct_tests_of_a_clause() -> None:
    variants = [a_test(1, "pass") for _ in range(100)]
    for number, test in enumerate(variants):
        test.id, test.title = f"{test.id}[{number}]", f"variant {number}"
        test.clauses = ["AB-01", "AB-02"]
    direct = a_test(1, "pass")
    direct.id, direct.title = "test.py::test_direct", "the direct one"
    html = to_html(a_run([clause(1)], [*variants, direct]), Path("/nonexistent"), TODAY)
    assert html.index("the direct one") < html.index("variant 0")
    assert "variant 99" not in html
