"""What the tests read of SPF: the results that the subject recorded of a message, in the field or fields
that it writes (RFC 7208 9 leaves the choice)."""

from __future__ import annotations

import re

from conformance.lab import Message
from conformance.suite.verifiers import parts, results, unquoted

# A result and what it is of, as Authentication-Results names it: smtp.mailfrom, smtp.helo.
Result = tuple[str, dict[str, str]]

# By what a message may be refused instead of being forwarded with that result (RFC 7208 8).
REFUSALS = {"fail": "5", "permerror": "5", "temperror": "4"}

# Received-SPF by the grammar of RFC 7208 9.1, unfolded; comments with one more inside at most.
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_QUOTED = r'"(?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\[\x20-\x7e])*"'
_INNER = r"[\x20-\x27\x2a-\x5b\x5d-\x7e]|\\[\x20-\x7e]"
_COMMENT = rf"\((?:{_INNER}|\((?:{_INNER})*\))*\)"
_CFWS = rf"(?:\s|{_COMMENT})*"
# An example there has mechanism=ip4:192.0.2.1, though by the grammar it were to be quoted.
_KEY_VALUE = (
    rf"(?:[A-Za-z][A-Za-z0-9._-]*{_CFWS}={_CFWS}(?:{_ATOM}(?:\.{_ATOM})*|{_QUOTED})"
    r'|(?i:mechanism)=[^\s;"()\\]+)'
)
_FIELD = re.compile(
    rf"{_CFWS}[A-Za-z]+(?:\s+{_COMMENT})?"
    rf"(?:\s+{_KEY_VALUE}(?:{_CFWS};{_CFWS}{_KEY_VALUE})*{_CFWS};?)?{_CFWS}"
)

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


def is_of_helo_alone(message: Message) -> bool:
    """Whether only HELO's result is recorded, after which MAIL FROM need not be evaluated (RFC 7208 2.4)."""
    identities = [set(identity) for _, identity in recorded(message)]
    return bool(identities) and all(
        "smtp.helo" in found and "smtp.mailfrom" not in found for found in identities
    )


def is_received_spf(value: str) -> bool:
    """Whether the value of a Received-SPF field follows the grammar."""
    # HT is white space in comments and quoted strings, too.
    unfolded = re.sub(r"\r\n(?=[ \t])", "", value).replace("\t", " ")
    return _FIELD.fullmatch(unfolded) is not None


def pairs_of(value: str) -> dict[str, str]:
    """The keys of a Received-SPF field in small letters, and their values."""
    text = "; ".join(parts(value))
    return {key.lower(): unquoted(word) for key, word in _PAIR.findall(text)}


def _received_spf(value: str) -> Result:
    """A field's result, and its identity; if it names none that is MAIL FROM, if that was evaluated
    (RFC 7208 9.1: envelope-from)."""
    text = "; ".join(parts(value))
    pairs = pairs_of(value)
    by_default = "mailfrom" if pairs.get("envelope-from") else "helo"
    identity = pairs.get("identity", by_default).lower()
    key = "envelope-from" if identity == "mailfrom" else identity
    words = text.split()
    return (words[0].lower() if words else ""), {f"smtp.{identity}": pairs.get(key, "")}
