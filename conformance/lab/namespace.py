"""A network of the lab's own, with the documentation addresses.

`conform` runs itself again in a fresh namespace, and every worker makes another inside that one: a
loopback interface with the subject's addresses, all other addresses as local routes (AnyIP), so that
they can be bound and reached without being "addresses of this host", and a resolv.conf that names the
lab's DNS server. Nothing outside can be reached, and everything ends with its processes.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWNET = 0x40000000
MS_REC_PRIVATE = 0x4000 | 0x40000
PR_SET_PDEATHSIG = 1

# RFC 5737, RFC 3849: the addresses of all but the subject; and the host of the IPv6 example on the
# Postmaster page.
FOREIGN_PREFIXES = (
    "192.0.2.0/24",
    "198.51.100.0/24",
    "198.18.0.0/15",  # RFC 2544; there are more upstreams than the others have addresses
    "203.0.113.0/24",
    "104.30.0.0/19",  # this and the next are the page's, for clients
    "2405:8100:c000::/38",
    "192.0.3.0/24",  # this and the next, for clients of the vectors
    "192.168.15.0/24",
    "10.0.0.4/32",
    "169.254.0.0/16",  # link-local, where no MX host is
    # Next to addresses where no MX host is, hosts may be.
    "1.0.0.1/32",
    "126.255.255.254/32",
    "128.0.0.1/32",
    "169.253.255.254/32",
    "169.255.0.1/32",
    "223.255.255.254/32",
    "240.0.0.1/32",
    "255.255.255.254/32",
    "fe00::1/128",
    "fec0::1/128",
    "64:ff9b::/96",
    "2001:db8::/32",
    "2a00:1450:400c:c09::1b/128",
)

# Set in the environment inside the namespace: its scratch directory.
INSIDE = "CONFORM_SCRATCH"

RESOLV_CONF = "nameserver 127.0.0.1\noptions timeout:1 attempts:2\n"
HOSTS = "127.0.0.1 localhost\n::1 localhost\n"
HOST_NAME = "lab"
NSSWITCH = (
    "hosts: files dns\npasswd: files\ngroup: files\nservices: files\nprotocols: files\n"
)


class NamespaceForbidden(Exception):
    """This system does not allow us to create a namespace."""


def inside() -> bool:
    """Whether this process runs inside the namespace of enter()."""
    return INSIDE in os.environ


def enter(command: list[str]) -> int:
    """Runs `command` in fresh user (unless root), network, mount and process namespaces and returns
    its exit status. Everything that it started ends with it, and everything in scratch() is removed.
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
            # Pytest names its directory after the user, which is root for all in here.
            env={**os.environ, INSIDE: directory, "PYTEST_DEBUG_TEMPROOT": directory},
            preexec_fn=_die_with_parent,
        )
        # unshare and the namespace's first process ignore this signal.
        signal.signal(signal.SIGTERM, lambda number, frame: process.kill())
        while True:
            try:
                status = process.wait()
                return status if status >= 0 else 128 - status  # as shells report it
            except KeyboardInterrupt:
                # The child gets the same signal from the terminal and ends by itself.
                continue


def prepare_scratch() -> None:
    """Mounts the scratch directory in memory, once after enter(); it is gone with the namespace."""
    _run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", os.environ[INSIDE]])


def scratch() -> Path:
    """A new directory for a lab's files."""
    directory = Path(tempfile.mkdtemp(prefix="lab-", dir=os.environ.get(INSIDE)))
    directory.chmod(0o755)
    return directory


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def unshare_here() -> None:
    """Gives the calling thread, and all that it starts, a network, mounts and a host name of its own."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWUTS) != 0:
        raise NamespaceForbidden(os.strerror(ctypes.get_errno()))
    # Of the machine's own name a resolver would make a search domain.
    socket.sethostname(HOST_NAME)
    # Without a mount at / it is already private, see private_root.py.
    if root_is_a_mount() and libc.mount(None, b"/", None, MS_REC_PRIVATE, None) != 0:
        raise NamespaceForbidden(os.strerror(ctypes.get_errno()))


def root_is_a_mount() -> bool:
    """False in a chroot whose root is an ordinary directory of a file system mounted above it."""
    mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace")
    return any(line.split()[4] == "/" for line in mounts.splitlines())


def configure(own_addresses: Iterable[str], sources: Iterable[str] = ()) -> None:
    """Brings the loopback interface up with the subject's addresses, and routes all others to it.
    `sources` are the addresses from which those are connected by whoever does not choose his own; it
    would be the address that he connects to.
    """
    lines = ["link set lo up"]
    for address in own_addresses:
        length = "128 dev lo nodad" if ":" in address else "32 dev lo"
        lines.append(f"address add {address}/{length}")
    preferred = {":" in address: f" src {address}" for address in sources}
    for prefix in FOREIGN_PREFIXES:
        source = preferred.get(":" in prefix, "")
        lines.append(f"route replace local {prefix} dev lo{source}")
    _run(["ip", "-batch", "-"], "\n".join(lines))
    Path("/proc/sys/net/ipv6/ip_nonlocal_bind").write_text("1")


def bind_resolver_files(directory: Path) -> list[Path]:
    """Mounts the lab's resolv.conf, hosts and nsswitch.conf over the system's; returns the mount
    points, for release()."""
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
    """Unmounts what bind_resolver_files() mounted: nothing can be mounted over a file whose source
    is gone, and the next lab may run inside this namespace."""
    for target in mounted:
        _run(["umount", "--lazy", str(target)])


def _run(command: list[str], text: str = "") -> None:
    result = subprocess.run(command, input=text, capture_output=True, text=True)
    if result.returncode != 0:
        raise NamespaceForbidden(f"{' '.join(command)}: {result.stderr.strip()}")
