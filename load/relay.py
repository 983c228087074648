"""The relay under load: its configuration, its process, and what it uses."""

from __future__ import annotations

import json
import mmap
import os
import signal
import struct
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conformance.build import RELEASE_DIRECTORY
from conformance.lab.lateness import schedule_of
from conformance.settings import ROOT
from conformance.subjects.base import Process, SubjectUnavailable, tail
from conformance.subjects.reference.configuration import private_copy
from load.wait import wait_for_port

IPV4 = "104.30.0.7"
IPV6 = "2405:8100:c000::7"
PORT = 25
BINARY = RELEASE_DIRECTORY / "relay" / "fairlead"
METER = RELEASE_DIRECTORY / "load" / "libloop_meter.so"
KEYS = ROOT / "fixtures" / "keys"

# struct meter of loop_meter.c: rounds, the longest in ns, all in ns.
METER_LAYOUT = struct.Struct("QQQ")

# Transactions in progress have `drain` seconds to end.
STOP_PATIENCE_S = 40.0

Settings = dict[str, Any]


def configuration(
    routes: Mapping[str, str], changes: Mapping[str, Any] | None = None
) -> Settings:
    """A relay that signs and seals, with the limits and time-outs that an operator has who sets
    none. `changes` are merged into it, mapping by mapping."""
    settings: Settings = {
        "hostname": "mx.example.com",
        "listen": [{"address": IPV4, "port": PORT}, {"address": IPV6, "port": PORT}],
        "tls": {
            "certificate": str(KEYS / "test-tls-certificate.pem"),
            "key": str(KEYS / "test-tls-key.pem"),
        },
        "resolver": {"servers": ["127.0.0.1"]},
        "upstream": {"ehlo": "mx.example.com", "source": [IPV4, IPV6]},
        "identity": {
            "domain": "example.com",
            "selector": "load",
            "key": str(KEYS / "test-service-rsa2048.pem"),
        },
        "postmaster": {"address": "postmaster@sink.example"},
        "srs": {"secrets": ["a secret of those who load it"]},
        "zones": [
            {
                "domain": "example.com",
                "routes": [
                    {"address": address, "to": to} for address, to in routes.items()
                ],
            }
        ],
    }
    return merged(settings, changes or {})


def merged(settings: Mapping[str, Any], changes: Mapping[str, Any]) -> Settings:
    """`settings` with `changes`, which win."""
    result = dict(settings)
    for key, value in changes.items():
        known = result.get(key)
        both = isinstance(known, Mapping) and isinstance(value, Mapping)
        result[key] = merged(known, value) if both else value  # type: ignore[arg-type]
    return result


def write_private(settings: Mapping[str, Any], file: Path, comments: int = 0) -> None:
    """Writes the configuration, with copies of its keys beside it: the relay refuses what others can
    read. Of `comments` there are about so many octets."""
    keys = {
        section: {"key": str(private_copy(Path(settings[section]["key"]), file.parent))}
        for section in ("tls", "identity")
        if "key" in settings.get(section, {})
    }
    text = json.dumps(merged(settings, keys)) + "\n"
    file.touch(0o600)
    file.write_text(text + ("#" * 79 + "\n") * (comments // 80), encoding="utf-8")


@dataclass
class Meter:
    """The file that loop_meter.c writes."""

    path: Path

    def __post_init__(self) -> None:
        self.path.write_bytes(bytes(METER_LAYOUT.size))
        with self.path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), METER_LAYOUT.size)

    def reset(self) -> None:
        self._map[:] = bytes(METER_LAYOUT.size)

    @property
    def held_ms(self) -> float:
        """The longest that the loop computed between two waits since reset()."""
        _, longest, _ = METER_LAYOUT.unpack(self._map[:])
        return float(longest) / 1e6

    @property
    def rounds(self) -> int:
        return int(METER_LAYOUT.unpack(self._map[:])[0])


class Relay:
    """One process."""

    def __init__(
        self,
        directory: Path,
        settings: Settings,
        binary: Path = BINARY,
        core: int | None = None,  # that it is to run on
        metered: bool = True,
    ) -> None:
        self.directory = directory
        self.settings = settings
        self._binary = binary
        self._core = core
        self._process: Process | None = None
        self.meter = Meter(directory / "meter") if metered else None
        self.log = directory / "relay.log"
        self.write_configuration(settings)

    @property
    def file(self) -> Path:
        return self.directory / "fairlead.yaml"

    def write_configuration(self, settings: Settings, comments: int = 0) -> None:
        """In JSON, which is YAML; with so many octets of comments."""
        written = self.file.with_suffix(".new")
        write_private(settings, written, comments)
        written.rename(self.file)

    def start(self) -> None:
        """Returns once it listens; SubjectUnavailable where it does not."""
        environment = {}
        if self.meter:
            environment = {
                "LD_PRELOAD": str(METER),
                "LOOP_METER": str(self.meter.path),
                # A relay with sanitizers would refuse a library that is loaded before theirs.
                "ASAN_OPTIONS": f"{os.environ.get('ASAN_OPTIONS', '')}:verify_asan_link_order=0",
            }
        arguments = [str(self._binary), "serve", "-c", str(self.file)]
        self._process = Process(arguments, self.log, environment)
        self._process.start()
        try:
            wait_for_port(IPV4, PORT, lambda: self.running)
        except TimeoutError as error:
            raise SubjectUnavailable(
                f"the relay does not start\n{self.diagnosis()}"
            ) from error
        if self._core is not None:
            os.sched_setaffinity(self.pid, [self._core])

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.running

    def reload(self) -> None:
        """Has it read its configuration again."""
        if self.running:
            os.kill(self.pid, signal.SIGHUP)

    def stop(self) -> int | None:
        """SIGTERM; its exit status, negative where it ended by a signal or had to be killed."""
        assert self._process is not None
        return self._process.stop(signal.SIGTERM, STOP_PATIENCE_S)

    def kill(self) -> None:
        """Ends it like a power failure."""
        assert self._process is not None
        self._process.stop(signal.SIGKILL)

    def diagnosis(self) -> str:
        return tail(self.log) if self.log.is_file() else ""

    # What it uses

    def reset_peak(self) -> None:
        """Begins a new high-water mark (proc(5), clear_refs)."""
        Path(f"/proc/{self.pid}/clear_refs").write_text("5", encoding="ascii")

    def memory_kib(self) -> tuple[int, int]:
        """RSS and its high-water mark; zeros where it has ended."""
        found = {"VmRSS": 0, "VmHWM": 0}
        with suppress(OSError):
            status = Path(f"/proc/{self.pid}/status").read_text(encoding="utf-8")
            for line in status.splitlines():
                name, _, value = line.partition(":")
                if name in found:
                    found[name] = int(value.split()[0])
        return found["VmRSS"], found["VmHWM"]

    def descriptors(self) -> int:
        with suppress(OSError):
            return len(os.listdir(f"/proc/{self.pid}/fd"))
        return 0

    def cpu_s(self) -> tuple[float, float]:
        """CPU time used, and time spent waiting for a core (kernel's sched-stats.rst)."""
        with suppress(OSError):
            return schedule_of(f"/proc/{self.pid}")
        return 0.0, 0.0
