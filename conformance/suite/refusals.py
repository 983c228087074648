"""What tests of refused recipients and of things not advertised have in common. Each has its positive
control: a subject that refuses everything, or takes nothing to its destination, does not pass."""

from __future__ import annotations

import pytest

from conformance import expect, expect_not_in, expect_reply, expect_true
from conformance.lab import Client, Reply, World
from conformance.suite.acts import control, fence
from conformance.suite.dialogue import final_lines, octets_to_a_final_line


def expect_all_text(reply: Reply, text: str, enhanced: str) -> None:
    """All lines of a reply together say the text, which begins with that enhanced code. An MTA that divides a
    text may do so at a blank, and one that says ENHANCEDSTATUSCODES begins each line with the code (RFC 2034
    4)."""
    said = enhanced + "".join(line.removeprefix(enhanced) for line in reply.lines)
    expect("".join(said.split()), "".join(text.split()), "the text without blanks")


def refused_for_good(client: Client, command: str | bytes) -> None:
    """The command is answered with a 5xx, whose text may have any octets."""
    client.line(command)
    said = octets_to_a_final_line(client)
    lines = final_lines(said)
    expect_true(
        lines and lines[-1].startswith("5"), f"5xx to {command!r}", lines or said
    )


def recipients_refused(
    world: World,
    *recipients: str,
    sender: str | None = None,
    code: int | str = "5xx",
    enhanced: str | None = None,
) -> None:
    """In one transaction each of the recipients is refused, and then `info` is not. Where only the class
    is asked for, the text of the reply may have any octets: DLG-53 judges that."""
    with world.client() as client:
        client.mail(world.sender.address if sender is None else sender)
        for recipient in recipients:
            if code == "5xx" and enhanced is None:
                refused_for_good(client, f"RCPT TO:<{recipient}>")
                continue
            reply = client.rcpt(recipient)
            expect_reply(reply, code, enhanced=enhanced, to=f"RCPT of {recipient}")
        expect_reply(client.rcpt(world.info), 250, to="RCPT of a routed address")


def not_advertised(world: World, keyword: str, *, secured: bool = False) -> None:
    """EHLO does not offer an extension, in a service that forwards mail."""
    with world.client() as client:
        if secured:
            expect_reply(client.starttls(), 220, to="STARTTLS")
        expect_not_in(keyword, list(client.extensions()), "the extensions offered")
    control(world)


def skip_if_offered(world: World, keyword: str) -> None:
    """Skips a test of what has to be refused only where the extension is not offered."""
    with world.client(greet=False) as client:
        client.banner()
        if keyword in client.extensions():
            pytest.skip(f"{keyword} is offered")


def mail_refused(world: World, patience: float = 0.0) -> Reply:
    """The refusal of mail for `info`, to RCPT or to a later step, by a subject that forwards mail to
    another destination. `patience` is added to the client's."""
    reply = refusal_of_mail(world, patience)
    fence(world)
    return reply


def refusal_of_mail(world: World, patience: float = 0.0) -> Reply:
    """The same without the other mail."""
    with world.client() as client:
        client.patience += patience
        delivery = client.deliver(world.sender.address, world.info, world.message())
    expect_true(not delivery.accepted, "a refusal", delivery.final)
    return delivery.final
