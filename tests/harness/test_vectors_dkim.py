"""fixtures/vectors/dkim through `fairlead dkim verify`, with both engines."""

from __future__ import annotations

from typing import Any

import pytest

from conformance.vectors.load import Case, case_id, load_cases, message_octets
from vectors import run_all, run_fairlead_json

CASES = load_cases("dkim")
TIME = "1700000000"

# Where libopendkim 2.11 departs from the RFCs in spite of all guards, and how.
LIBRARY_DEPARTS = {
    "canonicalisation:a-body-without-a-last-line-end-passes-under-relaxed": "adds no CRLF",
    "keys:the-key-record-bare": "knows no RSAPublicKey without its wrapping",
    "keys:the-key-record-several": "looks at the first record only",
    "keys:the-key-record-late": "accepts v= anywhere",
    "keys:the-key-record-twice": "accepts a tag twice",
    "keys:the-key-record-swapped": "ignores k= for an RSA signature",
    "several:a-signature-never-signs-itself": "counts the field itself",
    "tags:an-expiration-to-come-passes": "compares x= with the real time",
    "tags:an-expiration-at-this-second-passes": "compares x= with the real time",
    "tags:a-time-of-zero-passes": "reads t=0 as an error",
    "tags:an-identity-with-a-quoted-at-passes": "divides at the first @",
    "tags:utf-8-in-a-value-passes": "knows ASCII only (RFC 8616)",
    "tags:a-domain-in-u-labels-passes": "knows ASCII only (RFC 8616)",
    "tags:a-selector-and-an-identity-in-u-labels-pass": "knows ASCII only (RFC 8616)",
}


def evaluate(case: Case, resolver: str, engine: str) -> Any:
    return run_fairlead_json(
        *("dkim", "verify", "--engine", engine),
        *("--resolver", resolver, "--time", TIME, "-"),
        stdin=message_octets(case.test["message"]),
    )


@pytest.fixture(scope="module")
def native() -> dict[str, Any]:
    return run_all(CASES, lambda case, dns: evaluate(case, dns, "native"))


@pytest.fixture(scope="module")
def library() -> dict[str, Any]:
    return run_all(CASES, lambda case, dns: evaluate(case, dns, "libopendkim"))


def check(case: Case, outcome: Any) -> None:
    if isinstance(outcome, Exception):
        raise outcome
    context = f"{case.file}: {case.name} (section {case.test['section']}): {outcome}"
    found = outcome["signatures"]
    assert len(found) == len(case.test["signatures"]), context
    for signature, expected in zip(found, case.test["signatures"]):
        assert {name: signature[name] for name in expected} == expected, context


@pytest.mark.parametrize("case", CASES, ids=case_id)
def test_native_engine(case: Case, native: dict[str, Any]) -> None:
    check(case, native[case.id])


@pytest.mark.parametrize("case", CASES, ids=case_id)
def test_libopendkim_agrees_except_where_it_departs(
    case: Case, library: dict[str, Any]
) -> None:
    if case.id in LIBRARY_DEPARTS:
        with pytest.raises(AssertionError):
            check(case, library[case.id])
    else:
        check(case, library[case.id])
