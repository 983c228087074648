"""ARC's cases: the message with its chain, and what is recorded of it: the arc result, or the cv= of the set
that the subject adds."""

from __future__ import annotations

import pytest

from conformance import expect_one_of, expect_true
from conformance.lab import Message
from conformance.suite.verifiers import raw_fields, tags
from conformance.vectors.load import Case, message_octets
from conformance.vectors.messages import (
    AS_WRITTEN,
    INSTANCE_FIRST,
    NO_METHOD,
    UNDEFINED,
    MessageForm,
    forwarded,
    is_malformed,
    recorded,
)
from conformance.vectors.play import Outcome


class ArcForm(MessageForm):
    open = {
        "canonicalisation:an-ams-with-canonicalisations-in-capitals-passes": AS_WRITTEN,
        "chain-status:the-values-of-cv-fold-case": AS_WRITTEN,
        "keys:the-key-record-upper-passes": AS_WRITTEN,
        "message-signature:an-ams-with-an-algorithm-in-capitals-passes": AS_WRITTEN,
        "keys:the-key-record-several-passes": UNDEFINED,
        "message-signature:an-ams-with-its-instance-at-the-end-passes": INSTANCE_FIRST,
        "message-signature:an-ams-with-b-in-front-passes": INSTANCE_FIRST,
        "seal:a-seal-with-its-instance-at-the-end-passes": INSTANCE_FIRST,
        "message-signature:an-ams-with-an-unknown-query-method-fails": NO_METHOD,
        "seal:a-seal-with-a-canonicalisation-that-does-not-count-passes": (
            "c= is none of a seal's tags, and what becomes of one that is there is not said"
        ),
        "canonicalisation:an-ams-that-is-relaxed-without-saying-so-passes": (
            "a leniency towards sealers that no RFC asks for"
        ),
        "message-signature:text-after-the-signed-length-passes": (
            "a signature of a part may be treated as none (RFC 6376 8.2)"
        ),
    }

    def judge(self, case: Case, seen: Outcome) -> None:
        arrived = forwarded(case, seen)
        expected = case.test["cv"]
        # A verifier may see to it that a message is one of RFC 5322 (RFC 6376 3.8).
        allowed = (expected, "fail") if is_malformed(case) else (expected,)
        results = recorded(arrived)
        said = results.of("arc")
        seals = new_seals(case, arrived)
        if expected == "fail" and not said and not seals:
            pytest.skip("nothing is recorded of the chain, which is a SHOULD (5.2)")
        expect_true(
            said or seals or expected == "none",
            "an arc result, or a new ARC-Seal",
            arrived.header,
        )
        for result in said:
            # Some write of a failed chain what was wrong with it: reject, permerror.
            known = result if result in ("none", "pass") else "fail"
            expect_one_of(
                known, allowed, f"the arc result, of which {result} is written"
            )
        for seal in seals:
            expect_one_of(
                seal.get("cv", "").lower(), allowed, "cv= of the new ARC-Seal"
            )
        if expected == "pass" and "oldest_pass" in case.test:
            for properties in results.properties("arc"):
                oldest = properties.get("header.oldest-pass")
                allowed = (None, str(case.test["oldest_pass"]))
                expect_one_of(oldest, allowed, "header.oldest-pass")


def new_seals(case: Case, arrived: Message) -> list[dict[str, str]]:
    """The tags of the ARC-Seal fields that the message did not come with: one, or none."""
    content = message_octets(case.test["message"])
    before = raw_fields(content, "ARC-Seal")
    after = raw_fields(arrived.content, "ARC-Seal")
    return [tags(value) for value in after[: len(after) - len(before)]]


FORM = ArcForm()
