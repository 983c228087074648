"""scripts/mutants --random: draws mutants, runs the suite against each, and writes what survived."""

from __future__ import annotations

import argparse
import fnmatch
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from conformance.expect import counted
from conformance.settings import ROOT
from tests.mutants import reach
from tests.mutants.campaign import Campaign
from tests.mutants.drawing import KINDS, Maker, known_equivalents
from tests.mutants.console import NO_RESULT, NOT_NOTICED, NOTICED, complain
from tests.mutants.judging import complaints
from tests.mutants.nets import NAMES, Nets
from tests.mutants.sample import Fate, Outcome
from tests.mutants.unseen import is_seen
from tests.mutants.workshop import BuildError


def add_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--random", metavar="N", type=int, help="draw N mutants")
    group.add_argument(
        "--seed", metavar="S", type=int, default=1, help="that draws them (default: 1)"
    )
    group.add_argument(
        "--after",
        metavar="NUMBER",
        type=int,
        default=0,
        help="continue a seed after the mutant of that number, with which the patches' names begin",
    )
    group.add_argument(
        "--files",
        metavar="GLOB",
        action="append",
        default=[],
        help="files to draw from, e.g. 'relay/auth/*'; may be repeated. The default is all of relay/ but "
        "for what no peer can notice (tests/mutants/unseen.yaml). What is drawn from that nevertheless is "
        "marked, and does not count in the rate",
    )
    group.add_argument(
        "--survivors",
        metavar="DIR",
        type=Path,
        default=ROOT / "reports" / "survivors",
        help="write each mutant that was not killed as a patch, and all outcomes as JSON "
        "(default: reports/survivors)",
    )
    group.add_argument(
        "--coverage",
        action="store_true",
        help="first find out which tests execute which lines: minutes, once for each state of relay and "
        "suite. Only those run then, and a mutant on a line that none executes has survived without a run",
    )
    group.add_argument(
        "--with",
        metavar="NET,...",
        dest="nets",
        type=net_names,
        default=(),
        help="what else may notice a mutant that the suite does not: unit, vectors. The rate of the suite "
        "stays its own",
    )
    group.add_argument(
        "-j",
        metavar="N",
        type=int,
        default=2,
        dest="jobs",
        help="mutants that the suite runs against at once (default: %(default)s)",
    )


def net_names(text: str) -> tuple[str, ...]:
    """Of a comma-separated list."""
    found = tuple(name.strip() for name in text.split(","))
    for name in found:
        if name not in NAMES:
            raise argparse.ArgumentTypeError(f"'{name}' is not {' or '.join(NAMES)}")
    return found


def wanted_files(files: Sequence[str], globs: Sequence[str]) -> list[str]:
    """Those that match; without globs, those that a peer may notice."""
    if not globs:
        return [file for file in files if is_seen(file)]
    return [
        file for file in files if any(fnmatch.fnmatchcase(file, glob) for glob in globs)
    ]


def summary(outcomes: Sequence[Outcome]) -> str:
    """The rate is of mutants in files that a peer can notice."""
    number = Counter(outcome.fate for outcome in outcomes)
    fates = ", ".join(f"{number[fate]} {fate}" for fate in Fate)
    counting = [outcome for outcome in outcomes if outcome.mutant.seen]
    killed = sum(outcome.fate == Fate.KILLED for outcome in counting)
    rate = f"{100 * killed / len(counting):.0f} %" if counting else "none"
    said = f"{counted(len(outcomes), 'mutant')}: {fates}; killed of what a peer may notice: {rate}"
    netted = killed + sum(bool(outcome.net) for outcome in counting)
    if netted > killed:
        said += f", with the other tests {100 * netted / len(counting):.0f} %"
    return said


def break_at_random(options: argparse.Namespace, build: Path) -> int:
    """The command; `build` is the directory for everything that it builds."""
    try:
        known = known_equivalents(ROOT)
        maker = Maker(build / "random", ROOT)
    except (BuildError, ValueError) as error:
        complain(str(error))
        return NO_RESULT
    files = wanted_files(maker.files, options.files)
    if not files:
        complain(f"no file of the relay is called {' or '.join(options.files)}")
        return NO_RESULT
    if not _is_sound(maker, build / "random" / "sound"):
        return NO_RESULT
    executed = None
    if options.coverage:
        print("which tests execute what ...", flush=True)
        executed = reach.reach(build / "reach")
    nets = Nets(build / "nets", maker.workshop.root, options.nets)
    try:
        missed = nets.catch(None) if options.nets else ""
    except BuildError as error:
        missed = f"with the tests' programs, {error}"
    if missed:
        complain(f"the unbroken relay does not pass: {missed}")
        return NO_RESULT
    places = maker.sites(files)
    print(
        f"{counted(len(places), 'site')} in {counted(len(files), 'file')}", flush=True
    )
    outcomes = Campaign(options, maker, executed, nets).run(places, known)
    number = Counter(entry.kind for entry in known)
    kinds = ", ".join(f"{number[kind]} {kind}" for kind in KINDS)
    print(f"{summary(outcomes)}; others are known and not drawn: {kinds}")
    survived = any(outcome.fate != Fate.KILLED for outcome in outcomes)
    return NOT_NOTICED if survived else NOTICED


def _is_sound(maker: Maker, stamp: Path) -> bool:
    """Whether the relay passes while it is not broken. Not asked again for the same relay and suite."""
    digest = reach.digest()
    if stamp.exists() and stamp.read_text("ascii") == digest:
        return True
    print("the unbroken relay ...", flush=True)
    unsound = complaints(maker.workshop.binary, ())
    for text in unsound:
        complain(f"the unbroken relay: {text}")
    if not unsound:
        stamp.write_text(digest, encoding="ascii")
    return not unsound
