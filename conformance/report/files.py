"""The files of a report: results.json (the package's docstring has its keys) and junit.xml for
programs, index.html for readers, and the decisions that clauses cite as specification.html."""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Collection
from dataclasses import asdict
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from conformance.report.html import to_html, to_specification
from conformance.report.model import ClauseResult, Outcome, Run, TestResult
from conformance.sources import DECISIONS_URL

SCHEMA = 1

# XML 1.0 2.2: characters that a document cannot contain, not even escaped.
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write_files(run: Run, directory: Path, today: datetime.date) -> None:
    """Writes all of them into `directory`."""
    (directory / "results.json").write_text(to_json(run, today), encoding="utf-8")
    (directory / "junit.xml").write_bytes(to_junit(run))
    (directory / "index.html").write_text(
        to_html(run, directory, today), encoding="utf-8"
    )
    (directory / DECISIONS_URL).write_text(to_specification(run), encoding="utf-8")


def to_json(run: Run, today: datetime.date) -> str:
    """The whole model; ASCII only, so that nothing in it can harm a reader."""
    document = {
        "schema": SCHEMA,
        "subject": run.subject,
        "version": run.version,
        "started": run.started.isoformat(),
        "duration": round(run.duration, 3),
        "strict": run.strict,
        "gate": list(run.gate),
        "complete": run.complete,
        "exit_status": run.exit_status(today),
        "failure": run.failure,
        "waiver_problems": run.waiver_problems(today),
        "regressions": run.regressions,
        **({} if run.known is None else _compared(run)),
        "clauses": [_clause(result, run.gate) for result in run.clauses],
        "tests": [_without_nothing(asdict(test)) for test in run.tests],
    }
    return json.dumps(document, indent=2) + "\n"


def _compared(run: Run) -> dict[str, Any]:
    """How the failures stand to those that the subject is known for."""
    return {
        "new": [test.id for test in run.new],
        "mended": [str(entry) for entry in run.mended],
    }


def _clause(result: ClauseResult, gate: Collection[str]) -> dict[str, Any]:
    return _without_nothing(
        {
            **asdict(result.clause),
            "source_url": result.clause.source_url,
            "verdict": result.verdict,
            "outcomes": result.outcomes,
            "reason": result.reason,
            "gates": result.gates(gate),
            "waiver": result.waiver.reason if result.waiver else None,
            "tests": [test.id for test in result.tests],
        }
    )


def _without_nothing(mapping: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in mapping.items() if value is not None}


def to_junit(run: Run) -> bytes:
    """A test case for each test, in the JUnit schema of Jenkins and GitLab."""
    suite = ElementTree.Element(
        "testsuite",
        {
            "name": _xml(f"conform {run.subject}"),
            "tests": str(len(run.tests)),
            "failures": str(run.count(Outcome.FAIL)),
            "errors": str(run.count(Outcome.ERROR)),
            "skipped": str(run.count(Outcome.SKIPPED, Outcome.UNIMPLEMENTED)),
            "time": f"{run.duration:.3f}",
            "timestamp": run.started.isoformat(),
        },
    )
    for test in run.tests:
        _test_case(suite, test)
    if run.failure is not None:
        case = ElementTree.SubElement(
            suite, "testcase", {"name": "lab", "classname": "conform"}
        )
        ElementTree.SubElement(case, "error", {"message": _xml(run.failure)})
    data: bytes = ElementTree.tostring(suite, encoding="utf-8", xml_declaration=True)
    return data


def _test_case(suite: ElementTree.Element, test: TestResult) -> None:
    case = ElementTree.SubElement(
        suite,
        "testcase",
        {
            "name": _xml(test.title),
            "classname": _xml(
                test.id.partition("::")[0].removesuffix(".py").replace("/", ".")
            ),
            "time": f"{test.duration:.3f}",
        },
    )
    properties = ElementTree.SubElement(case, "properties")
    for name in test.clauses:
        ElementTree.SubElement(
            properties, "property", {"name": "clause", "value": name}
        )
    facts = "\n".join(f"{name}: {text}" for name, text in test.facts())
    if test.outcome == Outcome.FAIL:
        message = f"expected {test.expected}; got {test.actual}"
        failure = ElementTree.SubElement(case, "failure", {"message": _xml(message)})
        failure.text = _xml(facts)
    elif test.outcome == Outcome.ERROR:
        error = ElementTree.SubElement(
            case, "error", {"message": _xml(test.reason or "")}
        )
        error.text = _xml(facts)
    elif test.outcome != Outcome.PASS:
        ElementTree.SubElement(
            case, "skipped", {"message": _xml(test.reason or test.outcome)}
        )


def _xml(text: str) -> str:
    return _NOT_XML.sub(lambda match: f"\\x{ord(match.group()):02x}", text)
