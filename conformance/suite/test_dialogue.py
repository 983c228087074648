"""The dialogue with a client, command by command."""

from __future__ import annotations

import pytest

from conformance import (
    clause,
    expect,
    expect_in,
    expect_match,
    expect_reply,
    expect_true,
)
from conformance.lab import Client, Reply, World
from conformance.suite.verifiers import results
from conformance.suite.acts import (
    MAILBOX,
    expect_nothing_upstream,
    forward,
    open_transaction,
    reverse_path,
    unquoted,
)

STATES = ("connected", "greeted", "mail", "rcpt")


def client_in(world: World, state: str) -> Client:
    """A client that has got so far."""
    client = world.client(greet=False)
    expect_reply(client.banner(), 220, to="the connection")
    if state != "connected":
        expect_reply(client.ehlo(), 250, to="EHLO")
    if state in ("mail", "rcpt"):
        expect_reply(client.mail(world.sender.address), 250, to="MAIL")
    if state == "rcpt":
        expect_reply(client.rcpt(world.info), 250, to="RCPT")
    return client


def first_word(reply: Reply) -> str:
    return reply.lines[0].split(" ")[0]


@clause("DLG-01")
def test_the_banner_is_a_220_that_starts_with_the_servers_name(world: World) -> None:
    assert world.subject.plan is not None
    with world.client(greet=False) as client:
        banner = client.banner()
    expect_reply(banner, 220, to="the connection")
    expect(first_word(banner), world.subject.plan.hostname, "the first word")


@clause("DLG-02")
@pytest.mark.parametrize("verb", ["EHLO", "HELO"])
def test_the_answer_to_the_greeting_starts_with_the_servers_name(
    world: World, verb: str
) -> None:
    assert world.subject.plan is not None
    with world.client(greet=False) as client:
        client.banner()
        reply = client.command(f"{verb} client.example")
    expect_reply(reply, 250, to=verb)
    expect(first_word(reply), world.subject.plan.hostname, "the first word")


@clause("DLG-03")
def test_helo_is_answered_with_one_line_and_mail_goes_through(world: World) -> None:
    with world.client(greet=False) as client:
        client.banner()
        reply = client.command("HELO client.example")
        expect_reply(reply, 250, to="HELO")
        expect(len(reply.lines), 1, "the number of lines")
        delivery = client.deliver(world.sender.address, world.info, world.message())
    expect_reply(delivery.final, 250, to="the end of DATA")


@clause("DLG-04")
@pytest.mark.parametrize("keyword", ["PIPELINING", "8BITMIME", "SIZE"])
def test_the_extension_is_advertised(world: World, keyword: str) -> None:
    with world.client(greet=False) as client:
        client.banner()
        offered = client.extensions()
    expect_in(keyword, list(offered), "the extensions")


@clause("DLG-05")
def test_chunking_is_not_advertised_and_bdat_is_refused(world: World) -> None:
    with world.client() as client:
        expect_true("CHUNKING" not in client.extensions(), "no CHUNKING", "CHUNKING")
        open_transaction(world, client)
        expect_reply(client.command("BDAT 0 LAST"), "50x", to="BDAT")
    expect(world.upstream.messages, [], "messages upstream")


@clause("DLG-06")
@pytest.mark.parametrize("fold", [str.lower, str.upper, str.swapcase])
def test_verbs_and_keywords_are_recognised_in_any_case(
    world: World, fold: type[str]
) -> None:
    with world.client(greet=False) as client:
        client.banner()
        expect_reply(client.command(fold("Ehlo client.example")), 250, to="EHLO")
        mail = f"{fold('Mail From')}:<{world.sender.address}> {fold('Body=8bitMime')}"
        expect_reply(client.command(mail), 250, to="MAIL")
        expect_reply(
            client.command(f"{fold('Rcpt To')}:<{world.info}>"), 250, to="RCPT"
        )
        expect_reply(client.command(fold("Data")), 354, to="DATA")
        expect_reply(client.content(world.message()), 250, to="the end of DATA")
        expect_reply(client.command(fold("Noop")), 250, to="NOOP")
        expect_reply(client.command(fold("Rset")), 250, to="RSET")
        expect_reply(client.command(fold("Quit")), 221, to="QUIT")


@clause("DLG-07")
@pytest.mark.parametrize("state", STATES)
def test_noop_is_answered_250_in_every_state_and_changes_nothing(
    world: World, state: str
) -> None:
    with client_in(world, state) as client:
        expect_reply(client.command("NOOP"), 250, to="NOOP")
        expect_reply(client.command("NOOP and more"), 250, to="NOOP with an argument")
        if state == "rcpt":
            expect_reply(client.data(), 354, to="DATA")


@clause("DLG-08")
@pytest.mark.parametrize("state", STATES)
def test_quit_is_answered_221_and_the_connection_closed(
    world: World, state: str
) -> None:
    with client_in(world, state) as client:
        expect_reply(client.quit(), 221, to="QUIT")
        expect(client.expect_closed(), b"", "what was said after that")


@clause("DLG-09")
def test_rset_clears_the_sender_and_the_recipients(world: World) -> None:
    with client_in(world, "rcpt") as client:
        expect_reply(client.rset(), 250, to="RSET")
        expect_reply(client.data(), 503, to="DATA")
        expect_reply(client.rcpt(world.info), 503, to="RCPT")
        delivery = client.deliver(world.sender.address, world.other, world.message())
        expect_reply(delivery.final, 250, to="the end of DATA")
    arrived = world.upstream.wait_for_message()
    expect(arrived.recipients, [f"other@{world.destination}"], "recipients upstream")


@clause("DLG-10")
@pytest.mark.parametrize("state", ["greeted", "rcpt"])
def test_vrfy_is_answered_252(world: World, state: str) -> None:
    with client_in(world, state) as client:
        expect_reply(client.command(f"VRFY {world.info}"), 252, to="VRFY")


@clause("DLG-11")
def test_expn_is_answered_502(world: World) -> None:
    with world.client() as client:
        expect_reply(client.command("EXPN staff"), 502, to="EXPN")


@clause("DLG-12")
@pytest.mark.parametrize(
    "command", ["FROB", "MAILFROM:<a@b.example>", "X", "EHLOX a", "250 OK", "DATA.", ""]
)
def test_an_unknown_command_is_a_500_and_the_session_goes_on(
    world: World, command: str
) -> None:
    with world.client() as client:
        expect_reply(client.command(command), "50x", to=repr(command))
        open_transaction(world, client)


@clause("DLG-12")
@pytest.mark.parametrize(
    "command", ["ETRN example.org", "TURN", "SEND FROM:<a@b.example>"]
)
def test_commands_of_other_services_are_refused(world: World, command: str) -> None:
    with world.client() as client:
        expect_reply(client.command(command), "50x", to=command)


@clause("DLG-13")
def test_mail_before_ehlo_is_a_503(world: World) -> None:
    with client_in(world, "connected") as client:
        expect_reply(
            client.mail(world.sender.address), 503, enhanced="5.5.1", to="MAIL"
        )
        expect_reply(client.ehlo(), 250, to="EHLO")
        open_transaction(world, client)


@clause("DLG-14")
@pytest.mark.parametrize("state", ["connected", "greeted"])
def test_rcpt_without_mail_is_a_503(world: World, state: str) -> None:
    with client_in(world, state) as client:
        expect_reply(client.rcpt(world.info), 503, enhanced="5.5.1", to="RCPT")
    expect(world.upstream.dialogues, [], "connections upstream")


@clause("DLG-15")
@pytest.mark.parametrize("state", ["connected", "greeted", "mail"])
def test_data_without_a_recipient_is_refused(world: World, state: str) -> None:
    with client_in(world, state) as client:
        reply = client.data()
        expect_in(reply.code, (503, 554), "the code for DATA")
        expect_reply(client.command("NOOP"), 250, to="NOOP")


@clause("DLG-15")
def test_data_after_refused_recipients_alone_is_refused(world: World) -> None:
    with client_in(world, "mail") as client:
        expect_reply(client.rcpt(world.at("nobody")), 550, to="RCPT")
        expect_in(client.data().code, (503, 554), "the code for DATA")


@clause("DLG-16")
@pytest.mark.parametrize("state", ["mail", "rcpt"])
def test_mail_in_an_open_transaction_is_a_503_and_the_transaction_stands(
    world: World, state: str
) -> None:
    with client_in(world, state) as client:
        reply = client.mail(f"mallory@{world.sender.domain}")
        expect_reply(reply, 503, enhanced="5.5.1", to="the second MAIL")
        if state == "mail":
            expect_reply(client.rcpt(world.info), 250, to="RCPT")
        expect_reply(client.data(), 354, to="DATA")
        expect_reply(client.content(world.message()), 250, to="the end of DATA")
    expect_in("alice", world.upstream.wait_for_message().sender, "the reverse-path")


@clause("DLG-17", "INV-12")
@pytest.mark.parametrize("verb", ["EHLO", "HELO"])
def test_a_second_greeting_clears_the_transaction(world: World, verb: str) -> None:
    with client_in(world, "rcpt") as client:
        expect_reply(client.command(f"{verb} again.example"), 250, to=verb)
        expect_reply(client.data(), 503, to="DATA")
        delivery = client.deliver(world.sender.address, world.other, world.message())
        expect_reply(delivery.final, 250, to="the end of DATA")
    arrived = world.upstream.wait_for_message()
    expect(arrived.recipients, [f"other@{world.destination}"], "recipients upstream")


@clause("DLG-18")
@pytest.mark.parametrize(
    "parameter",
    ["FROB=1", "FROB", "X-Y=z", "MT-PRIORITY=4", "HOLDFOR=60", "REQUIRETLS"],
)
def test_an_unknown_parameter_of_mail_is_a_555(world: World, parameter: str) -> None:
    with world.client() as client:
        reply = client.mail(world.sender.address, parameter)
        expect_reply(reply, 555, enhanced="5.5.4", to="MAIL")
        open_transaction(world, client)


@clause("DLG-19")
@pytest.mark.parametrize("parameter", ["FROB=1", "FROB", "SIZE=5", "BODY=8BITMIME"])
def test_an_unknown_parameter_of_rcpt_is_a_555(world: World, parameter: str) -> None:
    with client_in(world, "mail") as client:
        reply = client.rcpt(world.info, parameter)
        expect_reply(reply, 555, enhanced="5.5.4", to="RCPT")
        expect_reply(client.rcpt(world.info), 250, to="RCPT without it")


BAD_PATHS = [
    "",
    "<",
    "<>x",
    "<alice@sender.example",
    "alice@sender.example",
    "<@>",
    "<alice@>",
    "<@sender.example>",
    "<alice@@sender.example>",
    "<alice smith@sender.example>",
    "<..@sender.example>",
    '<"alice@sender.example>',
    '<"al"ice@sender.example>',
    "<alice@sender..example>",
    "<alice@-sender.example>",
    "<alice@sender.example.>>",
    "<alice@[192.0.2.999]>",
    "<alice@[IPv6:::g]>",
    "<alice@[192.0.2.1>",
    "<alice@sender.example> trailing words here<>",
]


@clause("DLG-20")
@pytest.mark.parametrize("path", BAD_PATHS)
def test_a_sender_of_no_valid_syntax_is_refused(world: World, path: str) -> None:
    with world.client() as client:
        reply = client.command(f"MAIL FROM:{path}")
        expect_in(reply.code, (501, 550, 553, 555), "the code for MAIL")
        expect_reply(client.rcpt(world.info), 503, to="RCPT")
        open_transaction(world, client)


@clause("DLG-20")
@pytest.mark.parametrize("path", ["<>", *BAD_PATHS])
def test_a_recipient_of_no_valid_syntax_is_refused(world: World, path: str) -> None:
    with client_in(world, "mail") as client:
        reply = client.command(f"RCPT TO:{path}")
        expect_in(reply.code, (501, 550, 553, 555), "the code for RCPT")
        expect_in(client.data().code, (503, 554), "the code for DATA")
        expect_reply(client.rcpt(world.info), 250, to="RCPT of a good address")


@clause("DLG-20")
@pytest.mark.parametrize(
    "command", ["MAIL", "MAIL FROM", "MAIL TO:<a@b.example>", "MAIL <a@b.example>"]
)
def test_mail_without_its_keyword_is_a_501(world: World, command: str) -> None:
    with world.client() as client:
        expect_reply(client.command(command), "50x", to=command)
        open_transaction(world, client)


@clause("DLG-37")
@pytest.mark.parametrize("local", [".alice", "alice.", "al..ice", "..a.b.."])
def test_a_local_part_with_superfluous_dots_is_taken_and_quoted_upstream(
    world: World, local: str
) -> None:
    with world.client() as client:
        sender = f"{local}@{world.sender.domain}"
        recipient = world.at(local, world.catchall_zone)
        delivery = client.deliver(sender, recipient, world.message())
        expect_reply(delivery.final, 250, to="the end of DATA")
    path = reverse_path(world.upstream)
    expect_match(MAILBOX, path, "the reverse-path upstream")
    content = unquoted(path.rpartition("@")[0])
    expect_true(content.endswith(f"={local}"), "the sender's local part in it", path)


@clause("DLG-37")
@pytest.mark.parametrize("domain", ["my_host.{}", "_a.{}", "b_.{}"])
def test_a_domain_with_underscores_is_taken(world: World, domain: str) -> None:
    name = domain.format(world.sender.domain)
    forward(world, sender=f"alice@{name}")
    expect_in(f"={name}=alice@", reverse_path(world.upstream), "the reverse-path")
    with world.client() as client:
        client.mail(f"alice@{name}")
        reply = client.rcpt(f"alice@{name}")
        expect_reply(reply, 550, enhanced="5.7.1", to="RCPT at a domain not served")


@clause("DLG-21")
@pytest.mark.parametrize("command", ["EHLO", "EHLO ", "HELO", "HELO "])
def test_a_greeting_without_a_name_is_a_501(world: World, command: str) -> None:
    with client_in(world, "connected") as client:
        expect_reply(client.command(command), 501, to=command)
        expect_reply(client.mail(world.sender.address), 503, to="MAIL")


@clause("DLG-36")
@pytest.mark.parametrize("verb", ["EHLO", "HELO"])
@pytest.mark.parametrize(
    "name",
    ["Alice's laptop (old)", "192.0.2.1:25", "[no literal]", "a..b", "<a@b>", ')\\("'],
)
def test_a_greeting_with_a_name_that_is_none_is_taken(
    world: World, verb: str, name: str
) -> None:
    with client_in(world, "connected") as client:
        expect_reply(client.command(f"{verb} {name}"), 250, to=verb)
        delivery = client.deliver("", world.info, world.message())
        expect_reply(delivery.final, 250, to="the end of DATA")
    arrived = world.upstream.wait_for_message()
    received = arrived.fields("Received")[0][1]
    expect_true(
        received.lstrip().startswith(f"from [{world.sender.ipv4}] ("),
        "the client's address in place of its name",
        received,
    )
    expect(len(results(arrived).of("spf")), 1, "the number of SPF results")
    expect(results(arrived).of("spf"), ["none"], "the SPF result of such a HELO")


@clause("DLG-22")
def test_a_client_that_talks_before_the_banner_is_not_obeyed(world: World) -> None:
    script = [
        "EHLO early.example",
        f"MAIL FROM:<{world.sender.address}>",
        f"RCPT TO:<{world.info}>",
        "DATA",
    ]
    client = world.client(greet=False, early="\r\n".join(script).encode() + b"\r\n")
    reply = client.read_reply()
    expect_reply(reply, 554, to="early talk")
    client.expect_closed()
    expect(world.upstream.dialogues, [], "connections upstream")


@clause("DLG-23")
def test_a_pipelined_transaction_is_answered_in_order(world: World) -> None:
    with world.client() as client:
        replies = client.pipeline(
            [
                f"MAIL FROM:<{world.sender.address}>",
                f"RCPT TO:<{world.at('nobody')}>",
                f"RCPT TO:<{world.info}>",
                f"RCPT TO:<{world.other}>",
                "DATA",
            ]
        )
        codes = [reply.code for reply in replies]
        expect(codes, [250, 550, 250, 250, 354], "the codes")
        expect_reply(client.content(world.message()), 250, to="the end of DATA")
    expect(len(world.upstream.wait_for_message().recipients), 2, "recipients upstream")


@clause("DLG-23", "DLG-29")
def test_a_message_and_the_next_transaction_may_come_in_one_piece(world: World) -> None:
    with client_in(world, "rcpt") as client:
        expect_reply(client.data(), 354, to="DATA")
        first, second = world.message("X-N: 1"), world.message("X-N: 2")
        client.send(
            first
            + b".\r\nRSET\r\n"
            + f"MAIL FROM:<{world.sender.address}>\r\n".encode()
            + f"RCPT TO:<{world.other}>\r\nDATA\r\n".encode()
        )
        codes = [client.read_reply().code for _ in range(5)]
        expect(codes, [250, 250, 250, 250, 354], "the codes")
        client.send(second + b".\r\nQUIT\r\n")
        expect([client.read_reply().code for _ in range(2)], [250, 221], "the codes")
    world.upstream.wait_for_message(2)
    expect(
        [message.fields("X-N")[0][1] for message in world.upstream.messages],
        ["1", "2"],
        "the messages upstream",
    )


@clause("DLG-24")
def test_what_follows_a_refused_data_is_read_as_commands(world: World) -> None:
    with world.client() as client:
        replies = client.pipeline(
            [
                f"MAIL FROM:<{world.sender.address}>",
                f"RCPT TO:<{world.at('nobody')}>",
                "DATA",
                "NOOP",
                "RSET",
            ]
        )
    codes = [reply.code for reply in replies]
    expect_in(
        codes, ([250, 550, 503, 250, 250], [250, 550, 554, 250, 250]), "the codes"
    )


@clause("DLG-25")
@pytest.mark.parametrize("value", ["7BIT", "8BITMIME", "8bitmime"])
def test_a_known_body_type_is_taken(world: World, value: str) -> None:
    with world.client() as client:
        expect_reply(client.mail(world.sender.address, f"BODY={value}"), 250, to="MAIL")
        expect_reply(client.rcpt(world.info), 250, to="RCPT")


@clause("DLG-25")
@pytest.mark.parametrize("parameter", ["BODY=BINARYMIME", "BODY=9BIT", "BODY=", "BODY"])
def test_another_body_type_is_refused(world: World, parameter: str) -> None:
    with world.client() as client:
        reply = client.mail(world.sender.address, parameter)
        expect_in(reply.code, (501, 504, 555), "the code for MAIL")


@clause("DLG-26")
@pytest.mark.parametrize(
    "name",
    ["[192.0.2.77]", "[IPv6:2001:db8::77]", "somebody-else.example", "gmail.com"],
)
def test_the_name_in_ehlo_is_not_held_against_a_client(world: World, name: str) -> None:
    with world.client(greet=False) as client:
        client.greet(name)
        delivery = client.deliver(world.sender.address, world.info, world.message())
    expect_reply(delivery.final, 250, to="the end of DATA")


@clause("DLG-27")
def test_white_space_at_the_end_of_a_line_is_tolerated(world: World) -> None:
    with world.client(greet=False) as client:
        client.banner()
        expect_reply(client.command("EHLO client.example "), 250, to="EHLO")
        mail = f"MAIL FROM:<{world.sender.address}> "
        expect_reply(client.command(mail), 250, to="MAIL")
        expect_reply(client.command(f"RCPT TO:<{world.info}>\t"), 250, to="RCPT")
        expect_reply(client.command("DATA "), 354, to="DATA")


@clause("DLG-28", "SEND-07")
@pytest.mark.parametrize("route", ["@relay.example", "@one.example,@two.example"])
def test_a_source_route_is_ignored(world: World, route: str) -> None:
    arrived = forward(world, recipient=f"{route}:{world.info}")
    expect(arrived.recipients, [world.mailbox], "the recipient upstream")


@clause("DLG-29", "UPS-11")
def test_several_messages_go_through_one_session(world: World) -> None:
    with world.client() as client:
        for n in range(5):
            message = world.message(f"X-N: {n}")
            delivery = client.deliver(world.sender.address, world.info, message)
            expect_reply(delivery.final, 250, to=f"the end of message {n}")
    world.upstream.wait_for_message(5)
    expect(
        sorted(message.fields("X-N")[0][1] for message in world.upstream.messages),
        ["0", "1", "2", "3", "4"],
        "the messages upstream",
    )


@clause("DLG-30")
def test_commands_in_single_octets_are_understood(world: World) -> None:
    with world.client() as client:
        text = f"MAIL FROM:<{world.sender.address}>\r\nRCPT TO:<{world.info}>\r\n"
        client.send_in_pieces(bytes([octet]) for octet in text.encode())
        expect_reply(client.read_reply(), 250, to="MAIL")
        expect_reply(client.read_reply(), 250, to="RCPT")


@clause("DLG-30")
def test_a_message_in_small_pieces_arrives_whole(world: World) -> None:
    message = world.message(body="..\r\n.dot\r\n" * 5)
    with client_in(world, "rcpt") as client:
        expect_reply(client.data(), 354, to="DATA")
        wire = message.replace(b"\r\n.", b"\r\n..") + b".\r\n"
        client.send_in_pieces(wire[n : n + 3] for n in range(0, len(wire), 3))
        expect_reply(client.read_reply(), 250, to="the end of DATA")
    arrived = world.upstream.wait_for_message()
    expect_true(arrived.content.endswith(message), "the original", arrived.content)


@clause("DLG-31", "DLG-07")
@pytest.mark.parametrize("command", ["RSET", "NOOP"])
def test_rset_and_noop_need_no_greeting(world: World, command: str) -> None:
    with client_in(world, "connected") as client:
        expect_reply(client.command(command), 250, to=command)


@clause("DLG-32")
@pytest.mark.parametrize("command", ["DATA now", "RSET now", "QUIT now"])
def test_an_argument_where_none_belongs_is_a_501(world: World, command: str) -> None:
    with client_in(world, "rcpt") as client:
        expect_reply(client.command(command), 501, to=command)
        expect_reply(client.data(), 354, to="DATA, the transaction being open still")


@clause("DLG-33")
@pytest.mark.parametrize("state", STATES)
def test_a_client_that_says_nothing_is_told_421_and_closed(
    world: World, state: str
) -> None:
    world.require("timeouts")
    with client_in(world, state) as client:
        client.patience += world.subject.timeouts.client_command
        expect_reply(client.read_reply(), 421, to="silence")
        client.expect_closed()


@clause("DLG-34")
@pytest.mark.parametrize("command", ["AUTH", "BDAT", "ETRN", "BURL", "TURN"])
def test_a_command_that_is_not_offered_is_not_implemented_or_not_recognized(
    world: World, command: str
) -> None:
    with client_in(world, "greeted") as client:
        if {"BDAT": "CHUNKING"}.get(command, command) in client.extensions():
            pytest.skip(f"{command} is offered")
        expect_in(client.command(command).code, (500, 502), f"the code for {command}")


@clause("DLG-35")
def test_a_server_that_is_shut_down_says_421_first(world: World) -> None:
    world.require("restart")
    with client_in(world, "greeted") as client:
        world.stop_subject()
        expect_reply(client.read_reply(), 421, to="the end of the service")
        client.expect_closed()
    world.restart_subject()


@clause("DLG-24", "DLG-15")
def test_a_pipelined_message_for_nobody_is_not_sent_to_anybody(world: World) -> None:
    with world.client() as client:
        client.send(
            f"MAIL FROM:<{world.sender.address}>\r\n".encode()
            + f"RCPT TO:<{world.at('nobody')}>\r\nDATA\r\n".encode()
            + world.message()
            + b".\r\n"
        )
        expect_reply(client.read_reply(), 250, to="MAIL")
        expect_reply(client.read_reply(), 550, to="RCPT")
        expect_in(client.read_reply().code, (503, 554), "the code for DATA")
    expect_nothing_upstream(world)
