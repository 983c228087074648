"""Memory of sessions that do nothing, by what they did before: what of it stays."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any

from load.attacks.base import RECIPIENT, sources
from load.crew import Counter, Crew, raise_descriptors
from load.figures import table
from load.good_client import MESSAGE, SENDER
from load.ground import Ground, Scene
from load.relay import Relay
from load.wire import END, Wire

PROCESSES = 2  # that open sessions
PER_ADDRESS = 1000
# Each may take so long to open its sessions, which is far more than it does.
LIMIT_S = 600.0
# The relay, the nameserver and the sink have a few descriptors beside those of sessions.
SPARE_DESCRIPTORS = 200
# KiB a session, for thousands of them.
AIMS = {"banner": None, "EHLO": 20.0, "STARTTLS": 40.0, "mail": 24.0}
# The same for so few: freed memory that the relay keeps for the next mail, up to 32 MiB, is shared by
# them alone.
FEW = 1000
FEW_AIMS = {"banner": None, "EHLO": 22.0, "STARTTLS": 46.0, "mail": 80.0}


@dataclass
class State:
    """One kind of idle session."""

    name: str
    sessions: int
    kib_each: float
    descriptors_each: float
    aim_kib: float | None
    broken: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def judge(state: State) -> list[str]:
    """What is past the aim, a phrase each."""
    if state.aim_kib is None or state.kib_each <= state.aim_kib:
        return []
    return [
        f"{state.kib_each:.1f} KiB a session after {state.name} (aim: {state.aim_kib:g})"
    ]


def bring(wire: Wire, state: str) -> None:
    """Takes a new session to where it is to rest."""
    if state == "banner":
        wire.expect("220")
        return
    wire.greet()
    if state == "STARTTLS":
        wire.start_tls()
    elif state == "mail":
        wire.envelope(SENDER, RECIPIENT)
        wire.socket.sendall(MESSAGE + END[2:])
        wire.expect("250")


def hold(state: str, number: int, count: int, opened: Counter, over: Counter) -> None:
    """Opens sessions and holds them until told that it is over."""
    wires = []
    first = number * count
    for source in list(sources(first + count, PER_ADDRESS))[first:]:
        with suppress(OSError):
            wire = Wire(source)
            wires.append(wire)
            bring(wire, state)
            opened.add(1, number)
    while not over.value:
        time.sleep(0.1)


def measure(ground: Ground, sessions: int, say: Callable[[str], None]) -> list[State]:
    """Every state, each on a relay of its own."""
    # After a mail a session keeps its connection to the upstream for some seconds; it takes longer than
    # that to open so many.
    wanted = sessions + sessions // 2
    room = raise_descriptors(wanted + SPARE_DESCRIPTORS) - SPARE_DESCRIPTORS
    if room < wanted:
        sessions = room * 2 // 3
        say(f"only {sessions} sessions, as more files cannot be opened")
    states = []
    for name in AIMS:
        say(f"idle after {name}: {sessions} sessions")
        state = measure_one(ground, name, sessions, say)
        for phrase in state.broken:
            say(f"    FAILED: {phrase}")
        states.append(state)
    return states


def measure_one(
    ground: Ground, name: str, sessions: int, say: Callable[[str], None]
) -> State:
    limit = sessions + 100
    settings = {"limits": {"sessions": limit, "sessions_per_client": limit}}
    with ground.stand(Scene(settings=settings)) as stand:
        relay, crew = stand.relay, stand.crew
        with Wire("192.0.2.10") as wire:  # what one message needs is there once
            bring(wire, "mail")
            wire.say("QUIT")
        before, _ = relay.memory_kib()
        descriptors = relay.descriptors()
        opened, over = Counter(), Counter()
        held = open_all(relay, crew, name, sessions, (opened, over), say)
        settle(relay, descriptors + held)
        after, _ = relay.memory_kib()
        state = State(
            name,
            held,
            (after - before) / max(held, 1),
            (relay.descriptors() - descriptors) / max(held, 1),
            (FEW_AIMS if held <= FEW else AIMS)[name],
        )
        state.broken = judge(state)
        if held < sessions:
            state.broken.append(f"only {held} of {sessions} sessions were to be had")
        over.add()
    return state


def open_all(
    relay: Relay,
    crew: Crew,
    name: str,
    sessions: int,
    counters: tuple[Counter, Counter],
    say: Callable[[str], None],
) -> int:
    """Returns how many are open, once all are or it has taken too long."""
    opened, over = counters
    for number in range(PROCESSES):
        crew.load(hold, name, number, -(-sessions // PROCESSES), opened, over)
    began = told = time.monotonic()
    while opened.value < sessions and time.monotonic() < began + LIMIT_S:
        if not relay.running:
            break
        if time.monotonic() > told + 5:
            told = time.monotonic()
            say(f"    {opened.value} of {sessions}")
        time.sleep(0.05)
    return opened.value


def settle(relay: Relay, descriptors: int) -> None:
    """Returns once the relay has given up what idle sessions do not need, their connections to the
    upstream in the end; they are down to so many descriptors then."""
    began = time.monotonic()
    while time.monotonic() < began + SETTLE_MAX_S:
        time.sleep(SETTLE_S)
        if relay.descriptors() <= descriptors:
            break
    time.sleep(SETTLE_S)


SETTLE_S = 1.5  # an idle session gives up memory after a second without a command
SETTLE_MAX_S = 10.0  # and its upstream after five


def show(states: Sequence[State]) -> str:
    rows = [["idle after", "sessions", "KiB each", "aim", "files each", ""]]
    for state in states:
        rows.append(
            [
                state.name,
                str(state.sessions),
                f"{state.kib_each:.1f}",
                f"{state.aim_kib:g}" if state.aim_kib is not None else "",
                f"{state.descriptors_each:.1f}",
                "FAILED" if state.broken else "",
            ]
        )
    return table(rows)
