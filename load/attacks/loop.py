"""Attacks on the loop, which is everybody's: commands and signals that cost much at once."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

from load.attacks.base import RECIPIENT, Attack, Counting, Field
from load.crew import Counter
from load.names import OneStep, Zone
from load.relay import merged
from load.wire import END, Wire

SOURCE = "203.0.113.1"
PAIRS = 1700  # of MAIL and RSET, that a buffer of 64 KiB holds
INCLUDES = 10


def spf_of(octets: int) -> str:
    """An SPF record of so many octets that matches nobody."""
    terms = ["v=spf1"]
    size, number = len(terms[0]), 0
    while size < octets:
        terms.append(f"ip4:198.18.{number // 256 % 256}.{number % 256}")
        size += len(terms[-1]) + 1
        number += 1
    return " ".join(terms)


def send_bursts(
    deadline: float,
    burst: bytes,
    replies: int,
    warm: str | None,
    done: Counter,
) -> None:
    """Bursts of pipelined commands, each after the answers to the one before. `warm` is a first
    command whose questions fill the relay's cache."""
    while time.monotonic() < deadline:
        with suppress(OSError), Wire(SOURCE, 60) as wire:
            wire.greet()
            if warm:
                wire.say(warm)
                wire.say("RSET")
            while time.monotonic() < deadline:
                wire.socket.sendall(burst)
                for _ in range(replies):
                    wire.reply()
                    done.add()
        time.sleep(0.01)


class Burst(Counting):
    """The base of those that pipeline."""

    counted = "commands answered"

    def burst(self, count: int) -> bytes:
        raise NotImplementedError

    def warm(self) -> str | None:
        return None

    def run(self, field: Field) -> None:
        # A relay that does not yield would be held for longer than the short form may take.
        burst = self.burst(field.few(PAIRS, 150))
        field.load(send_bursts, burst, burst.count(b"\n"), self.warm(), self.count)
        field.wait()


class PipelinedMail(Burst):
    """1700 pairs of MAIL and RSET in one burst, from a sender whose SPF chain is ten includes of
    60,000 octets, all in the relay's cache."""

    name = "pipelined-mail"
    octets = 60000
    domain = "chain.example"

    def zone(self, zone: Zone) -> None:
        names = [f"i{number}.{self.domain}" for number in range(INCLUDES)]
        zone.text(
            self.domain, "v=spf1 " + " ".join(f"include:{name}" for name in names)
        )
        for name in names:
            zone.text(name, spf_of(self.octets))

    def burst(self, count: int) -> bytes:
        return f"MAIL FROM:<a@{self.domain}>\r\nRSET\r\n".encode() * count

    def warm(self) -> str:
        return f"MAIL FROM:<a@{self.domain}>"


class PipelinedMailSmall(PipelinedMail):
    """The same with ten includes of 8,000 octets, and another sender in every MAIL."""

    name = "pipelined-mail-8k"
    octets = 8000
    domain = "short.example"

    def burst(self, count: int) -> bytes:
        return b"".join(
            f"MAIL FROM:<{number}@{self.domain}>\r\nRSET\r\n".encode()
            for number in range(count)
        )


class PipelinedNoop(Burst):
    """NOOP by the thousand in one burst."""

    name = "pipelined-noop"
    quick = False

    def burst(self, count: int) -> bytes:
        return b"NOOP\r\n" * count * 6


class Reload(Attack):
    """The base of those that have it read a large configuration."""

    pause_s = 1.0

    def write(self, field: Field) -> None:
        raise NotImplementedError

    def prepare(self, field: Field) -> None:
        self.write(field)

    def run(self, field: Field) -> None:
        while True:
            field.relay.reload()
            left = field.deadline - time.monotonic()
            field.pause(min(self.pause_s, left))
            if left <= self.pause_s:
                return


class ReloadComments(Reload):
    """SIGHUP, with 50 MB of comments in the configuration."""

    name = "reload-comments"
    quick = False

    def write(self, field: Field) -> None:
        field.relay.write_configuration(field.relay.settings, comments=50_000_000)


class ReloadZones(Reload):
    """SIGHUP, with 100,000 zones of one route each in the configuration."""

    name = "reload-zones"

    def write(self, field: Field) -> None:
        zones: list[dict[str, Any]] = [
            {
                "domain": f"z{number}.example.net",
                "routes": [
                    {"address": f"a@z{number}.example.net", "to": "a@sink.example"}
                ],
            }
            for number in range(100_000)
        ]
        settings = field.relay.settings
        zones = [*settings["zones"], *zones]
        field.relay.write_configuration(merged(settings, {"zones": zones}))


QUESTIONS_MAX = 200  # for one message, CNAMEs counted
CHAIN = 7  # aliases before every address


def send_one(deadline: float, sender: str, answered: Counter) -> None:
    """One message from that sender, whatever becomes of it."""
    with suppress(OSError), Wire(SOURCE, 60) as wire:
        wire.greet()
        wire.envelope(sender, RECIPIENT)
        wire.socket.sendall(b"From: <" + sender.encode() + b">" + b"\r\n" + END)
        wire.reply()
        answered.add()


class CnameChains(Attack):
    """One message whose SPF record has nine mx of ten hosts, each at the end of seven CNAMEs that are
    answered one at a time."""

    name = "cname-chains"

    def __init__(self) -> None:
        self.answered = Counter()

    def zone(self, zone: Zone) -> None:
        zone.count("chains.example")
        domains = [f"m{number}.chains.example" for number in range(9)]
        zone.text(
            "chains.example", "v=spf1 " + " ".join(f"mx:{name}" for name in domains)
        )
        for domain in domains:
            hosts = [f"h{number}.{domain}" for number in range(10)]
            zone.add(domain, "MX", *(f"10 {host}." for host in hosts))
            for host in hosts:
                names = [host, *(f"c{step}.{host}" for step in range(CHAIN))]
                for alias, target in zip(names, names[1:]):
                    zone.add(alias, "CNAME", f"{target}.")
                    zone.fail(alias, OneStep())
                zone.add(names[-1], "A", "198.18.0.1")

    def run(self, field: Field) -> None:
        field.load(send_one, "a@chains.example", self.answered)
        field.wait()

    def conclude(self, field: Field) -> None:
        asked = field.questions.value
        field.notes.append(f"{asked} DNS questions for one message")
        if asked > QUESTIONS_MAX:
            field.broken.append(
                f"{asked} DNS questions for one message (bound: {QUESTIONS_MAX})"
            )
