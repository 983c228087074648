"""The SMTP server's side of one connection, on asyncio's streams (RFC 5321, RFC 2920, RFC 3207).

A line ends with CRLF and with nothing else; a message with a bare CR or LF is refused, after its end.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from contextlib import suppress
from typing import Any

from conformance.subjects.controls.provider import call_out
from conformance.subjects.controls.provider.intake import Intake, Message
from conformance.subjects.controls.provider.manners import Manner
from conformance.subjects.controls.provider.paths import Malformed, Path, parse
from conformance.subjects.controls.provider.results import Client
from conformance.subjects.controls.provider.setup import Setup

COMMAND_MAX = 512
MAIL_MAX = COMMAND_MAX + 43  # with SIZE (RFC 1870 3) and BODY (RFC 6152 2)
GOODBYE = "421 4.3.2 The service is shutting down"
EARLY_S = 0.02
CHUNK = 65536
BARE = re.compile(rb"\r(?!\n)|(?<!\r)\n|\0")
END = b"\r\n.\r\n"
SLACK = 1 << 20  # of a message that is too large, before it is no longer kept
CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class Input:
    """What a client sends, up to a mark."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self.reader = reader
        self._octets = bytearray()

    @property
    def is_empty(self) -> bool:
        return not self._octets

    async def peek(self, patience: float) -> None:
        """Reads what has come without being asked for."""
        with suppress(TimeoutError):
            self._octets += await asyncio.wait_for(self.reader.read(CHUNK), patience)

    def clear(self) -> None:
        self._octets.clear()

    def put_back(self, octets: bytes) -> None:
        self._octets[:0] = octets

    async def until(self, mark: bytes, most: int, patience: float) -> bytes | None:
        """With the mark; None if there was more than `most` before it. Raises TimeoutError, EOFError."""
        start, whole = 0, True
        while (found := self._octets.find(mark, start)) < 0:
            if len(self._octets) > most:
                whole = False
                del self._octets[: -len(mark)]
            start = max(len(self._octets) - len(mark) + 1, 0)
            octets = await asyncio.wait_for(self.reader.read(CHUNK), patience)
            if not octets:
                raise EOFError
            self._octets += octets
        end = found + len(mark)
        taken = bytes(self._octets[:end])
        del self._octets[:end]
        return taken if whole and len(taken) <= most + len(mark) else None


class Session:
    """One connection."""

    def __init__(
        self,
        setup: Setup,
        intake: Intake,
        tls: ssl.SSLContext,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self.setup = setup
        self.intake = intake
        self.tls = tls
        self.input = Input(reader)
        self.writer = writer
        self.client_address = str(writer.get_extra_info("peername")[0])
        self.size_max = setup.limit("message_size")
        self.encrypted = False
        self.extended = False
        self.client_name = ""
        self.sender: Path | None = None
        self.recipients: dict[str, str] = {}  # as named, and their mailboxes
        self.bad_commands = 0
        self.waiting = False  # for the client
        self.ending = False

    async def run(self) -> None:
        try:
            await self.input.peek(EARLY_S)
            if not self.input.is_empty:
                await self.push("554 5.5.1 Wait for the greeting")
                return
            await self.push(f"220 {self.setup.hostname} ESMTP")
            while not self.writer.is_closing():
                await self.next_command()
        except TimeoutError:
            await self.last_words("421 4.4.2 Nothing came in time, closing")
        except (EOFError, OSError):
            pass
        finally:
            self.writer.close()

    def shut_down(self) -> None:
        """Ends the session: at once, if it waits for the client, or after the reply that is due."""
        self.ending = True
        if self.waiting and not self.writer.is_closing():
            self.writer.write(GOODBYE.encode("ascii") + b"\r\n")
            self.writer.close()

    async def until(self, mark: bytes, most: int, patience: float) -> bytes | None:
        self.waiting = True
        if self.ending:
            self.shut_down()
            raise EOFError
        try:
            return await self.input.until(mark, most, patience)
        finally:
            self.waiting = False

    async def last_words(self, reply: str) -> None:
        with suppress(OSError):
            await self.push(reply)

    async def push(self, reply: str) -> None:
        self.writer.write(reply.encode("ascii", "replace") + b"\r\n")
        await self.writer.drain()

    async def next_command(self) -> None:
        patience = self.setup.seconds("client_command")
        line = await self.until(b"\r\n", MAIL_MAX, patience)
        if line is None or (len(line) > COMMAND_MAX and line[:4].upper() != b"MAIL"):
            await self.push("500 5.5.2 Line too long")
        else:
            await self.obey(line[:-2])

    async def obey(self, line: bytes) -> None:
        text = line.decode("utf-8", "surrogateescape")
        verb, _, argument = text.rstrip(" \t").partition(" ")
        command = getattr(self, f"do_{verb.lower()}", None) if verb.isalpha() else None
        if CONTROL.search(text.rstrip("\t")):
            await self.push("500 5.5.2 Control characters are not SMTP")
        elif command is None:
            await self.unknown()
        elif verb.upper() in ("DATA", "RSET", "QUIT", "STARTTLS") and argument.strip():
            await self.push("501 5.5.4 No argument is expected")
        else:
            await command(argument.strip(" "))

    async def unknown(self) -> None:
        self.bad_commands += 1
        if self.bad_commands > self.setup.limit("bad_commands"):
            await self.push("421 4.7.0 Too many unknown commands, closing")
            self.writer.close()
            return
        await self.push("500 5.5.1 Unknown command")

    def forget(self) -> None:
        self.sender, self.recipients = None, {}

    async def do_ehlo(self, name: str) -> None:
        if not await self.greeted(name):
            return
        self.extended = True
        lines = [self.setup.hostname, f"SIZE {self.size_max}", "8BITMIME", "PIPELINING"]
        if not self.encrypted:
            lines.append("STARTTLS")
        lines.append("HELP")
        for line in lines[:-1]:
            await self.push(f"250-{line}")
        await self.push(f"250 {lines[-1]}")

    async def do_helo(self, name: str) -> None:
        if await self.greeted(name):
            self.extended = False
            await self.push(f"250 {self.setup.hostname}")

    async def greeted(self, name: str) -> bool:
        if not name or not name.isascii():
            await self.push("501 5.5.4 A name is expected")
            return False
        self.client_name = name
        self.forget()
        return True

    async def do_starttls(self, argument: str) -> None:
        if self.encrypted:
            await self.push("503 5.5.1 TLS is active")
            return
        await self.push("220 2.0.0 Ready to start TLS")
        # What came before the handshake was not protected (RFC 3207 4.2).
        self.input.clear()
        await self.writer.start_tls(self.tls)
        self.encrypted = True
        self.client_name = ""
        self.forget()

    async def do_mail(self, argument: str) -> None:
        if not self.client_name:
            await self.push("503 5.5.1 EHLO first")
            return
        if self.sender is not None:
            await self.push("503 5.5.1 There is a sender already")
            return
        try:
            path = parse(argument, "FROM:", self.extended)
            self.check_parameters(path.parameters)
            self.intake.check_sender(path)
        except Malformed as reply:
            await self.push(str(reply))
            return
        self.sender = path
        await self.push("250 2.1.0 OK")

    def check_parameters(self, parameters: dict[str, str]) -> None:
        """Of MAIL. Raises Malformed."""
        for name, value in parameters.items():
            if name == "SIZE":
                if not value.isdigit() or len(value) > 20:
                    raise Malformed("501 5.5.4 SIZE is not a number")
                if int(value) > self.size_max:
                    raise Malformed("552 5.3.4 The message is too large")
            elif name == "BODY":
                if value.upper() not in ("7BIT", "8BITMIME"):
                    raise Malformed("501 5.5.4 BODY is 7BIT or 8BITMIME")
            else:
                raise Malformed("555 5.5.4 Unknown parameter")

    async def do_rcpt(self, argument: str) -> None:
        if self.sender is None:
            await self.push("503 5.5.1 MAIL first")
            return
        try:
            path = parse(argument, "TO:", self.extended)
            if path.parameters:
                raise Malformed("555 5.5.4 Unknown parameter")
            if len(self.recipients) >= self.setup.limit("recipients"):
                raise Malformed("452 4.5.3 Too many recipients")
            mailbox = self.intake.mailbox_of(path)
            await self.ask_about(self.sender.address)
        except Malformed as reply:
            await self.push(str(reply))
            return
        self.recipients[path.address] = mailbox
        await self.push("250 2.1.5 OK")

    async def ask_about(self, sender: str) -> None:
        """Calls the sender out, once a message, in the manners that do so. Raises Malformed."""
        if not sender or self.setup.manner not in call_out.MANNERS:
            return
        if self.recipients and self.setup.manner != Manner.CALL_OUT_AGAIN:
            return
        reply = await asyncio.get_running_loop().run_in_executor(
            self.intake.pool, call_out.call_out, self.setup, sender
        )
        if reply is not None and reply.permanent:
            raise Malformed("550 5.1.7 Its own host does not take mail for the sender")

    async def do_data(self, argument: str) -> None:
        if self.sender is None or not self.recipients:
            await self.push("503 5.5.1 RCPT first")
            return
        await self.push("354 End with <CRLF>.<CRLF>")
        # So that the end is one, too, where it follows immediately.
        self.input.put_back(b"\r\n")
        patience = self.setup.seconds("client_data")
        content = await self.until(END, self.size_max + SLACK, patience)
        if content is None:
            reply = "552 5.3.4 The message is too large"
        else:
            reply = await self.judged(content[2:-3])
        self.forget()
        await self.push(reply)

    async def judged(self, content: bytes) -> str:
        """The reply to a message as it came."""
        if BARE.search(content):
            return "554 5.6.0 A bare CR or LF, or NUL, in the message"
        content = content[1:] if content.startswith(b".") else content
        content = content.replace(b"\r\n.", b"\r\n")
        if len(content) > self.size_max:
            return "552 5.3.4 The message is too large"
        assert self.sender is not None
        message = Message(
            Client(self.client_address, self.client_name, self.sender.address),
            dict(self.recipients),
            content,
            self.protocol(),
        )
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self.intake.pool, self.intake.take, message)

    def protocol(self) -> str:
        """RFC 3848."""
        if not self.extended:
            return "SMTP"
        return "ESMTPS" if self.encrypted else "ESMTP"

    async def do_rset(self, argument: str) -> None:
        self.forget()
        await self.push("250 2.0.0 OK")

    async def do_noop(self, argument: str) -> None:
        await self.push("250 2.0.0 OK")

    async def do_quit(self, argument: str) -> None:
        await self.push("221 2.0.0 Bye")
        self.writer.close()

    async def do_vrfy(self, argument: str) -> None:
        if not argument:
            await self.push("501 5.5.4 An address is expected")
            return
        await self.push("252 2.1.5 Send mail, and see")

    async def do_expn(self, argument: str) -> None:
        await self.push("502 5.5.1 Not implemented")

    async def do_turn(self, argument: str) -> None:
        await self.push("502 5.5.1 Not implemented")

    async def do_help(self, argument: str) -> None:
        await self.push(f"214 2.0.0 See {self.setup.plan['refer_to']}")


def server_context(setup: Setup) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    files: dict[str, Any] = setup.plan["tls"]
    context.load_cert_chain(files["certificate"], files["key"])
    return context
