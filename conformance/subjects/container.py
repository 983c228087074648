"""A subject's processes, in a PID namespace of their own: they end, are suspended and are counted
together, whatever sessions and groups they make."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

# The namespace's first process: it passes SIGTERM on to all others, waits for the daemon, and takes
# everything with it when that has ended.
INIT = """
trap 'kill -TERM -1' TERM
"$@" &
while kill -0 $! 2>/dev/null; do wait $!; status=$?; done
exit ${status-0}
"""


# Without a mount at / there is nothing to make private, see enter() in lab/namespace.py.
FLAGS = ["--pid", "--fork", "--kill-child", "--propagation", "unchanged"]


class Container:
    """A daemon and all that it starts."""

    def __init__(
        self,
        words: list[str],
        log: Path,
        environment: dict[str, str],
        directory: Path,
        root: Path = Path("/"),
    ) -> None:
        """`root` is where the words are run, and need a /proc of the namespace's own."""
        init = ["/bin/sh", "-c", INIT, "init", *words]
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                ["unshare", *FLAGS, f"--mount-proc={root / 'proc'}", "--", *init],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**os.environ, **environment},
                cwd=directory,
                start_new_session=True,
            )

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def members(self) -> list[int]:
        """Its processes, by their numbers outside."""
        parent = f"/proc/{self._process.pid}"
        namespace = _namespace(f"{parent}/ns/pid_for_children")
        if namespace is None or namespace == _namespace(f"{parent}/ns/pid"):
            return []  # it has ended, or not begun
        return sorted(
            int(name)
            for name in os.listdir("/proc")
            if name.isdigit() and _namespace(f"/proc/{name}/ns/pid") == namespace
        )

    def entering(self, words: list[str]) -> list[str]:
        """The command as it is run among its processes, so that it can use their numbers."""
        namespace = f"/proc/{self._process.pid}/ns/pid_for_children"
        return ["nsenter", f"--pid={namespace}", "--", *words]

    def stop(self, patience: float = 5.0) -> bool:
        """SIGTERM to all, and SIGKILL after `patience` seconds. Whether SIGTERM was enough."""
        self._signal_first(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(patience)
        ended = not self.running
        self.kill()
        return ended

    def kill(self) -> None:
        """SIGKILL to all. They are gone when it returns."""
        self._signal_first(signal.SIGKILL)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(1.0)
        self._process.kill()
        self._process.wait()

    @contextmanager
    def held(self) -> Iterator[None]:
        """All suspended; meanwhile, connections wait in the kernel."""
        members = self.members()
        _signal(members, signal.SIGSTOP)
        try:
            yield
        finally:
            _signal(members, signal.SIGCONT)

    def _signal_first(self, number: int) -> None:
        """To the namespace's first process, which all others end with: the only child of unshare(1)."""
        task = Path(f"/proc/{self._process.pid}/task/{self._process.pid}")
        with suppress(FileNotFoundError, ProcessLookupError):
            children = (task / "children").read_text(encoding="ascii").split()
            _signal(map(int, children), number)


def _signal(processes: Iterable[int], number: int) -> None:
    for process in processes:
        with suppress(ProcessLookupError):
            os.kill(process, number)


def _namespace(path: str) -> str | None:
    try:
        return os.readlink(path)
    except OSError:
        return None  # it has ended
