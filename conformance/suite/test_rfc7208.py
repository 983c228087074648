"""SPF, case by case: fixtures/vectors/spf over the wire."""

from __future__ import annotations

from conformance.vectors.load import Case
from conformance.vectors.play import Outcome
from conformance.vectors.spf import FORM
from conformance.vectors.stage import vectors


@vectors("spf")
def test_the_result_is_what_the_rfc_says(case: Case, seen: Outcome) -> None:
    FORM.judge(case, seen)
