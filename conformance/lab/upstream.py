"""Upstream MTAs, to which the subject delivers. They record every byte, accept everything unless
scripted otherwise, and can misbehave at any stage, for all recipients or for one.

Built on aiosmtpd, which parses commands and keeps the session's state; this file replaces its replies
and their timing by the rules of script.py.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable
from typing import Any

from aiosmtpd.smtp import SMTP

from conformance.expect import ConformanceFailure, Seen, counted
from conformance.lab.backlog import fill_backlog
from conformance.lab.hooks import Handler
from conformance.lab.loop import LoopThread
from conformance.lab.records import Dialogue, Message
from conformance.lab.script import (
    STAGES,
    Action,
    HangUp,
    Hold,
    Rule,
    Say,
    Stall,
    say,
)
from conformance.lab.transcript import Transcript

# Lines longer than RFC 5321 allows are recorded, not refused.
LINE_MAX = 32 * 1024 * 1024
# Of MAIL and RCPT, by the extension that defines them (RFC 3461, RFC 4954).
PARAMETERS = {"DSN": ("RET", "ENVID", "NOTIFY", "ORCPT"), "AUTH": ("AUTH",)}
END_OF_DATA = b"\r\n.\r\n"
# How often a wait asks whether there is anything left to wait for.
LOOK_INTERVAL_S = 0.05
# By what a wait is longer while the subject says that it has mail to deliver.
BUSY_FACTOR = 5


class Upstream:
    """An MX host: listens on port 25 of its addresses and follows its script."""

    def __init__(
        self,
        loop: LoopThread,
        name: str,
        addresses: list[str],
        transcript: Transcript,
        tls_context: Callable[[], ssl.SSLContext],
        patience: float = 10.0,
        has_mail: Callable[[], bool | None] = lambda: None,
    ) -> None:
        """`has_mail` is that of the subject."""
        self.name = name
        self.addresses = addresses
        self.extensions: list[str] = ["PIPELINING", "SIZE 52428800", "8BITMIME"]
        self.starttls = False  # whether STARTTLS is offered
        self.patience = patience
        self.on_message: Callable[[Message], None] | None = None
        # Judges each message: returns the refusal, or None to accept.
        self.judge: Callable[[Message], str | None] | None = None
        self.transcript = transcript
        self._tls_context = tls_context
        self._has_mail = has_mail
        self._loop = loop
        self._rules: list[Rule] = []
        self._counts: dict[int, int] = {}
        self._dialogues: list[Dialogue] = []
        self._changed = threading.Condition()
        self._servers: dict[str, asyncio.AbstractServer] = {}
        self._full: list[socket.socket] = []
        self._connections: set[Connection] = set()

    # What tests say

    def on(
        self,
        stage: str,
        *actions: Action,
        recipient: str | None = None,
        nth: int | None = None,
        after: int = 0,
    ) -> None:
        """At `stage`, does `actions` in order instead of sending the ordinary reply. With `recipient`
        only while that address is (or, at rcpt, is to become) a recipient of the transaction; with
        `nth` only the nth time (from 1) that the stage is reached. "content" acts once `after` octets
        of the message have been received. A later rule for a stage takes precedence over an earlier
        one. A command that is refused has no effect; a rule without a reply is followed by the
        ordinary one."""
        if stage not in STAGES:
            raise ValueError(f"unknown stage '{stage}'")
        rule = Rule(
            stage, actions, recipient.lower() if recipient else None, nth, after
        )
        self._rules.insert(0, rule)

    def offer_starttls(self) -> None:
        """Offers STARTTLS with the lab's test certificate."""
        self.starttls = True

    def stop_listening(self, family: int | None = None) -> None:
        """Refuses connections (over IPv4, IPv6 or both) from now on."""
        for address in list(self._servers):
            if family is None or (":" in address) == (family == 6):
                self._loop.call(self._servers.pop(address).close)

    def go_silent(self, family: int | None = None) -> None:
        """Leaves connection attempts (over IPv4, IPv6 or both) unanswered from now on."""
        chosen = [
            a for a in self.addresses if family is None or (":" in a) == (family == 6)
        ]
        self.stop_listening(family)
        for address in chosen:
            self._full += fill_backlog(address)

    # What tests see

    @property
    def dialogues(self) -> Seen[Dialogue]:
        """Every connection so far, oldest first."""
        with self._changed:
            return Seen(self._dialogues, f"connection to {self.name}")

    @property
    def messages(self) -> Seen[Message]:
        """Every message up to its end of data, including refused ones."""
        with self._changed:
            found = [message for d in self._dialogues for message in d.messages]
        return Seen(found, f"message at {self.name}")

    def wait_for_dialogue(self, count: int = 1) -> Dialogue:
        """The `count`th connection, once it is made."""
        self.wait_until(
            lambda: len(self._dialogues) >= count,
            f"{counted(count, 'connection')} to {self.name}",
        )
        return self.dialogues[count - 1]

    def wait_for_message(self, count: int = 1) -> Message:
        """The `count`th message, once it is complete."""
        self.wait_until(
            lambda: sum(len(d.messages) for d in self._dialogues) >= count,
            f"{counted(count, 'message')} at {self.name}",
        )
        return self.messages[count - 1]

    def wait_for_command(self, prefix: bytes, count: int = 1) -> bytes:
        """The `count`th command beginning with `prefix` (any case) over all connections."""

        def matching() -> list[bytes]:
            return [
                command
                for dialogue in self._dialogues
                for command in dialogue.commands
                if command.upper().startswith(prefix.upper())
            ]

        self.wait_until(
            lambda: len(matching()) >= count, f"{prefix!r} sent to {self.name}"
        )
        with self._changed:
            return matching()[count - 1]

    @property
    def verbs(self) -> list[str]:
        """The verbs of all commands so far, over all connections."""
        return [verb for dialogue in self.dialogues for verb in dialogue.verbs]

    def wait_until_idle(self) -> None:
        """Returns once every connection so far is closed; at once if there was none (the subject may
        deliver later)."""
        for dialogue in self.dialogues:
            dialogue.wait_until_closed(self.patience)

    def wait_until_settled(self) -> None:
        """Returns once every connection so far is closed or has brought a message, after which it may be
        kept for another."""
        with self._changed:
            settled = self._changed.wait_for(
                lambda: all(d.messages or d.closed.is_set() for d in self._dialogues),
                self.patience,
            )
        if not settled:
            raise ConformanceFailure(
                f"messages over all connections to {self.name}, or their end",
                self._seen(),
            )

    # What the lab does

    def start(self) -> None:
        """Binds port 25 of every address."""
        self._loop.run(self._start())

    def stop(self) -> None:
        """Closes everything, including open connections."""
        self._loop.run(self._stop())
        for held in self._full:
            held.close()

    def choose(self, stage: str, recipients: list[str]) -> tuple[Action, ...] | None:
        """The actions for a stage just reached, or None for the ordinary reply."""
        chosen = None
        for rule in self._rules:
            if rule.stage != stage:
                continue
            if rule.recipient is not None and rule.recipient not in recipients:
                continue
            count = self._counts.get(id(rule), 0) + 1
            self._counts[id(rule)] = count
            if chosen is None and (rule.nth is None or rule.nth == count):
                chosen = rule.actions
        return chosen

    def content_limit(self) -> int | None:
        """After how many octets of content a script acts, or None."""
        limits = [rule.after for rule in self._rules if rule.stage == "content"]
        return limits[0] if limits else None

    def objection_to(self, size: int) -> Action | None:
        """The refusal of a message that is larger than the limit that is offered (RFC 1870 6.1), if it
        is; a script for that stage comes first."""
        limits = [e.partition(" ")[2] for e in self.extensions if e.startswith("SIZE ")]
        scripted = any(rule.stage in ("mail", "end") for rule in self._rules)
        if scripted or not limits or not 0 < int(limits[0]) < size:
            return None
        return say("552 5.3.4 larger than this server takes")

    def server_context(self) -> ssl.SSLContext:
        return self._tls_context()

    def note(self, change: Callable[[], None]) -> None:
        """Makes a change to what tests see, and wakes those that wait for it."""
        with self._changed:
            change()
            self._changed.notify_all()

    def opened(self, connection: Connection, dialogue: Dialogue) -> None:
        self._connections.add(connection)
        self.note(lambda: self._dialogues.append(dialogue))

    def lost(self, connection: Connection) -> None:
        self._connections.discard(connection)

    def wait_until(self, ready: Callable[[], bool], what: str) -> None:
        """Returns once it is so; `what` names it for the failure if it does not come to that."""
        began = time.monotonic()
        with self._changed:
            while not ready():
                self._changed.wait(LOOK_INTERVAL_S)
                # In this order: what it had delivered by then has been noted here.
                left = self._has_mail()
                if left is False and not ready():
                    raise ConformanceFailure(
                        what, f"{self._seen()}; the subject has no mail left to deliver"
                    )
                patience = self.patience * (BUSY_FACTOR if left else 1)
                if time.monotonic() > began + patience and not ready():
                    raise ConformanceFailure(
                        f"{what} within {patience:g} s", self._seen()
                    )

    def _seen(self) -> str:
        """The connections so far, by their commands."""
        if not self._dialogues:
            return "no connection was made"
        verbs = [" ".join(d.verbs) or "no command" for d in self._dialogues]
        return f"{counted(len(verbs), 'connection')}: {'; '.join(verbs)}"

    async def _start(self) -> None:
        loop = asyncio.get_running_loop()
        for address in self.addresses:
            self._servers[address] = await loop.create_server(
                lambda: Connection(self), address, 25, reuse_address=True
            )

    async def _stop(self) -> None:
        for server in self._servers.values():
            server.close()
        for connection in list(self._connections):
            connection.drop(reset=True)
        await asyncio.sleep(0)


class Connection(SMTP):
    """One session of aiosmtpd, whose input is recorded and whose replies follow the script."""

    line_length_limit = LINE_MAX
    command_size_limit = 16384

    def __init__(self, upstream: Upstream, handler: Handler | None = None) -> None:
        super().__init__(
            handler or Handler(),
            hostname=upstream.name,
            data_size_limit=0,
            timeout=3600,
            loop=upstream._loop.loop,
        )
        self.upstream = upstream
        self.dialogue = Dialogue(upstream.name, "", "")
        self.stage: str | None = "connect"
        self._party = f"upstream {upstream.name}"
        self._line = b""
        self._content: bytearray | None = None
        self._content_limit: int | None = None
        self._actions: tuple[Action, ...] | None = None
        self._prepared = False
        self._held: bytes | None = (
            None  # input received while a script acts in mid-content
        )
        self._stalled = False
        self._awaited = False  # the subject has closed its sending side, after QUIT

    # Input

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if not self.dialogue.peer_address:
            self.dialogue.peer_address = transport.get_extra_info("peername")[0]
            self.dialogue.local_address = transport.get_extra_info("sockname")[0]
            self.upstream.transcript.remark(
                self._party, f"connection from {self.dialogue.peer_address}"
            )
            self.upstream.opened(self, self.dialogue)
        else:
            secured = transport.get_extra_info("ssl_object")
            self.dialogue.tls = secured.version() if secured else "TLS"
            self.dialogue.server_name = getattr(secured, "server_name", None)
            self.upstream.transcript.remark(self._party, f"TLS: {self.dialogue.tls}")
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        self.upstream.transcript.add(self._party, "<", data)
        self.upstream.note(lambda: self._feed(data))
        if self._content is not None and self._content_limit is not None:
            if len(self._content) >= self._content_limit:
                self._content_limit = None
                actions = self.upstream.choose("content", self.recipients())
                if actions is not None:
                    self._held = b""
                    self.loop.create_task(self._act_in_content(actions))
        if self._held is None:
            super().data_received(data)
        else:
            self._held += data

    def eof_received(self) -> bool:
        if self._owes_replies():
            self.upstream.transcript.remark(
                self._party, "the subject closed its sending side"
            )
            self._awaited = True
            return True
        self.upstream.transcript.remark(self._party, "the subject closed")
        super().eof_received()
        return False  # close this side too, whatever the script would do next

    def _owes_replies(self) -> bool:
        """Whether QUIT has been received, before the reply to which no server closes (RFC 5321 4.1.1.10),
        and is going to be answered. With TLS no connection can be half closed."""
        if self._stalled or self.dialogue.tls is not None:
            return False
        if self._content is None:
            return self.dialogue.ended_with_quit and not self._line
        # The end of the message may have been received and not yet been looked at.
        _, _, behind = (b"\r\n" + self._content).partition(END_OF_DATA)
        return behind.upper().split(b"\r\n")[-2:] == [b"QUIT", b""]

    def connection_lost(self, error: Exception | None) -> None:
        self.upstream.transcript.remark(
            self._party, f"connection lost: {error}" if error else "connection closed"
        )
        if self._content is not None:
            self.dialogue.unfinished = bytes(self._content)
        self.upstream.lost(self)
        # Only once asyncio has closed the socket, which it does after this: until then the subject does
        # not see an end, and what a test sends next could overtake it.
        self.loop.call_soon(self.upstream.note, self.dialogue.closed.set)
        if self.session is not None:
            super().connection_lost(error)

    def _feed(self, data: bytes) -> None:
        """Records `data` and, outside of content, divides it into commands."""
        self.dialogue.received += data
        if self._content is not None:
            self._content += data
            return
        self._line += data
        while b"\n" in self._line:
            line, _, self._line = self._line.partition(b"\n")
            self.dialogue.commands.append(line.removesuffix(b"\r"))

    def recipients(self) -> list[str]:
        """The transaction's recipients in lower case."""
        return [r.lower() for r in self.envelope.rcpt_tos] if self.envelope else []

    def take_content(self) -> bytes:
        """The wire form of the content just ended; what follows it is commands again."""
        whole = bytes(self._content or b"")
        self._content = None
        end = (
            3
            if whole.startswith(END_OF_DATA[2:])
            else whole.find(END_OF_DATA) + len(END_OF_DATA)
        )
        rest = whole[end:]
        if rest:
            self.dialogue.received = self.dialogue.received[: -len(rest)]
            self._feed(rest)
        return whole[:end]

    # Output

    async def judgement(self, message: Message) -> Action | None:
        """The refusal by the upstream's own judge, if it has one that refuses. The judge may query DNS,
        which is served on this loop, so it runs in another thread."""
        if self.upstream.judge is None:
            return None
        text = await self.loop.run_in_executor(None, self.upstream.judge, message)
        return say(text) if text is not None else None

    def prepare(
        self, stage: str, recipients: list[str], instead: Action | None = None
    ) -> bool:
        """Chooses the next reply, at `stage`: `instead`, or by the script. True if it does not
        refuse."""
        self.stage = stage
        self._actions = (
            (instead,) if instead else self.upstream.choose(stage, recipients)
        )
        self._prepared = True
        if self._actions is None:
            return True
        said = [action for action in self._actions if isinstance(action, Say)]
        if said:
            return said[0].positive
        return not any(isinstance(action, (Stall, HangUp)) for action in self._actions)

    async def push(self, status: Any) -> None:
        """Sends every reply of aiosmtpd, or what the script has in its place."""
        ordinary = status if isinstance(status, bytes) else status.encode("utf-8")
        if not self._prepared:
            self._actions = (
                self.upstream.choose(self.stage, self.recipients())
                if self.stage
                else None
            )
        actions, self._actions, self._prepared = self._actions, None, False
        self.stage = None
        if actions is None:
            await self._say(Say(ordinary + b"\r\n"))
            return
        for action in actions:
            await self._act(action)
        if not any(isinstance(action, (Say, Stall, HangUp)) for action in actions):
            await self._say(Say(ordinary + b"\r\n"))

    async def smtp_MAIL(self, arg: str) -> None:
        await super().smtp_MAIL(self._without_known_parameters(arg))

    async def smtp_RCPT(self, arg: str) -> None:
        await super().smtp_RCPT(self._without_known_parameters(arg))

    def _without_known_parameters(self, arg: str) -> str:
        """`arg` without parameters of offered extensions that aiosmtpd would reject."""
        offered = {line.split()[0].upper() for line in self.upstream.extensions}
        known = {name for word in offered for name in PARAMETERS.get(word, ())}
        words = (arg or "").split(" ")
        return " ".join(
            word for word in words if word.partition("=")[0].upper() not in known
        )

    async def smtp_STARTTLS(self, arg: str) -> None:
        if not self.upstream.starttls:
            await self.push("502 5.5.1 not offered")
            return
        if self.prepare("starttls", []):
            self.tls_context = self.upstream.server_context()
            await super().smtp_STARTTLS(arg)
            return
        await self.push("454 4.7.0 no")

    async def smtp_DATA(self, arg: str) -> None:
        if self.recipients() and not self.prepare("data", self.recipients()):
            await self.push("451 4.3.0 no")
            return
        await super().smtp_DATA(arg)

    async def smtp_RSET(self, arg: str) -> None:
        if not self.prepare("rset", self.recipients()):
            await self.push("451 4.3.0 no")
            return
        await super().smtp_RSET(arg)

    async def _act(self, action: Action) -> None:
        if isinstance(action, Say):
            await self._say(action)
        elif isinstance(action, Hold):
            self.upstream.transcript.remark(self._party, "held by the test")
            await action.pass_through()
        elif isinstance(action, HangUp):
            self.drop(action.reset)
            raise asyncio.CancelledError
        elif isinstance(action, Stall):
            self.upstream.transcript.remark(self._party, "stalls")
            if self._awaited:
                self.drop(reset=False)
                raise asyncio.CancelledError
            self._stalled = True
            await asyncio.Event().wait()

    async def _act_in_content(self, actions: tuple[Action, ...]) -> None:
        """Stops reading while `actions` are done, and for good after a Stall."""
        transport = self.transport
        if transport is not None:
            transport.pause_reading()
        for action in actions:
            if isinstance(action, Stall):
                self.upstream.transcript.remark(self._party, "stops reading")
                return
            if isinstance(action, HangUp):
                self.drop(action.reset)
                return
            await self._act(action)
        held, self._held = self._held or b"", None
        super().data_received(held)
        if transport is not None:
            transport.resume_reading()

    async def _say(self, action: Say) -> None:
        if action.data.startswith(b"3") and self._content is None and self.recipients():
            self._content = bytearray(self._line)
            self._line = b""
            self._content_limit = self.upstream.content_limit()
        self.dialogue.said.append(action.data)
        size = max(1, -(-len(action.data) // action.pieces))
        for start in range(0, len(action.data), size):
            piece = action.data[start : start + size]
            self.upstream.transcript.add(self._party, ">", piece)
            self._writer.write(piece)
            await self._writer.drain()
            if action.pieces > 1:
                # Sent in the same turn of the loop, they would be one segment.
                await asyncio.sleep(0.002)

    def drop(self, reset: bool) -> None:
        """Ends the connection at once."""
        self.upstream.transcript.remark(self._party, "resets" if reset else "hangs up")
        transport = self._original_transport or self.transport
        if transport is None:
            return
        if reset:
            with contextlib.suppress(OSError):  # it may already be closed
                transport.get_extra_info("socket").setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
                )
            transport.abort()
        else:
            transport.close()


logging.getLogger("mail.log").setLevel(logging.CRITICAL)
