"""The source of a clause, and its URL.

A source has one of three forms:

    RFC 5321 4.1.1                a section of an RFC, or an appendix by its letter
    postmaster: Sender rewriting  a heading of the Postmaster page
    decisions: errors-421         an anchor of conformance/specification.md
"""

from __future__ import annotations

import re
from dataclasses import dataclass

POSTMASTER_URL = "https://developers.cloudflare.com/email-routing/postmaster/"

# Reports contain a copy of the decisions, so that links to them need no network.
DECISIONS_URL = "specification.html"

_FORM = re.compile(
    r"(?P<rfc>RFC [0-9]+) (?P<section>[0-9A-Z][0-9.]*)"
    r"|postmaster: (?P<heading>.+)"
    r"|decisions: (?P<anchor>[a-z0-9]+(?:-[a-z0-9]+)*)"
)


@dataclass(frozen=True)
class Source:
    """A place in a text: `work` is "postmaster", "decisions", or an RFC as in "RFC 5321"."""

    work: str
    place: str

    @property
    def url(self) -> str:
        """The place as a link; that of a decision is relative to the report."""
        if self.work == "postmaster":
            return f"{POSTMASTER_URL}#{_slug(self.place)}"
        if self.work == "decisions":
            return f"{DECISIONS_URL}#{self.place}"
        kind = "section" if self.place[0].isdigit() else "appendix"
        number = self.work.removeprefix("RFC ")
        return f"https://www.rfc-editor.org/rfc/rfc{number}#{kind}-{self.place}"


def parse_source(text: str) -> Source:
    """The source that `text` names. Raises ValueError if it does not have one of the three forms."""
    form = _FORM.fullmatch(text)
    if form is None:
        raise ValueError(
            f"source '{text}' must have the form 'RFC 5321 4.1', 'postmaster: HEADING' or "
            "'decisions: ANCHOR'"
        )
    if form["rfc"]:
        return Source(form["rfc"], form["section"])
    if form["heading"]:
        return Source("postmaster", form["heading"])
    return Source("decisions", form["anchor"])


def _slug(heading: str) -> str:
    """The anchor of a heading on the Postmaster page."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")
