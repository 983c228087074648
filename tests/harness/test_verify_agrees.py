"""`fairlead verify` and the relay say the same of every message and recipient that the suite has the
relay refuse: the same reply, by the same clause, as the log has it (agreement.py)."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from conformance.clauses import load_catalogue
from vectors import ROOT, fairlead

# What only a dialogue with the upstream, or with the client, can show: verify knows nothing of it.
BEYOND_VERIFY = re.compile(
    r"upstream|(ERR|UPS|INV)-[0-9]+"
    r"|MX-(08|09|10|11|17|20)"  # verify does not look the destination up
    r"|MX-(24|25)"  # other sessions
    r"|LIM-(09|16|22)|DLG-33"  # recipients before this one, mistakes, memory, patience
    r"|DLG-(12|13|14|16|20)|TLS-05"  # the order of commands, and their syntax but for the path
)

# Headings whose refusals are all of that kind, and take most of the suite's time; and the vectors, which the
# tools meet by themselves (test_vectors_*.py).
LEFT_OUT = {
    *("ERR", "INV", "UPS", "IPV6", "QUE"),
    *("RFC6376", "RFC7208", "RFC8301", "RFC8463", "RFC8617", "RFC9989"),
}

# At least these clauses refuse something in the suite that verify can judge.
JUDGED = {
    *(
        "CHAR-07",
        "DLG-20",
        "EAI-01",
        "EAI-02",
        "EAI-11",
        "NDR-02",
        "SEND-03",
        "SPAM-01",
    ),
    *("DMARC-01", "DMARC-10", "DMARC-11", "DMARC-12", "DMARC-13", "DMARC-19"),
    *(
        "LIM-06",
        "LIM-11",
        "LIM-13",
        "LIM-15",
        "SMUG-02",
        "SMUG-03",
        "SMUG-04",
        "SMUG-10",
    ),
}


# Headings whose tests are many: of them only the clauses of JUDGED are asked again, unless all is.
LARGE = {"DLG", "DMARC", "LIM"}


def asked_again() -> list[str]:
    """Globs for the clauses of which refusals are asked again: those of JUDGED and others under their headings, or
    with FAIRLEAD_WHOLE=1 all but for those under LEFT_OUT."""
    whole = "FAIRLEAD_WHOLE" in os.environ
    globs = set()
    for clause in load_catalogue() if whole else JUDGED:
        heading = clause.rpartition("-")[0]
        if heading not in LEFT_OUT:
            globs.add(clause if heading in LARGE and not whole else f"{heading}-*")
    return sorted(globs)


@pytest.fixture(scope="module")
def findings(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """Every refusal of a run of these clauses."""
    directory = tmp_path_factory.mktemp("agreement")
    file = directory / "findings.jsonl"
    harness = Path(__file__).parent
    done = subprocess.run(
        [
            *(sys.executable, "-m", "conformance", "--binary", fairlead()),
            *("--report", str(directory / "report"), "--timeout-scale", "4"),
            *(f"-k{glob}" for glob in asked_again()),
        ],
        env={
            **os.environ,
            "AGREEMENT_FILE": str(file),
            "PYTEST_PLUGINS": "agreement",
            "PYTHONPATH": f"{ROOT}:{harness}",
            "PYTHONSAFEPATH": "1",
        },
        capture_output=True,
        text=True,
        timeout=900,
    )
    # Verify's own questions upset a few tests that count DNS queries or race a time-out: what the
    # suite itself thinks of the relay is not the matter here.
    assert done.returncode in (0, 1), done.stdout[-2000:] + done.stderr[-2000:]
    return [json.loads(line) for line in file.read_text("utf-8").splitlines()]


def test_verify_gives_the_reply_and_the_clause_of_the_relay(
    findings: list[dict[str, Any]],
) -> None:
    differing = [
        finding
        for finding in findings
        if finding["verify"]["verdict"] == "refuse"
        and (
            finding["verify"]["reply"] != finding["relay"]
            or finding["verify"]["clause"] not in finding["logged"]
        )
    ]
    assert not differing, json.dumps(differing[:5], indent=1)


def test_a_refusal_that_verify_does_not_report_is_beyond_its_input(
    findings: list[dict[str, Any]],
) -> None:
    unexplained = [
        finding
        for finding in findings
        if finding["verify"]["verdict"] != "refuse"
        and (
            finding["verify"]["error"]
            or not all(BEYOND_VERIFY.fullmatch(by) for by in finding["logged"])
        )
    ]
    assert not unexplained, json.dumps(unexplained[:5], indent=1)


def test_every_clause_that_verify_can_judge_was_seen(
    findings: list[dict[str, Any]],
) -> None:
    assert not JUDGED - {finding["verify"]["clause"] for finding in findings}
