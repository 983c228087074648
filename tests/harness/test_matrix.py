"""The page of several runs: what is on it, whatever subjects say, and what makes the runs less than
comparable."""

from __future__ import annotations

import base64
import datetime
import hashlib
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from reports import HOSTILE, TODAY, Document, a_run, a_test, clause
from rich.console import Console
from running import FAILING, GATING, PASSING, ROOT, Conform

from conformance.report.commands import merge
from conformance.report.files import write_files
from conformance.report.matrix import matrix_of, write_matrix
from conformance.report.model import Outcome, Run, Waiver
from conformance.report.pages import SIGNS
from conformance.report.results import Journal, Record, load

SUITE = {"version": "1", "digest": "d"}


def record(run: Run, directory: Path) -> Record:
    directory.mkdir(parents=True, exist_ok=True)
    write_files(run, directory, TODAY)
    return load(directory)


def a_subject(name: str, *outcomes: str, **changes: Any) -> Run:
    """A run of a subject, with the outcome of each clause."""
    clauses = [clause(number) for number in range(len(outcomes))]
    run = a_run(clauses, [a_test(n, outcome) for n, outcome in enumerate(outcomes)])
    return replace(run, **{"subject": name, "suite": SUITE, **changes})


def page_of(directory: Path, *runs: Run) -> str:
    """The page of the runs, each with its report below `directory`."""
    records = [record(run, directory / f"{number}") for number, run in enumerate(runs)]
    write_matrix(records, directory)
    return (directory / "matrix.html").read_text(encoding="utf-8")


def notes_of(directory: Path, *runs: Run) -> list[str]:
    return matrix_of([record(r, directory / f"{n}") for n, r in enumerate(runs)]).notes


def cells(html: str, name: str) -> list[tuple[str, str]]:
    """Class and sign of each cell in the row of a clause."""
    row = re.search(f'<tr role="row" class="row" id="{name}".*?</tr>', html, re.S)
    assert row, name
    found = re.findall(r'<td class="([^"]*)"[^>]*>(.*?)</td>', row[0], re.S)
    return [(kinds, re.sub("<[^>]+>", "", text).strip()) for kinds, text in found]


def data_of(html: str) -> dict[str, Any]:
    """What the script shows."""
    found = re.search(
        '<script type="application/json" id="data">(.*?)</script>', html, re.S
    )
    assert found
    data: dict[str, Any] = json.loads(found[1])
    return data


def test_each_clause_has_a_cell_with_a_sign_for_each_subject(tmp_path: Path) -> None:
    outcomes: list[Outcome] = list(Outcome)
    html = page_of(
        tmp_path, a_subject("one", *outcomes), a_subject("two", *reversed(outcomes))
    )
    for number, (first, second) in enumerate(zip(outcomes, reversed(outcomes))):
        expected = [(outcome, SIGNS[outcome]) for outcome in (first, second)]
        assert cells(html, f"AB-{number:02}") == expected
    document = Document(html)
    assert len(document.ids) == len(set(document.ids))
    assert "1/3" in document.text  # passed, of those with a verdict
    assert len(set(SIGNS.values())) == len(Outcome)


def test_a_clause_that_a_run_did_not_select_has_an_empty_cell(tmp_path: Path) -> None:
    html = page_of(tmp_path, a_subject("one", "pass", "fail"), a_subject("two", "pass"))
    assert cells(html, "AB-01")[1] == ("none", "·")


def test_a_failure_that_does_not_gate_looks_different(tmp_path: Path) -> None:
    run = a_subject("one", "fail", "fail", "fail")
    run.clauses[1].clause = clause(1, "choice")
    run.apply_waivers([Waiver("AB-02", "for now", TODAY)], TODAY)
    html = page_of(tmp_path, run)
    looks = [cells(html, f"AB-{number:02}")[0][0] for number in range(3)]
    assert looks == ["fail", "fail soft", "fail soft"]
    entries = data_of(html)["runs"]["0 relay"]["clauses"]
    assert "note" not in entries["AB-00"]
    assert entries["AB-01"]["note"] == "does not gate"
    assert entries["AB-02"]["note"] == "waived: for now"


def test_known_and_new_failures_are_marked_and_explained(tmp_path: Path) -> None:
    run = a_subject("one", "fail", "fail", "fail")
    reason, hint = "RFC 5321 allows it", "set it to no"
    run.tests[0].known = {"verdict": "right", "reason": reason, "hint": hint}
    run.new = [run.tests[1].id]
    run.mended = ["AB-09: 250 *"]
    html = page_of(tmp_path, run)
    looks = [cells(html, f"AB-{number:02}")[0] for number in range(3)]
    assert looks == [("fail known", "✗k"), ("fail new", "✗n"), ("fail", "✗")]
    data = data_of(html)
    known = data["runs"]["0 relay"]["tests"][0]["known"]
    shown = {name: data["once"][number] for name, number in known}
    assert shown == {"known": f"{reason} (right)", "hint": hint}
    assert "AB-09: 250 *" in Document(html).text


def test_a_cell_has_requirement_facts_and_transcript(tmp_path: Path) -> None:
    run = a_subject("one", "fail")
    test = run.tests[0]
    test.transcript = "transcripts/a #.txt"
    path = tmp_path / "0" / "transcripts" / "a #.txt"
    path.parent.mkdir(parents=True)
    path.write_text("client > EHLO there\n")
    data = data_of(page_of(tmp_path, run))
    one = clause(0)
    assert data["clauses"]["AB-00"] == {
        "quote": one.quote,
        "source": one.source,
        "url": one.source_url,
    }
    (shown,) = data["runs"]["0 relay"]["tests"]
    assert data["once"][shown["title"]] == test.title
    facts = dict(shown["facts"])
    assert (facts["expected"], facts["actual"]) == (test.expected, test.actual)
    assert facts["again"] == test.command
    assert shown["transcript"] == "client > EHLO there\n"
    assert shown["file"] == "0/transcripts/a%20%23.txt"


def test_a_report_elsewhere_is_not_linked(tmp_path: Path) -> None:
    """Links must not break when the page is moved."""
    run = a_subject("one", "fail")
    run.tests[0].transcript = "transcripts/a.txt"
    (tmp_path / "page").mkdir()
    write_matrix([record(run, tmp_path / "report")], tmp_path / "page")
    html = (tmp_path / "page" / "matrix.html").read_text(encoding="utf-8")
    (found,) = data_of(html)["runs"].values()
    assert found["place"] is None
    assert "file" not in found["tests"][0]
    assert str(tmp_path) not in html


def test_nothing_a_subject_sends_is_markup_or_code(tmp_path: Path) -> None:
    runs: list[Run] = []
    for name in ("one", HOSTILE):
        tests = [a_test(n, outcome, HOSTILE) for n, outcome in enumerate(Outcome)]
        for number, test in enumerate(tests):
            test.transcript = "transcripts/it.txt"
            test.known = {"verdict": "right", "reason": HOSTILE, "hint": HOSTILE}
        run = a_run([clause(n) for n in range(len(tests))], tests, HOSTILE)
        run.subject = name
        run.title = run.version = run.banner = HOSTILE
        run.new, run.mended = [tests[0].id], [HOSTILE]
        run.suite = {"version": HOSTILE, "digest": HOSTILE, "commit": HOSTILE}
        path = tmp_path / f"{len(runs)}" / "transcripts" / "it.txt"
        path.parent.mkdir(parents=True)
        path.write_bytes(HOSTILE.encode("utf-8", "surrogatepass") + b"\xff\n")
        runs.append(run)
    html = page_of(tmp_path, *runs)
    assert all(char.isprintable() or char == "\n" for char in html)
    assert html.count("<script") == 2 == html.count("</script")
    assert "alert(1)" in html
    data_of(html)
    Document(re.sub("<script.*?</script>", "", html, flags=re.S))


def test_the_policy_allows_the_pages_own_script_and_style_and_nothing_else(
    tmp_path: Path,
) -> None:
    html = page_of(tmp_path, a_subject("one", "pass"))
    found = re.search('Content-Security-Policy" content="([^"]*)"', html)
    assert found
    policy = found[1].replace("&#39;", "'")
    style = re.search("<style>(.*?)</style>", html, re.S)
    script = re.search("<script>(.*?)</script>", html, re.S)
    assert style and script

    def digest(text: str) -> str:
        return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()

    assert policy.split("; ") == [
        "default-src 'none'",
        f"style-src 'sha256-{digest(style[1])}'",
        f"script-src 'sha256-{digest(script[1])}'",
        "base-uri 'none'",
        "form-action 'none'",
    ]
    document = Document(re.sub("<script.*?</script>", "", html, flags=re.S))
    assert document.elements.isdisjoint({"link", "img", "iframe", "object"})
    assert " style=" not in html and " onclick=" not in html
    for way in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write"):
        assert way not in script[1]


def test_six_subjects_that_fail_everything_stay_below_six_megabytes(
    tmp_path: Path,
) -> None:
    long = tmp_path / "long.txt"
    long.write_text('"<\\é' * 20_000 + "\nthe end\n")
    runs = []
    for number in range(6):
        tests = [a_test(n % 500, "fail", '"<' * 2_000) for n in range(1_000)]
        for test_number, test in enumerate(tests):
            test.id, test.title = f"t::{test_number}", f"a title {test_number}"
            test.transcript = f"{test_number}.txt"
        directory = tmp_path / f"{number}"
        directory.mkdir()
        for test in tests:
            (directory / str(test.transcript)).hardlink_to(long)
        run = a_run([clause(n) for n in range(500)], tests)
        runs.append(
            Record(
                replace(run, subject=f"s{number}"), directory / "r.json", True, "", 1
            )
        )
    write_matrix(runs, tmp_path)
    html = (tmp_path / "matrix.html").read_text(encoding="utf-8")
    assert len(html.encode()) < 6_000_000
    for found in data_of(html)["runs"].values():
        for shown in found["tests"]:
            assert shown["transcript"].endswith("the end\n")
            assert {name for name, _ in shown["facts"]} >= {"expected", "actual"}


def test_runs_that_can_be_compared_need_no_note(tmp_path: Path) -> None:
    assert notes_of(tmp_path, a_subject("one", "pass"), a_subject("two", "fail")) == []


@pytest.mark.parametrize(
    ("name", "changes", "words"),
    [
        ("two", {"suite": {"version": "2", "digest": "e"}}, "different versions"),
        ("two", {"suite": {}}, "different versions"),
        ("two", {"complete": False}, "The run of two has a selection, 1 clause"),
        ("two", {"failure": "no lab"}, "The run of two is incomplete: no lab"),
        ("one", {}, "one is here more than once"),
    ],
)
def test_what_makes_runs_less_than_comparable_is_noted(
    tmp_path: Path, name: str, changes: dict[str, Any], words: str
) -> None:
    second = a_subject(name, "pass", **changes)
    (note,) = notes_of(tmp_path, a_subject("one", "pass"), second)
    assert words in note
    assert note in Document(
        re.sub(
            "<script.*?</script>",
            "",
            page_of(tmp_path, a_subject("one", "pass"), second),
            flags=re.S,
        )
    ).text.replace("\xa0", " ")


def test_one_subject_twice_has_two_columns(tmp_path: Path) -> None:
    html = page_of(tmp_path, *(a_subject("one", o) for o in ("pass", "fail", "error")))
    assert [look for look, _ in cells(html, "AB-00")] == ["pass", "fail", "error"]
    assert re.findall(r'<th [^>]*class="subject"><span>(.*?)<', html) == [
        "one",
        "one #2",
        "one #3",
    ]


def test_each_role_is_a_block_of_rows_and_a_subject_has_one_column(
    tmp_path: Path,
) -> None:
    records = [
        record(a_subject("one", "pass"), tmp_path / "a"),
        record(a_subject("one", "fail", role="receiver"), tmp_path / "b"),
        record(a_subject("two", "error", role="receiver"), tmp_path / "c"),
    ]
    matrix = write_matrix(records, tmp_path)
    assert [column.name for column in matrix.columns] == ["one", "two"]
    assert [block.role for block in matrix.blocks] == ["relay", "receiver"]
    assert matrix.notes == []
    html = (tmp_path / "matrix.html").read_text(encoding="utf-8")
    assert [look for look, _ in cells(html, "AB-00")] == ["pass", "none"]
    assert [look for look, _ in cells(html, "receiver-AB-00")] == ["fail", "error"]
    assert set(data_of(html)["runs"]) == {"0 relay", "0 receiver", "1 receiver"}


def test_the_newest_run_states_a_clause(tmp_path: Path) -> None:
    old, new = a_subject("one", "pass"), a_subject("two", "pass")
    new.clauses[0].clause = replace(clause(0), statement="In newer words.")
    new.started += datetime.timedelta(days=1)
    for first, second in ((old, new), (new, old)):
        assert "In newer words." in page_of(tmp_path, first, second)


def test_decisions_are_beside_the_page_and_lead_back(tmp_path: Path) -> None:
    run = a_subject("one", "pass")
    run.clauses[0].clause = clause(0, source="decisions: errors-421")
    page_of(tmp_path, run)
    text = (tmp_path / "specification.html").read_text(encoding="utf-8")
    assert 'href="matrix.html#AB-00"' in text


def merged(
    capsys: pytest.CaptureFixture[str], *arguments: object
) -> tuple[int, str, str]:
    status = merge([str(argument) for argument in arguments], Console(width=80))
    output = capsys.readouterr()
    return status, output.out, output.err


def test_merge_reads_directories_and_files_and_what_a_killed_run_left(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record(a_subject("one", "pass"), tmp_path / "a")
    record(a_subject("two", "fail"), tmp_path / "b")
    killed = tmp_path / "c"
    killed.mkdir()
    Journal(killed, a_subject("three"), TODAY)
    runs = [tmp_path / "a", tmp_path / "b" / "results.json", killed]
    status, output, _ = merged(capsys, *runs, "--report", tmp_path / "new" / "page")
    assert status == 0
    assert (tmp_path / "new" / "page" / "matrix.html").exists()
    for words in ("one", "conforms", "does not conform", "ended early", "note: "):
        assert words in output


@pytest.mark.parametrize("text", [None, "", "{}", '{"schema": 1}'])
def test_merge_refuses_what_has_no_results_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str | None
) -> None:
    if text is not None:
        (tmp_path / "results.json").write_text(text)
    status, output, errors = merged(capsys, tmp_path, "--report", tmp_path)
    assert (status, output) == (2, "")
    assert "results.json" in errors and errors.count("\n") == 1
    assert not (tmp_path / "matrix.html").exists()


def test_a_matrix_has_a_report_of_each_subject_and_a_page_of_all(
    conform: Conform,
) -> None:
    failing_one = f"""
@clause("{GATING[1]}")
def test_by_subject(world): expect(world.lab.subject.name, "reference", "it")
"""
    run = conform(
        PASSING + failing_one, "--matrix", "reference,control-drop", "-k", GATING[1]
    )
    assert run.status == 1
    names = sorted(path.name for path in run.report.iterdir())
    assert names == ["control-drop", "matrix.html", "reference", "specification.html"]
    html = (run.report / "matrix.html").read_text(encoding="utf-8")
    assert [look for look, _ in cells(html, GATING[1])] == ["pass", "fail"]
    assert [line for line in run.output.splitlines() if line.startswith("== ")] == [
        "== reference (1 of 2)",
        "== control-drop (2 of 2)",
    ]
    reports = {found["place"] for found in data_of(html)["runs"].values()}
    assert reports == {"reference/", "control-drop/"}


def test_each_subject_of_a_matrix_is_judged_by_its_own_known_failures(
    conform: Conform, tmp_path: Path
) -> None:
    drop = ROOT / "conformance" / "subjects" / "controls" / "drop"
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "subject.yaml").write_bytes((drop / "subject.yaml").read_bytes())
    (folder / "start").write_text(f'#!/bin/sh\nSUBJECT={drop} exec {drop}/start "$@"\n')
    (folder / "start").chmod(0o755)
    (folder / "known-failures.yaml").write_text(
        f"- {{clause: {GATING[1]}, actual: '*', verdict: right, reason: it is made to fail here}}\n"
    )
    failing = FAILING.replace("1, 2", "world.lab.subject.name, 'reference'")
    run = conform(failing, "--matrix", f"reference,{folder}", "--regressions")
    assert run.status == 0, run.output + run.errors


@pytest.mark.parametrize(
    ("subjects", "words"),
    [
        ("reference,nonesuch", "nonesuch"),
        ("reference,reference", "two subjects with the name reference"),
        (",", "no subject"),
    ],
)
def test_a_matrix_that_cannot_be_run_is_refused_before_anything_runs(
    conform: Conform, subjects: str, words: str
) -> None:
    run = conform(PASSING, "--matrix", subjects)
    assert run.status == 2
    assert words in run.errors
    assert not run.report.exists()


def test_a_matrix_with_a_subject_that_cannot_run_is_status_3_with_a_page(
    conform: Conform,
) -> None:
    run = conform(PASSING, "--matrix", "reference", binary=Path("/bin/false"))
    assert run.status == 3
    assert "could not run" in (run.report / "matrix.html").read_text(encoding="utf-8")
