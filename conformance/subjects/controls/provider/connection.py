"""A connection to an SMTP or LMTP server: lines, replies, EHLO and STARTTLS (RFC 5321 4.2, RFC 3207)."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from contextlib import suppress

from conformance.subjects.controls.provider.manners import Manner
from conformance.subjects.controls.provider.reply import LINE, LINES_MAX, Lost, Reply
from conformance.subjects.controls.provider.setup import Setup

LINE_MAX = 65536
QUIT_PATIENCE_S = 20.0
CHUNK = 65536


class Refused(Exception):
    """The host does not serve: a banner or a reply to EHLO and HELO that is not positive."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.text)
        self.reply = reply


class Connection:
    """Every wait ends, by OSError or Lost."""

    def __init__(
        self, setup: Setup, address: str, port: int, source: str | None, host: str
    ) -> None:
        self.setup = setup
        self.host = host
        self.encrypted = False
        self.extensions: dict[str, str] = {}
        self._buffer = b""
        self._socket = socket.create_connection(
            (address, port),
            setup.seconds("upstream_connect"),
            source_address=None if source is None else (source, 0),
        )
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def close(self) -> None:
        with suppress(OSError):
            self._socket.close()

    def quit(self) -> None:
        """Ends the session as is proper, while others go on."""
        threading.Thread(target=self._quit, daemon=True).start()

    def _quit(self) -> None:
        with suppress(OSError, Lost):
            self.command("QUIT", QUIT_PATIENCE_S)
        self.close()

    def send(self, octets: bytes, timeout: float | None = None) -> None:
        self._socket.settimeout(timeout or self.setup.seconds("upstream_command"))
        try:
            self._socket.sendall(octets)
        except OSError as error:
            raise Lost(f"while sending: {error}") from None

    def command(self, line: str, timeout: float | None = None) -> Reply:
        self.send(line.encode("ascii") + b"\r\n")
        return self.reply(timeout)

    def reply(self, timeout: float | None = None) -> Reply:
        """The next reply, whole within the time."""
        deadline = time.monotonic() + (
            timeout or self.setup.seconds("upstream_command")
        )
        lines: list[str] = []
        code = b""
        while len(lines) < LINES_MAX:
            parsed = LINE.match(self._line(deadline))
            if parsed is None or (code and parsed[1] != code):
                raise Lost("what it replied is not SMTP")
            code = parsed[1]
            lines.append((parsed[3] or b"").decode("ascii", "replace"))
            if parsed[2] != b"-":
                return Reply(int(code), tuple(lines))
        raise Lost("a reply without an end")

    def _line(self, deadline: float) -> bytes:
        while b"\n" not in self._buffer:
            left = deadline - time.monotonic()
            if left <= 0:
                raise Lost("no reply in time")
            self._socket.settimeout(left)
            try:
                octets = self._socket.recv(CHUNK)
            except OSError as error:
                raise Lost(f"while waiting for a reply: {error}") from None
            if not octets:
                raise Lost("closed by the server")
            self._buffer += octets
            if len(self._buffer) > LINE_MAX:
                raise Lost("a line without an end")
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line.removesuffix(b"\r")

    def greet(self) -> None:
        """The banner, and EHLO or HELO. Raises Refused."""
        banner = self.reply()
        if banner.code != 220:
            raise Refused(banner)
        self.hello()

    def hello(self) -> None:
        name = self.setup.plan["ehlo"]
        self.extensions = {}
        reply = self.command(f"EHLO {name}")
        if reply.positive:
            for line in reply.lines[1:]:
                keyword, _, parameters = line.strip().partition(" ")
                self.extensions[keyword.upper()] = parameters
            return
        if reply.permanent:
            reply = self.command(f"HELO {name}")
        if not reply.positive:
            raise Refused(reply)

    def lhlo(self) -> None:
        banner = self.reply()
        if banner.code != 220:
            raise Refused(banner)
        reply = self.command(f"LHLO {self.setup.plan['ehlo']}")
        if not reply.positive:
            raise Refused(reply)
        self.extensions = {line.split(" ")[0].upper(): "" for line in reply.lines[1:]}

    def start_tls(self) -> None:
        """Encrypts the session, unless the server then declines. Raises Lost if that went wrong."""
        reply = self.command("STARTTLS")
        if reply.code != 220:
            if reply.code == 421 or self.setup.manner == Manner.REQUIRE_TLS:
                raise Lost(reply.text)
            return
        if self._buffer:
            raise Lost("it sent more after its reply to STARTTLS")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        self._socket.settimeout(self.setup.seconds("upstream_command"))
        try:
            self._socket = context.wrap_socket(
                self._socket, server_hostname=self.host or None
            )
        except (OSError, ValueError) as error:
            raise Lost(f"TLS: {error}") from None
        self.encrypted = True
        self.hello()


def connect(setup: Setup, host: str, address: str) -> Connection:
    """A session with the host at that address, encrypted if that works (RFC 7435). Raises OSError, Lost
    or Refused."""
    for encrypt in (True, False):
        connection = Connection(setup, address, 25, setup.source(address), host)
        try:
            connection.greet()
            if encrypt and "STARTTLS" in connection.extensions:
                encrypt = False
                try:
                    connection.start_tls()
                except (Lost, Refused):
                    if setup.manner == Manner.REQUIRE_TLS:
                        raise
                    connection.close()
                    continue
            return connection
        except BaseException:
            connection.close()
            raise
    raise Lost("unreachable")
