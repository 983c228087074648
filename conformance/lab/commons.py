"""What the labs of one network have in common: its nameserver, the standing upstream, and the numbers of
the slots and addresses that nobody gets twice.

A lab with a network of its own has them to itself (`Commons`). A --target has one network, in which
several labs test it at once. Then they belong to the process that starts the labs, which opens them,
and each lab is a `Visitor`.
"""

from __future__ import annotations

import ipaddress
import itertools
import os
import ssl
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from conformance.expect import Seen
from conformance.lab import namespace
from conformance.lab.loop import LoopThread
from conformance.lab.nameserver.server import Nameserver
from conformance.lab.nameserver.shared import SharedNameserver
from conformance.lab.plan import (
    EHLO,
    FIXTURES,
    KEYS,
    MX_DOMAIN,
    MX_HOSTS,
    SELECTOR,
    STANDING_ADDRESSES,
    STANDING_DESTINATION,
    STANDING_REFUSAL,
    SUBJECT_IPV4,
    SUBJECT_IPV6,
)
from conformance.lab.records import Message
from conformance.lab.script import say
from conformance.lab.sharing import Share, Shared
from conformance.lab.transcript import Transcript
from conformance.lab.upstream import Upstream
from conformance.subjects.base import RELAY, Plan, Subject


class Commons:
    """Them, in this process."""

    shared = False  # whether other labs are there at the same time

    def __init__(
        self,
        loop: LoopThread,
        subject: Subject,
        plan: Plan,
        patience: float,
        mail_left: Callable[[], bool | None],
    ) -> None:
        """`mail_left` is that of the subject, as the waits of the standing upstream ask it."""
        self._loop = loop
        self._subject = subject
        self._plan = plan
        self._patience = patience
        self._mail_left = mail_left
        self._numbers = {
            what: itertools.count() for what in ("slot", "host", "client", "notorious")
        }
        self._share: Share | None = None
        self.dns = Nameserver(loop)
        self.standing: Upstream | None = None

    def start(self) -> None:
        """Sets the network up, and starts the servers. Raises NamespaceForbidden or OSError."""
        plan = self._plan
        own = [address for address in (plan.ipv4, plan.ipv6) if address]
        if self._subject.needs_namespace:
            namespace.configure(own, sources=own)
        else:
            namespace.configure([], sources=own)
        for path in sorted((FIXTURES / "zones").glob("*.zone")):
            self.dns.load(path)
        publish_key(self.dns, SELECTOR, EHLO, KEYS / "test-service-rsa2048.pub.pem")
        usual = (SUBJECT_IPV4, SUBJECT_IPV6)
        if plan.role == RELAY and (plan.ipv4, plan.ipv6) != usual:
            publish_subject(self.dns, plan)
        self.dns.start()
        self.standing = Upstream(
            self._loop,
            f"mx.{STANDING_DESTINATION}",
            list(STANDING_ADDRESSES),
            Transcript(),
            server_tls,
            self._patience,
            self._mail_left,
        )
        self.standing.start()
        self.standing.on(
            "rcpt", say(STANDING_REFUSAL), recipient=f"rejected@{STANDING_DESTINATION}"
        )

    def stop(self) -> None:
        if self._share is not None:
            self._share.close()
        if self.standing is not None:
            self.standing.stop()
        self.dns.stop()

    def take(self, what: str) -> int:
        """The next number, from 0, of a "slot", a "host", a "client" or a "notorious" address."""
        return next(self._numbers[what])

    def take_errors(self) -> list[str]:
        """Errors since the last call that no other loop than the lab's has."""
        return []

    def processes(self) -> Iterable[int]:
        """Those, other than the lab's own, whose servers the lab depends on."""
        return ()

    def open(self, path: Path) -> None:
        """Lets visitors in through a socket at `path`."""
        self._share = Share(self._shared_calls(), path)

    def _shared_calls(self) -> dict[str, Callable[..., Any]]:
        dns, standing = self.dns, cast(Upstream, self.standing)
        calls: list[Callable[..., Any]] = [dns.load, dns.add, dns.add_text, dns.remove]
        calls += [dns.fail, dns.play, dns.queries, dns.queries_since, dns.count_queries]
        calls += [self.take, self._loop.take_errors, os.getpid]
        return {
            **{call.__name__: call for call in calls},
            "messages": lambda: list(map(_alone, standing.messages)),
            "wait_for_message": lambda count: _alone(standing.wait_for_message(count)),
        }


class Visitor(Commons):
    """Those of another process."""

    shared = True

    def __init__(self, path: Path) -> None:
        """Raises OSError."""
        self._shared = Shared(path)
        self._process = int(self._shared.call("getpid"))
        self.dns = SharedNameserver(self._shared)
        self.standing = SharedStanding(self._shared)

    def start(self) -> None:
        """Nothing: they are there."""

    def stop(self) -> None:
        """Leaves them to others."""
        self._shared.close()

    def take(self, what: str) -> int:
        return int(self._shared.call("take", what))

    def take_errors(self) -> list[str]:
        return list(self._shared.call("take_errors"))

    def processes(self) -> Iterable[int]:
        return (self._process,)


class SharedStanding(Upstream):
    """The standing upstream of another process: the messages that have arrived there, each without its
    dialogue."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self.name = f"mx.{STANDING_DESTINATION}"
        self.addresses = list(STANDING_ADDRESSES)

    @property
    def messages(self) -> Seen[Message]:
        return Seen(self._shared.call("messages"), f"message at {self.name}")

    def wait_for_message(self, count: int = 1) -> Message:
        found: Message = self._shared.wait("wait_for_message", count)
        return found


def _alone(message: Message) -> Message:
    return replace(message, dialogue=None)  # type: ignore[arg-type]


def mail_left(subject: Subject, client_waits: bool) -> bool | None:
    """Whether the subject has anything left to deliver; None where its queue does not say: one that
    answers in the session is busy upstream before it has a message, while a client waits.
    """
    left = subject.has_mail()
    in_session = "in-session" in subject.capabilities
    if left is False and client_waits and in_session and not subject.queue_is_all:
        return None
    return left


def publish_subject(dns: Nameserver, plan: Plan) -> None:
    """Has the page's names of the service lead to a subject at other addresses than the plan's usual
    ones, and gives these a name under the EHLO domain."""
    for name in (EHLO, *(f"{host}.{MX_DOMAIN}" for _, host in MX_HOSTS)):
        dns.remove(name, "A")
        dns.remove(name, "AAAA")
        for address in filter(None, (plan.ipv4, plan.ipv6)):
            dns.add(name, "AAAA" if ":" in address else "A", address)
    for address in filter(None, (plan.ipv4, plan.ipv6)):
        family = 6 if ":" in address else 4
        name = f"subject{family}.{EHLO}"
        dns.set(name, "AAAA" if family == 6 else "A", address)
        dns.set(ipaddress.ip_address(address).reverse_pointer, "PTR", f"{name}.")


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
    context.sni_callback = _note_server_name
    return context


def _note_server_name(
    secured: ssl.SSLObject, name: str | None, _: ssl.SSLContext
) -> None:
    """Leaves the name of SNI, which ssl tells nobody but this callback, at the object of the session."""
    setattr(secured, "server_name", name)
