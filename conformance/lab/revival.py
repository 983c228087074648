"""A subject that ends in a test, or no longer answers, is started again: the tests after it are not to be
judged by that, and the test itself is."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from conformance.lab.client import Client
    from conformance.lab.world import Lab

DEATH_PATIENCE_S = 1.0

ENDED = "it has ended by itself, see logs/"
SILENT = "it greets nobody any more, see logs/"


class Revival:
    """Of a lab's subject."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._found = ""

    def if_dead(self) -> bool:
        """Whether it has died, and been started again. Its first process may outlive the others for a
        moment."""
        deadline = time.monotonic() + DEATH_PATIENCE_S
        while self._lab.subject.running():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        self._revive(ENDED)
        return True

    def if_silent(self, client: Client) -> bool:
        """Whether it has not greeted a new client within the client's patience, and been started again."""
        if not self._lab.subject.restartable:
            return False
        if not client.is_silent_for(client.patience):
            return False
        self._revive(SILENT)
        return True

    def take(self) -> str:
        """What it was found to be since this was asked last, if it had to be started."""
        found, self._found = self._found, ""
        return found

    def _revive(self, found: str) -> None:
        self._lab.restart_subject()
        self._found = found
