"""The command in use: what it starts and builds, what it says of wrong use, and what a reader that
goes away or a report that is moved find."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from conformance.lab import namespace
from conformance.run import spread

from running import Conform, FAILING, GATING, GREETER, PASSING, ROOT


# pytest-xdist's own word for how many workers there are.
WORKERS = 'os.environ.get("PYTEST_XDIST_WORKER_COUNT")'


# What is built and started


@pytest.fixture
def build_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that exists once somebody has tried to build the relay, which fails."""
    record, directory = tmp_path / "built", tmp_path / "bin"
    directory.mkdir()
    for tool in ("meson", "ninja"):
        (directory / tool).write_text(
            f"#!/bin/sh\ntouch {record}\necho broken\nexit 1\n"
        )
        (directory / tool).chmod(0o755)
    monkeypatch.setenv("PATH", f"{directory}:{os.environ['PATH']}")
    monkeypatch.delenv(namespace.INSIDE, raising=False)
    return record


def script(tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """scripts/conform itself on a suite of one test."""
    suite = tmp_path / "suite"
    suite.mkdir()
    text = "from conformance import clause\n" + PASSING
    (suite / "test_it.py").write_text(text, encoding="utf-8")
    command = [str(ROOT / "scripts" / "conform"), "--suite", str(suite)]
    command += ["--report", str(tmp_path / "report"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--subject", "postfix"],
        ["--subject=postfix"],
        ["--target", "127.0.0.1:2501"],
        ["--binary", str(GREETER)],
        ["--list"],
        ["--routes", "1"],
        ["--help"],
        ["--no-such-option"],
        ["-k", "NOPE-01"],
    ],
    ids=" ".join,
)
def test_the_relay_is_not_built_where_it_is_not_needed(
    tmp_path: Path, build_record: Path, arguments: list[str]
) -> None:
    script(tmp_path, *arguments)
    assert not build_record.exists()


def test_the_reference_relay_is_built_and_a_failure_to_build_is_status_3(
    tmp_path: Path, build_record: Path
) -> None:
    done = script(tmp_path)
    assert build_record.exists()
    assert done.returncode == 3
    assert "broken" in done.stderr and "does not build" in done.stderr


@pytest.mark.parametrize("jobs", [None, "4"])
def test_one_test_is_run_without_workers(conform: Conform, jobs: str | None) -> None:
    suite = "import os\n" + PASSING.replace("pass\n", f"assert {WORKERS} is None\n")
    run = conform(suite, jobs=jobs)
    assert run.output.splitlines()[-1] == "1 passed, 0 failed, 0 skipped"


def test_there_are_never_more_workers_than_tests(conform: Conform) -> None:
    suite = "import os\n" + PASSING.replace("pass\n", f'assert {WORKERS} == "2"\n')
    run = conform(suite, "--repeat", "2", jobs="4")
    assert run.output.splitlines()[-1] == "2 passed, 0 failed, 0 skipped"


def test_a_few_tests_share_one_lab_and_many_are_distributed(conform: Conform) -> None:
    suite = "import os\n" + PASSING.replace("pass\n", f"assert {WORKERS} is None\n")
    few = conform(suite, "--repeat", "20", jobs=None)
    assert few.output.splitlines()[-1] == "20 passed, 0 failed, 0 skipped"
    many = conform(suite, "--repeat", "101", jobs=None)
    assert many.output.splitlines()[-1] == "0 passed, 101 failed, 0 skipped"


@pytest.mark.parametrize("can_be_written", [True, False])
def test_compiled_python_is_kept_in_the_build_directory_or_not_at_all(
    tmp_path: Path, can_be_written: bool
) -> None:
    root = tmp_path if can_be_written else Path("/proc/self")
    told = "import sys; print(sys.pycache_prefix, sys.dont_write_bytecode)"
    done = subprocess.run(
        ["bash", "-c", f". scripts/python-cache; /usr/bin/python3 -c '{told}'"],
        cwd=ROOT,
        env={**os.environ, "root": str(root), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
    )
    kept = f"{root}/build/pycache"
    assert done.stdout == (f"{kept} False\n" if can_be_written else "None True\n")


def test_slow_tests_are_distributed_once_each_and_progress_is_shown(
    conform: Conform,
) -> None:
    # The first test alone takes longer than one lab is left to itself.
    suite = f"""
import os, time

@clause("{GATING[0]}")
@pytest.mark.parametrize("number", range(4))
def test_that_may_be_slow(world, number):
    if number == 0:
        time.sleep(2.5)
    assert ({WORKERS} is None) == (number == 0)
"""
    run = conform(suite, jobs=None)
    assert run.output.splitlines()[-1] == "4 passed, 0 failed, 0 skipped"
    assert run.verdict(GATING[0]) == "pass"
    assert all(line.startswith("conform: ") for line in run.errors.splitlines())
    assert run.errors


def test_a_worker_that_gets_more_tests_than_its_share_has_slots_for_them(
    conform: Conform, tmp_path: Path
) -> None:
    # One waits in its worker until the other worker has run most of them.
    suite = f"""
import os
from pathlib import Path
FOLDER = Path({str(tmp_path)!r})

@clause("{GATING[0]}")
@pytest.mark.parametrize("number", range(200))
def test_it(world, number):
    assert world.info.endswith(f"-{{world.slot:04d}}.example")
    routed = {{r.address for zone in world.subject.plan.zones for r in zone.routes}}
    assert world.info in routed
    if number == 0:
        (FOLDER / "gate").read_bytes()
    with open(FOLDER / "count", "ab") as count:
        count.write(b".")
    if os.path.getsize(FOLDER / "count") == 190:
        (FOLDER / "gate").write_bytes(b"open")
"""
    os.mkfifo(tmp_path / "gate")
    run = conform(suite, jobs="2")
    assert run.output.splitlines()[-1] == "200 passed, 0 failed, 0 skipped"


def test_of_many_tests_the_slow_begin_and_neighbours_are_apart() -> None:
    units = [(f"{number}", {f"{number}": False}) for number in range(1000)]
    units.append(("cases", {"case 1": False, "case 2": False}))
    order = [name for name, _ in spread(units, slow={"700"})]
    assert sorted(order) == sorted(name for name, _ in units)
    assert order[:2] == ["700", "cases"]
    places = [int(name) for name in order[2:]]
    assert min(abs(a - b) for a, b in zip(places, places[1:])) > 100
    few = units[:50]
    assert spread(few) == few


def test_the_first_failure_is_the_last_test_in_a_single_lab(
    conform: Conform,
) -> None:
    run = conform(FAILING + PASSING, "--first-failure", jobs=None)
    assert run.output.splitlines()[-1] == "0 passed, 1 failed, 0 skipped"


def test_tests_can_be_named_by_their_ids_and_run_in_that_order(
    conform: Conform, tmp_path: Path
) -> None:
    suite = f"""
@clause("{GATING[0]}")
@pytest.mark.parametrize("number", range(4))
def test_that_passes(world, number): pass
"""
    conform(suite)
    report = tmp_path / "report" / "results.json"

    def ids() -> list[str]:
        return [test["id"] for test in json.loads(report.read_text())["tests"]]

    chosen = [ids()[3], ids()[1]]
    names = tmp_path / "names"
    names.write_text("".join(f"{name}\n" for name in chosen))
    run = conform(suite, "--only", str(names))
    assert run.output.splitlines()[-1] == "2 passed, 0 failed, 0 skipped"
    assert ids() == chosen
    missing = conform(suite, "--only", str(tmp_path / "none"))
    assert missing.status == 2 and "cannot be read" in missing.errors


# A reader that goes away


def without_reader(tmp_path: Path, *arguments: str) -> tuple[int, str]:
    """Exit status and standard error of a run whose output nobody reads."""
    suite = tmp_path / "suite"
    suite.mkdir()
    head = "from conformance import clause, expect\n"
    (suite / "test_it.py").write_text(head + PASSING + FAILING, encoding="utf-8")
    command = [sys.executable, "-m", "conformance", "--binary", str(GREETER), "-j1"]
    command += ["--suite", str(suite), "--report", str(tmp_path / "report")]
    environment = {k: v for k, v in os.environ.items() if k != namespace.INSIDE}
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "wb") as output:
        done = subprocess.run(
            [*command, *arguments],
            cwd=ROOT,
            env=environment,
            stdout=output,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
        )
    return done.returncode, done.stderr


@pytest.mark.parametrize("arguments", [["--list"], ["--help"], ["--routes", "1"]])
def test_a_closed_pipe_ends_a_list_quietly(
    tmp_path: Path, arguments: list[str]
) -> None:
    assert without_reader(tmp_path, *arguments) == (141, "")


@pytest.mark.parametrize("arguments", [[], ["-v"], ["--shuffle"]], ids=" ".join)
def test_a_closed_pipe_does_not_affect_the_reports(
    tmp_path: Path, arguments: list[str]
) -> None:
    status, errors = without_reader(tmp_path, *arguments)
    assert status == 141
    assert all(line.startswith("conform: ") for line in errors.splitlines())
    report = tmp_path / "report"
    suite = ElementTree.parse(report / "junit.xml").getroot()
    assert (suite.get("tests"), suite.get("failures")) == ("2", "1")
    assert suite.find("testcase/error") is None
    assert (report / "results.json").exists() and (report / "index.html").exists()


def test_output_that_cannot_be_written_is_reported_in_one_line(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "conformance", "--list"]
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            command, cwd=ROOT, stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert done.returncode == 3
    assert "No space left" in done.stderr and done.stderr.count("\n") == 1


# Wrong use


def test_every_glob_must_match(conform: Conform) -> None:
    typo = GATING[0].replace("-", "")
    run = conform(PASSING, "-k", GATING[0], "-k", typo, "-k", "QQQQ-77")
    assert run.status == 2
    first, second = run.errors.splitlines()
    assert f"'{typo}'" in first and GATING[0] in first
    assert "'QQQQ-77'" in second
    assert not run.report.exists()
    assert conform(PASSING, "--list", "-k", GATING[0], "-k", typo).status == 2


def test_a_clause_id_without_its_option_gets_a_hint_to_the_option(
    conform: Conform,
) -> None:
    run = conform(PASSING, GATING[0])
    assert run.status == 2
    assert "use -k" in run.errors


def test_an_unknown_subject_is_refused_with_the_known_ones(
    conform: Conform,
) -> None:
    run = conform(PASSING, "--subject", "nonesuch")
    assert run.status == 2
    assert "reference" in run.errors and "control-naive" in run.errors


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (b"- {clause: NOPE-01, reason: r, until: 2999-01-01}\n", "NOPE-01"),
        (b"- {clause: SRS-01, reason: r, until: 2999-01-01 10:00:00}\n", "YYYY-MM-DD"),
        (b"\xff\xfe\n", "decode"),
        (b"- {\n", "line"),
    ],
    ids=["no such clause", "a time of day", "no text", "no YAML"],
)
def test_an_invalid_waiver_file_is_refused_before_anything_runs(
    conform: Conform, tmp_path: Path, text: bytes, complaint: str
) -> None:
    path = tmp_path / "waivers.yaml"
    path.write_bytes(text)
    run = conform(PASSING, "-k", GATING[0], "--waivers", str(path))
    assert run.status == 2
    assert complaint in run.errors and "Traceback" not in run.errors
    assert not run.report.exists()


@pytest.mark.alone  # the progress of a slow start would be further lines
def test_a_report_that_cannot_be_written_at_the_end_is_reported_in_one_line(
    conform: Conform, tmp_path: Path
) -> None:
    (tmp_path / "report" / "index.html").mkdir(parents=True)
    run = conform(PASSING)
    assert run.status == 3
    assert "index.html" in run.errors and run.errors.count("\n") == 1


@pytest.mark.parametrize(
    "target", ["nonsense", "127.0.0.1:0", "127.0.0.1:65536", ":25"]
)
def test_an_invalid_target_is_refused_with_an_example(
    conform: Conform, target: str
) -> None:
    run = conform(PASSING, "--target", target)
    assert run.status == 3
    assert "such as 127.0.0.1:25" in run.output


# A report that is moved


def test_a_report_can_be_moved(conform: Conform, tmp_path: Path) -> None:
    suite = f"""
@pytest.fixture
def broken(): raise RuntimeError("before the world was there")

@clause("{GATING[2]}")
def test_that_breaks_early(broken, world): pass
"""
    run = conform(PASSING + FAILING + suite, binary=GREETER.relative_to(ROOT), jobs="2")
    moved = tmp_path / "elsewhere"
    shutil.move(run.report, moved)
    run.report = moved
    transcripts = {
        test["title"]: test.get("transcript") for test in run.results["tests"]
    }
    assert transcripts.pop("that breaks early") is None
    for transcript in transcripts.values():
        assert (moved / transcript).is_file()
        assert transcript in (moved / "index.html").read_text()
    assert transcripts["that fails"] in (moved / "junit.xml").read_text()
    for name in ("results.json", "junit.xml", "index.html"):
        text = (moved / name).read_text()
        assert str(tmp_path / "report") not in text
        assert f"{ROOT}/" not in text
