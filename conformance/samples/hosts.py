"""Where mail for a domain goes by its DNS records: RFC 5321 5.1, RFC 7505 3. Of the hosts some are dead:
nobody listens, or they have no address. At least one that takes mail is always there, so that no subject
remembers the domain as one that cannot be reached.
"""

from __future__ import annotations

from dataclasses import dataclass

from conformance.samples.choices import Choices

LIVE = ("live1", "live2", "live3")
DEAD = ("closed", "addressless", "nonexistent")
PREFERENCE_MAX = 65535


@dataclass(frozen=True)
class Hosts:
    """MX records (preference, host) in the order of the answer."""

    rule: str
    records: tuple[tuple[int, str], ...]
    right: frozenset[str]  # the hosts of which one has to get the mail

    @property
    def shown(self) -> str:
        return ", ".join(f"MX {preference} {host}" for preference, host in self.records)


def _preference(choices: Choices) -> int:
    return choices.one_of((10, 0, 1, 9, 11, 100, 255, 256, 32768, PREFERENCE_MAX))


def right(records: tuple[tuple[int, str], ...]) -> frozenset[str]:
    """The live hosts of the lowest preference that has any."""
    live = [(preference, name) for preference, name in records if name in LIVE]
    lowest = min(live)[0]
    return frozenset(name for preference, name in live if preference == lowest)


def answer(choices: Choices) -> Hosts:
    """Each host at most once, in any order."""
    names = [choices.one_of(LIVE)]
    for name in (*LIVE, *DEAD):
        if name not in names and choices.below(2):
            names.insert(choices.below(len(names) + 1), name)
    records = tuple((_preference(choices), name) for name in names)
    best = right(records)
    lowest = min(p for p, name in records if name in best)
    dead_first = any(n in DEAD and p <= lowest for p, n in records)
    rule = (
        "the next host, where one cannot be reached (RFC 5321 5.1)"
        if dead_first
        else "the lowest preference first (RFC 5321 5.1)"
    )
    return Hosts(rule, records, best)
