"""The command line of scripts/mutants."""

from __future__ import annotations

import argparse
import datetime
import os
import queue
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from conformance import tracing
from conformance.clauses import load_catalogue
from conformance.expect import counted
from conformance.settings import ROOT
from tests.mutants.breakages import Breakage, PatchError, collect, misnamed, selected
from tests.mutants import at_random, table
from tests.mutants.console import NO_RESULT, NOT_NOTICED, NOTICED, complain
from tests.mutants.judging import Finding, Verdict, complaints, judge
from tests.mutants.operators import OPERATORS
from tests.mutants.scope import NoHistory, changed_files, touched
from tests.mutants.workshop import TARGET, BuildError, Workshop, ninja

BUILD = ROOT / "build-mutants"
# With more in parallel, tests fail because of time-outs.
PARALLEL = 2

DESCRIPTION = """\
Breaks the relay, and says whether the suite notices.

Builds the relay with -Dmutants=true in build-mutants/. Then, for every breakage (CLAUSE(), BREAK() and
unless_broken() in relay/, and the patches in tests/mutants/), runs the tests that name its clause
against the relay that is broken in this way and no other. At least one of them must fail; an error
of the harness, or a relay that does not start, does not count. Before that, the relay that is not
broken must pass the same tests."""

EPILOG = """\
examples:
  scripts/mutants                   every breakage
  scripts/mutants -k ERR-06         those of a clause
  scripts/mutants -k DLG-04-code    one of a clause that has several
  scripts/mutants --changed         those that the changes on this branch may have to do with
  scripts/mutants --all --report reports
                                    every breakage, and the table beside the report of conform
  scripts/mutants --random 100 --seed 7 --coverage
                                    a hundred mistakes of any kind, and those that nobody noticed as
                                    patches in reports/survivors/; one that behaves as the original is
                                    to be explained in tests/mutants/equivalent.yaml, and one that no peer can tell from it
                                    in unobservable.yaml

a breakage is added
  in the code, if an expression can be wrong:
    CLAUSE(SRS_03, condition), BREAK(DLG_04_code, 503, 250), unless_broken(LIM_18)
    relay/base/clause.h explains them; DLG-04-code is one of several breakages of DLG-04
  as tests/mutants/ERR-06-first-line.patch, if none can:
    a sentence that says what it breaks, perhaps a line "Clauses: ERR-06, ERR-07", an empty line,
    and a unified diff against the root of the repository, of files in relay/

exit status:
  0  every broken relay was caught
  1  one survived
  2  usage error, or one has no result: the relay does not build or does not pass, a patch does not
     apply or compile, the harness failed"""


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/mutants",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "-k",
        metavar="GLOB",
        action="append",
        default=[],
        help="break only these, by clause or breakage; may be repeated",
    )
    parser.add_argument(
        "--all", action="store_true", help="every breakage, as without options"
    )
    parser.add_argument(
        "--changed",
        metavar="COMMIT",
        nargs="?",
        const="",
        help="only those in files of relay/ that differ from COMMIT, and patches that are for these "
        "files or differ themselves (default: where this branch left main; on main, the commit before)",
    )
    parser.add_argument(
        "--at-most",
        metavar="N",
        type=int,
        help="try N of them, spread over all, if there are more",
    )
    parser.add_argument(
        "--table", metavar="FILE", type=Path, help="write the findings as JSON"
    )
    parser.add_argument(
        "--report",
        metavar="DIR",
        type=Path,
        help="write mutants.html and mutants.json into DIR, the directory of a report of scripts/conform",
    )
    at_random.add_options(
        parser.add_argument_group(
            "mistakes at random",
            "by general operators, on any line: "
            + ", ".join(f"{name} {text}" for name, text in OPERATORS.items())
            + ". Only the suite counts, as with any other MTA",
        )
    )
    options = parser.parse_args(arguments)
    if options.random is not None and (options.k or options.changed is not None):
        parser.error("--random: not with -k or --changed")
    if options.all and (options.k or options.changed is not None):
        parser.error("--all: not with -k or --changed")
    if options.at_most is not None and options.at_most < 1:
        parser.error("--at-most: at least 1")
    return options


class Benches:
    """As many workshops as breakages are judged at once."""

    def __init__(self, number: int) -> None:
        self._free: queue.SimpleQueue[Workshop] = queue.SimpleQueue()
        for index in range(number):
            self._free.put(Workshop(BUILD / "workshops" / str(index), ROOT))

    def judge(self, breakage: Breakage, trace: tracing.Trace) -> list[Finding]:
        """The findings of a breakage, one for each of its clauses."""
        if breakage.patch is None:
            return [
                judge(breakage, clause, BUILD / TARGET, trace)
                for clause in breakage.clauses
            ]
        workshop = self._free.get()
        try:
            workshop.restore()
            workshop.apply(breakage.patch)
            workshop.compile()
            return [
                judge(breakage, clause, workshop.binary, trace)
                for clause in breakage.clauses
            ]
        except (PatchError, BuildError) as error:
            complain(f"{breakage.where}: {error}")
            reason = (
                "does not apply" if isinstance(error, PatchError) else "does not build"
            )
            return [
                Finding(breakage, clause, Verdict.ERROR, reason=reason)
                for clause in breakage.clauses
            ]
        finally:
            self._free.put(workshop)


def find(breakages: Sequence[Breakage], trace: tracing.Trace) -> Iterator[Finding]:
    """The findings of all breakages, in their order, as they come."""
    number = min(PARALLEL, os.cpu_count() or 1)
    benches = Benches(number)
    with ThreadPoolExecutor(number) as pool:
        for findings in pool.map(lambda b: benches.judge(b, trace), breakages):
            yield from findings


def line(finding: Finding) -> str:
    """A finding for the terminal."""
    name = finding.breakage.id
    if finding.clause not in name:
        name += f" ({finding.clause})"
    said = (
        f"caught    {finding.test}"
        if finding.verdict == Verdict.FAIL
        else f"{finding.verdict.upper():9} {finding.reason}"
    )
    return f"{name:16} {finding.seconds:5.1f} s  {said}"


def chosen(options: argparse.Namespace) -> tuple[list[Breakage], list[str]]:
    """The breakages to try, and why they cannot be."""
    breakages, wrong = collect(ROOT)
    wrong += misnamed(breakages, load_catalogue())
    breakages = selected(breakages, options.k)
    if options.k and not breakages:
        wrong.append(f"no clause to break is called {' or '.join(options.k)}")
    if options.changed is not None:
        try:
            changed = changed_files(ROOT, options.changed or None)
        except NoHistory as error:
            if options.changed:
                return [], [str(error)]
            complain(f"nothing is known to have changed: {error}")
            changed = set()
        breakages = touched(breakages, changed)
    return breakages, wrong


def spread(breakages: list[Breakage], at_most: int | None) -> list[Breakage]:
    """So many of them at most, evenly spread."""
    if at_most is None or len(breakages) <= at_most:
        return breakages
    print(f"{at_most} of {counted(len(breakages), 'breakage')} are tried", flush=True)
    return [breakages[i * len(breakages) // at_most] for i in range(at_most)]


def break_by_name(options: argparse.Namespace) -> int:
    """Breaks what has a name."""
    began, started = time.monotonic(), datetime.datetime.now(datetime.timezone.utc)
    breakages, wrong = chosen(options)
    for text in wrong:
        complain(text)
    if wrong:
        return NO_RESULT
    wanted, breakages = len(breakages), spread(breakages, options.at_most)
    trace = tracing.collect(ROOT)
    clauses = dict.fromkeys(clause for b in breakages for clause in b.clauses)
    if breakages and not is_sound([c for c in clauses if c in trace.tests]):
        return NO_RESULT
    found = []
    for finding in find(breakages, trace):
        found.append(finding)
        print(f"{len(found):4} {line(finding)}", flush=True)
    number = Counter(finding.verdict for finding in found)
    seconds = time.monotonic() - began
    print(
        f"{counted(len(breakages), 'breakage')} of {counted(len(clauses), 'clause')}, "
        f"{number[Verdict.FAIL]} caught, {number[Verdict.SURVIVED]} survived, "
        f"{number[Verdict.ERROR]} without a result, {seconds:.0f} s"
    )
    everything = not options.k and options.changed is None and len(breakages) == wanted
    document = table.to_document(found, started, seconds, everything)
    if options.table is not None:
        options.table.write_text(table.to_json(document), encoding="ascii")
    if options.report is not None:
        table.write(document, options.report)
    if number[Verdict.SURVIVED]:
        return NOT_NOTICED
    return NO_RESULT if number[Verdict.ERROR] else NOTICED


def is_sound(clauses: list[str]) -> bool:
    """Builds the relay that can be broken; whether it passes the tests while it is not."""
    try:
        ninja(BUILD, ROOT, TARGET)
    except BuildError as error:
        complain(f"the relay does not build:\n{error}")
        return False
    print(f"the unbroken relay, {counted(len(clauses), 'clause')} ...", flush=True)
    unsound = complaints(BUILD / TARGET, clauses)
    for text in unsound:
        complain(f"the unbroken relay: {text}")
    return not unsound


def main(arguments: Sequence[str]) -> int:
    options = parse(arguments)
    if options.random is not None:
        return at_random.break_at_random(options, BUILD)
    return break_by_name(options)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
