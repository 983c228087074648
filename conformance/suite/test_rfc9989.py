"""DMARC, case by case: fixtures/vectors/dmarc over the wire."""

from __future__ import annotations

from conformance.vectors import dmarc
from conformance.vectors.load import Case
from conformance.vectors.play import Outcome
from conformance.vectors.stage import vectors


@vectors("dmarc")
def test_the_result_is_what_the_rfc_says(case: Case, seen: Outcome) -> None:
    dmarc.FORM.judge(case, seen)
