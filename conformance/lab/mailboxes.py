"""The mailboxes of some domains in a test's inbox, seen as the upstream MTA of these domains, so that a test that
knows a destination by its upstream sees there what is delivered to it, and nothing else."""

from __future__ import annotations

from typing import Any

from conformance.expect import Seen, counted
from conformance.lab.mailroom import Inbox
from conformance.lab.records import Message


class Mailboxes(Inbox):
    """A view: scripts and connections are those of the whole inbox."""

    def __init__(self, inbox: Inbox, *domains: str) -> None:
        self._inbox = inbox
        self._domains = domains

    def __getattr__(self, name: str) -> Any:
        """All that it does not have itself is the inbox's."""
        return getattr(self.__dict__["_inbox"], name)

    @property
    def messages(self) -> Seen[Message]:
        """Every message for these domains up to its end of data, including refused ones."""
        found = self._inbox.messages
        return Seen((m for m in found if self._has(m)), found.what)

    def wait_for_message(self, count: int = 1) -> Message:
        self.wait_until(
            lambda: len(self.messages) >= count,
            f"{counted(count, 'message')} for {' or '.join(self._domains)}",
        )
        return self.messages[count - 1]

    def wait_until_idle(self) -> None:
        """At once: a session of an earlier test may still be open, and there need be no other for what a
        client sends."""

    def _has(self, message: Message) -> bool:
        domain = message.recipients[0].rpartition("@")[2].lower()
        return domain in self._domains
