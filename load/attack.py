"""`attack`: hostile and merely heavy load on the reference relay, beside a client that behaves.

`--help` explains options, columns and exit status.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from load import attacks, idle
from load.attacks.base import Attack, Field
from load.enter import FAILED, USAGE, count, enter, positive
from load.figures import (
    HEADINGS,
    HELD_MAX_MS,
    UNITS,
    Figures,
    Service,
    Usage,
    judge_rest,
    judge_times,
    row,
    table,
)
from load.good_client import GoodClient
from load.ground import Ground, Scene
from load.names import Zone
from load.relay import BINARY

EPILOG = """\
Each attack meets a fresh relay with default limits (where an attack is about something else, with
more sessions), in a network of its own. Beside it a good client says NOOP every 5 ms in one session
and sends a small message every 50 ms; the same without an attack is the quiet row.

held   the longest time, in CPU time, that the relay's loop computed between two waits: for so
       long nobody else is served. Bound: 10 ms; 50 ms with messages of 25 MB.
NOOP, mail  what the good client waited for an answer, and for a message from the connection to the
       last reply: median, 99th percentile, the longest, in ms. What it would have asked while it
       waited is counted in; time for which it, the relay or its upstream had no core to run
       on is not, as that is the machine's. ratio: the p99, to the quiet p99. Bound: 3, where the p99 is
       over --floor.
failed mails of the good client that were not taken. Bound: none.
RSS, peak  the relay's memory during the attack, and its high-water mark. Bound: 320 MiB.
files  the descriptors that it had open.
busy, waits  the CPU time that the relay used, and the time for which it was ready and another process
       had its core, in s. Where it waits, the machine is busy with something else.

What is past a bound of time alone is measured once more, and judged by that: a machine among others
has its bad moments, a relay's weakness comes again. The report says so.

Exit status: 0 within all bounds, 1 past one of them, 2 usage, 3 could not be run.

examples:
  scripts/attack                        all of them: some minutes
  scripts/attack rsa-exponent --seconds 30
  scripts/attack --idle 10000           memory of a session that does nothing
  scripts/attack --quick --json out.json
"""
QUICK_SECONDS, SECONDS = 1.0, 8.0
QUICK_FLOOR_MS = 100.0
QUIET_QUICK_SECONDS = 3.0
IDLE_QUICK = 500
QUIET = "quiet"


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="attack",
        description="Attacks the reference relay, and fails where the attack is felt.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("names", nargs="*", metavar="NAME", help="only these attacks")
    made.add_argument("--list", action="store_true", help="name and explain them all")
    made.add_argument(
        "--seconds", type=positive, metavar="N", help="of each attack (default: 8)"
    )
    made.add_argument(
        "--quick",
        action="store_true",
        help="the short form: fewer attacks, a second each, and the memory of 500 idle sessions",
    )
    made.add_argument(
        "--idle",
        type=count,
        metavar="N",
        help="instead of attacks: memory of N idle sessions, by what they did before",
    )
    made.add_argument(
        "--floor",
        type=positive,
        metavar="MS",
        help="a p99 of the good client up to this is never too long (default: 10; in the short "
        "form, which has few figures, 100)",
    )
    made.add_argument("--json", type=Path, metavar="FILE", help="the figures as well")
    made.add_argument(
        "--binary", type=Path, metavar="FILE", help="a relay other than build-bench's"
    )
    return made


def chosen(options: argparse.Namespace) -> list[Attack]:
    """The attacks that were asked for. SystemExit where there is no such."""
    known = attacks.named()
    unknown = [name for name in options.names if name not in known]
    if unknown:
        complain(f"no attack '{unknown[0]}'; --list names them all")
        raise SystemExit(USAGE)
    if options.names:
        return [known[name] for name in options.names]
    return [attack for attack in known.values() if attack.quick or not options.quick]


def complain(text: object) -> None:
    print(f"attack: {text}", file=sys.stderr, flush=True)


class Quiet(Attack):
    """Nothing but the good client."""

    def run(self, field: Field) -> None:
        field.pause(field.seconds)


def measure(
    ground: Ground,
    attack: Attack,
    seconds: float,
    quick: bool,
    quiet: Service | None,
    floor_ms: float,
) -> Figures:
    """One attack on a relay of its own."""
    zone = Zone()
    attack.zone(zone)
    scene = Scene(
        zone, attack.routes(), attack.settings, log_is_read=attack.log_is_read
    )
    with ground.stand(scene) as stand:
        relay = stand.relay
        assert relay.meter is not None
        field = Field(relay, stand.crew, stand.questions, seconds, quick)
        attack.prepare(field)
        warm_up(stand.client)
        relay.reset_peak()
        relay.meter.reset()
        cpu_before, waited_before = relay.cpu_s()
        field.deadline = time.monotonic() + seconds
        stand.client.start()
        attack.run(field)
        service = stand.client.stop()
        field.sample()
        attack.conclude(field)
        _, peak = relay.memory_kib()
        cpu, waited = relay.cpu_s()
        usage = Usage(
            relay.meter.held_ms,
            cpu - cpu_before,
            waited - waited_before,
            field.rss_kib,
            peak,
            field.descriptors,
        )
        bounds = attack.bounds_with(floor_ms)
        slow = judge_times(service, usage, quiet, bounds) if quiet else []
        broken = judge_rest(service, usage, bounds) + field.broken
        if not relay.running:
            broken.append(f"the relay ended\n{relay.diagnosis()}")
        elif (status := relay.stop()) != 0:
            broken.append(f"at SIGTERM the relay ended with status {status}")
    name, only_slow = attack.name or QUIET, bool(slow) and not broken
    return Figures(name, service, usage, slow + broken, field.notes, only_slow)


def warm_up(client: GoodClient) -> None:
    """What the good client needs is in the relay's cache."""
    client.start()
    time.sleep(0.1)
    client.stop()


def run_attacks(ground: Ground, options: argparse.Namespace) -> list[Figures]:
    """The quiet row and one for each attack; each is announced. What is interrupted shows what there
    was until then."""
    wanted = chosen(options)
    seconds = options.seconds or (QUICK_SECONDS if options.quick else SECONDS)
    complain(f"{ground.cores}; no attack yet")
    quiet_seconds = max(seconds, QUIET_QUICK_SECONDS)
    floor = options.floor or (QUICK_FLOOR_MS if options.quick else HELD_MAX_MS)
    rows = [measure(ground, Quiet(), quiet_seconds, False, None, floor)]
    try:
        for number, attack in enumerate(wanted, 1):
            complain(f"{number}/{len(wanted)} {attack.name}: {attack.sentence}")
            settled = seconds, options.quick, rows[0].service, floor
            figures = measure(ground, attack, *settled)
            if figures.only_slow:
                explain(figures, "once more, as")
                figures = measure(ground, attacks.named()[attack.name], *settled)
            explain(figures, "FAILED:")
            rows.append(figures)
    finally:
        print(show(rows), flush=True)
    return rows


def explain(figures: Figures, verdict: str) -> None:
    for note in figures.notes:
        complain(f"    {note}")
    for phrase in figures.broken:
        complain(f"    {verdict} {phrase}")


def show(rows: Sequence[Figures]) -> str:
    quiet = rows[0].service
    cells = [row(rows[0], None), *(row(figures, quiet) for figures in rows[1:])]
    return table([HEADINGS, UNITS, *cells])


def inside(options: argparse.Namespace) -> int:
    """The run itself, in the namespace; the exit status."""
    ground = Ground.prepare((options.binary or BINARY).resolve())
    result: dict[str, Any] = {"cores": str(ground.cores)}
    failed = False
    if options.idle is None:
        rows = run_attacks(ground, options)
        result["attacks"] = [figures.to_json() for figures in rows]
        failed = any(figures.broken for figures in rows)
    if options.idle or (options.quick and not options.names):
        states = idle.measure(ground, options.idle or IDLE_QUICK, complain)
        print(idle.show(states))
        result["idle"] = [state.to_json() for state in states]
        failed = failed or any(state.broken for state in states)
    print(f"placed: {ground.cores}")
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return FAILED if failed else 0


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    if options.list:
        known = attacks.named()
        width = max(len(name) for name in known)
        for name, attack in known.items():
            print(f"{name:{width}}  {attack.sentence}")
        return 0
    chosen(options)
    return enter(
        "attack",
        options.binary,
        ["load/libloop_meter.so"],
        lambda: inside(options),
    )


if __name__ == "__main__":
    sys.exit(main())
