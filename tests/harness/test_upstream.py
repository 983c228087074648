"""Upstream MTAs and the raw client, held against each other."""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from conformance.expect import ConformanceFailure
from conformance.lab import Client, Upstream, hang_up, hold, raw, say, stall, stuffed
from conformance.lab.loop import LoopThread
from conformance.lab.transcript import Transcript
from conformance.lab.commons import server_tls

ADDRESS = "198.51.100.1"
PATIENCE = 5.0
SHORT = 0.2
MESSAGE = b"Subject: x\r\n\r\n.dot\r\n..two\r\nend\r\n"


@pytest.fixture
def upstream(loop: LoopThread) -> Iterator[Upstream]:
    upstream = Upstream(
        loop,
        "mx.example",
        [ADDRESS, "2001:db8::25"],
        Transcript(),
        server_tls,
        PATIENCE,
    )
    upstream.start()
    yield upstream
    upstream.stop()
    assert loop.take_errors() == []


@pytest.fixture
def client(upstream: Upstream) -> Iterator[Client]:
    with Client((ADDRESS, 25), source="192.0.2.7", patience=PATIENCE) as client:
        yield client


@contextmanager
def failing(expected: str, actual: str) -> Iterator[None]:
    """The subject's failure, with both sides in these words."""
    with pytest.raises(ConformanceFailure) as failure:
        yield
    assert (failure.value.expected, failure.value.actual) == (expected, actual)


def in_content(client: Client) -> None:
    client.greet()
    client.mail("a@a.example")
    client.rcpt("b@b.example")
    assert client.data().code == 354


def test_a_message_is_recorded_as_it_was_sent(
    upstream: Upstream, client: Client
) -> None:
    client.greet("client.example")
    delivery = client.deliver(
        "a@a.example", ["b@b.example", "c@b.example"], MESSAGE, "SIZE=99"
    )
    assert delivery.accepted
    client.quit()
    message = upstream.wait_for_message()
    assert (message.sender, message.sender_parameters) == ("a@a.example", ["SIZE=99"])
    assert message.recipients == ["b@b.example", "c@b.example"]
    assert message.content == MESSAGE
    assert message.wire == stuffed(MESSAGE)
    assert message.accepted
    assert message.fields("subject") == [("Subject", "x")]
    dialogue = message.dialogue
    assert dialogue.verbs == ["EHLO", "MAIL", "RCPT", "RCPT", "DATA", "QUIT"]
    assert dialogue.ended_with_quit
    assert (dialogue.ehlo, dialogue.peer_address) == ("client.example", "192.0.2.7")
    dialogue.wait_until_closed(PATIENCE)
    assert dialogue.received.startswith(b"EHLO client.example\r\n")
    assert dialogue.received.endswith(b"\r\n.\r\nQUIT\r\n")


@pytest.mark.parametrize("message", [b"", b"x", b".", b".\r\n", b"a\r\n", b"\r\n.\r\n"])
def test_any_content_arrives_complete(
    upstream: Upstream, client: Client, message: bytes
) -> None:
    client.greet()
    assert client.deliver("a@a.example", "b@b.example", message).accepted
    whole = message if message.endswith(b"\r\n") or not message else message + b"\r\n"
    assert upstream.wait_for_message().content == whole


def test_commands_after_the_final_dot_are_commands(
    upstream: Upstream, client: Client
) -> None:
    in_content(client)
    client.send(b"x\r\n.\r\nRSET\r\nNOOP\r\n")
    assert [client.read_reply().code for _ in range(3)] == [250, 250, 250]
    assert upstream.dialogues[0].verbs[-2:] == ["RSET", "NOOP"]


def test_both_address_families_are_served(upstream: Upstream) -> None:
    with Client(
        ("2001:db8::25", 25), source="2001:db8::1", patience=PATIENCE
    ) as client:
        client.greet()
    assert upstream.dialogues[0].peer_address == "2001:db8::1"


def test_a_recipient_can_have_a_reply_of_its_own(
    upstream: Upstream, client: Client
) -> None:
    upstream.on("rcpt", say("550-5.1.1 no\n550 5.1.1 never"), recipient="No@b.example")
    client.greet()
    client.mail("a@a.example")
    refused = client.rcpt("no@b.example")
    assert (refused.code, refused.enhanced, refused.text) == (550, "5.1.1", "no\nnever")
    assert client.rcpt("yes@b.example").code == 250
    assert client.data().code == 354
    client.content(b"")
    assert upstream.wait_for_message().recipients == ["yes@b.example"]


def test_a_rule_can_be_for_the_nth_time(upstream: Upstream, client: Client) -> None:
    upstream.on("mail", say("451 4.3.0 later"), nth=2)
    client.greet()
    codes = []
    for _ in range(3):
        codes.append(client.mail("a@a.example").code)
        client.rset()
    assert codes == [250, 451, 250]


def test_a_refused_rset_leaves_the_transaction_open(
    upstream: Upstream, client: Client
) -> None:
    upstream.on("rset", say("451 4.3.0 no"), nth=1)
    client.greet()
    client.mail("a@a.example")
    assert client.rset().code == 451
    assert client.mail("b@a.example").code == 503
    assert client.rset().code == 250
    assert client.mail("b@a.example").code == 250


def test_a_later_rule_takes_precedence_over_an_earlier_one(
    upstream: Upstream, client: Client
) -> None:
    upstream.on("mail", say("550 one"))
    upstream.on("mail", say("551 two"))
    client.greet()
    assert client.mail("a@a.example").code == 551


@pytest.mark.parametrize(
    ("stage", "act"),
    [
        ("ehlo", lambda client: client.ehlo()),
        ("helo", lambda client: client.command("HELO x")),
        ("mail", lambda client: client.mail("a@a.example")),
        ("rset", lambda client: client.rset()),
        ("noop", lambda client: client.command("NOOP")),
        ("quit", lambda client: client.quit()),
    ],
)
def test_every_stage_can_have_another_reply(
    upstream: Upstream, client: Client, stage: str, act: Callable[[Client], object]
) -> None:
    upstream.on(stage, say("499 else"))
    client.banner()
    if stage not in ("ehlo", "helo"):
        client.ehlo()
    assert str(act(client)) == "499 else"


def test_the_banner_can_be_a_refusal(upstream: Upstream) -> None:
    upstream.on("connect", say("554 no"))
    with Client((ADDRESS, 25), patience=PATIENCE) as client:
        assert client.banner().code == 554


@pytest.mark.parametrize("stage", ["data", "end"])
def test_a_refused_data_leaves_no_accepted_message(
    upstream: Upstream, client: Client, stage: str
) -> None:
    upstream.on(stage, say("554 5.7.1 no"))
    client.greet()
    delivery = client.deliver("a@a.example", "b@b.example", MESSAGE)
    assert delivery.final.code == 554 and not delivery.accepted
    assert [message.accepted for message in upstream.messages] == [False] * (
        stage == "end"
    )


def test_hanging_up_in_mid_content_completes_nothing(
    upstream: Upstream, client: Client
) -> None:
    upstream.on("content", hang_up(), after=3)
    in_content(client)
    client.send(MESSAGE + b".\r\n")
    client.expect_closed()
    dialogue = upstream.dialogues[0]
    dialogue.wait_until_closed(PATIENCE)
    assert (dialogue.messages, dialogue.unfinished) == ([], MESSAGE + b".\r\n")


@pytest.mark.parametrize("reset", [False, True])
def test_hanging_up_at_a_stage(upstream: Upstream, client: Client, reset: bool) -> None:
    upstream.on("rcpt", hang_up(reset))
    client.greet()
    client.mail("a@a.example")
    client.line("RCPT TO:<b@b.example>")
    assert client.expect_closed() == b""


def test_after_a_stall_there_is_no_reply(upstream: Upstream, client: Client) -> None:
    upstream.on("mail", stall())
    client.greet()
    with failing("a reply within 0.2 s", "the subject sent nothing"):
        client.command("MAIL FROM:<a@a.example>", patience=SHORT)


def test_the_beginning_of_a_reply_is_shown(upstream: Upstream, client: Client) -> None:
    upstream.on("noop", raw(b"250-a\r\n25"), stall())
    client.greet()
    with failing("a reply within 0.2 s", "only b'250-a\\r\\n25'"):
        client.command("NOOP", patience=SHORT)


def test_a_connection_that_stays_open_is_reported_as_open(client: Client) -> None:
    client.banner()
    client.line("NOOP")
    closed = "the connection closed by the subject within 0.2 s"
    with failing(closed, "it is still open, after b'250 2.0.0 ok\\r\\n'"):
        client.expect_closed(SHORT)
    with failing(closed, "it is still open"):
        client.expect_closed(SHORT)


def test_a_hold_continues_when_released(upstream: Upstream, client: Client) -> None:
    gate = hold()
    upstream.on("end", gate, say("250 held"))
    in_content(client)
    client.send(MESSAGE + b".\r\n")
    gate.wait_until_reached(PATIENCE)
    gate.release()
    assert client.read_reply().text == "held"


@pytest.mark.parametrize("stage", ["data", "end", "quit"])
def test_a_client_that_half_closes_after_quit_gets_every_reply(
    upstream: Upstream, client: Client, stage: str
) -> None:
    gate = hold()
    upstream.on(stage, gate)
    client.greet()
    client.send(b"MAIL FROM:<a@a.example>\r\nRCPT TO:<b@b.example>\r\nDATA\r\n")
    if stage != "data":
        assert [client.read_reply().code for _ in range(3)] == [250, 250, 354]
    client.send(MESSAGE + b".\r\nQUIT\r\n")
    client.half_close()
    gate.wait_until_reached(PATIENCE)
    gate.release()
    codes = [250, 250, 354, 250, 221] if stage == "data" else [250, 221]
    assert [client.read_reply().code for _ in codes] == codes
    client.expect_closed()
    assert upstream.messages[0].accepted
    upstream.wait_until_idle()


def test_a_half_close_behind_a_whole_message_and_quit_loses_nothing(
    upstream: Upstream, client: Client
) -> None:
    in_content(client)
    client.send(stuffed(MESSAGE) + b"NOOP\r\nquit\r\n")
    client.half_close()
    assert [client.read_reply().code for _ in range(3)] == [250, 250, 221]
    upstream.wait_until_idle()


@pytest.mark.parametrize("last", [b"", b"QUIT", b"NOOP\r\n", b"QUIT\r\nNOOP\r\n"])
def test_a_client_that_closes_without_quit_is_lost(
    upstream: Upstream, client: Client, last: bytes
) -> None:
    gate = hold()
    upstream.on("end", gate)
    in_content(client)
    client.send(stuffed(MESSAGE))
    gate.wait_until_reached(PATIENCE)
    client.send(last)
    client.half_close()
    assert client.expect_closed() == b""
    upstream.wait_until_idle()


def test_quit_in_an_unfinished_message_is_no_command(
    upstream: Upstream, client: Client
) -> None:
    in_content(client)
    client.send(MESSAGE + b"QUIT\r\n")
    client.half_close()
    assert client.expect_closed() == b""
    upstream.wait_until_idle()
    assert upstream.dialogues[0].unfinished == MESSAGE + b"QUIT\r\n"


@pytest.mark.parametrize("stage", ["end", "quit"])
def test_a_client_that_half_closes_gets_nothing_from_a_stall(
    upstream: Upstream, client: Client, stage: str
) -> None:
    upstream.on(stage, stall())
    in_content(client)
    client.send(stuffed(MESSAGE) + b"QUIT\r\n")
    client.half_close()
    assert client.expect_closed() == (
        b"" if stage == "end" else b"250 2.0.0 stored\r\n"
    )
    upstream.wait_until_idle()


def test_a_hold_in_mid_content_loses_nothing(
    upstream: Upstream, client: Client
) -> None:
    gate = hold()
    upstream.on("content", gate, after=1)
    in_content(client)
    client.send(stuffed(MESSAGE)[:-3])
    gate.wait_until_reached(PATIENCE)
    client.send(b".\r\n")
    gate.release()
    assert client.read_reply().code == 250
    assert upstream.wait_for_message().content == MESSAGE


def test_garbage_and_pieces_are_sent_unchanged(
    upstream: Upstream, client: Client
) -> None:
    upstream.on("noop", raw(b"\x00\xff250", pieces=3), hang_up())
    client.greet()
    client.line("NOOP")
    assert client.expect_closed() == b"\x00\xff250"


def test_starttls_is_offered_only_when_asked_for(
    upstream: Upstream, client: Client
) -> None:
    client.banner()
    assert "STARTTLS" not in client.extensions()
    assert client.starttls().code == 502
    upstream.offer_starttls()
    client.ehlo()
    assert "STARTTLS" in client.extensions()
    assert client.starttls().code == 220
    assert "STARTTLS" not in client.extensions()
    assert client.deliver("a@a.example", "b@b.example", MESSAGE).accepted
    message = upstream.wait_for_message()
    assert message.wire == stuffed(MESSAGE)
    assert (message.dialogue.tls or "").startswith("TLSv1")


def test_starttls_can_be_refused(upstream: Upstream, client: Client) -> None:
    upstream.offer_starttls()
    upstream.on("starttls", say("454 4.7.0 not now"))
    client.greet()
    assert client.command("STARTTLS").code == 454
    assert client.command("NOOP").code == 250


def test_connections_can_be_refused_by_family(upstream: Upstream) -> None:
    upstream.stop_listening(6)
    with failing("a connection to 2001:db8::25", "Connection refused"):
        Client(("2001:db8::25", 25), patience=PATIENCE)
    Client((ADDRESS, 25), patience=PATIENCE).close()


def test_connection_attempts_can_be_left_unanswered(upstream: Upstream) -> None:
    upstream.go_silent(4)
    with failing(f"a connection to {ADDRESS}", "timed out"):
        Client((ADDRESS, 25), patience=SHORT)
    Client(("2001:db8::25", 25), patience=PATIENCE).close()


def test_a_connection_counts_as_closed_once_the_subject_can_see_its_end(
    upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    subject = socket.create_connection((ADDRESS, 25), PATIENCE)
    dialogue = upstream.wait_for_dialogue()
    seen: list[bool] = []

    def note(change: Callable[[], None]) -> None:
        if change == dialogue.closed.set:
            seen.append(bool(select.select([subject], [], [], 0)[0]))
        change()

    monkeypatch.setattr(upstream, "note", note)
    upstream.on("helo", hang_up())
    with subject:
        assert subject.recv(1000).startswith(b"220 ")
        subject.sendall(b"HELO client.example\r\n")
        dialogue.wait_until_closed(PATIENCE)
    assert seen == [True]


def test_waiting_in_vain_is_a_failure_of_the_subject(loop: LoopThread) -> None:
    upstream = Upstream(loop, "mx.example", [ADDRESS], Transcript(), server_tls, SHORT)
    nothing = "no connection was made"
    with failing("1 connection to mx.example within 0.2 s", nothing):
        upstream.wait_for_dialogue()
    with failing("2 messages at mx.example within 0.2 s", nothing):
        upstream.wait_for_message(2)


def test_waiting_in_vain_shows_what_was_sent_instead(
    upstream: Upstream, client: Client
) -> None:
    client.greet()
    client.mail("a@a.example")
    upstream.patience = SHORT
    with failing("1 message at mx.example within 0.2 s", "1 connection: EHLO MAIL"):
        upstream.wait_for_message()
    with failing("b'DATA' sent to mx.example within 0.2 s", "1 connection: EHLO MAIL"):
        upstream.wait_for_command(b"DATA")
    with failing(
        "the connection to mx.example closed within 0.2 s", "it is still open"
    ):
        upstream.wait_until_idle()


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (b"250 ok\r\n", (250, ("ok",))),
        (b"250\r\n", (250, ("",))),
        (b"250-\r\n250 \r\n", (250, ("", ""))),
        (b"250-a\r\n250-b\r\n250 c\r\n", (250, ("a", "b", "c"))),
        (b"250 ok\n", None),
        (b"250-a\r\n251 b\r\n", None),
        (b"25 ok\r\n", None),
        (b"2500 ok\r\n", None),
        (b"150 ok\r\n", None),
        (b"650 ok\r\n", None),
        (b"250_ok\r\n", None),
        (b"250 \xe9\r\n", None),
        (b"250 a\rb\r\n", None),
        (b"250 a\x00b\r\n", None),
        (b"250 " + b"x" * 507 + b"\r\n", None),
        (b"250-" + b"x" * 600, None),
        (b"250-a\r\n", None),
        (b"", None),
    ],
)
def test_the_client_accepts_only_valid_replies(
    said: bytes, expected: tuple[int, tuple[str, ...]] | None
) -> None:
    with socket.create_server((ADDRESS, 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.sendall(said)

        thread = threading.Thread(target=serve)
        thread.start()
        with Client(listener.getsockname()[:2], patience=PATIENCE) as client:
            if expected is None:
                with pytest.raises(ConformanceFailure):
                    client.read_reply()
            else:
                reply = client.read_reply()
                assert (reply.code, reply.lines) == expected
        thread.join()
