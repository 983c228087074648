"""The part of a test in a lab whose subject is a mail provider: one whose users send mail to the service, or
one that gets mail from it. Its mailboxes are the test's inbox (mailroom.py)."""

from __future__ import annotations

import json
import subprocess
from types import TracebackType
from typing import Self

import dkim

from conformance.expect import Seen, fail
from conformance.lab.client import Client, Delivery, Reply
from conformance.lab.mailboxes import Mailboxes
from conformance.lab.mailroom import Inbox
from conformance.lab.notices import is_failure_of, is_mere_notice
from conformance.lab.plan import (
    EHLO,
    KEYS,
    MX_HOSTS,
    PROVIDER,
    SELECTOR,
    SUBJECT_IPV4,
    SUBJECT_IPV6,
    USERS,
)
from conformance.lab.records import Message
from conformance.lab.upstream import Upstream
from conformance.lab.world import Lab, World
from conformance.subjects.base import Submission
from conformance.subjects.plan_file import SRS_SECRETS, a_label
from conformance.settings import ROOT

# What the page's MX hosts offer.
SERVICE_EXTENSIONS = ["PIPELINING", "SIZE 26214400", "8BITMIME", "ENHANCEDSTATUSCODES"]
RELAY = ROOT / "build" / "relay" / "fairlead"


class ProviderWorld(World):
    """What both have."""

    def __init__(self, lab: Lab, slot: int) -> None:
        super().__init__(lab, slot)
        assert lab.mailroom is not None
        self._written_to: list[str] = []  # by the test's users
        self.inbox = Inbox(
            lab.loop, slot, self.transcript, self.patience, lab.mail_left
        )
        lab.mailroom.inbox = self.inbox
        self._closers.append(lab.mailroom.vacate)

    @property
    def info(self) -> str:
        return self.mailbox

    @property
    def other(self) -> str:
        return f"other@{self.destination}"

    @property
    def far(self) -> str:
        return f"mailbox@{self.elsewhere}"

    @property
    def forwarded(self) -> str:
        """An address at the service, whose relay has it lead to `mailbox`."""
        return self.at("info")

    def flush(self) -> None:
        """Has the subject try all that it has deferred now."""
        self.require("flush")
        self.transcript.remark("lab", "has the subject try its deferred mail")
        self.subject.flush()

    def bounces(self) -> list[Message]:
        """What has come to the test's mailboxes with the null reverse-path, but for notices of another kind, as
        that a message is delayed (RFC 3464 2.3.3)."""
        null = (m for m in self.inbox.messages if m.accepted and m.sender == "")
        return Seen((m for m in null if not is_mere_notice(m)), "bounce")

    def wait_for_bounce(self, mailbox: str | None = None, count: int = 1) -> Message:
        """The `count`th report of failure to a mailbox (default: the sender's)."""
        wanted = (mailbox or self.sender.address).lower()

        def found() -> list[Message]:
            mine = (m for m in self.bounces() if m.recipients[0].lower() == wanted)
            return [m for m in mine if self.is_report(m)]

        self.inbox.wait_until(
            lambda: len(found()) >= count, f"bounce {count} to <{wanted}>"
        )
        return found()[count - 1]

    def is_report(self, message: Message) -> bool:
        """Whether it reports the failure of what the test's users have sent, and to whom if it is written
        freely."""
        return is_failure_of(message, self._written_to)


class Service:
    """The service's inbound hosts as a sender meets them, scripted: the MX hosts of the test's zone."""

    def __init__(self, world: World) -> None:
        world.no_mx(world.zone)
        self.hosts = {
            label: world.mx_host(world.zone, preference, label=label)
            for preference, label in MX_HOSTS
        }
        for host in self.hosts.values():
            host.extensions = list(SERVICE_EXTENSIONS)
        self.amir, self.linda, self.isaac = (
            self.hosts[label] for label in ("amir", "linda", "isaac")
        )

    @property
    def in_order(self) -> tuple[Upstream, ...]:
        """The most preferred first."""
        return tuple(self.hosts[label] for _, label in sorted(MX_HOSTS))

    @property
    def messages(self) -> Seen[Message]:
        """Every message up to its end of data, at all of them."""
        found = (m for host in self.hosts.values() for m in host.messages)
        return Seen(found, "message at the service")


class Submitter:
    """A user of the subject, in the place of a client: what he sends is submitted."""

    awaits_reply = False

    def __init__(self, world: SenderWorld) -> None:
        self._world = world

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Nothing is open."""

    def deliver(
        self,
        sender: str,
        recipients: str | list[str],
        message: bytes,
        *parameters: str,
    ) -> Delivery:
        """Submits a message; its acceptance is the reply to everything."""
        wanted = [recipients] if isinstance(recipients, str) else list(recipients)
        done = self._world.submit(message, sender=sender, recipients=wanted)
        code, text = (250, "queued") if done.accepted else (550, done.output)
        reply = Reply(code, (text,), f"{code} {text}\r\n".encode("utf-8"))
        return Delivery(reply, [reply] * len(wanted), reply, reply)

    def extensions(self, name: str = "") -> dict[str, str]:
        """A user may submit anything."""
        return {"8BITMIME": "", "SIZE": "", "PIPELINING": ""}

    def quit(self) -> None:
        """Nothing is open."""

    def close(self) -> None:
        """Nothing is open."""


class SenderWorld(ProviderWorld):
    """The subject's users send mail: to the service (`service`), or to other MX hosts (`upstream`), at which
    `info`, `other` and `far` are addresses."""

    def __init__(self, lab: Lab, slot: int) -> None:
        super().__init__(lab, slot)
        self._service: Service | None = None
        self._submitted = 0
        self._directory = lab.directory / "submitted"
        self._directory.mkdir(exist_ok=True)
        self._directory.chmod(0o755)
        self.from_domain = self.elsewhere
        self.stranger = self.far_upstream

    def sender_addresses(self) -> tuple[str, str]:
        return self.lab.plan.ipv4, self.lab.plan.ipv6

    @property
    def author(self) -> str:
        """The first user, who submits unless a test says otherwise."""
        return f"{USERS[0]}@{self.sender.domain}"

    @property
    def colleague(self) -> str:
        """Another user."""
        return f"{USERS[1]}@{self.sender.domain}"

    @property
    def bystander(self) -> str:
        """One of the users, since a sender may refuse to them what is in the name of others."""
        return self.colleague

    @property
    def service(self) -> Service:
        """The service's hosts; from when this is used first, the zone's mail goes there."""
        if self._service is None:
            self._service = Service(self)
        return self._service

    def submit(
        self,
        message: bytes | None = None,
        *,
        sender: str | None = None,
        recipients: str | list[str] | None = None,
    ) -> Submission:
        """Hands in a message (default: a plain one), with CRLF or LF, from the first user to `forwarded`
        unless others are given."""
        content = self.message() if message is None else message
        self._submitted += 1
        file = self._directory / f"{self.slot}-{self._submitted}.eml"
        file.write_bytes(content.replace(b"\r\n", b"\n"))
        file.chmod(0o644)
        to = self.forwarded if recipients is None else recipients
        wanted = [to] if isinstance(to, str) else list(to)
        author = self.author if sender is None else sender
        self._written_to += wanted
        self.transcript.remark("user", f"submits {file.name}: <{author}> to {wanted}")
        done = self.subject.submit(author, wanted, file)
        if not done.ran and self._is_revived():
            done = self.subject.submit(author, wanted, file)
        elif not done.accepted and not self.subject.running():
            fail("the subject, still running", "it has ended by itself, see logs/")
        self.transcript.add("user", ">", content)
        if not done.accepted:
            self.transcript.remark("user", f"is refused ({done.status}): {done.output}")
        return done

    def _is_revived(self) -> bool:
        """Whether a subject that had ended runs again. If it had before the first submission, this test is not
        what ended it; its first process may outlive the others for a moment."""
        return self._submitted == 1 and self.lab.revival.if_dead()

    def close(self) -> None:
        """Mail for the service, too, is given up from now on."""
        super().close()
        self.dns.set(self.zone, "MX", "0 .")

    def client(self, family: int = 4, **others: object) -> Submitter:  # type: ignore[override]
        """A user, whatever address a client of a relay would have."""
        return Submitter(self)


class ReceiverWorld(ProviderWorld):
    """The subject gets mail: from the service's relay (`forward`), scripted as the service
    (`service_client`), or from anybody (`client`). `upstream` and `far_upstream` are parts of the inbox.
    """

    def __init__(self, lab: Lab, slot: int) -> None:
        super().__init__(lab, slot)
        self.upstream = Mailboxes(self.inbox, self.destination, a_label(self.abroad))
        self.far_upstream = Mailboxes(self.inbox, self.elsewhere)
        self.no_mx(self.sender.domain)
        self.author_mx = self.mx_host(self.sender.domain, label="inbound")

    def furnish(self) -> None:
        """The destinations are the subject's own; one of them has an internationalized domain."""
        self.idn_zone = self.abroad
        for domain in (self.destination, self.elsewhere, a_label(self.abroad)):
            self.dns.add(domain, "MX", f"10 {PROVIDER}.")

    def relay_client(
        self, family: int = 4, *, source: str | None = None, greet: bool = True
    ) -> Client:
        """A connection to the service's relay (default: from the sender's own address)."""
        assert self.lab.service is not None
        return self.session(self.lab.service, family, source, greet, b"")

    def service_client(
        self, family: int = 4, *, source: str | None = None, greet: bool = True
    ) -> Client:
        """A connection to the subject from one of the service's addresses, greeting as it does."""
        if source is None:
            source = SUBJECT_IPV4 if family == 4 else SUBJECT_IPV6
        client = self.connect(self.subject, source)
        if greet:
            client.greet(EHLO)
        return client

    def forward(
        self,
        message: bytes | None = None,
        *,
        sender: str | None = None,
        recipient: str | None = None,
    ) -> Delivery:
        """Has the service forward a message (default: a plain one to `mailbox`); the replies are the
        subject's, as the service passes them on in the session."""
        with self.relay_client() as client:
            return client.deliver(
                self.sender.address if sender is None else sender,
                recipient or self.forwarded,
                self.message() if message is None else message,
            )

    def srs(self, address: str) -> str:
        """A reverse-path as the service rewrites it for mail to the test's zone; mail to it is returned."""
        words = [str(RELAY), "srs", "forward", "--secret", SRS_SECRETS[0]]
        done = subprocess.run(
            [*words, "--domain", self.zone, address],
            capture_output=True,
            text=True,
            check=True,
        )
        return str(json.loads(done.stdout)["address"])

    def signed(self, message: bytes) -> bytes:
        """`message` with a DKIM signature of the service on top."""
        return bytes(_service_signature(message)) + message

    def sealed(self, message: bytes) -> bytes:
        """`message` with an ARC set of the service on top, which extends the chain that it has, by the
        results in the topmost Authentication-Results of the service."""
        fields = dkim.arc_sign(
            message,
            SELECTOR.encode("ascii"),
            EHLO.encode("ascii"),
            SERVICE_KEY.read_bytes(),
            EHLO.encode("ascii"),
            include_headers=[b"from", b"to", b"subject"],
        )
        return b"".join(fields) + message


SERVICE_KEY = KEYS / "test-service-rsa2048.pem"


def _service_signature(message: bytes) -> bytes:
    signature: bytes = dkim.sign(
        message,
        SELECTOR.encode("ascii"),
        EHLO.encode("ascii"),
        SERVICE_KEY.read_bytes(),
        canonicalize=(b"relaxed", b"relaxed"),
        include_headers=[b"from", b"to", b"subject"],
    )
    return signature


WORLDS = {"relay": World, "sender": SenderWorld, "receiver": ReceiverWorld}
