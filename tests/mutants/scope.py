"""The breakages that a change may have to do with."""

from __future__ import annotations

import subprocess
from collections.abc import Collection, Iterable
from pathlib import Path

from tests.mutants.breakages import FOLDER, Breakage

MAIN = ("main", "origin/main")
FOLDERS = ("relay", str(FOLDER))


class NoHistory(Exception):
    """There is nothing to compare the files with."""


def _git(root: Path, *arguments: str) -> list[str] | None:
    """The lines that git prints; None if it fails."""
    try:
        result = subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, text=True
        )
    except OSError:
        return None
    return result.stdout.splitlines() if result.returncode == 0 else None


def base(root: Path) -> str:
    """The commit at which this branch left main; on main, the commit before."""
    head = _git(root, "rev-parse", "HEAD")
    for name in MAIN:
        found = _git(root, "merge-base", "HEAD", name)
        if found and found != head:
            return found[0]
        if found:
            before = _git(root, "rev-parse", "--verify", "--quiet", "HEAD^")
            return before[0] if before else found[0]
    raise NoHistory("this is no checkout with a branch main")


def changed_files(root: Path, reference: str | None) -> set[str]:
    """Files of the relay and patches that differ from a commit, by default base(), or are new."""
    since = reference or base(root)
    differing = _git(root, "diff", "--name-only", "--relative", since, "--", *FOLDERS)
    if differing is None:
        raise NoHistory(f"git knows no commit {since}")
    new = _git(root, "ls-files", "--others", "--exclude-standard", "--", *FOLDERS)
    return set(differing) | set(new or ())


def touched(breakages: Iterable[Breakage], changed: Collection[str]) -> list[Breakage]:
    """Breakages in changed files, and patches that have changed themselves."""
    return [
        breakage
        for breakage in breakages
        if not breakage.files.isdisjoint(changed)
        or (breakage.patch and f"{FOLDER}/{breakage.patch.name}" in changed)
    ]
