"""The arguments of EHLO, MAIL and RCPT: names, paths and parameters, as they should be and as they are."""

from __future__ import annotations

import re

import pytest

from conformance import (
    also_as,
    clause,
    expect,
    expect_in,
    expect_match,
    expect_one_of,
    expect_reply,
    expect_true,
)
from conformance.lab import World
from conformance.suite.acts import (
    control,
    DOMAIN,
    MAILBOX,
    forward,
    open_transaction,
    reverse_path,
    unquoted,
)
from conformance.suite.dialogue import LITERAL, answer, client_in, expect_refused
from conformance.suite.spf import recorded

# EHLO and HELO


@also_as("receiver")
@clause("DLG-21")
@pytest.mark.parametrize("state", ["connected", "rcpt"])
def test_an_ehlo_that_is_not_acceptable_changes_nothing(
    world: World, state: str
) -> None:
    with client_in(world, state) as client:
        reply = client.command("EHLO")
        if reply.code == 250:
            pytest.skip("EHLO without a name is acceptable")
        expect_one_of(reply.code, (500, 501, 502, 550), "the code for EHLO")
        if state == "connected":
            expect_reply(client.ehlo(), 250, to="EHLO with a name")
            open_transaction(world, client)
        expect_reply(client.data(), 354, to="DATA")


@also_as("receiver")
@clause("DLG-26")
@pytest.mark.parametrize("kind", ["IPv4 literal", "IPv6 literal", "name"])
def test_a_name_in_ehlo_of_another_address_is_no_reason_to_refuse(
    world: World, kind: str
) -> None:
    other4, other6 = world.new_client_addresses()
    name = {
        "IPv4 literal": f"[{other4}]",
        "IPv6 literal": f"[IPv6:{other6}]",
        "name": f"somebody.{world.sender.domain}",
    }[kind]
    world.dns.add(f"somebody.{world.sender.domain}", "A", other4)
    with world.client(greet=False) as client:
        client.greet(name)
        delivery = client.deliver(world.sender.address, world.info, world.message())
    expect_reply(delivery.final, 250, to="the end of DATA")
    world.upstream.wait_for_message()


NO_NAMES = [
    "Alice's laptop (old)",
    "192.0.2.1:25",
    "[no literal]",
    "a..b",
    "<a@b>",
    ')\\("',
    pytest.param("x" * 64 + ".example", id="label of 64 octets"),
    pytest.param(".".join(["x" * 62] * 4) + ".xx", id="name of 254 octets"),
]


@also_as("receiver")
@clause("DLG-36")
@pytest.mark.parametrize("verb", ["EHLO", "HELO"])
@pytest.mark.parametrize("name", NO_NAMES)
def test_a_greeting_with_any_printable_argument_is_answered_250(
    world: World, verb: str, name: str
) -> None:
    with client_in(world, "connected") as client:
        expect_reply(client.command(f"{verb} {name}"), 250, to=verb)
        delivery = client.deliver(world.sender.address, world.info, world.message())
        expect_reply(delivery.final, 250, to="the end of DATA")
    world.upstream.wait_for_message()


@also_as("receiver")
@clause("DLG-51")
@pytest.mark.parametrize("name", NO_NAMES)
def test_spf_has_no_result_for_an_argument_that_is_no_domain(
    world: World, name: str
) -> None:
    with client_in(world, "connected") as client:
        if client.command(f"EHLO {name}").code != 250:
            pytest.skip("such an argument is refused")
        delivery = client.deliver("", world.info, world.message())
        expect_reply(delivery.final, 250, to="the end of DATA")
    arrived = world.upstream.wait_for_message()
    found = [result for result, _ in recorded(arrived)]
    expect_true(set(found) <= {"none"}, "no SPF result but none", found)
    if not recorded(control(world)):
        pytest.skip("no SPF result is recorded for anybody")


@also_as("receiver")
@clause("DLG-52")
@pytest.mark.parametrize("name", NO_NAMES)
def test_received_is_well_formed_whatever_was_accepted_in_ehlo(
    world: World, name: str
) -> None:
    with client_in(world, "connected") as client:
        if client.command(f"EHLO {name}").code != 250:
            pytest.skip("such an argument is refused")
        delivery = client.deliver(world.sender.address, world.info, world.message())
        expect_reply(delivery.final, 250, to="the end of DATA")
    fields = world.upstream.wait_for_message().fields("Received")
    if not fields:
        pytest.skip("no Received field is added")
    # Extended-Domain, then a comment or BY.
    form = rf"from\s+(?:{DOMAIN}|{LITERAL})(?:\s*\(|\s+by\b).*"
    received = fields[0][1]
    well_formed = re.fullmatch(form, received, re.DOTALL | re.IGNORECASE)
    expect_true(well_formed, "FROM, a domain or literal, a comment or BY", received)


@also_as("receiver")
@clause("DLG-27")
def test_white_space_at_the_end_of_a_line_is_tolerated(world: World) -> None:
    with client_in(world, "connected") as client:
        expect_reply(client.command("EHLO client.example "), 250, to="EHLO")
        mail = f"MAIL FROM:<{world.sender.address}> "
        expect_reply(client.command(mail), 250, to="MAIL")
        expect_reply(client.command(f"RCPT TO:<{world.info}>\t"), 250, to="RCPT")
        expect_reply(client.command("DATA "), 354, to="DATA")


# Parameters


# Of extensions that a server may offer, by the parameter.
EXTENSIONS = {
    "MT-PRIORITY=4": "MT-PRIORITY",
    "HOLDFOR=60": "FUTURERELEASE",
    "REQUIRETLS": "REQUIRETLS",
}


@also_as("receiver")
@clause("DLG-18")
@pytest.mark.parametrize("parameter", ["FROB=1", "FROB", "X-Y=z", *EXTENSIONS])
def test_an_unknown_parameter_of_mail_is_a_555(world: World, parameter: str) -> None:
    with client_in(world, "connected") as client:
        if EXTENSIONS.get(parameter) in client.extensions():
            pytest.skip(f"{EXTENSIONS[parameter]} is offered")
        for _ in range(2):  # the session goes on as if nothing had been
            reply = client.mail(world.sender.address, parameter)
            expect_reply(reply, 555, to="MAIL")
        open_transaction(world, client)


@also_as("receiver")
@clause("DLG-19")
@pytest.mark.parametrize("parameter", ["FROB=1", "FROB", "SIZE=5", "BODY=8BITMIME"])
def test_an_unknown_parameter_of_rcpt_is_a_555(world: World, parameter: str) -> None:
    with client_in(world, "mail") as client:
        expect_reply(client.rcpt(world.info, parameter), 555, to="RCPT")
        expect_reply(client.rcpt(world.info), 250, to="RCPT without it")


MALFORMED_PARAMETERS = ["=x", "=", "-FROB=1", "FR_OB=1", "FROB=", "FROB=a=b"]


@also_as("receiver")
@clause("DLG-54")
@pytest.mark.parametrize("parameter", MALFORMED_PARAMETERS)
def test_a_parameter_that_breaks_the_grammar_is_refused(
    world: World, parameter: str
) -> None:
    with client_in(world, "greeted") as client:
        expect_reply(client.mail(world.sender.address, parameter), "5xx", to="MAIL")
        expect_reply(client.mail(world.sender.address), 250, to="MAIL without it")
        expect_reply(client.rcpt(world.info, parameter), "5xx", to="RCPT")
        expect_reply(client.rcpt(world.info), 250, to="RCPT without it")


@also_as("receiver")
@clause("DLG-25")
@pytest.mark.parametrize(
    "parameter", ["BODY=7BIT", "BODY=8BITMIME", "BODY=8bitmime", "body=7bit"]
)
def test_a_known_body_type_is_accepted(world: World, parameter: str) -> None:
    with client_in(world, "connected") as client:
        if "8BITMIME" not in client.extensions():
            pytest.skip("8BITMIME is not offered")
        expect_reply(client.mail(world.sender.address, parameter), 250, to="MAIL")
        expect_reply(client.rcpt(world.info), 250, to="RCPT")


@also_as("receiver")
@clause("DLG-49")
@pytest.mark.parametrize("parameter", ["BODY=BINARYMIME", "BODY=9BIT", "BODY=", "BODY"])
def test_another_body_type_is_refused(world: World, parameter: str) -> None:
    with client_in(world, "connected") as client:
        offered = client.extensions()
        if parameter == "BODY=BINARYMIME" and "BINARYMIME" in offered:
            pytest.skip("BINARYMIME is offered")
        expect_reply(client.mail(world.sender.address, parameter), "5xx", to="MAIL")
        open_transaction(world, client)


# Paths that are no valid syntax

# With a local part and a domain that are otherwise accepted, so that nothing but the syntax is wrong.
BAD_PATHS = [
    "",
    "<",
    "<>x",
    "<{local}@{domain}",
    "{local}@{domain}",
    "<@>",
    "<{local}@>",
    "<@{domain}>",
    "<{local}@@{domain}>",
    "<{local} smith@{domain}>",
    '<"{local}@{domain}>',
    '<"{local}"x@{domain}>',
    "<{local}@{domain}.>>",
    "<{local}@{domain}> trailing words here<>",
    "<@{domain}:postmaster>",
    "<@{domain}:{local}@[192.0.2.999]>",
]
# No recipient is accepted at these anyway.
BAD_DOMAINS = [
    "<alice@sender..example>",
    "<alice@-sender.example>",
    "<alice@[192.0.2.999]>",
    # Longer than the text of any address.
    f"<alice@[{'.'.join(['192.0.2.1'] * 5)}]>",
    "<alice@[IPv6:::g]>",
    "<alice@[192.0.2.1>",
]


@also_as("receiver")
@clause("DLG-20")
@pytest.mark.parametrize("path", [*BAD_PATHS, *BAD_DOMAINS])
def test_a_malformed_sender_is_refused(world: World, path: str) -> None:
    written = path.format(local="alice", domain=world.sender.domain)
    with client_in(world, "greeted") as client:
        expect_reply(client.command(f"MAIL FROM:{written}"), "5xx", to="MAIL")
        expect_reply(client.rcpt(world.info), 503, to="RCPT")
        open_transaction(world, client)


@also_as("receiver")
@clause("DLG-20")
@pytest.mark.parametrize("path", ["<>", *BAD_PATHS])
def test_a_malformed_recipient_is_refused(world: World, path: str) -> None:
    local, _, domain = world.info.rpartition("@")
    written = path.format(local=local, domain=domain)
    with client_in(world, "mail") as client:
        expect_reply(client.command(f"RCPT TO:{written}"), "5xx", to="RCPT")
        expect_refused(client.data(), "DATA without a recipient")
        expect_reply(client.rcpt(world.info), 250, to="RCPT of a good address")


@also_as("receiver")
@clause("DLG-20")
@pytest.mark.parametrize(
    "command", ["MAIL", "MAIL FROM", "MAIL TO:<a@b.example>", "MAIL <a@b.example>"]
)
def test_mail_without_its_keyword_is_refused(world: World, command: str) -> None:
    with client_in(world, "greeted") as client:
        expect_reply(client.command(command), "5xx", to=command)
        open_transaction(world, client)


@also_as("receiver")
@clause("DLG-47")
@pytest.mark.parametrize("command", ["MAIL", "MAIL FROM:"])
def test_a_mail_refused_for_its_argument_changes_nothing(
    world: World, command: str
) -> None:
    with client_in(world, "greeted") as client:
        if client.command(command).positive:
            pytest.skip("it is accepted")
        expect_refused(client.rcpt(world.info), "RCPT, there being no sender")
        open_transaction(world, client)


# Unusual ones


@clause("DLG-37")
@pytest.mark.parametrize("local", [".alice", "alice.", "al..ice", "..a.b.."])
def test_a_local_part_with_superfluous_dots_is_accepted_and_quoted_upstream(
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
    expect_true(content.endswith(local), "the sender's local part in it", path)


@clause("DLG-37")
@pytest.mark.parametrize("domain", ["my_host.{}", "_a.{}", "b_.{}"])
def test_a_domain_with_underscores_is_accepted(world: World, domain: str) -> None:
    name = domain.format(world.sender.domain)
    forward(world, sender=f"alice@{name}")
    expect_in(name, reverse_path(world.upstream), "the reverse-path")
    with client_in(world, "mail") as client:
        # It is well-formed, and refused only because nobody serves it.
        expect_reply(client.rcpt(f"alice@{name}"), 550, to="RCPT")


@clause("DLG-58")
@pytest.mark.parametrize(
    "written", [" <{}>", "<{}>  BODY=7BIT", " <{}>   BODY=7BIT  SIZE=500"]
)
def test_a_sender_with_superfluous_spaces_is_accepted(
    world: World, written: str
) -> None:
    with client_in(world, "greeted") as client:
        mail = client.command(f"MAIL FROM:{written.format(world.sender.address)}")
        expect_reply(mail, 250, to="MAIL")


@clause("DLG-58")
def test_a_recipient_after_a_space_is_accepted(world: World) -> None:
    with client_in(world, "mail") as client:
        expect_reply(client.command(f"RCPT TO: <{world.info}>"), 250, to="RCPT")


ROUTES = ["@relay.example", "@one.example,@two.example"]


@pytest.mark.parametrize("route", ROUTES)
@also_as("receiver")
@clause("DLG-28")
def test_a_source_route_is_stripped(world: World, route: str) -> None:
    arrived = forward(world, recipient=f"{route}:{world.info}")
    expect(arrived.recipients, [world.mailbox], "the recipient upstream")


@pytest.mark.parametrize("route", ROUTES)
@also_as("receiver")
@clause("DLG-50")
def test_a_source_route_is_recognized(world: World, route: str) -> None:
    with client_in(world, "rcpt") as client:
        reply = client.rcpt(f"{route}:{world.info}")
    allowed = reply.code == 250 or str(reply.code).startswith(("55", "45"))
    expect_true(allowed, "250, or 55x or 45x for a route that is declined", reply)


@clause("LIM-43")
def test_a_path_that_its_source_route_makes_too_long_is_refused(world: World) -> None:
    route = ",".join([f"@{'a' * 63}.{'b' * 63}.example"] * 2)
    with client_in(world, "greeted") as client:
        if not client.mail(f"@relay.example:{world.sender.address}").positive:
            pytest.skip("a source route is refused, however short")
        expect_reply(client.rset(), 250, to="RSET")
        reply = client.mail(f"{route}:{world.sender.address}")
        expect_reply(reply, "5xx", to="MAIL")
        open_transaction(world, client)
        reply = client.rcpt(f"{route}:{world.info}")
        expect_reply(reply, "5xx", to="RCPT")


@clause("LIM-43")
def test_a_path_of_more_than_256_octets_is_refused(world: World) -> None:
    domain = ".".join(["x" * 60] * 3 + [world.sender.domain])
    longest = "a" * (256 - len(f"<@{domain}>"))
    # Else it may be refused (RFC 5321 2.3.5).
    world.dns.add(domain, "A", world.sender.ipv4)
    with client_in(world, "greeted") as client:
        expect_reply(client.mail(f"{longest}@{domain}"), 250, to="MAIL of 256 octets")
        expect_reply(client.rset(), 250, to="RSET")
        expect_reply(client.mail(f"{longest}a@{domain}"), "5xx", to="MAIL of 257")


@also_as("receiver")
@clause("DLG-53")
@pytest.mark.parametrize("domain", ["\u00f1.example", "xn--\u00f1.example", "\ufffd"])
def test_a_reply_repeats_no_octets_outside_ascii(world: World, domain: str) -> None:
    with world.client() as client:
        client.mail(world.sender.address)
        # The client reads replies strictly.
        client.rcpt(f"info@{domain}")
        client.command(b"RCPT TO:<\xff@" + world.zone.encode("ascii") + b">")
        client.rset()
        client.mail(f"a@{domain}")


@also_as("receiver")
@clause("DLG-53")
@pytest.mark.parametrize(
    "command",
    [
        "EHLO \u00f1",
        "HELO \u00f1",
        "NOOP \u00f1",
        "VRFY \u00f1",
        "FROB\u00f1",
        "\u00f1",
    ],
)
def test_the_reply_to_no_command_repeats_its_octets_outside_ascii(
    world: World, command: str
) -> None:
    with client_in(world, "greeted") as client:
        client.line(command)
        answer(client)  # read strictly; to hang up is no such reply


@also_as("receiver")
@clause("DLG-53")
@pytest.mark.parametrize("parameter", ["FROB=\u00f1", "\u00f1", "SIZE=\u00f1"])
def test_the_reply_to_no_parameter_repeats_its_octets_outside_ascii(
    world: World, parameter: str
) -> None:
    with client_in(world, "greeted") as client:
        client.line(f"MAIL FROM:<{world.sender.address}> {parameter}")
        answer(client)
