"""DKIM's cases: the message from a sender who passes SPF, and what is recorded of its signatures. Which
result stands for which failure is the receiver's choice (RFC 8601 2.7.1), but it is a lasting one."""

from __future__ import annotations

from dataclasses import replace

from conformance import expect_one_of, expect_true
from conformance.lab import World
from conformance.suite.verifiers import raw_fields, sign, tags
from conformance.vectors.load import Case, message_octets
from conformance.vectors.messages import (
    AS_WRITTEN,
    NO_METHOD,
    UNDEFINED,
    MessageForm,
    forwarded,
    is_malformed,
    recorded,
)
from conformance.vectors.play import Outcome, Submission, plain

# What is recorded of a signature that is not valid; or nothing is.
PERMANENT = ("fail", "neutral", "permerror", "policy", "none")
INVALID: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("fail", "neutral", "permerror"), PERMANENT),
    "temperror": (*PERMANENT, "temperror"),
}
# RFC 6376 8.2: a signature of a part of the body may be treated as none.
PARTIAL = ("pass", "policy", "neutral")
# Words of MTAs that are not registered, for those that are.
SPELLINGS = {"tmperror": "temperror", "tempfail": "temperror", "permfail": "permerror"}
# RFC 2045 6.7 (1) forbids it, and lets decoders take it.
LOWER_HEX = "a robust decoder takes lower case for upper case"
# A part of a signature's octets, by which a result names it, has so many at least (RFC 6008 2).
B_MIN = 8


# A result's properties, and the result.
Found = tuple[dict[str, str], str]


class DkimForm(MessageForm):
    open = {
        "canonicalisation:canonicalisations-in-capitals-passes": AS_WRITTEN,
        "keys:the-key-record-upper": AS_WRITTEN,
        "tags:an-algorithm-in-capitals-passes": AS_WRITTEN,
        "keys:the-key-record-several": UNDEFINED,
        "keys:the-key-record-testing": "what is recorded of a valid signature with t=y is open",
        "several:signatures-past-the-eighth-are-policy": "how many are verified is open",
        "tags:a-signature-that-has-expired-is-permerror": "x= may be ignored (RFC 6376 3.5)",
        "tags:an-identity-quoted-in-lower-case-is-neutral": LOWER_HEX,
        "tags:an-unknown-query-method-is-neutral": NO_METHOD,
        "tags:a-query-method-without-its-option-is-neutral": NO_METHOD,
    }

    def controls(self, world: World) -> dict[str, Submission]:
        """One with a signature that is valid, without which one that is not says nothing."""
        control = plain(world)
        signed = sign(control.message, world.sender.domain)
        return {"signed": replace(control, message=signed)}

    def judge(self, case: Case, seen: Outcome) -> None:
        control = seen.controls["signed"]
        valid = (
            recorded(control.arrived).of("dkim") if control.arrived else control.shown
        )
        expect_true("pass" in valid, "dkim=pass for a plain signature", valid)
        results = recorded(forwarded(case, seen))
        words = (SPELLINGS.get(word, word) for word in results.of("dkim"))
        found = list(zip(results.properties("dkim"), words))
        content = message_octets(case.test["message"])
        fields = [tags(value) for value in raw_fields(content, "DKIM-Signature")]
        expected = [entry["result"] for entry in case.test["signatures"]]
        shown = ", ".join(f"{result} {properties}" for properties, result in found)
        for field, wanted in zip(fields, expected):
            # A verifier may see to it that a message is one of RFC 5322 (RFC 6376 3.8).
            if wanted == "pass" and not is_malformed(case):
                _expect_valid(field, found, alone=len(fields) == 1)
        passes = [result for _, result in found].count("pass")
        expect_true(
            passes <= expected.count("pass"),
            f"at most {expected.count('pass')} results of pass",
            shown,
        )
        if "pass" not in expected:
            allowed = {name for wanted in expected for name in INVALID[wanted]}
            for _, result in found:
                expect_one_of(result, sorted(allowed or {"none"}), "the DKIM result")


def _expect_valid(field: dict[str, str], found: list[Found], *, alone: bool) -> None:
    """A result says that the signature with these tags is valid; or another one, after which a verifier may
    have stopped (RFC 6376 6.1)."""
    own = [result for name, result in found if alone or _is_of(name, field)]
    if not own and any(result == "pass" for _, result in found):
        return
    allowed = PARTIAL if "l" in field else ("pass",)
    expect_true(
        any(result in allowed for result in own),
        f"dkim={' or '.join(allowed)} for the signature of {field.get('d')}",
        ", ".join(own) or "no DKIM result for it",
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
