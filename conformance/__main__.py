"""`python3 -m conformance`, which is scripts/conform once everything needed is installed."""

from __future__ import annotations

import sys

INTERRUPTED = 130  # 128 and SIGINT, as shells have it

if __name__ == "__main__":
    try:
        # Loading takes long enough to be interrupted as well.
        from conformance.command import command

        status = command()
    except KeyboardInterrupt:
        status = INTERRUPTED
    sys.exit(status)
