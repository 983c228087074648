"""An MTA that is already running, at --target HOST:PORT.

It has to share a network namespace with conform (`unshare -n`, or a container without a network), be
configured for the routes that `conform --routes N` prints, and query DNS at 127.0.0.1; conform provides
DNS, upstream MTAs and the clients' addresses. If these addresses are hidden from the MTA, they are
passed by the PROXY protocol or by XCLIENT.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from conformance.expect import ConformanceFailure
from conformance.lab.client import Client
from conformance.subjects.base import CAPABILITIES, Plan, Subject, SubjectUnavailable

# Capabilities that need access to the process, its clock or its configuration.
OUT_OF_REACH = {
    "restart",
    "clock",
    "timeouts",
    "limits",
    "session-limits",
    "memory-budget",
}
OUT_OF_REACH |= {"plans", "provisioning", "proxy-protocol", "dmarc-options"}


class Remote(Subject):
    """An MTA reached only by SMTP."""

    name = "remote"
    needs_namespace = False
    start_patience = 3.0

    def __init__(self, target: str, client_address_by: str) -> None:
        super().__init__()
        host, _, port = target.rpartition(":")
        if not host or not re.fullmatch("[0-9]+", port) or not 0 < int(port) < 65536:
            raise SubjectUnavailable(
                f"--target '{target}' is not HOST:PORT, such as 127.0.0.1:25 or [::1]:25"
            )
        self._host = host.strip("[]")
        self._port = int(port)
        self.name = f"the MTA at {target}"
        self._client_address_by = client_address_by
        family = {"ipv6"} if ":" not in self._host else set()
        self.capabilities = frozenset(CAPABILITIES) - OUT_OF_REACH - family

    def version(self) -> str:
        if _has_a_way_out():
            raise SubjectUnavailable(
                "--target would add the lab's addresses to this network; start conform and the MTA in "
                "a network namespace of their own (unshare -n, or a container without a network)"
            )
        return f"at {self._host}:{self._port}"

    def configure(self, plan: Plan, directory: Path) -> None:
        """Nothing: its operator has configured it."""

    def start(self, clock_offset_days: float = 0.0) -> None:
        """Nothing: it is running."""

    def stop(self) -> None:
        """Nothing: it keeps running."""

    def kill(self) -> None:
        raise NotImplementedError

    def running(self) -> bool:
        return True

    def diagnosis(self) -> str:
        return "start it in this network, or name another with --target"

    @property
    def addresses(self) -> tuple[str, str]:
        return self._host, self._host

    @property
    def port(self) -> int:
        return self._port

    def preamble(self, client: str, server: str, port: int) -> bytes:
        if self._client_address_by != "proxy":
            return b""
        family = "TCP6" if ":" in client else "TCP4"
        return f"PROXY {family} {client} {server} 49152 {port}\r\n".encode("ascii")

    def introduce(self, client: Client, source: str) -> None:
        if self._client_address_by != "xclient":
            return
        client.banner()
        address = f"IPV6:{source}" if ":" in source else source
        banner = client.command(f"XCLIENT ADDR={address}")
        if banner.code != 220:
            raise ConformanceFailure("220 to XCLIENT", banner)
        client.unread(banner)


def _has_a_way_out() -> bool:
    """Whether there is a network interface other than loopback."""
    shown = subprocess.run(
        ["ip", "-o", "link", "show", "up"], capture_output=True, text=True
    )
    return any(": lo:" not in line for line in shown.stdout.splitlines())
