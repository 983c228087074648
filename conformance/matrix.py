"""`conform --matrix`: several subjects, each run by a conform of its own, and one page of them all."""

from __future__ import annotations

import argparse
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from rich.console import Console

from conformance.report.commands import merge_records
from conformance.report.model import CONFORMS, COULD_NOT_RUN, DOES_NOT_CONFORM, USAGE
from conformance.report.results import NoResults, load
from conformance.report.files import remove_files
from conformance.subjects import description_of, names
from conformance.subjects.base import SubjectUnavailable


class MatrixError(Exception):
    """The list of subjects cannot be run; the message says why."""


def folders_of(subjects: list[str]) -> dict[str, str]:
    """The subjects by the names of their reports. Raises MatrixError."""
    found: dict[str, str] = {}
    for subject in subjects:
        try:
            name = subject if subject in names() else description_of(subject).name
        except SubjectUnavailable as error:
            raise MatrixError(str(error)) from error
        if name in found:
            raise MatrixError(f"--matrix has two subjects with the name {name}")
        found[name] = subject
    return found


def run_matrix(
    subjects: dict[str, str], report: Path, arguments: list[str], console: Console
) -> int:
    """Runs each with the other `arguments`, merges the reports, and returns the gravest exit status: 3 if
    a subject could not run, otherwise 1 if one does not conform."""
    passed_on = _without_matrix(arguments)
    statuses = []
    for number, (name, subject) in enumerate(subjects.items(), 1):
        console.print(
            f"== {name} ({number} of {len(subjects)})", highlight=False, markup=False
        )
        remove_files(report / name)
        command = [sys.executable, "-m", "conformance", *passed_on]
        command += ["--subject", subject, "--report", str(report / name)]
        statuses.append(subprocess.run(command).returncode)
        if statuses[-1] == USAGE:
            return USAGE
        console.print()
    records = []
    for name in subjects:
        # One that could not even start has said so.
        with suppress(NoResults):
            records.append(load(report / name))
    if not records or merge_records(records, report, console) != 0:
        return COULD_NOT_RUN
    if set(statuses) <= {CONFORMS, DOES_NOT_CONFORM}:
        return max(statuses)
    return COULD_NOT_RUN


def _without_matrix(arguments: list[str]) -> list[str]:
    """The options that every run gets; the command line has been found correct."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--matrix")
    parser.add_argument("--report")
    return parser.parse_known_args(arguments)[1]
