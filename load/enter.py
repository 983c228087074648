"""How `attack` and `soak` come into a namespace of their own, and what their exit status means."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from conformance.build import build_release
from conformance.lab import namespace
from conformance.subjects.base import SubjectUnavailable

FAILED, USAGE, COULD_NOT_RUN = 1, 2, 3
INTERRUPTED = 130  # 128 and SIGINT, as shells have it
RELAY = "relay/fairlead"  # in the build directory


def enter(
    module: str,
    arguments: Sequence[str],
    binary: Path | None,
    targets: Sequence[str],
    inside: Callable[[], int],
) -> int:
    """Builds `targets`, and the relay unless `binary` is another, and runs `module` again with the same
    arguments in a namespace; there, runs `inside`. Returns the exit status."""
    command = module.rpartition(".")[2]
    try:
        if namespace.inside():
            return inside()
        if binary is not None and not binary.is_file():
            print(f"{command}: {binary}: no such file", file=sys.stderr)
            return USAGE
        wanted = [*targets, *([RELAY] if binary is None else [])]
        if wanted:
            build_release(*wanted)
        return namespace.enter([sys.executable, "-m", module, *arguments])
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
