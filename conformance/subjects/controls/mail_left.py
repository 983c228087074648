"""How many messages a control has still to deliver: a number in a file, which it counts and the harness
reads."""

from __future__ import annotations

import mmap
import struct
import threading
from pathlib import Path

NAME = "mail-left"
LAYOUT = struct.Struct("q")


class MailLeft:
    """The number in the file below `directory`, which is made where there is none."""

    def __init__(self, directory: Path) -> None:
        path = directory / NAME
        if not path.exists():
            path.write_bytes(bytes(LAYOUT.size))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), LAYOUT.size)
        self._lock = threading.Lock()  # among those who count

    @property
    def value(self) -> int:
        return int(LAYOUT.unpack(self._map[:])[0])

    def add(self, count: int) -> None:
        with self._lock:
            self._map[:] = LAYOUT.pack(self.value + count)
