"""results.tap, by version 14 of the Test Anything Protocol, which readers of version 13 understand.

A failure that conform's exit status does not count is `not ok ... # TODO`, which for TAP is no failure;
a test without a verdict is `ok ... # SKIP`. An error is `not ok`, and a run that did not end bails out.
"""

from __future__ import annotations

import json

from conformance.report.model import Outcome, Run, TestResult
from conformance.report.text import shortened, visible

FACT_LENGTH = 2_000


def to_tap(run: Run) -> str:
    lines = ["TAP version 14", f"1..{len(run.tests)}"]
    lines.append(f"# {_line(f'conform {run.who} ({run.version})')}")
    for number, test in enumerate(run.tests, 1):
        lines += _test(run, number, test)
    if run.failure is not None:
        lines.append(f"Bail out! {_line(run.failure)}")
    return "\n".join(lines) + "\n"


def _test(run: Run, number: int, test: TestResult) -> list[str]:
    bad = test.outcome in (Outcome.FAIL, Outcome.ERROR)
    named = f"{' '.join(test.clauses)} {test.title}"
    point = f"{'not ok' if bad else 'ok'} {number} - {_escaped(named)}"
    if test.outcome in (Outcome.SKIPPED, Outcome.UNIMPLEMENTED):
        return [f"{point} # SKIP {_escaped(f'{test.outcome}: {test.reason}')}"]
    if not bad:
        return [point]
    if test.outcome == Outcome.FAIL and (excuse := run.excuse(test)) is not None:
        point = f"{point} # TODO {_escaped(excuse)}"
    # A string of JSON is one of YAML.
    facts = [
        f"  {name}: {json.dumps(shortened(text, FACT_LENGTH))}"
        for name, text in [("outcome", str(test.outcome)), *test.facts()]
        if name != "details"
    ]
    return [point, "  ---", *facts, "  ..."]


def _line(text: str) -> str:
    return " ".join(visible(text).split())


def _escaped(text: str) -> str:
    """A description, in which `#` begins a directive."""
    return _line(text).replace("\\", "\\\\").replace("#", "\\#")
