"""A run of `conform` as the tests of the command see it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conformance.clauses import load_catalogue

ROOT = Path(__file__).resolve().parents[2]
GREETER = ROOT / "tests" / "harness" / "greeter.py"

# Clauses that every relay is held to, whatever it declares, and tests of the first two.
GATING = [
    c.id
    for c in load_catalogue().values()
    if c.capability is None and c.gates and "relay" in c.roles
]
PASSING = f"""
@clause("{GATING[0]}")
def test_that_passes(world): pass
"""
FAILING = f"""
@clause("{GATING[1]}")
def test_that_fails(world): expect(1, 2, "a number")
"""


@dataclass
class Finished:
    """A run of `conform` that has ended."""

    status: int
    output: str
    errors: str
    report: Path

    @property
    def results(self) -> dict[str, Any]:
        loaded: dict[str, Any] = json.loads((self.report / "results.json").read_text())
        return loaded

    def verdict(self, clause: str) -> str:
        found: str = next(
            c["verdict"] for c in self.results["clauses"] if c["id"] == clause
        )
        return found


Conform = Callable[..., Finished]
