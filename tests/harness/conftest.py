"""Gives the harness's own tests a network of their own, and ways to run `conform` on small suites."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from running import GREETER, ROOT, Conform, Finished

from conformance.lab import namespace
from conformance.lab.loop import LoopThread

LONGEST = "test_verify_agrees.py"


def pytest_configure() -> None:
    """Before any thread is there: what these tests bind, they bind where nobody else is."""
    if os.geteuid() != 0:
        try:
            namespace.become_root()
        except OSError:
            pytest.exit("user namespaces are forbidden here", returncode=3)
    # A `conform` that is run here is no worker, whatever this process is.
    for name in [name for name in os.environ if name.startswith("PYTEST_XDIST")]:
        del os.environ[name]
    # The relay refuses secrets that others can read.
    os.umask(0o077)
    namespace.unshare_here()
    namespace.configure([])


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begins with what takes longest: of several workers, one would end with it while others wait."""
    items.sort(key=lambda item: item.path.name != LONGEST)


HEAD = """
import pytest
from conformance import clause, expect
"""


@pytest.fixture
def conform(tmp_path: Path) -> Conform:
    """Runs `conform` on a suite of one file with the given text."""

    def run(
        suite: str, *arguments: str, binary: Path = GREETER, jobs: str | None = "1"
    ) -> Finished:
        directory = tmp_path / "suite"
        directory.mkdir(exist_ok=True)
        (directory / "test_it.py").write_text(HEAD + suite, encoding="utf-8")
        report = tmp_path / "report"
        command = [sys.executable, "-m", "conformance", "--binary", str(binary)]
        command += ["--suite", str(directory), "--report", str(report)]
        if jobs is not None:
            command += ["-j", jobs]
        command += arguments
        (tmp_path / "tmp").mkdir(exist_ok=True)
        environment = {**os.environ, "TMPDIR": str(tmp_path / "tmp")}
        environment.pop(namespace.INSIDE, None)
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
        )
        return Finished(done.returncode, done.stdout, done.stderr, report)

    return run


@pytest.fixture(scope="session")
def loop() -> Iterator[LoopThread]:
    """The thread that servers live on."""
    thread = LoopThread()
    yield thread
    thread.close()
