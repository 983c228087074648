"""What the vector runners share: scenarios from fixtures/vectors, a nameserver that answers from a
scenario's zone on a loopback port, and the fairlead command.

The format is described in fixtures/vectors/README.md.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from conformance.lab.loop import LoopThread
from conformance.lab.nameserver.server import Nameserver
from conformance.lab.nameserver.zone import ZoneData

ROOT = Path(__file__).resolve().parents[2]
VECTORS = ROOT / "fixtures" / "vectors"
PROCESS_TIMEOUT = 60.0


@dataclass(frozen=True)
class Case:
    """One test of one scenario: a name that no other case of its folder has, and what it says."""

    id: str
    file: str
    scenario: Mapping[str, Any]
    name: str
    test: Mapping[str, Any]
    zone: ZoneData  # of the scenario


def case_id(case: Case) -> str:
    """For pytest's `ids`."""
    return case.id


def load_cases(folder: str) -> list[Case]:
    """Every test of every scenario in fixtures/vectors/<folder>/*.yaml, in the files' order."""
    cases: list[Case] = []
    for path in sorted((VECTORS / folder).glob("*.yaml")):
        for scenario in yaml.safe_load_all(path.read_text(encoding="utf-8")):
            zone = ZoneData.from_mapping(scenario.get("zone") or {})
            defaults = scenario.get("defaults") or {}
            for name, own in scenario["tests"].items():
                test = {**defaults, **own}
                case = f"{path.stem}:{name}"
                cases.append(Case(case, path.name, scenario, name, test, zone))
    duplicates = {case.id for case in cases if sum(c.id == case.id for c in cases) > 1}
    assert not duplicates, f"test names used twice: {sorted(duplicates)}"
    return cases


def message_octets(message: str | list[str]) -> bytes:
    """A message of a vector: a text or a list of its parts, whose characters up to U+00FF stand for
    octets, LF for CRLF."""
    return "".join(message).encode("latin-1").replace(b"\n", b"\r\n")


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
