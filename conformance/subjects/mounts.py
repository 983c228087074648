"""Mounts that belong together, and go together."""

from __future__ import annotations

import subprocess
from pathlib import Path

from conformance.subjects.base import SubjectUnavailable

# What every root needs of the machine's.
KERNEL = (Path("/proc"), Path("/dev"), Path("/sys"))


class Mounts:
    """Those made so far, in this mount namespace."""

    def __init__(self) -> None:
        self._targets: list[Path] = []

    def mount(self, *words: str, at: Path) -> None:
        """Mounts as mount(8) is told. Raises SubjectUnavailable, and nothing stays mounted."""
        result = subprocess.run(
            ["mount", *words, str(at)], capture_output=True, text=True
        )
        if result.returncode != 0:
            self.release()
            raise SubjectUnavailable(
                f"the subject's root cannot be mounted: {result.stderr.strip()}"
            )
        self._targets.append(at)

    def bind(self, source: Path, target: Path) -> None:
        """Shows a file or folder at `target` as well, which is made if it is not there."""
        if source.is_dir():
            target.mkdir(parents=True, exist_ok=True)
        else:
            target.touch()
        kind = "--rbind" if source == Path("/dev") else "--bind"
        self.mount(kind, str(source.resolve()), at=target)

    def bind_below(self, root: Path, *sources: Path) -> None:
        """Shows each of them under its own path below `root`."""
        for source in sources:
            self.bind(source, root / source.relative_to("/"))

    def release(self) -> None:
        """Ends them all, the last first."""
        for target in reversed(self._targets):
            subprocess.run(["umount", "--lazy", str(target)], capture_output=True)
        self._targets.clear()
