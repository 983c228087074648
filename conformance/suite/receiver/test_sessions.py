"""Sessions of the service: many messages over one, idle ones used again, several at a time, transactions that are
abandoned, and TLS."""

from __future__ import annotations

import ssl
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from conformance import (
    ConformanceFailure,
    clause,
    expect,
    expect_in,
    expect_reply,
    expect_true,
)
from conformance.lab import Client, ReceiverWorld
from conformance.lab.plan import EHLO, KEYS
from conformance.suite.receiver.acts import (
    delivered,
    expect_nothing,
    fence,
    forwarded,
    open_transaction,
)

KEY = KEYS / "test-sender-rsa2048.pem"
BURST = 50
AT_A_TIME = 10
# The service closes a connection that was not used for that long.
IDLE_S = 5.0


def numbered(world: ReceiverWorld, number: int) -> bytes:
    return forwarded(world, world.message(f"X-N: {number}"))


def numbers_arrived(world: ReceiverWorld, count: int) -> list[int]:
    """The numbers of the messages in the mailbox, of which there have to be so many."""
    world.inbox.wait_for_message_at(world.mailbox, count)
    fence(world)
    arrived = world.inbox.at(world.mailbox)
    return sorted(int(message.fields("X-N")[0][1]) for message in arrived)


def deliver_numbered(world: ReceiverWorld, client: Client, number: int) -> None:
    delivery = client.deliver(
        world.srs(world.sender.address), world.mailbox, numbered(world, number)
    )
    expect_true(delivery.accepted, f"a 2xx for message {number}", delivery.final)


@clause("RCV-90")
def test_fifty_messages_over_one_connection_are_accepted(world: ReceiverWorld) -> None:
    with world.service_client() as client:
        for number in range(BURST):
            deliver_numbered(world, client, number)
        expect_reply(client.quit(), 221, to="QUIT")
    expect(numbers_arrived(world, BURST), list(range(BURST)), "the messages")


@clause("RCV-90")
def test_a_burst_through_the_relay_is_accepted(world: ReceiverWorld) -> None:
    count = 10
    with world.relay_client() as client:
        for number in range(count):
            message = world.message(f"X-N: {number}")
            delivery = client.deliver(world.sender.address, world.forwarded, message)
            expect_true(
                delivery.accepted, f"a 2xx for message {number}", delivery.final
            )
    expect(numbers_arrived(world, count), list(range(count)), "the messages")


def idle_for(world: ReceiverWorld) -> float:
    """As long as the service idles, or half of a timeout that is shorter."""
    if "timeouts" in world.subject.capabilities:
        return min(IDLE_S, world.subject.timeouts.client_command / 2)
    return IDLE_S


def stay_idle(world: ReceiverWorld, client: Client) -> None:
    """The subject neither says anything nor closes."""
    seconds = idle_for(world)
    silent = client.is_silent_for(seconds)
    expect_true(silent, f"an open connection after {seconds:g} s", "it was ended")


@clause("RCV-91")
@pytest.mark.parametrize("between", ["messages", "RSET and a message"])
def test_a_connection_that_was_idle_is_used_again(
    world: ReceiverWorld, between: str
) -> None:
    with world.service_client() as client:
        deliver_numbered(world, client, 0)
        if between != "messages":
            expect_reply(client.rset(), 250, to="RSET")
        stay_idle(world, client)
        deliver_numbered(world, client, 1)
    expect(numbers_arrived(world, 2), [0, 1], "the messages")


@clause("RCV-98")
@pytest.mark.parametrize("state", ["greeted", "with a sender", "with a recipient"])
def test_an_idle_connection_is_kept_open_for_some_seconds(
    world: ReceiverWorld, state: str
) -> None:
    with world.service_client() as client:
        sender = world.srs(world.sender.address)
        if state != "greeted":
            expect_reply(client.mail(sender), "2xx", to="MAIL")
        if state == "with a recipient":
            expect_reply(client.rcpt(world.mailbox), "2xx", to="RCPT")
        stay_idle(world, client)
        expect_reply(client.command("NOOP"), 250, to="NOOP")


@clause("RCV-92")
def test_ten_connections_at_a_time_are_served(world: ReceiverWorld) -> None:
    sender = world.srs(world.sender.address)
    messages = [numbered(world, number) for number in range(AT_A_TIME)]
    # Nobody sends his message before all have their recipient accepted.
    meeting = threading.Barrier(AT_A_TIME)

    def one_of_them(number: int) -> None:
        try:
            with world.service_client() as client:
                open_transaction(world, client, sender)
                meeting.wait(world.patience)
                expect_reply(client.data(), 354, to="DATA")
                reply = client.content(messages[number])
                expect_reply(reply, "2xx", to=f"the end of message {number}")
        except threading.BrokenBarrierError:
            pass  # another one has failed, and says so
        except ConformanceFailure:
            meeting.abort()
            raise

    with ThreadPoolExecutor(AT_A_TIME) as together:
        for done in [together.submit(one_of_them, n) for n in range(AT_A_TIME)]:
            done.result()
    expect(numbers_arrived(world, AT_A_TIME), list(range(AT_A_TIME)), "the messages")


@clause("RCV-93")
def test_transactions_that_are_abandoned_leave_nothing(world: ReceiverWorld) -> None:
    sender = world.srs(world.sender.address)
    with world.service_client() as client:
        for number in range(5):
            client.mail(sender)
            client.rcpt(world.other)
            expect_reply(client.rset(), 250, to="RSET")
            deliver_numbered(world, client, number)
    expect(numbers_arrived(world, 5), list(range(5)), "the messages")
    expect(len(world.inbox.at(world.other)), 0, "messages for an abandoned recipient")


@clause("RCV-93")
def test_a_recipient_whose_sender_left_before_the_message_gets_nothing(
    world: ReceiverWorld,
) -> None:
    # The relay gives up its transaction with its client's.
    with world.relay_client() as client:
        expect_reply(client.mail(world.sender.address), "2xx", to="MAIL")
        expect_reply(client.rcpt(world.forwarded), "2xx", to="RCPT")
        client.close()
    expect_nothing(world)


@clause("RCV-94")
@pytest.mark.parametrize("how", ["closed", "reset"])
@pytest.mark.parametrize("cut", ["in the header", "before the last dot"])
def test_a_message_whose_connection_is_lost_is_not_delivered(
    world: ReceiverWorld, how: str, cut: str
) -> None:
    message = forwarded(world)
    with world.service_client() as client:
        open_transaction(world, client)
        expect_reply(client.data(), 354, to="DATA")
        client.send(message[:100] if cut == "in the header" else message + b".")
        if how == "reset":
            client.reset()
    expect_nothing(world)


# TLS


@clause("RCV-95")
def test_mail_is_accepted_without_tls(world: ReceiverWorld) -> None:
    with world.service_client() as client:
        expect_in("STARTTLS", list(client.extensions()), "the extensions offered")
    delivered(world)


def unknown_certificate(directory: Path) -> Path:
    """A client certificate that nobody but the owner of its key has signed."""
    key = serialization.load_pem_private_key(KEY.read_bytes(), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, EHLO)])
    now = datetime.now(timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .sign(key, hashes.SHA256())
    )
    file = directory / "client.pem"
    file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return file


@clause("RCV-96")
@pytest.mark.parametrize("certificate", ["none", "of an unknown issuer"])
def test_mail_is_accepted_inside_tls_whatever_the_clients_certificate(
    world: ReceiverWorld, certificate: str
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if certificate != "none":
        with tempfile.TemporaryDirectory() as directory:
            context.load_cert_chain(unknown_certificate(Path(directory)), KEY)
    with world.service_client() as client:
        expect_in("STARTTLS", list(client.extensions()), "the extensions offered")
        expect_reply(client.starttls(context=context), 220, to="STARTTLS")
        expect_reply(client.ehlo(EHLO), 250, to="EHLO inside TLS")
        deliver_numbered(world, client, 0)
        client.quit()
    expect(numbers_arrived(world, 1), [0], "the messages")
