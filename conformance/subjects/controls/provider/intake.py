"""What becomes of a message that others send: checks, refusals, and delivery while the client waits."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from conformance.subjects.controls.provider import fields as own
from conformance.subjects.controls.provider.manners import Manner
from conformance.subjects.controls.provider.message import (
    Field,
    for_mailbox,
    joined,
    split,
    values,
)
from conformance.subjects.controls.provider.paths import Malformed, Path
from conformance.subjects.controls.provider.queue import Queue
from conformance.subjects.controls.provider.reply import Fate, Outcome
from conformance.subjects.controls.provider.results import Checked, Checker, Client
from conformance.subjects.controls.provider.setup import Setup
from conformance.subjects.controls.provider.transaction import deliver

SESSIONS = 64
ACCEPTED = "250 2.0.0 OK"


@dataclass(frozen=True)
class Message:
    """A message whose final dot has come."""

    client: Client
    recipients: dict[str, str]  # as named, and their mailboxes
    content: bytes
    protocol: str


class Intake:
    """Its methods may be called by any thread."""

    def __init__(self, setup: Setup, queue: Queue) -> None:
        self.setup = setup
        self.queue = queue
        self.checker = Checker(setup)
        self.pool = ThreadPoolExecutor(SESSIONS)

    def check_sender(self, path: Path) -> None:
        """Raises Malformed if it is refused."""
        if self.setup.manner == Manner.REFUSE_NULL_SENDER and not path.address:
            raise Malformed("550 5.1.8 The null sender is not welcome")

    def mailbox_of(self, path: Path) -> str:
        """Raises Malformed if there is none."""
        mailbox = self.setup.mailbox(path.local, path.domain)
        if mailbox is not None:
            return mailbox
        if not (self.setup.serves(path.domain) or self.setup.is_itself(path.domain)):
            raise Malformed("550 5.7.1 No mail for that domain here")
        if self.setup.manner == Manner.ACCEPT_THEN_BOUNCE:
            return path.address
        raise Malformed("550 5.1.1 There is no such mailbox")

    def take(self, message: Message) -> str:
        """The reply to the message."""
        fields, rest = split(message.content)
        if len(values(fields, b"Received")) > self.setup.limit("received_fields"):
            return "554 5.4.6 The message loops"
        checked = self.checker.check(message.client, message.content)
        refusal = self.refusal(checked, len(values(fields, b"From")))
        if refusal is not None:
            if self.setup.manner == Manner.DROP_SILENTLY and "5.7.26" in refusal:
                return ACCEPTED
            if self.setup.manner != Manner.ACCEPT_THEN_BOUNCE or refusal[0] == "4":
                return refusal
            self.bounce(message, dict.fromkeys(message.recipients, failed(refusal)))
            return ACCEPTED
        content = self.marked(message, checked, fields, rest)
        if self.setup.manner == Manner.ACCEPT_THEN_BOUNCE:
            mailboxes = list(message.recipients.values())
            self.queue.add(message.client.sender, mailboxes, content)
            return ACCEPTED
        return self.delivered(message, content)

    def refusal(self, checked: Checked, authors: int) -> str | None:
        """The reply of the policy, if it refuses."""
        if self.setup.manner == Manner.REFUSE_SOFTFAIL and checked.spf == "softfail":
            return "550 5.7.23 SPF says softfail"
        if checked.client.sender and (authors != 1 or not checked.authors):
            return "550 5.7.1 The message has no single author field"
        if checked.refuses and checked.arc_vouches:
            return None
        if checked.waits:
            return "451 4.7.0 DNS leaves open what the author's domain asks for"
        if checked.refuses:
            return "550 5.7.26 The policy of the author's domain refuses this message"
        return None

    def marked(
        self, message: Message, checked: Checked, fields: list[Field], rest: bytes
    ) -> bytes:
        """The message with the provider's own fields, and without forged ones."""
        hostname, client = self.setup.hostname, message.client
        if self.setup.manner != Manner.KEEP_FORGED_RESULTS:
            fields = [field for field in fields if not own.is_forged(field, hostname)]
        records_arc = self.setup.manner != Manner.IGNORE_ARC
        prepended = [
            own.received(
                hostname,
                client.name,
                client.address,
                message.protocol,
                list(message.recipients),
            ),
            own.authentication_results(hostname, checked, records_arc),
        ]
        return joined(prepended + fields, rest)

    def delivered(self, message: Message, content: bytes) -> str:
        """Delivers it, and says what the mailboxes said; what only some of them took is queued for the rest."""
        sender = message.client.sender
        content = for_mailbox(sender, content)
        mailboxes = list(dict.fromkeys(message.recipients.values()))
        outcomes = deliver(self.setup, sender, mailboxes, content)
        if self.setup.manner == Manner.DELIVER_TWICE:
            deliver(self.setup, sender, mailboxes, content)
        refused = {
            named: outcomes[mailbox]
            for named, mailbox in message.recipients.items()
            if outcomes[mailbox].fate != Fate.DELIVERED
        }
        waiting = {n: o for n, o in refused.items() if o.fate == Fate.DEFERRED}
        if self.setup.manner == Manner.LOSE_DEFERRED and waiting:
            return ACCEPTED
        manner = self.setup.manner
        reports = manner == Manner.REPORT_NULL_PATH and not sender and not waiting
        if len(refused) == len(message.recipients) and not reports:
            outcome = next(iter((waiting or refused).values()))
            return in_session(outcome)
        if waiting:
            retry = self.queue.retry
            mailboxes = [message.recipients[named] for named in waiting]
            self.queue.add(sender, mailboxes, content, wait=retry)
        self.bounce(message, {n: o for n, o in refused.items() if n not in waiting})
        return ACCEPTED

    def bounce(self, message: Message, failures: dict[str, Outcome]) -> None:
        if failures:
            sender, content = message.client.sender, message.content
            self.queue.bounce(sender, content, time.time(), failures)


def failed(reply: str) -> Outcome:
    return Outcome(Fate.FAILED, reply.split()[1], reply)


def in_session(outcome: Outcome) -> str:
    """The reply to the client where no mailbox took the message."""
    text = outcome.text if outcome.text[:1] in "45" else f"451 4.4.2 {outcome.text}"
    text = "".join(c if " " <= c <= "~" else "?" for c in text)[:500]
    return "451" + text[3:] if text.startswith("421") else text
