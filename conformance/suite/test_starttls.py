"""STARTTLS on both sides, and that nothing said in the clear counts behind it."""

from __future__ import annotations

import ssl

import pytest

from conformance import (
    ConformanceFailure,
    clause,
    expect,
    expect_in,
    expect_not_in,
    expect_reply,
    expect_true,
)
from conformance.lab import Client, World, hang_up, raw, say
from conformance.suite.acts import expect_nothing_upstream, forward, open_transaction


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


@clause("TLS-01")
def test_a_message_is_forwarded_over_tls(world: World) -> None:
    message = world.message(body="..\r\n" * 1000)
    with world.client(greet=False) as client:
        client.banner()
        expect_in("STARTTLS", list(client.extensions()), "the extensions")
        expect_reply(client.starttls(), 220, to="STARTTLS")
        expect_reply(client.ehlo(), 250, to="EHLO inside TLS")
        delivery = client.deliver(world.sender.address, world.info, message)
        expect_reply(delivery.final, 250, to="the end of DATA")
    arrived = world.upstream.wait_for_message()
    expect_true(arrived.content.endswith(message), "the original", arrived.content)


@clause("TLS-02")
def test_starttls_is_not_advertised_inside_tls(world: World) -> None:
    with secured(world) as client:
        expect_not_in("STARTTLS", list(client.extensions()), "the extensions")


@clause("TLS-03")
def test_a_second_starttls_is_refused_and_the_session_goes_on(world: World) -> None:
    with secured(world) as client:
        client.ehlo()
        expect_in(
            client.command("STARTTLS").code, (454, 500, 502, 503, 554), "the code"
        )
        open_transaction(world, client)


@clause("TLS-04")
def test_starttls_with_an_argument_is_a_501(world: World) -> None:
    with world.client() as client:
        expect_reply(client.command("STARTTLS now"), 501, to="STARTTLS now")
        open_transaction(world, client)


@clause("TLS-05")
def test_after_the_handshake_mail_needs_a_new_ehlo(world: World) -> None:
    with secured(world) as client:
        expect_reply(client.mail(world.sender.address), 503, to="MAIL")
        client.ehlo()
        open_transaction(world, client)


INJECTED = [
    "NOOP",
    "EHLO injected.example",
    "EHLO injected.example\r\nMAIL FROM:<injected@example.org>",
    "QUIT",
    "STARTTLS",
]


@clause("TLS-06")
@pytest.mark.parametrize("injected", INJECTED)
def test_commands_in_the_clear_behind_starttls_are_discarded(
    world: World, injected: str
) -> None:
    with world.client() as client:
        client.send(f"STARTTLS\r\n{injected}\r\n".encode())
        expect_reply(client.read_reply(), 220, to="STARTTLS")
        try:
            client.handshake()
        except ConformanceFailure:
            return  # a server that gives such a client up is as safe
        expect_reply(client.command("VRFY postmaster"), 252, to="the first command")
        expect_reply(client.mail(world.sender.address), 503, to="MAIL before EHLO")
        client.ehlo()
        open_transaction(world, client)
        expect(world.upstream.messages, [], "messages upstream")


@clause("TLS-06")
def test_a_half_command_in_the_clear_is_not_completed_inside_tls(world: World) -> None:
    with world.client() as client:
        client.send(b"STARTTLS\r\nEHLO injec")
        expect_reply(client.read_reply(), 220, to="STARTTLS")
        try:
            client.handshake()
        except ConformanceFailure:
            return
        expect_reply(client.command("ted.example"), "50x", to="the second half")


@clause("TLS-07")
@pytest.mark.parametrize(
    "version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1], ids=["1.0", "1.1"]
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_an_old_version_of_tls_is_not_negotiated(
    world: World, version: ssl.TLSVersion
) -> None:
    with world.client() as client:
        expect_reply(client.command("STARTTLS"), 220, to="STARTTLS")
        try:
            client.handshake(context=only(version))
        except ConformanceFailure:
            return
        expect_true(
            False, "a handshake that fails", client.tls and client.tls.version()
        )


@clause("TLS-08")
@pytest.mark.parametrize(
    "version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"]
)
def test_a_present_version_of_tls_is_negotiated(
    world: World, version: ssl.TLSVersion
) -> None:
    with world.client() as client:
        reply = client.starttls(context=only(version))
        expect_reply(reply, 220, to="STARTTLS")
        expect_reply(client.ehlo(), 250, to="EHLO inside TLS")


@clause("TLS-09")
@pytest.mark.parametrize(
    "garbage", [b"GET / HTTP/1.0\r\n\r\n", b"\x16\x03\x01\x40\x00" + b"x" * 64]
)
def test_a_handshake_that_fails_costs_that_session_alone(
    world: World, garbage: bytes
) -> None:
    with world.client() as client:
        expect_reply(client.command("STARTTLS"), 220, to="STARTTLS")
        client.send(garbage)
        client.half_close()
        client.expect_closed()
    forward(world)


@clause("TLS-09")
def test_a_client_lost_in_the_handshake_costs_that_session_alone(world: World) -> None:
    with world.client() as client:
        expect_reply(client.command("STARTTLS"), 220, to="STARTTLS")
        client.reset()
    forward(world)


@clause("TLS-10", "INV-06")
def test_a_tls_session_cut_in_mid_data_completes_nothing(world: World) -> None:
    with secured(world) as client:
        client.ehlo()
        open_transaction(world, client)
        expect_reply(client.data(), 354, to="DATA")
        client.send(world.message())
        client.close()
    world.upstream.wait_until_idle()
    expect_nothing_upstream(world)


@clause("TLS-11")
def test_an_upstream_that_offers_starttls_gets_the_message_over_tls(
    world: World,
) -> None:
    world.upstream.offer_starttls()
    dialogue = forward(world).dialogue
    expect_in(dialogue.tls, ("TLSv1.2", "TLSv1.3"), "the upstream's TLS version")
    clear = dialogue.verbs.index("STARTTLS")
    expect_not_in("MAIL", dialogue.verbs[:clear], "the commands in the clear")


@clause("TLS-12")
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
    world.upstream.offer_starttls()
    world.upstream.on("starttls", raw(b"220 2.0.0 go ahead\r\n" + injected))
    world.upstream.on("rcpt", say("550 5.1.1 the true answer"))
    with world.client() as client:
        delivery = client.deliver(world.sender.address, world.info, world.message())
    expect_true(not delivery.accepted, "no acknowledgement", delivery.final)
    expect_true(
        delivery.data is None,
        "a refused RCPT: the true answer, or a 4xx where the upstream was given up",
        delivery.data,
    )


@clause("TLS-13")
def test_the_upstream_gets_a_new_ehlo_after_the_handshake(world: World) -> None:
    world.upstream.offer_starttls()
    verbs = forward(world).dialogue.verbs
    expect(verbs[:3], ["EHLO", "STARTTLS", "EHLO"], "the first commands upstream")


@clause("TLS-14")
@pytest.mark.parametrize("text", ["454 4.7.0 not now", "502 5.5.1 cannot"])
def test_an_upstream_that_refuses_starttls_gets_the_message_in_the_clear(
    world: World, text: str
) -> None:
    world.upstream.offer_starttls()
    world.upstream.on("starttls", say(text))
    expect(forward(world).dialogue.tls, None, "the upstream's TLS version")


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
    expect(forward(world).dialogue.tls, None, "the upstream's TLS version")


@clause("TLS-15")
def test_a_transaction_does_not_go_on_inside_tls(world: World) -> None:
    with world.client() as client:
        open_transaction(world, client)
        reply = client.starttls()
        if reply.code == 220:
            client.ehlo()
            expect_reply(client.data(), 503, to="DATA inside TLS")
        else:
            expect_reply(reply, 503, to="STARTTLS")
    expect_nothing_upstream(world)
