"""`conform --shell`: a shell in the running lab, with examples of commands."""

from __future__ import annotations

import os
import subprocess
import sys

from conformance.lab import Lab, Message
from conformance.lab.namespace import NamespaceForbidden, scratch, unshare_here
from conformance.lab.plan import STANDING_DESTINATION
from conformance.report.model import COULD_NOT_RUN
from conformance.settings import Settings
from conformance.subjects import make_subject
from conformance.subjects.base import StopFailed, SubjectUnavailable

HINT = """\
The lab is running; nothing outside it can be reached. Leave it with "exit".

  {subject} listens on {addresses}, port {port}.
  This message is forwarded:
    swaks --server {ipv4}:{port} --from alice@sender.example --to info@example.com
  and stored, as it arrived at {destination}, in {directory}/mail/ .
  This one is refused by the upstream, in the same session:
    swaks --server {ipv4}:{port} --from alice@sender.example --to rejected@example.com
  DNS answers on 127.0.0.1:
    dig MX example.com
"""


def open_shell(settings: Settings) -> int:
    """Starts the lab, runs the user's shell in it, and returns the shell's exit status."""
    try:
        directory = scratch()
        mail = directory / "mail"
        mail.mkdir()
        subject = make_subject(settings)
        if subject.needs_namespace:
            unshare_here()
        lab = Lab(subject, directory, 1)
        lab.start()
    except (NamespaceForbidden, SubjectUnavailable, OSError) as error:
        print(f"conform: {error}", file=sys.stderr)
        return COULD_NOT_RUN

    def keep(message: Message) -> None:
        number = sum(1 for _ in mail.iterdir()) + 1
        (mail / f"{number}.eml").write_bytes(message.content)

    assert lab.standing is not None
    lab.standing.on_message = keep
    print(
        HINT.format(
            subject=subject.version(),
            addresses=" and ".join(filter(None, (lab.plan.ipv4, lab.plan.ipv6))),
            ipv4=lab.plan.ipv4,
            port=lab.plan.port,
            destination=STANDING_DESTINATION,
            directory=directory,
        ),
        flush=True,
    )
    try:
        status = subprocess.call([os.environ.get("SHELL", "/bin/bash")], cwd=directory)
    finally:
        problem = _stopped(lab)
    if problem:
        print(f"conform: {problem}", file=sys.stderr)
        return COULD_NOT_RUN
    return status


def _stopped(lab: Lab) -> str | None:
    """Stops the lab. Why the subject could not be shut down, if it could not."""
    try:
        lab.stop()
    except StopFailed as error:
        return str(error)
    return None
