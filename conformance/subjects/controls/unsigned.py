"""The control that does everything but one thing: the reference relay without a DKIM key, so that it
neither signs nor seals, and declares that it does."""

from __future__ import annotations

from conformance.subjects.controls import CONTROLS, PREFIX
from conformance.subjects.reference import Reference

MANNER = "unsigned"


class Unsigned(Reference):
    name = PREFIX + MANNER
    left_out = ("identity",)

    def version(self) -> str:
        super().version()  # it is there
        return f"a control: it {CONTROLS[MANNER]}"
