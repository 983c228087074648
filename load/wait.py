"""Waiting until somebody listens."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable

PATIENCE_S = 20.0
PAUSE_S = 0.01


def wait_for_port(
    address: str, port: int, alive: Callable[[], bool] = lambda: True
) -> None:
    """Returns once a connection is taken; TimeoutError after PATIENCE_S, or where it cannot be any
    more."""
    deadline = time.monotonic() + PATIENCE_S
    while alive() and time.monotonic() < deadline:
        try:
            socket.create_connection((address, port), 1.0).close()
            return
        except OSError:
            time.sleep(PAUSE_S)
    raise TimeoutError(f"nothing listens on {address} port {port}")
