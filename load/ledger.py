"""The invariant that every message of a soak is held to, and the messages themselves.

A client sees a 2xx to the end of DATA if and only if an upstream has taken that very message with a
2xx. The only deviation that SMTP permits is its own: the upstream took it and the client's connection
was lost before the reply came. So nothing is lost, nothing is taken twice, nothing is altered; and
where nobody is at fault, nothing is refused.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

FROM = b"From: <ann@sender.example>\r\n"
ID_FIELD = b"Soak: "
SIZES = (200, 2_000, 20_000, 300_000)
SIZE_WEIGHTS = (50, 40, 9, 1)


@dataclass(frozen=True)
class Told:
    """One message as its client has it."""

    id: int
    code: int | None  # the last reply in its transaction; None: lost before it came
    whole: bool  # the end of data was sent
    recipients: tuple[str, ...]  # that were granted
    dialogue: tuple[str, ...] = ()
    faultless: bool = (
        False  # neither its client nor its upstream nor its names have a fault
    )


@dataclass(frozen=True)
class Taken:
    """One message that an upstream took responsibility for, as it has it."""

    id: int | None  # None: not to be found in it
    intact: bool
    recipients: tuple[str, ...]
    dialogue: tuple[str, ...] = ()


def make_message(number: int, chance: random.Random) -> bytes:
    """A message that has its id and a hash of the rest in it, for seeing whether that is unaltered."""
    size = chance.choices(SIZES, SIZE_WEIGHTS)[0]
    lines = [b"Subject: soak\r\n", b"\r\n"]
    while size > 0:
        lines.append(_line(chance))
        size -= len(lines[-1])
    rest = b"".join(lines)
    digest = hashlib.sha256(rest).hexdigest().encode()
    return FROM + ID_FIELD + b"%d " % number + digest + b"\r\n" + rest


def _line(chance: random.Random) -> bytes:
    """Dots in front, blanks at the end, octets above 127, long lines and empty ones: all allowed."""
    start = chance.choice((b"", b"", b".", b"..", b" ", b"\xe4"))
    end = chance.choice((b"", b"", b"  ", b"\t"))
    return start + b"x" * chance.choice((0, 10, 70, 70, 900)) + end + b"\r\n"


def examine(content: bytes) -> tuple[int | None, bool]:
    """The id of a message as it arrived, dots unstuffed, and whether it is as it was sent below the
    fields that were put on top."""
    start = content.find(FROM + ID_FIELD)
    if start < 0:
        return None, False
    line, _, rest = content[start + len(FROM + ID_FIELD) :].partition(b"\r\n")
    number, _, digest = line.partition(b" ")
    intact = hashlib.sha256(rest).hexdigest().encode() == digest
    return int(number), intact


def violation(told: Told | None, taken: list[Taken]) -> str | None:
    """What is wrong with one message, once its client is done with it; None if nothing."""
    if told is None:
        return "an upstream took a message that nobody sent"
    if any(not one.intact for one in taken):
        return "the message was altered"
    if len(taken) > 1:
        return f"upstreams took it {len(taken)} times"
    if not told.whole and taken:
        return "an upstream took a message whose end was never sent"
    if told.whole and told.code is not None:
        if told.code // 100 == 2 and not taken:
            return f"the client was told {told.code}, and no upstream took it"
        if told.code // 100 != 2 and taken:
            return f"the client was told {told.code}, and an upstream took it"
    if told.faultless and told.code is not None and told.code // 100 != 2:
        return f"it was refused with {told.code}, and there is nothing wrong with it"
    if taken and sorted(taken[0].recipients) != sorted(told.recipients):
        return f"it was granted for {told.recipients}, taken for {taken[0].recipients}"
    return None


class Journal:
    """A file of records, a JSON object a line, that one process writes and another follows."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._offset = 0

    def append(self, record: Told | Taken) -> None:
        """Complete on return, so that whoever is told afterwards finds it."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(record)) + "\n")

    def news(self) -> Iterator[dict[str, Any]]:
        """What has been added since the last time."""
        if not self.path.exists():
            return
        with self.path.open("rb") as file:
            file.seek(self._offset)
            for line in file:
                if not line.endswith(b"\n"):
                    return  # being written
                self._offset += len(line)
                yield json.loads(line)

    def dialogue(self, number: int | None) -> list[str]:
        """What was said about one message."""
        found: list[str] = []
        for record in Journal(self.path).news():
            if record["id"] == number:
                found += record["dialogue"]
        return found


@dataclass
class Counts:
    """A soak so far."""

    told: int = 0
    granted: int = 0  # 2xx
    refused: int = 0
    lost: int = 0  # no reply to the end of data
    given_up: int = 0  # by the client before that
    taken: int = 0


class Ledger:
    """Both sides' journals, compared. Of each message only what the comparison needs is kept."""

    def __init__(self, clients: list[Journal], upstreams: list[Journal]) -> None:
        self._clients = clients
        self._upstreams = upstreams
        self._told: dict[int, Told] = {}
        self._taken: dict[int | None, list[Taken]] = {}
        self.counts = Counts()

    def follow(self, over: bool = False) -> list[tuple[int | None, str]]:
        """Reads on, and returns the violations among messages that have changed: (id, what). Messages
        that no client knows are violations once all clients are done (`over`)."""
        changed: set[int | None] = set()
        for journal in self._clients:
            for record in journal.news():
                told = Told(
                    record["id"],
                    record["code"],
                    record["whole"],
                    tuple(record["recipients"]),
                    faultless=record["faultless"],
                )
                self._told[told.id] = told
                self._count(told)
                changed.add(told.id)
        # Read afterwards, so it has whatever those clients were told of.
        for journal in self._upstreams:
            for record in journal.news():
                taken = Taken(
                    record["id"], record["intact"], tuple(record["recipients"])
                )
                self._taken.setdefault(taken.id, []).append(taken)
                self.counts.taken += 1
                changed.add(taken.id)
        if over:
            changed |= set(self._taken)
        return [
            (number, wrong)
            for number in changed
            if (over or number in self._told)
            and (wrong := violation(self._of(number), self._taken.get(number, [])))
        ]

    def transcript(self, number: int | None) -> str:
        """Both sides of one message."""
        lines = []
        for title, journals in (
            ("client", self._clients),
            ("upstream", self._upstreams),
        ):
            for journal in journals:
                lines += [f"  {title} {said}" for said in journal.dialogue(number)]
        return "\n".join(lines)

    def _of(self, number: int | None) -> Told | None:
        return None if number is None else self._told.get(number)

    def _count(self, told: Told) -> None:
        self.counts.told += 1
        if not told.whole and told.code is None:
            self.counts.given_up += 1
        elif told.code is None:
            self.counts.lost += 1
        elif told.code // 100 == 2 and told.whole:
            self.counts.granted += 1
        else:
            self.counts.refused += 1
