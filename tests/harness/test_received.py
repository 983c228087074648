"""The reader of Received fields that the suite judges MTAs by: what other MTAs write is read."""

from __future__ import annotations

import pytest

from conformance import ConformanceFailure
from conformance.suite.received import GRAMMAR, parse, tokens

FIELDS = {
    "exim": (
        "from [192.0.2.9] (helo=mail.client.example)\r\n\tby mx.example with esmtp (Exim 4.96)\r\n"
        "\t(envelope-from <a@b.example>)\r\n\tid 1tF9aX-000000003Vb-0bHh\r\n"
        "\tfor info@c.example;\r\n\tMon, 23 Nov 2026 12:00:00 +0000"
    ),
    "postfix": (
        "from mail.client.example (unknown [192.0.2.9])\r\n"
        "\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits))\r\n"
        "\t(No client certificate requested)\r\n\tby mx.example (Postfix) with ESMTPS id 4XwVhz1\r\n"
        "\tfor <info@c.example>; Mon, 23 Nov 2026 13:00:00 +0100 (CET)"
    ),
    "haraka": (
        "from mail.client.example ([192.0.2.9])\r\n\tby mx.example (Haraka/3.0.3) with ESMTP id "
        "5B4D0A6C-9D1E.1\r\n\tenvelope-from <a@b.example>;\r\n\tMon, 23 Nov 2026 12:00:00 +0000"
    ),
    "capitals": "FROM a.example ([192.0.2.9]) BY mx.example VIA TCP WITH SMTP; 23 NOV 2026 12:00 -0000",
    "comments": (
        r"from (one) a.example (mx [192.0.2.9] (nested \) deep)) by(two)mx.example(three);"
        " Mon,(four) 23 Nov 2026 12:00:00 +0000"
    ),
}


@pytest.mark.parametrize("value", list(FIELDS.values()), ids=list(FIELDS))
def test_a_field_of_another_mta_is_read(value: str) -> None:
    field = parse(value)
    assert field.word("by") == "mx.example"
    assert "[192.0.2.9]" in field.clause("from")
    assert GRAMMAR.fullmatch(field.stamp), field.stamp
    moment = field.date_time()
    assert (moment.year, moment.month, moment.day, moment.hour) == (2026, 11, 23, 12)


def test_clauses_are_told_apart_from_words_that_look_like_them() -> None:
    field = parse("from by by with (for a) with id id for for <a@b>; x")
    assert field.clauses == {
        "from": "by",
        "by": "with (for a)",
        "with": "id",
        "id": "for",
        "for": "<a@b>",
    }


def test_semicolons_and_parentheses_in_quotes_divide_nothing() -> None:
    assert tokens('for <"a;(b"@c.example> (d;e) ;') == [
        "for",
        '<"a;(b"@c.example>',
        "(d;e)",
        ";",
    ]


@pytest.mark.parametrize(
    "stamp",
    [
        "by mx.example from a.example",
        "from a.example",
        "from a.example by mx.example id 1 with SMTP",
        "from a.example by mx.example for <a@b> <c@d>, <e@f>",
    ],
)
def test_what_is_not_in_the_grammar_is_noticed(stamp: str) -> None:
    assert not GRAMMAR.fullmatch(parse(stamp).stamp)


@pytest.mark.parametrize(
    "date",
    [
        "",
        "Mon, 23 Nov 26 12:00:00 +0000",
        "Mon, 23 Nov 2026 12:00:00 GMT",
        "Mon, 31 Feb 2026 12:00:00 +0000",
        "2026-11-23T12:00:00Z",
    ],
)
def test_a_date_of_another_form_is_a_failure(date: str) -> None:
    with pytest.raises(ConformanceFailure):
        parse(f"from a.example by mx.example; {date}").date_time()


def test_a_clause_that_is_not_there_is_a_failure() -> None:
    with pytest.raises(ConformanceFailure, match="WITH clause"):
        parse("from a.example by mx.example; x").clause("with")
