"""`fairlead serve` for tests: an upstream, a client, and the running relay with its log, as fixtures."""

from __future__ import annotations

import json
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from vectors import fairlead, resolving

HOST = "127.0.0.1"
ZONE = {"7.2.0.192.bl.example": {"A": "127.0.0.2"}}
PATIENCE = 20  # seconds


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


class Sink:
    """An upstream that takes everything; the answer to the end of DATA waits while it is held."""

    def __init__(self) -> None:
        self.listener = socket.create_server((HOST, 0))
        self.port = self.listener.getsockname()[1]
        self.go = threading.Event()
        self.go.set()
        self.has_message = threading.Event()
        self.messages: list[bytes] = []  # as they came, dots and all
        self.offer: str | None = (
            None  # an extension that is offered, and then not spoken
        )
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(
                target=self._serve, args=(connection,), daemon=True
            ).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rwb", 0) as stream:
            stream.write(b"220 sink\r\n")
            in_data = False
            message: list[bytes] = []
            for line in stream:
                if in_data:
                    message.append(line)
                    if line == b".\r\n":
                        in_data = False
                        self.messages.append(b"".join(message))
                        message = []
                        self.has_message.set()
                        self.go.wait(PATIENCE)
                        stream.write(b"250 stored\r\n")
                elif line.upper() == b"DATA\r\n":
                    in_data = True
                    stream.write(b"354 go\r\n")
                elif self.offer and line.upper().startswith(b"EHLO"):
                    stream.write(f"250-sink\r\n250 {self.offer}\r\n".encode())
                elif line.upper() == b"STARTTLS\r\n":
                    stream.write(b"220 go\r\nno handshake\r\n")
                    return
                else:
                    stream.write(b"250 ok\r\n")

    def close(self) -> None:
        # Closed under an accept() it would stay, or its number be another's whom that accepts for.
        self.listener.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.listener.close()


class Client:
    """Just enough SMTP to see what the relay says."""

    def __init__(self, port: int, first: bytes = b"") -> None:
        self.socket = socket.create_connection((HOST, port), timeout=PATIENCE)
        self.stream = self.socket.makefile("rb")
        if first:
            self.socket.sendall(first)

    def reply(self) -> str:
        while True:
            line = self.stream.readline().decode("ascii")
            if line[3:4] != "-":
                return line.rstrip("\r\n")

    def ask(self, command: str) -> str:
        self.socket.sendall(command.encode("ascii") + b"\r\n")
        return self.reply()

    def close(self) -> None:
        self.stream.close()
        self.socket.close()


class Relay:
    """A running relay, its configuration and its log."""

    def __init__(self, directory: Path, resolver: str, sink: Sink) -> None:
        self.sink = sink
        self.path = directory / "fairlead.yaml"
        self.log = directory / "log"
        self.port, self.proxied = free_port(), free_port()
        self.settings: dict[str, Any] = {
            "hostname": "mx.relay.example",
            "listen": [
                {"address": HOST, "port": self.port},
                {
                    "address": HOST,
                    "port": self.proxied,
                    "proxy_protocol_from": [f"{HOST}/32"],
                },
            ],
            "resolver": {"servers": [resolver]},
            "upstream": {"port": sink.port, "allow": [f"{HOST}/32"]},
            "timeouts": {"drain": 10},
            "srs": {"secrets": ["a secret for the tests of serve"]},
            "postmaster": {
                "address": f"postmaster@[{HOST}]",
                "page": "https://relay.example/postmaster/",
            },
            "dnsbl": {"lists": [{"zone": "bl.example", "name": "abusixip"}]},
            "zones": [
                {
                    "domain": "example.com",
                    "routes": [{"address": "info@example.com", "to": f"d@[{HOST}]"}],
                }
            ],
        }
        self.process: subprocess.Popen[bytes] | None = None

    def write(self) -> None:
        self.path.write_text(json.dumps(self.settings), encoding="utf-8")

    def start(self) -> None:
        self.write()
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [fairlead(), "serve", "-c", str(self.path)], stderr=log
            )
        self.wait_for("ready")

    def lines(self) -> list[dict[str, Any]]:
        whole = self.log.read_bytes().split(b"\n")[:-1]
        return [json.loads(line) for line in whole]

    def wait_for(self, event: str, key: str = "event") -> dict[str, Any]:
        """The first line of the log about that event that has `key`, when it is there."""
        done = threading.Event()
        for _ in range(PATIENCE * 50):
            for line in self.lines():
                if line["event"] == event and key in line:
                    return line
            assert self.process and self.process.poll() is None, self.log.read_text()
            done.wait(0.02)
        raise AssertionError(self.log.read_text())

    def signal(self, number: int) -> None:
        assert self.process
        self.process.send_signal(number)

    def wait(self) -> int:
        assert self.process
        return self.process.wait(PATIENCE)

    def close(self) -> None:
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()


@pytest.fixture()
def sink() -> Iterator[Sink]:
    sink = Sink()
    yield sink
    sink.go.set()
    sink.close()


@pytest.fixture()
def relay(tmp_path: Path, sink: Sink) -> Iterator[Relay]:
    with resolving(ZONE) as resolver:
        relay = Relay(tmp_path, resolver, sink)
        yield relay
        relay.close()


@pytest.fixture()
def connect() -> Iterator[Callable[..., Client]]:
    with ExitStack() as stack:

        def connect(port: int, first: bytes = b"") -> Client:
            client = Client(port, first)
            stack.callback(client.close)
            return client

        yield connect


Connect = Callable[..., Client]


def open_mail(client: Client) -> None:
    assert client.reply().startswith("220 ")
    assert client.ask("EHLO client.example").startswith("250 ")
    assert client.ask("MAIL FROM:<a@sender.example>").startswith("250 ")
    assert client.ask("RCPT TO:<info@example.com>") == "250 ok"
    assert client.ask("DATA").startswith("354 ")


MESSAGE = "From: a@sender.example\r\nSubject: secret words\r\n\r\nhidden text\r\n."
