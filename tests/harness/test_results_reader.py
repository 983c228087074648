"""How the suite reads Authentication-Results of any MTA, and what it objects to in ARC's."""

from __future__ import annotations

import pytest

from conformance.suite.verifiers import (
    Results,
    arc_results_objection,
    results_objection,
)


@pytest.mark.parametrize(
    "field",
    [
        " i=1; mx.example; spf=pass smtp.mailfrom=a@b.example",
        " i=1; mx.example; none",
        ' i=12; "mx.example" 1; dkim=pass (a (nested) comment) header.d=b.example; arc=none',
        ' i=1; mx.example; spf=fail reason="a; b (c" smtp.helo=b.example',
    ],
)
def test_what_the_grammar_allows_is_no_objection(field: str) -> None:
    assert arc_results_objection(field) is None
    assert results_objection(field.partition(";")[2]) is None


@pytest.mark.parametrize(
    "field, objection",
    [
        (" mx.example; spf=pass", "mx.example"),
        (" i=1", "no authserv-id"),
        (" i=1; mx.example", "no result"),
        (" i=1; mx.example; spf pass", "spf pass"),
        (" i=1; mx.example; spf=pass (never closed", "does not end"),
        (" i=1; mx.example; spf=pass (one (two) never closed", "does not end"),
        (' i=1; mx.example; spf=pass reason="never closed', "does not end"),
    ],
)
def test_what_it_does_not_allow_is_named(field: str, objection: str) -> None:
    assert objection in (arc_results_objection(field) or "")


def test_results_are_read_with_their_properties_and_without_comments() -> None:
    found = Results(
        ' mx.example; spf=pass (x; dkim=fail) smtp.mailfrom="a b"@c.example; dkim=neutral header.d=D.example'
    )
    assert found.pairs == [("spf", "pass"), ("dkim", "neutral")]
    assert found.dkim() == {"d.example": "neutral"}
