"""DMARC: what is refused in the author domain's name, and what is not."""

from __future__ import annotations

import pytest

from conformance import clause, expect, expect_in, expect_reply, expect_true
from conformance.lab import Delivery, World
from conformance.lab.nameserver import faults
from conformance.lab.world import KEYS
from conformance.suite.acts import expect_nothing_upstream
from conformance.suite.verifiers import key_record, results, sign

RSA = (KEYS / "test-sender-rsa2048.pem").read_bytes()


def send(
    world: World,
    message: bytes,
    *,
    sender: str | None = None,
    stranger: bool = True,
) -> Delivery:
    """Sends a message, by default from an address that the sender's SPF record does not know."""
    source = world.new_client_addresses()[0] if stranger else world.sender.ipv4
    with world.client(source=source) as client:
        return client.deliver(
            world.sender.address if sender is None else sender, world.info, message
        )


def refused(world: World, delivery: Delivery) -> None:
    """550 5.7.26 to the message, and nothing of it upstream."""
    expect_reply(delivery.end, 550, enhanced="5.7.26", to="the end of DATA")
    expect_nothing_upstream(world)


def recorded(world: World, delivery: Delivery) -> tuple[str, str]:
    """The DMARC result that is recorded of a forwarded message, and the domain judged."""
    expect_reply(delivery.final, 250, to="the end of DATA")
    found = results(world.upstream.wait_for_message(len(world.upstream.messages)))
    expect(len(found.of("dmarc")), 1, "the number of DMARC results")
    return found.of("dmarc")[0], found.properties("dmarc")[0].get("header.from", "")


def from_domain(world: World, domain: str) -> bytes:
    """A message whose author is at `domain`."""
    return world.message().replace(
        f"alice@{world.sender.domain}".encode(), f"alice@{domain}".encode(), 1
    )


def with_from(world: World, *fields: str) -> bytes:
    """A message with other From fields than its own."""
    first, _, rest = world.message().partition(b"\r\n")
    assert first.startswith(b"From: ")
    return "".join(f"{field}\r\n" for field in fields).encode("utf-8") + rest


def publish_key(world: World, domain: str) -> None:
    world.dns.add_text(f"test._domainkey.{domain}", key_record(RSA))


@clause("DMARC-01")
def test_a_message_without_an_aligned_pass_is_refused_under_reject(
    world: World,
) -> None:
    world.sender.publish_dmarc("v=DMARC1; p=reject")
    refused(world, send(world, world.message()))


@clause("DMARC-01")
def test_a_pass_for_another_domain_does_not_help(world: World) -> None:
    world.sender.publish_dmarc("v=DMARC1; p=reject")
    other = f"other-{world.sender.domain}"
    publish_key(world, other)
    world.dns.add_text(other, "v=spf1 +all")
    message = sign(world.message(), other)
    refused(world, send(world, message, sender=f"x@{other}"))


@clause("DMARC-01", "DMARC-03")
def test_a_broken_signature_does_not_help(world: World) -> None:
    world.sender.publish_dmarc("v=DMARC1; p=reject")
    message = sign(world.message(), world.sender.domain) + b"Altered.\r\n"
    refused(world, send(world, message))


@clause("DMARC-02")
def test_an_aligned_spf_pass_is_enough_under_reject(world: World) -> None:
    world.sender.publish_dmarc("v=DMARC1; p=reject")
    outcome = recorded(world, send(world, world.message(), stranger=False))
    expect(outcome, ("pass", world.sender.domain), "the DMARC result and domain")


@clause("DMARC-03")
def test_an_aligned_dkim_pass_is_enough_under_reject(world: World) -> None:
    world.sender.publish_dmarc("v=DMARC1; p=reject")
    message = sign(world.message(), world.sender.domain)
    outcome = recorded(world, send(world, message))
    expect(outcome, ("pass", world.sender.domain), "the DMARC result and domain")


@clause("DMARC-04")
def test_a_failing_message_is_forwarded_under_quarantine(world: World) -> None:
    world.sender.publish_dmarc("v=DMARC1; p=quarantine")
    outcome = recorded(world, send(world, world.message()))
    expect(outcome, ("fail", world.sender.domain), "the DMARC result and domain")


@clause("DMARC-05")
def test_a_failing_message_is_forwarded_under_none(world: World) -> None:
    world.sender.publish_dmarc("v=DMARC1; p=none")
    outcome = recorded(world, send(world, world.message()))
    expect(outcome, ("fail", world.sender.domain), "the DMARC result and domain")


def existing_subdomain(world: World) -> str:
    """A name under the sender's domain that exists, without a DMARC record."""
    domain = f"sub.{world.sender.domain}"
    world.dns.add(domain, "A", world.sender.ipv4)
    return domain


@clause("DMARC-06")
@pytest.mark.parametrize(
    ("record", "code"), [("p=none; sp=reject", 550), ("p=reject; sp=none", 250)]
)
def test_a_subdomain_is_under_sp(world: World, record: str, code: int) -> None:
    domain = existing_subdomain(world)
    world.sender.publish_dmarc(f"v=DMARC1; {record}")
    delivery = send(world, from_domain(world, domain), sender=f"x@{world.elsewhere}")
    expect_reply(delivery.final, code, to="the end of DATA")


@clause("DMARC-06")
@pytest.mark.parametrize(
    ("record", "code"), [("p=none; sp=reject", 250), ("p=reject; sp=none", 550)]
)
def test_the_domain_itself_is_not_under_sp(
    world: World, record: str, code: int
) -> None:
    world.sender.publish_dmarc(f"v=DMARC1; {record}")
    expect_reply(send(world, world.message()).final, code, to="the end of DATA")


@clause("DMARC-07")
def test_a_subdomain_that_does_not_exist_is_under_np(world: World) -> None:
    existing = existing_subdomain(world)
    world.sender.publish_dmarc("v=DMARC1; p=none; sp=none; np=reject")
    sender = f"x@{world.elsewhere}"
    absent = from_domain(world, f"absent.{world.sender.domain}")
    refused(world, send(world, absent, sender=sender))
    delivery = send(world, from_domain(world, existing), sender=sender)
    expect_reply(delivery.final, 250, to="a message from one that exists")


@clause("DMARC-08")
@pytest.mark.parametrize(("mode", "code"), [("r", 250), ("s", 550)])
def test_spf_of_a_subdomain_aligns_relaxed_and_not_strict(
    world: World, mode: str, code: int
) -> None:
    subdomain = f"bounce.{world.sender.domain}"
    world.dns.add_text(subdomain, "v=spf1 +all")
    world.sender.publish_dmarc(f"v=DMARC1; p=reject; aspf={mode}")
    delivery = send(world, world.message(), sender=f"x@{subdomain}")
    expect_reply(delivery.final, code, to="the end of DATA")


@clause("DMARC-08")
@pytest.mark.parametrize(("mode", "code"), [("r", 250), ("s", 550)])
def test_dkim_of_a_subdomain_aligns_relaxed_and_not_strict(
    world: World, mode: str, code: int
) -> None:
    subdomain = f"mail.{world.sender.domain}"
    publish_key(world, subdomain)
    world.sender.publish_dmarc(f"v=DMARC1; p=reject; adkim={mode}")
    delivery = send(world, sign(world.message(), subdomain))
    expect_reply(delivery.final, code, to="the end of DATA")


@clause("DMARC-08")
def test_the_very_domain_aligns_strict(world: World) -> None:
    world.sender.publish_dmarc("v=DMARC1; p=reject; adkim=s; aspf=s")
    delivery = send(world, sign(world.message(), world.sender.domain))
    expect_reply(delivery.final, 250, to="a signed message")
    delivery = send(world, world.message(), stranger=False)
    expect_reply(delivery.final, 250, to="a message from the domain's own address")


@clause("DMARC-09")
def test_a_policy_in_testing_does_not_refuse(world: World) -> None:
    world.sender.publish_dmarc("v=DMARC1; p=reject; t=y")
    outcome = recorded(world, send(world, world.message()))
    expect(outcome, ("fail", world.sender.domain), "the DMARC result and domain")


@clause("DMARC-09")
def test_a_policy_not_in_testing_refuses(world: World) -> None:
    world.sender.publish_dmarc("v=DMARC1; p=reject; t=n")
    refused(world, send(world, world.message()))


UNUSABLE = [
    (),
    ("From:",),
    ("From: ",),
    ("From: Alice",),
    ("From: <>",),
    ("From: alice@",),
    ("From: undisclosed:;",),
    ("From: <alice@sender.example",),
]


@clause("DMARC-10")
@pytest.mark.parametrize(
    "fields", UNUSABLE, ids=["".join(f) or "none" for f in UNUSABLE]
)
def test_a_message_without_a_usable_from_is_a_550_571(
    world: World, fields: tuple[str, ...]
) -> None:
    delivery = send(world, with_from(world, *fields), stranger=False)
    expect_reply(delivery.end, 550, enhanced="5.7.1", to="the end of DATA")
    expect_nothing_upstream(world)


@clause("DMARC-11")
@pytest.mark.parametrize("second", ["From", "from", "FROM", "From ", "From\t"])
def test_a_message_with_two_from_fields_is_a_550_571(world: World, second: str) -> None:
    address = world.sender.address
    message = with_from(world, f"From: <{address}>", f"{second}: <{address}>")
    delivery = send(world, message, stranger=False)
    expect_reply(delivery.end, 550, enhanced="5.7.1", to="the end of DATA")
    expect_nothing_upstream(world)


@clause("DMARC-12")
@pytest.mark.parametrize(
    "authors",
    [
        "{own}, mallory@other.example",
        "Alice <{own}>, Mallory <mallory@other.example>",
        "friends: {own}, mallory@other.example;",
    ],
)
def test_authors_at_different_domains_are_a_550_571(world: World, authors: str) -> None:
    field = "From: " + authors.format(own=world.sender.address)
    delivery = send(world, with_from(world, field), stranger=False)
    expect_reply(delivery.end, 550, enhanced="5.7.1", to="the end of DATA")
    expect_nothing_upstream(world)


@clause("DMARC-13")
def test_a_dns_failure_that_leaves_a_reject_open_is_a_451_470(world: World) -> None:
    world.sender.publish_dmarc("v=DMARC1; p=reject")
    world.dns.fail(f"test._domainkey.{world.sender.domain}", faults.Servfail())
    delivery = send(world, sign(world.message(), world.sender.domain))
    expect_reply(delivery.end, 451, enhanced="4.7.0", to="the end of DATA")
    expect_nothing_upstream(world)


@clause("DMARC-13")
def test_a_dns_failure_of_spf_that_leaves_a_reject_open_is_a_451_470(
    world: World,
) -> None:
    world.sender.publish_dmarc("v=DMARC1; p=reject")
    world.dns.fail(world.sender.domain, faults.Servfail(), "TXT")
    delivery = send(world, world.message())
    expect_reply(delivery.end, 451, enhanced="4.7.0", to="the end of DATA")


@clause("DMARC-13")
@pytest.mark.parametrize("policy", ["none", "quarantine"])
def test_a_dns_failure_does_not_matter_where_nothing_would_be_refused(
    world: World, policy: str
) -> None:
    world.sender.publish_dmarc(f"v=DMARC1; p={policy}")
    world.dns.fail(f"test._domainkey.{world.sender.domain}", faults.Servfail())
    delivery = send(world, sign(world.message(), world.sender.domain))
    expect_reply(delivery.final, 250, to="the end of DATA")


@clause("DMARC-13")
def test_a_dns_failure_does_not_matter_where_something_else_passes(
    world: World,
) -> None:
    world.sender.publish_dmarc("v=DMARC1; p=reject")
    world.dns.fail(f"test._domainkey.{world.sender.domain}", faults.Servfail())
    message = sign(world.message(), world.sender.domain)
    delivery = send(world, message, stranger=False)
    expect_reply(delivery.final, 250, to="the end of DATA")


@clause("DMARC-14")
def test_without_a_policy_an_spf_fail_rejects_nothing(world: World) -> None:
    outcome = recorded(world, send(world, world.message()))
    expect(outcome[0], "none", "the DMARC result")


# Each shows a stranger's address to somebody; the author is the sender.
DISGUISES = [
    '"ceo@{victim}" <{own}>',
    "ceo@{victim} <{own}>",
    "<{own}> (ceo@{victim})",
    "(<ceo@{victim}>) {own}",
    "=?utf-8?q?ceo=40{victim}?= <{own}>",
    "=?utf-8?b?PGNlb0B2aWN0aW0uZXhhbXBsZT4=?= <{own}>",
    '"<ceo@{victim}>" <{own}>',
    "Alice (a \\( comment <ceo@{victim}>) <{own}>",
    '"Alice \\" <ceo@{victim}>" <{own}>',
    "Alice\r\n <{own}>",
    "(nested (ceo@{victim})) <{own}>",
]
# Here it is the other way round: the address is the victim's.
UNDISGUISED = [
    '"{own}" <ceo@{victim}>',
    "<ceo@{victim}> ({own})",
    "=?utf-8?q?{own}?= <ceo@{victim}>",
    '<"alice@{sender}"@{victim}>',
    "<ceo@(comment){victim}>",
    "ceo (a) @ (b) {victim}",
    "<ceo@{victim_capitals}>",
]


def dressed(world: World, text: str) -> bytes:
    victim = f"victim.{world.elsewhere}"
    world.dns.add(victim, "A", world.sender.ipv4)
    world.dns.add_text(f"_dmarc.{victim}", "v=DMARC1; p=reject")
    value = text.format(
        own=world.sender.address,
        sender=world.sender.domain,
        victim=victim,
        victim_capitals=victim.upper(),
    )
    return with_from(world, f"From: {value}")


@clause("DMARC-15")
@pytest.mark.parametrize("text", DISGUISES)
def test_an_address_that_is_only_shown_is_not_the_author(
    world: World, text: str
) -> None:
    delivery = send(world, dressed(world, text), stranger=False)
    if delivery.final.permanent:
        # What cannot be read for certain may be refused, as having no usable From.
        expect_reply(delivery.final, 550, enhanced="5.7.1", to="the end of DATA")
        return
    outcome = recorded(world, delivery)
    expect(outcome[1], world.sender.domain, "the domain judged")


@clause("DMARC-15")
@pytest.mark.parametrize("text", UNDISGUISED)
def test_the_address_in_from_is_the_author_whatever_is_shown(
    world: World, text: str
) -> None:
    delivery = send(world, dressed(world, text), stranger=False)
    expect_reply(delivery.end, 550, to="the end of DATA")
    expect_in(delivery.end and delivery.end.enhanced, ("5.7.26", "5.7.1"), "its code")
    expect_nothing_upstream(world)


@clause("DMARC-16", "DMARC-12")
@pytest.mark.parametrize("stranger", [True, False], ids=["failing", "passing"])
def test_several_authors_at_one_domain_are_judged_by_it(
    world: World, stranger: bool
) -> None:
    world.sender.publish_dmarc("v=DMARC1; p=reject")
    authors = f"From: Alice <{world.sender.address}>, bob@{world.sender.domain}"
    delivery = send(world, with_from(world, authors), stranger=stranger)
    expect_reply(delivery.final, 550 if stranger else 250, to="the end of DATA")


@clause("DMARC-17")
@pytest.mark.parametrize("labels", ["sub", "a.sub", "a.b.c.d.sub"])
def test_a_subdomain_without_a_record_is_under_its_organizations(
    world: World, labels: str
) -> None:
    domain = f"{labels}.{world.sender.domain}"
    world.dns.add(domain, "A", world.sender.ipv4)
    world.sender.publish_dmarc("v=DMARC1; p=reject")
    refused(
        world, send(world, from_domain(world, domain), sender=f"x@{world.elsewhere}")
    )


@clause("DMARC-17", "DMARC-06")
def test_a_subdomains_own_record_comes_first(world: World) -> None:
    domain = existing_subdomain(world)
    world.sender.publish_dmarc("v=DMARC1; p=reject")
    world.dns.add_text(f"_dmarc.{domain}", "v=DMARC1; p=none")
    delivery = send(world, from_domain(world, domain), sender=f"x@{world.elsewhere}")
    expect_reply(delivery.final, 250, to="the end of DATA")


@clause("DMARC-18")
@pytest.mark.parametrize(
    ("record", "result"),
    [("v=DMARC1; p=none", "fail"), ("v=DMARC1; p=frob; rua=x", "none"), (None, "none")],
)
def test_the_result_is_recorded_with_the_author_domain(
    world: World, record: str | None, result: str
) -> None:
    if record is not None:
        world.sender.publish_dmarc(record)
    outcome = recorded(world, send(world, world.message()))
    expect_in(outcome[0], (result, "permerror"), "the DMARC result")
    expect(outcome[1], world.sender.domain, "header.from")
    expect_true(record is None or outcome[0] != "pass", "no pass", outcome)


@clause("DMARC-19")
def test_a_failing_message_is_refused_where_quarantine_refuses(world: World) -> None:
    world.reconfigure(dmarc_quarantine="reject")
    world.sender.publish_dmarc("v=DMARC1; p=quarantine")
    refused(world, send(world, world.message()))
    delivery = send(world, world.message(), stranger=False)
    expect_reply(delivery.final, 250, to="a message that passes")


@clause("DMARC-20")
@pytest.mark.parametrize(("percentage", "code"), [(0, 250), (100, 550)])
def test_nothing_of_pct_0_and_everything_of_pct_100_is_refused(
    world: World, percentage: int, code: int
) -> None:
    world.reconfigure(dmarc_edition="rfc7489")
    world.sender.publish_dmarc(f"v=DMARC1; p=reject; pct={percentage}")
    for n in range(8):
        delivery = send(world, world.message(f"X-N: {n}"))
        expect_reply(delivery.final, code, to=f"message {n}")


@clause("DMARC-21")
def test_the_same_message_meets_the_same_end_under_a_pct_in_between(
    world: World,
) -> None:
    world.reconfigure(dmarc_edition="rfc7489")
    world.sender.publish_dmarc("v=DMARC1; p=reject; pct=50")
    ends = set()
    for n in range(24):
        message = world.message(f"X-N: {n}")
        codes = {send(world, message).final.code for _ in range(2)}
        expect(len(codes), 1, f"the number of different answers to message {n}")
        ends |= codes
    expect(ends, {250, 550}, "the answers to 24 messages")


@clause("DMARC-22")
def test_pct_changes_nothing_in_rfc_9989(world: World) -> None:
    world.sender.publish_dmarc("v=DMARC1; p=reject; pct=0")
    refused(world, send(world, world.message()))


@clause("DMARC-27")
def test_a_record_of_more_than_8_kib_is_a_permerror(world: World) -> None:
    world.sender.publish_dmarc("v=DMARC1; p=reject; x=".ljust(8193, "x"))
    result, _ = recorded(world, send(world, world.message()))
    expect(result, "permerror", "the DMARC result")


@clause("DMARC-27")
def test_the_policy_of_a_record_of_8_kib_applies(world: World) -> None:
    world.sender.publish_dmarc("v=DMARC1; p=reject; x=".ljust(8192, "x"))
    refused(world, send(world, world.message()))


IMPROPER = [
    "Doe, Alice <{address}>",
    "Support: Alice <{address}>",
    "[Team] Alice <{address}>",
    "Alice (Support <{address}>",
]


@clause("DMARC-23")
@pytest.mark.parametrize("value", [*IMPROPER, "Alice <a..lice.@{domain}>"])
def test_an_improper_from_with_one_address_is_judged_by_it(
    world: World, value: str
) -> None:
    world.sender.publish_dmarc("v=DMARC1; p=reject")
    text = value.format(address=world.sender.address, domain=world.sender.domain)
    message = with_from(world, f"From: {text}")
    outcome = recorded(world, send(world, message, stranger=False))
    expect(outcome, ("pass", world.sender.domain), "the DMARC result and domain")
    delivery = send(world, message)
    expect_reply(delivery.end, 550, enhanced="5.7.26", to="that of a stranger")


@clause("DMARC-23")
@pytest.mark.parametrize(
    "value", ["Doe, a@other.example <{address}>", "Doe, Alice <{address}> b@other"]
)
def test_an_improper_from_in_which_readers_differ_is_refused(
    world: World, value: str
) -> None:
    field = "From: " + value.format(address=world.sender.address)
    delivery = send(world, with_from(world, field), stranger=False)
    expect_reply(delivery.end, 550, enhanced="5.7.1", to="the end of DATA")


NAMELESS = [
    (),
    ("From:",),
    ("From: <>",),
    ("From: MAILER-DAEMON",),
    ("From: Mail Delivery System <MAILER-DAEMON>",),
    ("From: undisclosed:;",),
]


@clause("DMARC-24")
@pytest.mark.parametrize(
    "fields", NAMELESS, ids=["".join(f) or "none" for f in NAMELESS]
)
def test_a_report_that_names_no_domain_is_forwarded(
    world: World, fields: tuple[str, ...]
) -> None:
    outcome = recorded(world, send(world, with_from(world, *fields), sender=""))
    expect(outcome, ("none", ""), "the DMARC result and domain")


@clause("DMARC-24")
@pytest.mark.parametrize("field", ["From: daemon@", "From: daemon@[192.0.2.1]"])
def test_a_report_whose_domain_cannot_be_read_is_refused(
    world: World, field: str
) -> None:
    delivery = send(world, with_from(world, field), sender="")
    expect_reply(delivery.end, 550, enhanced="5.7.1", to="the end of DATA")


@clause("DMARC-25")
def test_a_dns_failure_at_the_top_is_no_reason_to_refuse(world: World) -> None:
    top = f"failing{world.slot}"
    world.dns.fail(f"_dmarc.{top}", faults.Servfail())
    world.dns.add(f"host.{top}", "A", world.sender.ipv4)
    outcome = recorded(world, send(world, from_domain(world, f"host.{top}")))
    expect(outcome, ("none", f"host.{top}"), "the DMARC result and domain")


@clause("DMARC-26")
@pytest.mark.parametrize("record", ["v=DMARC1", "v=DMARC1; sp=reject"])
def test_a_record_without_p_is_p_none(world: World, record: str) -> None:
    world.sender.publish_dmarc(record)
    outcome = recorded(world, send(world, world.message()))
    expect(outcome, ("fail", world.sender.domain), "the DMARC result and domain")


@clause("DMARC-26")
def test_in_a_record_without_p_the_policy_of_subdomains_applies(world: World) -> None:
    world.sender.publish_dmarc("v=DMARC1; sp=reject")
    domain = f"sub.{world.sender.domain}"
    world.dns.add(domain, "A", world.sender.ipv4)
    refused(world, send(world, from_domain(world, domain)))
