"""mutants.json and mutants.html: which test noticed which breakage.

conformance/schemas/mutants.schema.json is the schema of mutants.json; as in results.json, keys may be
added, and none is renamed or removed without a new `schema`.

    schema        1
    started       ISO 8601 date and time, in UTC
    duration      in seconds
    complete      whether all breakages were tried
    suite         as in results.json
    counts        findings by verdict
    findings      one for each breakage and clause:
      clause
      breakage    as given to -k
      place       its lines in relay/, or the patch
      what        what it breaks in a sentence, of a patch
      verdict     fail (it was caught), survived, or error (there is no result)
      test        that failed
      reason      what happened if none did
      seconds
"""

from __future__ import annotations

import datetime
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from conformance.report.identity import suite_identity
from conformance.report.pages import render
from conformance.settings import SUITE
from tests.mutants.judging import Finding, Verdict

SCHEMA = 1
JSON, HTML = "mutants.json", "mutants.html"


def to_document(
    findings: Sequence[Finding],
    started: datetime.datetime,
    duration: float,
    complete: bool,
) -> dict[str, Any]:
    """The object of mutants.json."""
    counts = Counter(finding.verdict for finding in findings)
    return {
        "schema": SCHEMA,
        "started": started.isoformat(timespec="seconds"),
        "duration": round(duration, 3),
        "complete": complete,
        "suite": suite_identity(SUITE),
        "counts": {str(verdict): counts[verdict] for verdict in Verdict},
        "findings": [_row(finding) for finding in findings],
    }


def _row(finding: Finding) -> dict[str, Any]:
    row = {
        "clause": finding.clause,
        "breakage": finding.breakage.id,
        "place": finding.breakage.where,
        "what": finding.breakage.what,
        "verdict": str(finding.verdict),
        "test": finding.test,
        "reason": finding.reason,
        "seconds": round(finding.seconds, 3),
    }
    return {key: value for key, value in row.items() if value not in (None, "")}


def to_json(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=2) + "\n"


def to_html(document: dict[str, Any]) -> str:
    """The page beside index.html: what was not caught first."""
    rank = {Verdict.SURVIVED: 0, Verdict.ERROR: 1, Verdict.FAIL: 2}
    findings = sorted(
        document["findings"], key=lambda row: rank[Verdict(row["verdict"])]
    )
    return render(
        "mutants.html.jinja",
        document=document,
        findings=findings,
    )


def write(document: dict[str, Any], directory: Path) -> None:
    """Into a report's directory."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / JSON).write_text(to_json(document), encoding="ascii")
    (directory / HTML).write_text(to_html(document), encoding="utf-8")
