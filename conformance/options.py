"""The command line of `conform`."""

from __future__ import annotations

import argparse
import difflib
import math
import random
from pathlib import Path

from conformance.settings import ROOT, SUITE, Settings
from conformance.clauses import GATING, LEVELS
from conformance.subjects import names
from conformance.subjects.base import CAPABILITIES, RELAY, ROLES

DESCRIPTION = """\
Tests an MTA that forwards mail, or one that sends mail to a forwarding service or receives it from there,
against the clauses of conformance/catalogue/, over real SMTP and DNS in a lab of its own, and gives a
verdict on every clause."""

EPILOG = """\
examples:
  scripts/conform                               the reference relay, after building it
  scripts/conform --list -k 'SRS-*'             the clauses on SRS
  scripts/conform -k ERR-05 -v                  one clause, with a line for each of its tests
  scripts/conform --sample 200 --seed 7         with 200 random inputs for each test on a grammar
  scripts/conform --subject postfix             Postfix (scripts/setup --subject postfix)
  scripts/conform --subject postfix --role receiver
                                                as one that gets mail from the service
  scripts/conform --target 10.25.0.1:25 --plan plan.json
                                                what an MTA has to be configured for, to run at that address
  scripts/conform --target 10.25.0.1:25 --name "Example MTA 7" --capabilities mta.yaml
                                                that MTA, running, inside `unshare -nm`
  scripts/conform --shell                       a shell in the lab, to send mail by hand
  scripts/conform --matrix reference,postfix    several, and one page of them all
  scripts/conform merge RUN... [--report DIR]   that page from reports that exist
  scripts/conform diff OLD NEW [--json]         what is new, mended and changed; 1 if anything is worse

reports (in reports/, or --report DIR):
  index.html and summary.md for readers, results.json, junit.xml and results.tap for programs,
  badge.svg, badge.json, transcripts/ of all tests; matrix.html with --matrix and merge.
  results.jsonl has the results so far while a run lasts

exit status:
  0    the subject conforms: no gating clause failed
  1    it does not conform, or a waiver has expired or is not needed
  2    usage error, or no test was selected; there is no verdict
  3    the lab or the subject could not run, or the harness failed
  130  interrupted before the first test or after the last one
  141  standard output was closed (`| head`); the reports are complete"""


# Labs that test a --target at once. Its own capacity is unknown, and they mostly wait.
TARGET_JOBS = 4


def parse(arguments: list[str]) -> argparse.Namespace:
    """The options; exits with status 2 if they are wrong."""
    parser = argparse.ArgumentParser(
        prog="scripts/conform",
        usage="%(prog)s [option]... | merge RUN... | diff OLD NEW",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_subject(parser.add_argument_group("the MTA under test"))
    _add_selection(parser.add_argument_group("what to run"))
    _add_manner(parser.add_argument_group("how to run it"))
    _add_judgement(parser.add_argument_group("verdicts and reports"))
    # For scripts/mutants and for the harness's own tests.
    parser.add_argument(
        "--break", metavar="CLAUSE", dest="broken_clause", help=argparse.SUPPRESS
    )
    parser.add_argument("--suite", default=str(SUITE), help=argparse.SUPPRESS)
    parser.add_argument("--only", type=test_ids, default=[], help=argparse.SUPPRESS)
    options, rest = parser.parse_known_args(arguments)
    if rest:
        hint = "" if rest[0].startswith("-") else "; use -k to select clauses"
        parser.error(f"unrecognized arguments: {' '.join(rest)}{hint}")
    for name, text in (
        ("--target6", options.target6),
        ("--name", options.name),
        ("--capabilities", options.capabilities or None),
    ):
        if text is not None and options.target is None:
            parser.error(
                f"argument {name}: it says more of a --target, and there is none"
            )
    for name, value in (
        ("-j", options.jobs),
        ("--repeat", options.repeat),
        ("--sample", options.sample),
        ("--routes", options.routes),
        ("--timeout-scale", options.timeout_scale),
    ):
        if value is not None and not 0 < value < math.inf:
            parser.error(f"argument {name}: {value} is not a positive number")
    if options.seed is not None and options.sample is None:
        parser.error("argument --seed: it is that of a --sample, and there is none")
    return options


def test_ids(path: str) -> list[str]:
    """Of a file with an id of results.json on each line."""
    try:
        return Path(path).read_text(encoding="utf-8").split("\n")[:-1]
    except (OSError, UnicodeDecodeError) as error:
        raise argparse.ArgumentTypeError(f"{path} cannot be read: {error}") from error


def levels(text: str) -> list[str]:
    """The levels in a comma-separated list, in their order."""
    names = {name.strip() for name in text.split(",") if name.strip()}
    if unknown := names - set(LEVELS):
        raise argparse.ArgumentTypeError(f"no level '{sorted(unknown)[0]}'")
    return [level for level in LEVELS if level in names]


def capabilities(text: str) -> list[str]:
    """The names in a comma-separated list."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in CAPABILITIES:
            near = difflib.get_close_matches(name, CAPABILITIES)
            hint = f"; did you mean {', '.join(near)}?" if near else ""
            raise argparse.ArgumentTypeError(f"no capability '{name}'{hint}")
    return names


def roles(text: str) -> list[str]:
    """The roles in a comma-separated list, in their order."""
    names = {name.strip() for name in text.split(",") if name.strip()}
    if unknown := names - set(ROLES):
        raise argparse.ArgumentTypeError(
            f"no role '{sorted(unknown)[0]}'; there are {', '.join(ROLES)}"
        )
    if not names:
        raise argparse.ArgumentTypeError("no role")
    return [role for role in ROLES if role in names]


def subjects(text: str) -> list[str]:
    """The names and folders in a comma-separated list."""
    found = [name.strip() for name in text.split(",") if name.strip()]
    if not found:
        raise argparse.ArgumentTypeError("no subject")
    return found


def _add_subject(group: argparse._ArgumentGroup) -> None:
    whom = group.add_mutually_exclusive_group()
    whom.add_argument(
        "--subject",
        metavar="NAME|FOLDER",
        default="reference",
        help="the MTA that the lab starts: a folder (conformance/subjects/README.md), or one of "
        f"{', '.join(names())} (default: %(default)s)",
    )
    whom.add_argument(
        "--target",
        metavar="HOST:PORT",
        help="an MTA that is already running in this network namespace (conformance/subjects/README.md, "
        '"An MTA that runs already")',
    )
    whom.add_argument(
        "--matrix",
        metavar="NAME|FOLDER,...",
        type=subjects,
        help="several subjects, one after the other: a report of each in its own directory, and matrix.html",
    )
    whom.add_argument(
        "--check-subject",
        metavar="NAME|FOLDER",
        help="say what is wrong with a subject's folder, and exit",
    )
    group.add_argument(
        "--role",
        metavar="ROLE,...",
        type=roles,
        default=[],
        help="judge the MTA as a relay of the service's kind, as a sender to the service, as a receiver of "
        "what the service forwards, or as several of these one after the other, with a report of each and "
        "matrix.html (default: all that its subject.yaml declares; a --target is judged as a relay)",
    )
    _add_target(group)
    group.add_argument(
        "--plan",
        metavar="FILE",
        help="write what the MTA has to be configured for (routes, names, keys, limits) as JSON, and exit",
    )
    group.add_argument(
        "--without",
        metavar="CAPABILITY,...",
        type=capabilities,
        default=[],
        help="what the MTA does not claim to do, so that its clauses are unimplemented and not failed: "
        + ", ".join(CAPABILITIES),
    )
    group.add_argument(
        "--binary",
        metavar="PATH",
        help="the reference relay to test, instead of building it",
    )


def _add_target(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--target6",
        metavar="HOST:PORT",
        help="the IPv6 address of a --target, as [ADDRESS]:PORT; without it, nothing is judged over IPv6",
    )
    group.add_argument(
        "--name",
        metavar="TEXT",
        help="how reports call a --target (default: the title in the file of --capabilities, or HOST:PORT)",
    )
    group.add_argument(
        "--capabilities",
        metavar="FILE",
        nargs="?",
        const="",
        help="what a --target claims to do and is configured for, in YAML with the keys of a "
        "subject.yaml: capabilities, limits, timeouts, ... (default: all that needs neither its process "
        "nor its configuration); without FILE, explain every capability, and exit",
    )
    group.add_argument(
        "--client-address-by",
        choices=("none", "proxy", "xclient"),
        default="none",
        help="how the client's address is passed to --target: none (it is that of the connection), "
        "proxy (PROXY protocol), xclient",
    )


def _add_selection(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "-k",
        metavar="CLAUSE-GLOB",
        action="append",
        default=[],
        dest="clauses",
        help="run only the tests of these clauses, e.g. 'SRS-*'; may be repeated",
    )
    group.add_argument("--list", action="store_true", help="list the clauses and exit")
    group.add_argument(
        "--routes",
        type=int,
        metavar="N",
        help="print the routes that N tests need, and exit",
    )
    group.add_argument(
        "--repeat", type=int, default=1, metavar="N", help="run every test N times"
    )
    group.add_argument(
        "--sample",
        type=int,
        metavar="N",
        help="run as well the tests that draw their input at random from the grammars of "
        "conformance/samples/, N inputs each; one that fails is shown in its simplest form",
    )
    group.add_argument(
        "--seed",
        type=int,
        metavar="S",
        help="of a --sample: the same seed draws the same inputs (default: any; the reports say which)",
    )
    group.add_argument(
        "--first-failure",
        action="store_true",
        help="stop at the first failure",
    )
    group.add_argument(
        "--brief",
        action="store_true",
        help="of a clause that has failed, run no further tests, and keep no tracebacks; with --regressions, "
        "of one that has failed in a way that is not known",
    )
    group.add_argument(
        "--anyway",
        action="store_true",
        help="go on although the sanity case, one plain mail, is not forwarded",
    )
    group.add_argument(
        "--shell",
        action="store_true",
        help="open a shell in the running lab instead of running tests",
    )


def _add_manner(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "-j",
        type=int,
        metavar="N",
        dest="jobs",
        help="number of labs in parallel (default: as many as needed, at most two per CPU; for a "
        f"--target {TARGET_JOBS})",
    )
    group.add_argument(
        "--shuffle",
        type=int,
        nargs="?",
        const=-1,
        metavar="SEED",
        help="run tests in a random order",
    )
    group.add_argument(
        "--timeout-scale",
        type=float,
        default=1.0,
        metavar="X",
        help="multiply the lab's time-outs by X, for a slow machine",
    )
    group.add_argument(
        "-v", action="store_true", dest="verbose", help="print a line for every test"
    )


def _add_judgement(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--report",
        default=str(ROOT / "reports"),
        metavar="DIR",
        help="write the reports to DIR (default: reports)",
    )
    group.add_argument(
        "--strict",
        action="store_true",
        help="let clauses of every level gate, as with the reference relay",
    )
    group.add_argument(
        "--gate",
        metavar="LEVEL,...",
        type=levels,
        help="let clauses of these levels gate, and others only warn: "
        f"{', '.join(LEVELS)} (default: all for the reference relay, for any other MTA "
        f"{', '.join(level for level in LEVELS if level in GATING)})",
    )
    group.add_argument(
        "--regressions",
        action="store_true",
        help="judge by known-failures.yaml of the subject's folder: status 1 for a failure that is not in "
        "it, or for an entry that no longer fails",
    )
    group.add_argument(
        "--waivers",
        metavar="FILE",
        help="known failures that are accepted until a date, in YAML: "
        "a list of {clause: GLOB, reason: TEXT, until: YYYY-MM-DD}",
    )


def gate_of(options: argparse.Namespace) -> list[str]:
    """The levels that gate."""
    if options.gate:
        return list(options.gate)
    own = options.target is None and options.subject == "reference"
    return [level for level in LEVELS if own or options.strict or level in GATING]


def any_seed() -> int:
    return random.SystemRandom().randrange(1_000_000)


def settings_of(options: argparse.Namespace) -> Settings:
    """The options as settings of a run."""
    seed = options.shuffle
    if seed == -1:
        seed = any_seed()
    drawn_from = options.seed
    if options.sample is not None and drawn_from is None:
        drawn_from = any_seed()
    return Settings(
        subject=options.subject,
        role=options.role[0] if options.role else RELAY,
        roles=options.role,
        target=options.target,
        client_address_by=options.client_address_by,
        clauses=options.clauses,
        target6=options.target6,
        name=options.name,
        capabilities=options.capabilities or None,
        jobs=options.jobs or (TARGET_JOBS if options.target else None),
        shuffle=seed,
        repeat=options.repeat,
        sample=options.sample or 0,
        seed=drawn_from or 0,
        timeout_scale=options.timeout_scale,
        report=str(Path(options.report).resolve()),
        gate=gate_of(options),
        waivers=options.waivers,
        verbose=options.verbose,
        binary=options.binary,
        broken_clause=options.broken_clause,
        first_failure=options.first_failure,
        without=options.without,
        anyway=options.anyway,
        regressions=options.regressions,
        brief=options.brief,
        suite=str(Path(options.suite).resolve()),
        only=options.only,
    )
