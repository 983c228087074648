"""badge.svg, and badge.json in the form of shields.io's endpoint: the verdict on two fingers' width."""

from __future__ import annotations

import datetime
import json
from xml.sax.saxutils import escape

from conformance.report.model import CONFORMS, DOES_NOT_CONFORM, Outcome, Run
from conformance.report.text import shortened, visible

# Pixels of a character, on average, and of the space at both ends of a text.
CHARACTER, MARGIN = 6.6, 12
LABEL_LENGTH = 40

COLOURS = {CONFORMS: ("brightgreen", "#00694c"), DOES_NOT_CONFORM: ("red", "#b34700")}
NO_VERDICT = ("lightgrey", "#5b6470")


def to_shield(run: Run, today: datetime.date) -> str:
    """For https://shields.io/badges/endpoint-badge."""
    label, message = _texts(run, today)
    colour = COLOURS.get(run.exit_status(today), NO_VERDICT)[0]
    badge = {"schemaVersion": 1, "label": label, "message": message, "color": colour}
    return json.dumps(badge, indent=2) + "\n"


def to_badge(run: Run, today: datetime.date) -> str:
    """An image that needs no network."""
    label, message = _texts(run, today)
    colour = COLOURS.get(run.exit_status(today), NO_VERDICT)[1]
    left, right = (round(len(text) * CHARACTER) + MARGIN for text in (label, message))
    middle = left + right / 2
    label, message = escape(label), escape(message)
    return f"""\
<svg xmlns="http://www.w3.org/2000/svg" width="{left + right}" height="20" role="img">
<title>{label}: {message}</title>
<rect width="{left + right}" height="20" rx="3" fill="{colour}"/>
<path d="M3 0h{left - 3}v20H3a3 3 0 0 1-3-3V3a3 3 0 0 1 3-3" fill="#3d444d"/>
<g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11" text-anchor="middle">
<text x="{left / 2:g}" y="14">{label}</text>
<text x="{middle:g}" y="14">{message}</text>
</g>
</svg>
"""


def _texts(run: Run, today: datetime.date) -> tuple[str, str]:
    label = " ".join(visible(f"conformance of {run.who}").split())
    status = run.exit_status(today)
    if status not in COLOURS:
        return shortened(label, LABEL_LENGTH), "no verdict"
    passed = sum(result.verdict == Outcome.PASS for result in run.clauses)
    counts = f"{passed} of {len(run.clauses)} clauses"
    verdict = "conforms" if status == CONFORMS else "does not conform"
    selection = "" if run.complete else " selected"
    return shortened(label, LABEL_LENGTH), f"{verdict}, {counts}{selection}"
