"""STARTTLS on both sides, and that nothing said in the clear counts behind it."""

from __future__ import annotations

import ssl

import pytest

from conformance import (
    also_as,
    ConformanceFailure,
    also_as,
    clause,
    expect,
    expect_in,
    expect_not_in,
    expect_one_of,
    expect_reply,
    expect_true,
    fail,
)
from conformance.lab import Client, Message, World, hang_up, raw, say
from conformance.suite.acts import expect_nothing_upstream, forward, open_transaction
from conformance.suite.dialogue import answer


def secured(world: World) -> Client:
    """A client inside TLS, before its new EHLO."""
    client = world.client()
    expect_reply(client.starttls(), 220, to="STARTTLS")
    return client


def only(version: ssl.TLSVersion) -> ssl.SSLContext:
    """A context that speaks one version, however old."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = version
    context.maximum_version = version
    return context


@also_as("receiver")
@clause("TLS-19")
def test_the_end_of_a_session_inside_tls_is_announced(world: World) -> None:
    with secured(world) as client:
        client.ehlo(world.sender.domain)
        expect_reply(client.quit(), 221, to="QUIT")
        expect_true(client.ends_tls(), "close_notify", "the connection was cut")


@also_as("receiver")
@clause("TLS-19")
def test_the_end_of_a_session_that_the_server_ends_inside_tls_is_announced(
    world: World,
) -> None:
    world.require("limits")
    with secured(world) as client:
        client.ehlo(world.sender.domain)
        for _ in range(world.subject.limits.bad_commands):
            client.line("FROB")
            reply = answer(client)
            if reply is None:
                pytest.skip("the server ends the session without a 421")
            if reply.code == 421:
                break
        else:
            pytest.skip("the server does not end the session")
        expect_true(client.ends_tls(), "close_notify", "the connection was cut")


@also_as("receiver")
@clause("TLS-19")
def test_a_client_that_ends_tls_itself_is_answered(world: World) -> None:
    with secured(world) as client:
        client.ehlo(world.sender.domain)
        expect_true(client.end_tls(), "close_notify", "the connection was cut")


@also_as("receiver")
@clause("TLS-01")
def test_starttls_is_advertised_and_a_message_is_forwarded_over_tls(
    world: World,
) -> None:
    message = world.message(body="..\r\n" * 1000)
    with world.client(greet=False) as client:
        client.banner()
        expect_in("STARTTLS", list(client.extensions()), "the extensions")
        expect_reply(client.starttls(), 220, to="STARTTLS")
        expect_reply(client.ehlo(), 250, to="EHLO inside TLS")
        delivery = client.deliver(world.sender.address, world.info, message)
        expect_reply(delivery.end, "2xx", to="the end of DATA")
        client.quit()
    body = message.partition(b"\r\n\r\n")[2]
    expect(world.upstream.wait_for_message().body, body, "the body")


@also_as("receiver")
@clause("TLS-02")
def test_starttls_is_not_advertised_inside_tls(world: World) -> None:
    with secured(world) as client:
        expect_not_in("STARTTLS", list(client.extensions()), "the extensions")


@also_as("receiver")
@clause("TLS-03")
def test_starttls_inside_tls_is_refused_and_the_session_goes_on(world: World) -> None:
    with secured(world) as client:
        client.ehlo()
        reply = client.command("STARTTLS")
        expect_true(not reply.positive, "a 4xx or 5xx to STARTTLS", reply)
        open_transaction(world, client)


@also_as("receiver")
@clause("TLS-04")
def test_starttls_with_an_argument_is_refused_with_501(world: World) -> None:
    with world.client() as client:
        expect_reply(client.command("STARTTLS now"), 501, to="STARTTLS now")
        open_transaction(world, client)
    secured(world)  # without an argument it is obeyed


@also_as("receiver")
@clause("TLS-05")
def test_after_the_handshake_mail_without_ehlo_is_as_on_a_new_connection(
    world: World,
) -> None:
    with world.client(greet=False) as client:
        client.banner()
        if client.mail(world.sender.address).positive:
            pytest.skip("the subject takes MAIL without EHLO on a new connection too")
    with secured(world) as client:
        reply = client.mail(world.sender.address)
        expect_true(not reply.positive, "a refusal of MAIL before EHLO", reply)
        expect_reply(client.ehlo(), 250, to="EHLO inside TLS")
        open_transaction(world, client)


@also_as("receiver")
@clause("TLS-18")
def test_mail_before_a_new_ehlo_is_refused_with_503(world: World) -> None:
    with secured(world) as client:
        reply = client.mail(world.sender.address)
    if reply.positive:
        pytest.skip("not refused")
    expect_reply(reply, 503, to="MAIL")


@also_as("receiver")
@clause("TLS-18")
def test_starttls_inside_tls_is_refused_with_503(world: World) -> None:
    with secured(world) as client:
        client.ehlo()
        reply = client.command("STARTTLS")
    if reply.positive:
        pytest.skip("not refused")
    expect_reply(reply, 503, to="STARTTLS")


def secured_with_more_behind(world: World, client: Client, behind: bytes) -> bool:
    """STARTTLS with `behind` in the same segment, then the handshake. False if the subject refuses
    STARTTLS or gives such a client up, which is as safe as not to obey. That it takes STARTTLS by
    itself is seen first."""
    with secured(world) as ordinary:
        expect_reply(ordinary.ehlo(), 250, to="EHLO inside TLS")
    client.send(b"STARTTLS\r\n" + behind)
    try:
        if client.read_reply().code != 220:
            return False
        client.handshake()
    except ConformanceFailure:
        return False
    return True


INJECTED = [
    "NOOP",
    "EHLO injected.example",
    "EHLO injected.example\r\nMAIL FROM:<injected@example.org>",
    "QUIT",
    "STARTTLS",
]


@also_as("receiver")
@clause("TLS-06")
@pytest.mark.parametrize("injected", INJECTED)
def test_commands_in_the_clear_behind_starttls_are_not_obeyed(
    world: World, injected: str
) -> None:
    with world.client() as client:
        if not secured_with_more_behind(world, client, f"{injected}\r\n".encode()):
            return
        # Were an injected command obeyed, its reply would come first.
        reply = client.command("XUNKNOWN")
        expect_reply(reply, "5xx", to="an unknown command, the first inside TLS")
        expect_reply(client.ehlo(), 250, to="EHLO")
        open_transaction(world, client)


@also_as("receiver")
@clause("TLS-06")
def test_half_a_command_in_the_clear_is_not_completed_inside_tls(world: World) -> None:
    with world.client() as client:
        if not secured_with_more_behind(world, client, b"EHLO injec"):
            return
        expect_reply(client.command("ted.example"), "5xx", to="the second half")


def expect_not_negotiated(world: World, version: ssl.TLSVersion) -> None:
    secured(world)  # a handshake that fails says something only where another succeeds
    with world.client() as client:
        expect_reply(client.command("STARTTLS"), 220, to="STARTTLS")
        try:
            client.handshake(context=only(version))
        except ConformanceFailure:
            return
        fail("a handshake that fails", client.tls and client.tls.version())


@also_as("receiver")
@clause("TLS-07")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_tls_1_0_is_not_negotiated(world: World) -> None:
    expect_not_negotiated(world, ssl.TLSVersion.TLSv1)


@also_as("receiver")
@clause("TLS-16")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_tls_1_1_is_not_negotiated(world: World) -> None:
    expect_not_negotiated(world, ssl.TLSVersion.TLSv1_1)


def expect_negotiated(world: World, version: ssl.TLSVersion) -> None:
    with world.client() as client:
        reply = client.starttls(context=only(version))
        expect_reply(reply, 220, to="STARTTLS")
        expect_reply(client.ehlo(), 250, to="EHLO inside TLS")


@also_as("receiver")
@clause("TLS-08")
def test_tls_1_2_is_negotiated(world: World) -> None:
    expect_negotiated(world, ssl.TLSVersion.TLSv1_2)


@also_as("receiver")
@clause("TLS-17")
def test_tls_1_3_is_negotiated(world: World) -> None:
    expect_negotiated(world, ssl.TLSVersion.TLSv1_3)


@also_as("receiver")
@clause("TLS-09")
@pytest.mark.parametrize(
    "garbage", [b"GET / HTTP/1.0\r\n\r\n", b"\x16\x03\x01\x40\x00" + b"x" * 64]
)
def test_after_a_failed_handshake_the_next_client_is_served(
    world: World, garbage: bytes
) -> None:
    with world.client() as client:
        expect_reply(client.command("STARTTLS"), 220, to="STARTTLS")
        client.send(garbage)
        client.half_close()
        client.expect_closed()
    forward(world)


@also_as("receiver")
@clause("TLS-09")
def test_after_a_client_lost_in_the_handshake_the_next_one_is_served(
    world: World,
) -> None:
    with world.client() as client:
        expect_reply(client.command("STARTTLS"), 220, to="STARTTLS")
        client.reset()
    forward(world)


@also_as("receiver")
@clause("TLS-10")
def test_a_tls_session_cut_in_mid_data_completes_nothing(world: World) -> None:
    with secured(world) as client:
        client.ehlo()
        open_transaction(world, client)
        expect_reply(client.data(), 354, to="DATA")
        client.send(world.message())
        client.close()
    world.upstream.wait_until_idle()
    expect_nothing_upstream(world)


@also_as("receiver")
@clause("TLS-15")
def test_a_transaction_does_not_go_on_inside_tls(world: World) -> None:
    secured(world)  # without a transaction STARTTLS is obeyed
    with world.client() as client:
        open_transaction(world, client)
        # EHLO would end the transaction by itself, so DATA comes first.
        if client.starttls().code == 220:
            reply = client.data()
            expect_true(not reply.positive, "a refusal of DATA inside TLS", reply)
    expect_nothing_upstream(world)


# The upstream


def forward_with_starttls_tried(world: World) -> Message:
    """Has a message forwarded to the upstream, for which the subject has to have tried STARTTLS."""
    message = forward(world)
    skip_unless_starttls_was_tried(world)
    return message


def skip_unless_starttls_was_tried(world: World) -> None:
    if "STARTTLS" not in world.upstream.verbs:
        pytest.skip("the subject did not try the upstream's STARTTLS (see TLS-11)")


@clause("TLS-11")
@also_as("sender")
def test_an_upstream_that_offers_starttls_gets_the_message_over_tls(
    world: World,
) -> None:
    world.upstream.offer_starttls()
    dialogue = forward(world).dialogue
    expect_one_of(dialogue.tls, ("TLSv1.2", "TLSv1.3"), "the upstream's TLS version")
    verbs = [
        verb for d in world.upstream.dialogues if d.tls is None for verb in d.verbs
    ]
    expect_not_in("MAIL", verbs, "the commands of connections in the clear")


@clause("TLS-20")
def test_the_handshake_with_an_upstream_names_the_host(world: World) -> None:
    world.upstream.offer_starttls()
    dialogue = forward_with_starttls_tried(world).dialogue
    expect(dialogue.server_name, world.upstream.name, "the name of SNI")


@clause("TLS-12")
@also_as("sender")
@pytest.mark.parametrize(
    "injected",
    [
        b"250 mx.injected.example\r\n",
        b"250-mx.injected.example\r\n250 SIZE 1\r\n",
        b"250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n250 taken\r\n",
    ],
    ids=["one reply", "an EHLO reply", "a whole dialogue"],
)
def test_replies_in_the_clear_behind_starttls_are_not_taken_inside_tls(
    world: World, injected: bytes
) -> None:
    # Without PIPELINING nobody sends DATA but upon a 2xx to RCPT, which is never given here.
    world.upstream.extensions.remove("PIPELINING")
    world.upstream.offer_starttls()
    world.upstream.on("starttls", raw(b"220 2.0.0 go ahead\r\n" + injected))
    world.upstream.on("rcpt", say("550 5.1.1 the true answer"))
    with world.client() as client:
        client.deliver(world.sender.address, world.info, world.message())
        client.quit()
    world.upstream.wait_for_dialogue()
    world.upstream.wait_until_idle()
    skip_unless_starttls_was_tried(world)
    expect_not_in("DATA", world.upstream.verbs, "the commands upstream")


@clause("TLS-13")
@also_as("sender")
def test_the_upstream_gets_a_new_ehlo_after_the_handshake(world: World) -> None:
    world.upstream.offer_starttls()
    verbs = forward_with_starttls_tried(world).dialogue.verbs
    expect(verbs[:3], ["EHLO", "STARTTLS", "EHLO"], "the first commands upstream")


def forward_without_tls(world: World) -> Message:
    """Has a message forwarded to the upstream, whose STARTTLS fails. A subject that queues may do without
    it only in a later attempt."""
    with world.client() as client:
        delivery = client.deliver(world.sender.address, world.info, world.message())
    expect_true(delivery.accepted, "a 2xx for the message", delivery.final)
    try:
        message = world.upstream.wait_for_message()
    except ConformanceFailure:
        in_session = "in-session" in world.subject.capabilities
        if in_session or "STARTTLS" not in world.upstream.verbs:
            raise
        pytest.skip(f"it was not tried again within {world.patience:g} s")
    skip_unless_starttls_was_tried(world)
    return message


@clause("TLS-14")
@pytest.mark.parametrize("text", ["454 4.7.0 not now", "502 5.5.1 cannot"])
def test_an_upstream_that_refuses_starttls_gets_the_message_in_the_clear(
    world: World, text: str
) -> None:
    world.upstream.offer_starttls()
    world.upstream.on("starttls", say(text))
    dialogue = forward_without_tls(world).dialogue
    expect(dialogue.tls, None, "the upstream's TLS version")


@clause("TLS-14")
def test_an_upstream_that_closes_upon_starttls_gets_the_message_in_the_clear(
    world: World,
) -> None:
    world.upstream.offer_starttls()
    world.upstream.on("starttls", say("421 4.7.0 not now"), hang_up())
    dialogue = forward_without_tls(world).dialogue
    expect(dialogue.tls, None, "the upstream's TLS version")


@clause("TLS-14")
@pytest.mark.parametrize("fault", ["garbage", "hang-up"])
def test_an_upstream_whose_handshake_fails_gets_the_message_in_the_clear(
    world: World, fault: str
) -> None:
    world.upstream.offer_starttls()
    broken = (
        raw(b"220 2.0.0 go\r\nno TLS at all\r\n")
        if fault == "garbage"
        else say("220 go")
    )
    world.upstream.on("starttls", broken, hang_up())
    dialogue = forward_without_tls(world).dialogue
    expect(dialogue.tls, None, "the upstream's TLS version")
