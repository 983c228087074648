"""The command: verdicts, exit statuses, selection, waivers and reports."""

from __future__ import annotations

import datetime
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

from conformance.clauses import load_catalogue

from running import Conform, FAILING, GATING, GREETER, PASSING, ROOT

# Clauses of the real catalogue, by what the tests need of them.
CATALOGUE = load_catalogue()
PLAIN = [c for c in CATALOGUE.values() if c.capability is None and "relay" in c.roles]
WARNING = next(c.id for c in PLAIN if not c.gates)

# What gates for any MTA but the reference.
FOREIGN = ["--gate", "documented,limitation,required"]


def test_every_verdict_occurs(conform: Conform) -> None:
    names = GATING[:6]
    run = conform(
        f"""
@clause("{names[0]}")
def test_passes(world): pass

@clause("{names[1]}")
def test_fails(world): expect("seen", "wanted", "it")

@clause("{names[2]}")
def test_asserts(world): assert 1 == 2

@clause("{names[3]}")
def test_breaks(world): raise RuntimeError("the harness is broken")

@clause("{names[4]}")
def test_skips(world): pytest.skip("no such thing here")

@clause("{names[5]}")
def test_needs(world): world.require("flying")
""",
    )
    assert [run.verdict(name) for name in names] == [
        "pass",
        "fail",
        "fail",
        "error",
        "skipped",
        "unimplemented",
    ]
    by_title = {test["title"]: test for test in run.results["tests"]}
    assert by_title["fails"]["expected"] == "it: wanted"
    assert by_title["fails"]["actual"] == "seen"
    assert "the harness is broken" in by_title["breaks"]["reason"]
    assert by_title["skips"]["reason"] == "no such thing here"
    assert "flying" in by_title["needs"]["reason"]
    assert run.status == 1


def test_a_failing_test_outweighs_a_passing_one(conform: Conform) -> None:
    run = conform(PASSING + FAILING.replace(GATING[1], GATING[0]))
    assert run.verdict(GATING[0]) == "fail"


def test_an_exception_in_teardown_is_an_error(conform: Conform) -> None:
    run = conform(
        """
@pytest.fixture
def fragile():
    yield
    raise RuntimeError("broken")
"""
        + PASSING.replace("(world)", "(world, fragile)")
    )
    assert run.verdict(GATING[0]) == "error"
    assert run.status == 3


@pytest.mark.parametrize(
    ("suite", "arguments", "status"),
    [
        (PASSING, [], 0),
        (PASSING + FAILING, [], 1),
        (PASSING + FAILING.replace(GATING[1], WARNING), [], 1),
        (PASSING + FAILING.replace(GATING[1], WARNING), FOREIGN, 0),
        (PASSING + FAILING, ["--gate", "choice"], 0),
        (PASSING, ["--gate", "choise"], 2),
        (PASSING + FAILING, ["-k", GATING[0]], 0),
        (PASSING, ["-k", GATING[1]], 2),
        (PASSING, ["-k", "NOPE-*"], 2),
        (PASSING, ["--no-such-option"], 2),
        (PASSING, ["-j", "0"], 2),
        (PASSING, ["--routes", "0"], 2),
        (PASSING, ["--timeout-scale", "nan"], 2),
        ("import nothing_of_this_name", [], 3),
        (PASSING.replace("pass\n", "raise RuntimeError\n"), [], 3),
    ],
    ids=[
        "conforms",
        "a gating clause fails",
        "every level gates for the reference",
        "a clause that only warns fails",
        "no gating clause fails",
        "no level of that name",
        "the failing one is not selected",
        "no test for the selection",
        "no clause of that name",
        "usage",
        "no lab at all",
        "no routes at all",
        "no patience",
        "the suite cannot be loaded",
        "the harness breaks",
    ],
)
def test_exit_status(
    conform: Conform, suite: str, arguments: list[str], status: int
) -> None:
    assert conform(suite, *arguments).status == status


@pytest.mark.parametrize("program", ["/bin/false", "/nowhere/fairlead"])
def test_a_subject_that_does_not_start_is_status_3_with_reports(
    conform: Conform, program: str
) -> None:
    run = conform(PASSING, binary=Path(program))
    assert run.status == 3
    assert run.results["failure"]
    assert "could not run" in run.output
    assert (
        ElementTree.parse(run.report / "junit.xml").getroot().find("testcase/error")
        is not None
    )


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_hostile_bytes_break_no_reporter(conform: Conform, jobs: str) -> None:
    run = conform(
        f"""
@clause("{GATING[0]}")
def test_is_hostile(world):
    hostile = "\\x00\\x1b[2J\\x9b\\x07]]>&<a>\\ud800[bold red]\\uffff\\u202e\\r\\n" + chr(0xDC80)
    world.transcript.add("client", ">", bytes(range(256)) + b"\\n\\xff")
    expect(hostile, hostile + "!", hostile)

@clause("{GATING[1]}")
def test_raises_hostile_things(world):
    raise RuntimeError("\\x00\\x1b[2J\\ud800]]>" + str(bytes(range(256))))
""",
        jobs=jobs,
    )
    assert run.status == 1
    assert run.verdict(GATING[0]) == "fail"
    assert run.verdict(GATING[1]) == "error"
    ElementTree.parse(run.report / "junit.xml")
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", run.output)
    assert "[bold red]" in run.output
    for transcript in (run.report / "transcripts").iterdir():
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f]", transcript.read_text())


def test_the_last_line_counts_tests(conform: Conform) -> None:
    run = conform(PASSING + FAILING)
    assert run.output.splitlines()[-1] == "1 passed, 1 failed, 0 skipped"


def test_a_failure_is_shown_with_everything_needed(conform: Conform) -> None:
    run = conform(FAILING)
    (failure,) = [test for test in run.results["tests"] if test["outcome"] == "fail"]
    for shown in ("a number: 2", GATING[1], failure["transcript"], f"-k {GATING[1]}"):
        assert shown in run.output
    assert (run.report / failure["transcript"]).exists()


def test_a_report_that_cannot_be_written_is_reported_before_any_test_runs(
    conform: Conform,
) -> None:
    run = conform(PASSING, "--report", __file__)
    assert run.status == 2
    assert "--report" in run.errors and run.errors.count("\n") == 1
    assert run.output == ""


def test_the_html_report_is_written_whatever_the_outcome_of_a_run(
    conform: Conform,
) -> None:
    run = conform(PASSING + FAILING)
    assert run.status == 1
    page = run.report / "index.html"
    assert f'id="{GATING[1]}"' in page.read_text()
    page.unlink()
    assert conform(PASSING, binary=Path("/bin/false")).status == 3
    assert "could not run" in page.read_text()


def test_repeat_runs_every_test_n_times(conform: Conform) -> None:
    run = conform(PASSING + FAILING, "--repeat", "3", jobs="2")
    assert run.output.splitlines()[-1] == "3 passed, 3 failed, 0 skipped"


def test_shuffle_prints_its_seed_and_loses_no_test(conform: Conform) -> None:
    run = conform(PASSING + FAILING, "--shuffle", "7")
    assert "seed 7" in run.output
    assert run.output.splitlines()[-1] == "1 passed, 1 failed, 0 skipped"


def test_list_shows_clauses_and_runs_nothing(conform: Conform) -> None:
    run = conform(PASSING, "--list", "-k", GATING[0])
    assert run.status == 0
    assert CATALOGUE[GATING[0]].statement in run.output
    assert not run.report.exists()


def waiver(tmp_path: Path, clause: str, days: int) -> str:
    until = datetime.date.today() + datetime.timedelta(days=days)
    path = tmp_path / "waivers.yaml"
    path.write_text(f"- clause: {clause}\n  reason: known\n  until: {until}\n")
    return str(path)


def test_a_waived_failure_does_not_gate(conform: Conform, tmp_path: Path) -> None:
    run = conform(PASSING + FAILING, "--waivers", waiver(tmp_path, GATING[1], 1))
    assert run.status == 0
    assert "waived until" in run.output


def test_an_expired_waiver_fails(conform: Conform, tmp_path: Path) -> None:
    run = conform(FAILING, "--waivers", waiver(tmp_path, GATING[1], -1))
    assert run.status == 1
    assert "expired" in run.output


def test_a_waiver_that_is_not_needed_fails(conform: Conform, tmp_path: Path) -> None:
    run = conform(PASSING, "--waivers", waiver(tmp_path, GATING[1], 1))
    assert run.status == 1
    assert "is no longer needed" in run.output


def test_a_waiver_outside_the_selection_is_ignored(
    conform: Conform, tmp_path: Path
) -> None:
    path = waiver(tmp_path, GATING[1], 1)
    assert conform(PASSING, "-k", GATING[0], "--waivers", path).status == 0


def test_an_invalid_waiver_file_is_a_usage_error(
    conform: Conform, tmp_path: Path
) -> None:
    path = tmp_path / "waivers.yaml"
    path.write_text("- clause: X\n")
    assert conform(PASSING, "--waivers", str(path)).status == 2


def test_nothing_is_left_behind(conform: Conform, tmp_path: Path) -> None:
    conform(PASSING)
    assert list((tmp_path / "tmp").iterdir()) == []


@pytest.fixture
def running_mta(tmp_path: Path) -> Iterator[str]:
    """An MTA that somebody else has started in this network, as HOST:PORT."""
    configuration = tmp_path / "greeter.json"
    configuration.write_text(
        json.dumps({"listen": [{"address": "127.0.0.1", "port": 2500}]})
    )
    process = subprocess.Popen([GREETER, "serve", "-c", str(configuration)])
    try:
        yield "127.0.0.1:2500"
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("by", ["none", "proxy", "xclient"])
def test_a_running_mta_can_be_tested(
    conform: Conform, running_mta: str, by: str
) -> None:
    suite = PASSING.replace("pass\n", "world.client().quit()\n") + FAILING
    run = conform(suite, "--target", running_mta, "--client-address-by", by, "--anyway")
    passes = 0 if by == "xclient" else 1  # the greeter does not know XCLIENT
    assert (
        run.output.splitlines()[-1]
        == f"{passes} passed, {2 - passes} failed, 0 skipped"
    )
    assert run.status == 1


def test_an_invalid_target_is_status_3(conform: Conform) -> None:
    assert conform(PASSING, "--target", "127.0.0.1:2501").status == 3
    assert conform(PASSING, "--target", "nonsense").status == 3


def test_an_interrupted_run_has_no_verdict(conform: Conform) -> None:
    run = conform(
        PASSING + FAILING.replace("(world):", "(world): raise KeyboardInterrupt #")
    )
    assert run.status == 3
    assert "before the end" in run.output


def test_the_lab_has_a_host_name_without_a_domain(conform: Conform) -> None:
    """Of that of the machine, resolvers would make a search domain."""
    run = conform(
        f"""
import socket
@clause("{GATING[0]}")
def test_it(world):
    expect(socket.gethostname(), "lab", "the host name")
"""
    )
    assert run.verdict(GATING[0]) == "pass", run.output


FORBIDDING = 'echo 0 >/proc/sys/user/max_net_namespaces && exec "$@"'


def test_forbidden_namespaces_are_reported_in_one_line(tmp_path: Path) -> None:
    command = ["unshare", "--user", "--map-root-user", "sh", "-c", FORBIDDING, "sh"]
    command += [sys.executable, "-m", "conformance", "--binary", str(GREETER)]
    done = subprocess.run(
        [*command, "--report", str(tmp_path / "report")],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 3
    assert "not allowed here (unshare: too many namespaces)" in done.stderr
    assert done.stderr.count("\n") == 1


def test_scripts_conform_explains_its_options(conform: Conform) -> None:
    run = conform(PASSING, "--help")
    assert run.status == 0
    for option in ("--subject", "--target", "--shuffle", "--waivers", "--shell"):
        assert option in run.output
