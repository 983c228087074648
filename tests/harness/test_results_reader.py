"""How the suite reads Authentication-Results and Received-SPF of any MTA, and what it objects to in them."""

from __future__ import annotations

import pytest

from conformance.suite.spf import is_received_spf
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


@pytest.mark.parametrize(
    ("field", "is_one"),
    [
        # The last one in RFC 7208 9.1.
        (
            " pass (mybox.example.org: domain of\r\n myname@example.com designates 192.0.2.1 as permitted sender)"
            "\r\n  receiver=mybox.example.org; client-ip=192.0.2.1;\r\n  mechanism=ip4:192.0.2.1;"
            ' envelope-from="myname@example.com";\r\n  helo=foo.example.com;',
            True,
        ),
        (" none", True),
        (' fail mechanism="a:(b)"; helo=b.example', True),
        (" fail mechanism=a:(b", False),
        (" pass helo=a:b", False),
        (" pass helo=a..b", False),
        (" pass envelope-from=a@b.example", False),
    ],
)
def test_received_spf_is_known_by_its_grammar_and_the_rfcs_example(
    field: str, is_one: bool
) -> None:
    assert is_received_spf(field) == is_one
