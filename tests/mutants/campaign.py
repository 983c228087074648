"""A campaign of random mutants: each meets its first tests alone, and those that are left wait for the others
until there are enough of them to be judged together."""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from conformance import tracing
from conformance.settings import ROOT
from tests.mutants import nearness
from tests.mutants.drawing import Equivalent, Maker, Mutant
from tests.mutants.nets import Nets
from tests.mutants.operators import Site
from tests.mutants.reach import Reach
from tests.mutants.sample import UNNOTICED, Fate, Outcome, run, try_out, write_survivor
from tests.mutants.together import AT_ONCE, apart, judge_together


def line(outcome: Outcome) -> str:
    """An outcome for the terminal."""
    mutant = outcome.mutant
    unseen = "" if mutant.seen else " (no peer notices this)"
    net = f" (noticed by: {outcome.net})" if outcome.net else ""
    never = " (never executed)" if outcome.reached is False else ""
    fate = "waits for the other tests" if outcome.left else outcome.fate
    return (
        f"{mutant.number:05} {mutant.site.operator:5} {mutant.place}{unseen}  {fate}{never}{net}  "
        f"{outcome.by}  {outcome.seconds:.1f} s"
    )


def to_row(outcome: Outcome) -> dict[str, Any]:
    """An outcome as JSON."""
    mutant = outcome.mutant
    return {
        "number": mutant.number,
        "operator": mutant.site.operator,
        "place": mutant.place,
        "function": mutant.site.function,
        "what": mutant.what,
        "fate": str(outcome.fate),
        "by": outcome.by,
        "seconds": round(outcome.seconds, 1),
        "seen": mutant.seen,
        "reached": outcome.reached,
        "net": outcome.net,
    }


class Campaign:
    """The mutants of one command. What comes of them is printed and written at once."""

    def __init__(
        self,
        options: argparse.Namespace,
        maker: Maker,
        executed: Reach | None,
        nets: Nets,
    ) -> None:
        self.options = options
        self.maker = maker
        self.executed = executed
        self.nets = nets
        self.trace = tracing.collect(ROOT)
        self.outcomes: list[Outcome] = []
        self.waiting: list[Outcome] = []

    def run(self, places: Sequence[Site], known: Sequence[Equivalent]) -> list[Outcome]:
        """All outcomes, as they came."""
        options = self.options
        by_name = bool(options.files)
        drawn = self.maker.draw(
            places, options.seed, known, options.after, unseen=by_name
        )
        with tempfile.TemporaryDirectory(prefix="mutants-") as name:
            directory = Path(name)
            for outcome in run(
                self.maker,
                drawn,
                options.random,
                options.jobs,
                self._first,
                directory,
            ):
                self._take(outcome)
                if len(apart(self.waiting)) == AT_ONCE:
                    self._settle_together(directory)
            while self.waiting:
                self._settle_together(directory)
        return self.outcomes

    def _first(self, mutant: Mutant, binary: Path) -> Outcome:
        """What its first tests say; or all of them, if nothing is known of what executes what."""
        file, executed = mutant.site.file, self.executed
        if executed is None:
            return try_out(mutant, binary, nearness.stages(file, self.trace))
        reaching = executed.tests_of(mutant.site)
        if reaching == []:
            return Outcome(mutant, Fate.SURVIVED, reached=False)
        tests = executed.every_test if reaching is None else reaching
        stages = nearness.stages_of(tests, file, self.trace, mutant.number)
        outcome = try_out(mutant, binary, stages[:1])
        left = [test for stage in stages[1:] for test in stage.tests]
        return replace(
            outcome,
            reached=None if reaching is None else True,
            left=left if outcome.fate in UNNOTICED else (),
        )

    def _take(self, outcome: Outcome) -> None:
        if outcome.left:
            self.waiting.append(outcome)
            print(f"     {line(outcome)}", flush=True)
        else:
            self._settle(outcome)

    def _settle(self, outcome: Outcome) -> None:
        if outcome.fate == Fate.SURVIVED and self.options.nets:
            outcome = replace(outcome, net=self.nets.catch(outcome.mutant))
        self.outcomes.append(outcome)
        print(f"{len(self.outcomes):4} {line(outcome)}", flush=True)
        if outcome.fate != Fate.KILLED:
            write_survivor(outcome, self.options.survivors)
        self._write()

    def _settle_together(self, directory: Path) -> None:
        group = apart(self.waiting)
        self.waiting = [o for o in self.waiting if o not in group]
        seed = self.options.seed
        for outcome in judge_together(
            group,
            lambda mutant: directory / mutant.name,
            lambda mutants: self.maker.join(mutants, seed),
        ):
            (directory / outcome.mutant.name).unlink()
            self._settle(outcome)

    def _write(self) -> None:
        """All so far, in the order of their numbers."""
        options = self.options
        ordered = sorted(self.outcomes, key=lambda outcome: outcome.mutant.number)
        rows = json.dumps([to_row(outcome) for outcome in ordered], indent=1)
        options.survivors.mkdir(parents=True, exist_ok=True)
        path = options.survivors / f"outcomes-{options.seed}-{options.after}.json"
        path.write_text(rows + "\n", encoding="utf-8")
