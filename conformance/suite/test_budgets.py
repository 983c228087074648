"""Budgets: how many commands, sessions, octets of memory, seconds and DNS questions one session, one
client and one message may have (limits.yaml)."""

from __future__ import annotations

import time
from collections.abc import Iterable
from ipaddress import IPv6Address

import pytest

from conformance import also_as, clause, expect, expect_in, expect_reply, expect_true
from conformance.expect import ConformanceFailure
from conformance.lab import Client, Message, Reply, World, hold, say, stuffed
from conformance.suite.acts import (
    control,
    expect_nothing_upstream,
    forward,
    open_transaction,
)
from conformance.suite.dialogue import answer
from conformance.suite.sizes import CRLF, ENDLESS, begin_data, of_size
from conformance.suite.spf import recorded

IDLE_COMMANDS_MAX = 1000
HEADER_MAX = 256 * 1024
HEADER_FIELDS_MAX = 10_000
PIECE = 1 << 20
OVERSIZE_CUTOFF = 4  # times the limit, after which the service reads no more
GOES_ON_MAX = 32 * PIECE  # octets, several times what two sockets have room for


def declared(limit: int, what: str) -> int:
    """A limit of the subject's; skips the test if its adapter does not declare it."""
    if limit <= 0:
        pytest.skip(f"{what} is not known of this subject")
    return limit


def expect_last_is_421(codes: list[int]) -> None:
    """Bad commands were answered as such, up to the one that used up the budget."""
    for number, code in enumerate(codes[:-1], 1):
        expect_true(500 <= code < 600, f"a 5xx to bad command {number}", code)
    expect(codes[-1], 421, f"the code for bad command {len(codes)}")


@also_as("receiver")
@clause("LIM-16")
def test_the_twentieth_bad_command_is_a_421_and_the_connection_is_closed(
    world: World,
) -> None:
    with world.client() as client:
        bad = range(world.subject.limits.bad_commands)
        expect_last_is_421([client.command("FROB").code for _ in bad])
        client.expect_closed()


@also_as("receiver")
@clause("LIM-16")
def test_the_connection_is_closed_to_a_client_that_goes_on_sending(
    world: World,
) -> None:
    with world.client() as client:
        bad = range(world.subject.limits.bad_commands)
        expect_last_is_421([client.command("FROB").code for _ in bad])
        for _ in range(GOES_ON_MAX // PIECE):
            client.send(b"x" * PIECE)
            if client.lost:
                return
    raise ConformanceFailure("the connection closed", f"{GOES_ON_MAX} octets read")


@also_as("receiver")
@clause("LIM-16")
def test_bad_commands_of_different_kinds_count_together(world: World) -> None:
    kinds = ["FROB", "MAIL FROM:x", "RCPT TO:<a@b.example>", "DATA", "EHLO"]
    with world.client() as client:
        bad = range(world.subject.limits.bad_commands)
        codes = [client.command(kinds[n % len(kinds)]).code for n in bad]
        expect_last_is_421(codes)


@also_as("receiver")
@clause("LIM-17")
def test_200_good_commands_leave_the_budget_of_bad_commands_whole(
    world: World,
) -> None:
    with world.client() as client:
        for number in range(200):
            expect_reply(client.command("NOOP"), 250, to=f"NOOP {number}")
        for number in range(1, world.subject.limits.bad_commands):
            reply = client.command("FROB")
            expect_reply(reply, "5xx", to=f"bad command {number}")
        last = client.command("FROB")
        if last.code != 421:
            pytest.skip(f"bad commands are not limited: the last one got {last}")


@clause("LIM-47")
@pytest.mark.parametrize(
    "command", ["MAIL FROM:<ñ@{zone}>", "RCPT TO:<nobody@{zone}>", "RCPT TO:<ñ@{zone}>"]
)
def test_refused_addresses_leave_the_budget_of_bad_commands_whole(
    world: World, command: str
) -> None:
    with world.client() as client:
        if command.startswith("RCPT"):
            client.mail(world.sender.address)
        for number in range(world.subject.limits.bad_commands):
            reply = client.command(command.format(zone=world.zone))
            expect_reply(reply, "5xx", to=f"address {number}")
        expect_reply(client.command("FROB"), "5xx", to="the first bad command")
        if not ends_at_bad_commands(world, client):
            pytest.skip("bad commands are not limited")
    control(world)


def ends_at_bad_commands(world: World, client: Client) -> bool:
    """Whether the session ends before a client has sent twice as many bad commands as it may."""
    for _ in range(2 * world.subject.limits.bad_commands):
        client.line("FROB")
        reply = answer(client)
        if reply is None or reply.code == 421:
            return True
    return False


@clause("LIM-46")
def test_refused_recipients_count_for_half_of_the_recipients_there_may_be(
    world: World,
) -> None:
    limit = 2 * world.subject.limits.recipients
    with world.client() as client:
        client.mail(world.sender.address)
        for number in range(1, limit):
            reply = client.rcpt(world.at("nobody"))
            expect_reply(reply, "5xx", to=f"RCPT {number}")
        expect_reply(client.rcpt(world.info), 250, to=f"RCPT {limit}")
        reply = client.rcpt(world.other)
        expect_reply(reply, 452, enhanced="4.5.3", to=f"RCPT {limit + 1}")
        expect_reply(client.data(), 354, to="DATA")
        expect_reply(client.content(world.message()), 250, to="the end of DATA")
    world.upstream.wait_for_message()


@also_as("receiver")
@clause("LIM-24")
def test_after_1000_commands_without_a_message_a_421_and_the_connection_is_closed(
    world: World,
) -> None:
    with world.client() as client:  # which has said EHLO
        for number in range(IDLE_COMMANDS_MAX - 1):
            expect_reply(client.command("NOOP"), 250, to=f"NOOP {number}")
        expect_reply(client.command("NOOP"), 421, to="the command after 1000")
        client.expect_closed()


@clause("LIM-24")
def test_a_message_refused_leaves_the_count_of_commands_as_it_is(world: World) -> None:
    control(world)
    world.upstream.on("end", say("550 5.7.1 no"))
    with world.client() as client:  # which has said EHLO
        delivery = client.deliver(world.sender.address, world.info, world.message())
        if delivery.accepted:
            pytest.skip("the upstream is asked later, and the message was accepted")
        for number in range(IDLE_COMMANDS_MAX - 4):
            expect_reply(client.command("NOOP"), 250, to=f"NOOP {number}")
        expect_reply(client.command("NOOP"), 421, to="the command after 1000")
        client.expect_closed()


@also_as("receiver")
@clause("LIM-24")
def test_a_message_accepted_starts_the_count_of_commands_anew(world: World) -> None:
    with world.client() as client:
        for _ in range(2):
            for _ in range(IDLE_COMMANDS_MAX - 100):
                expect_reply(client.command("RSET"), 250, to="RSET")
            delivery = client.deliver(world.sender.address, world.info, world.message())
            expect_reply(delivery.end, "2xx", to="the end of DATA")


@clause("LIM-35")
def test_the_421_for_too_many_bad_commands_is_4_7_0(world: World) -> None:
    with world.client() as client:
        for _ in range(world.subject.limits.bad_commands - 1):
            client.command("FROB")
        expect_reply(client.command("FROB"), 421, enhanced="4.7.0", to="the last")


@clause("LIM-35")
def test_the_421_for_too_many_commands_is_4_7_0(world: World) -> None:
    with world.client() as client:
        for _ in range(IDLE_COMMANDS_MAX - 1):
            client.command("NOOP")
        expect_reply(client.command("NOOP"), 421, enhanced="4.7.0", to="the last")


@also_as("receiver")
@clause("LIM-18")
def test_a_client_with_too_many_sessions_gets_421_instead_of_a_banner(
    world: World,
) -> None:
    limit = declared(world.subject.limits.sessions_per_client, "sessions_per_client")
    source = world.new_client_addresses()[0]
    clients = welcomed(world, [source] * limit)
    excess = world.client(source=source, greet=False)
    expect_reply(excess.read_reply(), 421, to="one connection more")
    excess.expect_closed()
    world.client(source=world.new_client_addresses()[0]).quit()
    # All of them before the first answer, which may take a while: the rest would be idle too long.
    for client in clients:
        client.line("QUIT")
    for client in clients:
        expect_reply(client.read_reply(), 221, to="QUIT")
        client.close()
    served_again(world, source)


def welcomed(world: World, sources: Iterable[str]) -> list[Client]:
    """Clients from these addresses, all connected before the first banner, which may take a while: where each
    waited for the one before, those that came first would be idle too long."""
    clients = [world.client(source=source, greet=False) for source in sources]
    for client in clients:
        expect_reply(client.banner(), 220, to="a connection within the limit")
    return clients


def served_again(world: World, source: str) -> None:
    """A client there gets its banner, once the server has noticed that others are gone."""
    deadline = time.monotonic() + world.patience
    banner = world.client(source=source, greet=False).banner()
    while banner.code == 421 and time.monotonic() < deadline:
        banner = world.client(source=source, greet=False).banner()
    expect_reply(banner, 220, to="a connection after sessions have ended")


@also_as("receiver")
@clause("LIM-18")
def test_the_addresses_of_an_ipv6_64_are_one_client(world: World) -> None:
    world.require("ipv6")
    limit = declared(world.subject.limits.sessions_per_client, "sessions_per_client")
    welcomed(world, [world.new_client_addresses()[1] for _ in range(limit)])
    address = world.new_client_addresses()[1]
    excess = world.client(source=address, greet=False)
    expect_reply(excess.read_reply(), 421, to="one connection more from the /64")
    excess.expect_closed()
    world.client(source=world.new_client_addresses()[0]).quit()
    other = str(IPv6Address(int(IPv6Address(address)) ^ 1 << 64))
    banner = world.client(source=other, greet=False).banner()
    expect_reply(banner, 220, to="a connection from the /64 beside it")


@also_as("receiver")
@clause("LIM-23")
def test_with_too_many_sessions_in_all_a_client_gets_421_instead_of_a_banner(
    world: World,
) -> None:
    limits = world.subject.limits
    declared(limits.sessions, "sessions")
    declared(limits.sessions_per_client, "sessions_per_client")
    clients: list[Client] = []
    while len(clients) < limits.sessions:
        source = world.new_client_addresses()[0]
        room = min(limits.sessions_per_client, limits.sessions - len(clients))
        clients += welcomed(world, [source] * room)
    source = world.new_client_addresses()[0]
    excess = world.client(source=source, greet=False)
    expect_reply(excess.read_reply(), 421, to="one connection more")
    excess.expect_closed()
    for client in clients:
        client.close()
    served_again(world, source)


@clause("LIM-39")
def test_a_client_that_sends_not_quite_four_times_the_size_is_read_to_its_end(
    world: World,
) -> None:
    lines, message = ENDLESS["lines"], world.message()
    room = OVERSIZE_CUTOFF * world.subject.limits.message_size - len(message)
    with world.client() as client:
        begin_data(world, client)
        client.send(message)
        for _ in range(room // len(lines)):
            client.send(lines)
        client.send(b".\r\n")
        expect_reply(client.read_reply(), 552, to="the end of DATA")
        open_transaction(world, client)


@clause("LIM-22")
def test_past_the_memory_budget_a_message_gets_452_4_3_1_and_the_service_lives_on(
    world: World,
) -> None:
    budget = declared(world.subject.limits.memory, "memory")
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
    for start in range(0, len(data), PIECE):
        client.send(data[start : start + PIECE])
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


def hold_until_refused(world: World, holding: list[Client], size: int) -> None:
    """Adds to `holding` as many messages of `size` octets as there is room for."""
    for _ in range(20):
        with world.client(source=world.new_client_addresses()[0]) as client:
            begin_data(world, client)
            if not client.content(of_size(world.message(), size)).positive:
                return
        source = world.new_client_addresses()[0]
        hold_messages(world, holding, source, size, count=1)


@clause("LIM-30")
def test_one_client_cannot_hold_more_than_half_of_the_memory_budget(
    world: World,
) -> None:
    budget = declared(world.subject.limits.memory, "memory")
    holding: list[Client] = []
    source = world.new_client_addresses()[0]
    hold_messages(world, holding, source, budget // 5, count=3)
    expect_true(holding, "a message let into DATA", "none was")
    last = holding.pop()
    last.send(b"the end\r\n.\r\n")
    reply = last.read_reply()
    expect_reply(reply, 452, enhanced="4.3.1", to="the client's last message")
    with world.client(source=world.new_client_addresses()[0]) as other:
        begin_data(world, other)
        message = of_size(world.message(), budget // 3)
        send_beside(other, stuffed(message), holding)
        expect_reply(other.read_reply(), 250, to="another client's message")
    for client in holding:
        client.close()


@clause("LIM-45")
def test_a_mail_that_states_more_than_there_is_room_for_gets_452(world: World) -> None:
    limits = world.subject.limits
    budget = declared(limits.memory, "memory")
    size = min(3 * budget // 8, limits.message_size)
    source = world.new_client_addresses()[0]
    holding: list[Client] = []
    hold_messages(world, holding, source, size, count=1)
    expect_true(holding, "a message let into DATA", "none was")
    answers = {}
    for stated in (f"SIZE={size}", "SIZE=1000", ""):
        with world.client(source=source) as client:
            answers[stated] = client.mail(world.sender.address, *stated.split())
    expect_reply(answers[f"SIZE={size}"], 452, to=f"MAIL with SIZE={size}")
    expect_reply(answers["SIZE=1000"], 250, to="MAIL with SIZE=1000")
    expect_reply(answers[""], 250, to="MAIL without SIZE")
    for client in holding:
        client.close()


def answer_before_upstream(world: World, client: Client, count: int) -> Reply | None:
    """The reply to a message, or None once the upstream has it as its message number `count`."""
    deadline = time.monotonic() + world.patience
    while client.is_silent_for(0.01) and time.monotonic() < deadline:
        if len(world.upstream.messages) >= count:
            return None
    return client.read_reply()


@clause("LIM-40")
def test_what_is_derived_from_messages_counts_as_memory_of_their_client(
    world: World,
) -> None:
    limit = declared(world.subject.limits.sessions_per_client, "sessions_per_client")
    source = world.new_client_addresses()[0]
    message = b"X:\r\n" * 9_000 + world.message()
    gate = hold()
    world.upstream.on("end", gate)
    answer: Reply | None = None
    try:
        for n in range(limit):
            client = world.client(source=source)
            answer = client.mail(world.sender.address)
            if not answer.positive:
                break
            # Not to one recipient, for whom few messages may wait.
            recipient = world.at(f"u{n}", world.catchall_zone)
            expect_reply(client.rcpt(recipient), 250, to="RCPT")
            expect_reply(client.data(), 354, to="DATA")
            client.send(stuffed(message))
            answer = answer_before_upstream(world, client, n + 1)
            if answer:
                break
    finally:
        gate.release()
    if answer is None:
        octets = f"all of {limit} messages taken, {limit * len(message)} octets"
        raise ConformanceFailure("a message put off", octets)
    expect_reply(answer, 452, enhanced="4.3.1", to="the client's last message")


@clause("LIM-40")
def test_what_is_derived_from_a_message_is_given_back_with_it(world: World) -> None:
    message = b"X:\r\n" * 9_000 + world.message()
    with world.client() as client:
        # As many as would have to wait for room, one after the other.
        for n in range(12):
            recipient = world.at(f"u{n}", world.catchall_zone)
            reply = client.deliver(world.sender.address, recipient, message).final
            expect_reply(reply, "2xx", to=f"message {n + 1}")


@clause("LIM-44")
@pytest.mark.parametrize("exact", ["octets", "fields"])
def test_a_header_of_exactly_the_limit_is_forwarded(world: World, exact: str) -> None:
    message = world.message()
    header, _, body = message.partition(CRLF * 2)
    if exact == "fields":
        fields = header.count(CRLF) + 1  # none of them is folded
        forward(world, message=b"X:\r\n" * (HEADER_FIELDS_MAX - fields) + message)
        return
    # With the line that ends it.
    header = of_size(b"X-Long: x\r\n ", HEADER_MAX - len(header) - 4) + header
    header = header.replace(CRLF + b"x", CRLF + b" ")
    forward(world, message=header + CRLF * 2 + body)


@clause("LIM-42")
def test_a_session_is_served_after_thousands_of_commands(world: World) -> None:
    # Long paths, and so many that there is more than a megabyte of them.
    domain = f"{'y' * 63}.{'z' * 63}.{world.sender.domain}"
    world.dns.add(domain, "A", world.sender.ipv4)  # else it may be refused
    long = f"{'x' * 64}@{domain}"
    commands = [f"MAIL FROM:<{long}>", "RSET"] * (IDLE_COMMANDS_MAX // 2 - 50)
    with world.client() as client:
        if "PIPELINING" not in client.extensions():
            pytest.skip("PIPELINING is not offered")
        for _ in range(8):
            for number, reply in enumerate(client.pipeline(commands)):
                expect_reply(reply, 250, to=commands[number])
            delivery = client.deliver(world.sender.address, world.info, world.message())
            expect_reply(delivery.end, "2xx", to="the end of DATA")


@clause("LIM-31")
def test_small_messages_are_accepted_while_large_ones_fill_the_memory_budget(
    world: World,
) -> None:
    budget = declared(world.subject.limits.memory, "memory")
    holding: list[Client] = []
    for size in (budget // 5, budget // 5, budget // 16):
        source = world.new_client_addresses()[0]
        hold_messages(world, holding, source, size, count=3)
    hold_until_refused(world, holding, 300_000)
    whole = stuffed(of_size(world.message(), 100_000))
    small = [world.client(source=world.new_client_addresses()[0]) for _ in range(4)]
    for client in small:
        begin_data(world, client)
        client.send(whole[:-5])
    for client in small:
        client.send(whole[-5:])
        expect_reply(client.read_reply(), 250, to="a small message")
    for client in small + holding:
        client.close()


@clause("LIM-32")
def test_a_client_that_falls_below_the_minimum_rate_is_disconnected(
    world: World,
) -> None:
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
        expect_true(given_up, "the client disconnected", "it still may send")
        client.expect_closed()
    expect_nothing_upstream(world)


QUESTIONS = 200


def publish_90_hosts(world: World, aliases: int) -> None:
    """An SPF record that names 90 hosts, within RFC 7208 4.6.4, each at the end of so many CNAMEs."""
    domain = world.sender.domain
    world.dns.remove(domain, "TXT")
    exchanges = [f"m{m}.{domain}" for m in range(9)]
    terms = " ".join(f"mx:{exchange}" for exchange in exchanges)
    world.dns.add_text(domain, f"v=spf1 {terms} ip4:{world.sender.ipv4} -all")
    for exchange in exchanges:
        for n in range(10):
            names = [f"h{n}.{exchange}"]
            names += [f"c{c}.h{n}.{exchange}" for c in range(aliases)]
            world.dns.add(exchange, "MX", f"10 {names[0]}.")
            for alias, target in zip(names, names[1:]):
                world.dns.add(alias, "CNAME", f"{target}.")
            world.dns.add(names[-1], "A", "203.0.113.254")


@clause("LIM-33")
@pytest.mark.parametrize(
    ("aliases", "is_within"), [(0, True), (4, False)], ids=["within", "beyond"]
)
def test_a_message_causes_at_most_200_dns_questions(
    world: World, aliases: int, is_within: bool
) -> None:
    publish_90_hosts(world, aliases)
    with world.client(source=world.sender.ipv4) as client:
        greeted = len(world.dns.queries())  # some ask about the name in EHLO at once
        delivery = client.deliver(world.sender.address, world.info, world.message())
    asked = [
        query
        for query in world.dns.queries()[greeted:]
        if world.sender.domain in query.name
    ]
    # Hosts alone have CNAMEs, which the lab's server follows within its answer.
    followed = aliases * sum(query.rdtype == "A" for query in asked)
    expect_true(asked, "questions about the sender's domain", "none")
    expect_true(
        len(asked) + followed <= QUESTIONS,
        f"at most {QUESTIONS} questions, with every CNAME counted",
        f"{len(asked)} questions and {followed} CNAMEs",
    )
    if is_within:
        expect_reply(delivery.final, "2xx", to="the message")
    elif not delivery.final.temporary:
        expect_reply(delivery.final, "2xx", to="the message, or a 4xx")
        expect_temperror(world.upstream.wait_for_message())


def expect_temperror(message: Message) -> None:
    """SPF had a temporary error, in whichever field the subject records it."""
    spf = [result for result, _ in recorded(message)]
    expect_in("temperror", spf, "the SPF results recorded, or a 4xx to the message,")
