"""The cases of a file of ARC vectors, each checked by reference.py and dkimpy as it is added."""

from __future__ import annotations

from typing import Any

import dkim

import reference
from arc_maker import DOMAIN
from maker import (
    ED25519,
    NOW,
    RSA_1024,
    RSA_2048,
    Mail,
    add,
    dkimpy_says,
    key_zone,
    message_text,
)

AAR, AMS, AS = "ARC-Authentication-Results", "ARC-Message-Signature", "ARC-Seal"
ENDS = {"pass": "passes", "fail": "fails"}  # of a test's name
ZONE = key_zone(DOMAIN) | {
    "rsa._domainkey.xn--bcher-kva.example": {"TXT": f"p={RSA_1024.data()}"},
    "one._domainkey.one.example": {"TXT": f"v=DKIM1; p={RSA_1024.data()}"},
    "two._domainkey.two.example": {"TXT": f"v=DKIM1; k=ed25519; p={ED25519.data()}"},
    "three._domainkey.three.example": {"TXT": f"v=DKIM1; p={RSA_2048.data()}"},
}


class Cases:
    """The tests of one file, in order."""

    def __init__(self) -> None:
        self.tests: dict[str, dict[str, Any]] = {}

    def add(
        self,
        name: str,
        section: str,
        message: Mail | bytes,
        cv: str,
        instances: int | None = None,
        oldest_pass: int = 0,
    ) -> None:
        octets = message if isinstance(message, bytes) else message.octets
        assert name not in self.tests, name
        found = reference.arc_verify(octets, ZONE, NOW)
        assert found.cv == cv, f"{name}: the reference says {found}"
        test: dict[str, Any] = {
            "section": section,
            "message": message_text(octets),
            "cv": cv,
        }
        if instances is not None:
            assert found.instances == instances, f"{name}: {found}"
            test["instances"] = instances
        if cv == "pass":
            assert found.oldest_pass == oldest_pass, f"{name}: {found}"
            test["oldest_pass"] = oldest_pass
        oracle = ask_dkimpy(octets)
        if oracle != cv:
            test["oracle"] = f"dkimpy 1.1.4 says {oracle}"
        self.tests[name] = test


def ask_dkimpy(octets: bytes) -> str:
    def judge(**how: Any) -> str:
        status = dkim.arc_verify(octets, **how)[0]
        return (status or b"fail").decode()

    return dkimpy_says(judge, ZONE)
