"""What the commands `attack` and `soak` have in common: numbers among their options, what their exit
status means, and how they come into a namespace of their own."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from conformance.build import build_release
from conformance.lab import namespace
from conformance.subjects.base import SubjectUnavailable

FAILED, USAGE, COULD_NOT_RUN = 1, 2, 3
INTERRUPTED = 130  # 128 and SIGINT, as shells have it
RELAY = "relay/fairlead"  # in the build directory


def positive(text: str) -> float:
    """An option's number that is more than 0."""
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"'{text}' is not more than 0")
    return value


def count(text: str) -> int:
    """An option's whole number that is at least 1."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is not at least 1")
    return value


def enter(
    command: str,
    binary: Path | None,
    targets: Sequence[str],
    inside: Callable[[], int],
) -> int:
    """Builds `targets`, and the relay unless `binary` is another, and runs `inside` in a namespace. Returns
    the exit status."""
    try:
        if namespace.inside():
            return inside()
        if binary is not None and not binary.is_file():
            print(f"{command}: {binary}: no such file", file=sys.stderr)
            return USAGE
        wanted = [*targets, *([RELAY] if binary is None else [])]
        if wanted:
            build_release(*wanted)
        status = namespace.enter()
        return inside() if status is None else status
    except SubjectUnavailable as error:
        print(f"{command}: {error}", file=sys.stderr)
    except namespace.NamespaceForbidden as error:
        print(
            f"{command}: namespaces are forbidden here ({error}): run it as root (in a "
            "container: with CAP_SYS_ADMIN)",
            file=sys.stderr,
        )
    except KeyboardInterrupt:
        return INTERRUPTED
    return COULD_NOT_RUN
