"""Which suite made a report: two runs can be compared clause by clause where it was the same."""

from __future__ import annotations

import hashlib
import re
import subprocess
from pathlib import Path

from conformance.clauses import CATALOGUE
from conformance.settings import ROOT, SAMPLES

GIT_PATIENCE_S = 5.0


def suite_identity(suite: Path) -> dict[str, str]:
    """`version` of the project, `commit` with "-dirty" if files have been changed since (absent outside a
    clone), and `digest` of the catalogue and the tests, which alone says whether they are the same.
    """
    identity = {"version": _version(), "digest": _digest(suite)}
    if commit := _git("rev-parse", "--short=12", "HEAD"):
        dirty = _git("status", "--porcelain", "--untracked-files=no")
        identity["commit"] = f"{commit}-dirty" if dirty else commit
    return identity


def _version() -> str:
    found = re.search(
        r"^ *version: '([^']+)'", (ROOT / "meson.build").read_text("utf-8"), re.M
    )
    return found[1] if found else "?"


def _digest(suite: Path) -> str:
    digest = hashlib.sha256()
    tests = [*sorted(suite.rglob("*.py")), *sorted(SAMPLES.glob("*.py"))]
    for path in [*sorted(CATALOGUE.glob("*.yaml")), *tests]:
        text = path.read_bytes()
        digest.update(f"{path.name} {len(text)}\n".encode() + text)
    return digest.hexdigest()[:16]


def _git(*arguments: str) -> str:
    command = ["git", "--no-optional-locks", "-C", str(ROOT), *arguments]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=GIT_PATIENCE_S
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
