"""The SPF result that a subject recorded, in either field, and the refusals that say one."""

from __future__ import annotations

import re

from conformance.lab import Message
from conformance.suite.verifiers import results

# By what a message may be refused instead of being forwarded with that result (RFC 7208 8).
REFUSALS = {"fail": "5", "permerror": "5", "temperror": "4"}


def recorded_in_results(message: Message) -> str | None:
    """The SPF result in Authentication-Results: that for MAIL FROM, where HELO was evaluated as well."""
    if not message.fields("Authentication-Results"):
        return None
    found = results(message)
    pairs = list(zip(found.of("spf"), found.properties("spf")))
    pairs.sort(key=lambda pair: "smtp.mailfrom" not in pair[1])
    return pairs[0][0] if pairs else None


def recorded_in_received_spf(message: Message) -> str | None:
    """Likewise in Received-SPF."""
    fields = [value for _, value in message.fields("Received-SPF")]
    fields.sort(key=lambda field: "identity=helo" in field.lower().replace(" ", ""))
    words = re.sub(r"^\s*\([^()]*\)", "", fields[0]).split() if fields else []
    return words[0].lower() if words else None


def recorded(message: Message) -> str:
    """The result in either field, or "not recorded"."""
    found = recorded_in_results(message) or recorded_in_received_spf(message)
    return found or "not recorded"


def is_of_helo_alone(message: Message) -> bool:
    """Whether only HELO's result is recorded, after which MAIL FROM need not be evaluated (RFC 7208 2.4)."""
    if recorded_in_results(message) is None:
        fields = (value.lower() for _, value in message.fields("Received-SPF"))
        words = "".join(fields).replace(" ", "")
        return "identity=helo" in words and "identity=mailfrom" not in words
    return all(
        "smtp.helo" in properties and "smtp.mailfrom" not in properties
        for properties in results(message).properties("spf")
    )
