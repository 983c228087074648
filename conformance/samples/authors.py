"""From fields: RFC 5322 3.4 (mailbox lists and groups), 3.2.2 to 3.2.5 (comments, folds, quoted strings,
phrases) and 3.6.2. Without the obsolete forms, and without UTF-8.

The model is how the field was made: of each mailbox it is known at which domain it is, and whatever
stands in comments, quotes and display names is nobody's.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from conformance.samples import SENDER, VICTIM
from conformance.samples.choices import Choices
from conformance.samples.paths import atom

DISGUISES = ("ceo@{}", "<ceo@{}>", "Alice", "", "a, b", "a;b:", "(c)")
COMMENTED = ("", "Alice", "ceo@{}", "<ceo@{}>", "a \\( b", "a (b) c", "a, b")


@dataclass(frozen=True)
class From:
    """From fields of a message, each as it is on the wire without its last line end."""

    rule: str
    fields: tuple[str, ...]
    domains: frozenset[str]  # of its authors, in lower case

    @property
    def shown(self) -> str:
        return "\n".join(self.fields)


def other_than(domain: str) -> str:
    return VICTIM if domain == SENDER else SENDER


def cfws(choices: Choices, strange: str, least: str = "") -> str:
    """CFWS = (1*([FWS] comment) [FWS]) / FWS; `strange` is a domain that only comments name."""
    kind = choices.below(6)
    if kind < 3:
        return least
    if kind == 3:
        return choices.one_of((" ", "\t", "  "))
    if kind == 4:
        return "\r\n" + choices.one_of((" ", "\t"))
    comment = choices.one_of(COMMENTED).format(strange)
    return f" ({comment}) "


def quoted_string(choices: Choices, strange: str) -> str:
    text = choices.one_of(DISGUISES).format(strange)
    if choices.rarely():
        text += choices.one_of(('\\"', "\\\\", '\\"@'))
    return f'"{text}"'


def phrase(choices: Choices, strange: str) -> str:
    """phrase = 1*word"""

    def word() -> str:
        return (
            quoted_string(choices, strange) if choices.below(2) else atom(choices)
        ) + cfws(choices, strange, " ")

    return "".join(choices.several(word, 1, 3))


def addr_spec(choices: Choices, domain: str) -> str:
    strange = other_than(domain)
    local = "alice"
    if choices.rarely(3):
        local = quoted_string(choices, strange) if choices.below(2) else "alice.b-c"
    written = domain.upper() if choices.rarely() else domain
    before, after = cfws(choices, strange), cfws(choices, strange)
    return f"{before}{local}@{written}{after}"


def mailbox(choices: Choices, domain: str) -> str:
    """mailbox = name-addr / addr-spec"""
    if choices.rarely(3):
        return addr_spec(choices, domain)
    strange = other_than(domain)
    name = phrase(choices, strange) if choices.below(2) else ""
    before, after = cfws(choices, strange), cfws(choices, strange)
    return f"{name}{before}<{addr_spec(choices, domain)}>{after}"


def _listed(choices: Choices, domains: list[str]) -> str:
    return ",".join(" " + mailbox(choices, domain) for domain in domains)


def _field(choices: Choices, value: str) -> str:
    # No line of white space alone (RFC 5322 3.2.2).
    value = re.sub(r"\r\n[ \t]*(?=\r\n|\Z)", "", value)
    return f"{choices.one_of(('From', 'from', 'FROM'))}:{value}"


def one_author(choices: Choices, domain: str) -> From:
    fields = (_field(choices, _listed(choices, [domain])),)
    return From("an address in From (RFC 5322 3.4)", fields, frozenset([domain]))


def several_authors(choices: Choices, domain: str) -> From:
    """All of them at that domain."""
    domains = choices.several(lambda: domain, 2, 4)
    fields = (_field(choices, _listed(choices, domains)),)
    rule = "a mailbox-list at one domain (RFC 5322 3.6.2)"
    return From(rule, fields, frozenset([domain]))


def two_domains(choices: Choices) -> From:
    """Authors at both."""
    domains = choices.several(lambda: choices.one_of((SENDER, VICTIM)), 0, 2)
    at = choices.below(len(domains) + 1)
    domains[at:at] = [SENDER, VICTIM] if choices.below(2) else [VICTIM, SENDER]
    value = _listed(choices, domains)
    rule = "authors at two domains (RFC 5322 3.6.2)"
    return From(rule, (_field(choices, value),), frozenset(domains))


def two_fields(choices: Choices) -> From:
    """Each of them good."""
    fields = [_field(choices, _listed(choices, [SENDER])) for _ in range(2)]
    fields += choices.several(lambda: _field(choices, _listed(choices, [SENDER])), 0, 1)
    return From("one From field (RFC 5322 3.6)", tuple(fields), frozenset([SENDER]))


def nobody(choices: Choices) -> From:
    """A field without an address; what looks like one is a comment or quoted."""
    kind = choices.below(3)
    before, after = cfws(choices, SENDER, " "), cfws(choices, SENDER)
    value = {
        0: phrase(choices, SENDER),
        1: f"{atom(choices)}:{after};",
        2: f"{atom(choices)} <{after}>",
    }[kind]
    return From(
        "an author has an address (RFC 5322 3.6.2)",
        (_field(choices, f"{before}{value}"),),
        frozenset(),
    )
