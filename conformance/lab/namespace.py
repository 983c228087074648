"""A network of the lab's own, with the documentation addresses.

`conform` goes on in a fresh namespace, and every worker makes another inside that one: a
loopback interface with the subject's addresses, all other addresses as local routes (AnyIP), so that
they can be bound and reached without being "addresses of this host", and a resolv.conf that names the
lab's DNS server. Nothing outside can be reached, and everything ends with its processes.
"""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000
MS_REC_PRIVATE = 0x4000 | 0x40000
MS_NOSUID_NODEV_NOEXEC = 2 | 4 | 8
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


_libc = ctypes.CDLL(None, use_errno=True)


class NamespaceForbidden(Exception):
    """This system does not allow us to create a namespace."""


def inside() -> bool:
    """Whether this process runs inside the namespace of enter()."""
    return INSIDE in os.environ


def enter() -> int | None:
    """Goes on in fresh user (unless root), network, mount and process namespaces. Like fork(2) it returns
    twice: inside it returns None; outside, once that process has ended, its exit status. Everything that it
    started ends with it, and everything in scratch() is removed. Raises NamespaceForbidden, outside.
    """
    directory = tempfile.mkdtemp(prefix="conform-")
    reader, writer = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        os.close(reader)
        _go_inside(writer)
        # Pytest names its directory after the user, which is root for all in here.
        os.environ.update({INSIDE: directory, "PYTEST_DEBUG_TEMPROOT": directory})
        return None
    os.close(writer)
    # The namespace's first process ignores this signal.
    signal.signal(signal.SIGTERM, lambda number, frame: os.kill(child, signal.SIGKILL))
    try:
        with open(reader, encoding="utf-8") as complaints:
            complaint = complaints.read()
        status = _status_of(child)
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    if complaint:
        raise NamespaceForbidden(complaint)
    return status


def _go_inside(complaints: int) -> None:
    """In a child of the process outside: only the first process inside returns. If it cannot be had, says
    why in `complaints`, and ends; otherwise closes that once all is in place."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process inside sees to it
    try:
        if os.geteuid() != 0:
            become_root()
        _unshare(CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWPID)
        die_with_parent()
        first = os.fork()
        if first != 0:
            os.close(complaints)
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            os._exit(_status_of(first))
        die_with_parent()
        _make_mounts_private()
        _mount("proc", "/proc", MS_NOSUID_NODEV_NOEXEC)
    except OSError as error:
        os.write(complaints, (error.strerror or str(error)).encode())
        os._exit(1)
    os.close(complaints)
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _status_of(child: int) -> int:
    """Waits for it, and returns its exit status as shells report it."""
    while True:
        try:
            status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            return status if status >= 0 else 128 - status
        except KeyboardInterrupt:
            # The child gets the same signal from the terminal and ends by itself.
            continue


def become_root() -> None:
    """Makes the calling process, which must not be threaded, root in a user namespace of its own. Raises
    OSError."""
    user, group = os.geteuid(), os.getegid()
    _unshare(CLONE_NEWUSER)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"0 {user} 1")
    Path("/proc/self/gid_map").write_text(f"0 {group} 1")


def _make_mounts_private() -> None:
    """What is mounted from now on does not appear outside. Raises OSError."""
    if root_is_a_mount():
        _mount(None, "/", MS_REC_PRIVATE)
        return
    # In a chroot, / is a directory of a file system that is mounted where it cannot be seen. setns(2) into
    # the current namespace leads back to its real root, and the chroot is entered again.
    root = os.open("/", os.O_RDONLY | os.O_DIRECTORY)
    working = os.open(".", os.O_RDONLY | os.O_DIRECTORY)
    mounts = os.open("/proc/self/ns/mnt", os.O_RDONLY)
    _check("setns", _libc.setns(mounts, CLONE_NEWNS))
    _mount(None, "/", MS_REC_PRIVATE)
    os.fchdir(root)
    os.chroot(".")
    os.fchdir(working)
    for descriptor in (root, working, mounts):
        os.close(descriptor)


def _unshare(flags: int) -> None:
    _check("unshare", _libc.unshare(flags))


def _mount(kind: str | None, target: str, flags: int) -> None:
    """A file system of that kind, or with None, other flags of what is mounted there."""
    name = kind.encode() if kind is not None else None
    result = _libc.mount(name, target.encode(), name, flags, None)
    _check(f"mount {target}", result)


def _check(call: str, result: int) -> None:
    """Raises the OSError of a call that returned that."""
    if result != 0:
        number = ctypes.get_errno()
        # What unshare(2) says at a limit of /proc/sys/user.
        reached = "too many namespaces" if number == errno.ENOSPC else None
        raise OSError(number, f"{call}: {reached or os.strerror(number)}")


def prepare_scratch() -> None:
    """Mounts the scratch directory in memory, once after enter(); it is gone with the namespace."""
    _run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", os.environ[INSIDE]])


def scratch() -> Path:
    """A new directory for a lab's files."""
    directory = Path(tempfile.mkdtemp(prefix="lab-", dir=os.environ.get(INSIDE)))
    directory.chmod(0o755)
    return directory


def die_with_parent() -> None:
    """Has the kernel kill the calling process when the one that forked it ends."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def unshare_here() -> None:
    """Gives the calling thread, and all that it starts, a network, mounts and a host name of its own."""
    try:
        _unshare(CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWUTS)
        # Of the machine's own name a resolver would make a search domain.
        socket.sethostname(HOST_NAME)
        # Without a mount at / it is already private, see enter().
        if root_is_a_mount():
            _mount(None, "/", MS_REC_PRIVATE)
    except OSError as error:
        raise NamespaceForbidden(str(error.strerror)) from error


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
