"""The SRS vectors: the tool gives what they expect, and what they expect is what the scheme's own
definition gives, calculated here apart from the relay."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from typing import Any

import pytest
from conformance.vectors.load import Case, case_id, load_cases
from vectors import run_fairlead_json

CASES = load_cases("srs")
BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
SECONDS_A_DAY = 86400


def secrets_of(test: Any) -> list[str]:
    secret = test["secret"]
    return secret if isinstance(secret, list) else [secret]


def srs_hash(secret: str, *parts: str) -> str:
    """The first four characters of base64(HMAC-SHA1) over the parts in lower case."""
    digest = hmac.digest(secret.encode(), "".join(parts).lower().encode(), hashlib.sha1)
    return base64.b64encode(digest).decode()[:4]


def timestamp(time: int) -> str:
    day = time // SECONDS_A_DAY % 1024
    return BASE32[day // 32] + BASE32[day % 32]


def local_content(address: str) -> str:
    """The local part, without its quotes and backslashes."""
    local = address.rpartition("@")[0]
    return re.sub(r"\\(.)", r"\1", local[1:-1]) if local.startswith('"') else local


def is_rewritten(case: Case) -> bool:
    """True if the vector expects a new SRS address, not one that is left alone."""
    test = case.test
    return (
        "forward" in test
        and not test["forward"].lower().endswith("@" + test["domain"])
        and local_content(test["address"]).startswith(("SRS0=", "SRS1="))
    )


@pytest.mark.parametrize("case", CASES, ids=case_id)
def test_the_tool_gives_what_the_vector_expects(case: Case) -> None:
    test = case.test
    arguments = ["--time", str(test["time"])]
    for secret in secrets_of(test):
        arguments += ["--secret", secret]
    if "forward" in test:
        arguments += ["--domain", test["domain"]]
    word = "forward" if "forward" in test else "reverse"
    answer = run_fairlead_json("srs", word, *arguments, "--", test[word])
    expected = {key: test[key] for key in ("address", "error") if key in test}
    assert answer == expected


@pytest.mark.parametrize(
    "case", [case for case in CASES if is_rewritten(case)], ids=case_id
)
def test_the_expected_hash_and_timestamp_are_those_of_the_scheme(case: Case) -> None:
    tag, rest = local_content(case.test["address"]).split("=", 1)
    parts = rest.split("=", 2 if tag == "SRS1" else 3)
    assert parts[0] == srs_hash(secrets_of(case.test)[0], *parts[1:])
    if tag == "SRS0":
        assert parts[1] == timestamp(case.test["time"])


def test_there_are_vectors_for_both_directions() -> None:
    assert sum("forward" in case.test for case in CASES) > 30
    assert sum("reverse" in case.test for case in CASES) > 30
