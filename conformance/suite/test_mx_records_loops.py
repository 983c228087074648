"""MX records: mail that comes back to the relay by a destination of which it is not the host."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from conformance import (
    ConformanceFailure,
    clause,
    expect,
    expect_match,
    expect_reply,
    expect_true,
    fail,
)
from conformance.lab import Client, World, hold, stuffed
from conformance.suite.acts import forward, open_transaction
from conformance.suite.envelope import path_of, reverse_path_of

NESTED_ROUNDS = 10  # that the service lets wait


@contextmanager
def waiting_upstream(world: World) -> Iterator[None]:
    """The upstream's replies to RCPT wait, as those of a relay do that asks the next one first."""
    gate = hold()
    world.upstream.on("rcpt", gate)
    try:
        yield
    finally:
        gate.release()


def begin_first_round(world: World, client: Client) -> str:
    """MAIL and RCPT, which the upstream keeps waiting. Returns the SRS address in its MAIL."""
    client.mail(f"a@{world.sender.domain}")
    client.line(f"RCPT TO:<{world.info}>")
    world.upstream.wait_for_command(b"RCPT")
    return path_of(world.upstream.wait_for_command(b"MAIL"))


def another_client(world: World) -> Client:
    """From another address, which is another client to the limits of the first."""
    return world.client(source=world.new_client_addresses()[0])


def expect_rcpt_refused(
    client: Client, world: World, code: int, enhanced: str, of: str
) -> None:
    """The RCPT of a round that is one too many is refused, and not kept waiting as the others are."""
    try:
        reply = client.rcpt(world.info)
    except ConformanceFailure as failure:
        actual = failure.actual
        if actual == "the subject sent nothing":
            actual = f"nothing within {client.patience:g} s"
        fail(f"{code} {enhanced} to the RCPT of {of}", actual)
    expect_reply(reply, code, enhanced=enhanced, to=f"the RCPT of {of}")


@clause("MX-24")
@pytest.mark.parametrize("form", ["SRS0", "SRS1", "srs1 in another case"])
def test_mail_that_comes_back_while_it_is_being_forwarded_is_refused(
    world: World, form: str
) -> None:
    world.require("srs")
    with waiting_upstream(world), world.client() as first:
        path = begin_first_round(world, first)
        if form != "SRS0":
            local, _, domain = path.rpartition("@")
            path = f"SRS1=XXXX={domain}={local.removeprefix('SRS0')}@{world.elsewhere}"
        if "case" in form:
            path = path.lower()
        with another_client(world) as second:
            expect_reply(second.mail(path), 250, to="MAIL")
            expect_rcpt_refused(second, world, 554, "5.4.6", "the second round")
            # Another recipient, and another sender, are no round.
            second.line(f"RCPT TO:<{world.other}>")
            world.upstream.wait_for_command(b"RCPT", 2)
    expect(len(world.upstream.dialogues), 2, "the number of connections upstream")


@clause("MX-24")
def test_a_reverse_path_with_a_forged_hash_is_no_loop(world: World) -> None:
    world.require("srs")
    with waiting_upstream(world), world.client() as first:
        path = begin_first_round(world, first)
        parts = expect_match("SRS0=[^=]+=(.+)", path, "the reverse-path upstream")
        with another_client(world) as second:
            second.mail(f"SRS0=AAAA={parts.group(1)}")
            second.line(f"RCPT TO:<{world.info}>")
            world.upstream.wait_for_command(b"RCPT", 2)


@clause("MX-24")
def test_two_mails_with_the_srs_hash_of_another_host_are_no_loop(world: World) -> None:
    path = f"SRS0=AAAA=AA={world.sender.domain}=a@{world.elsewhere}"
    with waiting_upstream(world), world.client() as first:
        for n, client in enumerate((first, another_client(world)), 1):
            client.mail(path)
            client.line(f"RCPT TO:<{world.info}>")
            world.upstream.wait_for_command(b"RCPT", n)


@clause("MX-24")
def test_a_recipient_who_is_named_twice_is_no_loop(world: World) -> None:
    world.require("srs")
    path = reverse_path_of(forward(world))
    with world.client() as client:
        expect_reply(client.mail(path), 250, to="MAIL")
        expect_reply(client.rcpt(world.info), 250, to="RCPT")
        again = client.rcpt(world.info)
    expect_true(again.code != 554, "no 554 to the same RCPT again", again)


@clause("MX-25")
def test_rounds_that_cannot_be_recognised_are_bounded_and_called_a_loop(
    world: World,
) -> None:
    with waiting_upstream(world), ExitStack() as stack:
        for n in range(NESTED_ROUNDS):
            client = stack.enter_context(world.client())
            client.mail("")
            client.line(f"RCPT TO:<{world.info}>")
            world.upstream.wait_for_command(b"RCPT", n + 1)
        client = stack.enter_context(world.client())
        client.mail("")
        expect_rcpt_refused(client, world, 451, "4.4.6", "one round more")
        # Another recipient, and another client, are no round.
        client.line(f"RCPT TO:<{world.other}>")
        world.upstream.wait_for_command(b"RCPT", NESTED_ROUNDS + 1)
        innocent = stack.enter_context(another_client(world))
        innocent.mail("")
        innocent.line(f"RCPT TO:<{world.info}>")
        world.upstream.wait_for_command(b"RCPT", NESTED_ROUNDS + 2)


@clause("MX-25")
def test_rounds_that_wait_for_the_answer_to_their_message_are_bounded_as_well(
    world: World,
) -> None:
    gate = hold()
    world.upstream.on("end", gate)
    try:
        with ExitStack() as stack:
            for n in range(NESTED_ROUNDS):
                client = stack.enter_context(world.client())
                open_transaction(world, client)
                expect_reply(client.data(), 354, to="DATA")
                client.send(stuffed(world.message()))
                world.upstream.wait_for_command(b"DATA", n + 1)
            client = stack.enter_context(world.client())
            client.mail(world.sender.address)
            expect_rcpt_refused(client, world, 451, "4.4.6", "one round more")
    finally:
        gate.release()


@clause("MX-25")
def test_mails_that_wait_for_their_client_are_no_rounds(world: World) -> None:
    with ExitStack() as stack:
        for _ in range(NESTED_ROUNDS + 1):
            open_transaction(world, stack.enter_context(world.client()))
