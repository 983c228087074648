"""Control subjects: MTAs that are wrong on purpose, by which the suite itself is judged.

They speak correct ESMTP (mta.py) and are wrong in one way. They declare every capability that an MTA
can have without being started by us, so that nothing is `unimplemented` for them that is tested. What a
control passes is in passes.yaml: a clause that is not there and passes was passed by nothing done.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path

from conformance.settings import ROOT
from conformance.subjects.base import (
    CAPABILITIES,
    SHORT_TIMEOUTS,
    Plan,
    Process,
    Subject,
    tail,
)
from conformance.subjects.controls.mail_left import MailLeft

# What it would take to have them: an operator's access, which a control has no use for.
NOT_DECLARED = frozenset(
    {
        "restart",
        "clock",
        "timeouts",
        "limits",
        "session-limits",
        "memory-budget",
        "plans",
    }
    | {"provisioning", "proxy-protocol", "dmarc-options"}
)

# By name, what is wrong with it.
CONTROLS = {
    "refuse-550": "refuses every recipient with 550 5.1.1",
    "refuse-571": "refuses every recipient with 550 5.7.1",
    "refuse-451": "refuses every recipient with 451 4.4.2",
    "answer-421": "answers every recipient with 421 and closes",
    "drop": "accepts everything and drops it",
    "naive": "queues and forwards with the original sender, and adds nothing",
    "unsigned": "does everything that the reference does, but neither signs nor seals",
    "bounce": "accepts everything, forwards what it can like naive, and bounces the rest",
}
PREFIX = "control-"
UNSIGNED = f"{PREFIX}unsigned"  # the only one that is no Control
NAMES = tuple(PREFIX + name for name in CONTROLS)


class Control(Subject):
    """One of them."""

    capabilities = frozenset(CAPABILITIES) - NOT_DECLARED
    timeouts = SHORT_TIMEOUTS

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        self._directory = Path()
        self._process: Process | None = None
        self._mail_left: MailLeft | None = None

    def version(self) -> str:
        return f"a control: it {CONTROLS[self.name.removeprefix(PREFIX)]}"

    def configure(self, plan: Plan, directory: Path) -> None:
        self._directory = directory
        text = json.dumps(asdict(plan), default=str)
        (directory / "plan.json").write_text(text, encoding="utf-8")
        self._mail_left = MailLeft(directory)

    def start(self, clock_offset_days: float = 0.0) -> None:
        arguments = [sys.executable, "-m", "conformance.subjects.controls.mta"]
        arguments += [
            self.name.removeprefix(PREFIX),
            str(self._directory / "plan.json"),
        ]
        self._process = Process(
            arguments, self._directory / "log", {"PYTHONPATH": str(ROOT)}
        )
        self._process.start()

    def stop(self) -> None:
        if self._process:
            self._process.stop()

    def kill(self) -> None:
        self.stop()

    def running(self) -> bool:
        return self._process is not None and self._process.running

    def process_ids(self) -> list[int]:
        return [self._process.pid] if self._process and self._process.running else []

    def has_mail(self) -> bool | None:
        return self._mail_left.value > 0 if self._mail_left else None

    def diagnosis(self) -> str:
        return tail(self._directory / "log")
