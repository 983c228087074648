"""Broken relays: what can be broken by name or at random, how it is done, and what counts as noticed."""

from __future__ import annotations

import datetime
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from breaking import SOURCE, result, root, suite  # noqa: F401
from jsonschema import Draft202012Validator
from running import ROOT

from conformance.clauses import load_catalogue
from conformance.tracing import Trace
from tests.mutants import (
    breakages,
    command,
    demand,
    judging,
    scope,
    table,
)
from tests.mutants.breakages import Breakage, PatchError
from tests.mutants.judging import Finding, Results, Verdict
from tests.mutants.workshop import BuildError, Workshop

PATCH = """\
It sums up too much.
Clauses: ERR-06, ERR-07

--- a/relay/ask.c
+++ b/relay/ask.c
@@ -5,3 +5,3 @@
     int sum = 0;
-    for (int i = 0; i < number; i++)
+    for (int i = 0; i <= number; i++)
         sum += i;
"""


def add_patch(root: Path, name: str, text: str = PATCH) -> Path:
    path = root / breakages.FOLDER / name
    path.write_text(text)
    return path


# What can be broken by name


def test_breakages_in_the_code_are_named_with_their_word(root: Path) -> None:
    (root / "relay/ask.c").write_text(
        "/* CLAUSE(SRS_01, x) */\nif (CLAUSE(SRS_03, a))\n  b = BREAK(DLG_04_wrong_code, 1, 2);\n"
        "else if (unless_broken(SRS_03))\n"
    )
    found = {breakage.id: breakage for breakage in breakages.in_code(root)}
    assert set(found) == {"SRS-03", "DLG-04-wrong-code"}
    assert found["SRS-03"].places == ("relay/ask.c:2", "relay/ask.c:4")
    assert found["DLG-04-wrong-code"].clauses == ("DLG-04",)


def test_a_patch_says_what_it_breaks_and_where(root: Path) -> None:
    breakage = breakages.read_patch(add_patch(root, "ERR-06-sum.patch"))
    assert breakage.id == "ERR-06-sum"
    assert breakage.clauses == ("ERR-06", "ERR-07")
    assert breakage.what == "It sums up too much."
    assert breakage.places == ("relay/ask.c:5",)


def test_a_patch_breaks_the_clause_of_its_name(root: Path) -> None:
    text = PATCH.replace("Clauses: ERR-06, ERR-07\n", "")
    assert breakages.read_patch(add_patch(root, "ERR-06.patch", text)).clauses == (
        "ERR-06",
    )


@pytest.mark.parametrize(
    "name, text, complaint",
    [
        ("sum.patch", PATCH, "not called"),
        ("ERR-06_x.patch", PATCH, "not called"),
        ("ERR-06.patch", "Nothing.\n", "no unified diff"),
        ("ERR-06.patch", PATCH[PATCH.index("---") :], "no text"),
        ("ERR-06.patch", PATCH[: PATCH.index("@@")], "no hunk"),
        ("ERR-06.patch", PATCH.replace("relay/", "load/"), "not in relay/"),
    ],
)
def test_a_patch_in_another_form_is_refused(
    root: Path, name: str, text: str, complaint: str
) -> None:
    add_patch(root, name, text)
    found, wrong = breakages.collect(root)
    assert not found
    assert len(wrong) == 1 and complaint in wrong[0] and name in wrong[0]


def test_a_patch_with_the_name_of_a_breakage_in_the_code_is_refused(root: Path) -> None:
    (root / "relay/ask.c").write_text("if (CLAUSE(ERR_06, a))\n")
    add_patch(root, "ERR-06.patch")
    assert "also in relay/" in breakages.collect(root)[1][0]


def test_clauses_and_breakages_are_selected_by_globs() -> None:
    whole = Breakage("ERR-06-sum", ("ERR-06", "ERR-07"), ())
    other = Breakage("DLG-04", ("DLG-04",), ())
    assert breakages.selected([whole, other], []) == [whole, other]
    assert breakages.selected([whole, other], ["err-06-*"]) == [whole]
    (part,) = breakages.selected([whole, other], ["ERR-07"])
    assert part.id == "ERR-06-sum" and part.clauses == ("ERR-07",)


def test_every_clause_of_the_relay_is_demanded_unless_exempt() -> None:
    catalogue = load_catalogue()
    first, second, third, *others = [
        name for name, clause in catalogue.items() if demand.ROLE in clause.roles
    ]
    found = [Breakage(first, (first,), ()), Breakage("X-1", tuple(others), ())]
    exemptions = [demand.Exemption(third, "why"), demand.Exemption(first, "idle")]
    missing, wrong = demand.unbroken(catalogue, found, exemptions)
    assert missing == [second]
    assert len(wrong) == 1 and first in wrong[0]


def test_the_exemptions_of_this_repository_have_reasons_and_are_needed() -> None:
    exemptions = demand.load_exemptions(ROOT / demand.EXEMPT)
    found, wrong = breakages.collect(ROOT)
    assert not wrong
    assert demand.unbroken(load_catalogue(), found, exemptions)[1] == []


# What a change has to do with


def git(root: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example"]
    subprocess.run(
        ["git", "-C", str(root), *identity, *arguments], check=True, capture_output=True
    )


def test_breakages_of_changed_files_and_changed_patches_are_chosen(root: Path) -> None:
    (root / "relay/other.c").write_text("if (CLAUSE(ERR_01, a))\n")
    add_patch(root, "ERR-06.patch")
    git(root, "init", "-b", "main")
    git(root, "add", ".")
    git(root, "commit", "-m", "one")
    found, _ = breakages.collect(root)

    def chosen(reference: str | None = None) -> set[str]:
        changed = scope.changed_files(root, reference)
        return {breakage.id for breakage in scope.touched(found, changed)}

    assert chosen() == set()
    (root / "relay/ask.c").write_text(SOURCE + "\n")
    assert chosen() == {"ERR-06"}  # uncommitted, and the patch is for it
    git(root, "commit", "-am", "two")
    assert chosen() == {"ERR-06"}  # on main, its last commit
    git(root, "checkout", "-b", "branch")
    assert chosen("HEAD") == set()
    add_patch(root, "ERR-07.patch")
    found, _ = breakages.collect(root)
    assert chosen("HEAD") == {"ERR-07"}  # a new patch
    (root / "relay/other.c").write_text("\nif (CLAUSE(ERR_01, a))\n")
    git(root, "commit", "-am", "three")
    assert chosen() >= {"ERR-01"}
    with pytest.raises(scope.NoHistory):
        scope.changed_files(root, "nonsense")


def test_of_many_breakages_some_are_tried_from_all_over() -> None:
    many = [
        Breakage(f"ERR-{number:02}", ("ERR-01",), ("x.c:1",)) for number in range(10)
    ]
    assert command.spread(many, None) == command.spread(many, 10) == many
    assert [b.id for b in command.spread(many, 3)] == ["ERR-00", "ERR-03", "ERR-06"]


def test_without_history_nothing_is_known_to_have_changed(tmp_path: Path) -> None:
    with pytest.raises(scope.NoHistory):
        scope.changed_files(tmp_path, None)


# How it is broken


def status(workshop: Workshop) -> int:
    """Of the tiny relay: 0 if ask() is right."""
    return subprocess.run([workshop.binary]).returncode


def test_a_workshop_breaks_and_mends_its_copy(root: Path, tmp_path: Path) -> None:
    workshop = Workshop(tmp_path / "bench", root)
    workshop.restore()
    workshop.compile()
    assert status(workshop) == 0
    # Lines have moved since the patch was written.
    (root / "relay/ask.c").write_text("/* one\n * two\n * three */\n" + SOURCE)
    workshop.restore()
    workshop.apply(add_patch(root, "ERR-06.patch"))
    workshop.compile()
    assert status(workshop) == 1
    (root / "relay/unused.h").write_text("")
    workshop.restore()
    workshop.compile()
    assert status(workshop) == 0
    assert (workshop.source / "relay/unused.h").exists()
    (root / "relay/unused.h").unlink()
    workshop.restore()
    assert not (workshop.source / "relay/unused.h").exists()
    assert (root / "relay/ask.c").read_text().endswith(SOURCE)


def test_the_patches_of_this_repository_apply(tmp_path: Path) -> None:
    """Where the code that one changes has changed, so does it."""
    workshop = Workshop(tmp_path, ROOT)
    workshop.restore()
    stale = []
    for breakage in breakages.collect(ROOT)[0]:
        if breakage.patch is None:
            continue
        try:
            workshop.apply(breakage.patch, "--dry-run")
        except PatchError:
            stale.append(breakage.id)
    assert not stale


def test_a_patch_that_does_not_apply_or_compile_is_named(
    root: Path, tmp_path: Path
) -> None:
    workshop = Workshop(tmp_path / "bench", root)
    workshop.restore()
    stale = add_patch(root, "ERR-06.patch", PATCH.replace("int sum", "long sum"))
    stale.write_text(PATCH.replace("i < number", "i < amount"))
    with pytest.raises(PatchError, match="ERR-06.patch does not apply"):
        workshop.apply(stale)
    workshop.restore()
    workshop.apply(
        add_patch(root, "ERR-07.patch", PATCH.replace("i <= number", "i <= amount"))
    )
    with pytest.raises(BuildError, match="amount"):
        workshop.compile()


def test_what_cannot_be_broken_is_an_error(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "BUILD", tmp_path / "build")
    monkeypatch.setattr(command, "ROOT", root)
    patch = add_patch(root, "ERR-06.patch", PATCH.replace("i < number", "i < amount"))
    breakage = breakages.read_patch(patch)
    findings = command.Benches(1).judge(breakage, Trace())
    assert [f.verdict for f in findings] == [Verdict.ERROR, Verdict.ERROR]
    assert {f.reason for f in findings} == {"does not apply"}


# What counts as noticed

BREAKAGE = Breakage("ERR-06", ("ERR-06",), ("relay/ask.c:1",))
TRACE = Trace(tests={"ERR-06": ["test_it.py::test_that"]})


@pytest.mark.parametrize(
    "results, verdict",
    [
        ({"tests": [result("pass"), result("fail")]}, Verdict.FAIL),
        ({"tests": [result("pass"), result("fail", "ERR-07")]}, Verdict.SURVIVED),
        ({"tests": [result("pass"), result("error")]}, Verdict.ERROR),
        ({"tests": [result("fail"), result("error")]}, Verdict.FAIL),
        ({"tests": [result("unimplemented")]}, Verdict.SURVIVED),
        ({"tests": [], "failure": "it does not start"}, Verdict.ERROR),
    ],
)
def test_only_a_failure_of_a_test_of_the_clause_counts(
    suite: Callable[..., list[Any]], results: Results, verdict: Verdict
) -> None:
    suite(results)
    assert judging.judge(BREAKAGE, "ERR-06", Path("relay"), TRACE).verdict == verdict


def test_a_clause_without_a_test_survives(suite: Callable[..., list[Any]]) -> None:
    calls = suite()
    finding = judging.judge(BREAKAGE, "ERR-07", Path("relay"), TRACE)
    assert finding.verdict == Verdict.SURVIVED and not calls


def test_a_late_lab_gets_a_second_chance(suite: Callable[..., list[Any]]) -> None:
    suite({"tests": [result("error", late=True)]}, {"tests": [result("fail")]})
    finding = judging.judge(BREAKAGE, "ERR-06", Path("relay"), TRACE)
    assert finding.verdict == Verdict.FAIL


def test_a_breakage_in_the_code_is_asked_for_and_a_patch_is_not(
    suite: Callable[..., list[Any]],
) -> None:
    calls = suite({"tests": []}, {"tests": []})
    judging.judge(BREAKAGE, "ERR-06", Path("relay"), TRACE)
    patch = Breakage("ERR-06-x", ("ERR-06",), (), "Why.", Path("ERR-06-x.patch"))
    judging.judge(patch, "ERR-06", Path("relay"), TRACE)
    assert "--break" in calls[0] and "--break" not in calls[1]


def test_a_run_ends_with_its_first_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "root"
    (root / "scripts").mkdir(parents=True)
    script = root / "scripts/conform"
    # It writes its journal, and would last for ever.
    lines = [{"schema": 1}, result("pass"), result("fail")]
    text = "".join(f"echo '{json.dumps(line)}'\n" for line in lines)
    script.write_text(
        f'#!/bin/sh\n{{ {text} }} >"$4/results.jsonl"\nexec sleep infinity\n'
    )
    script.chmod(0o755)
    monkeypatch.setattr(judging, "ROOT", root)
    results = judging.conform(Path("relay"), (), failures_enough=1)
    assert results["failure"] is None
    assert judging.tests_with(results, "fail") == ["test_it.py::test_that"]
    results = judging.conform(Path("relay"), (), seconds_max=1.0)
    assert results["failure"] == judging.DID_NOT_END


# The table


def test_the_table_follows_its_schema_and_escapes(tmp_path: Path) -> None:
    findings = [
        Finding(BREAKAGE, "ERR-06", Verdict.FAIL, "test_it.py::test_that", "", 1.0),
        Finding(
            Breakage("ERR-07-x", ("ERR-07",), (), "A <b>.", Path("ERR-07-x.patch")),
            "ERR-07",
            Verdict.SURVIVED,
            reason="every test passed",
        ),
    ]
    now = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)
    table.write(table.to_document(findings, now, 2.0, True), tmp_path)
    document = json.loads((tmp_path / table.JSON).read_text())
    schema = json.loads((ROOT / "conformance/schemas/mutants.schema.json").read_text())
    Draft202012Validator(schema).validate(document)
    assert document["counts"] == {"fail": 1, "error": 0, "survived": 1}
    assert document["findings"][1]["place"] == "tests/mutants/ERR-07-x.patch"
    page = (tmp_path / table.HTML).read_text()
    assert "A &lt;b&gt;." in page and 'href="index.html#ERR-07"' in page
    assert page.index("ERR-07-x") < page.index("test_that")
