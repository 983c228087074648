"""The queue: a file for each message, attempts at a fixed interval, and reports of what fails.

A file has one line of JSON, the envelope with the recipients that are left, and then the message.
"""

from __future__ import annotations

import itertools
import json
import os
import sys
import threading
import time
import traceback
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from email.utils import getaddresses
from pathlib import Path

from conformance.subjects.controls.provider.manners import Manner
from conformance.subjects.controls.provider.message import for_mailbox, split, values
from conformance.subjects.controls.provider.reply import Fate, Outcome
from conformance.subjects.controls.provider.reports import report
from conformance.subjects.controls.provider.setup import Setup
from conformance.subjects.controls.provider.transaction import Outcomes, deliver, send

WORKERS = 32
DOMAINS_AT_ONCE = 8


@dataclass
class Item:
    """A message in the queue."""

    file: Path
    sender: str
    recipients: list[str]  # that have neither got it nor failed
    arrived: float
    due: float = 0.0
    busy: bool = False
    again: bool = False  # at once, when the attempt that is under way has ended
    everybody: list[str] = field(default_factory=list)

    def content(self) -> bytes:
        return self.file.read_bytes().partition(b"\n")[2]


class Queue:
    """Safe to be used by any thread."""

    def __init__(self, setup: Setup, directory: Path, scratch: Path) -> None:
        self.setup = setup
        self.directory = directory
        self.scratch = scratch
        self.retry = float(setup.plan["queue"]["retry"])
        self.lifetime = float(setup.plan["queue"]["lifetime"])
        self._items: list[Item] = []
        self._changed = threading.Condition()
        self._stopped = False
        self._numbers = itertools.count()
        self._pool = ThreadPoolExecutor(WORKERS)
        directory.mkdir(exist_ok=True)
        scratch.mkdir(exist_ok=True)
        for file in sorted(directory.iterdir()):
            envelope = json.loads(file.read_bytes().partition(b"\n")[0])
            self._items.append(Item(file, **envelope))
        threading.Thread(target=self._schedule, daemon=True).start()

    def add(
        self, sender: str, recipients: Sequence[str], content: bytes, wait: float = 0.0
    ) -> None:
        """Takes responsibility for it: it is on the disk when this returns. `wait`: until the first attempt."""
        now = time.time()
        name = f"{time.time_ns():x}-{os.getpid():x}-{next(self._numbers):x}"
        distinct = list(dict.fromkeys(recipients))
        item = Item(self.directory / name, sender, distinct, now, now + wait)
        item.everybody = list(distinct)
        self._write(item, content)
        with self._changed:
            self._items.append(item)
            self._changed.notify_all()

    def flush(self) -> None:
        """Has everything tried now."""
        with self._changed:
            for item in self._items:
                item.due = 0.0
                item.again = item.busy
            self._changed.notify_all()

    def stop(self, patience: float) -> None:
        """Begins no attempt any more, and returns when those under way have ended or after that time."""
        with self._changed:
            self._stopped = True
            self._changed.wait_for(
                lambda: not any(item.busy for item in self._items), patience
            )

    def _write(self, item: Item, content: bytes) -> None:
        envelope = {
            "sender": item.sender,
            "recipients": item.recipients,
            "arrived": item.arrived,
        }
        scratch = self.scratch / item.file.name
        with scratch.open("wb") as file:
            file.write(json.dumps(envelope).encode("ascii") + b"\n" + content)
            file.flush()
            os.fsync(file.fileno())
        scratch.rename(item.file)

    def _schedule(self) -> None:
        with self._changed:
            while True:
                now = time.time()
                waiting = [item for item in self._items if not item.busy]
                for item in waiting:
                    if item.due <= now and not self._stopped:
                        item.busy = True
                        self._pool.submit(self._work, item)
                later = [item.due for item in waiting if not item.busy]
                waits = bool(later) and not self._stopped
                self._changed.wait(min(later) - now if waits else None)

    def _work(self, item: Item) -> None:
        done = False
        try:
            done = self._attempt(item)
        except Exception:
            traceback.print_exc(file=sys.stderr)
        with self._changed:
            item.busy = False
            item.due = 0.0 if item.again else time.time() + self.retry
            item.again = False
            if done:
                self._items.remove(item)
                item.file.unlink()
            self._changed.notify_all()

    def _attempt(self, item: Item) -> bool:
        """Whether nothing is left to be done for it."""
        content = item.content()
        outcomes = self._outcomes(item, content)
        expired = time.time() > item.arrived + self.lifetime
        failures: dict[str, Outcome] = {}
        left = []
        for recipient, outcome in outcomes.items():
            if outcome.fate == Fate.FAILED:
                failures[recipient] = outcome
            elif outcome.fate == Fate.DEFERRED and (expired or self._gives_up(outcome)):
                failures[recipient] = replace(outcome, status="4.4.7")
            elif outcome.fate == Fate.DEFERRED:
                left.append(recipient)
        if left and self.setup.manner == Manner.NEVER_RETRY:
            left = []
        if left and self.setup.manner == Manner.RETRY_ALL:
            left = [name for name in item.everybody if name not in failures]
        if failures:
            self.bounce(item.sender, content, item.arrived, failures)
        if left and left != item.recipients:
            item.recipients = left
            self._write(item, content)
        return not left

    def _gives_up(self, outcome: Outcome) -> bool:
        """On what was deferred by a reply."""
        return self.setup.manner == Manner.BOUNCE_DEFERRED and bool(outcome.host)

    def bounce(
        self, sender: str, content: bytes, arrived: float, failures: dict[str, Outcome]
    ) -> None:
        """Reports to the reverse-path; nobody, if that is null (RFC 5321 6.1)."""
        to = sender
        if sender and self.setup.manner == Manner.BOUNCE_TO_FROM:
            to = author_of(content) or sender
        if not sender and self.setup.manner == Manner.REPORT_NULL_PATH:
            to = author_of(content)
        if not to:
            return
        text = report(self.setup.hostname, to, content, arrived, failures)
        copies = 2 if self.setup.manner == Manner.TWO_REPORTS else 1
        for _ in range(copies):
            self.add("", [to], text)

    def _outcomes(self, item: Item, content: bytes) -> Outcomes:
        """An attempt for each domain, several of them at once."""
        groups: dict[str, list[str]] = {}
        for recipient in item.recipients:
            domain = recipient.rpartition("@")[2].lower()
            groups.setdefault("" if self.setup.serves(domain) else domain, []).append(
                recipient
            )
        outcomes: Outcomes = {}
        with ThreadPoolExecutor(DOMAINS_AT_ONCE) as pool:
            attempts = [
                pool.submit(self._try, domain, item.sender, recipients, content)
                for domain, recipients in groups.items()
            ]
            for attempt in attempts:
                outcomes.update(attempt.result())
        return outcomes

    def _try(
        self, domain: str, sender: str, recipients: list[str], content: bytes
    ) -> Outcomes:
        if domain and not self.setup.is_itself(domain):
            return send(self.setup, sender, recipients, content)
        return self._to_mailboxes(sender, recipients, content)

    def _to_mailboxes(
        self, sender: str, recipients: list[str], content: bytes
    ) -> Outcomes:
        mailboxes = {}
        outcomes: Outcomes = {}
        for recipient in recipients:
            local, _, domain = recipient.rpartition("@")
            mailbox = self.setup.mailbox(local, domain)
            if mailbox is None:
                why = "550 5.1.1 There is no such mailbox"
                outcomes[recipient] = Outcome(Fate.FAILED, "5.1.1", why)
            else:
                mailboxes[recipient] = mailbox
        if not mailboxes:
            return outcomes
        wanted = list(dict.fromkeys(mailboxes.values()))
        delivered = deliver(self.setup, sender, wanted, for_mailbox(sender, content))
        for recipient, mailbox in mailboxes.items():
            outcomes[recipient] = delivered[mailbox]
        return outcomes


def author_of(content: bytes) -> str:
    """The first address of the From fields; "" without any."""
    authors = values(split(content)[0], b"From")
    named = getaddresses([value.decode("ascii", "replace") for value in authors])
    return named[0][1] if named else ""
