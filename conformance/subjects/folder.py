"""An MTA in a folder: subject.yaml and executables (README.md)."""

from __future__ import annotations

import os
import pwd
import signal
import subprocess
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from conformance.subjects import plan_file
from conformance.subjects.base import (
    PAGE_ADDRESSES,
    Plan,
    StopFailed,
    Subject,
    Submission,
    SubjectUnavailable,
    last_lines,
    tail,
)
from conformance.subjects.container import Container
from conformance.subjects.description import Description
from conformance.subjects.private_root import PrivateRoot, prepared_root

VERSION_PATIENCE_S = 30.0
STOP_PATIENCE_S = 20.0
RELOAD_PATIENCE_S = 30.0
SUBMIT_PATIENCE_S = 30.0


class Folder(Subject):
    """One of them, in one lab."""

    def __init__(
        self, description: Description, environment: dict[str, str] | None = None
    ) -> None:
        super().__init__()
        self.description = description
        self.name = description.name
        self.title = description.title
        self.roles = description.roles
        self.capabilities = description.capabilities | {PAGE_ADDRESSES}
        self.limits = description.limits
        self.timeouts = description.timeouts
        self.queue_files = description.queue_files
        self.queue_is_all = description.queue_is_all
        self.start_patience = description.start_patience
        self._environment = {"SUBJECT": str(description.folder), **(environment or {})}
        self._state = Path()
        self._plan_file = Path()
        self._process: Container | None = None
        self._root: PrivateRoot | None = None

    # What the interface asks for

    def version(self) -> str:
        if self.description.as_root and not _every_user():
            raise SubjectUnavailable(
                f"{self.title} runs as several users; start conform as root"
            )
        command = self.description.version
        if command is None:
            return self.title
        result = self._run(["/bin/sh", "-c", command], VERSION_PATIENCE_S)
        lines = (result.stdout.strip() or result.stderr.strip()).splitlines()
        if result.returncode != 0:
            hint = (
                f"; scripts/setup --subject {self.name} installs it"
                if self.description.packages
                else ""
            )
            said = f": {lines[-1]}" if lines else ""
            raise SubjectUnavailable(
                f"{self.title} cannot be run (`{command}` ended with {result.returncode}{said}){hint}"
            )
        return lines[0] if lines else self.title

    def configure(self, plan: Plan, directory: Path) -> None:
        self._state = directory / "state"
        self._state.mkdir(exist_ok=True)
        self.queue_directory = self._state
        self._plan_file = directory / "plan.json"
        self._environment["PLAN"] = str(self._plan_file)
        plan_file.write(plan, self._plan_file)
        # An MTA's own users have to get there, whatever the umask.
        for path in (directory, self._state):
            path.chmod(0o755)
        self._plan_file.chmod(0o644)

    def start(self, clock_offset_days: float = 0.0) -> None:
        words = [self._path("start"), str(self._plan_file)]
        if clock_offset_days:
            seconds = f"{clock_offset_days * 86400:.0f}"
            words = [self._path("clock"), str(self._plan_file), seconds]
        self._process = Container(
            self._inside(words),
            self._log,
            self._environment,
            self._state,
            self._root.path if self._root else Path("/"),
        )

    def stop(self) -> None:
        try:
            if self.running() and self.description.executable("stop"):
                self._run_beside(["stop"], STOP_PATIENCE_S)
        except SubjectUnavailable as error:
            raise StopFailed(str(error)) from error
        finally:
            if self._process:
                self.ended_by_itself = self._process.stop()

    def kill(self) -> None:
        if self._process:
            self._process.kill()

    def release(self) -> None:
        if self._root:
            self._root.release()
        self._root = None

    def reload(self) -> bool:
        if not self.description.executable("reload") or not self.running():
            return False
        self._run_beside(["reload", str(self._plan_file)], RELOAD_PATIENCE_S)
        return True

    def submit(self, sender: str, recipients: Sequence[str], file: Path) -> Submission:
        words = [self._path("submit"), sender, ",".join(recipients), str(file)]
        result = self._run(words, SUBMIT_PATIENCE_S, beside=self._process)
        said = last_lines(f"{result.stdout}\n{result.stderr}")
        ran = result.returncode == 0 or not result.stderr.startswith("nsenter:")
        return Submission(result.returncode, said, ran)

    def flush(self) -> None:
        self._run_beside(["flush"], SUBMIT_PATIENCE_S)

    def running(self) -> bool:
        return self._process is not None and self._process.running

    def process_ids(self) -> list[int]:
        return self._process.members() if self.running() and self._process else []

    def held(self) -> AbstractContextManager[None]:
        assert self._process is not None
        return self._process.held()

    def diagnosis(self) -> str:
        return tail(self._log)

    def log(self) -> Path | None:
        return self._log

    def provision(self, domain: str) -> str:
        return self._run([self._path("zone"), domain]).stdout

    def check_zone(self, domain: str) -> bool:
        return self._run([self._path("check-zone"), domain]).returncode == 0

    def complaint_about(self, plan: Plan) -> str | None:
        path = self._state.parent / "other-plan.json"
        plan_file.write(plan, path)
        result = self._run([self._path("check-plan"), str(path)])
        return result.stderr if result.returncode != 0 else None

    # How the executables are run

    @property
    def _log(self) -> Path:
        return self._state.parent / "log"

    def _path(self, name: str) -> str:
        path = self.description.executable(name)
        if path is None:
            raise SubjectUnavailable(
                f"the subject in {self.description.folder} has no executable `{name}`"
            )
        return str(path)

    def _inside(self, words: list[str]) -> list[str]:
        """The command as it is run in the subject's private root, if there is one."""
        if self._root is None:
            prepared = prepared_root(self.description)
            if prepared is None:
                return words
            self._root = PrivateRoot(prepared, self.description.shown)
            # The scripts' cache of compiled Python is not of the Python in there.
            self._environment["PYTHONPYCACHEPREFIX"] = ""
        return self._root.command(words, self._working_directory)

    @property
    def _working_directory(self) -> Path:
        return self._state if self._state.is_absolute() else self.description.folder

    def _run_beside(self, words: list[str], patience: float) -> None:
        """Runs an executable of the folder among the MTA's processes. Raises SubjectUnavailable if it
        fails; SIGKILL is no failure, but how whatever is left ends when the MTA has."""
        name, *arguments = words
        result = self._run(
            [self._path(name), *arguments], patience, beside=self._process
        )
        if result.returncode not in (0, -signal.SIGKILL):
            said = last_lines(f"{result.stdout}\n{result.stderr}")
            raise SubjectUnavailable(
                f"{self.title}: `{name}` ended with {result.returncode}\n{said}".rstrip()
            )

    def _run(
        self,
        words: list[str],
        patience: float = 20.0,
        beside: Container | None = None,
    ) -> subprocess.CompletedProcess[str]:
        command = self._inside(words)
        try:
            return subprocess.run(
                beside.entering(command) if beside else command,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="backslashreplace",
                timeout=patience,
                cwd=self._working_directory,
                env={**os.environ, **self._environment},
            )
        except subprocess.TimeoutExpired as error:
            raise SubjectUnavailable(
                f"{self.title}: {Path(words[0]).name} did not end within {patience:g} s"
            ) from error
        except OSError as error:
            raise SubjectUnavailable(
                f"{self.title}: cannot run {words[0]}: {error.strerror}"
            ) from error


def _every_user() -> bool:
    """Whether other users than this one exist in this user namespace."""
    nobody = pwd.getpwnam("nobody").pw_uid
    for line in Path("/proc/self/uid_map").read_text(encoding="ascii").splitlines():
        inside, _, count = (int(word) for word in line.split())
        if inside <= nobody < inside + count:
            return True
    return False
