"""The nameserver of another process, with the methods of one of our own.

Labs that share a network have one server in it, with one zone. So a test may use any name, and it does
not matter which lab added the records of a question that the subject asks.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from conformance.lab.nameserver.faults import TTL, Fault
from conformance.lab.nameserver.server import Nameserver, Query
from conformance.lab.nameserver.zone import ZoneData
from conformance.lab.sharing import Shared
from conformance.lab.transcript import Transcript


class SharedNameserver(Nameserver):
    """What tests say takes effect there with the next question, like in a server of our own."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._address, self._port = "127.0.0.1", 53
        self._transcript: Transcript | None = None
        self._is_shown: Callable[[str], bool] = bool
        self._noted = 0  # questions that no transcript needs any more

    def start(self) -> None:
        """Nothing: it runs."""

    def stop(self) -> None:
        """Nothing: it keeps running."""

    def record(
        self, transcript: Transcript | None, is_shown: Callable[[str], bool] = bool
    ) -> None:
        """The questions until the next call are noted in `transcript`, by then at the latest."""
        if self._transcript is not None:
            for query in self._shared.call("queries_since", self._noted):
                if self._is_shown(query.name):
                    self._transcript.remark("dns", str(query), query.at)
        self._transcript, self._is_shown = transcript, is_shown
        if transcript is not None:
            self._noted = self._shared.call("count_queries")

    def load(self, path: Path) -> None:
        self._shared.call("load", path)

    def add(self, name: str, rdtype: str, *rdata: str, ttl: int = TTL) -> None:
        self._shared.call("add", name, rdtype, *rdata, ttl=ttl)

    def add_text(self, name: str, text: str, ttl: int = TTL) -> None:
        self._shared.call("add_text", name, text, ttl)

    def remove(self, name: str, rdtype: str | None = None) -> None:
        self._shared.call("remove", name, rdtype)

    def fail(self, name: str, fault: Fault, rdtype: str = "ANY") -> None:
        self._shared.call("fail", name, fault, rdtype)

    def play(self, scenario: ZoneData | None) -> None:
        self._shared.call("play", scenario)

    def queries(
        self, name: str | None = None, rdtype: str | None = None
    ) -> list[Query]:
        return list(self._shared.call("queries", name, rdtype))

    def queries_since(self, count: int) -> list[Query]:
        return list(self._shared.call("queries_since", count))

    def count_queries(self) -> int:
        return int(self._shared.call("count_queries"))
