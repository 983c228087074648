"""fixtures/vectors/arc-seal through `fairlead arc seal`; the sealed messages are judged by the
reference verifier of fixtures/vectors/generate and by dkimpy."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import pytest

from conformance.lab.nameserver.zone import NoAnswer
from fixtures.vectors.generate import reference
from conformance.vectors.load import Case, case_id, load_cases, message_octets
from vectors import run_all, run_fairlead

CASES = load_cases("arc-seal")
NOW = 1700000000


def seal(case: Case, resolver: str, key_file: Path, message: bytes) -> bytes:
    done = run_fairlead(
        *("arc", "seal", "--resolver", resolver, "--time", str(NOW)),
        *("--domain", case.scenario["domain"]),
        *("--selector", case.scenario["selector"]),
        *("--key", str(key_file)),
        *("--authserv-id", case.test["authserv-id"]),
        *("--headers", case.test["headers"], "-"),
        stdin=message,
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    directory = tmp_path_factory.mktemp("keys")
    for case in CASES:
        key_file = directory / f"{case.scenario['selector']}.pem"
        key_file.write_text(case.scenario["key"])

    def run(case: Case, resolver: str) -> tuple[bytes, bytes]:
        key_file = directory / f"{case.scenario['selector']}.pem"
        message = message_octets(case.test["message"])
        return (
            seal(case, resolver, key_file, message),
            seal(case, resolver, key_file, message.replace(b"\r\n", b"\n")),
        )

    return run_all(CASES, run)


def field(raw: bytes, name: str) -> str:
    """The relaxed value of the field, which has to be of that name."""
    found, _, value = reference.relaxed_header(raw).decode("latin-1").partition(":")
    assert found == name
    return str(value).removesuffix("\r\n")


def tags(raw: bytes, name: str, empty: str) -> dict[str, str]:
    found = reference.parse_tags(field(raw, name).encode("latin-1"))
    assert list(found) == sorted(found)
    values = {tag: re.sub(r"\s", "", value.decode()) for tag, value in found.items()}
    assert values.pop(empty)
    return values


@pytest.mark.parametrize("case", CASES, ids=case_id)
def test_the_new_set_has_the_required_tags(case: Case, sealed: dict[str, Any]) -> None:
    outcome = sealed[case.id]
    if isinstance(outcome, Exception):
        raise outcome
    with_crlf, with_lf = outcome
    message = message_octets(case.test["message"])
    assert with_lf.replace(b"\n", b"\r\n") == with_crlf
    assert with_crlf.endswith(message)
    if case.test.get("unchanged"):
        assert with_crlf == message
        return
    fields, _ = reference.divide(with_crlf)
    top = with_crlf[: len(with_crlf) - len(message)]
    assert b"".join(fields[:3]) == top
    assert all(
        len(line) <= 78 or line.startswith(b" b=") for line in top.split(b"\r\n")
    )
    seal_tags = tags(fields[0], "arc-seal", "b")
    signature_tags = tags(fields[1], "arc-message-signature", "b")
    assert seal_tags == case.test["seal"]
    assert signature_tags == case.test["message-signature"]
    assert field(fields[2], "arc-authentication-results") == case.test["results"]


@pytest.mark.parametrize("case", CASES, ids=case_id)
def test_other_implementations_agree_on_the_sealed_message(
    case: Case, sealed: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    if case.test.get("unchanged"):
        return
    message = sealed[case.id][0]
    found = reference.arc_verify(message, case.zone, NOW)
    assert found.cv == case.test["cv"], found
    dkim = pytest.importorskip("dkim", reason="dkimpy is not installed")
    monkeypatch.setattr(time, "time", lambda: float(NOW))
    if "ed25519" not in message.decode("latin-1"):  # dkimpy's ARC knows RSA only
        look_up = lambda name, timeout=5: dkimpy_text(case, name)  # noqa: E731
        status, _, reason = dkim.arc_verify(message, dnsfunc=look_up)
        assert (status or b"fail").decode() == case.test["cv"], reason


def dkimpy_text(case: Case, name: bytes) -> bytes:
    try:
        records = case.zone.texts(name.decode())
    except NoAnswer:  # dkimpy sees an empty answer
        records = []
    return records[0].encode() if records else b""


@pytest.mark.parametrize("case", CASES, ids=case_id)
def test_a_seal_over_a_failed_chain_covers_only_its_own_set(
    case: Case, sealed: dict[str, Any]
) -> None:
    """RFC 8617 5.1.2, which no verdict shows: such a chain fails whatever the signature."""
    if case.test.get("unchanged") or case.test["cv"] != "fail":
        return
    fields, _ = reference.divide(sealed[case.id][0])
    raw = fields[0]
    signature = reference.read_signature(
        raw, "as", reference.parse_tags(reference.value_of(raw)), NOW
    )
    key_type = reference.ALGORITHMS[signature.algorithm]
    key = reference.find_key(case.zone, signature.selector, signature.domain, key_type)
    octets = reference.signed_octets("relaxed", [fields[2], fields[1]], raw)
    reference.check_crypto(signature, key, octets)
