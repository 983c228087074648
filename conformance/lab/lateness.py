"""Whether the lab itself was late. On a machine that is too busy, the lab's upstreams and nameserver
answer later than the subject waits, and the subject later than a test waits: nothing that follows says
anything about the subject."""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path

from conformance.lab.loop import LoopThread

BEAT_S = 0.05
# The shortest time-out of a subject in the lab is a second (SHORT_TIMEOUTS).
LAG_MAX_S = 0.5
# Of the time of a test, for which one of our threads was ready and had no core to run on.
STARVED_SHARE_MAX = 0.5
STARVED_MIN_S = 1.0


class Lateness:
    """Measures from mark() on."""

    def __init__(self, loop: LoopThread) -> None:
        self._lock = threading.Lock()
        self._lag = 0.0
        self._began = time.monotonic()
        self._starved = starved_s()
        loop.call(lambda: loop.loop.create_task(self._beat()))

    def mark(self) -> None:
        """A test begins."""
        with self._lock:
            self._lag = 0.0
        self._began = time.monotonic()
        self._starved = starved_s()

    def complaint(self) -> str | None:
        """Why a failure since mark() means nothing, or None."""
        passed = time.monotonic() - self._began
        starved = starved_s() - self._starved
        with self._lock:
            lag = self._lag
        if lag > LAG_MAX_S:
            return f"the lab's own servers were late by {lag:.1f} s"
        if starved > max(STARVED_MIN_S, STARVED_SHARE_MAX * passed):
            return f"the lab had no processor for {starved:.1f} of {passed:.1f} s"
        return None

    async def _beat(self) -> None:
        while True:
            due = time.monotonic() + BEAT_S
            await asyncio.sleep(BEAT_S)
            with self._lock:
                self._lag = max(self._lag, time.monotonic() - due)


def starved_s() -> float:
    """Seconds for which the thread of this process that waited longest waited for a core (the kernel's
    sched-stats.rst: time running, time waiting, time slices)."""
    longest = 0
    for task in Path("/proc/self/task").iterdir():
        try:
            longest = max(longest, int((task / "schedstat").read_text().split()[1]))
        except (OSError, IndexError, ValueError):
            continue  # it has ended, or this kernel does not count
    return longest / 1e9
