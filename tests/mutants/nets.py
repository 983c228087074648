"""The other tests that may notice a mistake which the suite does not: the relay's unit tests, and the
vectors of the tools. They count for this relay alone."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path

from conformance.settings import ROOT
from tests.mutants.drawing import PLAIN, Mutant
from tests.mutants.sample import write_patch
from tests.mutants.workshop import BuildError, Workshop

NAMES = ("unit", "vectors")
# Some of these tests ask the second opinions.
ORACLES = "-Doracles=true"
SECONDS_MAX = 600.0


class Nets:
    """A workshop in which everything is built. One mutant at a time is in it."""

    def __init__(self, directory: Path, root: Path, names: Sequence[str]) -> None:
        self._workshop = Workshop(directory, root, (*PLAIN, ORACLES))
        self._names = names
        self._lock = threading.Lock()

    def catch(self, mutant: Mutant | None) -> str:
        """The first net that notices it, or "" if none does; None is the relay as it is."""
        with self._lock:
            self._workshop.restore()
            if mutant is not None:
                self._workshop.apply(
                    write_patch(mutant, self._workshop.source.parent / "mutant.patch")
                )
            try:
                self._workshop.compile("all")
            except BuildError:
                if mutant is None:
                    raise
                # A unit test may stand on what the relay does not need.
                return "unit" if "unit" in self._names else ""
            return next((name for name in self._names if not self._passes(name)), "")

    def _passes(self, name: str) -> bool:
        if name == "unit":
            command = ["meson", "test", "-C", str(self._workshop.build)]
            command += ["--no-rebuild", "--suite", "unit", "--maxfail", "1"]
        else:
            command = ["/usr/bin/python3", "-m", "pytest", "-q", "-x", "-n2"]
            command += ["-p", "no:cacheprovider", "tests/harness", "-k", "vector"]
        environment = {**os.environ, "FAIRLEAD": str(self._workshop.binary)}
        # Only conform needs it, and pytest finds the harness's modules without.
        environment.pop("PYTHONSAFEPATH", None)
        try:
            result = subprocess.run(
                command,
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=SECONDS_MAX,
            )
        except subprocess.TimeoutExpired:
            return False
        return result.returncode == 0
