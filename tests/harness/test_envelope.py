"""The reader of the envelope as it was sent upstream (conformance/suite/envelope.py)."""

from __future__ import annotations

import pytest

from conformance.suite.envelope import path_of


@pytest.mark.parametrize(
    ("command", "path"),
    [
        (b"MAIL FROM:<>", ""),
        (b"MAIL FROM:<a@b.example>", "a@b.example"),
        (b"mail from: <a@b.example> SIZE=5 BODY=8BITMIME", "a@b.example"),
        (b'RCPT TO:<"> "@b.example>', '"> "@b.example'),
        (b'MAIL FROM:<"a\\"> b"@b.example> SIZE=5', '"a\\"> b"@b.example'),
        (b'MAIL FROM:<a"b@b.example> X="c>"', 'a"b@b.example'),
    ],
)
def test_a_path_is_what_the_brackets_around_it_hold(command: bytes, path: str) -> None:
    assert path_of(command) == path
