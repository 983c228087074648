"""An MTA that is already running, at --target HOST:PORT (README.md, "An MTA that runs already").

It has to share a network namespace with conform (`unshare -nm`, or a container without a network), be
configured for the plan that `--plan FILE` writes, and query DNS at 127.0.0.1; conform provides DNS,
upstream MTAs and the clients' addresses. If these addresses are hidden from the MTA, they are passed by
the PROXY protocol or by XCLIENT.
"""

from __future__ import annotations

import errno
import ipaddress
import re
import socket
import subprocess
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from conformance.expect import ConformanceFailure
from conformance.lab.client import Client
from conformance.lab.plan import SUBJECT_IPV4, SUBJECT_IPV6
from conformance.settings import Settings
from conformance.subjects.base import (
    PAGE_ADDRESSES,
    Plan,
    Subject,
    SubjectUnavailable,
)
from conformance.subjects.claims import Claims, read_claims

GREETING_PATIENCE_S = 10.0
REPLY_MAX = 512  # RFC 5321 4.5.3.1.5


class Remote(Subject):
    """An MTA reached only by SMTP."""

    needs_namespace = False
    can_restart = False

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        assert settings.target is not None
        self._endpoint = endpoint("--target", settings.target, 4)
        self._endpoint6 = (
            endpoint("--target6", settings.target6, 6) if settings.target6 else None
        )
        path = settings.capabilities
        claims = read_claims(Path(path)) if path else Claims()
        self._claims = claims
        self.name = f"the MTA at {settings.target}"
        self.title = settings.name or claims.title or settings.target
        self.limits = claims.limits
        self.timeouts = claims.timeouts
        if path is not None:
            self.queue_files = claims.queue_files
            self.queue_directory = Path(path).resolve().parent
        self._client_address_by = settings.client_address_by
        self.capabilities = claims.capabilities
        if self._endpoint6 is None:
            self.capabilities -= {"ipv6"}
        if set(self.addresses) <= {SUBJECT_IPV4, SUBJECT_IPV6}:
            self.capabilities |= {PAGE_ADDRESSES}

    # What the interface asks for

    def version(self) -> str:
        """Its banner. Raises SubjectUnavailable if the lab cannot be in this network, or if the MTA does
        not greet."""
        if _has_a_way_out():
            raise SubjectUnavailable(
                "--target would add the lab's addresses to this network; start conform and the MTA in "
                "a network namespace of their own (unshare -nm, or a container without a network)"
            )
        _enable_loopback()
        banner = self._greeting("--target", self._endpoint)
        if self._endpoint6 is not None:
            self._greeting("--target6", self._endpoint6)
        return banner

    def adapt(self, plan: Plan) -> Plan:
        address, port = self._endpoint
        return replace(
            plan,
            ipv4=address,
            ipv6=self._endpoint6[0] if self._endpoint6 else "",
            port=port,
            proxy_port=plan.proxy_port + (port == plan.proxy_port),
            dmarc_edition=self._claims.dmarc_edition,
            dmarc_quarantine=self._claims.dmarc_quarantine,
        )

    def configure(self, plan: Plan, directory: Path) -> None:
        """Nothing: its operator has configured it."""

    def start(self, clock_offset_days: float = 0.0) -> None:
        """Nothing: it is running."""

    def stop(self) -> None:
        """Nothing: it keeps running."""

    @property
    def restartable(self) -> bool:
        return False

    def kill(self) -> None:
        raise NotImplementedError

    def running(self) -> bool:
        return True

    def diagnosis(self) -> str:
        return "its logs are its operator's"

    @property
    def addresses(self) -> tuple[str, str]:
        """Without an IPv6 address, twice that of IPv4."""
        return self._endpoint[0], (self._endpoint6 or self._endpoint)[0]

    @property
    def port(self) -> int:
        return self._endpoint[1]

    def endpoint(self, family: int) -> tuple[str, int]:
        if family == 6 and self._endpoint6 is not None:
            return self._endpoint6
        return self._endpoint

    def wait_until_ready(self) -> None:
        self._greeting("--target", self._endpoint)

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

    # Before a run

    def _greeting(self, option: str, at: tuple[str, int]) -> str:
        """The text of its banner at one of its addresses. Raises SubjectUnavailable."""
        host, port = at
        where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        try:
            with socket.create_connection(at, GREETING_PATIENCE_S) as probe:
                probe.sendall(self.preamble(host, host, port))
                said = probe.recv(REPLY_MAX)
                with suppress(OSError):
                    probe.sendall(b"QUIT\r\n")
                    probe.recv(REPLY_MAX)
        except TimeoutError as error:
            raise SubjectUnavailable(
                f"{option} {where} sent no greeting within {GREETING_PATIENCE_S:g} s"
            ) from error
        except OSError as error:
            raise SubjectUnavailable(_no_connection(option, where, error)) from error
        if not said:
            raise SubjectUnavailable(
                f"{option} {where} closes the connection instead of greeting"
            )
        line = said.split(b"\n")[0].decode("ascii", "backslashreplace").strip()
        if not line.startswith("220"):
            raise SubjectUnavailable(
                f"{option} {where} greets with '{line}', not with 220: if it refuses clients that it "
                "does not know, have it accept any; if it expects the PROXY protocol, say "
                "--client-address-by proxy"
            )
        return line.removeprefix("220").lstrip(" -") or "no text in its banner"


def endpoint(option: str, text: str, family: int) -> tuple[str, int]:
    """Address and port of HOST:PORT. Raises SubjectUnavailable."""
    host, _, port = text.rpartition(":")
    example = "127.0.0.1:25" if family == 4 else "[::1]:25"
    is_whole = re.fullmatch(r"\[[^]]+\]|[^:]+", host) and re.fullmatch("[0-9]+", port)
    if not is_whole or not 0 < int(port) < 65536:
        raise SubjectUnavailable(
            f"{option} '{text}' is not HOST:PORT, such as {example}"
        )
    wanted = socket.AF_INET if family == 4 else socket.AF_INET6
    try:
        found = socket.getaddrinfo(host.strip("[]"), int(port), wanted)
    except (OSError, UnicodeError) as error:
        other = (
            "; its IPv6 address goes with --target6, and --target has the IPv4 address"
            if family == 4 and ":" in host
            else ""
        )
        raise SubjectUnavailable(
            f"{option} '{text}': '{host}' has no IPv{family} address here{other}"
        ) from error
    return str(ipaddress.ip_address(found[0][4][0])), int(port)


def _no_connection(option: str, where: str, error: OSError) -> str:
    if error.errno == errno.ECONNREFUSED:
        return (
            f"nothing listens at {option} {where}: start the MTA, in the same network namespace as "
            "conform"
        )
    return f"{option} {where} cannot be connected to: {error.strerror or error}"


def _has_a_way_out() -> bool:
    """Whether there is a network interface other than loopback."""
    shown = subprocess.run(
        ["ip", "-o", "link", "show", "up"], capture_output=True, text=True
    )
    return any(": lo:" not in line for line in shown.stdout.splitlines())


def _enable_loopback() -> None:
    """It is down in a new namespace."""
    subprocess.run(["ip", "link", "set", "lo", "up"], capture_output=True)
