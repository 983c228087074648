"""What the provider is asked to be: the plan, read once, and the manner."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dns.resolver

from conformance.subjects.controls.provider.manners import Manner

POSTMASTER = "postmaster"


@dataclass(frozen=True)
class Setup:
    """The plan, with names for what is asked for often."""

    manner: Manner
    plan: dict[str, Any]

    @classmethod
    def read(cls, manner: str, file: Path) -> Setup:
        return cls(Manner(manner), json.loads(file.read_text("utf-8")))

    @property
    def hostname(self) -> str:
        return str(self.plan["hostname"])

    def seconds(self, timeout: str) -> float:
        """One of the plan's timeouts."""
        return float(self.plan["timeouts"][timeout])

    def limit(self, name: str) -> int:
        return int(self.plan["limits"][name])

    @property
    def own_addresses(self) -> set[str]:
        return {self.plan["ipv4"], self.plan["ipv6"] or ""} - {""}

    def source(self, address: str) -> str | None:
        """Its own address of that family."""
        own = self.plan["ipv6"] if ":" in address else self.plan["ipv4"]
        return None if own is None else str(own)

    def serves(self, domain: str) -> bool:
        return domain.lower() in self.plan["mailbox_domains"]

    def mailbox(self, local: str, domain: str) -> str | None:
        """Which mailbox has that address, if any; `domain` is empty for postmaster alone."""
        folded, domain = unquoted(local).lower(), domain.lower()
        if folded == POSTMASTER and (self.serves(domain) or self.is_itself(domain)):
            return str(self.plan["contact"])
        wanted = f"{folded}@{domain}"
        for mailbox in self.plan["mailboxes"]:
            if mailbox.lower() == wanted:
                return str(mailbox)
        return None

    def is_itself(self, domain: str) -> bool:
        """Whether the domain names the host: by no name, by its own, or by an address literal."""
        literal = domain.strip("[]").removeprefix("ipv6:")
        return domain in ("", self.hostname.lower()) or (
            domain.startswith("[") and literal in self.own_addresses
        )

    def resolver(self) -> dns.resolver.Resolver:
        resolver = dns.resolver.Resolver(configure=False)
        resolver.nameservers = [self.plan["resolver"]]
        resolver.lifetime = self.seconds("dns")
        resolver.timeout = self.seconds("dns")
        return resolver


def unquoted(local: str) -> str:
    """A local part without the quotes that its meaning does not need (RFC 5321 4.1.2)."""
    if not local.startswith('"'):
        return local
    plain, escaped = "", False
    for character in local[1:-1]:
        if character == "\\" and not escaped:
            escaped = True
            continue
        plain, escaped = plain + character, False
    return plain
