"""The processes of a run: started, placed on cores, and ended when their part is over.

The relay has a core of its own where there are two. Those who serve it, and the good client, share
the others with the load, which gives way to them.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from conformance.lab.namespace import die_with_parent

PROCESSES = multiprocessing.get_context("fork")
NICE_OF_LOAD = 19
# What a process is given to end by itself after its deadline.
GRACE_S = 2.0
PAUSE_S = 0.1


@dataclass(frozen=True)
class Cores:
    """Who runs where; None where there is no choice."""

    relay: int | None
    service: tuple[int, ...]  # nameserver, upstreams, good client
    load: tuple[int, ...]

    @classmethod
    def share(cls, available: list[int]) -> Cores:
        """The first is the relay's; with three or more the load has its own as well."""
        if len(available) < 2:
            return cls(None, tuple(available), tuple(available))
        relay, *others = available
        if len(others) < 2:
            return cls(relay, tuple(others), tuple(others))
        return cls(relay, (others[0],), tuple(others[1:]))

    def __str__(self) -> str:
        if self.relay is None:
            return "one core, shared by the relay and everybody else: times say little"

        def names(cores: tuple[int, ...]) -> str:
            return ",".join(str(core) for core in cores)

        if self.service == self.load:
            return (
                f"the relay on core {self.relay}; on core {names(self.service)} all others, "
                f"the load at nice {NICE_OF_LOAD}"
            )
        return (
            f"the relay on core {self.relay}; nameserver, upstream and good client on "
            f"{names(self.service)}; the load on {names(self.load)} at nice {NICE_OF_LOAD}"
        )


def raise_descriptors(wanted: int) -> int:
    """Allows this process and those it starts so many open files, or as many as can be had."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for limit in (wanted, hard):
        if limit <= soft:
            break
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, max(limit, hard)))
            return limit
        except (OSError, ValueError):
            continue
    return soft


class Counter:
    """A count that processes share. There is no lock that one could take to its grave, so each of
    several that count has a slot of its own."""

    SLOTS = 32

    def __init__(self) -> None:
        self._slots = PROCESSES.RawArray("Q", self.SLOTS)

    def add(self, count: int = 1, slot: int = 0) -> None:
        self._slots[slot] += count

    @property
    def value(self) -> int:
        return sum(self._slots)


class Crew:
    """The processes that one attack needs."""

    def __init__(self, cores: Cores) -> None:
        self.cores = cores
        self._all: list[multiprocessing.process.BaseProcess] = []
        self._load: list[multiprocessing.process.BaseProcess] = []

    def service(self, target: Callable[..., None], *arguments: Any) -> int:
        """Starts somebody who serves until stop(); the process id."""
        process = self._start(target, arguments, self.cores.service, 0)
        assert process.pid is not None
        return process.pid

    def load(self, target: Callable[..., None], *arguments: Any) -> None:
        """Starts somebody who makes load and ends by himself."""
        self._load.append(self._start(target, arguments, self.cores.load, NICE_OF_LOAD))

    def wait_for_load(self, deadline: float, meanwhile: Callable[[], None]) -> None:
        """Returns once all load has ended; ends what is left after the deadline."""
        while any(process.is_alive() for process in self._load):
            meanwhile()
            if time.monotonic() > deadline + GRACE_S:
                break
            time.sleep(PAUSE_S)
        for process in self._load:
            self._end(process)
        self._load.clear()

    def stop(self) -> None:
        """Ends everybody."""
        for process in self._all:
            self._end(process)
        self._all.clear()
        self._load.clear()

    def _start(
        self,
        target: Callable[..., None],
        arguments: tuple[Any, ...],
        cores: tuple[int, ...],
        nice: int,
    ) -> multiprocessing.process.BaseProcess:
        def run() -> None:
            die_with_parent()
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            os.sched_setaffinity(0, cores)
            os.nice(nice)
            target(*arguments)

        process = PROCESSES.Process(target=run, daemon=True)
        process.start()
        self._all.append(process)
        return process

    @staticmethod
    def _end(process: multiprocessing.process.BaseProcess) -> None:
        if process.is_alive():
            process.kill()
        process.join()
