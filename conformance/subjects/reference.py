"""The reference relay, build/relay/fairlead."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from conformance.settings import ROOT
from conformance.subjects.base import (
    CAPABILITIES,
    SHORT_TIMEOUTS,
    Limits,
    Plan,
    Process,
    Subject,
    SubjectUnavailable,
    Zone,
    tail,
)

BINARY = ROOT / "build" / "relay" / "fairlead"
# The documented service: its page, and the records of its zones.
EXAMPLE = ROOT / "relay" / "install" / "email-routing.yaml"
FAKETIME = "libfaketime.so.1"
FAKETIME_DIRECTORIES = (
    "/usr/lib/x86_64-linux-gnu/faketime",
    "/usr/lib/aarch64-linux-gnu/faketime",
)

LIMITS = Limits(sessions_per_client=20, sessions=50, memory=64 * 1024 * 1024)
SRS_SECRETS = ("the lab's first secret", "the lab's second secret")


class Reference(Subject):
    """One process in the foreground, configured by one YAML file."""

    name = "reference"
    capabilities = frozenset(CAPABILITIES) - {"queue"}
    timeouts = SHORT_TIMEOUTS
    limits = LIMITS
    left_out: tuple[str, ...] = ()  # sections of its configuration

    def __init__(
        self, binary: str | None = None, broken_clause: str | None = None
    ) -> None:
        super().__init__()
        self.binary = Path(binary).resolve() if binary else BINARY
        self.broken_clause = broken_clause
        self._process: Process | None = None
        self._directory = Path()

    def version(self) -> str:
        try:
            result = subprocess.run(
                [self.binary, "--version"], capture_output=True, text=True, timeout=10
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            why = error.strerror if isinstance(error, OSError) else "no output"
            raise SubjectUnavailable(
                f"cannot run {self.binary} ({why}); build it, or choose another "
                "with --binary"
            ) from error
        return result.stdout.strip()

    @property
    def _file(self) -> str:
        return str(self._directory / "fairlead.yaml")

    def configure(self, plan: Plan, directory: Path) -> None:
        self._directory = directory
        write_configuration(plan, Path(self._file), self.left_out)

    def provision(self, domain: str) -> str:
        return self._run("zone", "-c", self._file, domain).stdout

    def check_zone(self, domain: str) -> bool:
        answer = json.loads(self._run("check-zone", "-c", self._file, domain).stdout)
        return bool(answer["in_order"])

    def complaint_about(self, zone: Zone) -> str | None:
        assert self.plan is not None
        others = tuple(
            known for known in self.plan.zones if known.domain != zone.domain
        )
        file = self._directory / "complaint.yaml"
        write_configuration(
            replace(self.plan, zones=(*others, zone)), file, self.left_out
        )
        result = self._run("check-config", "-c", str(file))
        return result.stderr if result.returncode != 0 else None

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """One of the relay's own tools."""
        options = ["--break", self.broken_clause] if self.broken_clause else []
        return subprocess.run(
            [str(self.binary), *options, *arguments],
            capture_output=True,
            text=True,
            timeout=20,
        )

    def start(self, clock_offset_days: float = 0.0) -> None:
        options = ["--break", self.broken_clause] if self.broken_clause else []
        arguments = [str(self.binary), *options, "serve", "-c", self._file]
        self._process = Process(
            arguments, self._directory / "log", faketime_environment(clock_offset_days)
        )
        self._process.start()

    def stop(self) -> None:
        if self._process:
            self._process.stop()

    def kill(self) -> None:
        if self._process:
            self._process.stop(signal.SIGKILL)

    def running(self) -> bool:
        return self._process is not None and self._process.running

    def process_ids(self) -> list[int]:
        return [self._process.pid] if self._process and self._process.running else []

    def held(self) -> AbstractContextManager[None]:
        assert self._process is not None
        return self._process.held()

    def diagnosis(self) -> str:
        return tail(self._directory / "log")


def private_copy(key: Path, directory: Path) -> Path:
    """The relay refuses a key that others can read, as a checkout makes it."""
    copy = directory / key.name
    copy.touch(0o600)
    copy.write_bytes(key.read_bytes())
    return copy


def write_configuration(plan: Plan, file: Path, left_out: tuple[str, ...] = ()) -> None:
    """Writes it in JSON, which is YAML and needs no thought about quoting; without some sections."""
    plan = replace(
        plan,
        signing_key=private_copy(plan.signing_key, file.parent),
        tls_key=private_copy(plan.tls_key, file.parent),
    )
    sections = configuration(plan)
    for name in left_out:
        del sections[name]
    text = json.dumps(sections, indent=1, ensure_ascii=False)
    file.touch(0o600)  # it holds the SRS secrets
    file.write_text(text + "\n", encoding="utf-8")


def configuration(plan: Plan) -> dict[str, object]:
    """The example of the documented service, with what the plan says in place of its own."""
    example: dict[str, Any] = yaml.safe_load(EXAMPLE.read_text(encoding="utf-8"))
    own = [plan.ipv4, plan.ipv6]
    ordinary = [{"address": address, "port": plan.port} for address in own]
    proxied = [
        {
            "address": address,
            "port": plan.proxy_port,
            "proxy_protocol_from": ["192.0.2.0/24", "2001:db8::/32"],
        }
        for address in own
    ]
    return {
        "hostname": plan.hostname,
        "listen": ordinary + proxied,
        "tls": {"certificate": str(plan.tls_certificate), "key": str(plan.tls_key)},
        "resolver": {"servers": ["127.0.0.1"], "timeout": 1, "tries": 2},
        "upstream": {"ehlo": plan.ehlo, "source": own},
        "timeouts": {
            "client_command": SHORT_TIMEOUTS.client_command,
            "client_data": SHORT_TIMEOUTS.client_data,
            "recipient": SHORT_TIMEOUTS.recipient,
            "upstream_connect": SHORT_TIMEOUTS.upstream_connect,
            "upstream_banner": SHORT_TIMEOUTS.upstream_command,
            "upstream_command": SHORT_TIMEOUTS.upstream_command,
            "upstream_data": SHORT_TIMEOUTS.upstream_command,
            "upstream_block": SHORT_TIMEOUTS.upstream_command,
            "upstream_final": SHORT_TIMEOUTS.upstream_data_end,
            "drain": 2,
        },
        "limits": {
            "sessions": LIMITS.sessions,
            "sessions_per_client": LIMITS.sessions_per_client,
            "memory": LIMITS.memory,
        },
        "postmaster": {**example["postmaster"], "address": plan.contact},
        "provisioning": example["provisioning"],
        "srs": {"secrets": list(SRS_SECRETS)},
        "identity": {
            "domain": plan.signing_domain,
            "selector": plan.selector,
            "key": str(plan.signing_key),
        },
        "dnsbl": {
            "lists": [{"zone": zone, "name": name} for zone, name in plan.dnsbls]
        },
        "dmarc": {"edition": plan.dmarc_edition, "quarantine": plan.dmarc_quarantine},
        "zones": [
            {
                "domain": zone.domain,
                "plan": zone.plan,
                "routes": [
                    {"address": route.address, "to": route.to} for route in zone.routes
                ],
            }
            for zone in plan.zones
        ],
    }


def faketime_environment(days: float) -> dict[str, str]:
    """What makes a program believe in a date `days` from now; nothing for the present."""
    if not days:
        return {}
    for directory in FAKETIME_DIRECTORIES:
        library = Path(directory) / FAKETIME
        if library.exists():
            break
    else:
        raise SubjectUnavailable("libfaketime is not installed")
    return {
        "LD_PRELOAD": str(library),
        "FAKETIME": f"{days * 86400:+.0f}s",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        # A relay built with sanitizers would refuse a library that is loaded before theirs.
        "ASAN_OPTIONS": f"{os.environ.get('ASAN_OPTIONS', '')}:verify_asan_link_order=0",
    }
