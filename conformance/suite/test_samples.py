"""Random input with a known verdict (`conform --sample N`): the grammars of ../samples/, each tried against
the clause that says what becomes of it. These tests run only if samples are asked for."""

from __future__ import annotations

import queue
import re
from collections.abc import Callable
from functools import partial

import pytest

from conformance import (
    clause,
    expect,
    expect_in,
    expect_match,
    expect_one_of,
    expect_reply,
    expect_true,
)
from conformance.lab import Message, Reply, World, raw
from conformance.samples import SENDER, VICTIM, ZONE
from conformance.samples import (
    authors,
    commands,
    header,
    hosts,
    octets,
    paths,
    replies,
)
from conformance.sampling import Sampling
from conformance.suite.acts import MAILBOX, forward, unquoted
from conformance.lab.client import stuffed
from conformance.suite.dialogue import answer, final_lines, octets_to_a_final_line
from conformance.suite.dmarc import with_from
from conformance.suite.envelope import reverse_path_of
from conformance.suite.sampled import Session, sent, victim

# Paths


@clause("CHAR-08")
def test_a_catch_all_takes_every_local_part_of_the_grammar(
    world: World, sampling: Sampling
) -> None:
    session = Session(world)

    def accepted(path: paths.Path) -> None:
        with session.client() as client:
            expect_reply(client.mail(world.sender.address), 250, to="MAIL")
            reply = session.command(sent(world, f"RCPT TO:{path.text}"))
            expect_reply(reply, 250, to="RCPT")
            expect_reply(client.rset(), 250, to="RSET")

    sampling.check(lambda choices: paths.valid(choices, ZONE), accepted)


@clause("CHAR-06")
@pytest.mark.parametrize("local", ["info", "other"])
def test_a_local_part_with_any_quoted_pairs_is_the_same_address(
    world: World, sampling: Sampling, local: str
) -> None:
    session = Session(world)
    served = world.zone

    def accepted(path: paths.Path) -> None:
        with session.client() as client:
            expect_reply(client.mail(world.sender.address), 250, to="MAIL")
            text = path.text.replace(ZONE, served)
            expect_reply(session.command(f"RCPT TO:{text}"), 250, to="RCPT")
            expect_reply(client.rset(), 250, to="RSET")

    sampling.check(lambda choices: paths.spelled(choices, local, ZONE), accepted)


@clause("SRS-13")
def test_any_sender_of_the_grammar_is_rewritten_to_a_valid_mailbox(
    world: World, sampling: Sampling
) -> None:
    def valid(path: paths.Path) -> None:
        rewritten = rewritten_from(world, path)
        if rewritten is not None:
            expect_match(MAILBOX, rewritten, "the reverse-path upstream")

    forward(world)
    sampling.check(lambda choices: paths.valid(choices, SENDER), valid)


# Of a local part, so that its rewritten form fits in 64 octets with whatever quoting.
CONTENT_KEPT_MAX = 10


@clause("SRS-02")
def test_the_rewritten_local_part_ends_with_the_content_of_any_local_part(
    world: World, sampling: Sampling
) -> None:
    def kept(path: paths.Path) -> None:
        if len(path.content) > CONTENT_KEPT_MAX:
            return
        rewritten = rewritten_from(world, path)
        if rewritten is None:
            return
        content = unquoted(rewritten.rpartition("@")[0])
        # Of whom: the domain in any case.
        form = rf".*=(?i:{re.escape(world.sender.domain)})={re.escape(path.content)}"
        expect_match(form, content, "the content of the rewritten local part")

    forward(world)
    sampling.check(lambda choices: paths.valid(choices, SENDER), kept)


def rewritten_from(world: World, path: paths.Path) -> str | None:
    """The reverse-path upstream of a message from that sender; None if the sender is not taken at all."""
    sender = sent(world, path.text)[1:-1]
    with world.client() as client:
        if not client.mail(sender).positive:
            return None
    return reverse_path_of(forward(world, sender=sender))


@clause("DLG-20")
def test_a_sender_that_breaks_any_rule_of_the_grammar_is_refused(
    world: World, sampling: Sampling
) -> None:
    session = Session(world)

    def refused(path: paths.Path) -> None:
        with session.client() as client:
            reply = session.command(sent(world, f"MAIL FROM:{path.text}"))
            expect_reply(reply, "5xx", to="MAIL")
            expect_reply(client.mail(world.sender.address), 250, to="MAIL after it")
            expect_reply(client.rset(), 250, to="RSET")

    rules = paths.BROKEN_LOCAL | paths.BROKEN_DOMAIN
    sampling.check(lambda choices: paths.broken(choices, rules, SENDER), refused)


@clause("DLG-20")
def test_a_recipient_that_breaks_any_rule_of_the_grammar_is_refused(
    world: World, sampling: Sampling
) -> None:
    session = Session(world)

    def refused(path: paths.Path) -> None:
        with session.client() as client:
            expect_reply(client.mail(world.sender.address), 250, to="MAIL")
            reply = session.command(sent(world, f"RCPT TO:{path.text}"))
            expect_reply(reply, "5xx", to="RCPT")
            expect_reply(client.rcpt(world.info), 250, to="RCPT after it")
            expect_reply(client.rset(), 250, to="RSET")

    # Where the domain is not served, that alone is a reason.
    rules = paths.BROKEN_LOCAL
    sampling.check(lambda choices: paths.broken(choices, rules, ZONE), refused)


# Commands


@clause("DLG-09")
def test_rset_discards_whatever_transaction_there_was(
    world: World, sampling: Sampling
) -> None:
    one_by_one(world, sampling, "RSET")


@clause("DLG-17")
def test_a_second_ehlo_discards_whatever_transaction_there_was(
    world: World, sampling: Sampling
) -> None:
    one_by_one(world, sampling, "EHLO client.example")


def one_by_one(world: World, sampling: Sampling, by: str) -> None:
    session = Session(world)
    sampling.check(
        lambda choices: commands.cleared(choices, by),
        lambda drawn: answered(world, session, drawn),
    )


def answered(world: World, session: Session, drawn: commands.Commands) -> None:
    """Each command as it should be; then the session is as it was."""
    with session.client() as client:
        for line, code in zip(drawn.lines, drawn.codes):
            expect_reply(session.command(sent(world, line)), code, to=line)
        expect_reply(client.rset(), 250, to="RSET")


@clause("DLG-06")
def test_commands_in_any_case_lead_to_a_message(
    world: World, sampling: Sampling
) -> None:
    def complete(drawn: commands.Commands) -> None:
        with session.client() as client:
            for line, code in zip(drawn.lines, drawn.codes):
                expect_reply(session.command(sent(world, line)), code, to=line)
            expect_reply(client.content(world.message()), 250, to="the end of DATA")

    session = Session(world)
    sampling.check(commands.complete, complete)


@clause("DLG-23")
def test_a_group_is_answered_in_its_order_in_whatever_segments_it_comes(
    world: World, sampling: Sampling
) -> None:
    session = Session(world)

    def answered_in_order(group: commands.Commands) -> None:
        with session.client() as client:
            if "PIPELINING" not in client.extensions():
                pytest.skip("PIPELINING is not offered")
            wire = "".join(f"{line}\r\n" for line in group.lines)
            pieces = group.segments(sent(world, wire).encode("ascii"))
            client.send_in_pieces(pieces)
            said = [client.read_reply() for _ in group.lines]
            session.count(*said)
            for line, code, reply in zip(group.lines, group.codes, said):
                expect_reply(reply, code, to=line)
            expect_reply(client.content(world.message()), 250, to="the end of DATA")

    sampling.check(commands.group, answered_in_order)


# The octets of a message


def with_content(
    world: World, session: Session, content: octets.Content
) -> Reply | None:
    """Sends a message with that body. Its answer; None if the connection was closed without one. It is the
    only one to all of that."""
    with session.client() as client:
        expect_reply(client.mail(world.sender.address), 250, to="MAIL")
        expect_reply(client.rcpt(world.info), 250, to="RCPT")
        expect_reply(client.data(), 354, to="DATA")
        client.send_in_pieces(content.segments(world.message(body="")))
        reply = answer(client)
        session.count(reply)
        if reply is None:
            session.drop()
            return None
        client.line("RSET")
        after = answer(client)
        if after is None and not reply.positive:
            session.drop()  # it may be closed after such a refusal (RFC 5321 7.8)
        else:
            expect_reply(after, 250, to="RSET, after one answer to the message")
        return reply


@clause("MSG-08")
def test_lines_with_periods_in_any_segments_arrive_as_they_were(
    world: World, sampling: Sampling
) -> None:
    session = Session(world)

    def arrives(content: octets.Content) -> None:
        earlier = len(world.upstream.messages)
        expect_reply(with_content(world, session, content), 250, to="the message")
        arrived = world.upstream.wait_for_message(earlier + 1)
        expect(arrived.body, content.body, "the body upstream")

    sampling.check(octets.clean, arrives)


each_octet = pytest.mark.parametrize("octet", list(octets.STRANGE))


@clause("SMUG-01", "SMUG-08")
@each_octet
def test_a_message_with_strange_octets_anywhere_has_one_answer(
    world: World, sampling: Sampling, octet: str
) -> None:
    session = Session(world)

    def one_answer(content: octets.Content) -> None:
        with_content(world, session, content)

    sampling.check(lambda choices: octets.strange(choices, octet), one_answer)


def refused_for(world: World, sampling: Sampling, octet: str) -> None:
    session = Session(world)

    def refused(content: octets.Content) -> None:
        expect_reply(with_content(world, session, content), "5xx", to="the message")

    sampling.check(lambda choices: octets.strange(choices, octet), refused)
    forward(world)


@clause("SMUG-02")
def test_a_message_with_a_bare_lf_anywhere_is_refused(
    world: World, sampling: Sampling
) -> None:
    refused_for(world, sampling, "LF")


@clause("SMUG-03")
def test_a_message_with_a_bare_cr_anywhere_is_refused(
    world: World, sampling: Sampling
) -> None:
    refused_for(world, sampling, "CR")


@clause("SMUG-04")
def test_a_message_with_a_nul_anywhere_is_refused(
    world: World, sampling: Sampling
) -> None:
    refused_for(world, sampling, "NUL")


@clause("MSG-07")
def test_header_fields_however_folded_arrive_as_they_were(
    world: World, sampling: Sampling
) -> None:
    session = Session(world)

    def unchanged(drawn: header.Header) -> None:
        message = world.message(*drawn.fields)
        earlier = len(world.upstream.messages)
        with session.client() as client:
            delivery = client.deliver(world.sender.address, world.info, message)
            session.count(delivery.final)
            expect_true(delivery.accepted, "a 2xx to the message", delivery.final)
        arrived = world.upstream.wait_for_message(earlier + 1)
        fields = "\r\n".join(drawn.fields).encode("ascii") + b"\r\n"
        expect_in(fields, arrived.header, "the header upstream")

    sampling.check(header.fields, unchanged)


# From


def publish(world: World) -> None:
    """The policies of the sender and of the victim."""
    world.sender.publish_dmarc("v=DMARC1; p=reject")
    world.dns.add(victim(world), "A", world.sender.ipv4)
    world.dns.add_text(f"_dmarc.{victim(world)}", "v=DMARC1; p=reject")


def judged(world: World, session: Session, drawn: authors.From) -> None:
    """The mail of the sender is forwarded, that of everybody else is refused."""
    fields = [sent(world, field) for field in drawn.fields]
    good = len(drawn.fields) == 1 and drawn.domains == {SENDER}
    with session.client() as client:
        delivery = client.deliver(
            world.sender.address, world.info, with_from(world, *fields)
        )
        session.count(delivery.final)
    expect_reply(delivery.end, 250 if good else "5xx", to="the message")


@clause("DMARC-15")
@pytest.mark.parametrize("domain", [SENDER, VICTIM])
def test_the_author_is_the_address_whatever_stands_around_it(
    world: World, sampling: Sampling, domain: str
) -> None:
    publish(world)
    session = Session(world)
    sampling.check(
        lambda choices: authors.one_author(choices, domain),
        lambda drawn: judged(world, session, drawn),
    )


@clause("DMARC-16")
@pytest.mark.parametrize("domain", [SENDER, VICTIM])
def test_any_list_of_authors_at_one_domain_is_judged_by_it(
    world: World, sampling: Sampling, domain: str
) -> None:
    publish(world)
    session = Session(world)
    sampling.check(
        lambda choices: authors.several_authors(choices, domain),
        lambda drawn: judged(world, session, drawn),
    )


@clause("DMARC-12")
def test_any_list_of_authors_at_two_domains_is_refused(
    world: World, sampling: Sampling
) -> None:
    session = Session(world)
    sampling.check(authors.two_domains, lambda drawn: judged(world, session, drawn))


@clause("DMARC-11")
def test_several_from_fields_are_refused_however_written(
    world: World, sampling: Sampling
) -> None:
    session = Session(world)
    sampling.check(authors.two_fields, lambda drawn: judged(world, session, drawn))


@clause("DMARC-10")
def test_a_from_field_that_names_nobody_is_refused_whatever_it_shows(
    world: World, sampling: Sampling
) -> None:
    session = Session(world)
    sampling.check(authors.nobody, lambda drawn: judged(world, session, drawn))


# What the upstream replies


def said_to_client(
    world: World, session: Session, stage: str, drawn: replies.UpstreamReply
) -> Reply:
    """The client's answer, when the upstream says that."""
    world.upstream.on(stage, raw(drawn.wire, drawn.pieces))
    with session.client() as client:
        delivery = client.deliver(world.sender.address, world.info, world.message())
        reply = delivery.recipients[0] if delivery.recipients else delivery.mail
        if stage == "end":
            reply = delivery.final
        session.count(reply)
        if not delivery.accepted:
            expect_reply(client.rset(), 250, to="RSET")
    return reply


each_stage = pytest.mark.parametrize("stage", ["rcpt", "end"])


@clause("UPS-12", "UPS-17")
@each_stage
def test_any_reply_of_the_upstream_is_taken_by_its_first_digit(
    world: World, sampling: Sampling, stage: str
) -> None:
    world.require("in-session")
    session = Session(world)

    def same_class(drawn: replies.UpstreamReply) -> None:
        world.upstream.on(stage, raw(drawn.wire, drawn.pieces))
        with session.client() as client:
            expect_reply(client.mail(world.sender.address), 250, to="MAIL")
            client.line(f"RCPT TO:<{world.info}>")
            if stage == "end":
                expect_reply(client.read_reply(), 250, to="RCPT")
                expect_reply(client.data(), 354, to="DATA")
                client.send(stuffed(world.message()))
            # How the subject writes what it has understood is another matter.
            final = final_lines(octets_to_a_final_line(client))
            expect_true(final, "a reply", "none")
            expect(f"{final[0][0]}xx", f"{drawn.code // 100}xx", "the reply's class")
            if final[0][0] != "2":
                session.drop()
            elif stage == "rcpt":
                expect_reply(client.rset(), 250, to="RSET")

    sampling.check(lambda choices: replies.valid(choices, "245"), same_class)


def refusals_compared(
    world: World,
    sampling: Sampling,
    stage: str,
    view: Callable[[replies.UpstreamReply | Reply], object],
) -> None:
    """What of a refusal the client gets is what the upstream said."""
    session = Session(world)

    def same(drawn: replies.UpstreamReply) -> None:
        reply = said_to_client(world, session, stage, drawn)
        said = " | ".join(f"{drawn.code} {line}" for line in drawn.lines)
        expect_true(view(reply) == view(drawn), f"as the upstream: {said}", reply)

    sampling.check(lambda choices: replies.valid(choices, "45"), same)


@clause("ERR-20")
@each_stage
def test_any_code_of_a_refusal_reaches_the_client(
    world: World, sampling: Sampling, stage: str
) -> None:
    refusals_compared(world, sampling, stage, lambda reply: reply.code)


@clause("ERR-06")
@each_stage
def test_any_number_of_lines_reaches_the_client(
    world: World, sampling: Sampling, stage: str
) -> None:
    refusals_compared(world, sampling, stage, lambda reply: len(reply.lines))


@clause("ERR-22")
@each_stage
def test_any_text_of_a_refusal_reaches_the_client(
    world: World, sampling: Sampling, stage: str
) -> None:
    refusals_compared(world, sampling, stage, lambda reply: reply.lines)


def malformed(
    world: World, session: Session, stage: str, drawn: replies.UpstreamReply
) -> None:
    reply = said_to_client(world, session, stage, drawn)
    expect_reply(reply, 451, enhanced="4.5.0")


@clause("ERR-12")
@each_stage
def test_a_reply_that_breaks_any_rule_of_the_grammar_becomes_451_450(
    world: World, sampling: Sampling, stage: str
) -> None:
    session = Session(world)
    sampling.check(
        replies.broken, lambda drawn: malformed(world, session, stage, drawn)
    )


@clause("UPS-14")
@each_stage
def test_a_reply_of_any_differing_codes_becomes_451_450(
    world: World, sampling: Sampling, stage: str
) -> None:
    session = Session(world)
    sampling.check(
        replies.differing, lambda drawn: malformed(world, session, stage, drawn)
    )


# DNS


@clause("MX-04", "MX-05")
def test_mail_goes_to_the_first_host_that_takes_it_of_any_mx_records(
    world: World, sampling: Sampling
) -> None:
    # One with a queue may keep a session with a host that earlier records named.
    world.require("in-session")
    arrived: queue.Queue[str] = queue.Queue()

    def note(name: str, message: Message) -> None:
        arrived.put(name)

    for name in hosts.LIVE:
        host = world.host(f"{name}.{world.destination}")
        host.on_message = partial(note, name)
    world.host(f"closed.{world.destination}").stop_listening()
    world.dns.add_text(f"addressless.{world.destination}", "no address")

    def goes_there(answer: hosts.Hosts) -> None:
        records = [f"{p} {name}.{world.destination}." for p, name in answer.records]
        world.dns.set(world.destination, "MX", *records, ttl=0)
        with world.client() as client:
            delivery = client.deliver(world.sender.address, world.info, world.message())
            expect_true(delivery.accepted, "a 2xx to the message", delivery.final)
            client.quit()
        try:
            host = arrived.get(timeout=world.patience)
        except queue.Empty:
            host = "nowhere"
        expect_one_of(host, sorted(answer.right), "the host that got the mail")

    sampling.check(hosts.answer, goes_there)
