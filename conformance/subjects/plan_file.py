"""The plan as a JSON file, which every subject's executables read (schemas/plan.schema.json)."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from conformance.subjects.base import LAB_LIMITS, SHORT_TIMEOUTS, Plan, Queue, Zone

SCHEMA = 1
PAGE = "https://developers.cloudflare.com/email-routing/postmaster/"
DNSBL_TEXT = (
    "{{ip}} found on one or more DNSBLs ({name}). "
    f"Refer to {PAGE}#spam-and-abusive-traffic/"
)
# Sealers on whose word a receiver may accept what fails DMARC (RFC 8617 7.2).
TRUSTED_SEALERS = ("email.cloudflare.net",)
SRS_SECRETS = ("the lab's first secret", "the lab's second secret")


@cache
def a_label(domain: str) -> str:
    """A domain's A-label form."""
    return domain.encode("idna").decode("ascii")


def a_label_address(address: str) -> str:
    """`address` with its domain in A-label form."""
    local, _, domain = address.rpartition("@")
    return f"{local}@{a_label(domain)}"


def document(plan: Plan) -> dict[str, Any]:
    """The plan in the form of its schema."""
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
        **_routing(plan.zones),
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


@lru_cache(maxsize=1)
def _routing(zones: tuple[Zone, ...]) -> dict[str, Any]:
    """What follows from the zones, which are thousands, and the same in each plan of a lab."""
    routes = [route for zone in zones for route in zone.routes]
    addresses = [a_label_address(route.address) for route in routes]
    return {
        "zones": [asdict(zone) for zone in zones],
        "domains": _once(address.rpartition("@")[2] for address in addresses),
        "aliases": [
            {"address": address, "to": a_label_address(route.to)}
            for address, route in zip(addresses, routes)
        ],
    }


def _once(texts: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(texts))


def write(plan: Plan, path: Path) -> None:
    """Writes the file; it holds no secret but the lab's."""
    path.write_text(_as_json(document(plan)), encoding="utf-8")


def _as_json(document: dict[str, Any]) -> str:
    """With a line for each key, and for each item of a list. json's own indentation takes five times
    as long."""
    encode = json.JSONEncoder(ensure_ascii=False).encode
    lines = []
    for key, value in document.items():
        if isinstance(value, list) and len(value) > 1:
            text = "[\n  " + ",\n  ".join(map(encode, value)) + "]"
        else:
            text = encode(value)
        lines.append(f"{encode(key)}: {text}")
    return "{" + ",\n ".join(lines) + "}\n"
