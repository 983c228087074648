"""What every attack has, and what it is given."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from load.crew import Counter, Crew
from load.figures import Bounds
from load.names import Zone
from load.relay import Relay
from load.wire import Wire

RECIPIENT = "load@example.com"
# Sessions of one client address that the relay allows by default.
SESSIONS_PER_CLIENT = 50
SAMPLE_INTERVAL_S = 0.2
MANY_SESSIONS = {"limits": {"sessions": 4000}}


@dataclass
class Field:
    """Where an attack takes place."""

    relay: Relay
    crew: Crew
    questions: Counter  # that the nameserver was asked
    seconds: float
    quick: bool
    deadline: float = 0.0  # time.monotonic()
    rss_kib: int = 0  # the most that was seen, as are the descriptors
    descriptors: int = 0
    notes: list[str] = field(default_factory=list)  # figures that have no column
    broken: list[str] = field(default_factory=list)  # bounds of this attack alone

    def load(self, target: Callable[..., None], *arguments: Any) -> None:
        """Starts a process of the load: target(deadline, *arguments)."""
        self.crew.load(target, self.deadline, *arguments)

    def wait(self) -> None:
        """Returns once all that load() started has ended."""
        self.crew.wait_for_load(self.deadline, self.sample)

    def pause(self, seconds: float) -> None:
        """Waits, and looks at what the relay uses meanwhile."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self.sample()
            time.sleep(min(left, SAMPLE_INTERVAL_S))
        self.sample()

    def sample(self) -> None:
        rss, _ = self.relay.memory_kib()
        self.rss_kib = max(self.rss_kib, rss)
        self.descriptors = max(self.descriptors, self.relay.descriptors())

    def few(self, many: int, few: int) -> int:
        """A number that the short form reduces."""
        return few if self.quick else many


class Attack:
    """The base of all attacks."""

    name: ClassVar[str] = ""
    settings: ClassVar[Mapping[str, Any]] = {}  # merged into the relay's
    bounds: ClassVar[Bounds] = Bounds()
    log_is_read: ClassVar[bool] = True
    quick: ClassVar[bool] = True  # whether it is in the short form

    @property
    def sentence(self) -> str:
        """What is sent, for --list."""
        return " ".join((self.__doc__ or "").split("\n\n")[0].split())

    def bounds_with(self, floor_ms: float) -> Bounds:
        return replace(self.bounds, floor_ms=floor_ms)

    def routes(self) -> Mapping[str, str]:
        """More routes of example.com."""
        return {}

    def zone(self, zone: Zone) -> None:
        """Adds what the relay will ask for."""

    def prepare(self, field: Field) -> None:
        """Whatever is not to be measured; the relay runs, the good client does not yet."""

    def run(self, field: Field) -> None:
        """The load itself; returns at the deadline or earlier."""
        raise NotImplementedError

    def conclude(self, field: Field) -> None:
        """Adds to field.notes and field.broken once the load is over."""


class Counting(Attack):
    """The base of those whose load counts what it has done."""

    counted: ClassVar[str] = ""  # what, for the report

    def __init__(self) -> None:
        self.count = Counter()

    def conclude(self, field: Field) -> None:
        field.notes.append(f"{self.count.value} {self.counted}")


def sources(count: int, each: int = SESSIONS_PER_CLIENT - 1) -> Iterator[str]:
    """`count` addresses for as many sessions, none more often than `each` times."""
    for number in range(count):
        yield f"203.0.113.{1 + number // each}"


def linger(deadline: float) -> None:
    """Holds on until the end."""
    time.sleep(max(0.0, deadline - time.monotonic()))


def opened(deadline: float, count: int, first: int = 0) -> Iterator[Wire]:
    """`count` sessions that have been greeted, as far as time and relay allow."""
    for source in list(sources(first + count))[first:]:
        if time.monotonic() > deadline:
            return
        try:
            wire = Wire(source, max(1.0, deadline - time.monotonic()))
            wire.greet()
        except OSError:
            continue
        yield wire
