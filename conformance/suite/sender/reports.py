"""Reports of failure as the tests of a sender read them (RFC 3464, RFC 6522)."""

from __future__ import annotations

import email.message
from dataclasses import dataclass

import pytest

from conformance import fail
from conformance.lab import Message, SenderWorld
from conformance.lab.notices import STATUS_TYPE, parsed, parts

Fields = email.message.Message


@dataclass(frozen=True)
class Status:
    """The machine-readable part of a report."""

    of_message: Fields
    of_recipients: list[Fields]

    def only(self) -> Fields:
        """The fields of the one recipient that there is to report."""
        if len(self.of_recipients) != 1:
            fail("fields of one recipient", f"of {len(self.of_recipients)}")
        return self.of_recipients[0]

    def recipients(self) -> list[str]:
        """Those that are reported, in lower case."""
        fields = (f["Final-Recipient"] for f in self.of_recipients)
        return sorted(address_of(field or "") for field in fields)

    def of(self, address: str) -> Fields:
        """The fields of one recipient."""
        for fields in self.of_recipients:
            if address_of(fields["Final-Recipient"] or "") == address.lower():
                return fields
        fail(f"the fields of <{address}>", self.recipients())


def address_of(typed: str) -> str:
    """The address in `rfc822; address`, in lower case and without brackets (RFC 3464 2.3.2)."""
    return typed.partition(";")[2].strip().strip("<>").lower()


def is_status_report(report: Message) -> bool:
    """Whether it has the format of RFC 3464."""
    whole = parsed(report)
    kind = str(whole.get_param("report-type", "")).lower()
    return whole.get_content_type() == "multipart/report" and kind == "delivery-status"


def parts_of(report: Message) -> list[email.message.Message]:
    """The parts of a multipart/report. Skips for a report in another format, which SND-65 judges."""
    if not is_status_report(report):
        pytest.skip("the report is not in the format of RFC 3464 (see SND-65)")
    return parts(parsed(report))


def status_of(report: Message) -> Status:
    """Its machine-readable part. Skips for a report in another format."""
    for part in parts_of(report):
        if part.get_content_type() == STATUS_TYPE:
            blocks = parts(part)
            if blocks:
                return Status(
                    blocks[0], [block for block in blocks[1:] if block.keys()]
                )
    fail(
        f"a part of type {STATUS_TYPE}",
        [p.get_content_type() for p in parts_of(report)],
    )


def statuses_of(world: SenderWorld, mailbox: str) -> list[Status]:
    """Those of all reports that have come to a mailbox."""
    wanted = mailbox.lower()
    mine = [m for m in world.bounces() if m.recipients[0].lower() == wanted]
    return [status_of(report) for report in mine]
