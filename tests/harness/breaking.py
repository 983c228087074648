"""A tiny relay to break, and a suite that says of it what a test wants."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.mutants import breakages, judging, sample, together
from tests.mutants.judging import Results

SOURCE = """\
enum answer { YES, NO, PERHAPS };

int ask(int limit, int number)
{
    int sum = 0;
    for (int i = 0; i < number; i++)
        sum += i;
    if (sum > limit && number != 7)
        return 550;
    switch (number) {
    case 1:
        sum = 3;
        break;
    default:
        break;
    }
    return sum;
}

enum answer consent(void)
{
    return YES;
}
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A tiny repository: a relay of two files and no patch."""
    root = tmp_path / "root"
    (root / "relay").mkdir(parents=True)
    (root / breakages.FOLDER).mkdir(parents=True)
    (root / "meson.build").write_text("project('tiny', 'c')\nsubdir('relay')\n")
    (root / "meson_options.txt").write_text("option('mutants', type: 'boolean')\n")
    (root / "relay/meson.build").write_text(
        "executable('fairlead', 'ask.c', 'main.c')\n"
    )
    (root / "relay/ask.c").write_text(SOURCE)
    (root / "relay/main.c").write_text(
        "int ask(int, int);\nint main(int n, char **v)\n{\n    (void)v;\n    return ask(n + 8, 4) != 6;\n}\n"
    )
    return root


def result(outcome: str, clause: str = "ERR-06", **more: Any) -> dict[str, Any]:
    return {
        "id": "suite/test_it.py::test_that",
        "outcome": outcome,
        "clauses": [clause],
        **more,
    }


@pytest.fixture
def suite(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[tuple[Any, ...]]]:
    """Makes each run of the suite have the next of these results; gives the runs' arguments."""

    def pretend(*results: Results) -> list[tuple[Any, ...]]:
        calls: list[tuple[Any, ...]] = []

        def conform(*arguments: Any, **options: Any) -> Results:
            calls.append(arguments)
            return {"failure": None, **results[len(calls) - 1]}

        monkeypatch.setattr(judging, "conform", conform)
        monkeypatch.setattr(sample, "conform", conform)
        monkeypatch.setattr(together, "conform", conform)
        return calls

    return pretend
