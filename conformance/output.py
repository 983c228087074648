"""Standard output and standard error of `conform`, whose reader may close them.

In `conform | head` the pipe is closed in the middle of a report. Further output is discarded, so that
the run ends normally and its reports are complete on disk; the exit status is that of a program ended
by SIGPIPE.
"""

from __future__ import annotations

import errno
import io
import os
import sys

READER_GONE = 141  # 128 + SIGPIPE, as shells report it


class Output(io.TextIOWrapper):
    """A text stream on a file descriptor; the first write error is kept, and none is raised."""

    def __init__(self, descriptor: int) -> None:
        # A descriptor of its own, since pytest replaces the standard ones during a test.
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
        # The rest of the buffers has to be written somewhere.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.fileno())
        os.close(nowhere)


def replace_standard_streams() -> None:
    """Replaces each standard stream that is open by an Output."""
    if sys.stdout is not None:
        sys.stdout = Output(sys.stdout.fileno())
    if sys.stderr is not None:
        sys.stderr = Output(sys.stderr.fileno())


def status_of_output(status: int, otherwise: int) -> int:
    """`status`, unless standard output could not be written: then READER_GONE, or `otherwise` with a
    message if there is another cause."""
    output = sys.stdout
    if not isinstance(output, Output):
        return status
    output.flush()
    if output.error is None:
        return status
    if output.error.errno == errno.EPIPE:
        return READER_GONE
    print(
        f"conform: cannot write to standard output: {output.error.strerror}",
        file=sys.stderr,
    )
    return otherwise
