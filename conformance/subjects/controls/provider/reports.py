"""Delivery status notifications (RFC 3464, RFC 3462)."""

from __future__ import annotations

import secrets
from email.utils import formatdate, make_msgid

from conformance.subjects.controls.provider.message import Field, split
from conformance.subjects.controls.provider.reply import Outcome


def report(
    hostname: str, to: str, content: bytes, arrived: float, failures: dict[str, Outcome]
) -> bytes:
    """One for all recipients that failed, to the reverse-path."""
    boundary = secrets.token_hex(16)
    fields, _ = split(content)
    explained = "".join(
        f"<{recipient}>: {ascii_only(outcome.text)}\r\n"
        for recipient, outcome in failures.items()
    )
    parts = [
        f"From: Mail Delivery System <postmaster@{hostname}>\r\n"
        f"To: <{to}>\r\n"
        "Subject: Undelivered mail\r\n"
        f"Date: {formatdate()}\r\n"
        f"Message-ID: {make_msgid(domain=hostname)}\r\n"
        "Auto-Submitted: auto-replied\r\n"
        "MIME-Version: 1.0\r\n"
        "Content-Type: multipart/report; report-type=delivery-status;\r\n"
        f'\tboundary="{boundary}"\r\n'
        "\r\n",
        f"--{boundary}\r\n"
        "Content-Type: text/plain; charset=us-ascii\r\n"
        "\r\n"
        "Your message could not be delivered to:\r\n"
        "\r\n"
        f"{explained}",
        f"\r\n--{boundary}\r\n"
        "Content-Type: message/delivery-status\r\n"
        "\r\n"
        f"Reporting-MTA: dns; {hostname}\r\n"
        f"Arrival-Date: {formatdate(arrived)}\r\n"
        "\r\n" + "\r\n".join(group(name, why) for name, why in failures.items()),
        f"\r\n--{boundary}\r\nContent-Type: text/rfc822-headers\r\n\r\n",
    ]
    text = "".join(parts).encode("ascii") + returned(fields)
    return text + f"\r\n--{boundary}--\r\n".encode("ascii")


def group(recipient: str, outcome: Outcome) -> str:
    """The fields of one recipient (RFC 3464 2.3)."""
    lines = [f"Final-Recipient: rfc822; {recipient}", "Action: failed"]
    lines.append(f"Status: {outcome.status}")
    if outcome.host:
        lines.append(f"Remote-MTA: dns; {outcome.host}")
        lines.append(f"Diagnostic-Code: smtp; {ascii_only(outcome.text)[:900]}")
    return "".join(f"{line}\r\n" for line in lines)


def ascii_only(text: str) -> str:
    return "".join(c if " " <= c <= "~" else "?" for c in text)


def returned(fields: list[Field]) -> bytes:
    """The header of the message that came back, in 7 bits."""
    octets = b"".join(field.octets for field in fields)
    return bytes(octet if octet < 128 else ord("?") for octet in octets)
