"""junit.xml, in the JUnit schema that Jenkins and GitLab read.

A test is a `<failure>` only if conform's exit status counts it: not if its clauses do not gate or are
waived, nor if it is a known failure where only regressions count. Such a test is `<skipped>`, with the
reason as message and all facts as text: both show that, in the colour of a test without a verdict, and
neither marks the build as broken. As a passed test with `<system-out>` it would be invisible in Jenkins
and in GitLab's list of a merge request, and a lie.
"""

from __future__ import annotations

import datetime
import re
from xml.etree import ElementTree

from conformance.report.model import Outcome, Run, TestResult

# XML 1.0 2.2: characters that a document cannot contain, not even escaped.
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def to_junit(run: Run) -> str:
    """A test case for each test."""
    excused = {
        test.id: excuse
        for test in run.tests
        if test.outcome == Outcome.FAIL and (excuse := run.excuse(test)) is not None
    }
    lab = run.failure is not None
    # The schema's timestamp has neither a zone nor fractions of a second.
    started = run.started.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S")
    suite = ElementTree.Element(
        "testsuite",
        {
            "name": _xml(f"conform {run.who}"),
            "tests": str(len(run.tests) + lab),
            "failures": str(run.count(Outcome.FAIL) - len(excused)),
            "errors": str(run.count(Outcome.ERROR) + lab),
            "skipped": str(
                run.count(Outcome.SKIPPED, Outcome.UNIMPLEMENTED) + len(excused)
            ),
            "time": f"{run.duration:.3f}",
            "timestamp": started,
        },
    )
    for test in run.tests:
        _test_case(suite, test, excused.get(test.id))
    if run.failure is not None:
        case = ElementTree.SubElement(
            suite, "testcase", {"name": "lab", "classname": "conform"}
        )
        ElementTree.SubElement(case, "error", {"message": _xml(run.failure)})
    text: str = ElementTree.tostring(suite, encoding="unicode")
    return f"<?xml version='1.0' encoding='utf-8'?>\n{text}\n"


def _test_case(
    suite: ElementTree.Element, test: TestResult, excuse: str | None
) -> None:
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
            properties, "property", {"name": "clause", "value": _xml(name)}
        )
    if test.outcome == Outcome.PASS:
        return
    message = test.reason or test.outcome
    kind = "skipped"
    if test.outcome == Outcome.ERROR:
        kind = "error"
    elif test.outcome == Outcome.FAIL:
        message = f"expected {test.expected}; got {test.actual}"
        kind = "failure"
    if excuse is not None:
        kind, message = "skipped", f"fails, {excuse}: {message}"
    element = ElementTree.SubElement(case, kind, {"message": _xml(message)})
    if test.outcome in (Outcome.FAIL, Outcome.ERROR):
        element.text = _xml("\n".join(f"{name}: {text}" for name, text in test.facts()))


def _xml(text: str) -> str:
    return _NOT_XML.sub(lambda match: f"\\x{ord(match.group()):02x}", text)
