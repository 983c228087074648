"""Connection attempts that are left unanswered, as by a host that is down."""

from __future__ import annotations

import socket


def fill_backlog(address: str) -> list[socket.socket]:
    """A listening socket with a full queue, so that the kernel ignores further SYNs."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((address, 25))
    listener.listen(0)
    held = [listener]
    for _ in range(4):
        client = socket.socket(family, socket.SOCK_STREAM)
        client.setblocking(False)
        client.connect_ex((address, 25))
        held.append(client)
    return held
