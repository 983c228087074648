"""The lab of a worker, and the part of it that belongs to one test.

A subject reads its routes when it starts, so the plan has one slot for every test: zones that no other
test uses, their destinations, a sender. The DNS records and upstreams of a slot are created when its
test begins, and the test may change them.

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
import re
import shutil
import ssl
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import dkim

from conformance.lab import namespace
from conformance.lab.client import Client
from conformance.lab.nameserver.server import Nameserver
from conformance.lab.lateness import Lateness
from conformance.lab.loop import LoopThread
from conformance.lab.transcript import Transcript
from conformance.lab.script import say
from conformance.lab.upstream import Upstream
from conformance.expect import Unimplemented
from conformance.subjects.base import Plan, Route, Subject, Zone
from conformance.subjects.plan_file import a_label

ROOT = Path(__file__).resolve().parents[2]
FIXTURES = ROOT / "fixtures"
KEYS = FIXTURES / "keys"

# The page's identity, and one address of each outbound prefix, chosen by the lab.
EHLO = "email.cloudflare.net"
SELECTOR = "2022"
MX_HOSTS = ((13, "amir"), (86, "linda"), (24, "isaac"))
SUBJECT_IPV4 = "104.30.0.7"
SUBJECT_IPV6 = "2405:8100:c000::7"
DNSBL = "dnsbl.example"
DNSBL_NAME = "abusixip"

# For `--shell` and for tests that need no upstream of their own.
STANDING_ZONE = "example.com"
STANDING_DESTINATION = "mailbox.example"
STANDING_ADDRESSES = ("198.51.100.250", "2001:db8:d:ffff::250")
STANDING_REFUSAL = "550 5.1.1 <rejected@mailbox.example>: no such mailbox here"


# In the names of the zones of slot 17: "-0017.example".
_SLOT = re.compile(r"-([0-9]{4})\.example$")


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


def make_plan(slots: int) -> Plan:
    """The plan for a subject under `slots` tests."""
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
        hostname="amir.mx.cloudflare.net",
        ehlo=EHLO,
        signing_domain=EHLO,
        selector=SELECTOR,
        signing_key=KEYS / "test-service-rsa2048.pem",
        tls_certificate=KEYS / "test-tls-certificate.pem",
        tls_key=KEYS / "test-tls-key.pem",
        ipv4=SUBJECT_IPV4,
        ipv6=SUBJECT_IPV6,
    )


class Lab:
    """DNS, standing upstream and the subject, in this thread's own namespace."""

    def __init__(
        self, subject: Subject, directory: Path, slots: int, timeout_scale: float = 1.0
    ) -> None:
        self.subject = subject
        self.directory = directory
        self.plan = make_plan(slots)
        self.slots = slots
        self.patience = 10.0 * timeout_scale
        self.loop = LoopThread()
        self.dns = Nameserver(self.loop)
        self._next_slot = 0
        self._away = False  # the subject runs at another date
        self._restart_due = False  # the subject runs with a test's own plan or date
        self._hosts = itertools.count(1)
        self._clients = itertools.cycle(range(1, 255))
        self._notorious = iter(range(1, 255))
        self.standing: Upstream | None = None
        self._mounted: list[Path] = []

    def start(self) -> None:
        """Starts everything. Raises NamespaceForbidden, OSError or SubjectUnavailable."""
        if self.subject.needs_namespace:
            namespace.configure([SUBJECT_IPV4, SUBJECT_IPV6])
            self._mounted = namespace.bind_resolver_files(self.directory)
        else:
            namespace.configure([])
        for path in sorted((FIXTURES / "zones").glob("*.zone")):
            self.dns.load(path)
        publish_key(self.dns, SELECTOR, EHLO, KEYS / "test-service-rsa2048.pub.pem")
        self.dns.start()
        self.lateness = Lateness(self.loop, self.subject.process_ids)
        self.standing = self.upstream(
            f"mx.{STANDING_DESTINATION}", list(STANDING_ADDRESSES), Transcript()
        )
        self.standing.on(
            "rcpt", say(STANDING_REFUSAL), recipient=f"rejected@{STANDING_DESTINATION}"
        )
        directory = self.directory / "subject"
        directory.mkdir()
        self.subject.plan = self.plan
        self.subject.configure(self.plan, directory)
        self.subject.start()
        self.subject.wait_until_ready()

    def stop(self) -> None:
        """Stops everything."""
        self.subject.stop()
        self.subject.release()
        if self.standing is not None:
            self.standing.stop()
        self.dns.stop()
        self.loop.close()
        namespace.release(self._mounted)
        shutil.rmtree(self.directory, ignore_errors=True)

    def world(self) -> World:
        """The next test's part of the lab, with the subject running at the present date."""
        if self._next_slot >= self.slots:
            raise RuntimeError(f"the plan has slots for only {self.slots} tests")
        slot, self._next_slot = self._next_slot, self._next_slot + 1
        if not self.subject.running() or self._restart_due:
            self.restart_subject()
        self.lateness.mark()
        return World(self, slot)

    def restart_subject(
        self, clock_offset_days: float = 0.0, plan: Plan | None = None
    ) -> None:
        """Has the subject run at another date or with another plan: by a reload if that is enough and
        it offers one, else it is stopped, if it runs, and started."""
        plan = plan or self.plan
        changed = plan is not self.subject.plan
        if changed:
            self.subject.plan = plan
            self.subject.configure(plan, self.directory / "subject")
        present = not self._away and clock_offset_days == 0.0
        self._away = clock_offset_days != 0.0
        self._restart_due = self._away or plan is not self.plan
        if not (changed and present and self.subject.reload()):
            if self.subject.running():
                self.subject.stop()
            self.subject.start(clock_offset_days)
        self.subject.wait_until_ready()

    def upstream(
        self, name: str, addresses: list[str], transcript: Transcript
    ) -> Upstream:
        """A listening upstream MTA."""
        upstream = Upstream(
            self.loop,
            name,
            addresses,
            transcript,
            server_tls,
            self.patience,
            self.mail_left,
        )
        upstream.start()
        return upstream

    def mail_left(self) -> bool | None:
        """Whether the subject has anything left to deliver; None where its queue does not say: one that
        answers in the session is busy upstream before it has a message."""
        left = self.subject.has_mail()
        return left or (None if "in-session" in self.subject.capabilities else left)

    def host_addresses(self, slot: int) -> tuple[str, str]:
        """An IPv4 and an IPv6 address for an upstream of that slot, never used again: a subject with a
        queue may try it long after the test."""
        n = next(self._hosts)
        return f"198.18.{n >> 8}.{n & 0xFF}", f"2001:db8:d:{slot:x}::{n:x}"

    def client_addresses(self, slot: int) -> tuple[str, str]:
        """An IPv4 and an IPv6 address for a client of that slot."""
        n = next(self._clients)
        return f"192.0.2.{n}", f"2001:db8:c:{slot:x}::{n}"

    def notorious_address(self) -> str:
        """An IPv4 address for a client, never used again: a subject may remember what a DNSBL says of
        it, and that must not affect another test."""
        return f"203.0.113.{next(self._notorious)}"


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


class World:
    """What a test works with: addresses, its destination's upstream, DNS, clients and a transcript."""

    def __init__(self, lab: Lab, slot: int) -> None:
        self.lab = lab
        self.slot = slot
        self.subject = lab.subject
        self.dns = lab.dns
        self.patience = lab.patience
        self.transcript = Transcript()
        n = f"{slot:04d}.example"
        self.zone = f"forward-{n}"
        self.catchall_zone = f"catchall-{n}"
        self.idn_zone = f"piñata-{n}"
        self.enterprise_zone = f"enterprise-{n}"
        self.destination = f"destination-{n}"
        self.elsewhere = f"elsewhere-{n}"
        self.abroad = f"mañana-{n}"
        self._closers: list[Callable[[], None]] = []
        self._client_count = 0
        self.dns.record(self.transcript, self._is_ours)
        client4, client6 = lab.client_addresses(slot)
        self.sender = Sender(f"sender-{n}", client4, client6, lab.dns)
        self._publish_sender()
        for zone in (
            self.zone,
            self.catchall_zone,
            self.idn_zone,
            self.enterprise_zone,
        ):
            self._publish_zone(a_label(zone))
        self.upstream = self.mx_host(self.destination)
        self.far_upstream = self.mx_host(self.elsewhere)
        self.dns.add(a_label(self.abroad), "MX", f"10 mx1.{self.destination}.")

    # Addresses

    def at(self, local_part: str, zone: str | None = None) -> str:
        """An address at the test's zone, or at another of its zones."""
        return f"{local_part}@{zone or self.zone}"

    @property
    def info(self) -> str:
        """The ordinary forwarded address; its destination is `mailbox`."""
        return self.at("info")

    @property
    def other(self) -> str:
        """Another forwarded address with the same destination domain."""
        return self.at("other")

    @property
    def far(self) -> str:
        """A forwarded address with another destination domain, that of `far_upstream`."""
        return self.at("far")

    @property
    def mailbox(self) -> str:
        """The destination of `info`."""
        return f"mailbox@{self.destination}"

    @property
    def unserved(self) -> str:
        """An address at a domain that exists but is not served by the subject."""
        return f"someone@{self.destination}"

    @property
    def to_gmail(self) -> str:
        """A forwarded address with a destination at gmail.com, the Postmaster page's example."""
        return f"gmail@{STANDING_ZONE}"

    @property
    def standing(self) -> Upstream:
        """The upstream that all tests share, which accepts mail for the contact address."""
        assert self.lab.standing is not None
        return self.lab.standing

    def message(self, *extra_fields: str, body: str = "Hello.\r\n") -> bytes:
        """A plain message from the sender; `extra_fields` ("Name: value") are the last of its header."""
        fields = [
            f"From: Alice <{self.sender.address}>",
            f"To: {a_label_address(self.info)}",
            "Subject: a test",
            "Date: Mon, 23 Nov 2026 12:00:00 +0000",
            f"Message-ID: <{self.slot}@{self.sender.domain}>",
            *extra_fields,
        ]
        return ("\r\n".join(fields) + "\r\n\r\n" + body).encode("utf-8")

    # Clients and upstreams

    def client(
        self,
        family: int = 4,
        *,
        source: str | None = None,
        greet: bool = True,
        early: bytes = b"",
    ) -> Client:
        """A connection to the subject from `source` (default: the sender's address of that family),
        after banner and EHLO unless `greet` is False. `early` is sent at once, before the banner.
        """
        if source is None:
            source = self.sender.ipv4 if family == 4 else self.sender.ipv6
        family = 6 if ":" in source else 4
        if family == 6:
            self.require("ipv6")
        address = self.subject.addresses[0 if family == 4 else 1]
        self._client_count += 1
        name = "client" if self._client_count == 1 else f"client{self._client_count}"
        with self.subject.held() if early else nullcontext():
            client = Client(
                (address, self.subject.port),
                source=source,
                transcript=self.transcript,
                patience=self.patience,
                name=name,
                preamble=self.subject.preamble(source, address, self.subject.port)
                + early,
            )
        self._closers.append(client.close)
        self.subject.introduce(client, source)
        if greet:
            client.greet(self.sender.domain)
        return client

    def notorious_address(self) -> str:
        """An IPv4 address for a client, to be listed in a DNSBL."""
        return self.lab.notorious_address()

    def new_client_addresses(self) -> tuple[str, str]:
        """An IPv4 and an IPv6 address that have not been used in this test."""
        return self.lab.client_addresses(self.slot)

    def mx_host(
        self,
        domain: str,
        preference: int = 10,
        *,
        label: str = "mx1",
        ipv4: bool = True,
        ipv6: bool = True,
    ) -> Upstream:
        """Another MX host of `domain`, with a new address of each family wanted and its records in
        DNS. For an upstream without an MX record see `host`."""
        upstream = self.host(f"{label}.{domain}", ipv4=ipv4, ipv6=ipv6)
        self.dns.add(domain, "MX", f"{preference} {upstream.name}.")
        return upstream

    def host(self, name: str, *, ipv4: bool = True, ipv6: bool = True) -> Upstream:
        """An upstream MTA named `name`, with its address records in DNS."""
        address4, address6 = self.lab.host_addresses(self.slot)
        addresses = [address4] * ipv4 + [address6] * ipv6
        for address in addresses:
            self.dns.add(name, "AAAA" if ":" in address else "A", address)
        upstream = self.lab.upstream(name, addresses, self.transcript)
        self._closers.append(upstream.stop)
        return upstream

    def recorded_host(self, name: str, *addresses: str) -> Upstream:
        """An upstream MTA on the addresses of `name` in the fixtures' zones."""
        upstream = self.lab.upstream(name, list(addresses), self.transcript)
        self._closers.append(upstream.stop)
        return upstream

    def no_mx(self, domain: str | None = None) -> None:
        """Removes the MX records of the destination (or of `domain`)."""
        self.dns.remove(domain or self.destination, "MX")

    # The subject

    def require(self, capability: str) -> None:
        """Ends the test as "unimplemented" if the subject does not declare `capability`."""
        if capability not in self.subject.capabilities:
            raise Unimplemented(capability)

    def travel(self, days: float) -> None:
        """Restarts the subject at a date `days` from now; the next test is in the present again."""
        self.require("clock")
        self.transcript.remark("lab", f"restarts the subject {days:+} days from now")
        self.lab.restart_subject(days)

    def reconfigure(self, **changes: str) -> None:
        """Restarts the subject with another plan; the next test has the usual one."""
        self.transcript.remark("lab", f"restarts the subject with {changes}")
        self.lab.restart_subject(plan=replace(self.lab.plan, **changes))

    def kill_subject(self) -> None:
        """Kills the subject (SIGKILL)."""
        self.require("restart")
        self.transcript.remark("lab", "kills the subject")
        self.subject.kill()

    def stop_subject(self) -> None:
        """Shuts the subject down as its operator would."""
        self.require("restart")
        self.transcript.remark("lab", "shuts the subject down")
        self.subject.stop()

    def restart_subject(self) -> None:
        """Starts the subject again after kill_subject(), or stops and starts it."""
        self.require("restart")
        self.transcript.remark("lab", "restarts the subject")
        self.lab.restart_subject()

    def list_in_dnsbl(self, address: str, answer: str = "127.0.0.2") -> None:
        """Has the configured DNSBL list `address` (RFC 5782)."""
        import ipaddress

        reverse = ipaddress.ip_address(address).reverse_pointer
        name = reverse.removesuffix(".in-addr.arpa").removesuffix(".ip6.arpa")
        self.dns.add(f"{name}.{DNSBL}", "A", answer)

    def close(self) -> None:
        """Ends every connection and server of the test. Whoever still has mail for it learns from now
        on that its domains take none (RFC 7505), and gives up."""
        for closer in reversed(self._closers):
            closer()
        self.dns.record(None)
        for domain in (
            self.destination,
            self.elsewhere,
            self.abroad,
            self.sender.domain,
        ):
            self.dns.set(a_label(domain), "MX", "0 .")

    # Records

    def _is_ours(self, name: str) -> bool:
        """Whether a question for that name may be of this test: its slot, or none, is in the name."""
        slots = _SLOT.findall(name)
        return not slots or f"{self.slot:04d}" in slots

    def _publish_zone(self, domain: str) -> None:
        for preference, host in MX_HOSTS:
            self.dns.add(domain, "MX", f"{preference} {host}.mx.cloudflare.net.")
        self.dns.add_text(domain, "v=spf1 include:_spf.mx.cloudflare.net ~all")

    def _publish_sender(self) -> None:
        sender = self.sender
        host = f"mail.{sender.domain}"
        self.dns.add(sender.domain, "MX", f"10 {host}.")
        self.dns.add(host, "A", sender.ipv4)
        self.dns.add(host, "AAAA", sender.ipv6)
        spf = f"v=spf1 ip4:{sender.ipv4} ip6:{sender.ipv6} -all"
        self.dns.add_text(sender.domain, spf)
        publish_key(
            self.dns, "test", sender.domain, KEYS / "test-sender-rsa2048.pub.pem"
        )


def a_label_address(address: str) -> str:
    """`address` with its domain in A-label form."""
    local, _, domain = address.rpartition("@")
    return f"{local}@{a_label(domain)}"


def publish_key(dns: Nameserver, selector: str, domain: str, public_key: Path) -> None:
    """Publishes a PEM public key as a DKIM key record, in place of any other."""
    lines = public_key.read_text(encoding="ascii").splitlines()
    key = "".join(line for line in lines if not line.startswith("-"))
    name = f"{selector}._domainkey.{domain}"
    dns.remove(name)
    dns.add_text(name, f"v=DKIM1; h=sha256; k=rsa; p={key}")


def server_tls() -> ssl.SSLContext:
    """The TLS context of upstream MTAs, with the lab's test certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(
        KEYS / "test-tls-certificate.pem", KEYS / "test-tls-key.pem"
    )
    return context
