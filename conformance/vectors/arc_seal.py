"""The cases of sealing, as far as an MTA that seals with its own name, key and results shows them: which set
it adds, with which cv=, and that the chain is then what it should be. What else they say is for tools."""

from __future__ import annotations

import time

import pytest

from conformance import expect
from conformance.suite.verifiers import text_record
from conformance.vectors.arc import new_seals
from conformance.vectors.load import Case
from conformance.vectors.messages import MessageForm, forwarded
from conformance.vectors.play import Outcome, moment
from fixtures.vectors.generate import reference

OWN_RESULTS = "the results, the fields signed and the key are the sealer's own"


class SealForm(MessageForm):
    open = {
        "chains:a-body-changed-since-the-results-said-pass": OWN_RESULTS,
        "chains:results-that-say-pass-of-what-is-no-chain": OWN_RESULTS,
        "chains:results-that-say-fail": OWN_RESULTS,
        "chains:a-field-without-instance": (
            "a field that belongs to no set may be no chain (RFC 8617 5.2)"
        ),
    }

    def off_wire(self, case: Case) -> str | None:
        if case.section in ("RFC 8617 4.1.1", "RFC 8617 4.1.2"):
            return OWN_RESULTS
        return super().off_wire(case)

    def judge(self, case: Case, seen: Outcome) -> None:
        arrived = forwarded(case, seen)
        seals = new_seals(case, arrived)
        if case.test.get("unchanged"):
            expect(len(seals), 0, "the number of new ARC sets")
            return
        wanted = case.test["seal"]
        if wanted["cv"] == "fail" and not seals:
            pytest.skip("the subject seals no chain that has failed, as it may (5.1.4)")
        expect(len(seals), 1, "the number of new ARC sets")
        expect(seals[0].get("i"), wanted["i"], "i= of the new ARC-Seal")
        expect(seals[0].get("cv", "").lower(), wanted["cv"], "cv= of the new ARC-Seal")
        status = _status(case, arrived.content, seals[0])
        expect(status, case.test["cv"], "the status of the chain with the new set")


def _status(case: Case, content: bytes, seal: dict[str, str]) -> str:
    """The chain validation status that a receiver sees."""
    name = f"{seal.get('s')}._domainkey.{seal.get('d')}"
    own = {name: {"TXT": text_record(name).decode("latin-1")}}
    zone = moment({**case.scenario["zone"], **own})
    return str(reference.arc_verify(content, zone, int(time.time())).cv)


FORM = SealForm()
