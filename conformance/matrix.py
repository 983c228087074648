"""`conform --matrix`, and a subject in several roles: each is run by a conform of its own, and there is one
page of them all."""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from conformance.report.commands import merge_records
from conformance.report.model import CONFORMS, COULD_NOT_RUN, DOES_NOT_CONFORM, USAGE
from conformance.report.results import NoResults, load
from conformance.report.files import remove_files
from conformance.subjects import description_of, names
from conformance.subjects.base import RELAY, ROLES, SubjectUnavailable


class MatrixError(Exception):
    """The list of subjects cannot be run; the message says why."""


@dataclass(frozen=True)
class Part:
    """One of the runs: a subject in a role."""

    name: str
    subject: str  # as --subject has it
    role: str
    alone: bool  # it is the subject's only one
    is_known: bool  # there is a list of its failures
    report: Path

    def __str__(self) -> str:
        return self.name if self.alone else f"{self.name} as {self.role}"


def parts_of(
    subjects: list[str],
    report: Path,
    wanted: Collection[str],
    judged: Collection[str],
    several: bool = True,
) -> list[Part]:
    """The runs of the subjects in those of their roles that are `wanted` (all, if none is) and `judged` by a
    selected clause. A subject's report is in a directory of its name if there are `several`; what it does as
    a sender or receiver, in one of that name below. Raises MatrixError."""
    parts: dict[str, list[Part]] = {}
    for subject in subjects:
        try:
            description = description_of(subject)
        except SubjectUnavailable as error:
            raise MatrixError(str(error)) from error
        name = subject if subject in names() else description.name
        if name in parts:
            raise MatrixError(f"--matrix has two subjects with the name {name}")
        declared = [role for role in ROLES if role in description.roles]
        roles = [role for role in declared if role in (wanted or ROLES)]
        if not roles and not several:
            raise MatrixError(
                f"{name} does not declare the role {', '.join(wanted)}: its subject.yaml has "
                f"{', '.join(description.roles)}"
            )
        roles = [role for role in roles if role in judged] or roles[:1]
        own = report / name if several else report
        parts[name] = [
            Part(
                name,
                subject,
                role,
                len(description.roles) == 1,
                description.known_failures is not None,
                own if role == RELAY else own / role,
            )
            for role in roles
        ]
    found = [part for of_subject in parts.values() for part in of_subject]
    if not found:
        raise MatrixError(f"none of them declares the role {', '.join(wanted)}")
    return found


def run_parts(
    parts: Sequence[Part], report: Path, arguments: list[str], console: Console
) -> int:
    """Runs each with the other `arguments`, merges the reports, and returns the gravest exit status: 3 if
    a subject could not run, otherwise 1 if one does not conform."""
    passed_on = _without_ours(arguments)
    statuses = []
    for number, part in enumerate(parts, 1):
        console.print(
            f"== {part} ({number} of {len(parts)})", highlight=False, markup=False
        )
        remove_files(part.report)
        command = [sys.executable, "-m", "conformance", *passed_on]
        command += ["--subject", part.subject, "--report", str(part.report)]
        command += [] if part.alone else ["--role", part.role]
        # One without a list of known failures is judged as ever.
        command = [w for w in command if part.is_known or w != "--regressions"]
        statuses.append(subprocess.run(command).returncode)
        if statuses[-1] == USAGE:
            return USAGE
        console.print()
    records = []
    for part in parts:
        # One that could not even start has said so.
        with suppress(NoResults):
            records.append(load(part.report))
    if not records or merge_records(records, report, console) != 0:
        return COULD_NOT_RUN
    if set(statuses) <= {CONFORMS, DOES_NOT_CONFORM}:
        return max(statuses)
    return COULD_NOT_RUN


def _without_ours(arguments: list[str]) -> list[str]:
    """The options that every run gets; the command line has been found correct."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--matrix")
    parser.add_argument("--subject")
    parser.add_argument("--role")
    parser.add_argument("--report")
    return parser.parse_known_args(arguments)[1]
