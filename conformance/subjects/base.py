"""The interface of an MTA under test.

An adapter finds the MTA's version, writes its configuration for the lab's plan, starts it, waits until
it is ready, and stops it. Tests use only this interface.
"""

from __future__ import annotations

import glob
import os
import signal
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from conformance.lab.client import Client

# That of a subject in a folder, which is started with a plan that says so.
PAGE_ADDRESSES = "page-addresses"

# What a subject may declare; a clause that needs one which is not declared is "unimplemented".
CAPABILITIES = {
    "srs": "rewrites the reverse-path by the Sender Rewriting Scheme",
    "queue": "accepts a message before an upstream has, and delivers it later",
    "in-session": "relays the upstream's replies to the client in the same session",
    "starttls": "offers STARTTLS to clients",
    "upstream-starttls": "uses STARTTLS if the upstream offers it",
    "ipv6": "listens on and delivers over IPv6",
    "idn": "serves internationalized domains in U-label form",
    "postmaster": "accepts postmaster without a domain and at every served domain",
    "session-limits": "limits the sessions of one client address to Limits.sessions_per_client",
    "memory-budget": "refuses messages that would not fit its memory with 452",
    "plans": "rejects a configuration that its zones' plans do not allow",
    PAGE_ADDRESSES: "listens on and sends from the addresses of the plan, which are those of the page",
    "provisioning": "prints the records of a zone, and checks those of a live zone",
    "limits": "has the limits of the reference configuration (see Limits)",
    "timeouts": "runs with the short time-outs that it declares (see Timeouts)",
    "restart": "can be killed and started again within a test",
    "clock": "can be run at another date",
    "proxy-protocol": "reads the PROXY protocol on a listener of its own",
    "dnsbl": "refuses clients that a DNSBL lists",
    "spf": "evaluates SPF and records the result",
    "dkim-verify": "verifies DKIM signatures and records the results",
    "dkim-sign": "signs what it forwards",
    "dmarc": "enforces DMARC",
    "dmarc-rfc9989": "evaluates DMARC by RFC 9989 where RFC 7489 says otherwise",
    "dmarc-options": "can be run with either edition of DMARC, and with quarantine as a refusal",
    "arc-seal": "validates and extends the Authenticated Received Chain",
    "authres": "writes Authentication-Results and removes forged ones",
    "arc-verify": "validates an Authenticated Received Chain and records the result",
    "arc-trust": "accepts mail that fails DMARC on the word of a chain of a trusted sealer",
    "dsn": "reports mail that it cannot deliver to the reverse-path",
    "flush": "tries all mail that it has deferred again when told to",
}

# A run judges the subject in one of them.
RELAY, SENDER, RECEIVER = ROLES = ("relay", "sender", "receiver")


@dataclass(frozen=True)
class Route:
    address: str  # U-label or A-label domain; "*@domain" catches all
    to: str


@dataclass(frozen=True)
class Zone:
    domain: str
    routes: tuple[Route, ...]
    plan: str = "free"  # "free" or "enterprise": only the latter may route subdomains


@dataclass(frozen=True)
class Plan:
    """The configuration wanted of the subject; the same for every subject."""

    zones: tuple[Zone, ...]
    contact: str  # where mail for postmaster goes
    dnsbls: tuple[tuple[str, str], ...]  # (zone, name in the refusal)
    hostname: str  # of the receiving side, in its banner
    ehlo: str  # of the sending side
    signing_domain: str
    selector: str
    signing_key: Path  # PEM
    tls_certificate: Path
    tls_key: Path
    ipv4: str  # where it listens, and sends from
    ipv6: str  # empty if there is none
    port: int = 25
    proxy_port: int = 2525  # a listener for the PROXY protocol, if there is one
    dmarc_edition: str = "rfc9989"  # or "rfc7489"
    dmarc_quarantine: str = "forward"  # or "reject"
    role: str = RELAY
    mailboxes: tuple[
        str, ...
    ] = ()  # addresses, in A-labels, that it delivers to the lab
    lmtp: tuple[str, int] = ("127.0.0.1", 24)  # where mail for them goes


@dataclass(frozen=True)
class Timeouts:
    """How long, in seconds, the subject waits for others before it gives up."""

    client_command: float = 300
    client_data: float = 180
    upstream_connect: float = 30
    upstream_command: float = 300
    upstream_data_end: float = 600
    recipient: float = (
        300  # everything upstream up to the reply to RCPT, for all hosts together
    )
    dns: float = 10


@dataclass(frozen=True)
class Queue:
    """How a subject treats what it cannot deliver at once, in seconds."""

    retry: int = 2  # until the first further attempt, and between all others
    lifetime: int = 600  # until it gives up


# Short enough to test stalls in seconds, long enough for a busy machine; for subjects that can be
# configured so.
SHORT_TIMEOUTS = Timeouts(
    client_command=3,
    client_data=3,
    upstream_connect=1,
    upstream_command=2,
    upstream_data_end=3,
    recipient=8,
    dns=2,
)


@dataclass(frozen=True)
class Limits:
    """Limits the subject runs with; the reference configuration's are the defaults."""

    message_size: int = 26214400
    recipients: int = 100
    received_fields: int = 100
    header_size: int = 262144
    bad_commands: int = 20
    sessions_per_client: int = 0  # 0: not known
    sessions: int = 0  # of all clients together; 0: not known
    memory: int = 0  # octets for all messages together; 0: not known


# What the plan asks of a subject.
LAB_LIMITS = Limits(sessions_per_client=20, sessions=50, memory=64 * 1024 * 1024)


@dataclass
class Process:
    """A daemon in a process group of its own, its output in a file."""

    arguments: list[str]
    log: Path
    environment: dict[str, str] = field(default_factory=dict)
    _process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                self.arguments,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**os.environ, **self.environment},
                start_new_session=True,
            )

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """Of the daemon, while it has been started and not stopped."""
        assert self._process is not None
        return self._process.pid

    def stop(self, number: int = signal.SIGTERM, patience: float = 5.0) -> int | None:
        """Sends the group a signal and reaps it; after `patience` seconds, SIGKILL. Returns the
        daemon's exit status, negative if a signal ended it, None if there was no daemon.
        """
        if self._process is None:
            return None
        for wanted in (number, signal.SIGKILL):
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, wanted)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(patience)
        status = self._process.returncode
        self._process = None
        return status

    @contextmanager
    def held(self) -> Iterator[None]:
        """Suspends the group; meanwhile, connections wait in the kernel."""
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.killpg(self._process.pid, signal.SIGCONT)


def tail(log: Path, lines: int = 20) -> str:
    """The end of a log, for an error message."""
    if not log.exists():
        return ""
    return last_lines(log.read_text(encoding="utf-8", errors="backslashreplace"), lines)


def last_lines(text: str, lines: int = 20) -> str:
    return "\n".join(text.strip().splitlines()[-lines:])


@dataclass(frozen=True)
class Submission:
    """What came of handing in a message."""

    status: int  # 0: it is in the queue
    output: str
    ran: bool = True  # False: the subject had ended before

    @property
    def accepted(self) -> bool:
        return self.status == 0


class SubjectUnavailable(Exception):
    """The subject is not installed, or could not be started; the message says why."""


class StopFailed(Exception):
    """The subject's own way to shut it down has failed. It is gone all the same, and can be started."""


class Subject(ABC):
    """One MTA under test. Each worker has one for its whole life."""

    name = "subject"
    title = "the subject"
    banner = ""  # the first line of its greeting, once it is ready
    roles: tuple[str, ...] = ("relay",)
    capabilities: frozenset[str] = frozenset()
    timeouts = Timeouts()
    limits = Limits()
    start_patience = 20.0  # seconds until it must accept connections
    can_restart = True  # the lab may stop and start it, with another plan
    queue_files: tuple[str, ...] = ()  # patterns of the files of messages that it has
    queue_directory = Path()  # what they are below
    queue_is_all = False  # has_mail() tells all, even if it answers in the session
    needs_namespace = (
        True  # False: it runs elsewhere, and the lab where conform was started
    )

    def __new__(cls, *arguments: object) -> Self:
        """Says what an adapter that is being written still lacks. Raises SubjectUnavailable."""
        if missing := sorted(cls.__abstractmethods__):
            raise SubjectUnavailable(f"subject {cls.name} lacks {', '.join(missing)}")
        return super().__new__(cls)

    def __init__(self) -> None:
        self.plan: Plan | None = None

    @abstractmethod
    def version(self) -> str:
        """The MTA's name and version as it reports them. Raises SubjectUnavailable."""

    def adapt(self, plan: Plan) -> Plan:
        """The plan with what is different for this subject."""
        return plan

    def runs_as(self, plan: Plan) -> bool:
        """Whether it runs with this plan, or with one that differs in nothing that a test may change."""
        return plan == self.plan

    @abstractmethod
    def configure(self, plan: Plan, directory: Path) -> None:
        """Writes the configuration below `directory`."""

    @abstractmethod
    def start(self, clock_offset_days: float = 0.0) -> None:
        """Starts it, at a date that many days from now if it declares "clock"."""

    @abstractmethod
    def stop(self) -> None:
        """Shuts it down. Raises StopFailed; even then it has ended."""

    # Whether it ended by itself when it was stopped last; None where that cannot be told.
    ended_by_itself: bool | None = None

    def reload(self) -> bool:
        """Whether it has taken over a plan that configure() has just written, while it runs; if not,
        it is to be stopped and started."""
        return False

    def release(self) -> None:
        """The lab ends: whatever is mounted for the subject is in nobody's way."""

    @property
    def restartable(self) -> bool:
        """Whether start() and stop() do anything."""
        return True

    @abstractmethod
    def kill(self) -> None:
        """Ends it like a power failure: SIGKILL to all its processes."""

    @abstractmethod
    def running(self) -> bool:
        """Whether it is running."""

    @abstractmethod
    def diagnosis(self) -> str:
        """The end of its logs, shown if it could not start or died; tests never read it."""

    def log(self) -> Path | None:
        """The file with what it has printed, if there is one; for its author, tests never read it."""
        return None

    def held(self) -> AbstractContextManager[None]:
        """A context in which it is suspended, if possible, so that what a client sends is certain to
        arrive before the banner."""
        return nullcontext()

    def process_ids(self) -> list[int]:
        """Those of its processes of which a test may have to wait for a processor; none where it runs
        elsewhere, or is not running."""
        return []

    def has_mail(self) -> bool | None:
        """Whether it has anything left to deliver; None where it cannot tell. Tests do not wait for what
        cannot come any more, and longer for what may. A message counts from before its 2xx until it
        has been delivered, given up or dropped."""
        if not self.queue_files:
            return None
        return any(
            True
            for pattern in self.queue_files
            for _ in glob.iglob(
                pattern,
                root_dir=self.queue_directory,
                recursive=True,
                include_hidden=True,
            )
        )

    def submit(self, sender: str, recipients: Sequence[str], file: Path) -> Submission:
        """Hands in a message as its own users do, with `file` as its content ("sender")."""
        raise NotImplementedError

    def flush(self) -> None:
        """Has it try all that it has deferred now ("flush"). Raises SubjectUnavailable."""
        raise NotImplementedError

    def provision(self, domain: str) -> str:
        """The records that a zone needs, in master-file form ("provisioning")."""
        raise NotImplementedError

    def check_zone(self, domain: str) -> bool:
        """Whether it finds a live zone's records in order ("provisioning")."""
        raise NotImplementedError

    def complaint_about(self, plan: Plan) -> str | None:
        """Why it would not start with this plan; None if it would ("plans")."""
        raise NotImplementedError

    @property
    def addresses(self) -> tuple[str, str]:
        """Where clients connect: IPv4 and IPv6."""
        assert self.plan is not None
        return self.plan.ipv4, self.plan.ipv6

    @property
    def port(self) -> int:
        assert self.plan is not None
        return self.plan.port

    def endpoint(self, family: int) -> tuple[str, int]:
        """Address and port where clients of one address family (4 or 6) connect."""
        return self.addresses[0 if family == 4 else 1], self.port

    def preamble(self, client: str, server: str, port: int) -> bytes:
        """What has to be sent first on a connection from `client`, before SMTP."""
        return b""

    def introduce(self, client: Client, source: str) -> None:
        """Passes a client's address to the MTA if the connection does not show it; the banner is read
        afterwards."""

    def wait_until_ready(self) -> None:
        """Returns once it greets a client. Raises SubjectUnavailable if it does not in time, or dies."""
        deadline = time.monotonic() + self.start_patience
        while time.monotonic() < deadline:
            try:
                with socket.create_connection(
                    (self.addresses[0], self.port), 1.0
                ) as probe:
                    probe.settimeout(5.0)
                    greeting = probe.recv(512)
                    if greeting.startswith(b"220"):
                        line = greeting.decode("utf-8", "backslashreplace")
                        self.banner = line.splitlines()[0]
                        probe.sendall(b"QUIT\r\n")
                        probe.recv(512)
                        return
            except OSError:
                pass
            if not self.running():
                raise SubjectUnavailable(
                    f"{self.name} exited during its start\n{self.diagnosis()}"
                )
            time.sleep(0.02)
        raise SubjectUnavailable(
            f"{self.name} sent no greeting within {self.start_patience:g} s\n{self.diagnosis()}"
        )
