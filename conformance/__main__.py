"""`python3 -m conformance`, which is scripts/conform once everything needed is installed."""

from __future__ import annotations

import sys

INTERRUPTED = 130  # 128 + SIGINT, as shells report it

if __name__ == "__main__":
    try:
        # Importing takes long enough to be interrupted too.
        from conformance.command import command

        status = command()
    except KeyboardInterrupt:
        status = INTERRUPTED
    sys.exit(status)
