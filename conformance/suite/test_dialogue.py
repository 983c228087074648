"""The dialogue with a client, command by command: which are known, in which order, and when it ends."""

from __future__ import annotations

import pytest

from conformance import (
    also_as,
    clause,
    expect,
    expect_in,
    expect_not_in,
    expect_one_of,
    expect_reply,
    expect_true,
)
from conformance.lab import World
from conformance.subjects.base import Subject
from conformance.suite.acts import (
    control,
    expect_nothing_upstream,
    open_transaction,
    served,
)
from conformance.suite.dialogue import (
    STATES,
    answer,
    client_in,
    codes_until_closed,
    expect_a_name,
    expect_refused,
    first_word,
    recipients_upstream,
)

# Greeting


@also_as("receiver")
@clause("DLG-01")
def test_the_greeting_is_a_220_with_a_name_as_its_first_word(world: World) -> None:
    with world.client(greet=False) as client:
        banner = client.banner()
    expect_reply(banner, 220, to="the connection")
    expect_a_name(banner)


@also_as("receiver")
@clause("DLG-02")
def test_the_reply_to_ehlo_is_a_250_with_a_name_as_its_first_word(world: World) -> None:
    with client_in(world, "connected") as client:
        reply = client.ehlo()
    expect_reply(reply, 250, to="EHLO")
    expect_a_name(reply)


@also_as("receiver")
@clause("DLG-38")
@pytest.mark.parametrize("command", ["", "EHLO client.example", "HELO client.example"])
def test_greetings_begin_with_the_servers_own_name(world: World, command: str) -> None:
    with world.client(greet=False) as client:
        reply = client.banner()
        if command:
            reply = client.command(command)
    expect(first_word(reply), world.lab.plan.hostname, "the first word")


@also_as("receiver")
@clause("DLG-03")
def test_the_reply_to_helo_lists_no_extensions(world: World) -> None:
    with client_in(world, "connected") as client:
        offered = client.extensions()
    with client_in(world, "connected") as client:
        reply = client.command("HELO client.example")
    expect_reply(reply, 250, to="HELO")
    for line in reply.lines[1:]:
        expect_not_in(line.split(" ")[0].upper(), offered, "the extensions after EHLO")


@also_as("receiver")
@clause("DLG-39")
def test_mail_is_forwarded_after_helo(world: World) -> None:
    with client_in(world, "connected") as client:
        expect_reply(client.command("HELO client.example"), 250, to="HELO")
        delivery = client.deliver(world.sender.address, world.info, world.message())
        expect_reply(delivery.end, "2xx", to="the end of DATA")
    world.upstream.wait_for_message()


@clause("DLG-45")
def test_helo_is_answered_with_one_line(world: World) -> None:
    with client_in(world, "connected") as client:
        reply = client.command("HELO client.example")
    expect(len(reply.lines), 1, "the number of lines")


@also_as("receiver")
@clause("DLG-04")
@pytest.mark.parametrize("keyword", ["PIPELINING", "8BITMIME", "SIZE"])
def test_the_extension_is_advertised(world: World, keyword: str) -> None:
    with client_in(world, "connected") as client:
        offered = client.extensions()
    expect_in(keyword, list(offered), "the extensions")


@clause("DLG-05")
def test_chunking_is_not_advertised_and_bdat_is_refused(world: World) -> None:
    with client_in(world, "connected") as client:
        expect_not_in("CHUNKING", list(client.extensions()), "the extensions")
        open_transaction(world, client)
        expect_reply(client.command("BDAT 0 LAST"), "5xx", to="BDAT")
    expect_nothing_upstream(world)


def require_early_talk(world: World) -> None:
    """Skips the test unless a client can surely talk before the banner."""
    if type(world.subject).held is Subject.held:
        pytest.skip("without suspending the subject nothing surely precedes its banner")


@also_as("receiver")
@clause("DLG-22")
def test_a_client_that_talks_before_the_banner_is_not_obeyed(world: World) -> None:
    require_early_talk(world)
    script = [
        "EHLO early.example",
        f"MAIL FROM:<{world.sender.address}>",
        f"RCPT TO:<{world.info}>",
    ]
    client = world.client(greet=False, early="\r\n".join(script).encode() + b"\r\n")
    reply = answer(client)
    if reply is not None and reply.code == 220:
        reply = answer(client)
    expect_refused(reply, "what was sent before the banner")
    obeyed = [code for code in codes_until_closed(client) if code < 400 and code != 221]
    expect(obeyed, [], "positive replies to what was sent before the banner")
    control(world)


# Commands


@also_as("receiver")
@clause("DLG-06")
@pytest.mark.parametrize("fold", [str.lower, str.upper, str.swapcase])
def test_verbs_and_keywords_are_recognized_in_any_case(
    world: World, fold: type[str]
) -> None:
    with client_in(world, "connected") as client:
        expect_reply(client.command(fold("Ehlo client.example")), 250, to="EHLO")
        mail = f"{fold('Mail From')}:<{world.sender.address}>"
        expect_reply(client.command(mail), 250, to="MAIL")
        rcpt = f"{fold('Rcpt To')}:<{world.info}>"
        expect_reply(client.command(rcpt), 250, to="RCPT")
        expect_reply(client.command(fold("Data")), 354, to="DATA")
        expect_reply(client.content(world.message()), 250, to="the end of DATA")
        expect_reply(client.command(fold("Noop")), 250, to="NOOP")
        expect_reply(client.command(fold("Rset")), 250, to="RSET")
        expect_reply(client.command(fold("Quit")), 221, to="QUIT")
    world.upstream.wait_for_message()


@also_as("receiver")
@clause("DLG-07")
@pytest.mark.parametrize("state", ["greeted", "mail", "rcpt"])
def test_noop_is_answered_250_and_changes_nothing(world: World, state: str) -> None:
    with client_in(world, state) as client:
        expect_reply(client.command("NOOP"), 250, to="NOOP")
        if state == "mail":
            expect_reply(client.rcpt(world.info), 250, to="RCPT")
        if state == "rcpt":
            expect_reply(client.data(), 354, to="DATA")


@also_as("receiver")
@clause("DLG-44")
def test_noop_ignores_its_parameter(world: World) -> None:
    with client_in(world, "greeted") as client:
        expect_reply(client.command("NOOP parameter"), 250, to="NOOP with a parameter")


@also_as("receiver")
@clause("DLG-08")
@pytest.mark.parametrize("state", STATES)
def test_quit_is_answered_221_and_the_connection_closed(
    world: World, state: str
) -> None:
    with client_in(world, state) as client:
        expect_reply(client.quit(), 221, to="QUIT")
        expect(client.expect_closed(), b"", "what was said after that")


@also_as("receiver")
@clause("DLG-09")
def test_rset_discards_the_sender_and_the_recipients(world: World) -> None:
    with client_in(world, "rcpt") as client:
        expect_reply(client.rset(), 250, to="RSET")
        expect_refused(client.rcpt(world.info), "RCPT without a sender")
        delivery = client.deliver(world.sender.address, world.other, world.message())
        expect_reply(delivery.end, 250, to="the end of DATA")
    arrived = recipients_upstream(world)
    expect(arrived, [f"other@{world.destination}"], "recipients upstream")


@also_as("receiver")
@clause("DLG-10")
@pytest.mark.parametrize("state", ["greeted", "rcpt"])
def test_vrfy_of_a_forwarded_address_is_a_252_or_verified(
    world: World, state: str
) -> None:
    with client_in(world, state) as client:
        code = client.command(f"VRFY {world.info}").code
    expect_one_of(code, (250, 251, 252), "the code for VRFY")


@also_as("receiver")
@clause("DLG-11")
def test_expn_has_one_of_its_replies(world: World) -> None:
    with client_in(world, "greeted") as client:
        code = client.command("EXPN staff").code
    expect_one_of(code, (250, 252, 500, 502, 504, 550), "the code for EXPN")


@also_as("receiver")
@clause("DLG-41")
@pytest.mark.parametrize("verb", ["VRFY", "EXPN"])
def test_what_does_not_exist_is_not_verified(world: World, verb: str) -> None:
    with client_in(world, "greeted") as client:
        reply = client.command(f"{verb} nobody@{served(world)}")
    expect_true(reply.code != 250, f"any code but 250 to {verb}", reply)


# None that looks like an attack, such as a header field: RFC 5321 7.8 lets a server hang up on those.
UNKNOWN = ["FROB", "X", "EHLOX a", "DATA."]


@also_as("receiver")
@clause("DLG-12")
@pytest.mark.parametrize("command", UNKNOWN)
def test_an_unknown_command_is_a_500(world: World, command: str) -> None:
    with client_in(world, "greeted") as client:
        expect_reply(client.command(command), 500, to=command)


@also_as("receiver")
@clause("DLG-43")
@pytest.mark.parametrize("command", UNKNOWN)
def test_an_unknown_command_does_not_end_the_session(
    world: World, command: str
) -> None:
    with client_in(world, "greeted") as client:
        expect_refused(client.command(command), command)
        expect_reply(client.command("NOOP"), 250, to="NOOP")


# The extensions of commands that are extensions' own, and other codes by which their RFCs refuse them.
OF_EXTENSIONS = {"BDAT": "CHUNKING", "SEND": "SEND"}
# Of AUTH and BDAT an MTA may say that they were not offered, which is an order of commands.
OWN_REFUSALS = {"ETRN": (458, 459), "AUTH": (503,), "BDAT": (503,)}


@also_as("receiver")
@clause("DLG-34")
@pytest.mark.parametrize(
    "command",
    [
        "AUTH",
        "BDAT",
        "ETRN",
        "BURL",
        "TURN",
        "ETRN a.example",
        "SEND FROM:<a@b.example>",
    ],
)
def test_a_command_that_is_not_offered_is_not_implemented_or_not_recognized(
    world: World, command: str
) -> None:
    verb = command.split(" ")[0]
    with client_in(world, "greeted") as client:
        if OF_EXTENSIONS.get(verb, verb) in client.extensions():
            pytest.skip(f"{verb} is offered")
        codes = (500, 502, *OWN_REFUSALS.get(verb, ()))
        expect_one_of(client.command(command).code, codes, f"the code for {verb}")


@also_as("receiver")
@clause("DLG-32")
@pytest.mark.parametrize("command", ["DATA now", "RSET now", "QUIT now"])
def test_an_argument_where_none_belongs_is_a_501(world: World, command: str) -> None:
    with client_in(world, "rcpt") as client:
        expect_reply(client.command(command), 501, to=command)
        expect_reply(client.data(), 354, to="DATA, the transaction being open still")


# Order


@also_as("receiver")
@clause("DLG-31")
@pytest.mark.parametrize("command", ["RSET", "NOOP"])
def test_rset_and_noop_are_answered_250_before_ehlo(world: World, command: str) -> None:
    with client_in(world, "connected") as client:
        expect_reply(client.command(command), 250, to=command)


@also_as("receiver")
@clause("DLG-31")
@pytest.mark.parametrize("command", ["VRFY postmaster", "EXPN staff", "HELP"])
def test_vrfy_expn_and_help_are_not_out_of_order_before_ehlo(
    world: World, command: str
) -> None:
    with client_in(world, "connected") as client:
        reply = client.command(command)
    expect_true(reply.code != 503, f"any code but 503 to {command}", reply)


@also_as("receiver")
@clause("DLG-13")
def test_mail_before_ehlo_is_a_503_if_it_is_not_processed(world: World) -> None:
    with client_in(world, "greeted") as client:
        open_transaction(world, client)
    with client_in(world, "connected") as client:
        reply = client.mail(world.sender.address)
        if reply.code == 250:
            pytest.skip("MAIL is processed without EHLO")
        expect_reply(reply, 503, to="MAIL")
        expect_reply(client.ehlo(), 250, to="EHLO")
        open_transaction(world, client)


@also_as("receiver")
@clause("DLG-42")
def test_mail_before_ehlo_is_refused(world: World) -> None:
    with client_in(world, "connected") as client:
        expect_reply(client.mail(world.sender.address), "5xx", to="MAIL")
        expect_reply(client.ehlo(), 250, to="EHLO")
        open_transaction(world, client)


@also_as("receiver")
@clause("DLG-14")
@pytest.mark.parametrize("state", ["connected", "greeted"])
def test_rcpt_without_mail_is_a_503(world: World, state: str) -> None:
    with client_in(world, state) as client:
        expect_reply(client.rcpt(world.info), 503, to="RCPT")


@also_as("receiver")
@clause("DLG-15")
@pytest.mark.parametrize("state", ["greeted", "mail"])
def test_data_is_refused_until_a_recipient_is_accepted(
    world: World, state: str
) -> None:
    with client_in(world, state) as client:
        if "PIPELINING" not in client.extensions():
            pytest.skip("PIPELINING is not offered")
        if state == "mail":
            expect_refused(client.rcpt(world.unserved), "RCPT at a domain not served")
        expect_refused(client.data(), "DATA")
        client.rset()
        open_transaction(world, client)
        expect_reply(client.data(), 354, to="DATA with a recipient")


@also_as("receiver")
@clause("DLG-16")
@pytest.mark.parametrize("state", ["mail", "rcpt"])
def test_mail_in_an_open_transaction_is_a_503_if_it_is_not_processed(
    world: World, state: str
) -> None:
    with client_in(world, state) as client:
        reply = client.mail(f"mallory@{world.sender.domain}")
        if reply.code == 250:
            pytest.skip("a second MAIL begins another transaction (RFC 5321 4.1.1.2)")
        expect_reply(reply, 503, to="the second MAIL")
        if state == "mail":
            expect_reply(client.rcpt(world.info), 250, to="RCPT")
        expect_reply(client.data(), 354, to="DATA")
        expect_reply(client.content(world.message()), 250, to="the end of DATA")
    sender = world.upstream.wait_for_message().sender
    expect_not_in("mallory", sender, "the reverse-path upstream")


@also_as("receiver")
@clause("DLG-42")
def test_mail_in_an_open_transaction_is_refused(world: World) -> None:
    with client_in(world, "rcpt") as client:
        reply = client.mail(f"mallory@{world.sender.domain}")
        expect_reply(reply, "5xx", to="the second MAIL")
        expect_reply(client.data(), 354, to="DATA")


@also_as("receiver")
@clause("DLG-17")
def test_a_second_ehlo_clears_the_transaction(world: World) -> None:
    greeted_again(world, "EHLO")


@also_as("receiver")
@clause("DLG-40")
def test_a_second_helo_clears_the_transaction(world: World) -> None:
    greeted_again(world, "HELO")


def greeted_again(world: World, verb: str) -> None:
    """In an open transaction, of which nothing remains."""
    with client_in(world, "rcpt") as client:
        reply = client.command(f"{verb} again.example")
        if reply.permanent:
            pytest.skip(f"{verb} is not acceptable a second time: {reply}")
        expect_reply(reply, 250, to=verb)
        expect_refused(client.rcpt(world.info), "RCPT without a sender")
        delivery = client.deliver(world.sender.address, world.other, world.message())
        expect_reply(delivery.end, 250, to="the end of DATA")
    arrived = recipients_upstream(world)
    expect(arrived, [f"other@{world.destination}"], "recipients upstream")


# The end


@also_as("receiver")
@clause("DLG-29")
def test_several_messages_go_through_one_session(world: World) -> None:
    several_messages(world)


@clause("UPS-11")
def test_each_message_of_a_session_is_delivered_once(world: World) -> None:
    several_messages(world)
    expect(len(world.upstream.messages), 3, "the number of messages upstream")


def several_messages(world: World) -> None:
    """Three in one session, all of which arrive, in whatever order."""
    with world.client() as client:
        for n in range(3):
            message = world.message(f"X-N: {n}")
            delivery = client.deliver(world.sender.address, world.info, message)
            expect_reply(delivery.final, 250, to=f"the end of message {n}")
    world.upstream.wait_for_message(3)
    arrived = [message.fields("X-N")[0][1] for message in world.upstream.messages]
    expect(sorted(arrived), ["0", "1", "2"], "the messages upstream")


@also_as("receiver")
@clause("DLG-33")
@pytest.mark.parametrize("state", STATES)
def test_a_client_that_sends_nothing_is_told_421_and_disconnected(
    world: World, state: str
) -> None:
    world.require("timeouts")
    with client_in(world, state) as client:
        client.patience += world.subject.timeouts.client_command
        expect_reply(client.read_reply(), 421, to="silence")
        client.expect_closed()


# The exact codes of the reference


# Without an enhanced code where none need be: in replies to EHLO and HELO (RFC 2034 4).
OWN_REPLIES = [
    ("connected", "MAIL FROM:<{sender}>", 503, "5.5.1"),
    ("connected", "RCPT TO:<{info}>", 503, "5.5.1"),
    ("connected", "DATA", 503, "5.5.1"),
    ("connected", "EHLO", 501, None),
    ("connected", "HELO", 501, None),
    ("connected", "HELO ", 501, None),
    ("greeted", "RCPT TO:<{info}>", 503, "5.5.1"),
    ("greeted", "DATA", 503, "5.5.1"),
    ("greeted", "FROB", 500, "5.5.1"),
    ("greeted", "MAILFROM:<a@b.example>", 500, "5.5.1"),
    ("greeted", "250 OK", 500, "5.5.1"),
    ("greeted", "", 500, "5.5.1"),
    ("greeted", "NOOP \x01", 500, "5.5.2"),
    ("greeted", "NOOP \x7f", 500, "5.5.2"),
    ("greeted", "EXPN staff", 502, "5.5.1"),
    ("greeted", "BDAT 0 LAST", 502, "5.5.1"),
    ("greeted", "ETRN example.org", 502, "5.5.1"),
    ("greeted", "TURN", 502, "5.5.1"),
    ("greeted", "MAIL", 501, "5.5.4"),
    ("greeted", "MAIL FROM", 501, "5.5.4"),
    ("greeted", "MAIL TO:<{sender}>", 501, "5.5.4"),
    ("greeted", "MAIL FROM:<{sender}>x", 501, "5.5.4"),
    ("greeted", "MAIL FROM:<alice@@{domain}>", 501, "5.1.7"),
    ("greeted", "MAIL FROM:<{sender}> FROB=1", 555, "5.5.4"),
    ("greeted", "MAIL FROM:<{sender}> BODY=9BIT", 501, "5.5.4"),
    ("greeted", "VRFY {info}", 252, None),
    ("greeted", "MAIL FROM:<{sender}> =x", 501, "5.5.4"),
    ("greeted", "MAIL FROM:<{sender}> -FROB=1", 501, "5.5.4"),
    ("greeted", "MAIL FROM:<{sender}> FROB=", 501, "5.5.4"),
    ("greeted", "MAIL FROM:<{sender}> SIZE=", 501, "5.5.4"),
    ("greeted", "MAIL FROM:<{sender}> FROB=a=b", 501, "5.5.4"),
    ("greeted", "MAIL FROM:<{sender}> SIZE=1 SIZE=1", 501, "5.5.4"),
    ("greeted", "MAIL FROM:<{sender}> BODY=7BIT BODY=7BIT", 501, "5.5.4"),
    ("mail", "RCPT", 501, "5.5.4"),
    ("mail", "RCPT <{info}>", 501, "5.5.4"),
    ("mail", "RCPT TO:<{info}> =x", 501, "5.5.4"),
    ("mail", "RCPT TO:<info@@{domain}>", 501, "5.1.3"),
    ("mail", "RCPT TO:<{info}> FROB=1", 555, "5.5.4"),
    ("mail", "DATA", 554, "5.5.1"),
    ("mail", "MAIL FROM:<{sender}>", 503, "5.5.1"),
    ("rcpt", "MAIL FROM:<{sender}>", 503, "5.5.1"),
    ("rcpt", "DATA now", 501, "5.5.4"),
    ("rcpt", "RSET now", 501, "5.5.4"),
    ("rcpt", "QUIT now", 501, "5.5.4"),
]


@clause("DLG-45")
@pytest.mark.parametrize(("state", "command", "code", "enhanced"), OWN_REPLIES)
def test_the_relays_own_reply_has_its_exact_codes(
    world: World, state: str, command: str, code: int, enhanced: str | None
) -> None:
    sender = world.sender
    line = command.format(sender=sender.address, info=world.info, domain=sender.domain)
    with client_in(world, state) as client:
        expect_reply(client.command(line), code, enhanced=enhanced, to=repr(command))


@clause("DLG-45")
def test_a_client_that_talks_before_the_banner_gets_554(world: World) -> None:
    # In place of the greeting, in which no enhanced code need be (RFC 2034 4).
    require_early_talk(world)
    client = world.client(greet=False, early=b"EHLO early.example\r\n")
    expect_reply(client.read_reply(), 554, to="early talk")
