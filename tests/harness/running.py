"""A run of `conform` as the tests of the command see it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any


ROOT = Path(__file__).resolve().parents[2]
GREETER = ROOT / "tests" / "harness" / "greeter.py"


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
