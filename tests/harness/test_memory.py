"""The relay when memory is short: every allocation that one mail needs fails in turn.

What may come of it is a temporary refusal or a lost connection, never the end of the relay, a
permanent refusal, a success that is not the upstream's, or a seal that calls the chain broken.
FAIRLEAD_ALLOCATIONS=all tries every allocation instead of a sample.
"""

from __future__ import annotations

import mmap
import os
import ssl
import struct
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from conformance.subjects.reference.configuration import private_copy

from serving import Client, Relay, Sink
from test_tool_sign import KEYS, RSA_KEY, public_record
from vectors import fairlead, resolving, run_fairlead

SAMPLES = 150  # allocations that fail, evenly spread, unless all are tried
PRELOAD = Path(fairlead()).parents[1] / "tests/faults/libfailing_allocations.so"
SERVICE_KEY = str(KEYS / "test-service-rsa2048.pem")

# The author is authenticated by DKIM alone, so that a signature taken for a bad one is refused.
ZONE = {
    "author.example": {"TXT": "v=spf1 -all"},
    "_dmarc.author.example": {"TXT": "v=DMARC1; p=reject"},
    "s._domainkey.author.example": {"TXT": public_record(RSA_KEY, "rsa")},
    "s._domainkey.list.example": {"TXT": public_record(SERVICE_KEY, "rsa")},
}
MESSAGE = b"""\
From: Ann <ann@author.example>
To: Bob <info@example.com>
Subject: hello
Date: Tue, 14 Nov 2023 21:56:40 +0000
Message-ID: <1@author.example>

A line.
"""


def built_for_sanitizers() -> bool:
    return b"__asan_init" in Path(fairlead()).read_bytes()


pytestmark = pytest.mark.skipif(
    not PRELOAD.exists() or built_for_sanitizers(),
    reason="the preload is not built, or the relay has an allocator of its own",
)


def sealed_message(resolver: str) -> bytes:
    signed = run_fairlead(
        *("dkim", "sign", "--domain", "author.example", "--selector", "s"),
        *("--key", RSA_KEY, "-"),
        stdin=MESSAGE,
    )
    assert signed.returncode == 0, signed.stderr
    sealed = run_fairlead(
        *("arc", "seal", "--domain", "list.example", "--selector", "s"),
        *("--key", SERVICE_KEY, "--authserv-id", "mx.list.example"),
        *("--resolver", resolver, "-"),
        stdin=signed.stdout,
    )
    assert sealed.returncode == 0, sealed.stderr
    return sealed.stdout.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


class Allocations:
    """The relay's allocations, by the file that the preload shares (struct control)."""

    def __init__(self, path: Path) -> None:
        path.write_bytes(bytes(32))
        with path.open("r+b") as file:
            self.control = mmap.mmap(file.fileno(), 32)

    def arm(self, first: int, count: int = 1) -> None:
        """Those from number `first` on fail, `count` of them."""
        self.control[8:32] = struct.pack("=QQQ", 0, first, count)
        self.control[0:8] = struct.pack("=Q", 1)

    def disarm(self) -> int:
        """How many there have been."""
        self.control[0:8] = struct.pack("=Q", 0)
        return int(struct.unpack("=Q", self.control[8:16])[0])


class Mailer:
    """A client that says what became of its mail."""

    def __init__(self, relay: Relay, message: bytes, tls: bool) -> None:
        self.relay = relay
        self.message = message
        self.context = ssl.create_default_context() if tls else None
        if self.context:
            self.context.check_hostname = False
            self.context.verify_mode = ssl.CERT_NONE

    def dialogue(self, client: Client) -> str:
        """The last reply: that to the end of the message, or the first that ends the mail before
        it. Empty if the connection was lost."""
        if not (reply := client.reply()).startswith("220"):
            return reply
        if not (reply := client.ask("EHLO client.example")).startswith("250"):
            return reply
        if self.context:
            if not (reply := client.ask("STARTTLS")).startswith("220"):
                return reply
            client.socket = self.context.wrap_socket(client.socket)
            client.stream = client.socket.makefile("rb")
            if not (reply := client.ask("EHLO client.example")).startswith("250"):
                return reply
        for command in "MAIL FROM:<ann@author.example>", "RCPT TO:<info@example.com>":
            if not (reply := client.ask(command)).startswith("250"):
                return reply
        if not (reply := client.ask("DATA")).startswith("354"):
            return reply
        client.socket.sendall(self.message + b".\r\n")
        return client.reply()

    def send(self) -> str:
        client = Client(self.relay.port)
        try:
            reply = self.dialogue(client)
            with suppress(OSError):
                client.socket.sendall(b"QUIT\r\n")
                client.stream.read()
            return reply
        except (ConnectionError, ssl.SSLError):
            return ""
        finally:
            client.close()


def wrong(reply: str, taken: list[bytes]) -> str | None:
    """What is wrong with this end of a mail of which the upstream has taken these copies."""
    if reply.startswith("5"):
        return f"permanent: {reply}"
    if reply.startswith("2") and len(taken) != 1:
        return f"{reply}, and the upstream has {len(taken)}"
    if reply.startswith("4") and taken:
        return f"{reply}, and the upstream has it"
    if any(b"cv=fail" in message for message in taken):
        return "sealed with cv=fail"
    return None


@pytest.fixture()
def relay(tmp_path: Path) -> Iterator[Relay]:
    sink = Sink()
    with resolving(ZONE) as resolver:
        relay = Relay(tmp_path, resolver, sink)
        relay.settings["resolver"]["cache_size"] = 0
        relay.settings["identity"] = {
            "domain": "relay.example",
            "selector": "s",
            "key": str(private_copy(Path(SERVICE_KEY), tmp_path)),
        }
        relay.settings["tls"] = {
            "certificate": str(KEYS / "test-tls-certificate.pem"),
            "key": str(private_copy(KEYS / "test-tls-key.pem", tmp_path)),
        }
        del relay.settings["dnsbl"]
        yield relay
        relay.close()
    sink.close()


@pytest.mark.parametrize("tls", [False, True], ids=["clear", "STARTTLS"])
@pytest.mark.parametrize("burst", [1, 40])
def test_an_allocation_that_fails_costs_no_mail_and_no_relay(
    relay: Relay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tls: bool, burst: int
) -> None:
    message = sealed_message(relay.settings["resolver"]["servers"][0])
    allocations = Allocations(tmp_path / "allocations")
    with monkeypatch.context() as patch:
        patch.setenv("FAILING_ALLOCATIONS", str(tmp_path / "allocations"))
        patch.setenv("LD_PRELOAD", str(PRELOAD))
        relay.start()
    mailer = Mailer(relay, message, tls)
    assert mailer.send() == "250 stored"  # what is set up once is set up
    allocations.arm(0, 0)
    assert mailer.send() == "250 stored"
    total = allocations.disarm()
    everything = os.environ.get("FAIRLEAD_ALLOCATIONS") == "all"
    step = 1 if everything else max(1, total // SAMPLES)
    findings = []
    sink = relay.sink
    for first in range(1, total + 1, step):
        before = len(sink.messages)
        allocations.arm(first, burst)
        reply = mailer.send()
        allocations.disarm()
        assert relay.process and relay.process.poll() is None, f"died of {first}"
        if problem := wrong(reply, sink.messages[before:]):
            findings.append(f"{first}: {problem}")
    assert mailer.send() == "250 stored"  # nothing stays broken
    assert total > 500  # of the relay's, or nothing has been tested
    assert not findings, "\n".join(findings)
