"""Where a mail provider delivers what it has accepted for its own users: an LMTP server (RFC 2033) that
lasts as long as the lab, and the inbox of each test in it.

A subject may keep its connection from one test to the next, and may deliver late what an earlier test
sent. So each message goes to the inbox of its test, by the slot in its recipient's domain.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Callable, Iterable

from aiosmtpd.smtp import Envelope, Session, syntax

from conformance.expect import Seen
from conformance.lab.hooks import Handler, reverse_path
from conformance.lab.loop import LoopThread
from conformance.lab.records import Dialogue, Message
from conformance.lab.script import Action
from conformance.lab.transcript import Transcript
from conformance.lab.upstream import Connection, Upstream

# Of a recipient's domain: see lab/plan.py.
_SLOT = re.compile(r"-([0-9]{4})\.example$")

NAME = "lmtp.mailroom.example"


class Inbox(Upstream):
    """The mailboxes of one test, scripted and seen as an upstream MTA is. Each recipient of a transaction
    has a reply of its own at the end of its data (RFC 2033 4.2) and is a message of its own here.
    """

    def __init__(
        self,
        loop: LoopThread,
        slot: int | None = None,
        transcript: Transcript | None = None,
        patience: float = 10.0,
        has_mail: Callable[[], bool | None] = lambda: None,
    ) -> None:
        """Of a `slot`, or of no test."""
        super().__init__(
            loop, NAME, [], transcript or Transcript(), _no_tls, patience, has_mail
        )
        self._slot = slot

    def is_for(self, recipient: str) -> bool:
        """Whether a mailbox is of this test; one of no slot is."""
        found = _SLOT.search(recipient.lower())
        return found is None or int(found[1]) == self._slot

    def at(self, mailbox: str) -> Seen[Message]:
        """What has been accepted there, oldest first."""
        wanted = [
            message
            for message in self.messages
            if message.accepted and message.recipients[0].lower() == mailbox.lower()
        ]
        return Seen(wanted, f"message for <{mailbox}>")

    def wait_for_message_at(self, mailbox: str, count: int = 1) -> Message:
        """The `count`th message accepted there, once it has come."""
        self.wait_until(
            lambda: len(self.at(mailbox)) >= count, f"message {count} for <{mailbox}>"
        )
        return self.at(mailbox)[count - 1]


def _no_tls() -> ssl.SSLContext:
    raise NotImplementedError  # LMTP here is on the loopback interface alone


class Mailroom:
    """The server. `inbox` is that of the present test."""

    def __init__(self, loop: LoopThread) -> None:
        self._loop = loop
        self._nobody = Inbox(loop)
        self.inbox = self._nobody
        self._server: asyncio.AbstractServer | None = None

    def start(self, address: str, port: int) -> None:
        """Listens there, or raises OSError."""
        self._server = self._loop.run(self._listen(address, port))

    def stop(self) -> None:
        if self._server is not None:
            self._loop.call(self._server.close)
        self.inbox.stop()

    def vacate(self) -> None:
        """The present test has ended."""
        self.inbox = self._nobody

    async def _listen(self, address: str, port: int) -> asyncio.AbstractServer:
        loop = asyncio.get_running_loop()
        return await loop.create_server(
            lambda: Delivery(self, self._loop), address, port, reuse_address=True
        )


class Delivery(Connection):
    """One LMTP session."""

    def __init__(self, room: Mailroom, loop: LoopThread) -> None:
        self._room = room
        self._adopted = room.inbox  # the one in which the session is seen
        self._commands: list[bytes] = []  # since it was adopted
        self._outcomes: list[tuple[Action, ...] | None] = []  # of each recipient
        super().__init__(room.inbox, LmtpHandler())

    @property  # type: ignore[override]
    def upstream(self) -> Inbox:
        """The inbox of the present test, in whose script the session goes on."""
        inbox = self._room.inbox
        if self._adopted is not inbox and hasattr(self, "dialogue"):
            self._adopt(inbox)
        return inbox

    @upstream.setter
    def upstream(self, inbox: Inbox) -> None:
        self._adopted = inbox

    def _adopt(self, inbox: Inbox) -> None:
        """A session that an earlier test has left begins anew for the present one."""
        self._adopted = inbox
        self._commands = []
        before = self.dialogue
        self.dialogue = Dialogue(
            before.host, before.local_address, before.peer_address, before.ehlo
        )
        if before.closed.is_set():
            self.dialogue.closed.set()
        if before.peer_address:
            inbox.opened(self, self.dialogue)

    def _feed(self, data: bytes) -> None:
        """A transaction for another test's mailboxes is none of the present one's."""
        seen = self.dialogue.commands
        before = len(seen)
        super()._feed(data)
        self._commands += seen[before:]
        seen[:] = commands_of(self._commands, self._adopted.is_for)

    @syntax("LHLO hostname")  # type: ignore[misc]
    async def smtp_LHLO(self, arg: str) -> None:
        await super().smtp_EHLO(arg)

    async def smtp_EHLO(self, arg: str) -> None:
        await self.push("500 5.5.1 this is LMTP")

    async def smtp_HELO(self, arg: str) -> None:
        await self.push("500 5.5.1 this is LMTP")

    def judged(self, recipient: str) -> bool:
        """Chooses the reply to the message for one recipient. True if it does not refuse."""
        accepted = self.prepare("end", [recipient.lower()])
        self._outcomes.append(self._actions)
        return accepted

    async def push(self, status: object) -> None:
        outcomes, self._outcomes = self._outcomes, []
        if not outcomes:
            await super().push(status)
            return
        for actions in outcomes:
            self._actions, self._prepared = actions, True
            await super().push(status)


def commands_of(
    commands: Iterable[bytes], is_for: Callable[[str], bool]
) -> list[bytes]:
    """Those that are not of transactions with a recipient of whom `is_for` is false; a MAIL before which no
    recipient has been named is of none yet."""
    kept: list[bytes] = []
    pending: list[bytes] = []
    strange = False
    for command in commands:
        verb = command[:4].upper()
        if verb == b"MAIL":
            pending, strange = [command], False
        elif verb == b"RCPT":
            address = command.decode("ascii", "replace").partition("<")[2]
            strange = not is_for(address.partition(">")[0])
            kept += [] if strange else [*pending, command]
            pending = []
        elif not (strange and verb == b"DATA"):
            kept += [*pending, command]
            pending = []
    return kept


class LmtpHandler(Handler):
    """The same hooks, with a message for each recipient."""

    async def handle_DATA(
        self, server: Connection, session: Session, envelope: Envelope
    ) -> str:
        assert isinstance(server, Delivery)
        content = envelope.original_content
        wire = server.take_content()
        inbox = server.upstream
        for recipient in envelope.rcpt_tos:
            message = Message(
                sender=reverse_path(envelope),
                sender_parameters=list(envelope.mail_options),
                recipients=[recipient],
                content=content if isinstance(content, bytes) else b"",
                wire=wire,
                accepted=server.judged(recipient),
                dialogue=server.dialogue,
            )
            if inbox.is_for(recipient):
                inbox.note(lambda: server.dialogue.messages.append(message))
        return "250 2.0.0 stored"
