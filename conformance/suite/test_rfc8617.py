"""ARC, case by case: fixtures/vectors/arc and arc-seal over the wire."""

from __future__ import annotations

from conformance.vectors import arc, arc_seal
from conformance.vectors.load import Case
from conformance.vectors.play import Outcome
from conformance.vectors.stage import vectors


@vectors("arc")
def test_the_chain_is_what_the_rfc_says(case: Case, seen: Outcome) -> None:
    arc.FORM.judge(case, seen)


@vectors("arc-seal")
def test_the_set_that_is_added_is_what_the_rfc_says(case: Case, seen: Outcome) -> None:
    arc_seal.FORM.judge(case, seen)
