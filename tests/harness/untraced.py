"""A plugin for `conform`: failures are not shown with their source, for which pytest would parse the
test's file each time. `conform` shows none of it, but where hundreds of tests fail, as with the control
subjects, it takes a third of the processor's time.
"""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """The option of pytest's terminal plugin, which `conform` runs without."""
    parser.addoption("--tb", dest="tbstyle", default="native")
