"""Which messages report that mail was not delivered: status reports (RFC 3464) and free-form ones (RFC 5321
3.6.3 has a format recommended, and none required). One that says only that mail is delayed does not."""

from __future__ import annotations

import email
import email.message
import re
from collections.abc import Iterable

from conformance.lab.records import Message
from conformance.subjects.plan_file import a_label

STATUS_TYPE = "message/delivery-status"


def parsed(report: Message) -> email.message.Message:
    """The report as MIME has it."""
    return email.message_from_bytes(report.content)


def parts(of: email.message.Message) -> list[email.message.Message]:
    """The parts of a multipart entity; none of another one."""
    payload = of.get_payload()
    found = payload if isinstance(payload, list) else []
    return [part for part in found if isinstance(part, email.message.Message)]


def squeezed(text: str) -> str:
    """`text` without white space, which differs as lines are folded."""
    return re.sub(r"\s+", "", text)


def words_of(report: Message) -> str:
    """All text of the report, as it came and decoded, without white space."""
    leaves = (part for part in parsed(report).walk() if not part.is_multipart())
    payloads = [part.get_payload(decode=True) for part in leaves]
    octets = [report.content, *(p for p in payloads if isinstance(p, bytes))]
    return squeezed(b"\n".join(octets).decode("utf-8", "replace"))


def actions_of(report: Message) -> list[str]:
    """What has become of each recipient ("failed", "delayed", ...; empty where that is not said), whatever the
    type of the whole is; none in a free-form report. What it returns may be a report itself, and is not read.
    """
    found = [p for p in parts(parsed(report)) if p.get_content_type() == STATUS_TYPE]
    blocks = [block for part in found for block in parts(part)[1:] if block.keys()]
    return [str(block["Action"] or "").strip().lower() for block in blocks]


def is_mere_notice(report: Message) -> bool:
    """Whether it says of all recipients that something other than a failure has become of them."""
    actions = actions_of(report)
    return bool(actions) and all(a not in ("failed", "") for a in actions)


def is_failure_of(report: Message, recipients: Iterable[str]) -> bool:
    """Whether it says that a message was not delivered: "failed", or in free form the address of one of
    the recipients."""
    actions = actions_of(report)
    if any(actions):
        return "failed" in actions
    words = words_of(report).lower()
    return any(written in words for r in recipients for written in _forms(r))


def _forms(address: str) -> set[str]:
    """In lower case, with either form of its domain."""
    local, _, domain = address.lower().rpartition("@")
    return {squeezed(f"{local}@{form}") for form in (domain, a_label(domain))}
