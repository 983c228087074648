"""What a run of `attack` measures, the bounds that it is held to, and how both are shown.

Nothing here needs a network. Times are in milliseconds, memory in KiB.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

HELD_MAX_MS = 10.0  # one client cannot spend another's time
HELD_LARGE_MAX_MS = 50.0  # the same where a message of 25 MiB ends
RATIO_MAX = 3.0  # the good client's p99, to its quiet p99
# limits.memory is 256 MiB of messages; a thousand sessions and the relay itself come to that.
MEMORY_MAX_KIB = 320 * 1024
KIB_PER_MIB = 1024


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest of the values that `share` (0 to 1) of them do not exceed: the nearest rank."""
    if not values:
        raise ValueError("no values")
    rank = math.ceil(share * len(values))
    return sorted(values)[max(rank, 1) - 1]


def with_omitted(values: Sequence[float], interval: float) -> list[float]:
    """The values, and those that a client asking every `interval` without fail would have measured
    while ours waited for an answer: one that took 1000 hides those due after 10, 20, 30.
    """
    corrected: list[float] = []
    for value in values:
        while value > 0:
            corrected.append(value)
            value -= interval
    return corrected


@dataclass(frozen=True)
class Latency:
    """How long one kind of request took."""

    count: int
    p50: float
    p99: float
    max: float

    @classmethod
    def of(cls, values: Sequence[float], interval: float) -> Latency | None:
        """None where nothing was measured."""
        if not values:
            return None
        corrected = with_omitted(values, interval)
        return cls(
            len(values),
            percentile(corrected, 0.5),
            percentile(corrected, 0.99),
            max(values),
        )


@dataclass(frozen=True)
class Service:
    """What the good client got."""

    noop: Latency | None
    mail: Latency | None
    mails: int  # attempted
    refusals: tuple[str, ...] = ()  # a line for each mail that was not taken
    noop_failures: tuple[str, ...] = ()


@dataclass(frozen=True)
class Usage:
    """The relay during one attack."""

    held_ms: float  # the longest that the loop computed between two waits
    cpu_s: float
    waited_s: float  # for its core, which another process had
    rss_kib: int
    peak_kib: int  # the high-water mark
    descriptors: int


@dataclass(frozen=True)
class Bounds:
    """What is asked of the relay under one attack."""

    held_ms: float = HELD_MAX_MS
    ratio: float = RATIO_MAX
    # Below this a p99 is not held to its quiet one: another round of the loop may take so long.
    floor_ms: float = HELD_MAX_MS
    memory_kib: int = MEMORY_MAX_KIB


@dataclass
class Figures:
    """One row."""

    name: str
    service: Service
    usage: Usage
    broken: list[str] = field(default_factory=list)  # what is past its bound
    notes: list[str] = field(default_factory=list)
    only_slow: bool = False  # nothing is broken but bounds of time

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def ratio(now: Latency | None, quiet: Latency | None) -> float | None:
    """How many times its quiet p99 a p99 is."""
    return now.p99 / quiet.p99 if now and quiet and quiet.p99 > 0 else None


def judge_times(
    service: Service, usage: Usage, quiet: Service, bounds: Bounds
) -> list[str]:
    """What took too long, a phrase each."""
    broken = []
    if usage.held_ms > bounds.held_ms:
        broken.append(
            f"the loop was held for {usage.held_ms:.1f} ms (bound: {bounds.held_ms:g})"
        )
    for what, now, before in (
        ("NOOP", service.noop, quiet.noop),
        ("mail", service.mail, quiet.mail),
    ):
        times = ratio(now, before)
        if now and times and times > bounds.ratio and now.p99 > bounds.floor_ms:
            broken.append(
                f"{what} p99 is {now.p99:.1f} ms, {times:.1f} times the quiet one "
                f"(bound: {bounds.ratio:g})"
            )
    return broken


def judge_rest(service: Service, usage: Usage, bounds: Bounds) -> list[str]:
    """What else is past its bound, a phrase each."""
    broken = [
        f"no {what} of the good client was answered"
        for what, now in (("NOOP", service.noop), ("mail", service.mail))
        if now is None
    ]
    if service.refusals:
        broken.append(
            f"{len(service.refusals)} of {service.mails} mails of the good client failed: "
            f"{service.refusals[0]}"
        )
    if service.noop_failures:
        broken.append(f"the good client's session: {service.noop_failures[0]}")
    if usage.peak_kib > bounds.memory_kib:
        broken.append(
            f"{usage.peak_kib // KIB_PER_MIB} MiB of memory "
            f"(bound: {bounds.memory_kib // KIB_PER_MIB})"
        )
    return broken


HEADINGS = (
    "attack",
    "held",
    "NOOP p50/p99/max",
    "ratio",
    "mail p50/p99/max",
    "ratio",
    "failed",
    "RSS",
    "peak",
    "files",
    "busy",
    "waits",
    "",
)
UNITS = ("", "ms", "ms", "", "ms", "", "mails", "MiB", "MiB", "", "s", "s", "")


def row(figures: Figures, quiet: Service | None) -> list[str]:
    """The cells of one row; `quiet` is None for the quiet row itself."""
    service, usage = figures.service, figures.usage
    return [
        figures.name,
        f"{usage.held_ms:.1f}",
        _times(service.noop),
        _ratio(service.noop, quiet.noop if quiet else None),
        _times(service.mail),
        _ratio(service.mail, quiet.mail if quiet else None),
        f"{len(service.refusals)}/{service.mails}",
        f"{usage.rss_kib / KIB_PER_MIB:.0f}",
        f"{usage.peak_kib / KIB_PER_MIB:.0f}",
        str(usage.descriptors),
        f"{usage.cpu_s:.1f}",
        f"{usage.waited_s:.1f}",
        "FAILED" if figures.broken else "",
    ]


def table(rows: Sequence[Sequence[str]]) -> str:
    """Columns of equal width; the first and the last to the left, figures to the right."""
    widths = [max(len(cells[i]) for cells in rows) for i in range(len(rows[0]))]
    lines = []
    for cells in rows:
        padded = [
            cell.ljust(width) if i in (0, len(widths) - 1) else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(cells, widths))
        ]
        lines.append("  ".join(padded).rstrip())
    return "\n".join(lines)


def _times(latency: Latency | None) -> str:
    if latency is None:
        return "-"
    return "/".join(_short(value) for value in (latency.p50, latency.p99, latency.max))


def _short(milliseconds: float) -> str:
    """Two digits are enough."""
    return f"{milliseconds:.0f}" if milliseconds >= 9.95 else f"{milliseconds:.1f}"


def _ratio(now: Latency | None, quiet: Latency | None) -> str:
    times = ratio(now, quiet)
    return f"{times:.1f}" if times is not None else ""
