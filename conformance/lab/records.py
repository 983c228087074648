"""What upstream MTAs record: connections, and the messages received over them."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from conformance.expect import ConformanceFailure, Seen


@dataclass
class Message:
    """One mail transaction that reached the end of its data."""

    sender: str  # reverse-path without its angle brackets
    sender_parameters: list[str]
    recipients: list[str]
    content: bytes  # dots unstuffed, CRLF at the end, without the final dot
    wire: bytes  # as received, with the end-of-data line
    accepted: bool = False  # the upstream answered 2xx
    dialogue: Dialogue = field(repr=False, default=None)  # type: ignore[assignment]

    @property
    def header(self) -> bytes:
        """The header block with its last CRLF, without the empty line."""
        return self.content.partition(b"\r\n\r\n")[0] + b"\r\n"

    @property
    def body(self) -> bytes:
        return self.content.partition(b"\r\n\r\n")[2]

    def fields(self, name: str | None = None) -> Seen[tuple[str, str]]:
        """The header fields, top first, as (name, unfolded value); of one name where given."""
        unfolded: list[bytes] = []
        for line in self.header.split(b"\r\n")[:-1]:
            if line[:1] in (b" ", b"\t") and unfolded:
                unfolded[-1] += line
            else:
                unfolded.append(line)
        pairs = [
            line.decode("utf-8", "backslashreplace").partition(":") for line in unfolded
        ]
        wanted = (
            (key.strip(), value.strip())
            for key, _, value in pairs
            if name is None or key.strip().lower() == name.lower()
        )
        return Seen(wanted, f"{name or 'header'} field")


@dataclass
class Dialogue:
    """One connection of the subject to an upstream."""

    host: str  # the upstream's name
    local_address: str
    peer_address: str
    ehlo: str | None = None
    tls: str | None = None  # protocol version once STARTTLS is done
    server_name: str | None = None  # of SNI
    commands: list[bytes] = field(default_factory=list)  # lines without their ends
    said: list[bytes] = field(default_factory=list)  # the replies by a script
    messages: list[Message] = field(default_factory=list)
    received: bytearray = field(default_factory=bytearray)  # everything, decrypted
    unfinished: bytes | None = None  # content without an end of data
    closed: threading.Event = field(default_factory=threading.Event)

    @property
    def verbs(self) -> list[str]:
        """The commands' verbs in capitals, in order."""
        return [
            c.split(b" ")[0].split(b":")[0].decode("ascii", "replace").upper()
            for c in self.commands
        ]

    @property
    def ended_with_quit(self) -> bool:
        return bool(self.commands) and self.commands[-1].upper() == b"QUIT"

    def wait_until_closed(self, patience: float) -> None:
        """Returns once the connection is closed; fails after `patience` seconds."""
        if not self.closed.wait(patience):
            raise ConformanceFailure(
                f"the connection to {self.host} closed within {patience:g} s",
                "it is still open",
            )
