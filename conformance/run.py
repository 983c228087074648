"""Runs the suite with pytest: in this process if one lab is enough, otherwise in workers with a lab
each."""

from __future__ import annotations

import datetime
import json
import os
import re
import shutil
import time
from collections import OrderedDict
from collections.abc import Collection, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from rich.console import Console
from xdist.scheduler import LoadScopeScheduling

from conformance.clauses import LEVELS, Clause, load_catalogue, selected
from conformance.report.console import Progress
from conformance.report.files import remove_files
from conformance.report.identity import suite_identity
from conformance.report.model import Outcome, Run, TestResult, judge
from conformance.report.results import Journal
from conformance.plugin import RUNS_FIRST
from conformance.settings import ONE_LAB_TESTS_MAX, ROOT, SANITY, Settings, is_sanity
from conformance.subjects import description_of, make_subject, names
from conformance.subjects.base import SubjectUnavailable
from conformance.target import prepared
from conformance.vectors.stage import slots_of

ENDINGS = (
    pytest.ExitCode.OK,
    pytest.ExitCode.TESTS_FAILED,
    pytest.ExitCode.NO_TESTS_COLLECTED,
)

# Without -j, one lab in this process runs at most ONE_LAB_TESTS_MAX tests, for at most so many seconds; the
# rest is distributed to workers.
ONE_LAB_SECONDS_MAX = 2.0


GOLDEN = (5**0.5 - 1) / 2

# Of tests that the lab was too late for; if there are more, the machine is too slow or too busy.
AGAIN_MAX = 20

# A clause, as a test's file names it.
_NAMED = re.compile(r'"([A-Z][A-Z0-9]*-[0-9]+)"')

# The test of a case: its parameter is a file of vectors and a name in it.
_VECTOR = re.compile(r"/test_rfc[0-9]+\.py::.*\[[a-z0-9-]+:")


class Collector:
    """A pytest plugin that gathers the results of the workers' tests."""

    def __init__(self, progress: Progress, journal: Journal, run: Run) -> None:
        self.tests: dict[str, TestResult] = {}
        self.failure: str | None = None
        self._progress = progress
        self._journal = journal
        self._run = run

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        for name in ("conform_before", "conform"):
            data = getattr(report, name, None)
            if data is not None:
                self._take(data)
        banner = json.loads(getattr(report, "conform_banner", '""'))
        if banner and not self._run.banner:
            self._run.banner = banner
            self._journal.note(banner=banner)

    def _take(self, data: str) -> None:
        """Takes the result of a test."""
        result = TestResult(**json.loads(data))
        result.outcome = Outcome(result.outcome)
        if result.lab_failure:
            self.failure = self.failure or result.reason
        elif result.id not in self.tests:
            self._progress.add(result)
        # An error in teardown outweighs the test's own outcome.
        self.tests[result.id] = result
        if not result.lab_failure:
            self._journal.add(result)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self._progress.expect(len(session.items))

    @pytest.hookimpl(optionalhook=True)  # type: ignore[misc]
    def pytest_xdist_node_collection_finished(
        self, node: object, ids: list[str]
    ) -> None:
        self._progress.expect(len(self.tests) + len(ids))

    def pytest_keyboard_interrupt(self, excinfo: object) -> None:
        self.failure = self.failure or "interrupted before the end"

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.failure = self.failure or f"{report.nodeid}: {report.longreprtext}"

    def pytest_internalerror(self, excrepr: object) -> None:
        self.failure = self.failure or str(excrepr)

    def pytest_testnodedown(self, node: object, error: object) -> None:
        if error:
            self.failure = self.failure or f"a worker died: {error}"


class OneLab:
    """A pytest plugin for the session in this process, which leaves to workers what is too much for
    one lab: `left` is the number of remaining tests, `done` the ids of those that have run. The
    sanity case is the first; if it fails, it is the only one, unless the rest is to run anyway.
    """

    def __init__(self, jobs: int | None, anyway: bool, is_shared: bool = False) -> None:
        self.done: list[str] = []
        self.left = 0
        self.insane = False  # nothing else is worth a test
        self.slow: set[str] = set()  # the ids of tests that take many seconds
        self._jobs = jobs
        self._anyway = anyway
        self._items: list[pytest.Item] = []
        self._seconds = 0.0
        self._is_shared = is_shared  # the workers' labs are in one network

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self._items = session.items
        self.slow = {i.nodeid for i in session.items if i.get_closest_marker("slow")}
        if self._is_shared and self._jobs != 1:
            # What needs the subject for itself comes first, and is run here.
            self._leave_the_rest(sum(item.stash[RUNS_FIRST] for item in self._items))
            return
        enough = ONE_LAB_TESTS_MAX if self._jobs is None else 1
        if self._jobs != 1 and len(self._items) > enough and not session.testsfailed:
            self._leave_the_rest()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call":
            self._seconds += report.duration
        if report.failed and is_sanity(report.nodeid) and not self._anyway:
            self.insane = True

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        self.done.append(nodeid)
        if self.insane:
            self._leave_the_rest(len(self.done))
            self.left = 0
            return
        several_left = len(self._items) - len(self.done) > 1
        if self._jobs is None and several_left and self._seconds > ONE_LAB_SECONDS_MAX:
            self._leave_the_rest()

    def _leave_the_rest(self, kept: int = 0) -> None:
        kept = max(kept, len(self.done))
        self.left = len(self._items) - kept
        # Pytest iterates over this list, and ends.
        del self._items[kept:]


class Counter:
    """A pytest plugin that counts the slots that a collection needs."""

    def __init__(self) -> None:
        self.slots = 0

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self.slots = slots_of(session.items)


def count_slots(settings: Settings) -> int:
    """The number of slots that a run with these settings needs."""
    counter = Counter()
    _session(settings, [counter], "--collect-only")
    return counter.slots


def work_of(nodeid: str) -> str:
    """What a test is a part of: the cases of a file of vectors, or itself."""
    return nodeid.rpartition(":")[0] if _VECTOR.search(nodeid) else nodeid


# What a worker gets at a time, with the ids of its tests.
Unit = tuple[str, dict[str, bool]]


class ByScenario(LoadScopeScheduling):  # type: ignore[misc]
    """Gives each worker the next test when it has none left, and the cases of a file of vectors together:
    the first of a scenario's plays them all. Unless an order is asked for, the tests of a file are spread
    over the run: those that wait for time to pass are neighbours, and if all workers wait, nothing is
    done."""

    keeps_order = False
    slow: Collection[str] = ()  # these begin first

    def _split_scope(self, nodeid: str) -> str:
        return work_of(nodeid)

    workqueue: OrderedDict[str, dict[str, bool]]

    def _assign_work_unit(self, node: object) -> None:
        if not self.keeps_order:
            self.workqueue = OrderedDict(
                spread(list(self.workqueue.items()), self.slow)
            )
            self.keeps_order = True  # it is in order now
        super()._assign_work_unit(node)


def spread(units: list[Unit], slow: Collection[str] = ()) -> list[Unit]:
    """Units of work with their tests: first those that take long, which are slow tests and those with several,
    then the others, if they are many none soon after its neighbour."""
    first: list[Unit] = []
    others: list[Unit] = []
    for unit in units:
        takes_long = len(unit[1]) > 1 or not unit[1].keys().isdisjoint(slow)
        (first if takes_long else others).append(unit)
    if len(others) <= ONE_LAB_TESTS_MAX:
        return first + others
    # Multiples of the golden ratio, without their integers, are spread evenly, however many there are.
    order = sorted(range(len(others)), key=lambda at: at * GOLDEN % 1.0)
    return first + [others[at] for at in order]


class Distribution:
    """A pytest plugin for the process that distributes tests to workers."""

    def __init__(self, keeps_order: bool, slow: Collection[str]) -> None:
        self._keeps_order = keeps_order
        self._slow = slow

    @pytest.hookimpl(optionalhook=True)  # type: ignore[misc]
    def pytest_xdist_make_scheduler(
        self, config: pytest.Config, log: object
    ) -> ByScenario:
        scheduler = ByScenario(config, log)
        scheduler.keeps_order, scheduler.slow = self._keeps_order, self._slow
        return scheduler


def stopped_as_asked(settings: Settings, collector: Collector) -> bool:
    """Whether the run ended with a test that did not pass, under --first-failure."""
    bad = (Outcome.FAIL, Outcome.ERROR)
    stopped = settings.first_failure and any(
        test.outcome in bad and not test.lab_failure
        for test in collector.tests.values()
    )
    if stopped:
        collector.failure = None
    return stopped


def run_tests(
    settings: Settings, chosen: list[Clause], complete: bool, console: Console
) -> Run:
    """Runs the suite and returns all that is to be reported."""
    clock = time.monotonic()
    progress = Progress(console, settings.verbose)
    report = Path(settings.report)
    for earlier in (settings.transcripts, settings.logs):
        shutil.rmtree(earlier, ignore_errors=True)
    remove_files(report)
    run = _run_of(settings, chosen, complete)
    collector = None
    try:
        _describe(run, settings)
        journal = Journal(report, run, run.started.date())
        collector = Collector(progress, journal, run)
        with prepared(settings) as labs:
            ending = _run_pytest(labs, collector)
        if ending not in ENDINGS and not stopped_as_asked(settings, collector):
            run.failure = (
                collector.failure
                or f"pytest ended before the end of the tests: {ending}"
            )
    except SubjectUnavailable as error:
        run.failure = str(error)
    finally:
        progress.clear()
    if collector is not None:
        run.tests = [test for test in collector.tests.values() if not test.lab_failure]
        run.failure = run.failure or collector.failure
    run.clauses = judge(chosen, run.tests)
    run.duration = time.monotonic() - clock
    return run


def _run_of(settings: Settings, chosen: list[Clause], complete: bool) -> Run:
    """The run before its first test."""
    subject = settings.subject
    if settings.target is None and subject not in names():
        subject = description_of(subject).name
    return Run(
        subject=settings.target or subject,
        version="?",
        started=datetime.datetime.now(datetime.UTC),
        duration=0.0,
        gate=tuple(settings.gate or LEVELS),
        complete=complete,
        clauses=judge(chosen, []),
        role=settings.role,
        tests=[],
        suite=suite_identity(Path(settings.suite)),
        sample=settings.sample_drawn,
    )


def _describe(run: Run, settings: Settings) -> None:
    """What the subject says of itself. Raises SubjectUnavailable."""
    subject = make_subject(settings)
    capabilities = subject.capabilities - frozenset(settings.without)
    run.title = subject.title
    if settings.target:
        run.subject = subject.title
    run.roles = subject.roles
    run.capabilities = tuple(sorted(capabilities))
    # Without the capability, nothing is known of them.
    if "limits" in capabilities:
        run.limits = asdict(subject.limits)
    if "timeouts" in capabilities:
        run.timeouts = asdict(subject.timeouts)
    run.version = subject.version()


def _run_pytest(settings: Settings, collector: Collector) -> int:
    """Returns pytest's exit status; if it is not in ENDINGS, tests are missing. Tests for which the lab was
    too late are run once more, one after the other, when the machine has less to do; not those of a target,
    whose plan has been given out."""
    ending = _run_all(settings, collector)
    late = [test.id for test in collector.tests.values() if test.late]
    stopped = settings.first_failure or settings.target or ending not in ENDINGS
    if stopped or not 0 < len(late) <= AGAIN_MAX:
        return ending
    done = [name for name in collector.tests if name not in late]
    return _session(replace(settings, done=done), [collector])


def _run_all(settings: Settings, collector: Collector) -> int:
    """The same, of every test once."""
    one_lab = OneLab(settings.jobs, settings.anyway, is_shared=bool(settings.commons))
    ending = _session(settings, [collector, one_lab])
    failed = ending == pytest.ExitCode.TESTS_FAILED
    if (
        one_lab.left == 0
        or ending not in ENDINGS
        or (failed and settings.first_failure)
    ):
        return ending
    # A lab mostly waits.
    jobs_max = settings.jobs or 2 * len(os.sched_getaffinity(0))
    workers = [f"-n{min(jobs_max, one_lab.left)}", "--dist=loadscope"]
    settings = replace(settings, done=one_lab.done)
    in_order = bool(settings.only) or settings.shuffle is not None
    distribution = Distribution(in_order, one_lab.slow)
    return _session(settings, [collector, distribution], *workers)


def _where(settings: Settings) -> list[str]:
    """What pytest is to collect from: the files of the tests or clauses that are named, since the whole suite
    takes longer than most of its tests. An id names its file from the root, if it is below it.
    """
    suite = Path(settings.suite)
    files = {ROOT / name.partition("::")[0] for name in settings.only}
    if not files and settings.clauses:
        files = set(files_with(suite, settings.clauses))
    if not files or not all(file.is_file() for file in files):
        return [settings.suite]
    return [str(file) for file in sorted({*suite.rglob(SANITY), *files})]


def files_with(suite: Path, globs: Sequence[str]) -> list[Path]:
    """The files below `suite` that may have tests of such clauses: they name one, or play vectors, whose
    clauses are named in the cases."""
    of_vectors = [name for name in load_catalogue() if name.startswith("RFC")]
    plays = bool(selected(of_vectors, globs))
    return [
        file
        for file in suite.rglob("test_*.py")
        if selected(_NAMED.findall(text := file.read_text(encoding="utf-8")), globs)
        or (plays and "@vectors(" in text)
    ]


def _session(settings: Settings, plugins: list[object], *options: str) -> int:
    arguments = [
        *_where(settings),
        f"--rootdir={ROOT}",
        "--override-ini=python_files=test_*.py",
        "--import-mode=importlib",
        "-pconformance.plugin",
        "-pno:cacheprovider",
        "-pno:terminal",
        "-pno:logging",
        f"--conform-settings={settings.to_json()}",
        *options,
    ]
    if settings.commons is not None:  # there is no namespace whose files end with it
        arguments.append(f"--basetemp={Path(settings.commons).parent / 'pytest'}")
    if settings.first_failure:
        arguments.append("--exitfirst")
    return int(pytest.main(arguments, plugins=plugins))
