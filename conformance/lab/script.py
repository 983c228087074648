"""Scripts for upstream MTAs: actions, and the stages of the dialogue at which they are done.

A stage is a point in the dialogue at which the server has to reply or act:

    connect  ehlo  helo  starttls  mail  rcpt  data  content  end  rset  noop  quit

"content" is the message after 354, "end" the reply to its final dot.
"""

from __future__ import annotations

import asyncio
import threading
import time
from dataclasses import dataclass

from conformance.expect import ConformanceFailure

STAGES = (
    "connect ehlo helo starttls mail rcpt data content end rset noop quit".split()
)  # in their order


class Action:
    """What a server does at a stage instead of sending its ordinary reply."""


@dataclass(frozen=True)
class Say(Action):
    """Sends `data`, in `pieces` TCP segments."""

    data: bytes
    pieces: int = 1

    @property
    def positive(self) -> bool:
        return self.data[:1] in (b"2", b"3")


@dataclass(frozen=True)
class Stall(Action):
    """Sends nothing more and keeps the connection open."""


@dataclass(frozen=True)
class HangUp(Action):
    """Closes the connection, with an RST if `reset`."""

    reset: bool = False


# How often a wait for one of two events looks for the other.
LOOK_INTERVAL_S = 0.02


class Hold(Action):
    """Waits until the test releases it, then continues with the next action."""

    def __init__(self) -> None:
        self._reached = threading.Event()
        self._released = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    def wait_until_reached(self, patience: float) -> None:
        """Returns once a dialogue has reached it; fails after `patience` seconds."""
        if not self._reached.wait(patience):
            raise ConformanceFailure(
                f"an upstream dialogue at the stage that holds it within {patience:g} s",
                "none reached that stage",
            )

    def wait_until_reached_or(
        self, otherwise: threading.Event, patience: float
    ) -> None:
        """The same, but returns as well once `otherwise` has happened, after which it cannot be."""
        deadline = time.monotonic() + patience
        while not otherwise.is_set():
            if self._reached.wait(LOOK_INTERVAL_S):
                return
            if time.monotonic() > deadline:
                self.wait_until_reached(0)

    def release(self) -> None:
        """Lets the dialogue continue."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._released.set)
        else:
            self._released.set()

    async def pass_through(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._reached.set()
        await self._released.wait()


def say(text: str | bytes, pieces: int = 1) -> Say:
    """A reply, e.g. say("550 5.1.1 no such user"); several lines are divided by line feeds and
    written in full: say("550-one\\n550 two"). `pieces` splits it over that many TCP segments.
    """
    data = text.encode("utf-8") if isinstance(text, str) else text
    return Say(data.replace(b"\n", b"\r\n") + b"\r\n", pieces)


def raw(data: bytes, pieces: int = 1) -> Say:
    """Exactly these bytes."""
    return Say(data, pieces)


def stall() -> Stall:
    return Stall()


def hang_up(reset: bool = False) -> HangUp:
    return HangUp(reset)


def hold() -> Hold:
    return Hold()


@dataclass(frozen=True)
class Rule:
    """When to do what; see Upstream.on()."""

    stage: str
    actions: tuple[Action, ...]
    recipient: str | None
    nth: int | None
    after: int
