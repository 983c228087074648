"""DKIM's cases: the message from a sender who passes SPF, and what is recorded of its signatures. Which
result stands for which failure is the receiver's choice (RFC 8601 2.7.1), but it is a lasting one."""

from __future__ import annotations

from conformance import expect_one_of, expect_true
from conformance.suite.verifiers import raw_fields, tags
from conformance.vectors.load import Case, message_octets
from conformance.vectors.messages import (
    AS_WRITTEN,
    UNDEFINED,
    MessageForm,
    forwarded,
    recorded,
)
from conformance.vectors.play import Outcome

# What is recorded of a signature that is not valid; or nothing is.
PERMANENT = ("fail", "neutral", "permerror", "policy", "none")
INVALID = {"temperror": (*PERMANENT, "temperror")}
# RFC 6376 8.2: a signature of a part of the body may be treated as none.
PARTIAL = ("pass", "policy", "neutral")
# A part of a signature's octets, by which a result names it, has so many at least (RFC 6008 2).
B_MIN = 8


class DkimForm(MessageForm):
    open = {
        "canonicalisation:canonicalisations-in-capitals-passes": AS_WRITTEN,
        "keys:the-key-record-upper": AS_WRITTEN,
        "tags:an-algorithm-in-capitals-passes": AS_WRITTEN,
        "keys:the-key-record-several": UNDEFINED,
        "keys:the-key-record-testing": "what is recorded of a valid signature with t=y is open",
        "several:signatures-past-the-eighth-are-policy": "how many are verified is open",
        "tags:a-signature-that-has-expired-is-permerror": "x= may be ignored (RFC 6376 3.5)",
    }

    def judge(self, case: Case, seen: Outcome) -> None:
        arrived = recorded(forwarded(seen))
        found = [
            (properties, result)
            for properties, result in zip(
                arrived.properties("dkim"), arrived.of("dkim")
            )
        ]
        content = message_octets(case.test["message"])
        fields = [tags(value) for value in raw_fields(content, "DKIM-Signature")]
        expected = [entry["result"] for entry in case.test["signatures"]]
        shown = ", ".join(f"{result} {properties}" for properties, result in found)
        if not expected:
            wrong = [result for _, result in found if result != "none"]
            expect_true(not wrong, "no DKIM result but none", shown)
            return
        passes = [result for _, result in found].count("pass")
        for field, wanted in zip(fields, expected):
            own = [
                result
                for name, result in found
                if len(fields) == 1 or _is_of(name, field)
            ]
            if wanted == "pass":
                partial = "l" in field
                if not own and passes:
                    continue  # one that stops at the first valid signature
                good = any(r in (PARTIAL if partial else ("pass",)) for r in own)
                expect_true(
                    good, "dkim=pass for the signature", shown or "no DKIM result"
                )
        expect_true(
            passes <= expected.count("pass"),
            f"at most {expected.count('pass')} dkim=pass",
            shown,
        )
        if "pass" not in expected and len(set(expected)) == 1:
            for _, result in found:
                expect_one_of(
                    result, INVALID.get(expected[0], PERMANENT), "the DKIM result"
                )


def _is_of(properties: dict[str, str], field: dict[str, str]) -> bool:
    """Whether a result may be that of a signature with these tags."""
    domain, selector = field.get("d", "").lower(), field.get("s", "").lower()
    signed_by = properties.get("header.d", domain).lower()
    part = properties.get("header.b", "")
    return (
        signed_by == domain
        and properties.get("header.s", selector).lower() == selector
        and (len(part) < B_MIN or field.get("b", "").startswith(part))
    )


FORM = DkimForm()
