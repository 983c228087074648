"""Replies of servers, and what becomes of a recipient by them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

ENHANCED = re.compile(r"([245]\.\d{1,3}\.\d{1,3})(?: |$)")
LINE = re.compile(rb"(\d{3})(?:([- ])(.*))?\Z", re.DOTALL)
LINES_MAX = 128


class Lost(Exception):
    """The session cannot be used any more: it was closed, silent or not SMTP."""


@dataclass(frozen=True)
class Reply:
    """A server's reply, without its line ends."""

    code: int
    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        return " ".join((str(self.code), *self.lines)).strip()

    @property
    def positive(self) -> bool:
        return 200 <= self.code < 300

    @property
    def permanent(self) -> bool:
        return self.code >= 500

    @property
    def status(self) -> str:
        """The enhanced status code, or one of the reply's class."""
        found = ENHANCED.match(self.lines[0]) if self.lines else None
        own = f"{self.code // 100}"
        if found and found[1].startswith(own):
            return found[1]
        return f"{own}.0.0"


class Fate(Enum):
    """What became of a recipient in one attempt."""

    DELIVERED = "delivered"
    DEFERRED = "deferred"
    FAILED = "failed"


@dataclass(frozen=True)
class Outcome:
    """Of one attempt for one recipient."""

    fate: Fate
    status: str  # RFC 3463
    text: str  # of the reply, or why there is none
    host: str = ""  # that replied
    elsewhere: bool = False  # another host may be tried at once

    @classmethod
    def of(cls, reply: Reply, host: str, elsewhere: bool = True) -> Outcome:
        """Of a recipient for whom the transaction ended with that reply."""
        if reply.positive:
            return cls(Fate.DELIVERED, reply.status, reply.text, host)
        fate = Fate.FAILED if reply.permanent else Fate.DEFERRED
        again = fate == Fate.DEFERRED and elsewhere
        return cls(fate, reply.status, reply.text, host, again)
