"""The pytest plugin of a run that finds out which tests execute what: after each test it keeps what the
relay has noted (notes.c), and clears it.

reach.py loads it, by PYTEST_PLUGINS.
"""

from __future__ import annotations

import base64
import json
import mmap
import os
import zlib
from functools import cache
from pathlib import Path

import pytest

NOTES_OCTETS = 1 << 20  # for 4 MiB of the program's text

# Names of environment variables: the file that the relay notes in, and that of what each test executed.
NOTES = "FAIRLEAD_REACH_NOTES"
TESTS = "FAIRLEAD_REACH_TESTS"

# In place of a test's id: what the relay has executed before the first test.
START = "start"


@cache
def _notes() -> mmap.mmap:
    with Path(os.environ[NOTES]).open("r+b") as file:
        return mmap.mmap(file.fileno(), NOTES_OCTETS)


@cache
def _keep_start() -> None:
    _keep(START)


def _keep(name: str) -> None:
    notes = _notes()
    executed = base64.b85encode(zlib.compress(notes[:], 1)).decode()
    notes[:] = bytes(NOTES_OCTETS)
    with Path(os.environ[TESTS]).open("a", encoding="utf-8") as file:
        file.write(json.dumps({"id": name, "executed": executed}) + "\n")


@pytest.hookimpl(tryfirst=True)  # type: ignore[misc]
def pytest_runtest_call(item: pytest.Item) -> None:
    """Once the lab of the first test is there."""
    _keep_start()


def pytest_runtest_logfinish(nodeid: str) -> None:
    _keep(nodeid)
