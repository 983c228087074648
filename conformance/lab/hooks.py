"""What an upstream MTA says to commands that are well-formed, and which of them take effect: aiosmtpd's
hooks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiosmtpd.smtp import Envelope, Session

from conformance.lab.records import Message

if TYPE_CHECKING:
    from conformance.lab.upstream import Connection


def size_declared(options: list[str]) -> int:
    """What MAIL's SIZE parameter says; 0 where there is none, or no number."""
    for option in options:
        name, _, value = option.partition("=")
        if name.upper() == "SIZE" and value.isdecimal():
            return int(value)
    return 0


def reverse_path(envelope: Envelope) -> str:
    """What MAIL has between its brackets; of the null one aiosmtpd keeps these."""
    return (envelope.mail_from or "").removeprefix("<>")


class Handler:
    """aiosmtpd's hooks, which decide whether a command takes effect."""

    async def handle_EHLO(
        self,
        server: Connection,
        session: Session,
        envelope: Envelope,
        name: str,
        _: list[str],
    ) -> list[str]:
        session.host_name = name  # type: ignore[assignment]
        server.dialogue.ehlo = name
        server.stage = "ehlo"
        lines = [server.upstream.name, *server.upstream.extensions]
        if server.upstream.starttls and server.dialogue.tls is None:
            lines.append("STARTTLS")
        shown = [f"250-{line}" for line in lines[:-1]] + [f"250 {lines[-1]}"]
        return ["\r\n".join(shown)]

    async def handle_HELO(
        self, server: Connection, session: Session, envelope: Envelope, name: str
    ) -> str:
        session.host_name = name  # type: ignore[assignment]
        server.dialogue.ehlo = name
        server.stage = "helo"
        return f"250 {server.upstream.name}"

    async def handle_MAIL(
        self,
        server: Connection,
        session: Session,
        envelope: Envelope,
        address: str,
        options: list[str],
    ) -> str:
        too_big = server.upstream.objection_to(size_declared(options))
        if server.prepare("mail", [], too_big):
            envelope.mail_from = address  # type: ignore[assignment]
            envelope.mail_options = options
        return "250 2.1.0 sender ok"

    async def handle_RCPT(
        self,
        server: Connection,
        session: Session,
        envelope: Envelope,
        address: str,
        options: list[str],
    ) -> str:
        if server.prepare("rcpt", [address.lower()]):
            envelope.rcpt_tos.append(address)
        return "250 2.1.5 recipient ok"

    async def handle_DATA(
        self, server: Connection, session: Session, envelope: Envelope
    ) -> str:
        content = envelope.original_content
        message = Message(
            sender=reverse_path(envelope),
            sender_parameters=list(envelope.mail_options),
            recipients=list(envelope.rcpt_tos),
            content=content if isinstance(content, bytes) else b"",
            wire=server.take_content(),
            dialogue=server.dialogue,
        )
        refusal = server.upstream.objection_to(len(message.content))
        refusal = refusal or await server.judgement(message)
        message.accepted = server.prepare("end", server.recipients(), refusal)
        server.upstream.note(lambda: server.dialogue.messages.append(message))
        if server.upstream.on_message is not None:
            server.upstream.on_message(message)
        return "250 2.0.0 stored"

    async def handle_RSET(
        self, server: Connection, session: Session, envelope: Envelope
    ) -> str:
        server.stage = "rset"
        return "250 2.0.0 reset"

    async def handle_NOOP(
        self, server: Connection, session: Session, envelope: Envelope, _: str
    ) -> str:
        server.stage = "noop"
        return "250 2.0.0 ok"

    async def handle_QUIT(
        self, server: Connection, session: Session, envelope: Envelope
    ) -> str:
        server.stage = "quit"
        return "221 2.0.0 bye"
