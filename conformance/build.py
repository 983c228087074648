"""Builds the reference relay, the one subject that comes as source."""

from __future__ import annotations

import subprocess
import sys

from conformance.settings import ROOT
from conformance.subjects.base import SubjectUnavailable

DIRECTORY = ROOT / "build"

# A build that takes longer is announced.
QUIET_S = 2.0


def build_reference() -> None:
    """Brings build/ up to date. Raises SubjectUnavailable with the output of the tools."""
    commands = [["ninja", "-C", str(DIRECTORY)]]
    if not (DIRECTORY / "build.ninja").exists():
        commands.insert(0, ["meson", "setup", str(DIRECTORY), str(ROOT)])
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
            print("conform: building the relay ...", file=sys.stderr)
            announced = True
            said, _ = process.communicate()
        if process.returncode != 0:
            raise SubjectUnavailable(f"the relay does not build:\n{said.rstrip()}")
