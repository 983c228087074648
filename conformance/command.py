"""The `conform` command: tests an MTA against the clauses of the catalogue.

`--help` explains options and exit status. Reports are written whenever a test or the lab has started.
"""

from __future__ import annotations

import datetime
import os
import subprocess
import sys
import tempfile
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from conformance.expect import counted
from conformance import shell
from conformance.clauses import (
    CatalogueError,
    Clause,
    load_catalogue,
    selected,
    unmatched,
)
from conformance.lab import namespace
from conformance.lab.plan import make_plan
from conformance.matrix import MatrixError, Part, parts_of, run_parts
from conformance.options import parse, settings_of
from conformance.output import replace_standard_streams, status_of_output
from conformance.report.commands import COMMANDS
from conformance.report.console import list_clauses, report
from conformance.report.files import write_files
from conformance.report.model import (
    COULD_NOT_RUN,
    USAGE,
    Run,
    Waiver,
    WaiverError,
    load_waivers,
)
from conformance.run import count_slots, run_tests
from conformance.settings import SPARE_SLOTS, Settings
from conformance.subjects import (
    description_of,
    environment,
    folder_of,
    make_subject,
    plan_file,
    service_of,
)
from conformance.subjects.base import CAPABILITIES, RELAY, ROLES, SubjectUnavailable
from conformance.subjects.claims import read_claims
from conformance.subjects.description import (
    HINTS,
    KNOWN_FAILURES,
    Description,
    faults_of,
)
from conformance.subjects.known import (
    faults_of_hints,
    faults_of_known,
    load_hints,
    load_known,
)


def complain(text: object) -> None:
    print(f"conform: {text}", file=sys.stderr)


def can_report(settings: Settings) -> bool:
    """Whether reports can be written, checked before the tests run."""
    try:
        settings.transcripts.mkdir(parents=True, exist_ok=True)
        for directory in (settings.transcripts, settings.transcripts.parent):
            with tempfile.TemporaryFile(dir=directory):
                pass
    except OSError as error:
        complain(
            f"cannot write reports ({error}); choose another directory with --report"
        )
        return False
    return True


def unknown_clauses(
    settings: Settings, catalogue: Mapping[str, Clause], waivers: list[Waiver]
) -> list[str]:
    """A message for each name that matches no clause."""
    # One of several breakages of a clause has a word after the clause's id.
    name = settings.broken_clause
    broken = ["-".join(name.split("-")[:2])] if name else []
    return (
        [f"-k: {fault}" for fault in unmatched(catalogue, settings.clauses)]
        + [f"--break: {fault}" for fault in unmatched(catalogue, broken)]
        + [
            f"{settings.waivers}: {fault}"
            for fault in unmatched(catalogue, [waiver.glob for waiver in waivers])
        ]
    )


def faults_of_subject(settings: Settings, clauses: Collection[str]) -> list[str]:
    """What keeps the subject's folder, or the file on a target, from being used, if anything does."""
    known = hints = None
    try:
        if settings.target is None:
            described = description_of(settings.subject)
            known, hints = described.known_failures, described.hints
        elif settings.capabilities is not None:
            read_claims(Path(settings.capabilities))
    except SubjectUnavailable as error:
        return str(error).splitlines()
    if settings.regressions and known is None:
        return ["--regressions: the subject has no known-failures.yaml"]
    faults = faults_of_known(known, clauses) if known else []
    return faults + (faults_of_hints(hints) if hints else [])


def check_subject(folder: str, clauses: Collection[str]) -> int:
    """Says what is wrong with a subject's folder."""
    try:
        faults = faults_of(folder_of(folder))
        known = folder_of(folder) / KNOWN_FAILURES
        if known.exists():
            faults += faults_of_known(known, clauses)
        hints = folder_of(folder) / HINTS
        if hints.exists():
            faults += faults_of_hints(hints)
    except SubjectUnavailable as error:
        faults = [str(error)]
    for fault in faults:
        complain(fault)
    if not faults:
        print(f"{folder}: the folder is in order. One mail, and what it declares:")
        print(f"  scripts/conform --subject {folder} -k 'SANE-*' -k 'CAP-*'")
    return USAGE if faults else 0


def build_subject(settings: Settings) -> None:
    """Has the subject's own `build` bring it up to date. Raises SubjectUnavailable."""
    for subject in filter(None, {settings.subject, service_of(settings)}):
        build_one(description_of(subject), settings)


def build_one(description: Description, settings: Settings) -> None:
    """The same of one subject, or of what serves it."""
    build = description.executable("build")
    if build is None:
        return
    variables = {"SUBJECT": str(description.folder), **environment(settings)}
    done = subprocess.run(
        [build], cwd=description.folder, env={**os.environ, **variables}
    )
    if done.returncode != 0:
        raise SubjectUnavailable(f"{description.title}: `build` failed, see above")


def write_plan(path: str, settings: Settings) -> int:
    """Writes the plan that a run has, for the operator of a --target, with its addresses."""
    plan = make_plan(count_slots(settings) + SPARE_SLOTS, settings.role)
    try:
        if settings.target is not None:
            plan = make_subject(settings).adapt(plan)
        plan_file.write(plan, Path(path))
    except SubjectUnavailable as error:
        complain(error)
        return USAGE
    except OSError as error:
        complain(f"--plan {path}: {error.strerror}")
        return USAGE
    return 0


def explain_capabilities() -> None:
    """Prints what every capability means."""
    width = max(map(len, CAPABILITIES))
    for name, meaning in sorted(CAPABILITIES.items()):
        print(f"{name:{width}}  {meaning}")


def show_routes(count: int) -> None:
    """Prints the routes of a plan for `count` tests, for the operator of a --target."""
    for zone in make_plan(count).zones:
        for route in zone.routes:
            print(f"{route.address} {route.to}")


def enter_lab(settings: Settings) -> int | None:
    """Builds the subject if needed, and goes on in a namespace for the lab. Returns None there; outside, the
    exit status of the process that has gone on, or of a failure."""
    try:
        if settings.target is None and not namespace.inside():
            build_subject(settings)
            status = namespace.enter()
            if status is not None:
                return status
        if namespace.inside():
            namespace.prepare_scratch()
    except SubjectUnavailable as error:
        complain(error)
        return COULD_NOT_RUN
    except namespace.NamespaceForbidden as error:
        complain(
            f"namespaces are not allowed here ({error}): run as root (in a container: "
            "with CAP_SYS_ADMIN and CAP_NET_ADMIN), or allow them with sysctl kernel.unprivileged_userns_clone=1"
        )
        return COULD_NOT_RUN
    except OSError as error:
        complain(f"cannot start the lab: {error}")
        return COULD_NOT_RUN
    return None


def show(run: Run, settings: Settings, console: Console) -> int:
    """Writes the reports, prints the one for the console, and returns the exit status."""
    today, directory = datetime.date.today(), Path(settings.report)
    status = run.exit_status(today)
    try:
        write_files(run, directory, today)
    except OSError as error:
        complain(f"the reports are incomplete: {error}")
        status = COULD_NOT_RUN
    if status == USAGE:
        complain("no test asserts any of the selected clauses")
    else:
        report(run, console, today, settings.verbose, directory)
    return status


def parts_wanted(
    settings: Settings, matrix: list[str] | None, chosen: Collection[Clause]
) -> list[Part]:
    """The runs of a command line: each subject of --matrix or the only one, in each of its roles; none of a
    target. Raises MatrixError."""
    if settings.target is not None:
        if set(settings.roles) - {RELAY}:
            raise MatrixError(
                "a --target is judged as a relay: a sender hands in mail by `submit` of its folder, and the "
                "lab runs the service in front of a receiver (conformance/subjects/README.md)"
            )
        return []
    judged = {role for clause in chosen for role in clause.roles}
    return parts_of(
        matrix or [settings.subject],
        Path(settings.report),
        settings.roles,
        judged,
        several=matrix is not None,
    )


def main(arguments: list[str]) -> int:
    console = Console(
        file=sys.stdout, no_color=True if os.environ.get("NO_COLOR") else None
    )
    if arguments and arguments[0] in COMMANDS:
        return COMMANDS[arguments[0]](arguments[1:], console)
    options = parse(arguments)
    settings = settings_of(options)
    try:
        catalogue = load_catalogue()
        waivers = load_waivers(Path(settings.waivers)) if settings.waivers else []
    except (CatalogueError, WaiverError) as error:
        complain(error)
        return USAGE
    unknown = unknown_clauses(settings, catalogue, waivers)
    if options.matrix is None:  # each of its runs sees to its own subject
        unknown += faults_of_subject(settings, catalogue)
    for fault in unknown:
        complain(fault)
    if unknown:
        return USAGE
    chosen = [catalogue[name] for name in selected(catalogue, settings.clauses)]
    if options.check_subject is not None:
        return check_subject(options.check_subject, catalogue)
    if options.capabilities == "":
        explain_capabilities()
        return 0
    if options.plan is not None:
        return write_plan(options.plan, settings)
    if options.routes is not None:
        show_routes(options.routes)
        return 0
    if options.list:
        wanted = set(settings.roles or ROLES)
        list_clauses([c for c in chosen if wanted & set(c.roles)], console)
        return 0
    try:
        parts = parts_wanted(settings, options.matrix, chosen)
    except MatrixError as error:
        for line in str(error).splitlines():
            complain(line)
        return USAGE
    if options.matrix is not None or (len(parts) > 1 and not options.shell):
        return run_parts(parts, Path(settings.report), arguments, console)
    if parts:
        settings = replace(settings, role=parts[0].role)
    if not options.shell and not can_report(settings):
        return USAGE
    ended = enter_lab(settings)
    if ended is not None:
        return ended
    if options.shell:
        return shell.open_shell(settings)
    return run_here(settings, chosen, len(chosen) == len(catalogue), waivers, console)


def run_here(
    settings: Settings,
    chosen: list[Clause],
    complete: bool,
    waivers: list[Waiver],
    console: Console,
) -> int:
    """Runs the tests of the chosen clauses in one role, and reports them."""
    if settings.shuffle is not None:
        console.print(f"shuffled with seed {settings.shuffle}", highlight=False)
    if settings.sample:
        sample = (
            f"{counted(settings.sample, 'sample')} a test with seed {settings.seed}"
        )
        console.print(sample, highlight=False)
    catalogue = load_catalogue(role=settings.role)
    judged = [catalogue[c.id] for c in chosen if settings.role in c.roles]
    run = run_tests(settings, judged, complete, console)
    if settings.target is None:
        of = description_of(settings.subject)
        run.apply_known(load_known(of.known_failures) if of.known_failures else None)
        run.apply_hints(load_hints(of.hints) if of.hints else [])
    run.regressions = settings.regressions
    run.apply_waivers(waivers, datetime.date.today())
    return show(run, settings, console)


def command() -> int:
    """main() with streams whose reader may close them."""
    replace_standard_streams()
    try:
        status = main(sys.argv[1:])
    except SystemExit as ended:  # argparse's, after --help or a usage error
        status = int(ended.code or 0)
    return status_of_output(status, COULD_NOT_RUN)
