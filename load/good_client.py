"""The well-behaved client, whose time and mail nobody may spend: one session that says NOOP at a steady
pace, and a small message at another, each in a process of its own.

What it measures is an answer's time since the command was sent, less the time for which it, the
relay or the upstream of its messages was ready to run and had no core: that is the machine's, not the
relay's. figures.with_omitted() adds what it would have measured while it waited.
"""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Event

from load.crew import PROCESSES, Crew
from load.figures import Latency, Service
from load.wire import END, Unexpected, Wire

NOOP_INTERVAL_S = 0.005
MAIL_INTERVAL_S = 0.05
NOOP_SOURCE, MAIL_SOURCE = "192.0.2.10", "192.0.2.11"
# Commands that a session may take without a message are limited.
NOOPS_PER_SESSION = 400
# An answer that takes longer is a failure.
PATIENCE_S = 20.0

SENDER = "ann@sender.example"
RECIPIENT = "info@example.com"
MESSAGE = (
    b"From: Ann <ann@sender.example>\r\nTo: info@example.com\r\n"
    b"Subject: The minutes\r\nDate: Tue, 14 Nov 2023 21:56:40 +0000\r\n"
    b"Message-ID: <minutes@sender.example>\r\n\r\n" + b"Here they are.\r\n" * 100
)


@dataclass
class Record:
    """What one of the two processes has seen."""

    milliseconds: list[float] = field(default_factory=list)
    attempts: int = 0
    failures: list[str] = field(default_factory=list)


class Stopwatch:
    """Time in which neither this process nor one of the others waited for a core."""

    def __init__(self, others: Sequence[int]) -> None:
        self._files = [
            os.open(f"/proc/{pid}/schedstat", os.O_RDONLY) for pid in ("self", *others)
        ]
        self._began, self._waited = 0.0, 0
        self.start()

    def start(self) -> None:
        self._waited = self._waits_ns()
        self._began = time.monotonic()

    @property
    def began(self) -> float:
        return self._began

    def milliseconds(self) -> float:
        passed = time.monotonic() - self._began
        waited = self._waits_ns() - self._waited
        return max(0.0, passed * 1000 - waited / 1e6)

    def _waits_ns(self) -> int:
        """The kernel's sched-stats.rst: time running, time waiting, time slices."""
        return sum(int(os.pread(file, 100, 0).split()[1]) for file in self._files)


def _pace(interval: float, began: float) -> None:
    """Until the next one is due."""
    time.sleep(max(0.0, began + interval - time.monotonic()))


def say_noop(stop: Event, record: Record, watch: Stopwatch) -> None:
    """One session's worth of NOOPs."""
    with Wire(NOOP_SOURCE, PATIENCE_S) as wire:
        wire.greet()
        for _ in range(NOOPS_PER_SESSION):
            if stop.is_set():
                break
            watch.start()
            wire.expect("250", "NOOP")
            record.milliseconds.append(watch.milliseconds())
            _pace(NOOP_INTERVAL_S, watch.began)
        wire.say("QUIT")


def send_mail(stop: Event, record: Record, watch: Stopwatch) -> None:
    """One message, from the connection to the answer to its end."""
    watch.start()
    with Wire(MAIL_SOURCE, PATIENCE_S) as wire:
        wire.greet()
        wire.envelope(SENDER, RECIPIENT)
        wire.socket.sendall(MESSAGE + END[2:])
        wire.expect("250")
        record.milliseconds.append(watch.milliseconds())
        wire.say("QUIT")
    _pace(MAIL_INTERVAL_S, watch.began)


Act = Callable[[Event, Record, Stopwatch], None]


def _work(act: Act, stop: Event, others: Sequence[int], result: Connection) -> None:
    record, watch = Record(), Stopwatch(others)
    while not stop.is_set():
        record.attempts += 1
        began = time.monotonic()
        try:
            act(stop, record, watch)
        except Unexpected as error:
            record.failures.append(str(error))
        except OSError as error:
            waited = time.monotonic() - began
            record.failures.append(f"{error} after {waited:.1f} s")
        if record.failures:
            _pace(MAIL_INTERVAL_S, began)
    result.send(record)


class GoodClient:
    """Both of them, from start() to stop()."""

    def __init__(self, crew: Crew, others: Sequence[int]) -> None:
        self._crew = crew
        self._others = others  # process ids of those whose waits do not count
        self._stop = PROCESSES.Event()
        self._results: list[Connection] = []

    def start(self) -> None:
        self._stop.clear()
        self._results.clear()
        for act in (say_noop, send_mail):
            receiver, sender = multiprocessing.Pipe(duplex=False)
            self._crew.service(_work, act, self._stop, self._others, sender)
            sender.close()
            self._results.append(receiver)

    def stop(self) -> Service:
        """Waits for the answers that are due, and returns what was measured."""
        self._stop.set()
        noop, mail = (self._record(result) for result in self._results)
        return Service(
            Latency.of(noop.milliseconds, NOOP_INTERVAL_S * 1000),
            Latency.of(mail.milliseconds, MAIL_INTERVAL_S * 1000),
            mail.attempts,
            tuple(mail.failures),
            tuple(noop.failures),
        )

    @staticmethod
    def _record(result: Connection) -> Record:
        if not result.poll(3 * PATIENCE_S):
            return Record(failures=["the good client did not end"])
        record: Record = result.recv()
        return record
