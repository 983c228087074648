"""The pytest plugin of `conform`: a lab for every worker, a part of it for every test, and the result
of each test as plain data in pytest's own reports.

It is loaded by `conform` (-p conformance.plugin), not for use with pytest alone.
"""

from __future__ import annotations

import gc
import json
import os
import random
import re
import shlex
import zlib
from collections.abc import Generator, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from conformance.clauses import clauses_of, load_catalogue, roles_of, selected
from conformance.expect import ConformanceFailure, Unimplemented
from conformance.lab import Lab, World
from conformance.lab.provider import WORLDS
from conformance.lab.revival import ENDED
from conformance.lab.signing import use_openssl
from conformance.lab.namespace import NamespaceForbidden, scratch, unshare_here
from conformance.lab.transcript import Transcript
from conformance.report.model import Outcome, TestResult
from conformance.sampling import Sampling
from conformance.settings import (
    ONE_LAB_TESTS_MAX,
    ROOT,
    SPARE_SLOTS,
    Settings,
    is_sanity,
)
from conformance.subjects import (
    description_of,
    make_service,
    make_subject,
    names,
)
from conformance.subjects.base import Subject, SubjectUnavailable
from conformance.subjects.known import KnownFailure, load_known
from conformance.vectors.play import Outcome as Scene
from conformance.vectors.stage import SEEN, Stage, case_of, slots_of


# What is likely if not even a plain mail is forwarded.
INSANE = (
    "a plain mail was not forwarded, and without that nothing else means much. See the transcript: "
    "does the MTA know the routes, does it ask the lab's DNS at 127.0.0.1, may it connect to port 25 of "
    "the upstreams? (--anyway runs all tests)"
)


# Of the log of each lab's subject.
LOG_KEPT_OCTETS = 4_000_000

# The capabilities whose tests use up what all clients of a subject share.
FILLING = {"session-limits", "memory-budget"}

# Of a test that is to have a --target for itself, before others test it at the same time.
RUNS_FIRST = pytest.StashKey[bool]()


class LabFailure(Exception):
    """The lab or the subject could not run; the run ends with status 3."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--conform-settings", help="settings of conform, as JSON")
    # Two options of the terminal plugin, which is disabled. Plain asserts read the one; without the
    # other, pytest would parse a test's whole file for each failure, to show its source to nobody.
    parser.addoption("--verbosity", type=int, dest="verbose", default=0)
    parser.addoption("--tb", dest="tbstyle", default="native")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "clause(*ids): the clauses that a test asserts")
    config.addinivalue_line("markers", "slow: it takes many seconds, and begins early")
    text = config.getoption("--conform-settings")
    settings = Settings.from_json(text) if text else Settings()
    use_openssl()
    config.pluginmanager.register(Runner(settings), "conform-runner")


def _from_root(path: str) -> str:
    """A path as typed in the project's directory, for a shell."""
    return shlex.quote(os.path.relpath(os.path.abspath(path), ROOT))


def is_sampled(item: pytest.Item) -> bool:
    """Whether the test draws its input."""
    return "sampling" in getattr(item, "fixturenames", ())


def reproduce_command(settings: Settings, ids: list[str], sampled: bool = False) -> str:
    """A command that repeats the tests of a clause, and with `sampled` those that draw their input."""
    words = ["scripts/conform"]
    if settings.target:
        words.append(f"--target {settings.target}")
        for option, value in (
            ("--target6", settings.target6),
            ("--name", settings.name),
            ("--capabilities", settings.capabilities),
        ):
            if value is not None:
                words.append(f"{option} {shlex.quote(value)}")
        if settings.client_address_by != "none":
            words.append(f"--client-address-by {settings.client_address_by}")
    elif settings.subject != "reference":
        known = settings.subject in names()
        subject = settings.subject if known else _from_root(settings.subject)
        words.append(f"--subject {subject}")
    if settings.roles:
        words.append(f"--role {settings.role}")
    if settings.without:
        words.append(f"--without {','.join(settings.without)}")
    if settings.timeout_scale != 1.0:
        words.append(f"--timeout-scale {settings.timeout_scale:g}")
    if settings.binary:
        words.append(f"--binary {_from_root(settings.binary)}")
    if settings.broken_clause:
        words.append(f"--break {settings.broken_clause}")
    if sampled:
        words.append(f"--sample {settings.sample} --seed {settings.seed}")
    if ids:
        words.append(f"-k {ids[0]}")
    return " ".join([*words, "-v"])


class Runner:
    """The hooks and fixtures, in this process."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.catalogue = load_catalogue(role=settings.role)
        self._subject: Subject | None = None
        self._failed: set[str] = set()  # clauses of which --brief runs no more
        self._known = self._known_failures()
        self._last: tuple[World, TestResult] | None = None  # if it has passed
        self._before: tuple[
            World, TestResult
        ] | None = None  # the one before it, likewise
        self._died: TestResult | None = None  # the last, corrected; not yet reported
        self._stage = Stage()

    @property
    def subject(self) -> Subject:
        if self._subject is None:
            self._subject = make_subject(self.settings)
            self._subject.capabilities -= frozenset(self.settings.without)
        return self._subject

    # Selection

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        if self.settings.repeat > 1:
            metafunc.fixturenames.append("repetition")
            metafunc.parametrize("repetition", range(self.settings.repeat))

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        chosen = [item for item in items if self._is_selected(item)]
        if self.settings.only:
            place = {name: at for at, name in enumerate(self.settings.only)}
            asked_for = (i for i in chosen if i.nodeid in place or is_sanity(i.nodeid))
            chosen = sorted(asked_for, key=lambda item: place.get(item.nodeid, -1))
        if self.settings.shuffle is not None:
            random.Random(self.settings.shuffle).shuffle(chosen)
        chosen.sort(key=lambda item: not is_sanity(item.nodeid))
        if self.settings.target is not None:
            for item in chosen:
                item.stash[RUNS_FIRST] = self._runs_first(item)
            chosen.sort(key=lambda item: not item.stash[RUNS_FIRST])
        items[:] = chosen

    def pytest_collection_finish(self) -> None:
        """What was collected stays until the end: garbage collection need not walk through it at each turn."""
        gc.freeze()

    def _is_selected(self, item: pytest.Item) -> bool:
        if item.nodeid in self.settings.done:
            return False
        if is_sampled(item) and not self.settings.sample:
            return False
        role = self.settings.role
        if role not in roles_of(item):
            return False
        if is_sanity(item.nodeid):
            return True
        if not clauses_of(item):
            return not self.settings.clauses
        # A name that is in no catalogue is selected, so that its test is seen to be wrong.
        judged = [
            name
            for name in clauses_of(item)
            if name not in self.catalogue or role in self.catalogue[name].roles
        ]
        return bool(selected(judged, self.settings.clauses))

    def _runs_first(self, item: pytest.Item) -> bool:
        """What fills it, and the vectors, whose names are not those of one test alone."""
        clauses = (self.catalogue.get(name) for name in clauses_of(item))
        needed = {clause.capability for clause in clauses if clause is not None}
        plays = case_of(item) is not None
        return is_sanity(item.nodeid) or plays or bool(needed & FILLING)

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        if self.settings.brief and self._failed.issuperset(clauses_of(item)):
            pytest.skip("its clause has failed already")
        for needed in self._missing(item):
            raise Unimplemented(needed)

    def _missing(self, item: pytest.Item) -> list[str]:
        """Capabilities that a test needs and the subject does not declare."""
        clauses = (self.catalogue.get(name) for name in clauses_of(item))
        needed = [clause.capability for clause in clauses if clause is not None]
        return [
            name for name in needed if name and name not in self.subject.capabilities
        ]

    # Fixtures

    @pytest.fixture(scope="session")
    def lab(self, request: pytest.FixtureRequest) -> Iterator[Lab]:
        """The worker's lab, in a namespace of its own, with the subject running."""
        commons = Path(self.settings.commons) if self.settings.commons else None
        slots = slots_of(request.session.items) + SPARE_SLOTS
        if commons is not None:
            slots += len(self.settings.done)
        try:
            directory = scratch()
            if self.subject.needs_namespace:
                unshare_here()
            lab = Lab(
                self.subject,
                directory,
                slots,
                self.settings.timeout_scale,
                commons,
                make_service(self.settings),
                self.settings.role,
                self._slots_at_first(slots),
            )
            lab.make_world = WORLDS[self.settings.role]
            lab.notice_death = self._blame_if_dead
            try:
                lab.start()
                yield lab
            finally:
                self._notice_death()
                self._keep_log(lab)
                lab.stop()
        except (NamespaceForbidden, SubjectUnavailable, OSError) as error:
            raise LabFailure(str(error)) from error

    def _slots_at_first(self, slots: int) -> int:
        """How many of them the tests are likely to need that run in this process. A subject reads its plan
        whenever it is restarted."""
        workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "0"))
        if workers:
            return slots * 5 // (4 * workers) + SPARE_SLOTS
        return slots if self.settings.jobs == 1 else ONE_LAB_TESTS_MAX + SPARE_SLOTS

    def _keep_log(self, lab: Lab) -> None:
        """The end of what the subject has printed, beside the transcripts."""
        log = lab.subject.log()
        if log is None or not log.exists():
            return
        directory = self.settings.logs
        directory.mkdir(parents=True, exist_ok=True)
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - LOG_KEPT_OCTETS))
            (directory / f"{lab.directory.name}.log").write_bytes(file.read())

    @pytest.fixture
    def world(self, lab: Lab, request: pytest.FixtureRequest) -> Iterator[World]:
        """This test's part of the lab."""
        self._notice_death()
        try:
            world = lab.world()
        except SubjectUnavailable as error:
            raise LabFailure(str(error)) from error
        yield world
        world.close()
        self._write_transcript(request.node, world.transcript)
        errors = lab.take_errors()
        if errors:
            raise RuntimeError("in the lab's thread: " + "\n".join(errors))

    @pytest.fixture
    def seen(self, lab: Lab, request: pytest.FixtureRequest) -> Scene:
        """What was seen of this test's case, played with all others of its scenario."""
        self._notice_death()
        try:
            scene = self._stage.seen(
                lab,
                request.node,
                request.session.items,
                lambda item: not self._missing(item),
            )
        except SubjectUnavailable as error:
            raise LabFailure(str(error)) from error
        if scene.trouble is not None:
            raise scene.trouble
        return scene

    @pytest.fixture
    def sampling(self, world: World, request: pytest.FixtureRequest) -> Sampling:
        """The samples of this test."""
        return Sampling(
            self.settings.sample,
            self.settings.seed,
            request.node.originalname,
            lambda text: world.transcript.remark("sample", text),
        )

    def _notice_death(self) -> None:
        """The test before has ended. A subject that ends by itself, whatever a client or an upstream
        sends, has failed the test in which it was sent. That may be seen a moment later, when the next
        test begins or when it connects, so it is reported with the next."""
        self._before, self._last = self._last, None
        self._blame_if_dead()

    def _blame_if_dead(self) -> None:
        if self._before is not None and self._before[0].subject_has_died():
            self._blame_the_test_before(ENDED)

    def _blame_the_test_before(self, found: str) -> None:
        if self._before is not None:
            self._died = self._before[1]
            self._died.outcome = Outcome.FAIL
            self._died.expected = "the subject, still running after the test"
            self._died.actual = found
        self._before = None

    def _write_transcript(self, item: pytest.Item, transcript: Transcript) -> None:
        ids = ", ".join(clauses_of(item))
        path = self._transcript_path(item)
        path.parent.mkdir(parents=True, exist_ok=True)
        transcript.write(path, f"{item.name}\nclauses: {ids}")

    def _transcript_path(self, item: pytest.Item) -> Path:
        name = re.sub(r"[^A-Za-z0-9_.-]+", "-", item.name).strip("-")
        if name != item.name:
            # Parameters may differ only in characters that are not in the file name.
            name = f"{name[:140]}-{zlib.crc32(item.name.encode()):08x}"
        return self.settings.transcripts / f"{item.path.stem}.{name}.txt"

    # Results

    @pytest.hookimpl(hookwrapper=True)  # type: ignore[misc]
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, Any, None]:
        report = (yield).get_result()
        world = world_of(item)
        if call.when == "call" or call.excinfo is not None:
            # ASCII text passes unchanged through every way of transferring reports.
            result = self._result(item, call)
            if result.outcome == Outcome.FAIL and not self._is_known(result):
                self._failed.update(result.clauses)
            elif result.outcome == Outcome.PASS and world is not None:
                self._last = (world, result)
            report.conform = json.dumps(asdict(result))
            report.conform_banner = json.dumps(self.subject.banner)
            report.longrepr, report.sections = None, []
        if world is not None and (found := world.lab.revival.take()):
            self._blame_the_test_before(found)
        if self._died is not None:
            report.conform_before = json.dumps(asdict(self._died))
            self._died = None

    def _known_failures(self) -> list[KnownFailure]:
        """Those after which --brief goes on: where only new failures count, one that is known must not hide
        another of its clause."""
        if not self.settings.regressions:
            return []
        path = description_of(self.settings.subject).known_failures
        known = load_known(path) if path else []
        return [entry for entry in known if entry.holds_in(self.settings.role)]

    def _is_known(self, result: TestResult) -> bool:
        actual = result.actual or ""
        return any(
            known.covers(result.clauses, result.title, actual) for known in self._known
        )

    def _result(self, item: pytest.Item, call: pytest.CallInfo[None]) -> TestResult:
        ids = clauses_of(item)
        path, world = self._transcript_path(item), world_of(item)
        result = TestResult(
            id=item.nodeid,
            title=title_of(item),
            clauses=ids,
            outcome=Outcome.PASS,
            duration=call.duration,
            transcript=(
                str(path.relative_to(self.settings.report))
                if world is not None
                else None
            ),
            command=reproduce_command(self.settings, ids, is_sampled(item)),
        )
        if call.excinfo is None:
            return result
        error = call.excinfo.value
        inside = item.path.is_relative_to(ROOT)
        where = item.path.relative_to(ROOT) if inside else item.path.name
        scene = item.stash.get(SEEN, None)
        failed = isinstance(error, (ConformanceFailure, AssertionError))
        # After the last test's teardown there is no lab that could be asked.
        asked = failed and call.when != "teardown"
        late = scene.late if scene is not None else None
        if asked and world is not None:
            late = world.lab.lateness.complaint()
        if asked and late is not None:
            result.outcome, result.late = Outcome.ERROR, True
            result.reason = f"{late}, so that this says nothing of the subject: {error}"
        elif isinstance(error, ConformanceFailure) and call.when != "teardown":
            result.outcome = Outcome.FAIL
            result.expected, result.actual = error.expected, error.actual
        elif isinstance(error, AssertionError) and call.when == "call":
            result.outcome = Outcome.FAIL
            result.expected, _, result.actual = str(error).partition("\n")
        elif isinstance(error, Unimplemented):
            result.outcome, result.reason = Outcome.UNIMPLEMENTED, str(error)
        elif isinstance(error, pytest.skip.Exception):
            result.outcome, result.reason = Outcome.SKIPPED, str(error)
        else:
            result.outcome = Outcome.ERROR
            result.lab_failure = isinstance(error, LabFailure)
            kind = "" if result.lab_failure else f"{type(error).__name__}: "
            result.reason = f"{kind}{error}"
        result.where = f"{where}:{_line_in_test(call, item)}"
        if result.outcome == Outcome.FAIL and is_sanity(item.nodeid):
            result.reason = INSANE
        if scene is not None and result.outcome in (Outcome.FAIL, Outcome.ERROR):
            # The only cases whose transcripts are worth their files.
            self._write_transcript(item, scene.transcript)
            result.transcript = str(path.relative_to(self.settings.report))
        traced = (
            [Outcome.ERROR] if self.settings.brief else [Outcome.ERROR, Outcome.FAIL]
        )
        if result.outcome in traced and not result.lab_failure:
            trace = str(call.excinfo.getrepr(style="short", abspath=True))
            result.details = trace.replace(f"{ROOT}/", "")
        return result


def world_of(item: pytest.Item) -> World | None:
    """The test's part of the lab, if it has one."""
    world: World | None = getattr(item, "funcargs", {}).get("world")
    return world


def title_of(item: pytest.Item) -> str:
    """A test's name as a sentence."""
    name, _, parameters = item.name.removeprefix("test_").partition("[")
    sentence = name.replace("_", " ")
    return f"{sentence} [{parameters}" if parameters else sentence


def _line_in_test(call: pytest.CallInfo[None], item: pytest.Item) -> int:
    assert call.excinfo is not None
    lines = [
        e.lineno + 1 for e in call.excinfo.traceback if Path(str(e.path)) == item.path
    ]
    return lines[-1] if lines else 0
