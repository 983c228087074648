"""`soak`: mixed load with faults on every side, and every message of it checked.

`--help` explains options and exit status.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from conformance.lab.nameserver.faults import Drop, Servfail
from conformance.subjects.base import SubjectUnavailable
from load import soak_client, soak_upstream
from load.crew import Crew
from load.enter import FAILED, count, enter, positive
from load.figures import KIB_PER_MIB
from load.ground import Ground, Scene
from load.ledger import Journal, Ledger
from load.names import Sometimes, Zone
from load.relay import BINARY, Relay

EPILOG = """\
Clients send message after message and die at every step; upstreams refuse, defer, stall, hang up
and talk garbage at every stage; names fail; the relay reads its configuration again, every second
time a broken one, and is killed and started again. Each message has an id. Checked is that a client
was told 2xx if and only if an upstream took that very message with a 2xx: none lost, none twice
(unless a client lost its connection before the reply: once), none altered; and where nobody was
at fault, none refused.

In the second half the relay is not killed, so that growth of its memory shows.
A seed gives the same clients and upstreams; what meets what is the clock's.

Exit status: 0 without a violation, 1 with one (its transcript is printed), 2 usage, 3 could not be
run.

examples:
  scripts/soak --minutes 30
  scripts/soak --minutes 10 --binary build-asan/relay/fairlead
"""
SETTINGS = {
    "resolver": {"servers": ["127.0.0.1"], "timeout": 2, "tries": 3},
    "timeouts": {
        "client_command": 20,
        "client_data": 20,
        "recipient": 20,
        "delivery": 30,
        "upstream_connect": 3,
        "upstream_banner": 5,
        "upstream_command": 5,
        "upstream_data": 5,
        "upstream_block": 5,
        "upstream_final": 10,
        "drain": 10,
    },
}
BROKEN_CONFIGURATIONS: tuple[bytes, ...] = (
    b"",
    b"{",
    b"hostname: [\n",
    b"hostname: mx.example.com\nunknown: 1\n",
    b"\0\xff",
)
WORKERS_MAX = 200  # each has an address of its own
SHOWN_MAX = 5  # violations, with their transcripts
QUICK_MINUTES = 0.1
LAST_ANSWERS_S = 70.0  # after the deadline clients wait for what is due
SETTLE_S = 3.0  # after the last client the relay closes what it has open


@dataclass(frozen=True)
class Pace:
    """Seconds between one and the next."""

    progress: float
    reload: float
    kill: float


STEADY, QUICK = Pace(10.0, 10.0, 45.0), Pace(2.0, 0.5, 1.4)


@dataclass
class Snapshot:
    """What the relay used at one moment."""

    rss_kib: int
    peak_kib: int
    descriptors: int

    @classmethod
    def of(cls, relay: Relay) -> Snapshot:
        return cls(*relay.memory_kib(), relay.descriptors())

    def __str__(self) -> str:
        rss, peak = self.rss_kib / KIB_PER_MIB, self.peak_kib / KIB_PER_MIB
        return f"RSS {rss:.1f} MiB, peak {peak:.1f} MiB, {self.descriptors} files"


@dataclass
class Outcome:
    """A whole soak."""

    seed: int
    seconds: float = 0.0
    reloads: int = 0
    kills: int = 0
    start: Snapshot | None = None
    end: Snapshot | None = None
    violations: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="soak",
        description="Loads the reference relay with faults on every side, and checks every message.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("--minutes", type=positive, metavar="N", help="default: 5")
    made.add_argument(
        "--quick", action="store_true", help="the short form: 6 seconds, faster faults"
    )
    made.add_argument("--seed", type=int, metavar="N", help="default: a new one")
    made.add_argument(
        "--workers", type=count, default=16, metavar="N", help="clients at once (16)"
    )
    made.add_argument("--json", type=Path, metavar="FILE", help="the summary as well")
    made.add_argument(
        "--binary",
        type=Path,
        metavar="FILE",
        help="a relay other than build-bench's, such as one with sanitizers",
    )
    return made


def complain(text: object) -> None:
    print(f"soak: {text}", file=sys.stderr, flush=True)


def make_zone(seed: int) -> Zone:
    zone = Zone()
    for host in soak_upstream.hosts():
        zone.host(host.domain, host.address)
    good = soak_upstream.hosts()[0].address
    zone.host(soak_client.SHAKY, good, ttl=1)
    zone.add(soak_client.SHAKY, "TXT", '"v=spf1 -all"', ttl=1)
    chance = random.Random(seed)
    for name in (soak_client.SHAKY, f"mx.{soak_client.SHAKY}"):
        zone.fail(name, Sometimes(0.2, chance))
    zone.fail("servfail.example", Servfail())
    zone.fail("silent.example", Drop())
    return zone


class Soak:
    """One run."""

    def __init__(
        self, relay: Relay, ledger: Ledger, pace: Pace, outcome: Outcome
    ) -> None:
        self._relay = relay
        self._ledger = ledger
        self._pace = pace
        self._outcome = outcome
        self._began = time.monotonic()
        self._chance = random.Random(outcome.seed)
        self._reported: set[int | None] = set()

    def run(self, seconds: float) -> None:
        """Until the time is over or something is wrong."""
        events: list[tuple[float, float, Callable[[], None]]] = [
            (self._pace.progress, seconds, self.progress),
            (self._pace.reload, seconds, self.reload),
            (self._pace.kill, seconds / 2, self.kill),
        ]
        due = [interval for interval, _, _ in events]
        while (passed := time.monotonic() - self._began) < seconds:
            for i, (interval, until, act) in enumerate(events):
                if due[i] <= passed < until:
                    due[i] += interval
                    act()
            self.check_alive()
            if self._outcome.violations:
                return
            if passed > seconds / 2 and self._outcome.start is None:
                self._outcome.start = Snapshot.of(self._relay)
            time.sleep(0.05)

    def progress(self) -> None:
        self.check()
        counts = self._ledger.counts
        complain(
            f"{time.monotonic() - self._began:.0f} s: {counts.told} messages, "
            f"{counts.granted} granted, {counts.refused} refused, "
            f"{counts.given_up + counts.lost} clients died, {counts.taken} taken; "
            f"{Snapshot.of(self._relay)}"
        )

    def reload(self) -> None:
        self._outcome.reloads += 1
        if self._outcome.reloads % 2:
            self._relay.file.write_bytes(self._chance.choice(BROKEN_CONFIGURATIONS))
        else:
            self._relay.write_configuration(self._relay.settings)
        self._relay.reload()

    def kill(self) -> None:
        self._outcome.kills += 1
        self._relay.kill()
        self._relay.write_configuration(self._relay.settings)
        try:
            self._relay.start()
        except SubjectUnavailable as error:
            self._outcome.violations.append(str(error))

    def check_alive(self) -> None:
        if not self._relay.running and not self._outcome.violations:
            self._outcome.violations.append(
                f"the relay ended by itself\n{self._relay.diagnosis()}"
            )

    def check(self, over: bool = False) -> None:
        for number, wrong in self._ledger.follow(over):
            if number not in self._reported:
                self._reported.add(number)
                self._outcome.violations.append(
                    f"message {number}: {wrong}\n{self._ledger.transcript(number)}"
                )

    def finish(self, crew: Crew) -> None:
        """Once no client begins anything new: the last answers, and the relay's end."""
        if not self._outcome.violations:
            crew.wait_for_load(time.monotonic() + LAST_ANSWERS_S, self.check_alive)
        self.check(over=True)
        self._outcome.counts = asdict(self._ledger.counts)
        self._outcome.seconds = time.monotonic() - self._began
        self.check_alive()
        if not self._relay.running:
            return
        self._wait_for_descriptors()
        self._outcome.end = Snapshot.of(self._relay)
        if self._outcome.end.descriptors > IDLE_DESCRIPTORS_MAX:
            self._outcome.violations.append(
                f"{self._outcome.end.descriptors} descriptors are open without a session"
            )
        if (status := self._relay.stop()) != 0:
            self._outcome.violations.append(
                f"at SIGTERM the relay ended with status {status}\n{self._relay.diagnosis()}"
            )

    def _wait_for_descriptors(self) -> None:
        deadline = time.monotonic() + soak_upstream.STALL_S + SETTLE_S
        while (
            self._relay.descriptors() > IDLE_DESCRIPTORS_MAX
            and time.monotonic() < deadline
        ):
            time.sleep(0.1)


# Of a relay without sessions: its standard ones, its listeners, the loop's, the resolver's.
IDLE_DESCRIPTORS_MAX = 16


def inside(options: argparse.Namespace) -> int:
    """The run itself, in the namespace; the exit status."""
    ground = Ground.prepare((options.binary or BINARY).resolve())
    minutes = options.minutes or (QUICK_MINUTES if options.quick else 5.0)
    seed = random.randrange(1 << 32) if options.seed is None else options.seed
    outcome = Outcome(seed)
    upstream = Journal(ground.directory / "upstream")
    clients = [
        Journal(ground.directory / f"client-{number}")
        for number in range(options.workers)
    ]
    scene = Scene(
        make_zone(seed),
        soak_client.routes(),
        SETTINGS,
        upstreams=[(soak_upstream.serve, upstream.path, seed)],
        answers_are_kept=False,
        metered=False,
    )
    complain(f"{minutes * 60:.0f} s with seed {seed}; {ground.cores}")
    with ground.stand(scene) as stand:
        soak = Soak(
            stand.relay,
            Ledger(clients, [upstream]),
            QUICK if options.quick else STEADY,
            outcome,
        )
        deadline = time.monotonic() + minutes * 60
        for number, journal in enumerate(clients):
            stand.crew.load(soak_client.work, deadline, number, seed, journal.path)
        soak.run(minutes * 60)
        soak.finish(stand.crew)
    print(show(outcome))
    if options.json:
        options.json.write_text(json.dumps(asdict(outcome), indent=1) + "\n", "utf-8")
    return FAILED if outcome.violations else 0


def show(outcome: Outcome) -> str:
    lines = [f"VIOLATION: {text}" for text in outcome.violations[:SHOWN_MAX]]
    counts: dict[str, Any] = outcome.counts
    lines += [
        f"{outcome.seconds:.0f} s with seed {outcome.seed}: "
        + ", ".join(
            f"{number} {name.replace('_', ' ')}" for name, number in counts.items()
        ),
        f"{outcome.reloads} reloads, every second one broken; {outcome.kills} kills",
        f"start of the second half: {outcome.start}",
        f"end, without a session:   {outcome.end}",
        f"{len(outcome.violations)} violations",
    ]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    if options.workers > WORKERS_MAX:
        parser().error(f"--workers is at most {WORKERS_MAX}")
    return enter("soak", options.binary, [], lambda: inside(options))


if __name__ == "__main__":
    sys.exit(main())
