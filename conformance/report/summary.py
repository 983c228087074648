"""summary.md: what a job's page shows, such as GitHub's step summary or GitLab's note on a merge request.

The verdict and the counts, then what decides: the failures that gate, and what is new or mended against
the list of known failures. Whatever a subject sent is in code spans, in which Markdown knows no markup.
There are no links: beside a job's page there is no index.html that they could lead to.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable

from conformance.expect import counted
from conformance.report.model import ClauseResult, Outcome, Run, TestResult
from conformance.report.text import shortened, visible

FACT_LENGTH = 200
ENTRIES_SHOWN = 50  # of one list; GitHub takes 1 MiB a step


def to_summary(run: Run, today: datetime.date) -> str:
    name = code(f"{run.who} {run.version}")
    lines = [f"### {name}: {run.conclusion(today)}", ""]
    if run.failure is not None:
        lines += [code(run.failure), ""]
    lines += [*_counts(run), ""]
    if run.sample:
        drawn = f"--sample {run.sample['count']} --seed {run.sample['seed']}"
        lines += [f"With random input: {code(drawn)}.", ""]
    lines += [f"- {problem}" for problem in map(code, run.waiver_problems(today))]
    lines += _section("Failures that gate", map(_failure, run.failing()))
    by_id = {test.id: test for test in run.tests}
    new = [by_id[name] for name in run.new or [] if name in by_id]
    lines += _section("New failures", map(_test, new))
    lines += _section("No longer failing", map(code, run.mended or []))
    lines += [
        "For more, see index.html in the report; a CI job keeps that as an artifact.",
        "",
    ]
    return "\n".join(lines)


def code(text: str) -> str:
    """`text` as a code span."""
    line = shortened(" ".join(visible(text).split()), FACT_LENGTH) or " "
    ticks = "`" * (max(map(len, re.findall("`+", line)), default=0) + 1)
    pad = " " if "`" in line else ""
    return f"{ticks}{pad}{line}{pad}{ticks}"


def prose(text: str) -> str:
    """`text` of the catalogue without markup."""
    return re.sub(r"([\\`*_{}\[\]<>#|~&])", r"\\\1", text)


def _counts(run: Run) -> list[str]:
    """A table of the headings; only those columns that any clause has."""
    headings = run.headings()
    columns = [o for o in Outcome if any(number[o] for _, number in headings)]
    if not columns:
        return []
    rows = [
        f"| {prose(heading)} | {' | '.join(str(number[o] or '') for o in columns)} |"
        for heading, number in headings
    ]
    sums = [sum(number[outcome] for _, number in headings) for outcome in columns]
    total = " | ".join(f"{outcome}: {n}" for outcome, n in zip(columns, sums))
    return [
        f"{counted(len(run.clauses), 'clause')}, {counted(len(run.tests), 'test')}, "
        f"{run.duration:.0f} s: {total.replace(' | ', ', ')}",
        "",
        "<details><summary>by heading</summary>",
        "",
        f"| heading | {' | '.join(columns)} |",
        f"| --- |{' ---: |' * len(columns)}",
        *rows,
        "",
        "</details>",
    ]


def _section(title: str, entries: Iterable[str]) -> list[str]:
    listed = list(entries)
    if not listed:
        return []
    lines = [f"#### {title} ({len(listed)})", ""]
    lines += [f"- {entry}" for entry in listed[:ENTRIES_SHOWN]]
    if len(listed) > ENTRIES_SHOWN:
        lines.append(f"- and {len(listed) - ENTRIES_SHOWN} more")
    return [*lines, ""]


def _failure(result: ClauseResult) -> str:
    clause = result.clause
    failed = next(test for test in result.tests if test.outcome == Outcome.FAIL)
    known = " (known)" if failed.known else ""
    return (
        f"{clause.id} ({clause.level}) {prose(clause.statement)} "
        f"Expected {code(str(failed.expected))}, got {code(str(failed.actual))}{known}"
    )


def _test(test: TestResult) -> str:
    return f"{', '.join(test.clauses)} {code(test.title)}: got {code(str(test.actual))}"
