"""The tools that sign: `fairlead dkim sign` and `fairlead arc seal`, their errors, and what others
think of the signatures."""

from __future__ import annotations

import base64
import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from vectors import ROOT, resolving, run_fairlead

KEYS = ROOT / "fixtures" / "keys"
RSA_KEY = str(KEYS / "test-sender-rsa2048.pem")
EDDSA_KEY = str(KEYS / "test-sender-ed25519.pem")
NOW = 1700000000
MESSAGE = b"""\
From: Ann <ann@example.com>
To: Bob <bob@example.net>
Subject: hello
Date: Tue, 14 Nov 2023 21:56:40 +0000
List-Id: <list.example.com>

A line.

  Another,  with blanks.\t

"""


def public_record(key: str, kind: str) -> str:
    command = ["openssl", "pkey", "-in", key, "-pubout", "-outform", "DER"]
    der = subprocess.run(command, check=True, capture_output=True).stdout
    data = der[-32:] if kind == "ed25519" else der
    return f"v=DKIM1; k={kind}; p={base64.b64encode(data).decode()}"


ZONE = {
    "rsa._domainkey.example.com": {"TXT": public_record(RSA_KEY, "rsa")},
    "ed._domainkey.example.com": {"TXT": public_record(EDDSA_KEY, "ed25519")},
}


@pytest.fixture(scope="module")
def resolver() -> Iterator[str]:
    with resolving(ZONE) as resolver:
        yield resolver


def sign(key: str, selector: str, message: bytes) -> bytes:
    done = run_fairlead(
        *("dkim", "sign", "--domain", "example.com", "--selector", selector),
        *("--key", key, "--time", str(NOW), "-"),
        stdin=message,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(("key", "selector"), [(RSA_KEY, "rsa"), (EDDSA_KEY, "ed")])
@pytest.mark.parametrize("engine", ["native", "libopendkim"])
def test_a_signed_message_verifies(
    key: str, selector: str, engine: str, resolver: str
) -> None:
    # libopendkim compares x= with the real time
    now = str(NOW) if engine == "native" else str(int(time.time()))
    done = run_fairlead(
        *("dkim", "sign", "--domain", "example.com", "--selector", selector),
        *("--key", key, "--time", now, "-"),
        stdin=MESSAGE,
    )
    checked = run_fairlead(
        *("dkim", "verify", "--engine", engine, "--resolver", resolver),
        *("--time", now, "-"),
        stdin=done.stdout,
    )
    assert json.loads(checked.stdout)["signatures"] == [
        {
            "domain": "example.com",
            "selector": selector,
            "identity": "@example.com",
            "algorithm": "rsa-sha256" if selector == "rsa" else "ed25519-sha256",
            "bits": 2048 if selector == "rsa" else 256,
            "result": "pass",
            "reason": "",
        }
    ]


@pytest.mark.parametrize(("key", "selector"), [(RSA_KEY, "rsa"), (EDDSA_KEY, "ed")])
def test_dkimpy_accepts_the_signature(
    key: str, selector: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    dkim = pytest.importorskip("dkim", reason="dkimpy is not installed")
    monkeypatch.setattr(time, "time", lambda: float(NOW))

    def look_up(name: bytes, timeout: int = 5) -> bytes:
        return ZONE[name.decode().rstrip(".")]["TXT"].encode()

    signed = sign(key, selector, MESSAGE)
    assert dkim.verify(signed, dnsfunc=look_up)
    forged = b"From: eve@example.net\n" + signed
    assert not dkim.verify(forged, dnsfunc=look_up)


def test_the_message_below_the_signature_is_unchanged() -> None:
    for message in (MESSAGE, MESSAGE.replace(b"\n", b"\r\n")):
        signed = sign(RSA_KEY, "rsa", message)
        assert signed.endswith(message)
        field = signed[: -len(message)]
        assert field.startswith(b"DKIM-Signature: v=1; a=rsa-sha256;")
        assert (b"\r\n" in field) == (b"\r\n" in message)
        tags = {
            name.strip(): value.replace(b"\r", b"").replace(b"\n ", b"")
            for name, _, value in (
                tag.partition(b"=") for tag in field.partition(b":")[2].split(b";")
            )
        }
        assert tags[b"c"] == b"relaxed/relaxed"
        assert int(tags[b"x"]) - int(tags[b"t"]) == 7 * 24 * 3600
        assert b"l" not in tags
        assert tags[b"h"].split(b":").count(b"From") == 2


SIGN = ("dkim", "sign", "--domain", "example.com", "--selector", "s", "--key")
SEAL = ("arc", "seal", "--domain", "example.com", "--selector", "s", "--key", RSA_KEY)
WITH_ID = (*SEAL, "--authserv-id", "mx.example.com", "--headers")


@pytest.mark.parametrize(
    ("arguments", "status", "advice"),
    [
        (["dkim"], 2, b"fairlead dkim verify"),
        (["arc", "mend"], 2, b"'fairlead arc --help'"),
        (["dkim", "sign", "-"], 2, b"--domain, --selector and --key are required"),
        ([*SIGN[:3], "a b", *SIGN[4:], RSA_KEY, "-"], 2, b"'a b' is not a domain name"),
        ([*SIGN, "/nonexistent", "-"], 3, b"/nonexistent"),
        ([*SIGN, str(ROOT / "meson.build"), "-"], 3, b"private key in PEM"),
        ([*SIGN, str(KEYS / "test-vectors-rsa768.pem"), "-"], 3, b"1024 bits"),
        ([*SIGN, RSA_KEY, "/nonexistent"], 3, b"/nonexistent"),
        ([*SEAL, "-"], 2, b"--authserv-id is required"),
        ([*WITH_ID, "to:subject", "-"], 2, b"From"),
        ([*WITH_ID, "from::to", "-"], 2, b"not a field name"),
        ([*WITH_ID, "from:arc-seal", "-"], 2, b"--headers may not list ARC-Seal"),
        (["dkim", "verify", "--engine", "x", "-"], 2, b"unknown engine 'x'"),
    ],
)
def test_an_error_ends_with_its_status_and_says_why(
    arguments: list[str], status: int, advice: bytes
) -> None:
    done = run_fairlead(*arguments, stdin=MESSAGE)
    assert done.returncode == status
    assert done.stdout == b""
    assert advice in done.stderr


def test_help_shows_an_example() -> None:
    for words in (
        ("dkim", "verify"),
        ("dkim", "sign"),
        ("arc", "verify"),
        ("arc", "seal"),
    ):
        done = run_fairlead(*words, "--help")
        assert done.returncode == 0
        assert f"\n  fairlead {' '.join(words)} ".encode() in done.stdout


def test_an_unsigned_message_is_evaluated(resolver: str) -> None:
    verified = run_fairlead(
        "dkim", "verify", "--resolver", resolver, "-", stdin=MESSAGE
    )
    assert json.loads(verified.stdout) == {"signatures": []}
    verified = run_fairlead("arc", "verify", "--resolver", resolver, "-", stdin=MESSAGE)
    assert json.loads(verified.stdout) == {
        "cv": "none",
        "instances": 0,
        "oldest_pass": 0,
        "reason": "",
    }


def test_a_key_file_may_be_pkcs1_or_pkcs8(tmp_path: Path) -> None:
    traditional = tmp_path / "pkcs1.pem"
    command = ["openssl", "rsa", "-in", RSA_KEY, "-traditional", "-out"]
    subprocess.run([*command, str(traditional)], check=True, capture_output=True)
    assert b"BEGIN RSA PRIVATE KEY" in traditional.read_bytes()
    assert sign(str(traditional), "rsa", MESSAGE) == sign(RSA_KEY, "rsa", MESSAGE)
