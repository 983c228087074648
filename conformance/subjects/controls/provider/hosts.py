"""Which hosts take mail for a domain, in which order (RFC 5321 5.1, RFC 7505)."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address, ip_network
from itertools import groupby

import dns.exception
import dns.name
import dns.resolver

from conformance.subjects.controls.provider.manners import Manner
from conformance.subjects.controls.provider.setup import Setup

HOSTS_MAX = 10
THIS_NETWORK = ip_network("0.0.0.0/8")


@dataclass
class Unroutable(Exception):
    """Why there is no host to be tried."""

    permanent: bool
    status: str
    text: str


@dataclass(frozen=True)
class Host:
    """One to be tried, with its addresses in order."""

    name: str
    addresses: tuple[str, ...]


def hosts_for(domain: str, setup: Setup) -> Iterator[Host]:
    """Those of the domain. Raises Unroutable if there is none that can be tried."""
    if domain.startswith("["):
        address = domain.strip("[]")
        if address.lower().startswith("ipv6:"):
            address = address[5:]
        yield Host(address, (address,))
        return
    found = failed = False
    for name in list(names_for(domain, setup))[:HOSTS_MAX]:
        try:
            addresses = addresses_of(name, setup)
        except dns.exception.DNSException:
            failed = True
            continue
        if addresses:
            found = True
            yield Host(name.rstrip("."), tuple(addresses))
    if failed and not found:
        raise Unroutable(
            False, "4.4.3", f"no answer from DNS for the hosts of {domain}"
        )
    if not found:
        raise Unroutable(True, "5.4.4", f"no host of {domain} has an address")


def names_for(domain: str, setup: Setup) -> list[str]:
    """The names of its MX hosts, or its own."""
    try:
        answer = setup.resolver().resolve(domain + ".", "MX", search=False)
    except dns.resolver.NXDOMAIN:
        raise Unroutable(True, "5.1.2", f"{domain} does not exist") from None
    except dns.resolver.NoAnswer:
        return [domain + "."]
    except (dns.exception.DNSException, UnicodeError) as error:
        raise Unroutable(False, "4.4.3", f"no answer from DNS: {error}") from None
    records: list[tuple[int, dns.name.Name]] = [
        (record.preference, record.exchange) for record in answer
    ]
    if all(exchange == dns.name.root for _, exchange in records):
        raise Unroutable(True, "5.1.10", f"{domain} takes no mail (null MX)")
    records = [(number, name) for number, name in records if name != dns.name.root]
    records.sort(key=lambda record: record[0])
    if setup.manner == Manner.IGNORE_PREFERENCE:
        records.reverse()
    names: list[str] = []
    for _, equal in groupby(records, lambda record: record[0]):
        group = [exchange.to_text() for _, exchange in equal]
        if any(is_self(name, setup) for name in group):
            break
        random.shuffle(group)
        names += group
    if not names:
        raise Unroutable(True, "5.4.6", f"the MX of {domain} leads back here")
    return list(dict.fromkeys(names))


def is_self(name: str, setup: Setup) -> bool:
    if name.rstrip(".").lower() == setup.hostname.lower():
        return True
    try:
        return bool(setup.own_addresses & set(addresses_of(name, setup)))
    except dns.exception.DNSException:
        return False


def addresses_of(name: str, setup: Setup) -> list[str]:
    """All that may be dialled, those of IPv6 first. Raises DNSException if DNS failed and there is none."""
    addresses: list[str] = []
    failure: dns.exception.DNSException | None = None
    for kind in ("AAAA", "A"):
        if addresses and setup.manner == Manner.NO_IPV4_FALLBACK:
            break
        try:
            answer = setup.resolver().resolve(name, kind, search=False)
        except dns.resolver.NXDOMAIN:
            break
        except dns.resolver.NoAnswer:
            continue
        except dns.exception.DNSException as error:
            failure = error
            continue
        addresses += [unmapped(record.address) for record in answer]
    usable = [
        address for address in dict.fromkeys(addresses) if may_be_dialled(address)
    ]
    if failure is not None and not usable:
        raise failure
    return usable


def unmapped(address: str) -> str:
    """An IPv4 address in the form of IPv6 as what it is (RFC 4291 2.5.5.2)."""
    parsed = ip_address(address)
    mapped = parsed.ipv4_mapped if isinstance(parsed, IPv6Address) else None
    return str(mapped or parsed)


def may_be_dialled(address: str) -> bool:
    parsed = ip_address(address)
    return not (
        parsed.is_loopback
        or parsed.is_link_local
        or parsed.is_multicast
        or parsed.is_unspecified
        or parsed in THIS_NETWORK
        or address == "255.255.255.255"
    )
