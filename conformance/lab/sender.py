"""Who sends to the subject: the domain of a test's own, what it publishes, and how it signs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import dkim

from conformance.lab.nameserver.server import Nameserver
from conformance.lab.plan import KEYS


@dataclass(frozen=True)
class Sender:
    """A sender: a domain with an SPF record (its two addresses pass, all others fail), a DKIM key
    with the selector "test", and no DMARC record until the test adds one."""

    domain: str
    ipv4: str
    ipv6: str
    dns: Nameserver

    @property
    def address(self) -> str:
        return f"alice@{self.domain}"

    def publish_dmarc(self, record: str) -> None:
        """Sets the domain's DMARC record."""
        self.dns.remove(f"_dmarc.{self.domain}")
        self.dns.add_text(f"_dmarc.{self.domain}", record)

    def sign(
        self, message: bytes, headers: Iterable[str] = ("from", "to", "subject")
    ) -> bytes:
        """`message` with a DKIM signature of the domain on top, by dkimpy."""
        signature = dkim.sign(
            message,
            b"test",
            self.domain.encode("ascii"),
            (KEYS / "test-sender-rsa2048.pem").read_bytes(),
            canonicalize=(b"relaxed", b"relaxed"),
            include_headers=[name.encode("ascii") for name in headers],
        )
        return bytes(signature) + message
