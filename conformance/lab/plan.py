"""What the lab asks of a subject: the plan, with zones for every test, and the names and addresses in it.

The zones of slot 17 and their routes (all under .example):

    forward-0017        info, other                  -> mailbox, other @destination-0017
                        far                          -> mailbox@elsewhere-0017
                        first.last, box+tag, plain   -> dotted, tagged, plain @destination-0017
                        MixedCase                    -> mixed@destination-0017
                        abroad                       -> mailbox@mañana-0017
    catchall-0017       listed                       -> listed@destination-0017
                        everything else              -> everything@destination-0017
    piñata-0017         info                         -> mailbox@destination-0017
    enterprise-0017     info, info @eu.enterprise    -> mailbox@destination-0017

destination and elsewhere have one MX host each, on both address families; mañana has that of
destination. No route is in a subdomain of forward-0017 (plan "free").
"""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

from conformance.subjects.plan_file import a_label
from conformance.subjects.base import RELAY, SENDER, Plan, Route, Zone

ROOT = Path(__file__).resolve().parents[2]
FIXTURES = ROOT / "fixtures"
KEYS = FIXTURES / "keys"

# The page's identity, and one address of each outbound prefix, chosen by the lab.
EHLO = "email.cloudflare.net"
SELECTOR = "2022"
MX_DOMAIN = "mx.cloudflare.net"
MX_HOSTS = ((13, "amir"), (86, "linda"), (24, "isaac"))
SUBJECT_IPV4 = "104.30.0.7"
SUBJECT_IPV6 = "2405:8100:c000::7"

# A mail provider, which is the subject in the other roles, and whose users are in domains of each slot.
PROVIDER = "mail.provider.example"
PROVIDER_IPV4 = "198.51.100.25"
PROVIDER_IPV6 = "2001:db8:25::25"
USERS = ("alice", "bob", "carol")

DNSBL = "dnsbl.example"
DNSBL_NAME = "abusixip"

# For `--shell` and for tests that need no upstream of their own.
STANDING_ZONE = "example.com"
STANDING_DESTINATION = "mailbox.example"
STANDING_ADDRESSES = ("198.51.100.250", "2001:db8:d:ffff::250")
STANDING_REFUSAL = "550 5.1.1 <rejected@mailbox.example>: no such mailbox here"


def slot_zones(slot: int) -> tuple[Zone, ...]:
    """The zones of a slot, see the top of this file."""
    n = f"{slot:04d}.example"
    to = f"destination-{n}"
    routes = {
        f"forward-{n}": {
            "info": f"mailbox@{to}",
            "other": f"other@{to}",
            "far": f"mailbox@elsewhere-{n}",
            "first.last": f"dotted@{to}",
            "box+tag": f"tagged@{to}",
            "plain": f"plain@{to}",
            "MixedCase": f"mixed@{to}",
            "abroad": f"mailbox@mañana-{n}",
        },
        f"catchall-{n}": {"listed": f"listed@{to}", "*": f"everything@{to}"},
        f"piñata-{n}": {"info": f"mailbox@{to}"},
    }
    zones = [
        Zone(
            domain,
            tuple(
                Route(f"{local}@{domain}", target)
                for local, target in local_parts.items()
            ),
        )
        for domain, local_parts in routes.items()
    ]
    enterprise = f"enterprise-{n}"
    subdomains = (enterprise, f"eu.{enterprise}")
    zones.append(
        Zone(
            enterprise,
            tuple(Route(f"info@{domain}", f"mailbox@{to}") for domain in subdomains),
            plan="enterprise",
        )
    )
    return tuple(zones)


def slot_mailboxes(slot: int, role: str) -> tuple[str, ...]:
    """The mailboxes of a slot at a mail provider: its users, where it sends to the service; where the
    routes lead, where it receives from it."""
    n = f"{slot:04d}.example"
    if role == SENDER:
        return tuple(f"{user}@sender-{n}" for user in (*USERS, "postmaster"))
    targets = {route.to: None for zone in slot_zones(slot) for route in zone.routes}
    boxes = [
        f"{local}@{a_label(domain)}"
        for local, _, domain in (target.rpartition("@") for target in targets)
    ]
    boxes.append(f"info@{a_label(f'mañana-{n}')}")
    domains = dict.fromkeys(box.rpartition("@")[2] for box in boxes)
    return (*boxes, *(f"postmaster@{domain}" for domain in domains))


def make_plan(slots: int, role: str = RELAY) -> Plan:
    """The plan for a subject under `slots` tests."""
    return relay_plan(slots) if role == RELAY else provider_plan(slots, role)


def provider_plan(slots: int, role: str) -> Plan:
    """The plan of a mail provider, which sends mail to the service or receives mail from it."""
    boxes = itertools.chain.from_iterable(
        slot_mailboxes(slot, role) for slot in range(slots)
    )
    return replace(
        relay_plan(0),
        zones=(),
        hostname=PROVIDER,
        ehlo=PROVIDER,
        ipv4=PROVIDER_IPV4,
        ipv6=PROVIDER_IPV6,
        role=role,
        mailboxes=(f"postmaster@{STANDING_DESTINATION}", *boxes),
    )


def relay_plan(slots: int) -> Plan:
    """The plan of a relay."""
    standing = Zone(
        STANDING_ZONE,
        (
            Route(f"info@{STANDING_ZONE}", f"info@{STANDING_DESTINATION}"),
            Route(f"rejected@{STANDING_ZONE}", f"rejected@{STANDING_DESTINATION}"),
            Route(f"gmail@{STANDING_ZONE}", "mailbox@gmail.com"),
        ),
    )
    zones = itertools.chain.from_iterable(slot_zones(slot) for slot in range(slots))
    return Plan(
        zones=(standing, *zones),
        contact=f"postmaster@{STANDING_DESTINATION}",
        dnsbls=((DNSBL, DNSBL_NAME),),
        hostname=f"amir.{MX_DOMAIN}",
        ehlo=EHLO,
        signing_domain=EHLO,
        selector=SELECTOR,
        signing_key=KEYS / "test-service-rsa2048.pem",
        tls_certificate=KEYS / "test-tls-certificate.pem",
        tls_key=KEYS / "test-tls-key.pem",
        ipv4=SUBJECT_IPV4,
        ipv6=SUBJECT_IPV6,
    )
