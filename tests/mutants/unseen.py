"""What no peer can notice: files and functions, listed in unseen.yaml with a reason each."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

from conformance.settings import ROOT
from tests.mutants.breakages import FOLDER

UNSEEN = FOLDER / "unseen.yaml"


@dataclass(frozen=True)
class Unseen:
    """Functions of files; all of them if none is named."""

    files: str  # a glob
    reason: str
    functions: Sequence[str] = ()

    def covers(self, file: str, function: str) -> bool:
        if not fnmatch.fnmatchcase(file, self.files):
            return False
        return not self.functions or function in self.functions


def load_unseen(path: Path) -> list[Unseen]:
    """The entries of unseen.yaml. TypeError for one that is not in its form."""
    entries = yaml.safe_load(path.read_text(encoding="utf-8")) or []
    return [Unseen(**entry) for entry in entries]


@cache
def _of_this_repository() -> list[Unseen]:
    return load_unseen(ROOT / UNSEEN)


def is_seen(file: str, function: str = "") -> bool:
    """Whether a peer may notice a mistake there; without a function, anywhere in the file."""
    return not any(entry.covers(file, function) for entry in _of_this_repository())
