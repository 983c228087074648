"""Standard output and standard error of `conform`, whose reader may go away.

`conform | head` loses its reader in the middle of a report. What is written after that is dropped,
so that the run is finished and its reports are complete on disk; the exit status then says that the
output is not (as a program's that SIGPIPE ended).
"""

from __future__ import annotations

import errno
import io
import os
import sys

READER_GONE = 141  # 128 and SIGPIPE, as shells have it


class Output(io.TextIOWrapper):
    """A text stream on a file descriptor; the first error in writing is kept, and nothing raised."""

    def __init__(self, descriptor: int) -> None:
        # A descriptor of its own: pytest takes the standard ones for the time of a test.
        super().__init__(
            open(os.dup(descriptor), "wb", closefd=False),
            encoding="utf-8",
            errors="backslashreplace",
            line_buffering=True,
        )
        self.error: OSError | None = None

    def write(self, text: str) -> int:
        try:
            return super().write(text)
        except OSError as error:
            self._give_up(error)
            return len(text)

    def flush(self) -> None:
        try:
            super().flush()
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        self.error = self.error or error
        # What is still in the buffers has to go somewhere.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.fileno())
        os.close(nowhere)


def replace_standard_streams() -> None:
    """Puts an Output in the place of each standard stream that is open."""
    if sys.stdout is not None:
        sys.stdout = Output(sys.stdout.fileno())
    if sys.stderr is not None:
        sys.stderr = Output(sys.stderr.fileno())


def status_of_output(status: int, otherwise: int) -> int:
    """The exit status `status`, unless standard output could not be written: READER_GONE, or
    `otherwise` with a message where that has another cause."""
    output = sys.stdout
    if not isinstance(output, Output):
        return status
    output.flush()
    if output.error is None:
        return status
    if output.error.errno == errno.EPIPE:
        return READER_GONE
    print(
        f"conform: standard output cannot be written: {output.error.strerror}",
        file=sys.stderr,
    )
    return otherwise
