"""The files of a report: results.json (the package's docstring has its keys), junit.xml, results.tap and
badge.json for programs, index.html and summary.md for readers, badge.svg, and the decisions that
clauses cite as specification.html."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from conformance.report.badge import to_badge, to_shield
from conformance.report.html import to_html, to_specification
from conformance.report.junit import to_junit
from conformance.report.model import Run
from conformance.report.results import JOURNAL, RESULTS, to_json
from conformance.report.summary import to_summary
from conformance.report.tap import to_tap
from conformance.sources import DECISIONS_URL

Writer = Callable[[Run, Path, datetime.date], str]

# results.json first: what the others show can be made from it again.
WRITERS: dict[str, Writer] = {
    RESULTS: lambda run, directory, today: to_json(run, today),
    "junit.xml": lambda run, directory, today: to_junit(run),
    "results.tap": lambda run, directory, today: to_tap(run),
    "summary.md": lambda run, directory, today: to_summary(run, today),
    "badge.svg": lambda run, directory, today: to_badge(run, today),
    "badge.json": lambda run, directory, today: to_shield(run, today),
    "index.html": to_html,
    DECISIONS_URL: lambda run, directory, today: to_specification(
        [result.clause for result in run.clauses], "index.html"
    ),
}


def write_files(run: Run, directory: Path, today: datetime.date) -> None:
    """Writes all of them into `directory`, where the run left its journal."""
    for name, writer in WRITERS.items():
        text = writer(run, directory, today)
        (directory / name).write_text(text, encoding="utf-8")
        if name == RESULTS:
            (directory / JOURNAL).unlink(missing_ok=True)


def remove_files(directory: Path) -> None:
    """Removes those of an earlier run, so that one which is killed does not seem to have ended."""
    for name in (JOURNAL, *WRITERS):
        with suppress(OSError):
            (directory / name).unlink()
