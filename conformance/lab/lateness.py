"""Whether the lab, or the machine under it, was late. Where it is too busy, the lab's upstreams and
nameserver answer later than the subject waits, and the subject later than a test waits: nothing that
follows says anything about the subject."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable, Iterable

from conformance.lab.loop import LoopThread

BEAT_S = 0.05
# The shortest time-out of a subject in the lab is a second (SHORT_TIMEOUTS).
LAG_MAX_S = 0.5
# Of the time of a test, for which one of our threads, or of the subject's, was ready and had no core to
# run on.
STARVED_SHARE_MAX = 0.5
STARVED_MIN_S = 1.0


class Lateness:
    """Measures from mark() on, for this process and for those of the subject, as far as known."""

    def __init__(
        self, loop: LoopThread, subject: Callable[[], Iterable[int]] = tuple
    ) -> None:
        self._lock = threading.Lock()
        self._loop = loop
        self._subject = subject
        self._lag = 0.0
        self._began = time.monotonic()
        self._waited = self._waits()
        loop.call(lambda: loop.loop.create_task(self._beat()))

    def mark(self) -> None:
        """A test begins."""
        with self._lock:
            self._lag = 0.0
        self._began = time.monotonic()
        self._waited = self._waits()

    def complaint(self) -> str | None:
        """Why a failure since mark() means nothing, or None. Not to be called on the loop's thread."""
        passed = time.monotonic() - self._began
        self._loop.catch_up()  # a beat that is due
        with self._lock:
            lag = self._lag
        if lag > LAG_MAX_S:
            return f"the lab's own servers were late by {lag:.1f} s"
        starved = max(
            waited - self._waited.get(task, 0.0)
            for task, waited in self._waits().items()
        )
        # A wait is counted when it ends: it may have begun before.
        starved = min(starved, passed)
        if starved > max(STARVED_MIN_S, STARVED_SHARE_MAX * passed):
            return (
                f"lab or subject had no processor for {starved:.1f} of {passed:.1f} s"
            )
        return None

    def _waits(self) -> dict[str, float]:
        """Seconds for which each thread has waited for a core, by its number."""
        waits = {}
        for process in ("self", *map(str, self._subject())):
            for task in tasks_of(process):
                try:
                    waits[os.path.basename(task)] = schedule_of(task)[1]
                except (OSError, IndexError, ValueError):
                    continue  # it has ended, or this kernel does not count
        return waits

    async def _beat(self) -> None:
        while True:
            due = time.monotonic() + BEAT_S
            await asyncio.sleep(BEAT_S)
            with self._lock:
                self._lag = max(self._lag, time.monotonic() - due)


def tasks_of(process: str) -> list[str]:
    """The paths of its threads below /proc."""
    folder = f"/proc/{process}/task"
    try:
        return [f"{folder}/{name}" for name in os.listdir(folder)]
    except OSError:
        return []  # it has ended


def schedule_of(task: str) -> tuple[float, float]:
    """Seconds for which a process or thread below /proc has run, and for which it was ready and had no
    core (the kernel's sched-stats.rst)."""
    with open(f"{task}/schedstat", "rb", buffering=0) as file:
        ran, waited, _ = file.read().split()
    return int(ran) / 1e9, int(waited) / 1e9
