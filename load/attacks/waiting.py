"""Attacks by those who do not answer, or do not read: nameservers, upstreams, the log's reader."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress

from conformance.lab.nameserver.faults import Drop
from load import sink
from load.attacks.base import MANY_SESSIONS, Counting, Field, linger, opened
from load.crew import Counter
from load.names import Zone
from load.wire import END, Wire


def ask_and_wait(
    deadline: float, count: int, commands: list[str], held: Counter
) -> None:
    """Sessions that send the commands and do not wait for the last reply."""
    wires = []
    for wire in opened(deadline, count):
        with suppress(OSError):
            for command in commands[:-1]:
                wire.expect("250", command)
            wire.socket.sendall(commands[-1].encode() + b"\r\n")
            wires.append(wire)
            held.add()
    linger(deadline)


class Waiting(Counting):
    """The base of those where the relay waits in a thousand sessions."""

    settings = MANY_SESSIONS
    commands: list[str] = []
    counted = "sessions wait"

    def run(self, field: Field) -> None:
        field.load(ask_and_wait, field.few(1000, 300), self.commands, self.count)
        field.wait()


class SilentDns(Waiting):
    """A thousand sessions whose MAIL waits for the SPF record from a nameserver that is silent."""

    name = "silent-dns"
    quick = False
    commands = ["MAIL FROM:<a@silent.example>"]

    def zone(self, zone: Zone) -> None:
        zone.fail("silent.example", Drop())


class MuteUpstream(Waiting):
    """A thousand sessions whose RCPT waits for the banner of an upstream that is silent."""

    name = "mute-upstream"
    commands = ["MAIL FROM:<a@sender.example>", "RCPT TO:<mute@example.com>"]

    def routes(self) -> Mapping[str, str]:
        return {"mute@example.com": "a@mute.example"}

    def zone(self, zone: Zone) -> None:
        zone.host("mute.example", sink.MUTE_ADDRESS)


# As long as a local part may be, so that the log's line is long.
NAMES = [f"recipient-{number:03}-{'x' * 50}" for number in range(100)]


def many_recipients(deadline: float, sent: Counter) -> None:
    recipients = [f"{name}@example.com" for name in NAMES]
    while time.monotonic() < deadline:
        with suppress(OSError), Wire("203.0.113.1", 30) as wire:
            wire.greet()
            wire.envelope("a@sender.example", *recipients)
            wire.socket.sendall(b"From: <a@sender.example>" + b"\r\n" + END)
            wire.reply()
            sent.add()


class Recipients(Counting):
    """Messages to a hundred recipients each."""

    name = "recipients"
    quick = False
    counted = "messages answered"

    def routes(self) -> Mapping[str, str]:
        return {f"{name}@example.com": f"{name}@sink.example" for name in NAMES}

    def run(self, field: Field) -> None:
        field.load(many_recipients, self.count)
        field.wait()


class LogUnread(Recipients):
    """Messages to a hundred recipients each, while the pipe that the relay logs into is not read."""

    name = "log-unread"
    quick = True
    log_is_read = False
