"""`conform merge` and `conform diff`: what is made of reports that exist already."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from conformance.report.diff import diff, print_difference
from conformance.report.matrix import MATRIX, write_matrix
from conformance.report.model import USAGE
from conformance.report.results import NoResults, Record, load
from conformance.report.text import nearby, visible
from conformance.settings import ROOT

RUN = (
    "a report's directory, or a results.json (of a run that was killed: results.jsonl)"
)


def merge(arguments: list[str], console: Console) -> int:
    """`conform merge`; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="scripts/conform merge",
        description=f"Writes {MATRIX}: one page with the clauses of several runs, a column for each subject.",
        epilog="exit status: 0 the page is written, 2 a run cannot be read or the page not be written",
    )
    parser.add_argument("runs", metavar="RUN", nargs="+", help=RUN)
    parser.add_argument(
        "--report",
        default=str(ROOT / "reports"),
        metavar="DIR",
        help="write the page to DIR (default: reports)",
    )
    options = parser.parse_args(arguments)
    try:
        records = [load(Path(run)) for run in options.runs]
    except NoResults as error:
        return _complain(str(error))
    return merge_records(records, Path(options.report), console)


def merge_records(records: Sequence[Record], directory: Path, console: Console) -> int:
    """Writes the page into `directory`, and says what is in it."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        matrix = write_matrix(records, directory)
    except OSError as error:
        return _complain(f"the page cannot be written: {error}")
    width = max(len(column.name) for column in matrix.columns)
    several = len(matrix.blocks) > 1
    for column in matrix.columns:
        for role, record in column.records.items():
            who = f"{column.name} as {role}" if several else column.name
            _line(console, f"{who:{width}}  {record.conclusion}")
    for note in matrix.notes:
        _line(console, f"note: {note}")
    _line(console, nearby(directory.resolve() / MATRIX))
    return 0


def compare(arguments: list[str], console: Console) -> int:
    """`conform diff`; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="scripts/conform diff",
        description="What is new, mended and changed between two runs.",
        epilog="exit status: 0 the same or only better, 1 something got worse (or NEW did not end), "
        "2 a run cannot be read",
    )
    parser.add_argument("old", metavar="OLD", help=RUN)
    parser.add_argument("new", metavar="NEW", help="the same")
    parser.add_argument("--json", action="store_true", help="print it as JSON")
    options = parser.parse_args(arguments)
    try:
        difference = diff(load(Path(options.old)), load(Path(options.new)))
    except NoResults as error:
        return _complain(str(error))
    if options.json:
        print(json.dumps(difference.to_document(), indent=2))
    else:
        print_difference(difference, console)
    return difference.exit_status


COMMANDS = {"merge": merge, "diff": compare}


def _line(console: Console, text: str) -> None:
    console.print(visible(text), highlight=False, markup=False, soft_wrap=True)


def _complain(text: str) -> int:
    print(f"conform: {visible(text)}", file=sys.stderr)
    return USAGE
