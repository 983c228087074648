"""How the commands of scripts/mutants end, and say what is wrong."""

from __future__ import annotations

import sys

NOTICED, NOT_NOTICED, NO_RESULT = 0, 1, 2


def complain(text: str) -> None:
    print(f"mutants: {text}", file=sys.stderr, flush=True)
