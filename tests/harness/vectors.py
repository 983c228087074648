"""What the vector runners share: the cases of fixtures/vectors, a nameserver that answers from a
scenario's zone on a loopback port, and the fairlead command."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from conformance.lab.loop import LoopThread
from conformance.lab.nameserver.server import Nameserver
from conformance.lab.nameserver.zone import ZoneData
from conformance.vectors.load import Case

ROOT = Path(__file__).resolve().parents[2]
PROCESS_TIMEOUT = 60.0


def fairlead() -> str:
    """The command under test."""
    return os.environ.get("FAIRLEAD", str(ROOT / "build" / "relay" / "fairlead"))


def run_fairlead(
    *arguments: str, stdin: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [fairlead(), *arguments],
        input=stdin,
        capture_output=True,
        timeout=PROCESS_TIMEOUT,
    )


def run_fairlead_json(*arguments: str, stdin: bytes = b"") -> Any:
    """The one JSON object that a tool prints when it could evaluate."""
    done = run_fairlead(*arguments, stdin=stdin)
    if done.returncode != 0:
        raise RuntimeError(
            f"fairlead {' '.join(arguments)}: exit {done.returncode}: "
            f"{done.stderr.decode(errors='replace').strip()}"
        )
    return json.loads(done.stdout)


def run_all(
    cases: list[Case], run: Callable[[Case, str], Any], workers: int = 8
) -> dict[str, Any]:
    """Runs `run(case, resolver)` for every case, several at once, each scenario with a DNS of its
    own. An exception is kept as the case's outcome."""

    def guarded(case: Case, resolver: str) -> Any:
        try:
            return run(case, resolver)
        except Exception as error:  # the case's own test reports it
            return error

    zones = {id(case.scenario): case.zone for case in cases}
    with serving(*zones.values()) as servers, ThreadPoolExecutor(workers) as pool:
        resolvers = {key: server.resolver for key, server in zip(zones, servers)}
        outcomes = {
            case.id: pool.submit(guarded, case, resolvers[id(case.scenario)])
            for case in cases
        }
        return {case_id: outcome.result() for case_id, outcome in outcomes.items()}


@contextmanager
def serving(*zones: ZoneData) -> Iterator[list[Nameserver]]:
    """A nameserver on 127.0.0.1 for each zone."""
    loop = LoopThread()
    servers = [Nameserver(loop, port=0, zone=zone) for zone in zones]
    try:
        for server in servers:
            server.start()
        yield servers
    finally:
        for server in servers:
            server.stop()
        loop.close()


@contextmanager
def resolving(zone: Mapping[str, Any]) -> Iterator[str]:
    """A nameserver for a zone in the form of the vectors; gives its address and port."""
    with serving(ZoneData.from_mapping(zone)) as (server,):
        yield server.resolver
