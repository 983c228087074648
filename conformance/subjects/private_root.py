"""A Debian root of a subject's own, for an MTA that cannot be installed beside the others.

`scripts/setup --subject` prepares it (prepare.py). A lab runs the subject in a copy of it that vanishes
with the lab: the prepared root below, what is written on top in memory.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path

from conformance.settings import ROOT
from conformance.subjects.base import SubjectUnavailable
from conformance.subjects.description import Description

# Where the roots are kept; in the environment, another place for them.
ROOTS = Path(os.environ.get("FAIRLEAD_SUBJECTS") or ROOT / "build-subjects")
# Written when a root is complete: what it was prepared from.
STAMP = "prepared"
SHARED = ("/proc", "/dev", "/sys")
# The directory in memory of everything of this run, see lab/namespace.py.
SCRATCH = "CONFORM_SCRATCH"
RESOLVER_FILES = ("resolv.conf", "hosts", "nsswitch.conf")


def directory_of(name: str) -> Path:
    return ROOTS / name


def prepared_root(description: Description) -> Path | None:
    """The subject's root, if it wants one and it has been prepared."""
    directory = directory_of(description.name)
    if not description.packages or not (directory / STAMP).exists():
        return None
    return directory / "root"


class PrivateRoot:
    """A copy of a prepared root, mounted in this mount namespace."""

    def __init__(self, prepared: Path, folders: Iterable[Path]) -> None:
        self._mounted: list[Path] = []
        scratch = Path(os.environ[SCRATCH])
        base = Path(tempfile.mkdtemp(prefix="root-", dir=scratch))
        self._mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", at=base)
        upper, work, self.path = base / "upper", base / "work", base / "merged"
        for directory in (upper, work, self.path):
            directory.mkdir()
        options = f"lowerdir={prepared},upperdir={upper},workdir={work}"
        self._mount("-t", "overlay", "-o", options, "overlay", at=self.path)
        for path in SHARED:
            self._bind(Path(path))
        for folder in (*folders, scratch):
            self._bind(folder)
        for name in RESOLVER_FILES:
            source = Path("/etc", name).resolve()
            target = self.path / "etc" / name
            if source.exists():
                target.unlink(missing_ok=True)
                target.touch()
                self._mount("--bind", str(source), at=target)

    def command(self, words: list[str], directory: Path) -> list[str]:
        """The command that runs `words` in there, in a directory of the lab or of the subject."""
        enter = 'cd "$0" && exec "$@"'
        return [
            "chroot",
            str(self.path),
            "/bin/sh",
            "-c",
            enter,
            str(directory),
            *words,
        ]

    def release(self) -> None:
        for target in reversed(self._mounted):
            subprocess.run(["umount", "--lazy", str(target)], capture_output=True)
        self._mounted.clear()

    def _bind(self, path: Path) -> None:
        target = self.path / path.relative_to("/")
        target.mkdir(parents=True, exist_ok=True)
        self._mount(
            "--bind" if path != Path("/dev") else "--rbind", str(path), at=target
        )

    def _mount(self, *words: str, at: Path) -> None:
        result = subprocess.run(
            ["mount", *words, str(at)], capture_output=True, text=True
        )
        if result.returncode != 0:
            self.release()
            raise SubjectUnavailable(
                f"the subject's root cannot be mounted: {result.stderr.strip()}"
            )
        self._mounted.append(at)
