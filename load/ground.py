"""Where a run takes place: the addresses of a fresh namespace, and in them, for each attack, a
nameserver, upstreams and a relay, all of them new."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conformance.lab import namespace
from load import names, sink
from load.crew import Cores, Counter, Crew
from load.names import Zone
from load.relay import IPV4, IPV6, Relay, configuration
from load.wait import wait_for_port

# Of the pipe that a log goes into which nobody reads.
LOG = "relay.log"


@dataclass(frozen=True)
class Ground:
    """What all attacks of a run have in common."""

    directory: Path
    cores: Cores
    binary: Path

    @classmethod
    def prepare(cls, binary: Path) -> Ground:
        """In a namespace that nobody has configured yet."""
        namespace.prepare_scratch()
        namespace.configure([IPV4, IPV6])
        directory = namespace.scratch()
        namespace.bind_resolver_files(directory)
        return cls(directory, Cores.share(sorted(os.sched_getaffinity(0))), binary)

    @contextmanager
    def relay(
        self,
        zone: Zone,
        routes: Mapping[str, str],
        settings: Mapping[str, Any],
        log_is_read: bool = True,
    ) -> Iterator[tuple[Relay, Crew, Counter]]:
        """A relay that runs, those who serve it, and the count of the questions to its nameserver;
        all ended afterwards."""
        crew, questions = Crew(self.cores), Counter()
        log = self.directory / LOG
        log.unlink(missing_ok=True)
        pipe = -1
        if not log_is_read:
            os.mkfifo(log)
            pipe = os.open(log, os.O_RDWR | os.O_NONBLOCK)
        common_records(zone)
        relay = Relay(
            self.directory,
            configuration(common_routes(routes), settings),
            self.binary,
            self.cores.relay,
        )
        try:
            crew.service(names.serve, zone, questions)
            crew.service(sink.serve)
            wait_for_port("127.0.0.1", 53)
            wait_for_port(sink.ADDRESS, sink.PORT)
            relay.start()
            yield relay, crew, questions
        finally:
            if relay.running:
                relay.kill()
            crew.stop()
            if pipe >= 0:
                os.close(pipe)


def common_routes(more: Mapping[str, str]) -> dict[str, str]:
    return {
        "info@example.com": "info@sink.example",
        "load@example.com": "load@sink.example",
        **more,
    }


def common_records(zone: Zone) -> None:
    """The good client's domain and the upstream's."""
    zone.text("sender.example", "v=spf1 ip4:192.0.2.0/24 -all")
    zone.text("_dmarc.sender.example", "v=DMARC1; p=none")
    zone.host("sink.example", sink.ADDRESS)
