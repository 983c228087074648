"""Limits: what must be taken, what is refused beyond it, and that a refusal is orderly."""

from __future__ import annotations

import time

import pytest

from conformance import (
    clause,
    expect,
    expect_in,
    expect_match,
    expect_reply,
    expect_true,
)
from conformance.lab import Client, Reply, World, stuffed
from conformance.suite.acts import expect_nothing_upstream, forward, open_transaction

COMMAND_LINE = 512
TEXT_LINE = 1000
LOCAL_PART = 64
IDLE_COMMANDS_MAX = 1000
CRLF = b"\r\n"


def of_size(message: bytes, size: int) -> bytes:
    """`message` lengthened to exactly `size` octets with lines of an ordinary length."""
    line = b"x" * 76 + CRLF
    missing = size - len(message)
    filled = message + line * (missing // len(line) - 1)
    return filled + b"x" * (size - len(filled) - 2) + CRLF


def begin_data(world: World, client: Client) -> None:
    """Up to the 354."""
    open_transaction(world, client)
    expect_reply(client.data(), 354, to="DATA")


@clause("LIM-01")
@pytest.mark.parametrize("verb", ["NOOP", "MAIL"])
def test_a_command_line_of_512_octets_is_understood(world: World, verb: str) -> None:
    with world.client() as client:
        head = "NOOP " if verb == "NOOP" else f"MAIL FROM:<{world.sender.address}>"
        filler = "x" if verb == "NOOP" else " "
        line = head + filler * (COMMAND_LINE - 2 - len(head))
        expect_reply(client.command(line), 250, to=f"{verb} of 512 octets")


@clause("LIM-02")
@pytest.mark.parametrize("length", [COMMAND_LINE + 1, 1000, 5000, 100_000])
def test_a_longer_command_line_is_refused_as_one_command(
    world: World, length: int
) -> None:
    with world.client() as client:
        reply = client.command("NOOP " + "x" * (length - 7))
        expect_in(reply.code, (500, 501), "the code")
        # Were the line cut in two, its rest would be answered too.
        expect_reply(client.command("VRFY postmaster"), 252, to="the next command")


@clause("LIM-02")
def test_a_long_line_that_hides_a_command_behind_the_limit_is_refused(
    world: World,
) -> None:
    with world.client() as client:
        padding = "NOOP ".ljust(COMMAND_LINE)
        reply = client.command(f"{padding}MAIL FROM:<{world.sender.address}>")
        expect_in(reply.code, (500, 501), "the code")
        expect_reply(client.rcpt(world.info), 503, to="RCPT")


@clause("LIM-03")
@pytest.mark.parametrize("start", ["x", "."], ids=["text", "leading dot"])
def test_a_text_line_of_1000_octets_is_handed_on(world: World, start: str) -> None:
    line = start.ljust(TEXT_LINE - 2, "y") + "\r\n"
    message = world.message(body=line * 3)
    arrived = forward(world, message=message)
    expect_true(arrived.content.endswith(message), "the original", arrived.content)


@clause("LIM-03")
def test_a_header_line_of_1000_octets_is_handed_on(world: World) -> None:
    message = world.message("X-Long: " + "z" * (TEXT_LINE - 10))
    arrived = forward(world, message=message)
    expect_true(arrived.content.endswith(message), "the original", arrived.content)


@clause("LIM-04")
@pytest.mark.parametrize("length", [TEXT_LINE + 1, 2048, 200_000])
@pytest.mark.parametrize("where", ["body", "header"])
def test_a_longer_text_line_is_handed_on(world: World, length: int, where: str) -> None:
    text = "x" * (length - 2)
    message = world.message(body=text + "\r\nthe end\r\n")
    if where == "header":
        message = world.message("X-Long: " + text[len("X-Long: ") :])
    arrived = forward(world, message=message)
    expect_true(arrived.content.endswith(message), "the original", arrived.content)


@clause("LIM-05")
def test_a_local_part_of_64_octets_is_taken(world: World) -> None:
    local = "x" * LOCAL_PART
    with world.client() as client:
        reply = client.mail(f"{local}@{world.sender.domain}")
        expect_reply(reply, 250, to="MAIL")
        reply = client.rcpt(world.at(local, world.catchall_zone))
        expect_reply(reply, 250, to="RCPT")


@clause("LIM-06")
@pytest.mark.parametrize("length", [LOCAL_PART + 1, 200])
def test_a_longer_local_part_is_refused(world: World, length: int) -> None:
    local = "x" * length
    with world.client() as client:
        expect_reply(client.mail(f"{local}@{world.sender.domain}"), "5xx", to="MAIL")
        client.mail(world.sender.address)
        reply = client.rcpt(world.at(local, world.catchall_zone))
        expect_reply(reply, "5xx", to="RCPT")


@clause("LIM-07")
def test_a_domain_of_more_than_255_octets_is_refused(world: World) -> None:
    domain = ".".join(["x" * 60] * 4 + ["y" * 11, "example"])
    with world.client() as client:
        expect_reply(client.mail(f"alice@{domain}"), "5xx", to="MAIL")
        client.mail(world.sender.address)
        expect_reply(client.rcpt(f"info@{domain}"), "5xx", to="RCPT")


@clause("LIM-08", "LIM-09")
def test_100_recipients_are_taken_and_the_next_gets_452(world: World) -> None:
    world.require("limits")
    limit = world.subject.limits.recipients
    with world.client() as client:
        client.mail(world.sender.address)
        commands = [
            f"RCPT TO:<{world.at(f'box{n}', world.catchall_zone)}>"
            for n in range(limit + 2)
        ]
        codes = [reply.code for reply in client.pipeline(commands)]
        expect(codes[:limit], [250] * limit, f"the first {limit} answers")
        expect(codes[limit:], [452, 452], "the answers past the limit")
        expect_reply(client.data(), 354, to="DATA")
        expect_reply(client.content(world.message()), 250, to="the end of DATA")
    recipients = world.upstream.wait_for_message().recipients
    expect(set(recipients), {f"everything@{world.destination}"}, "recipients upstream")


@clause("LIM-10")
@pytest.mark.parametrize("excess", [1, 10**9, 10**18])
def test_a_declared_size_over_the_limit_is_a_552_534(world: World, excess: int) -> None:
    world.require("limits")
    size = world.subject.limits.message_size + excess
    with world.client() as client:
        reply = client.mail(world.sender.address, f"SIZE={size}")
        expect_reply(reply, 552, enhanced="5.3.4", to="MAIL")
        open_transaction(world, client)


@clause("LIM-10")
def test_a_declared_size_of_the_limit_is_taken(world: World) -> None:
    world.require("limits")
    with world.client() as client:
        size = world.subject.limits.message_size
        expect_reply(client.mail(world.sender.address, f"SIZE={size}"), 250, to="MAIL")


@clause("LIM-11")
@pytest.mark.parametrize("declared", ["", "SIZE=1000"], ids=["undeclared", "belied"])
def test_a_message_over_the_limit_is_a_552_534_after_its_end(
    world: World, declared: str
) -> None:
    world.require("limits")
    message = of_size(world.message(), world.subject.limits.message_size + 1)
    with world.client() as client:
        expect_reply(
            client.mail(world.sender.address, *declared.split()), 250, to="MAIL"
        )
        expect_reply(client.rcpt(world.info), 250, to="RCPT")
        expect_reply(client.data(), 354, to="DATA")
        reply = client.content(message)
        expect_reply(reply, 552, enhanced="5.3.4", to="the end of DATA")
        expect_reply(client.command("NOOP"), 250, to="NOOP")
    expect_nothing_upstream(world)


@clause("LIM-12", "MSG-13")
def test_a_message_of_exactly_the_limit_is_forwarded(world: World) -> None:
    world.require("limits")
    message = of_size(world.message(), world.subject.limits.message_size)
    arrived = forward(world, message=message)
    expect_true(arrived.content.endswith(message), "the original", len(arrived.content))


def with_received(world: World, count: int) -> bytes:
    trace = (
        b"Received: from a.example by b.example; Mon, 23 Nov 2026 12:00:00 +0000\r\n"
    )
    return trace * count + world.message()


@clause("LIM-13")
@pytest.mark.parametrize("more", [0, 1, 400])
def test_100_received_fields_are_a_loop(world: World, more: int) -> None:
    world.require("limits")
    message = with_received(world, world.subject.limits.received_fields + more)
    with world.client() as client:
        begin_data(world, client)
        reply = client.content(message)
        expect_reply(reply, 554, enhanced="5.4.6", to="the end of DATA")
    expect_nothing_upstream(world)


@clause("LIM-13")
def test_received_fields_count_in_any_spelling(world: World) -> None:
    world.require("limits")
    count = world.subject.limits.received_fields
    message = b"rEcEiVeD :\r\n by a.example; now\r\n" * count + world.message()
    with world.client() as client:
        begin_data(world, client)
        reply = client.content(message)
        expect_reply(reply, 554, enhanced="5.4.6", to="the end of DATA")


@clause("LIM-14")
def test_99_received_fields_are_no_loop(world: World) -> None:
    world.require("limits")
    forward(
        world, message=with_received(world, world.subject.limits.received_fields - 1)
    )


@clause("LIM-14")
def test_received_fields_in_the_body_do_not_count(world: World) -> None:
    trace = "Received: from a.example by b.example; now\r\n"
    forward(world, message=world.message(body=trace * 150))


@clause("LIM-15")
@pytest.mark.parametrize("shape", ["many fields", "one folded field"])
def test_a_header_block_over_its_limit_is_refused(world: World, shape: str) -> None:
    world.require("limits")
    lines = world.subject.limits.header_size // 100 + 1
    start = b"X-Field: " if shape == "many fields" else b" " * 9
    header = b"X-First: 1\r\n" + (start + b"y" * 89 + CRLF) * lines
    with world.client() as client:
        begin_data(world, client)
        expect_reply(
            client.content(header + world.message()), "5xx", to="the end of DATA"
        )
        expect_reply(client.command("NOOP"), 250, to="NOOP")
    expect_nothing_upstream(world)


@clause("LIM-15")
def test_a_header_block_under_its_limit_is_forwarded(world: World) -> None:
    world.require("limits")
    lines = (world.subject.limits.header_size - 2000) // 100
    message = (b"X-Field: " + b"y" * 89 + CRLF) * lines + world.message()
    arrived = forward(world, message=message)
    expect_true(arrived.content.endswith(message), "the original", len(arrived.content))


@clause("LIM-16")
def test_the_twentieth_bad_command_is_a_421_470_and_the_end(world: World) -> None:
    world.require("limits")
    limit = world.subject.limits.bad_commands
    with world.client() as client:
        for n in range(1, limit):
            expect_reply(client.command("FROB"), 500, to=f"bad command {n}")
        reply = client.command("FROB")
        expect_reply(reply, 421, enhanced="4.7.0", to=f"bad command {limit}")
        client.expect_closed()


@clause("LIM-16")
def test_bad_commands_of_different_kinds_count_together(world: World) -> None:
    world.require("limits")
    kinds = ["FROB", "MAIL FROM:x", "RCPT TO:<a@b.example>", "DATA", "EHLO"]
    with world.client() as client:
        codes = []
        for n in range(world.subject.limits.bad_commands):
            codes.append(client.command(kinds[n % len(kinds)]).code)
        expect(codes[-1], 421, "the last code")
        expect(codes.count(421), 1, "the number of 421s")


@clause("LIM-17")
def test_good_commands_do_not_use_up_the_budget(world: World) -> None:
    with world.client() as client:
        for _ in range(200):
            expect_reply(client.command("NOOP"), 250, to="NOOP")
        open_transaction(world, client)


@clause("LIM-24", "LIM-17")
def test_after_1000_commands_without_a_message_a_421_470_and_the_end(
    world: World,
) -> None:
    world.require("limits")
    with world.client() as client:  # which has said EHLO
        for n in range(IDLE_COMMANDS_MAX - 1):
            expect_reply(client.command("NOOP"), 250, to=f"NOOP {n}")
        reply = client.command("NOOP")
        expect_reply(reply, 421, enhanced="4.7.0", to="the command after 1000")
        client.expect_closed()


@clause("LIM-24")
def test_a_message_accepted_starts_the_count_of_commands_anew(world: World) -> None:
    with world.client() as client:
        for _ in range(2):
            for _ in range(IDLE_COMMANDS_MAX - 100):
                expect_reply(client.command("RSET"), 250, to="RSET")
            delivery = client.deliver(world.sender.address, world.info, world.message())
            expect_reply(delivery.final, 250, to="the end of DATA")


@clause("LIM-18")
def test_a_client_address_has_only_so_many_sessions_at_once(world: World) -> None:
    world.require("limits")
    limit = world.subject.limits.sessions_per_client
    expect_true(limit > 0, "a limit that the subject's adapter declares", limit)
    source = world.new_client_addresses()[0]
    clients = [world.client(source=source) for _ in range(limit)]
    excess = world.client(source=source, greet=False)
    expect_reply(excess.read_reply(), 421, to="one connection more")
    excess.expect_closed()
    world.client(source=world.new_client_addresses()[0]).quit()
    for client in clients:
        expect_reply(client.quit(), 221, to="QUIT")
        client.close()
    served_again(world, source)


def served_again(world: World, source: str) -> None:
    """A client there gets its banner, once the server has noticed that others are gone."""
    deadline = time.monotonic() + world.patience
    banner = world.client(source=source, greet=False).banner()
    while banner.code == 421 and time.monotonic() < deadline:
        banner = world.client(source=source, greet=False).banner()
    expect_reply(banner, 220, to="a connection after sessions have ended")


@clause("LIM-18")
def test_the_addresses_of_an_ipv6_64_are_one_client(world: World) -> None:
    world.require("limits")
    limit = world.subject.limits.sessions_per_client
    for _ in range(limit):
        world.client(source=world.new_client_addresses()[1])
    excess = world.client(source=world.new_client_addresses()[1], greet=False)
    expect_reply(excess.read_reply(), 421, to="one connection more from the /64")
    excess.expect_closed()
    world.client(source=world.new_client_addresses()[0]).quit()


@clause("LIM-23")
def test_there_are_only_so_many_sessions_in_all(world: World) -> None:
    limits = world.subject.limits
    expect_true(limits.sessions > 0, "a limit that the adapter declares", limits)
    clients: list[Client] = []
    while len(clients) < limits.sessions:
        source = world.new_client_addresses()[0]
        room = min(limits.sessions_per_client, limits.sessions - len(clients))
        clients += [world.client(source=source) for _ in range(room)]
    source = world.new_client_addresses()[0]
    excess = world.client(source=source, greet=False)
    expect_reply(excess.read_reply(), 421, to="one connection more")
    excess.expect_closed()
    for client in clients:
        client.close()
    served_again(world, source)


@clause("LIM-19")
def test_the_recipient_count_starts_anew_with_each_transaction(world: World) -> None:
    world.require("limits")
    count = world.subject.limits.recipients * 3 // 5
    address = world.at("box", world.catchall_zone)
    with world.client() as client:
        for _ in range(2):
            client.mail(world.sender.address)
            codes = [r.code for r in client.pipeline([f"RCPT TO:<{address}>"] * count)]
            expect(codes, [250] * count, "the answers to RCPT")
            client.rset()


@clause("LIM-20")
@pytest.mark.parametrize("value", ["", "x", "-1", "1k", "1.5", "0x10", "9" * 21])
def test_a_size_that_is_no_number_is_a_501(world: World, value: str) -> None:
    with world.client() as client:
        reply = client.mail(world.sender.address, f"SIZE={value}")
        expect_in(reply.code, (501, 552, 555), "the code for MAIL")
        open_transaction(world, client)


@clause("LIM-20")
def test_a_size_of_zero_is_taken(world: World) -> None:
    with world.client() as client:
        expect_reply(client.mail(world.sender.address, "SIZE=0"), 250, to="MAIL")


@clause("LIM-21")
def test_the_size_advertised_is_the_limit(world: World) -> None:
    world.require("limits")
    with world.client(greet=False) as client:
        client.banner()
        offered = client.extensions().get("SIZE", "")
    expect_match(r"[0-9]+", offered, "the parameter of SIZE")
    expect(int(offered), world.subject.limits.message_size, "the size advertised")


@clause("LIM-22")
def test_past_the_memory_budget_a_message_is_put_off_and_the_service_lives(
    world: World,
) -> None:
    world.require("limits")
    budget = world.subject.limits.memory
    expect_true(budget > 0, "a budget that the subject's adapter declares", budget)
    whole = stuffed(of_size(world.message(), budget // 4))
    waiting: list[Client] = []
    answers: list[Reply] = []
    for _ in range(6):
        client = world.client(source=world.new_client_addresses()[0])
        mail = client.mail(world.sender.address)
        if not mail.positive:
            answers.append(mail)
            continue
        expect_reply(client.rcpt(world.info), 250, to="RCPT")
        expect_reply(client.data(), 354, to="DATA")
        client.send(whole[:-5])
        waiting.append(client)
    # The last to come is the likeliest to be put off; one that is taken will do.
    while waiting and not any(answer.positive for answer in answers):
        waiting[-1].send(whole[-5:])
        answers.append(waiting.pop().read_reply())
    refused = [answer for answer in answers if not answer.positive]
    expect_true(refused, "at least one message put off", answers)
    for answer in refused:
        expect_reply(answer, 452, enhanced="4.3.1")
    expect_true(len(refused) < len(answers), "at least one message taken", answers)
    for client in waiting:
        client.close()
    expect_reply(world.client().mail(world.sender.address), 250, to="a later MAIL")


def send_beside(client: Client, data: bytes, holding: list[Client]) -> None:
    """Sends `data`, while the clients that hold messages keep up the rate that is asked of them."""
    piece = 1 << 20
    for start in range(0, len(data), piece):
        client.send(data[start : start + piece])
        for other in holding:
            other.send((b"x" * 76 + CRLF) * 20)


def hold_messages(
    world: World, holding: list[Client], source: str, size: int, count: int
) -> None:
    """Adds to `holding` sessions from `source` that have sent all but the end of a message, as many as
    are let into DATA."""
    whole = stuffed(of_size(world.message(), size))
    for _ in range(count):
        client = world.client(source=source)
        if not client.mail(world.sender.address).positive:
            client.close()
            return
        expect_reply(client.rcpt(world.info), 250, to="RCPT")
        expect_reply(client.data(), 354, to="DATA")
        send_beside(client, whole[:-5], holding)
        holding.append(client)


@clause("LIM-30")
def test_one_client_cannot_hold_the_whole_memory_budget(world: World) -> None:
    world.require("limits")
    budget = world.subject.limits.memory
    expect_true(budget > 0, "a budget that the subject's adapter declares", budget)
    holding: list[Client] = []
    source = world.new_client_addresses()[0]
    hold_messages(world, holding, source, budget // 5, count=3)
    holding[-1].send(b"the end\r\n.\r\n")
    reply = holding.pop().read_reply()
    expect_reply(reply, 452, enhanced="4.3.1", to="the client's last message")
    with world.client(source=world.new_client_addresses()[0]) as other:
        begin_data(world, other)
        message = of_size(world.message(), budget // 3)
        send_beside(other, stuffed(message), holding)
        expect_reply(other.read_reply(), 250, to="another client's message")
    for client in holding:
        client.close()


@clause("LIM-31")
def test_small_messages_are_taken_while_large_ones_fill_the_budget(
    world: World,
) -> None:
    world.require("limits")
    budget = world.subject.limits.memory
    expect_true(budget > 0, "a budget that the subject's adapter declares", budget)
    holding: list[Client] = []
    for size in (budget // 5, budget // 5, budget // 16):
        source = world.new_client_addresses()[0]
        hold_messages(world, holding, source, size, count=3)
    with world.client(source=world.new_client_addresses()[0]) as small:
        open_transaction(world, small)
        expect_reply(small.data(), 354, to="DATA")
        message = of_size(world.message(), 100_000)
        expect_reply(small.content(message), 250, to="a small message")
    for client in holding:
        client.close()


@clause("LIM-32")
def test_a_client_that_falls_below_the_rate_is_given_up(world: World) -> None:
    world.require("timeouts")
    patience = world.subject.timeouts.client_data
    with world.client() as client:
        begin_data(world, client)
        client.send(stuffed(of_size(world.message(), 1_000_000))[:-5])
        # The rate is due over a window of `patience`; an octet a third of it apart keeps none.
        given_up = False
        deadline = time.monotonic() + 4 * patience + client.patience
        while not given_up and time.monotonic() < deadline:
            client.send(b"x")
            given_up = not client.is_silent_for(patience / 3)
        expect_true(given_up, "the client given up", given_up)
        client.expect_closed()
    expect_nothing_upstream(world)


QUESTIONS = 200


def publish_90_hosts(world: World, aliases: int) -> None:
    """An SPF record that names 90 hosts, within RFC 7208 4.6.4, each at the end of so many CNAMEs."""
    domain = world.sender.domain
    world.dns.remove(domain, "TXT")
    exchanges = [f"m{m}.{domain}" for m in range(9)]
    terms = " ".join(f"mx:{exchange}" for exchange in exchanges)
    world.dns.add_text(domain, f"v=spf1 {terms} +all")
    for exchange in exchanges:
        for n in range(10):
            names = [f"h{n}.{exchange}"]
            names += [f"c{c}.h{n}.{exchange}" for c in range(aliases)]
            world.dns.add(exchange, "MX", f"10 {names[0]}.")
            for alias, target in zip(names, names[1:]):
                world.dns.add(alias, "CNAME", f"{target}.")
            world.dns.add(names[-1], "A", "203.0.113.254")


@clause("LIM-33")
@pytest.mark.parametrize(("aliases", "code"), [(0, 250), (4, 451)])
def test_a_message_causes_at_most_200_dns_questions(
    world: World, aliases: int, code: int
) -> None:
    publish_90_hosts(world, aliases)
    with world.client(source=world.sender.ipv4) as client:
        delivery = client.deliver(world.sender.address, world.info, world.message())
    expect(delivery.final.code, code, "the code for the message")
    asked = [
        query for query in world.dns.queries() if world.sender.domain in query.name
    ]
    # Hosts alone have CNAMEs, which the lab's server follows within its answer.
    count = sum(1 + aliases * (query.rdtype == "A") for query in asked)
    expect_true(0 < count <= QUESTIONS, f"at most {QUESTIONS} questions", count)
