"""A plugin for `conform`: asks `fairlead verify` about every refusal that a client of the suite gets.

It follows the dialogue of each raw client. Whenever MAIL, RCPT or a message is refused, it runs
`fairlead verify` there and then, in the same lab with the same DNS, configuration and envelope, and
keeps both answers. At the end it joins the relay's own log, which
names the clause. What it found goes to the file that AGREEMENT_FILE names, one JSON object a line.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pytest

from conformance.lab.client import Client, Reply
from conformance.lab.world import Lab
from conformance.subjects import REFERENCE
from conformance.subjects.base import Plan
from conformance.settings import ROOT

HARMLESS = b"From: <a@elsewhere.example>\r\n\r\n"
# The tools read no larger file (relay/tools/tool.h).
TOOL_FILE_MAX = 64 * 1024 * 1024


@dataclass
class Finding:
    """One answer of the relay's, and what verify says of the same input."""

    test: str
    stage: str  # MAIL, RCPT or DATA
    client: str
    relay: str  # the reply, its lines joined by a line feed
    verify: dict[str, Any]
    logged: list[str] = field(default_factory=list)  # clauses, or "upstream"


@dataclass
class Dialogue:
    """What a client has said so far, command by command, as its replies come in."""

    unanswered: bytes = b""
    greeted: bool = False
    in_content: bool = False
    helo: str = ""
    sender: str | None = None
    recipients: list[str] = field(default_factory=list)
    # A command whose end cannot be told, or too much for verify: nothing more is understood.
    cut: bool = False

    def next_input(self) -> bytes | None:
        """What the next reply answers: a command line or a message; None for nothing."""
        end = b"\r\n"
        if self.in_content:
            end = b"\r\n.\r\n"
            if self.unanswered.startswith(b".\r\n"):
                end = b".\r\n"
        said, found, rest = self.unanswered.partition(end)
        if not found:
            return None
        self.unanswered = rest
        return said + b"\r\n" if self.in_content and end != b".\r\n" else said

    def path(self, line: bytes) -> str | None:
        """The path of MAIL or RCPT in its brackets, where nothing follows it."""
        match = re.fullmatch(rb"[^<]*:\s?(<.*>)", line.rstrip())
        return match[1].decode("utf-8", "surrogateescape") if match else None


class Agreement:
    """The plugin: it wraps the lab's client while tests run."""

    def __init__(self) -> None:
        self.lab: Lab | None = None
        self.is_told = False  # by the lab's client, in this process
        self.test = ""
        self.findings: list[Finding] = []
        self._dialogues: dict[int, Dialogue] = {}
        self._count = 0
        self.travelled = (
            False  # the relay runs at another date, which verify would have to be told
        )

    # What the client does

    def sent(self, client: Client, data: bytes) -> None:
        dialogue = self._dialogues.setdefault(id(client), Dialogue())
        dialogue.cut |= len(dialogue.unanswered) + len(data) > TOOL_FILE_MAX
        if not dialogue.cut:
            dialogue.unanswered += data

    def answered(self, client: Client, reply: Reply) -> None:
        dialogue = self._dialogues.setdefault(id(client), Dialogue())
        if not dialogue.greeted:
            dialogue.greeted = True
            return
        said = dialogue.next_input()
        if said is None:
            return
        if not dialogue.in_content and re.search(rb"[\r\n\0]", said):
            return  # refused as a line, whatever the command
        if dialogue.in_content:
            dialogue.in_content = False
            if reply.code >= 400:
                self._ask(client, dialogue, "DATA", reply, unstuffed(said))
            dialogue.sender = None
            return
        verb = said[:4].upper()
        if verb in (b"EHLO", b"HELO") and reply.code == 250:
            dialogue.helo = said[4:].strip().decode("ascii", "replace")
        elif verb == b"MAIL":
            path = dialogue.path(said)
            if reply.code == 250:
                dialogue.sender, dialogue.recipients = path, []
            elif path and dialogue.helo and dialogue.sender is None:
                dialogue.sender = path
                self._ask(client, dialogue, "MAIL", reply, HARMLESS)
                dialogue.sender = None
        elif verb == b"RCPT":
            path = dialogue.path(said)
            if path and reply.code < 300:
                dialogue.recipients.append(path)
            elif path and dialogue.sender and not dialogue.recipients:
                self._ask(client, dialogue, "RCPT", reply, HARMLESS, path)
        elif verb == b"DATA" and reply.code == 354:
            dialogue.in_content = True
        elif verb in (b"RSET", b"EHLO", b"HELO", b"STAR"):
            dialogue.sender = None

    def closed(self, client: Client) -> None:
        self._dialogues.pop(id(client), None)

    # What verify says

    def _ask(
        self,
        client: Client,
        dialogue: Dialogue,
        stage: str,
        reply: Reply,
        message: bytes,
        recipient: str | None = None,
    ) -> None:
        lab = self.lab
        if lab is None or lab.subject.name != REFERENCE or not dialogue.sender:
            return
        if self.travelled or not dialogue.helo or not client.source:
            return
        self._count += 1
        file = lab.directory / f"agreement{self._count}.eml"
        # One line break more and no line end alone makes it a file as it came over the wire.
        file.write_bytes(message if b"\r\n" in message else message + b"\r\n")
        recipient = recipient or (
            dialogue.recipients[0] if len(dialogue.recipients) == 1 else None
        )
        done = subprocess.run(
            [
                os.fsencode(part)
                for part in (
                    *(
                        str(ROOT / "build/relay/fairlead"),
                        "verify",
                        "--resolver",
                        "127.0.0.1:53",
                    ),
                    *("-c", str(lab.directory / "subject" / "state" / "fairlead.yaml")),
                    *("--ip", client.source, "--helo", dialogue.helo),
                    *("--mail-from", dialogue.sender),
                    *(("--rcpt-to", recipient) if recipient else ()),
                    str(file),
                )
            ],
            capture_output=True,
            timeout=120,
        )
        file.unlink()
        said = (
            json.loads(done.stdout)
            if done.returncode == 0
            else {"error": done.stderr.decode("utf-8", "replace")}
        )
        kept = {key: said.get(key) for key in ("verdict", "stage", "reply", "clause")}
        kept["error"] = said.get("error")
        text = "\n".join(f"{reply.code} {line}" for line in reply.lines)
        self.findings.append(Finding(self.test, stage, client.source, text, kept))

    # What the log says

    def join_log(self) -> None:
        """Adds to each finding the clauses by which the log explains such a reply to that client."""
        assert self.lab is not None
        entries = log_entries(self.lab.directory / "subject" / "log")
        for finding in self.findings:
            mine = [entry for entry in entries if entry.explains(finding)]
            exact = [entry for entry in mine if entry.stage == finding.stage]
            finding.logged = sorted({entry.by for entry in exact or mine})

    def write(self, path: Path) -> None:
        with path.open("a", encoding="utf-8") as out:
            for finding in self.findings:
                out.write(json.dumps(asdict(finding)) + "\n")
        self.findings.clear()


def unstuffed(content: bytes) -> bytes:
    """Content without its transparency dots (RFC 5321 4.5.2)."""
    return re.sub(rb"(?:\A|(?<=\r\n))\.", b"", content)


@dataclass
class Logged:
    """One refusal or reply that the log tells of."""

    client: str
    stage: str  # RCPT, DATA, or "session" for what belongs to no transaction
    code: int
    text: str  # of what belongs to no transaction: with "{}" where details stood
    by: str

    def explains(self, finding: Finding) -> bool:
        """Whether the client may have got this very reply."""
        words = ".*".join(map(re.escape, printable(self.text).split("{}")))
        said = re.compile(rf"{self.code} ([245]\.\d+\.\d+ )?{words}")
        stages = (finding.stage, "session")
        return (
            self.client == finding.client
            and self.stage in stages
            and said.match(finding.relay) is not None
        )


def printable(text: str) -> str:
    """What the relay makes of an upstream's text before it hands it on."""
    return re.sub(r"[^\x20-\x7e]", "?", text)


def log_entries(path: Path) -> list[Logged]:
    found: list[Logged] = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        replies = [("session", refusal) for refusal in entry.get("refusals", ())]
        replies += [("RCPT", recipient) for recipient in entry.get("recipients", ())]
        if "answer" in entry:
            replies.append(("DATA", entry["answer"]))
        found += [
            Logged(entry["client"], stage, reply["code"], reply["text"], reply["by"])
            for stage, reply in replies
        ]
    return found


AGREEMENT = Agreement()


def wrap() -> None:
    """Has the lab's client and lab tell AGREEMENT what happens."""
    send, read_reply, close = Client.send, Client.read_reply, Client.close
    start, stop, restart = Lab.start, Lab.stop, Lab.restart_subject

    def sending(self: Client, data: bytes) -> None:
        if data.startswith(b"PROXY "):
            data_of_client = data.partition(b"\r\n")[2]
        else:
            data_of_client = data
        AGREEMENT.sent(self, data_of_client)
        send(self, data)

    def reading(self: Client, patience: float | None = None) -> Reply:
        reply = read_reply(self, patience)
        AGREEMENT.answered(self, reply)
        return reply

    def closing(self: Client) -> None:
        AGREEMENT.closed(self)
        close(self)

    def starting(self: Lab) -> None:
        start(self)
        AGREEMENT.lab = self

    def stopping(self: Lab) -> None:
        if AGREEMENT.lab is self:
            self.subject.stop()  # so that its log is whole
            AGREEMENT.join_log()
            AGREEMENT.write(Path(os.environ["AGREEMENT_FILE"]))
            AGREEMENT.lab = None
        stop(self)

    def restarting(
        self: Lab, clock_offset_days: float = 0.0, plan: Plan | None = None
    ) -> None:
        AGREEMENT.travelled = clock_offset_days != 0.0
        restart(self, clock_offset_days, plan)

    for owner, name, wrapper in (
        (Client, "send", sending),
        (Client, "read_reply", reading),
        (Client, "close", closing),
        (Lab, "start", starting),
        (Lab, "stop", stopping),
        (Lab, "restart_subject", restarting),
    ):
        setattr(owner, name, wrapper)


def pytest_configure(config: pytest.Config) -> None:
    # A run may have several sessions in one process.
    if "AGREEMENT_FILE" in os.environ and not AGREEMENT.is_told:
        AGREEMENT.is_told = True
        wrap()


def pytest_runtest_setup(item: pytest.Item) -> None:
    AGREEMENT.test = item.name
