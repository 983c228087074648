"""A Debian root of a subject's own, for an MTA that cannot be installed beside the others.

`scripts/setup --subject` prepares it (prepare.py). A lab runs the subject in a copy of it that vanishes
with the lab: the prepared root below, what is written on top in memory.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

from conformance.lab.namespace import INSIDE
from conformance.settings import ROOT
from conformance.subjects.description import Description
from conformance.subjects.mounts import KERNEL, Mounts

# Where the roots are kept; in the environment, another place for them.
ROOTS = Path(os.environ.get("FAIRLEAD_SUBJECTS") or ROOT / "build-subjects")
# Written when a root is complete: what it was prepared from.
STAMP = "prepared"
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
        self._mounts = mounts = Mounts()
        scratch = Path(os.environ[INSIDE])
        base = Path(tempfile.mkdtemp(prefix="root-", dir=scratch))
        mounts.mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", at=base)
        upper, work, self.path = base / "upper", base / "work", base / "merged"
        for directory in (upper, work, self.path):
            directory.mkdir()
        options = f"lowerdir={prepared},upperdir={upper},workdir={work}"
        mounts.mount("-t", "overlay", "-o", options, "overlay", at=self.path)
        mounts.bind_below(self.path, *KERNEL, *folders, scratch)
        for name in RESOLVER_FILES:
            source, target = Path("/etc", name), self.path / "etc" / name
            if source.exists():
                target.unlink(missing_ok=True)
                mounts.bind(source, target)

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
        self._mounts.release()
