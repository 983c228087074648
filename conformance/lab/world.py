"""The lab of a worker, and the part of it that belongs to one test.

A subject reads its routes when it starts, so the plan has one slot for every test: zones that no other
test uses, their destinations, a sender. The DNS records and upstreams of a slot are created when its
test begins, and the test may change them. plan.py has the zones of a slot.
"""

from __future__ import annotations

import ipaddress
import re
import shutil
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

from conformance.lab import namespace
from conformance.lab.client import Client
from conformance.lab.commons import (
    Commons,
    Visitor,
    mail_left,
    publish_key,
    server_tls,
)
from conformance.lab.nameserver.server import Nameserver
from conformance.lab.lateness import Lateness
from conformance.lab.loop import LoopThread
from conformance.lab.mailroom import Mailroom
from conformance.lab.revival import Revival
from conformance.lab.plan import (
    DNSBL,
    KEYS,
    MX_DOMAIN,
    MX_HOSTS,
    STANDING_ZONE,
    make_plan,
)
from conformance.lab.sender import Sender
from conformance.lab.transcript import Transcript
from conformance.lab.upstream import Upstream
from conformance.expect import ConformanceFailure, Unimplemented
from conformance.subjects.base import RELAY, Plan, Subject
from conformance.subjects.plan_file import a_label, a_label_address

# In the names of slot 17: at the end of their last label, but for the lab's top-level domain.
_SLOT = re.compile(r"-([0-9]{4})(?:\.example)?$")

# Below these, the addresses of clients and hosts are names, read backwards.
_REVERSED = (".in-addr.arpa", ".ip6.arpa", f".{DNSBL}")

# Addresses in 192.0.2.0/24 and in 203.0.113.0/24.
CLIENTS = 254
# Of those in the second, for clients that a DNSBL lists; below are some of the vectors'.
NOTORIOUS_MAX = 100


class Lab:
    """DNS, standing upstream and the subject, in this thread's own namespace; or the part of a worker in
    a network with several labs, whose commons are behind the socket `commons`."""

    def __init__(
        self,
        subject: Subject,
        directory: Path,
        slots: int,
        timeout_scale: float = 1.0,
        commons: Path | None = None,
        service: Subject | None = None,
        role: str = RELAY,
        slots_at_first: int | None = None,
    ) -> None:
        """`service` is the relay from which a receiver gets its mail. What a test gets of the lab is
        `make_world`, by its role; `notice_death` is called where the subject no longer runs. There are
        `slots` for tests; a relay that can be restarted has at first only `slots_at_first` in its plan.
        """
        self.subject = subject
        self.service = service
        self.directory = directory
        at_first = slots if slots_at_first is None else min(slots, slots_at_first)
        self._slots_max = slots
        self.slots = at_first if role == RELAY and subject.can_restart else slots
        self.plan = subject.adapt(make_plan(self.slots, role))
        self.patience = 10.0 * timeout_scale
        self.loop = LoopThread()
        self.commons = (
            Commons(self.loop, subject, self.plan, self.patience, self.mail_left)
            if commons is None
            else Visitor(commons)
        )
        self.revival = Revival(self)
        self.clients: list[Client] = []  # of the present test
        self._away = False  # the subject runs at another date
        self._restart_due = False  # the subject runs with a test's own plan or date
        self._mounted: list[Path] = []
        self.make_world: Callable[[Lab, int], World] = World
        self.notice_death: Callable[[], None] = lambda: None
        self.mailroom = Mailroom(self.loop) if role != RELAY else None

    @property
    def dns(self) -> Nameserver:
        return self.commons.dns

    @property
    def standing(self) -> Upstream | None:
        return self.commons.standing

    def start(self) -> None:
        """Starts everything. Raises NamespaceForbidden, OSError or SubjectUnavailable."""
        self.commons.start()
        if self.subject.needs_namespace:
            self._mounted = namespace.bind_resolver_files(self.directory)
        self.lateness = Lateness(
            self.loop,
            lambda: [
                *self.subject.process_ids(),
                *(self.service.process_ids() if self.service else ()),
                *self.commons.processes(),
            ],
        )
        if self.mailroom is not None:
            self.mailroom.start(*self.plan.lmtp)
        if self.service is not None:
            self._start(self.service, make_plan(self.slots), "service")
        self._start(self.subject, self.plan, "subject")

    def _start(self, subject: Subject, plan: Plan, name: str) -> None:
        directory = self.directory / name
        directory.mkdir()
        subject.plan = plan
        subject.configure(plan, directory)
        subject.start()
        subject.wait_until_ready()

    def stop(self) -> None:
        """Stops everything; StopFailed is raised after that."""
        try:
            for subject in filter(None, (self.service, self.subject)):
                subject.stop()
        finally:
            for subject in filter(None, (self.service, self.subject)):
                subject.release()
            if self.mailroom is not None:
                self.mailroom.stop()
            self.commons.stop()
            self.loop.close()
            namespace.release(self._mounted)
            shutil.rmtree(self.directory, ignore_errors=True)

    def take_errors(self) -> list[str]:
        """Exceptions that nobody was waiting for: defects of the lab."""
        return [*self.loop.take_errors(), *self.commons.take_errors()]

    def world(self) -> World:
        """The next test's part of the lab, with the subject running at the present date."""
        slot = self.commons.take("slot")
        if slot >= self._slots_max:
            raise RuntimeError(f"the plan has slots for only {slot} tests")
        if not self.subject.running():
            self.notice_death()  # whoever looked before may have come too early
            self.restart_subject()
        elif self._restart_due:
            self.restart_subject()
        if slot >= self.slots:
            self._add_slots()
        if self.service is not None and not self.service.running():
            self.service.start()
            self.service.wait_until_ready()
        self.lateness.mark()
        self.clients.clear()
        return self.make_world(self, slot)

    def _add_slots(self) -> None:
        """Has the subject run with a plan that has more slots, and all those that it had."""
        self.slots = min(2 * self.slots, self._slots_max)
        self.plan = self.subject.adapt(make_plan(self.slots))
        self.restart_subject()

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
            self.subject.stop()  # even if it has died: its helpers may not have
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
        """Whether the subject has anything left to deliver, as far as its queue says."""
        return mail_left(self.subject, any(c.awaits_reply for c in self.clients))

    def host_addresses(self, slot: int) -> tuple[str, str]:
        """An IPv4 and an IPv6 address for an upstream of that slot, never used again: a subject with a
        queue may try it long after the test."""
        n = self.commons.take("host") + 1
        return f"198.18.{n >> 8}.{n & 0xFF}", f"2001:db8:d:{slot:x}::{n:x}"

    def client_addresses(self, slot: int) -> tuple[str, str]:
        """An IPv4 and an IPv6 address for a client of that slot."""
        n = self.commons.take("client") % CLIENTS + 1
        return f"192.0.2.{n}", f"2001:db8:c:{slot:x}::{n}"

    def notorious_address(self) -> str:
        """An IPv4 address for a client, never used again: a subject may remember what a DNSBL says of
        it, and that must not affect another test. From the top, since clients of the vectors have some of
        the lower ones."""
        n = self.commons.take("notorious")
        if n >= NOTORIOUS_MAX:
            raise RuntimeError(
                f"there are only {NOTORIOUS_MAX} addresses for such clients"
            )
        return f"203.0.113.{CLIENTS - n}"


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
        self._message_count = 0
        self._ended_subject = False  # by the test
        self._reversed = {reversed_address(own) for own in self.subject.addresses}
        self.dns.record(self.transcript, self._is_ours)
        self.sender = Sender(f"sender-{n}", *self.sender_addresses(), lab.dns)
        self._publish_sender()
        for zone in (
            self.zone,
            self.catchall_zone,
            self.idn_zone,
            self.enterprise_zone,
        ):
            self._publish_zone(a_label(zone))
        self.furnish()

    def sender_addresses(self) -> tuple[str, str]:
        """From where the sender's mail comes."""
        return self.new_client_addresses()

    def furnish(self) -> None:
        """Has MX hosts for `destination` and `elsewhere`."""
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
    def bystander(self) -> str:
        """An author of whom neither SPF nor DMARC has anything to say."""
        return f"fence@{self.elsewhere}"

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
        """A plain message from the sender; `extra_fields` ("Name: value") are the last of its header. None of a
        test's has the Message-ID of another (RFC 5322 3.6.4): who sees one twice may drop the second.
        """
        self._message_count += 1
        number = f".{self._message_count}" if self._message_count > 1 else ""
        fields = [
            f"From: Alice <{self.sender.address}>",
            f"To: {a_label_address(self.info)}",
            "Subject: a test",
            "Date: Mon, 23 Nov 2026 12:00:00 +0000",
            f"Message-ID: <{self.slot}{number}@{self.sender.domain}>",
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
        return self.session(self.subject, family, source, greet, early)

    def session(
        self, mta: Subject, family: int, source: str | None, greet: bool, early: bytes
    ) -> Client:
        """The same to the subject or another MTA of the lab."""
        if source is None:
            source = self.sender.ipv4 if family == 4 else self.sender.ipv6
        client = self.connect(mta, source, early, greet)
        if greet:
            client.greet(self.sender.domain)
        return client

    def connect(
        self,
        mta: Subject,
        source: str,
        early: bytes = b"",
        awaited: bool = False,
        port: int = 0,
    ) -> Client:
        """A connection from `source` to the subject or another MTA of the lab, before the banner is read. If
        that is `awaited`, a subject that no longer greets is started again for the first one. `port` is
        another than that for clients.
        """
        family = 6 if ":" in source else 4
        if family == 6 and mta is self.subject:
            self.require("ipv6")
        address, usual_port = mta.endpoint(family)
        port = port or usual_port
        self._client_count += 1
        name = "client" if self._client_count == 1 else f"client{self._client_count}"
        preamble = mta.preamble(source, address, port)

        def connect() -> Client:
            return Client(
                (address, port),
                source=source,
                transcript=self.transcript,
                patience=self.patience,
                name=name,
                preamble=preamble + early,
            )

        with mta.held() if early else nullcontext():
            try:
                client = connect()
            except ConformanceFailure:
                # If it died, this test is not what killed it.
                if self._client_count > 1 or not self.lab.revival.if_dead():
                    raise
                client = connect()
        first = self._client_count == 1 and mta is self.subject
        if awaited and first and self.lab.revival.if_silent(client):
            client.close()
            client = connect()
        self._closers.append(client.close)
        self.lab.clients.append(client)
        mta.introduce(client, source)
        return client

    def notorious_address(self) -> str:
        """An IPv4 address for a client, to be listed in a DNSBL."""
        return self._own(self.lab.notorious_address())[0]

    def new_client_addresses(self) -> tuple[str, str]:
        """An IPv4 and an IPv6 address that have not been used in this test."""
        client4, client6 = self.lab.client_addresses(self.slot)
        self._own(client4, client6)
        return client4, client6

    def _own(self, *addresses: str) -> tuple[str, ...]:
        self._reversed.update(map(reversed_address, addresses))
        return addresses

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
        """Restarts the subject with another plan; the next test has the usual one. One that keeps
        running either has what it takes or is not judged."""
        plan = replace(self.lab.plan, **changes)
        if self.subject.runs_as(plan):
            return
        if not self.subject.can_restart:
            raise Unimplemented("dmarc-options")
        self.transcript.remark("lab", f"restarts the subject with {changes}")
        self.lab.restart_subject(plan=plan)

    def kill_subject(self) -> None:
        """Kills the subject (SIGKILL)."""
        self.require("restart")
        self.transcript.remark("lab", "kills the subject")
        self._ended_subject = True
        self.subject.kill()

    def stop_subject(self) -> None:
        """Shuts the subject down as its operator would."""
        self.require("restart")
        self.transcript.remark("lab", "shuts the subject down")
        self._ended_subject = True
        self.subject.stop()

    def restart_subject(self) -> None:
        """Starts the subject again after kill_subject(), or stops and starts it."""
        self.require("restart")
        self.transcript.remark("lab", "restarts the subject")
        self.lab.restart_subject()

    def subject_has_died(self) -> bool:
        """Whether the subject has ended without having been told to: whatever a client or an upstream
        sends, that is a failure."""
        return not self._ended_subject and not self.subject.running()

    def list_in_dnsbl(self, address: str, answer: str = "127.0.0.2") -> None:
        """Has the configured DNSBL list `address` (RFC 5782)."""
        self.dns.add(f"{reversed_address(address)}.{DNSBL}", "A", answer)

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
        """Whether a question for that name may be of this test: its slot, or none, is in the name. Nor
        is the address of a client or host of another test, if one runs in the same network.
        """
        if slots := _SLOT.findall(name):
            return f"{self.slot:04d}" in slots
        if not self.lab.commons.shared:
            return True
        address = next(filter(name.endswith, _REVERSED), None)
        return address is None or name.removesuffix(address) in self._reversed

    def _publish_zone(self, domain: str) -> None:
        hosts = (f"{number} {host}.{MX_DOMAIN}." for number, host in MX_HOSTS)
        self.dns.add(domain, "MX", *hosts)
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


def reversed_address(address: str) -> str:
    """As it is below in-addr.arpa, ip6.arpa, or the zone of a DNSBL."""
    pointer = ipaddress.ip_address(address).reverse_pointer
    return pointer.removesuffix(".in-addr.arpa").removesuffix(".ip6.arpa")
