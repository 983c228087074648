"""The reports that programs and job pages show: JUnit, TAP, the summary and the badge."""

from __future__ import annotations

import json
import re
from xml.etree import ElementTree

import pytest
from markdown_it import MarkdownIt
from reports import HOSTILE, TODAY, Document, a_run, a_test, clause

from conformance.report.badge import to_badge, to_shield
from conformance.report.junit import to_junit
from conformance.report.model import Run, TestResult, Waiver
from conformance.report.summary import to_summary
from conformance.report.tap import to_tap

KNOWN = {"verdict": "right", "reason": "RFC 5321 allows it"}


def known(test: TestResult) -> TestResult:
    test.known = dict(KNOWN)
    return test


def several() -> Run:
    """Of each kind of test one; 5 fails although a clause of it does not gate, for the other does."""
    levels = ["required", "choice", "required", "required", "choice", "required"]
    tests = [a_test(n, "fail") for n in range(6)]
    tests[5].clauses = ["AB-04", "AB-05"]
    known(tests[3])
    tests += [a_test(6, "pass"), a_test(7, "skipped"), a_test(8, "error")]
    clauses = [clause(n, level) for n, level in enumerate([*levels, *["choice"] * 3])]
    run = a_run(clauses, tests)
    run.apply_waivers([Waiver("AB-02", "until they mend it", TODAY)], TODAY)
    return run


def junit(run: Run) -> tuple[ElementTree.Element, list[tuple[str, str]]]:
    """The document, and of each test case what it has and the message."""
    suite = ElementTree.fromstring(to_junit(run))
    found = []
    for case in suite.iter("testcase"):
        results = [child for child in case if child.tag != "properties"]
        assert len(results) <= 1
        shown = [(child.tag, str(child.get("message"))) for child in results]
        found += shown or [("", "")]
    return suite, found


def test_junit_has_a_failure_only_where_the_run_fails_for_it() -> None:
    suite, cases = junit(several())
    assert [kind for kind, _ in cases] == [
        "failure",
        "skipped",
        "skipped",
        "failure",
        "skipped",
        "failure",
        "",
        "skipped",
        "error",
    ]
    assert "fails, does not gate: expected something" in cases[1][1]
    assert "fails, waived: until they mend it" in cases[2][1]
    for kind, name in (
        ("failure", "failures"),
        ("error", "errors"),
        ("skipped", "skipped"),
    ):
        assert suite.get(name) == str(sum(found == kind for found, _ in cases))
    assert suite.get("tests") == "9"


def test_a_known_failure_is_none_in_junit_where_only_regressions_count() -> None:
    run = several()
    run.regressions = True
    _, cases = junit(run)
    assert cases[3][0] == "skipped" and KNOWN["reason"] in cases[3][1]
    assert cases[0][0] == "failure"


def test_a_failure_without_a_selected_clause_stays_one_in_junit() -> None:
    _, cases = junit(a_run([clause(1)], [a_test(9, "fail")]))
    assert cases[0][0] == "failure"


def test_the_time_in_junit_has_neither_zone_nor_fraction() -> None:
    run = several()
    run.started = run.started.replace(hour=13, microsecond=123456)
    suite, _ = junit(run)
    assert suite.get("timestamp") == "2026-01-02T13:00:00"


def test_a_lab_that_failed_is_an_error_and_counted_in_junit() -> None:
    suite, cases = junit(a_run([clause(1)], [], "no lab\x00 today"))
    assert cases == [("error", "no lab\\x00 today")]
    assert (suite.get("tests"), suite.get("errors")) == ("1", "1")


def points(run: Run) -> list[str]:
    return [
        line for line in to_tap(run).splitlines() if re.match("(not )?ok [0-9]", line)
    ]


def test_tap_has_a_point_for_each_test_and_no_failure_that_does_not_count() -> None:
    run = several()
    lines = points(run)
    assert to_tap(run).splitlines()[:2] == ["TAP version 14", "1..9"]
    numbers = [int(re.search("[0-9]+", line)[0]) for line in lines]  # type: ignore[index]
    assert numbers == list(range(1, 10))
    failing = [
        n for n, line in enumerate(lines) if line[:3] == "not" and "# TODO" not in line
    ]
    assert failing == [0, 3, 5, 8]
    assert lines[1].endswith("# TODO does not gate")
    assert lines[6].startswith("ok 7 ") and "#" not in lines[6]
    assert "# SKIP skipped: something" in lines[7]


def test_a_title_cannot_be_a_directive_of_tap() -> None:
    test = a_test(1, "fail", "x # TODO never mind\nok 2 - and more")
    run = a_run([clause(1)], [test])
    (line,) = points(run)
    assert "\\# TODO" in line and " # TODO" not in line
    hostile = to_tap(a_run([clause(1)], [a_test(1, "fail", HOSTILE)], HOSTILE))
    assert hostile.splitlines()[-1].startswith("Bail out! ")
    assert all(char.isprintable() or char == "\n" for char in hostile)


def html_of(markdown: str) -> Document:
    """As GitHub makes it, with raw HTML."""
    renderer = MarkdownIt("commonmark", {"html": True}).enable("table")
    return Document(renderer.render(markdown))


def test_the_summary_has_what_decides() -> None:
    run = several()
    run.new, run.mended = [run.tests[0].id], ["AB-07: 250 *"]
    document = html_of(to_summary(run, TODAY))
    assert run.conclusion(TODAY) in document.text
    listed = document.text.split("Failures that gate")[1].split("New failures")[0]
    assert re.findall(r"AB-\d\d", listed) == ["AB-00", "AB-03", "AB-05"]
    assert "Statement 0." in document.text and "Statement 1." not in document.text
    assert "New failures (1)" in document.text
    assert "AB-07: 250 *" in document.text
    without = html_of(to_summary(several(), TODAY)).text
    assert "New failures" not in without and "No longer failing" not in without


@pytest.mark.parametrize(
    "text",
    [
        HOSTILE,
        "`",
        "``` ` ```",
        "a`<img src=x>`b",
        "\n\n# big\n\n<script>",
        "@all [a](b)",
    ],
)
def test_nothing_a_subject_sends_is_markup_in_the_summary(text: str) -> None:
    test = a_test(1, "fail", text)
    run = a_run([clause(1)], [test], text)
    run.version, run.new, run.mended = text, [test.id], [text]
    document = html_of(to_summary(run, TODAY))
    assert document.elements <= {
        *("h3", "h4", "p", "ul", "li", "code", "details", "summary"),
        *("table", "thead", "tbody", "tr", "th", "td"),
    }
    assert not document.references  # a job's page has no report beside it


def test_the_summary_stays_short() -> None:
    tests = [a_test(number, "fail", "x" * 9_000) for number in range(600)]
    run = a_run([clause(number) for number in range(600)], tests)
    text = to_summary(run, TODAY)
    assert len(text.encode()) < 100_000
    assert "and 550 more" in text


@pytest.mark.parametrize(
    ("outcome", "failure", "message", "colour"),
    [
        ("pass", None, "conforms, 1 of 1 clauses", "brightgreen"),
        ("fail", None, "does not conform, 0 of 1 clauses", "red"),
        ("error", None, "no verdict", "lightgrey"),
        ("pass", "no lab", "no verdict", "lightgrey"),
    ],
)
def test_a_badge_has_the_verdict(
    outcome: str, failure: str | None, message: str, colour: str
) -> None:
    run = a_run([clause(1)], [a_test(1, outcome)], failure)
    shield = json.loads(to_shield(run, TODAY))
    assert shield["schemaVersion"] == 1
    assert (shield["message"], shield["color"]) == (message, colour)
    image = ElementTree.fromstring(to_badge(run, TODAY))
    assert message in "".join(image.itertext())


def test_a_selection_is_not_shown_as_the_whole() -> None:
    run = a_run([clause(1)], [a_test(1, "pass")])
    run.complete = False
    assert json.loads(to_shield(run, TODAY))["message"].endswith("clauses selected")


def test_a_hostile_name_is_text_in_a_badge() -> None:
    run = a_run([clause(1)], [a_test(1, "pass")])
    run.subject = HOSTILE
    image = ElementTree.fromstring(to_badge(run, TODAY))
    names = {element.tag.partition("}")[2] for element in image.iter()}
    assert names == {"svg", "title", "rect", "path", "g", "text"}
