"""Runs a command in a mount namespace whose mounts are private although / is not a mount point.

In a chroot, / is a directory of a file system that is mounted where it cannot be seen, so the
propagation of its mounts cannot be changed from inside, and the lab's mounts would appear outside as
well. setns(2) into the current namespace leads back to its real root: it is made private there, and
the chroot is entered again.

  unshare --mount --propagation unchanged python3 -m conformance.lab.private_root COMMAND...
"""

from __future__ import annotations

import ctypes
import os
import sys

from conformance.lab.namespace import CLONE_NEWNS, MS_REC_PRIVATE


def make_private() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    root = os.open("/", os.O_RDONLY | os.O_DIRECTORY)
    working = os.open(".", os.O_RDONLY | os.O_DIRECTORY)
    mounts = os.open("/proc/self/ns/mnt", os.O_RDONLY)
    if (
        libc.setns(mounts, CLONE_NEWNS) != 0
        or libc.mount(None, b"/", None, MS_REC_PRIVATE, None) != 0
    ):
        sys.exit(f"private mounts: {os.strerror(ctypes.get_errno())}")
    os.fchdir(root)
    os.chroot(".")
    os.fchdir(working)
    for descriptor in (root, working, mounts):
        os.close(descriptor)


if __name__ == "__main__":
    make_private()
    os.execvp(sys.argv[1], sys.argv[1:])
