"""A connection to the relay that keeps no record of what was said: for many of them, and for much."""

from __future__ import annotations

import socket
import ssl
import struct
from types import TracebackType

from load.relay import IPV4, IPV6, PORT

END = b"\r\n.\r\n"


class Wire:
    """One connection. Every wait ends after `patience` seconds with an OSError, as does a lost
    connection."""

    def __init__(self, source: str, patience: float = 30.0) -> None:
        family, address = (
            (socket.AF_INET6, IPV6) if ":" in source else (socket.AF_INET, IPV4)
        )
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        self.socket.settimeout(patience)
        self._buffer = b""
        try:
            self.socket.bind((source, 0))
            self.socket.connect((address, PORT))
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError:
            self.socket.close()
            raise

    def __enter__(self) -> Wire:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.socket.close()

    def reply(self) -> str:
        """The last line of the next reply, without its end."""
        while True:
            line, end, rest = self._buffer.partition(b"\n")
            if not end:
                chunk = self.socket.recv(65536)
                if not chunk:
                    raise ConnectionResetError("the relay closed the connection")
                self._buffer += chunk
                continue
            self._buffer = rest
            if line[3:4] != b"-":
                return line.decode("ascii", "backslashreplace").rstrip("\r")

    def say(self, line: str) -> str:
        """Sends one line; the last line of the reply."""
        self.socket.sendall(line.encode() + b"\r\n")
        return self.reply()

    def expect(self, code: str, line: str | None = None) -> str:
        """As say(), or reply() without a line; an OSError where the code is another."""
        said = self.reply() if line is None else self.say(line)
        if not said.startswith(code):
            raise Unexpected(said)
        return said

    def greet(self) -> None:
        """Banner and EHLO."""
        self.expect("220")
        self.expect("250", "EHLO client.example")

    def envelope(self, sender: str, *recipients: str) -> None:
        """MAIL, RCPT and DATA, all granted."""
        self.expect("250", f"MAIL FROM:<{sender}>")
        for recipient in recipients:
            self.expect("250", f"RCPT TO:<{recipient}>")
        self.expect("354", "DATA")

    def start_tls(self) -> None:
        """STARTTLS, the handshake and another EHLO. Certificates are not checked."""
        self.expect("220", "STARTTLS")
        self.socket = tls_context().wrap_socket(self.socket)
        self.expect("250", "EHLO client.example")

    def reset(self) -> None:
        """Closes with an RST."""
        reset(self.socket)


class Unexpected(OSError):
    """The relay's reply is another than the one that was due."""


def reset(connection: socket.socket) -> None:
    """Closes a connection with an RST."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def tls_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
