"""The plan as a JSON file, which every subject's executables read (schemas/plan.schema.json)."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from conformance.subjects.base import LAB_LIMITS, SHORT_TIMEOUTS, Plan, Queue

SCHEMA = 1
PAGE = "https://developers.cloudflare.com/email-routing/postmaster/"
DNSBL_TEXT = (
    "{{ip}} found on one or more DNSBLs ({name}). "
    f"Refer to {PAGE}#spam-and-abusive-traffic/"
)
# Sealers on whose word a receiver may accept what fails DMARC (RFC 8617 7.2).
TRUSTED_SEALERS = ("email.cloudflare.net",)
SRS_SECRETS = ("the lab's first secret", "the lab's second secret")


def a_label(domain: str) -> str:
    """A domain's A-label form."""
    return domain.encode("idna").decode("ascii")


def a_label_address(address: str) -> str:
    """`address` with its domain in A-label form."""
    local, _, domain = address.rpartition("@")
    return f"{local}@{a_label(domain)}"


def document(plan: Plan) -> dict[str, Any]:
    """The plan in the form of its schema."""
    routes = [route for zone in plan.zones for route in zone.routes]
    addresses = [a_label_address(route.address) for route in routes]
    return {
        "schema": SCHEMA,
        "hostname": plan.hostname,
        "ehlo": plan.ehlo,
        "ipv4": plan.ipv4,
        "ipv6": plan.ipv6 or None,
        "port": plan.port,
        "proxy_port": plan.proxy_port,
        "resolver": "127.0.0.1",
        "contact": plan.contact,
        "zones": [asdict(zone) for zone in plan.zones],
        "domains": _once(address.rpartition("@")[2] for address in addresses),
        "aliases": [
            {"address": address, "to": a_label_address(route.to)}
            for address, route in zip(addresses, routes)
        ],
        "srs": {"secrets": list(SRS_SECRETS)},
        "signing": {
            "domain": plan.signing_domain,
            "selector": plan.selector,
            "key": str(plan.signing_key),
        },
        "tls": {"certificate": str(plan.tls_certificate), "key": str(plan.tls_key)},
        "dnsbls": [
            {"zone": zone, "name": name, "text": DNSBL_TEXT.format(name=name)}
            for zone, name in plan.dnsbls
        ],
        "refer_to": PAGE,
        "limits": asdict(LAB_LIMITS),
        "timeouts": asdict(SHORT_TIMEOUTS),
        "dmarc": {"edition": plan.dmarc_edition, "quarantine": plan.dmarc_quarantine},
        "role": plan.role,
        "mailbox_domains": _once(box.rpartition("@")[2] for box in plan.mailboxes),
        "mailboxes": list(plan.mailboxes),
        "lmtp": dict(zip(("host", "port"), plan.lmtp)),
        "queue": asdict(Queue()),
        "trusted_sealers": list(TRUSTED_SEALERS),
    }


def _once(texts: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(texts))


def write(plan: Plan, path: Path) -> None:
    """Writes the file; it holds no secret but the lab's."""
    text = json.dumps(document(plan), indent=1, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")
