"""Commands in groups and in pieces: what is sent at once is answered one by one, and how it is cut into
TCP segments means nothing. As RFC 2920 wants of a client, DATA, NOOP and QUIT end a group, and no message
is sent before its 354."""

from __future__ import annotations

import pytest

from conformance import also_as, clause, expect, expect_reply
from conformance.lab import Client, World, say
from conformance.suite.acts import expect_nothing_upstream, open_transaction
from conformance.suite.dialogue import client_in


def pipelining_client(world: World) -> Client:
    """A client after EHLO, to which PIPELINING has been offered."""
    client = client_in(world, "connected")
    if "PIPELINING" not in client.extensions():
        pytest.skip("PIPELINING is not offered")
    return client


def group_for_nobody(world: World, client: Client) -> None:
    """A group that ends with a DATA for no recipient. Where that is not refused, the message is empty."""
    mail, rcpt, data = client.pipeline(
        [
            f"MAIL FROM:<{world.sender.address}>",
            f"RCPT TO:<{world.unserved}>",
            "DATA",
        ]
    )
    expect_reply(mail, 250, to="MAIL")
    if rcpt.positive:
        client.close()
        pytest.skip("a recipient at a domain that is not served is accepted")
    if data.code == 354:
        client.send(b".\r\n")
        client.read_reply()


@also_as("receiver")
@clause("DLG-23")
def test_a_group_is_answered_in_its_order(world: World) -> None:
    with pipelining_client(world) as client:
        replies = client.pipeline(
            [
                f"RCPT TO:<{world.info}>",
                f"MAIL FROM:<{world.sender.address}>",
                f"RCPT TO:<{world.info}>",
                "DATA",
            ]
        )
        codes = [reply.code for reply in replies]
        expect(codes, [503, 250, 250, 354], "the codes")
        expect_reply(client.content(world.message()), 250, to="the end of DATA")
    world.upstream.wait_for_message()


@clause("DLG-23")
def test_a_recipient_that_the_upstream_refuses_is_answered_in_its_place(
    world: World,
) -> None:
    world.require("in-session")
    world.upstream.on(
        "rcpt", say("550 5.1.1 unknown"), recipient=f"other@{world.destination}"
    )
    with pipelining_client(world) as client:
        replies = client.pipeline(
            [
                f"MAIL FROM:<{world.sender.address}>",
                f"RCPT TO:<{world.other}>",
                f"RCPT TO:<{world.info}>",
                f"RCPT TO:<{world.unserved}>",
                "DATA",
            ]
        )
        codes = [reply.code for reply in replies]
        expect(codes, [250, 550, 250, 550, 354], "the codes")


@also_as("receiver")
@clause("DLG-48")
def test_a_message_and_the_next_transaction_may_come_in_one_piece(world: World) -> None:
    with pipelining_client(world) as client:
        envelope = (
            f"MAIL FROM:<{world.sender.address}>\r\nRCPT TO:<{world.info}>\r\nDATA\r\n"
        ).encode()
        client.send(envelope)
        codes = [client.read_reply().code for _ in range(3)]
        expect(codes, [250, 250, 354], "the codes")
        client.send(world.message("X-N: 1") + b".\r\nRSET\r\n" + envelope)
        codes = [client.read_reply().code for _ in range(5)]
        expect(codes, [250, 250, 250, 250, 354], "the codes")
        client.send(world.message("X-N: 2") + b".\r\nQUIT\r\n")
        expect([client.read_reply().code for _ in range(2)], [250, 221], "the codes")
    world.upstream.wait_for_message(2)
    arrived = [message.fields("X-N")[0][1] for message in world.upstream.messages]
    expect(sorted(arrived), ["1", "2"], "the messages upstream")


@also_as("receiver")
@clause("DLG-48")
def test_a_command_of_which_a_part_comes_with_the_end_of_a_message_is_not_lost(
    world: World,
) -> None:
    with pipelining_client(world) as client:
        open_transaction(world, client)
        expect_reply(client.data(), 354, to="DATA")
        mail = f"MAIL FROM:<{world.sender.address}>\r\n".encode()
        client.send(world.message() + b".\r\nRSET\r\n" + mail[:9])
        codes = [client.read_reply().code for _ in range(2)]
        expect(codes, [250, 250], "the codes for the message and RSET")
        client.send(mail[9:])
        expect_reply(client.read_reply(), 250, to="MAIL, which came in two parts")


@also_as("receiver")
@clause("DLG-24")
def test_commands_after_a_refused_data_get_one_reply_each(world: World) -> None:
    with pipelining_client(world) as client:
        group_for_nobody(world, client)
        replies = client.pipeline(
            ["RSET", f"MAIL FROM:<{world.sender.address}>", f"RCPT TO:<{world.info}>"]
        )
        expect([reply.code for reply in replies], [250, 250, 250], "the codes")
        expect_reply(client.command("NOOP"), 250, to="NOOP")


@also_as("receiver")
@clause("DLG-46")
def test_nothing_is_sent_to_anybody_after_a_group_for_nobody(world: World) -> None:
    with pipelining_client(world) as client:
        group_for_nobody(world, client)
        client.quit()
    expect_nothing_upstream(world)


@also_as("receiver")
@clause("DLG-30")
def test_commands_in_single_octets_are_understood(world: World) -> None:
    with client_in(world, "greeted") as client:
        for text in (
            f"MAIL FROM:<{world.sender.address}>\r\n",
            f"RCPT TO:<{world.info}>\r\n",
        ):
            client.send_in_pieces(bytes([octet]) for octet in text.encode())
            expect_reply(client.read_reply(), 250, to=text.split(" ")[0])


@also_as("receiver")
@clause("DLG-30")
def test_a_message_in_single_octets_arrives_whole(world: World) -> None:
    # With dots that would be transparency if they began a line.
    body = "..\r\n.dot\r\na.b..c.\r\n" * 3
    message = world.message(body=body)
    with client_in(world, "rcpt") as client:
        expect_reply(client.data(), 354, to="DATA")
        wire = message.replace(b"\r\n.", b"\r\n..") + b".\r\n"
        start = wire.index(b"\r\n\r\n")
        client.send(wire[:start])
        client.send_in_pieces(bytes([octet]) for octet in wire[start:])
        expect_reply(client.read_reply(), 250, to="the end of DATA")
    expect(world.upstream.wait_for_message().body, body.encode(), "the body upstream")
