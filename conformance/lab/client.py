"""A raw SMTP client: sends any bytes, from any address, with or without TLS, in any pieces, and reads
replies strictly. It adds nothing to what a test sends and hides nothing of what it receives."""

from __future__ import annotations

import re
import select
import socket
import ssl
import struct
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from types import TracebackType

from conformance.expect import ConformanceFailure
from conformance.lab.transcript import Transcript

# RFC 5321 4.5.3.1.5: a reply line is at most 512 octets. The number of lines is not limited there;
# the limit here bounds the memory that a faulty subject can make us use.
REPLY_LINE_MAX = 512
REPLY_LINES_MAX = 200
SLOW_RATE = 2**20  # octets a second

_REPLY_LINE = re.compile(rb"([2-5][0-9][0-9])(?:([ -])([\t\x20-\x7e]*))?")
_ENHANCED = re.compile(r"([245]\.[0-9]{1,3}\.[0-9]{1,3})(?: |$)")


@dataclass(frozen=True)
class Reply:
    """One reply of the subject, parsed by RFC 5321 4.2."""

    code: int
    lines: tuple[str, ...]  # the text of each line, after the code and its separator
    raw: bytes

    @property
    def enhanced(self) -> str | None:
        """The enhanced status code of the first line (RFC 3463), if it has one."""
        match = _ENHANCED.match(self.lines[0])
        return match.group(1) if match else None

    @property
    def text(self) -> str:
        """All lines joined by line feeds, each without its enhanced code."""
        return "\n".join(_ENHANCED.sub("", line, count=1) for line in self.lines)

    @property
    def positive(self) -> bool:
        """2xx or 3xx."""
        return self.code < 400

    @property
    def temporary(self) -> bool:
        """4xx."""
        return 400 <= self.code < 500

    @property
    def permanent(self) -> bool:
        """5xx."""
        return self.code >= 500

    @property
    def shown(self) -> str:
        """For a reader: the reply as received, without its last line end."""
        return (
            self.raw.decode("ascii", "backslashreplace")
            .rstrip("\r\n")
            .replace("\r\n", " | ")
        )

    def __str__(self) -> str:
        return self.shown


@dataclass
class Delivery:
    """The replies to a whole transaction, step by step; those of steps not reached are None."""

    mail: Reply
    recipients: list[Reply] = field(default_factory=list)
    data: Reply | None = None
    end: Reply | None = None

    @property
    def final(self) -> Reply:
        """The reply that decided: the last one."""
        return (
            self.end
            or self.data
            or (self.recipients[-1] if self.recipients else self.mail)
        )

    @property
    def accepted(self) -> bool:
        """The client was told that the message was accepted (RFC 5321 4.1.1.4)."""
        return self.end is not None and self.end.code // 100 == 2


class _Wait:
    """A wait for the subject, in seconds, and when it is over."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.deadline = time.monotonic() + seconds

    def __str__(self) -> str:
        return f"{self.seconds:g} s"


class Client:
    """A connection to the subject. `patience` limits every wait for the subject, in seconds."""

    def __init__(
        self,
        address: tuple[str, int],
        *,
        source: str | None = None,
        transcript: Transcript | None = None,
        patience: float = 10.0,
        name: str = "client",
        preamble: bytes = b"",
    ) -> None:
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.patience = patience
        self.source = source
        self.tls: ssl.SSLSocket | None = None
        self._name = name
        self._transcript = transcript or Transcript()
        self._buffer = b""
        self.awaits_reply = False  # nothing has been read since something was sent
        self.lost = False  # what was sent last could not be
        self._greeting: Reply | None = None  # to EHLO, since the last handshake
        self._socket: socket.socket = socket.socket(family, socket.SOCK_STREAM)
        self._socket.settimeout(patience)
        try:
            if source is not None:
                self._socket.bind((source, 0))
            self._socket.connect(address)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            self._socket.close()
            raise ConformanceFailure(
                f"a connection to {address[0]}", error.strerror or str(error)
            ) from error
        self._transcript.remark(
            name, f"connected from {source or 'any'} to {address[0]}"
        )
        if preamble:
            self.send(preamble)

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def record(self, transcript: Transcript) -> None:
        """From now on notes what passes in another transcript."""
        self._transcript = transcript

    # What is sent

    def send(self, data: bytes) -> None:
        """Sends exactly `data`. Whether the subject has closed shows when reading."""
        self._transcript.add(self._name, ">", data)
        self.awaits_reply = True
        try:
            self._socket.settimeout(self._patience_for(data))
            self._socket.sendall(data)
        except TimeoutError as error:
            raise ConformanceFailure(
                "the subject to read what is sent", "it stopped reading"
            ) from error
        except OSError as error:
            self.lost = True
            self._transcript.remark(self._name, f"sending failed: {error}")

    def send_in_pieces(self, pieces: Iterable[bytes]) -> None:
        """Sends every piece in a TCP segment of its own, acknowledged before the next leaves."""
        for piece in pieces:
            self.send(piece)
            self._wait_until_acknowledged()

    def line(self, text: str | bytes) -> None:
        """Sends one line, adding CRLF."""
        data = text.encode("utf-8") if isinstance(text, str) else text
        self.send(data + b"\r\n")

    def half_close(self) -> None:
        """Closes the sending side only; replies can still be read."""
        self._transcript.remark(self._name, "closes its sending side")
        try:
            self._socket.shutdown(socket.SHUT_WR)
        except OSError as error:
            self._transcript.remark(self._name, f"already closed: {error}")

    def reset(self) -> None:
        """Drops the connection with an RST."""
        self._transcript.remark(self._name, "resets the connection")
        self._socket.setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
        )
        self._socket.close()

    def close(self) -> None:
        """Closes the connection without a QUIT; may be called again."""
        if self._socket.fileno() >= 0:
            self._transcript.remark(self._name, "closes")
            self._socket.close()

    # What comes back

    def read_reply(self, patience: float | None = None) -> Reply:
        """The next reply; fails if the subject sends none in time, closes, or does not send SMTP."""
        wait = self._wait(patience)
        raw = b""
        lines: list[str] = []
        code = b""
        while True:
            line = self._read_line(wait, raw)
            raw += line
            match = _REPLY_LINE.fullmatch(line[:-2]) if line.endswith(b"\r\n") else None
            if match is None or (code and match.group(1) != code):
                raise ConformanceFailure("a reply in the syntax of RFC 5321 4.2", raw)
            if len(line) > REPLY_LINE_MAX or len(lines) >= REPLY_LINES_MAX:
                raise ConformanceFailure(
                    "a reply within the limits of RFC 5321 4.5.3.1.5", raw
                )
            code = match.group(1)
            lines.append((match.group(3) or b"").decode("ascii"))
            if match.group(2) != b"-":
                return Reply(int(code), tuple(lines), raw)

    def read_octets(self, seconds: float) -> bytes:
        """What comes next within that time, whatever it is; nothing if nothing comes or the subject
        closes."""
        said, self._buffer = self._buffer, b""
        return said or self._receive(_Wait(seconds)) or b""

    def is_silent_for(self, seconds: float) -> bool:
        """False as soon as the subject says something or closes, True if it does neither."""
        return (
            not self._buffer and not select.select([self._socket], [], [], seconds)[0]
        )

    def expect_closed(self, patience: float | None = None) -> bytes:
        """The subject closes the connection; returns what it sent before that."""
        wait = self._wait(patience)
        said, self._buffer = self._buffer, b""
        while True:
            chunk = self._receive(wait)
            if chunk is None:
                after = f", after {said!r}" if said else ""
                raise ConformanceFailure(
                    f"the connection closed by the subject within {wait}",
                    f"it is still open{after}",
                )
            if not chunk:
                return said
            said += chunk

    def unread(self, reply: Reply) -> None:
        """Has the next read_reply() return `reply` once more."""
        self._buffer = reply.raw + self._buffer

    # The dialogue

    def banner(self) -> Reply:
        """The greeting."""
        return self.read_reply()

    def command(self, text: str | bytes, patience: float | None = None) -> Reply:
        """Sends one line and reads one reply."""
        self.line(text)
        return self.read_reply(patience)

    def pipeline(self, commands: Sequence[str | bytes]) -> list[Reply]:
        """Sends all lines in one write and reads one reply for each."""
        lines = [
            line.encode("utf-8") if isinstance(line, str) else line for line in commands
        ]
        self.send(b"".join(line + b"\r\n" for line in lines))
        return [self.read_reply() for _ in lines]

    def ehlo(self, name: str = "client.example") -> Reply:
        reply = self.command(f"EHLO {name}")
        if reply.code == 250:
            self._greeting = reply
        return reply

    def extensions(self, name: str = "client.example") -> dict[str, str]:
        """The extensions offered, keyword in capitals to its parameters, in the reply to the last EHLO.
        It is sent if there was none: some servers refuse a second one, and it would end a transaction.
        """
        reply = self._greeting or self.ehlo(name)
        if reply.code != 250:
            raise ConformanceFailure("250 to EHLO", reply.shown)
        words = [line.partition(" ") for line in reply.lines[1:]]
        return {keyword.upper(): parameters for keyword, _, parameters in words}

    def mail(self, sender: str, *parameters: str) -> Reply:
        """MAIL FROM with the bare address, "" for the null reverse-path."""
        return self.command(" ".join([f"MAIL FROM:<{sender}>", *parameters]))

    def rcpt(
        self, recipient: str, *parameters: str, patience: float | None = None
    ) -> Reply:
        return self.command(" ".join([f"RCPT TO:<{recipient}>", *parameters]), patience)

    def data(self) -> Reply:
        return self.command("DATA")

    def content(self, message: bytes, patience: float | None = None) -> Reply:
        """Sends a message with dot-stuffing and end of data, and reads the reply."""
        self.send(stuffed(message))
        return self.read_reply(patience or self._patience_for(message))

    def rset(self) -> Reply:
        return self.command("RSET")

    def quit(self) -> Reply:
        return self.command("QUIT")

    def starttls(
        self, server_name: str = "", context: ssl.SSLContext | None = None
    ) -> Reply:
        """STARTTLS and, after a 220, the handshake. The caller sends EHLO again."""
        reply = self.command("STARTTLS")
        if reply.code == 220:
            self.handshake(server_name, context)
        return reply

    def handshake(
        self, server_name: str = "", context: ssl.SSLContext | None = None
    ) -> None:
        """The TLS handshake alone. Certificates are not checked unless `context` does."""
        if context is None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF  # for ends_tls()
        try:
            self.tls = context.wrap_socket(
                self._socket, server_hostname=server_name or None
            )
        except (OSError, ssl.SSLError) as error:
            raise ConformanceFailure("a TLS handshake", str(error)) from error
        self._socket = self.tls
        self._greeting = None
        self._transcript.remark(
            self._name, f"TLS: {self.tls.version()}, {self.tls.cipher()}"
        )

    def ends_tls(self) -> bool:
        """Whether the end of the connection is announced by close_notify (RFC 8446 6.1); of a connection
        inside TLS by the default context, at whose end nothing else comes."""
        assert self.tls is not None
        self.tls.settimeout(self.patience)
        self.tls.suppress_ragged_eofs = False  # type: ignore[attr-defined]
        try:
            return self.tls.recv(1) == b""
        except OSError as error:
            self._transcript.remark(self._name, f"TLS: {error}")
            return False

    def end_tls(self) -> bool:
        """Ends TLS by close_notify. Whether that is answered by one, and by nothing else."""
        assert self.tls is not None
        self.tls.settimeout(self.patience)
        try:
            self.tls.unwrap()
        except OSError as error:
            self._transcript.remark(self._name, f"TLS: {error}")
            return False
        return True

    def greet(self, name: str = "client.example") -> Reply:
        """Banner and EHLO; both must be positive. Returns the reply to EHLO."""
        banner = self.banner()
        if banner.code != 220:
            raise ConformanceFailure("a 220 banner", banner.shown)
        reply = self.ehlo(name)
        if reply.code != 250:
            raise ConformanceFailure("250 to EHLO", reply.shown)
        return reply

    def deliver(
        self,
        sender: str,
        recipients: str | Sequence[str],
        message: bytes,
        *parameters: str,
    ) -> Delivery:
        """One transaction in an open session, from MAIL to the reply to the message. Ends at the
        first refusal that leaves nothing to send."""
        wanted = [recipients] if isinstance(recipients, str) else list(recipients)
        delivery = Delivery(self.mail(sender, *parameters))
        if not delivery.mail.positive:
            return delivery
        delivery.recipients = [self.rcpt(recipient) for recipient in wanted]
        if not any(reply.positive for reply in delivery.recipients):
            return delivery
        delivery.data = self.data()
        if delivery.data.code == 354:
            delivery.end = self.content(message)
        return delivery

    # Inside

    def _patience_for(self, data: bytes) -> float:
        """How long it may take to read so much, or to answer it: filters may see it line by line."""
        return self.patience + len(data) / SLOW_RATE

    def _wait(self, patience: float | None) -> _Wait:
        return _Wait(self.patience if patience is None else patience)

    def _read_line(self, wait: _Wait, before: bytes) -> bytes:
        """The next line of a reply, of which `before` has been read."""
        while b"\n" not in self._buffer:
            if len(self._buffer) > REPLY_LINE_MAX:
                raise ConformanceFailure(
                    "a reply line of at most 512 octets", self._buffer
                )
            chunk = self._receive(wait)
            said = before + self._buffer
            if chunk is None:
                raise ConformanceFailure(
                    f"a reply within {wait}",
                    f"only {said!r}" if said else "the subject sent nothing",
                )
            if not chunk:
                after = f", after {said!r}" if said else ""
                raise ConformanceFailure("a reply", f"the connection was closed{after}")
            self._buffer += chunk
        line, newline, self._buffer = self._buffer.partition(b"\n")
        return line + newline

    def _receive(self, wait: _Wait) -> bytes | None:
        """What has come; nothing where the connection is closed, None where the wait is over."""
        self._socket.settimeout(max(0.001, wait.deadline - time.monotonic()))
        try:
            chunk = self._socket.recv(65536)
            self.awaits_reply = False
        except TimeoutError:
            self._transcript.remark(self._name, "gave up waiting for the subject")
            return None
        except OSError as error:
            self._transcript.remark(self._name, f"connection lost: {error}")
            return b""
        finally:
            if self._socket.fileno() >= 0:
                self._socket.settimeout(self.patience)
        if chunk:
            self._transcript.add(self._name, "<", chunk)
        else:
            self._transcript.remark(self._name, "the subject closed")
        return chunk

    def _wait_until_acknowledged(self) -> None:
        # tcpi_unacked of struct tcp_info, in segments.
        deadline = time.monotonic() + self.patience
        while time.monotonic() < deadline:
            info = self._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
            if struct.unpack_from("I", info, 24)[0] == 0:
                return
            time.sleep(0.0005)


def stuffed(message: bytes) -> bytes:
    """`message` as it is sent after DATA: with dots doubled at line starts, and the end-of-data
    line. Bare CR and LF are left as they are."""
    body = message.replace(b"\r\n.", b"\r\n..")
    if body.startswith(b"."):
        body = b"." + body
    return body + (b".\r\n" if body.endswith(b"\r\n") or not body else b"\r\n.\r\n")
