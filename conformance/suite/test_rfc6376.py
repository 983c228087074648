"""DKIM, case by case: fixtures/vectors/dkim over the wire. The clauses of RFC 8301 and RFC 8463 have
their cases here, too."""

from __future__ import annotations

from conformance.vectors import dkim
from conformance.vectors.load import Case
from conformance.vectors.play import Outcome
from conformance.vectors.stage import vectors


@vectors("dkim")
def test_each_signature_is_judged_as_the_rfc_says(case: Case, seen: Outcome) -> None:
    dkim.FORM.judge(case, seen)
