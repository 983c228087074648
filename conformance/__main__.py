"""The `conform` command: holds an MTA to the clauses of the catalogue.

Started by scripts/conform, which makes sure that what it needs is there.

Exit status: 0 the subject conforms, 1 it does not, 2 wrong usage or nothing selected, 3 the lab or
the subject could not run. Reports are written in every case from the moment that something ran.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

import pytest
from rich.console import Console

from conformance import shell
from conformance.clauses import CatalogueError, Clause, load_catalogue, selected
from conformance.lab import namespace
from conformance.lab.world import make_plan
from conformance.report.console import Progress, list_clauses, report
from conformance.report.files import write_files
from conformance.report.model import (
    COULD_NOT_RUN,
    USAGE,
    Outcome,
    Run,
    TestResult,
    WaiverError,
    judge,
    load_waivers,
)
from conformance.settings import ROOT, Settings
from conformance.subjects import NAMES, make_subject
from conformance.subjects.base import SubjectUnavailable


ENDINGS = (
    pytest.ExitCode.OK,
    pytest.ExitCode.TESTS_FAILED,
    pytest.ExitCode.NO_TESTS_COLLECTED,
)


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/conform",
        usage="%(prog)s [option]...",
        description="Holds an MTA that forwards mail to the clauses of conformance/catalogue/.",
        epilog="Exit status: 0 conforms, 1 does not, 2 usage or nothing selected, "
        "3 the lab or the subject could not run.",
    )
    whom = parser.add_mutually_exclusive_group()
    whom.add_argument(
        "--subject", choices=NAMES, default="reference", help="an MTA the lab starts"
    )
    whom.add_argument("--target", metavar="HOST:PORT", help="an MTA that runs already")
    parser.add_argument(
        "--client-address-by",
        choices=("none", "proxy", "xclient"),
        default="none",
        help="how --target is told from where a client comes",
    )
    parser.add_argument(
        "-k",
        metavar="CLAUSE-GLOB",
        action="append",
        default=[],
        dest="clauses",
        help="only tests of these clauses, e.g. 'SRS-*'; may be given again",
    )
    parser.add_argument("--list", action="store_true", help="show the clauses and end")
    parser.add_argument(
        "--routes", type=int, metavar="N", help="show the routes N tests need, and end"
    )
    parser.add_argument(
        "-j",
        type=int,
        metavar="N",
        dest="jobs",
        help="labs at once (default: two a CPU)",
    )
    parser.add_argument(
        "--shuffle",
        type=int,
        nargs="?",
        const=-1,
        metavar="SEED",
        help="run tests in a random order",
    )
    parser.add_argument(
        "--repeat", type=int, default=1, metavar="N", help="run every test N times"
    )
    parser.add_argument(
        "--timeout-scale",
        type=float,
        default=1.0,
        metavar="X",
        help="multiplies the lab's patience",
    )
    parser.add_argument(
        "--report", default=str(ROOT / "reports"), metavar="DIR", help="for reports"
    )
    parser.add_argument(
        "--strict", action="store_true", help="clauses that only warn gate as well"
    )
    parser.add_argument(
        "--waivers", metavar="FILE", help="failures that are known and accepted"
    )
    parser.add_argument(
        "--shell", action="store_true", help="open a shell in the running lab"
    )
    parser.add_argument(
        "-v", action="store_true", dest="verbose", help="a line for every test"
    )
    # For scripts/mutants and for builds elsewhere.
    parser.add_argument("--binary", metavar="PATH", help="of the reference relay")
    parser.add_argument(
        "--break", metavar="CLAUSE", dest="broken_clause", help=argparse.SUPPRESS
    )
    parser.add_argument(
        "--first-failure",
        action="store_true",
        help="end with the first test that fails",
    )
    parser.add_argument(
        "--suite", default=str(ROOT / "conformance" / "suite"), help=argparse.SUPPRESS
    )
    options = parser.parse_args(arguments)
    jobs = 1 if options.jobs is None else options.jobs
    if options.repeat < 1 or options.timeout_scale <= 0 or jobs < 1:
        parser.error("-j, --repeat and --timeout-scale are positive")
    return options


def settings_of(options: argparse.Namespace) -> Settings:
    seed = options.shuffle
    if seed == -1:
        seed = random.SystemRandom().randrange(1_000_000)
    return Settings(
        subject=options.subject,
        target=options.target,
        client_address_by=options.client_address_by,
        clauses=options.clauses,
        # Most of the time a lab waits. A remote subject has one network, so one lab.
        jobs=1 if options.target else options.jobs or 2 * len(os.sched_getaffinity(0)),
        shuffle=seed,
        repeat=options.repeat,
        timeout_scale=options.timeout_scale,
        report=str(Path(options.report).resolve()),
        strict=options.strict,
        waivers=options.waivers,
        verbose=options.verbose,
        binary=options.binary,
        broken_clause=options.broken_clause,
        first_failure=options.first_failure,
        suite=str(Path(options.suite).resolve()),
    )


class Collector:
    """A pytest plugin that gathers what the workers' tests came to."""

    def __init__(self, progress: Progress) -> None:
        self.tests: dict[str, TestResult] = {}
        self.failure: str | None = None
        self._progress = progress

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        data = getattr(report, "conform", None)
        if data is None:
            return
        result = TestResult(**json.loads(data))
        result.outcome = Outcome(result.outcome)
        if result.lab_failure:
            self.failure = self.failure or result.reason
        elif result.id not in self.tests:
            self._progress.add(result)
        # A teardown that breaks outweighs the test's own outcome.
        self.tests[result.id] = result

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self._progress.expect(len(session.items))

    @pytest.hookimpl(optionalhook=True)  # type: ignore[misc]
    def pytest_xdist_node_collection_finished(
        self, node: object, ids: list[str]
    ) -> None:
        self._progress.expect(len(ids))

    def pytest_keyboard_interrupt(self, excinfo: object) -> None:
        self.failure = self.failure or "ended early: interrupted"

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.failure = self.failure or f"{report.nodeid}: {report.longreprtext}"

    def pytest_internalerror(self, excrepr: object) -> None:
        self.failure = self.failure or str(excrepr)

    def pytest_testnodedown(self, node: object, error: object) -> None:
        if error:
            self.failure = self.failure or f"a worker ended: {error}"


def run_tests(
    settings: Settings, chosen: list[Clause], complete: bool, console: Console
) -> Run:
    """Runs the suite and returns everything there is to report."""
    started, clock = datetime.datetime.now(datetime.UTC), time.monotonic()
    progress = Progress(console, settings.verbose)
    collector = Collector(progress)
    failure, version = None, "?"
    shutil.rmtree(settings.transcripts, ignore_errors=True)  # those of an earlier run
    try:
        version = make_subject(settings).version()
        ending = run_pytest(settings, collector)
        if ending not in ENDINGS:
            failure = collector.failure or f"pytest ended early: {ending}"
    except SubjectUnavailable as error:
        failure = str(error)
    progress.clear()
    tests = [test for test in collector.tests.values() if not test.lab_failure]
    return Run(
        subject=settings.target or settings.subject,
        version=version,
        started=started,
        duration=time.monotonic() - clock,
        strict=settings.strict,
        complete=complete,
        clauses=judge(chosen, tests),
        tests=tests,
        failure=failure or collector.failure,
    )


def run_pytest(settings: Settings, collector: Collector) -> int:
    """Returns pytest's exit status; one that is not in ENDINGS says that tests are missing."""
    arguments = [
        settings.suite,
        f"--rootdir={ROOT}",
        "--override-ini=python_files=test_*.py",
        "--import-mode=importlib",
        "-pconformance.plugin",
        "-pno:cacheprovider",
        "-pno:terminal",
        "-pno:logging",
        f"--conform-settings={settings.to_json()}",
    ]
    if settings.first_failure:
        arguments.append("--exitfirst")
    if settings.jobs > 1:
        arguments += [f"-n{settings.jobs}", "--dist=load"]
    return int(pytest.main(arguments, plugins=[collector]))


def can_report(settings: Settings) -> bool:
    """Whether reports can be written, which had better be known before all tests have run."""
    try:
        settings.transcripts.mkdir(parents=True, exist_ok=True)
        for directory in (settings.transcripts, settings.transcripts.parent):
            with tempfile.TemporaryFile(dir=directory):
                pass
    except OSError as error:
        print(
            f"conform: no report can be written ({error}); name another directory with --report",
            file=sys.stderr,
        )
        return False
    return True


def main(arguments: list[str]) -> int:
    options = parse(arguments)
    settings = settings_of(options)
    console = Console(no_color=True if os.environ.get("NO_COLOR") else None)
    today = datetime.date.today()
    try:
        catalogue = load_catalogue()
        waivers = load_waivers(Path(settings.waivers)) if settings.waivers else []
    except (CatalogueError, WaiverError) as error:
        print(f"conform: {error}", file=sys.stderr)
        return USAGE
    if options.routes:
        for zone in make_plan(options.routes).zones:
            for route in zone.routes:
                print(f"{route.address} {route.to}")
        return 0
    chosen = [catalogue[name] for name in selected(catalogue, settings.clauses)]
    if not chosen:
        print(
            f"conform: no clause matches {' '.join(settings.clauses)}", file=sys.stderr
        )
        return USAGE
    if options.list:
        # `conform --list | head` ends quietly.
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        list_clauses(chosen, console)
        return 0
    if not options.shell and not can_report(settings):
        return USAGE
    try:
        if settings.target is None and not namespace.inside():
            return namespace.enter([sys.executable, "-m", "conformance", *arguments])
        if namespace.inside():
            namespace.prepare_scratch()
    except namespace.NamespaceForbidden as error:
        print(
            f"conform: namespaces are forbidden here ({error}): run it as root (in a container: "
            "with CAP_SYS_ADMIN), or allow them with sysctl kernel.unprivileged_userns_clone=1",
            file=sys.stderr,
        )
        return COULD_NOT_RUN
    if options.shell:
        return shell.open_shell(settings)
    if settings.shuffle is not None:
        console.print(f"order of seed {settings.shuffle}", highlight=False)
    run = run_tests(settings, chosen, len(chosen) == len(catalogue), console)
    run.apply_waivers(waivers, today)
    write_files(run, Path(settings.report), today)
    status = run.exit_status(today)
    if status == USAGE:
        print("conform: no test asserts any of the clauses selected", file=sys.stderr)
    else:
        report(run, console, today, settings.verbose, Path(settings.report))
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
