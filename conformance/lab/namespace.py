"""A network of one's own, with the documentation addresses in it.

`conform` re-executes itself in a fresh namespace, and every worker makes another inside of that: a
loop-back interface, the subject's own addresses on it, everybody else's as local routes (AnyIP), so
that they can be bound and reached without being "addresses of this host", and a resolv.conf that
names the lab's DNS server. Nothing outside can be reached, and all of it ends with its processes.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

CLONE_NEWNS = 0x00020000
CLONE_NEWNET = 0x40000000
MS_REC_PRIVATE = 0x4000 | 0x40000
PR_SET_PDEATHSIG = 1

# RFC 5737, RFC 3849: everybody but the subject lives here; and the host of the Postmaster page's IPv6 example.
FOREIGN_PREFIXES = (
    "192.0.2.0/24",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "2001:db8::/32",
    "2a00:1450:400c:c09::1b/128",
)

# In the environment of what runs in the namespace: its scratch directory.
INSIDE = "CONFORM_SCRATCH"

RESOLV_CONF = "nameserver 127.0.0.1\noptions timeout:1 attempts:2\n"
HOSTS = "127.0.0.1 localhost\n::1 localhost\n"
NSSWITCH = (
    "hosts: files dns\npasswd: files\ngroup: files\nservices: files\nprotocols: files\n"
)


class NamespaceForbidden(Exception):
    """This system does not let us have a namespace."""


def inside() -> bool:
    """Whether enter() has already brought us here."""
    return INSIDE in os.environ


def enter(command: list[str]) -> int:
    """Runs `command` in fresh user (unless root), network, mount and process namespaces and returns
    its exit status. Everything that it started dies with it, and everything in scratch() goes.
    """
    flags = ["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    if os.geteuid() != 0:
        flags.append("--map-root-user")
    if not root_is_a_mount():
        flags += ["--propagation", "unchanged"]
        command = [sys.executable, "-m", "conformance.lab.private_root", *command]
    probe = subprocess.run(
        ["unshare", *flags, "true"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    if probe.returncode != 0:
        raise NamespaceForbidden(probe.stderr.strip() or "unshare failed")
    with tempfile.TemporaryDirectory(prefix="conform-") as directory:
        process = subprocess.Popen(
            ["unshare", *flags, "--", *command],
            # Pytest's own directory is named by the user, who is root to everybody in here.
            env={**os.environ, INSIDE: directory, "PYTEST_DEBUG_TEMPROOT": directory},
            preexec_fn=_die_with_parent,
        )
        # unshare and the namespace's first process do not heed this signal themselves.
        signal.signal(signal.SIGTERM, lambda number, frame: process.kill())
        while True:
            try:
                status = process.wait()
                return status if status >= 0 else 128 - status  # as shells have it
            except KeyboardInterrupt:
                # The child has the same signal from the terminal and ends in its own way.
                continue


def prepare_scratch() -> None:
    """Puts the scratch directory into memory, once after enter(); gone when the namespace is."""
    _run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", os.environ[INSIDE]])


def scratch() -> Path:
    """A new directory for what a lab writes."""
    directory = Path(tempfile.mkdtemp(prefix="lab-", dir=os.environ.get(INSIDE)))
    directory.chmod(0o755)
    return directory


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def unshare_here() -> None:
    """Gives the calling thread, and what it starts from now on, a network and mounts of its own."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNET | CLONE_NEWNS) != 0:
        raise NamespaceForbidden(os.strerror(ctypes.get_errno()))
    # Without a mount at / it is private already, see private_root.py.
    if root_is_a_mount() and libc.mount(None, b"/", None, MS_REC_PRIVATE, None) != 0:
        raise NamespaceForbidden(os.strerror(ctypes.get_errno()))


def root_is_a_mount() -> bool:
    """False in a chroot whose root is an ordinary directory of a file system mounted above it."""
    mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace")
    return any(line.split()[4] == "/" for line in mounts.splitlines())


def configure(own_addresses: Iterable[str]) -> None:
    """Brings the loop-back interface up with the subject's addresses on it and everybody else's
    routed to it."""
    lines = ["link set lo up"]
    for address in own_addresses:
        length = "128 dev lo nodad" if ":" in address else "32 dev lo"
        lines.append(f"address add {address}/{length}")
    for prefix in FOREIGN_PREFIXES:
        family = "-6 " if ":" in prefix else ""
        lines.append(f"{family}route replace local {prefix} dev lo")
    for line in lines:
        _run(["ip", *line.split()])
    Path("/proc/sys/net/ipv6/ip_nonlocal_bind").write_text("1")


def bind_resolver_files(directory: Path) -> list[Path]:
    """Mounts resolv.conf, hosts and nsswitch.conf of the lab over the system's; returns where, for
    release()."""
    mounted = []
    for name, text in (
        ("resolv.conf", RESOLV_CONF),
        ("hosts", HOSTS),
        ("nsswitch.conf", NSSWITCH),
    ):
        source = directory / name
        source.write_text(text, encoding="utf-8")
        target = Path("/etc") / name
        if target.exists():
            _run(["mount", "--bind", str(source), str(target.resolve())])
            mounted.append(target.resolve())
    return mounted


def release(mounted: Iterable[Path]) -> None:
    """Unmounts what bind_resolver_files() mounted: nothing can be mounted over a file whose source is
    gone, and the next lab may be one inside of this namespace."""
    for target in mounted:
        _run(["umount", "--lazy", str(target)])


def _run(command: list[str]) -> None:
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode != 0:
        raise NamespaceForbidden(f"{' '.join(command)}: {result.stderr.strip()}")
