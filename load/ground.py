"""Where a run takes place: the addresses of a fresh namespace, and in them, for each attack, a
nameserver, upstreams and a relay, all of them new."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from conformance.lab import namespace
from load import names, sink
from load.crew import Cores, Counter, Crew
from load.good_client import RECIPIENT, GoodClient
from load.names import Zone
from load.relay import IPV4, IPV6, Relay, configuration
from load.wait import wait_for_port

LOG = "relay.log"
# Of a pipe that nobody reads: room for short lines, and for less than a long one.
PIPE_OCTETS = 16384

# Beside those of an attack.
ROUTES = {
    RECIPIENT: "info@good-sink.example",
    "load@example.com": "load@sink.example",
}


@dataclass(frozen=True)
class Scene:
    """What one attack needs."""

    zone: Zone = field(default_factory=Zone)
    routes: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)  # beside the usual ones
    upstreams: Sequence[
        tuple[Any, ...]
    ] = ()  # beside the sink: a function, its arguments
    answers_are_kept: bool = True  # by the nameserver
    log_is_read: bool = True
    metered: bool = True


@dataclass(frozen=True)
class Stand:
    """What runs."""

    relay: Relay
    crew: Crew
    questions: Counter  # to the nameserver
    client: GoodClient


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
    def stand(self, scene: Scene) -> Iterator[Stand]:
        """Nameserver, upstreams and relay run; all are ended afterwards."""
        crew, questions = Crew(self.cores), Counter()
        log = self.directory / LOG
        log.unlink(missing_ok=True)
        pipe = -1
        if not scene.log_is_read:
            os.mkfifo(log)
            pipe = os.open(log, os.O_RDWR | os.O_NONBLOCK)
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, PIPE_OCTETS)
        common_records(scene.zone)
        relay = Relay(
            self.directory,
            configuration({**ROUTES, **scene.routes}, scene.settings),
            self.binary,
            self.cores.relay,
            scene.metered,
        )
        try:
            crew.service(names.serve, scene.zone, questions, scene.answers_are_kept)
            crew.service(
                sink.serve, {sink.ADDRESS: sink.Sink, sink.MUTE_ADDRESS: sink.Mute}
            )
            good_sink = crew.service(sink.serve, {sink.GOOD_ADDRESS: sink.Sink})
            for upstream, *arguments in scene.upstreams:
                crew.service(upstream, *arguments)
            wait_for_port("127.0.0.1", 53)
            for address in (sink.ADDRESS, sink.GOOD_ADDRESS):
                wait_for_port(address, sink.PORT)
            relay.start()
            yield Stand(
                relay, crew, questions, GoodClient(crew, [relay.pid, good_sink])
            )
        finally:
            if relay.running:
                relay.kill()
            crew.stop()
            if pipe >= 0:
                os.close(pipe)


def common_records(zone: Zone) -> None:
    """The good client's domain and the upstream's."""
    zone.text("sender.example", "v=spf1 ip4:192.0.2.0/24 -all")
    zone.text("_dmarc.sender.example", "v=DMARC1; p=none")
    zone.host("sink.example", sink.ADDRESS)
    zone.host("good-sink.example", sink.GOOD_ADDRESS)
