"""Which messages the tests of a sender take for reports of failure."""

from __future__ import annotations

import pytest

from conformance.lab import Dialogue, Message
from conformance.lab.notices import is_failure_of, is_mere_notice

RECIPIENT = "Info@forward-0017.example"

STATUS = """\
Content-Type: multipart/{kind}; report-type=delivery-status; boundary=b

--b

What became of it.
--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mail.example

{fields}
--b
Content-Type: message/rfc822

Subject: what came back
Content-Type: multipart/report; report-type=delivery-status; boundary=c

--c
Content-Type: message/delivery-status

Reporting-MTA: dns; other.example

Final-Recipient: rfc822; somebody@other.example
Action: {inner}
--c--
--b--
"""

FAILED = f"Final-Recipient: rfc822; {RECIPIENT}\nAction: Failed\nStatus: 5.1.1\n"
DELAYED = f"Final-Recipient: rfc822; {RECIPIENT}\nAction: delayed\nStatus: 4.4.1\n"
UNSAID = f"Final-Recipient: rfc822; {RECIPIENT}\n"


def message(text: str) -> Message:
    content = text.replace("\n", "\r\n").encode("utf-8")
    dialogue = Dialogue("lmtp.example", "127.0.0.1", "127.0.0.1", "mail.example")
    return Message(
        sender="",
        sender_parameters=[],
        recipients=["alice@sender-0017.example"],
        content=content,
        wire=content,
        accepted=True,
        dialogue=dialogue,
    )


def status(fields: str, kind: str = "report", inner: str = "failed") -> Message:
    return message(STATUS.format(fields=fields, kind=kind, inner=inner))


@pytest.mark.parametrize(
    "report",
    [
        status(FAILED, inner="delayed"),
        status(f"{DELAYED}\n{FAILED}"),
        status(FAILED, kind="mixed"),
        status(UNSAID),
        message("Subject: sorry\n\nNobody is <info@forward-0017.example> here.\n"),
    ],
    ids=["failed", "some failed", "of another type", "without an Action", "free form"],
)
def test_what_says_of_a_failure_is_a_report(report: Message) -> None:
    assert is_failure_of(report, [RECIPIENT])
    assert not is_mere_notice(report)


@pytest.mark.parametrize("kind", ["report", "mixed"])
def test_what_says_that_mail_is_delayed_is_a_mere_notice(kind: str) -> None:
    notice = status(DELAYED, kind)
    assert not is_failure_of(notice, [RECIPIENT])
    assert is_mere_notice(notice)


def test_what_names_no_recipient_is_no_report_of_theirs() -> None:
    assert not is_failure_of(message("Subject: hello\n\nAll is well.\n"), [RECIPIENT])


def test_a_domain_may_be_named_in_either_form() -> None:
    report = message("Subject: sorry\n\nmailbox@xn--maana-0017-r9a.example failed\n")
    domain = "xn--maana-0017-r9a.example".encode().decode("idna")
    assert is_failure_of(report, [f"mailbox@{domain}"])
