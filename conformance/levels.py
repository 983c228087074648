"""Whether a clause's source and quote bear its level (specification.md#levels)."""

from __future__ import annotations

import re

from conformance.clauses import Clause
from conformance.quotes import Texts
from conformance.sources import parse_source

LIMITATIONS = "Known limitations"

_REQUIRED = re.compile(r"\b(MUST|SHALL|REQUIRED)\b")
_REQUIRED_BEFORE_2119 = re.compile(r"\b(must|shall|required)\b", re.I)
_RECOMMENDED = re.compile(r"\b(SHOULD|RECOMMENDED)\b")
# A rule of a grammar, as in `ehlo = "EHLO" SP Domain`.
_GRAMMAR = re.compile(r"(?:^|\s)[A-Za-z][A-Za-z0-9-]*\s*(?:::)?=/?\s")


def level_objection(clause: Clause, texts: Texts) -> str | None:
    """Why the clause cannot have its level, or None if it can."""
    source = parse_source(clause.source)
    is_rfc = source.work.startswith("RFC ")
    match clause.level:
        case "documented" | "limitation" | "discrepancy" if source.work != "postmaster":
            return f"level {clause.level} needs a sentence of the Postmaster page"
        case "limitation" if texts.is_limitation(source) is False:
            return f"level limitation needs a sentence of its section '{LIMITATIONS}'"
        case "documented" if texts.is_limitation(source):
            return f"a sentence of the section '{LIMITATIONS}' has level limitation"
        case "required" if not is_rfc or not _is_required(clause, texts):
            return (
                "level required needs an RFC's MUST, MUST NOT, SHALL, REQUIRED or rule of "
                "grammar in its quote"
            )
        case "recommended" if not is_rfc or not _RECOMMENDED.search(clause.quote):
            return "level recommended needs an RFC's SHOULD, SHOULD NOT or RECOMMENDED in its quote"
        case "choice" if source.work == "postmaster":
            return (
                "a sentence of the Postmaster page has level documented or limitation"
            )
    return None


def _is_required(clause: Clause, texts: Texts) -> bool:
    """An RFC that does not cite RFC 2119 says it in small letters."""
    old = texts.is_older_than_2119(parse_source(clause.source))
    words = _REQUIRED_BEFORE_2119 if old else _REQUIRED
    return bool(words.search(clause.quote) or _GRAMMAR.search(clause.quote))
