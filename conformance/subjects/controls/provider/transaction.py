"""A mail transaction with a host, by SMTP or LMTP, and the search for the host."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from contextlib import suppress

from conformance.subjects.controls.provider.connection import (
    Connection,
    Refused,
    connect,
)
from conformance.subjects.controls.provider.hosts import Unroutable, hosts_for
from conformance.subjects.controls.provider.manners import Manner
from conformance.subjects.controls.provider.message import Undowngradable, downgraded
from conformance.subjects.controls.provider.reply import Fate, Lost, Outcome, Reply
from conformance.subjects.controls.provider.setup import Setup

Outcomes = dict[str, Outcome]
BLOCK = 65536  # for each of which a host has the same time (RFC 5321 4.5.3.2.5)
LINE_START_DOT = re.compile(rb"^\.", re.MULTILINE)


def deferred(text: str, host: str = "", elsewhere: bool = True) -> Outcome:
    return Outcome(Fate.DEFERRED, "4.4.2", text, host, elsewhere)


def all_alike(recipients: Iterable[str], outcome: Outcome) -> Outcomes:
    return {recipient: outcome for recipient in recipients}


def send(
    setup: Setup, sender: str, recipients: Sequence[str], content: bytes
) -> Outcomes:
    """One attempt for recipients of one domain: all its hosts, until each recipient has an answer."""
    domain = recipients[0].rpartition("@")[2]
    outcomes = all_alike(recipients, deferred(f"no host of {domain} was reached"))
    refusals: list[Reply] = []
    tried = 0
    left = list(recipients)
    try:
        for host in hosts_for(domain, setup):
            tried += 1
            for address in host.addresses:
                try:
                    connection = connect(setup, host.name, address)
                except Refused as refused:
                    refusals.append(refused.reply)
                    outcome = deferred(refused.reply.text, host.name)
                    outcomes.update(all_alike(left, outcome))
                    break
                except (OSError, Lost) as error:
                    outcome = deferred(f"{host.name} [{address}]: {error}")
                    outcomes.update(all_alike(left, outcome))
                    continue
                new = transact(connection, sender, left, content)
                outcomes.update(new)
                left = [name for name in left if tries_elsewhere(setup, new[name])]
                break
            if not left:
                break
    except Unroutable as error:
        fate = Fate.FAILED if error.permanent else Fate.DEFERRED
        return all_alike(recipients, Outcome(fate, error.status, error.text))
    if refusals and len(refusals) == tried and all(r.permanent for r in refusals):
        final = Outcome(Fate.FAILED, refusals[0].status, refusals[0].text)
        outcomes.update(all_alike(left, final))
    return outcomes


def tries_elsewhere(setup: Setup, outcome: Outcome) -> bool:
    if setup.manner == Manner.INSIST and outcome.fate == Fate.FAILED:
        return True
    return outcome.elsewhere


def deliver(
    setup: Setup, sender: str, recipients: Sequence[str], content: bytes
) -> Outcomes:
    """To mailboxes, by LMTP (RFC 2033)."""
    lmtp = setup.plan["lmtp"]
    host = str(lmtp["host"])
    try:
        connection = Connection(setup, host, int(lmtp["port"]), None, host)
    except OSError as error:
        return all_alike(recipients, deferred(f"mailboxes: {error}"))
    try:
        connection.lhlo()
    except Refused as refused:
        connection.close()
        return all_alike(recipients, deferred(refused.reply.text, host))
    except (OSError, Lost) as error:
        connection.close()
        return all_alike(recipients, deferred(f"mailboxes: {error}", host))
    return transact(connection, sender, recipients, content, lmtp=True)


def transact(
    connection: Connection,
    sender: str,
    recipients: Sequence[str],
    content: bytes,
    *,
    lmtp: bool = False,
) -> Outcomes:
    """One transaction, after which the session ends."""
    transaction = Transaction(connection, sender, recipients, content, lmtp)
    try:
        transaction.run()
    except (OSError, Lost) as error:
        # Before the final dot nobody has taken it; after it, somebody may have.
        outcome = deferred(str(error), connection.host, not transaction.ended)
        transaction.settle(outcome)
        connection.close()
    else:
        connection.quit()
    return transaction.outcomes


class Transaction:
    """MAIL, RCPT for each recipient, DATA and the message."""

    def __init__(
        self,
        connection: Connection,
        sender: str,
        recipients: Sequence[str],
        content: bytes,
        lmtp: bool,
    ) -> None:
        self.connection = connection
        self.setup = connection.setup
        self.sender = sender
        self.recipients = recipients
        self.content = content
        self.lmtp = lmtp
        self.ended = False  # the final dot has been sent
        self.outcomes: Outcomes = {}

    def settle(self, outcome: Outcome) -> None:
        """For those that have none yet."""
        for recipient in self.recipients:
            self.outcomes.setdefault(recipient, outcome)

    def run(self) -> None:
        offered = self.connection.extensions
        refusal = self.prepare(offered)
        if refusal is not None:
            self.settle(refusal)
            return
        accepted = self.envelope(self.parameters(offered), "PIPELINING" in offered)
        if not accepted:
            return
        reply = self.connection.command("DATA")
        if not 300 <= reply.code < 400:
            self.settle_refused(reply)
            return
        self.message()
        for recipient in accepted if self.lmtp else accepted[:1]:
            reply = self.connection.reply(self.setup.seconds("upstream_data_end"))
            outcome = Outcome.of(reply, self.connection.host, elsewhere=False)
            if not reply.positive and reply.code < 400:
                raise Lost(f"out of place: {reply.text}")
            if self.lmtp:
                self.outcomes[recipient] = outcome
            else:
                self.settle(outcome)

    def settle_refused(self, reply: Reply) -> None:
        if reply.code < 400:
            raise Lost(f"out of place: {reply.text}")
        self.settle(Outcome.of(reply, self.connection.host))
        if reply.code == 421:
            raise Lost(reply.text)

    def prepare(self, offered: dict[str, str]) -> Outcome | None:
        """Makes the message one that the host can take, or says why that cannot be."""
        host = self.connection.host
        if not self.content.isascii() and "8BITMIME" not in offered:
            if self.setup.manner != Manner.SEND_8BIT:
                try:
                    self.content = downgraded(self.content)
                except Undowngradable as error:
                    return Outcome(Fate.FAILED, "5.6.3", str(error), host)
        size_max = offered.get("SIZE", "")
        if size_max.isdigit() and 0 < int(size_max) < len(self.content):
            text = f"{len(self.content)} octets are more than the {size_max} it takes"
            return Outcome(Fate.FAILED, "5.3.4", text, host)
        return None

    def parameters(self, offered: dict[str, str]) -> str:
        """Of MAIL (RFC 1870, RFC 6152)."""
        parameters = ""
        if "SIZE" in offered:
            parameters += f" SIZE={len(self.content)}"
        if "8BITMIME" in offered and not self.content.isascii():
            parameters += " BODY=8BITMIME"
        return parameters

    def envelope(self, parameters: str, pipelining: bool) -> list[str]:
        """The recipients that the host accepted."""
        commands = [f"MAIL FROM:<{self.sender}>{parameters}"]
        commands += [f"RCPT TO:<{recipient}>" for recipient in self.recipients]
        if pipelining or self.setup.manner == Manner.PIPELINE_UNOFFERED:
            together = "".join(f"{command}\r\n" for command in commands)
            self.connection.send(together.encode("ascii"))
            commands.clear()
        else:
            self.connection.send(commands.pop(0).encode("ascii") + b"\r\n")
        mail = self.connection.reply()
        if not mail.positive:
            self.settle_refused(mail)
            if not commands:
                self.drain()
            return []
        accepted = []
        for recipient in self.recipients:
            if commands:
                self.connection.send(commands.pop(0).encode("ascii") + b"\r\n")
            reply = self.connection.reply()
            if reply.positive:
                accepted.append(recipient)
                continue
            if reply.code < 400 or reply.code == 421:
                raise Lost(reply.text)
            if reply.code == 552:  # RFC 5321 4.5.3.1.10: as if it were 452
                reply = Reply(452, reply.lines)
            self.outcomes[recipient] = Outcome.of(reply, self.connection.host)
        return accepted

    def drain(self) -> None:
        """Reads what the host replied to the rest of a group of commands."""
        with suppress(Lost):
            for _ in self.recipients:
                self.connection.reply()

    def message(self) -> None:
        """The message and its end (RFC 5321 4.5.2)."""
        content = self.content
        if not content.endswith(b"\r\n"):
            content += b"\r\n"
        if self.lmtp or self.setup.manner != Manner.NO_DOT_STUFFING:
            content = LINE_START_DOT.sub(b"..", content)
        if not self.lmtp and self.setup.manner == Manner.BARE_LF:
            content = content.replace(b"\r\n", b"\n")
            content += b"\r\n"
        self.ended = True  # some of it may contain what the host takes for the end
        content += b".\r\n"
        patience = self.setup.seconds("upstream_data_end")
        for start in range(0, len(content), BLOCK):
            self.connection.send(content[start : start + BLOCK], patience)
