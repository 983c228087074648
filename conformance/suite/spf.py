"""What the tests read of SPF: the results that the subject recorded of a message, in the field or fields
that it writes (RFC 7208 9 leaves the choice)."""

from __future__ import annotations

import re

from conformance.lab import Message
from conformance.suite.verifiers import parts, results, unquoted

# A result and what it is of, as Authentication-Results names it: smtp.mailfrom, smtp.helo.
Result = tuple[str, dict[str, str]]

_PAIR = re.compile(r'([A-Za-z-]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^\s;"]+)')


def recorded(message: Message) -> list[Result]:
    """All SPF results, those of Authentication-Results first. The message came without either field."""
    return [*in_results(message), *in_received_spf(message)]


def in_results(message: Message) -> list[Result]:
    """Those in Authentication-Results, that for MAIL FROM first where HELO was evaluated as well."""
    if not message.fields("Authentication-Results"):
        return []
    found = results(message)
    pairs = list(zip(found.of("spf"), found.properties("spf")))
    return sorted(pairs, key=lambda pair: "smtp.mailfrom" not in pair[1])


def in_received_spf(message: Message) -> list[Result]:
    """Likewise in Received-SPF."""
    found = [_received_spf(value) for _, value in message.fields("Received-SPF")]
    said = [result for result in found if result[0]]
    return sorted(said, key=lambda pair: "smtp.mailfrom" not in pair[1])


def first(found: list[Result]) -> str | None:
    """The result that stands for all of a field, None if there is none."""
    return found[0][0] if found else None


def _received_spf(value: str) -> Result:
    """A field's result, and its identity; if it names none that is MAIL FROM, if that was evaluated
    (RFC 7208 9.1: envelope-from)."""
    text = "; ".join(parts(value))
    pairs = {key.lower(): unquoted(word) for key, word in _PAIR.findall(text)}
    by_default = "mailfrom" if pairs.get("envelope-from") else "helo"
    identity = pairs.get("identity", by_default).lower()
    key = "envelope-from" if identity == "mailfrom" else identity
    words = text.split()
    return (words[0].lower() if words else ""), {f"smtp.{identity}": pairs.get(key, "")}
