"""What the tests on samples share: names of this test in place of those of the samples, and a session that
is kept for many samples but for no more than any server would take."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from conformance.lab import Client, Reply, World
from conformance.samples import SENDER, VICTIM, ZONE

# Servers count what a client gets wrong in a session, and commands that lead to no mail.
REFUSALS_MAX = 2
SAMPLES_MAX = 15


def victim(world: World) -> str:
    """A domain under p=reject for which nothing that the sender sends has a pass."""
    return f"victim.{world.elsewhere}"


def sent(world: World, text: str) -> str:
    """A sample's text with the names of this test, in the case in which it has them."""
    names = {
        SENDER: world.sender.domain,
        VICTIM: victim(world),
        ZONE: world.catchall_zone,
    }
    for name, real in names.items():
        text = text.replace(name, real).replace(name.upper(), real.upper())
    return text


class Session:
    """A client after EHLO, and another one when it has been used up."""

    def __init__(self, world: World, source: str | None = None) -> None:
        self._connect: Callable[[], Client] = lambda: world.client(source=source)
        self._client: Client | None = None
        self._samples = 0
        self._refusals = 0

    @contextmanager
    def client(self) -> Iterator[Client]:
        """For one sample. After one that has failed nobody knows where the dialogue is."""
        if self._client is None:
            self._client = self._connect()
            self._samples = self._refusals = 0
        self._samples += 1
        done = False
        try:
            yield self._client
            done = True
        finally:
            used_up = self._refusals >= REFUSALS_MAX or self._samples >= SAMPLES_MAX
            if used_up or not done:
                self.drop()

    def command(self, text: str | bytes) -> Reply:
        """The reply to a line, within client()."""
        assert self._client is not None
        reply = self._client.command(text)
        self.count(reply)
        return reply

    def count(self, *replies: Reply | None) -> None:
        self._refusals += sum(reply is None or not reply.positive for reply in replies)

    def drop(self) -> None:
        """The next sample has a new one."""
        if self._client is not None:
            self._client.close()
        self._client = None
