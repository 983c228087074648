"""Everything that was sent, in order of time: by clients, upstreams, the DNS server and the subject.

A test has one transcript. Parties add to it from several threads; it is written to a file when the
test ends. Whatever bytes were on the wire, the file is printable text.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from pathlib import Path

# Only the beginning of a message body is of use in a transcript.
LINES_SHOWN_MAX = 60
LINE_LENGTH_SHOWN_MAX = 1100


# How the octets of a line are shown; a backslash, what is not ASCII, and control characters as escapes.
_SHOWN = {
    octet: "\\\\" if octet == 92 else f"\\x{octet:02x}"
    for octet in range(256)
    if not 32 <= octet < 127 or octet == 92
}


@dataclass(frozen=True)
class Event:
    at: float  # time.monotonic()
    party: str  # "client", "upstream mx1.destination-001.example", "dns", "lab"
    direction: str  # ">" towards the subject, "<" from the subject, "*" a remark
    data: bytes


def printable(data: bytes) -> str:
    """`data` as one line of text: without a CRLF at its end, other unprintable octets escaped."""
    if data.endswith(b"\r\n"):
        data = data[:-2]
        tail = ""
    elif data.endswith(b"\n"):
        data = data[:-1]
        tail = "\\n (bare)"
    else:
        tail = " (no line end)"
    text = data[:LINE_LENGTH_SHOWN_MAX].decode("latin-1").translate(_SHOWN)
    if len(data) > LINE_LENGTH_SHOWN_MAX:
        text += f"... ({len(data)} octets)"
    return text + tail


class Transcript:
    """The record of one test."""

    def __init__(self) -> None:
        self._events: list[Event] = []
        self._lock = threading.Lock()
        self._start = time.monotonic()

    def add(self, party: str, direction: str, data: bytes) -> None:
        """Adds bytes that went over the wire."""
        event = Event(time.monotonic(), party, direction, data)
        with self._lock:
            self._events.append(event)

    def remark(self, party: str, text: str, at: float | None = None) -> None:
        """Adds an event: a connection, a TLS handshake, a DNS answer; of now, or of then."""
        data = text.encode("utf-8", "backslashreplace") + b"\r\n"
        event = Event(time.monotonic() if at is None else at, party, "*", data)
        with self._lock:
            self._events.append(event)

    def render(self) -> str:
        """The whole record, a line for each line on the wire."""
        with self._lock:
            events = sorted(self._events, key=lambda event: event.at)
        lines = []
        for event in events:
            prefix = f"{event.at - self._start:9.4f}  {event.party}"
            wire = (
                [event.data]
                if event.direction == "*"
                else _split_at_line_feed(event.data)
            )
            for line in wire[:LINES_SHOWN_MAX]:
                lines.append(f"{prefix} {event.direction} {printable(line)}")
            if len(wire) > LINES_SHOWN_MAX:
                lines.append(
                    f"{prefix} {event.direction} ... {len(wire) - LINES_SHOWN_MAX} more lines"
                )
        return "\n".join(lines) + "\n"

    def write(self, path: Path, heading: str) -> None:
        """Writes the record under `heading`; the directory must exist."""
        path.write_text(f"{heading}\n\n{self.render()}", encoding="utf-8")


def _split_at_line_feed(data: bytes) -> list[bytes]:
    parts = data.split(b"\n")
    lines = [part + b"\n" for part in parts[:-1]]
    return lines + ([parts[-1]] if parts[-1] else [])
