"""Builds the reference relay, the one subject that comes as source."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from conformance.settings import ROOT
from conformance.subjects.base import SubjectUnavailable

DIRECTORY = ROOT / "build"
# Optimised as it would be installed, for whatever measures it.
RELEASE_DIRECTORY = ROOT / "build-bench"

# A build that takes longer is announced.
QUIET_S = 2.0


def build_reference() -> None:
    """Brings build/ up to date. Raises SubjectUnavailable with the output of the tools."""
    _build(DIRECTORY, [], [])


def build_release(*targets: str) -> None:
    """Brings the targets in build-bench/ up to date; fails as build_reference() does."""
    _build(RELEASE_DIRECTORY, ["--buildtype=release"], list(targets))


def _build(directory: Path, options: list[str], targets: list[str]) -> None:
    commands = [["ninja", "-C", str(directory), *targets]]
    if not (directory / "build.ninja").exists():
        commands.insert(0, ["meson", "setup", str(directory), str(ROOT), *options])
    announced = False
    for command in commands:
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="backslashreplace",
            )
        except OSError as error:
            raise SubjectUnavailable(
                f"the relay does not build: {command[0]}: {error.strerror}; "
                "scripts/setup installs what is missing"
            ) from error
        try:
            said, _ = process.communicate(timeout=None if announced else QUIET_S)
        except subprocess.TimeoutExpired:
            print("building the relay ...", file=sys.stderr)
            announced = True
            said, _ = process.communicate()
        if process.returncode != 0:
            raise SubjectUnavailable(f"the relay does not build:\n{said.rstrip()}")


if __name__ == "__main__":
    try:
        build_reference()
    except SubjectUnavailable as unavailable:
        sys.exit(str(unavailable))
