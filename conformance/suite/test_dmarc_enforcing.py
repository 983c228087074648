"""DMARC: which policy applies to a message, and what follows from it. Whose policy that is where the
From field is out of the ordinary is in test_dmarc_authors.py."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from conformance import clause, expect, expect_one_of, expect_reply
from conformance.lab import World
from conformance.lab.nameserver import faults
from conformance.suite.acts import expect_nothing_upstream
from conformance.suite.dmarc import (
    EVERY_CLIENT,
    dmarc_result,
    existing_subdomain,
    forwarded,
    from_domain,
    publish_key,
    refused,
    require_enforcement,
    send,
)
from conformance.suite.verifiers import sign


@clause("DMARC-01")
def test_a_message_without_an_aligned_pass_is_rejected_under_p_reject(
    world: World,
) -> None:
    world.sender.publish_dmarc("v=DMARC1; p=reject")
    refused(world, world.message())


@clause("DMARC-01")
def test_an_spf_and_dkim_pass_of_an_unaligned_domain_does_not_help_under_p_reject(
    world: World,
) -> None:
    world.sender.publish_dmarc("v=DMARC1; p=reject")
    other = f"other-{world.sender.domain}"
    publish_key(world, other)
    world.dns.add_text(other, EVERY_CLIENT)
    refused(world, sign(world.message(), other), sender=f"x@{other}")


@clause("DMARC-01")
def test_an_aligned_signature_that_does_not_verify_does_not_help_under_p_reject(
    world: World,
) -> None:
    world.sender.publish_dmarc("v=DMARC1; p=reject")
    refused(world, sign(world.message(), world.sender.domain) + b"Altered.\r\n")


@clause("DMARC-02")
@pytest.mark.parametrize(
    "spelled", [str.lower, str.upper], ids=["small letters", "capitals"]
)
def test_a_message_with_an_aligned_spf_pass_is_forwarded_under_p_reject(
    world: World, spelled: Callable[[str], str]
) -> None:
    world.sender.publish_dmarc("v=DMARC1; p=reject")
    sender = f"alice@{spelled(world.sender.domain)}"
    forwarded(world, world.message(), sender=sender, stranger=False)
    require_enforcement(world)


@clause("DMARC-03")
@pytest.mark.parametrize("mode", ["", "; adkim=s"], ids=["relaxed", "strict"])
@pytest.mark.parametrize(
    "spelled", [str.lower, str.upper], ids=["small letters", "capitals"]
)
def test_a_message_with_an_aligned_dkim_pass_is_forwarded_under_p_reject(
    world: World, spelled: Callable[[str], str], mode: str
) -> None:
    world.sender.publish_dmarc(f"v=DMARC1; p=reject{mode}")
    # By -all it might be refused before DMARC is looked at (RFC 7208 8.4, RFC 7489 10.1).
    world.dns.remove(world.sender.domain, "TXT")
    world.dns.add_text(world.sender.domain, "v=spf1 ?all")
    forwarded(world, sign(world.message(), spelled(world.sender.domain)))
    require_enforcement(world)


@clause("DMARC-04")
def test_a_failing_message_is_forwarded_under_p_quarantine(world: World) -> None:
    world.sender.publish_dmarc("v=DMARC1; p=quarantine")
    forwarded(world, world.message())
    require_enforcement(world)


@clause("DMARC-05")
def test_a_failing_message_is_forwarded_under_p_none(world: World) -> None:
    world.sender.publish_dmarc("v=DMARC1; p=none")
    forwarded(world, world.message())
    require_enforcement(world)


@clause("DMARC-06")
def test_a_subdomain_is_under_sp_reject_where_p_is_none(world: World) -> None:
    domain = existing_subdomain(world)
    world.sender.publish_dmarc("v=DMARC1; p=none; sp=reject")
    refused(world, from_domain(world, domain), sender=f"x@{world.elsewhere}")


@clause("DMARC-06")
def test_a_subdomain_is_under_sp_none_where_p_is_reject(world: World) -> None:
    domain = existing_subdomain(world)
    world.sender.publish_dmarc("v=DMARC1; p=reject; sp=none")
    forwarded(world, from_domain(world, domain), sender=f"x@{world.elsewhere}")


@clause("DMARC-06")
def test_the_domain_itself_is_not_under_sp_none(world: World) -> None:
    world.sender.publish_dmarc("v=DMARC1; p=reject; sp=none")
    refused(world, world.message())


@clause("DMARC-06")
def test_the_domain_itself_is_not_under_sp_reject(world: World) -> None:
    world.sender.publish_dmarc("v=DMARC1; p=none; sp=reject")
    forwarded(world, world.message())


@clause("DMARC-29")
def test_a_subdomain_is_under_p_where_there_is_no_sp(world: World) -> None:
    domain = existing_subdomain(world)
    world.sender.publish_dmarc("v=DMARC1; p=reject")
    refused(world, from_domain(world, domain), sender=f"x@{world.elsewhere}")


@clause("DMARC-07")
def test_a_subdomain_that_does_not_exist_is_under_np(world: World) -> None:
    world.sender.publish_dmarc("v=DMARC1; p=none; sp=none; np=reject")
    absent = from_domain(world, f"absent.{world.sender.domain}")
    refused(world, absent, sender=f"x@{world.elsewhere}")


@clause("DMARC-07")
def test_a_subdomain_that_exists_is_not_under_np(world: World) -> None:
    existing = existing_subdomain(world)
    world.sender.publish_dmarc("v=DMARC1; p=none; sp=none; np=reject")
    forwarded(world, from_domain(world, existing), sender=f"x@{world.elsewhere}")


@clause("DMARC-30")
def test_spf_of_a_subdomain_is_aligned_in_relaxed_mode(world: World) -> None:
    subdomain = f"bounce.{world.sender.domain}"
    world.dns.add_text(subdomain, EVERY_CLIENT)
    world.sender.publish_dmarc("v=DMARC1; p=reject; aspf=r")
    forwarded(world, world.message(), sender=f"x@{subdomain}")
    require_enforcement(world)


@clause("DMARC-30")
def test_spf_of_a_subdomain_is_not_aligned_in_strict_mode(world: World) -> None:
    subdomain = f"bounce.{world.sender.domain}"
    world.dns.add_text(subdomain, EVERY_CLIENT)
    world.sender.publish_dmarc("v=DMARC1; p=reject; aspf=s")
    refused(world, world.message(), sender=f"x@{subdomain}")


@clause("DMARC-30")
def test_spf_of_the_author_domain_is_aligned_in_strict_mode(world: World) -> None:
    world.sender.publish_dmarc("v=DMARC1; p=reject; aspf=s")
    forwarded(world, world.message(), stranger=False)
    require_enforcement(world)


@clause("DMARC-08")
def test_a_signature_by_a_subdomain_is_aligned_in_relaxed_mode(world: World) -> None:
    subdomain = f"mail.{world.sender.domain}"
    publish_key(world, subdomain)
    world.sender.publish_dmarc("v=DMARC1; p=reject; adkim=r")
    forwarded(world, sign(world.message(), subdomain))
    require_enforcement(world)


@clause("DMARC-34")
def test_a_signature_by_a_subdomain_is_aligned_by_the_public_suffix_list(
    world: World,
) -> None:
    world.reconfigure(dmarc_edition="rfc7489")
    subdomain = f"mail.{world.sender.domain}"
    publish_key(world, subdomain)
    world.sender.publish_dmarc("v=DMARC1; p=reject")
    forwarded(world, sign(world.message(), subdomain))
    require_enforcement(world)


@clause("DMARC-38")
@pytest.mark.parametrize(
    ("own", "between", "organization"),
    [
        (None, None, "v=DMARC1; p=none; sp=reject"),
        (None, "v=DMARC1; p=none; psd=n", "v=DMARC1; p=reject"),
        (None, None, "v=DMARC1; p=reject; sp=reject; np=none"),
        ("v=DMARC1; p=reject; t=y", None, "v=DMARC1; p=none"),
    ],
    ids=["sp", "record between", "np", "t"],
)
def test_in_rfc_7489_a_subdomain_is_under_its_own_record_or_the_organizations(
    world: World, own: str | None, between: str | None, organization: str
) -> None:
    world.reconfigure(dmarc_edition="rfc7489")
    middle = f"sub.{world.sender.domain}"
    domain = f"a.{middle}"
    world.sender.publish_dmarc(organization)
    for name, record in ((domain, own), (middle, between)):
        if record is not None:
            world.dns.add_text(f"_dmarc.{name}", record)
    refused(world, from_domain(world, domain), sender=f"x@{world.elsewhere}")


@clause("DMARC-38")
@pytest.mark.parametrize(
    ("own", "organization"),
    [
        ((), "v=DMARC1; sp=reject"),
        (("v=DMARC1; p=reject", "v=DMARC1; p=reject"), "v=DMARC1; p=reject"),
    ],
    ids=["no p", "two records"],
)
def test_in_rfc_7489_no_policy_applies_without_p_or_by_two_records(
    world: World, own: tuple[str, ...], organization: str
) -> None:
    world.reconfigure(dmarc_edition="rfc7489")
    domain = f"sub.{world.sender.domain}"
    world.sender.publish_dmarc(organization)
    for n, record in enumerate(own):
        world.dns.add_text(f"_dmarc.{domain}", f"{record}; x={n}")
    forwarded(world, from_domain(world, domain), sender=f"x@{world.elsewhere}")
    require_enforcement(world)


@clause("DMARC-08")
def test_a_signature_by_a_subdomain_is_not_aligned_in_strict_mode(
    world: World,
) -> None:
    subdomain = f"mail.{world.sender.domain}"
    publish_key(world, subdomain)
    world.sender.publish_dmarc("v=DMARC1; p=reject; adkim=s")
    refused(world, sign(world.message(), subdomain))


@clause("DMARC-08")
def test_a_signature_by_the_author_domain_is_aligned_in_strict_mode(
    world: World,
) -> None:
    world.sender.publish_dmarc("v=DMARC1; p=reject; adkim=s")
    forwarded(world, sign(world.message(), world.sender.domain))
    require_enforcement(world)


@clause("DMARC-09")
def test_a_failing_message_is_forwarded_under_p_reject_with_t_y(world: World) -> None:
    world.sender.publish_dmarc("v=DMARC1; p=reject; t=y")
    forwarded(world, world.message())


@clause("DMARC-09")
def test_a_failing_message_is_refused_under_p_reject_with_t_n(world: World) -> None:
    world.sender.publish_dmarc("v=DMARC1; p=reject; t=n")
    refused(world, world.message())


@clause("DMARC-13")
def test_a_dns_failure_of_a_key_that_leaves_a_reject_open_is_a_4xx(
    world: World,
) -> None:
    world.sender.publish_dmarc("v=DMARC1; p=reject")
    world.dns.fail(f"test._domainkey.{world.sender.domain}", faults.Servfail())
    refused(world, sign(world.message(), world.sender.domain), "4xx")


@clause("DMARC-13")
@pytest.mark.parametrize("tag", ["bh", "b"])
def test_a_dns_failure_of_the_key_of_a_malformed_signature_leaves_nothing_open(
    world: World, tag: str
) -> None:
    world.sender.publish_dmarc("v=DMARC1; p=reject")
    world.dns.fail(f"test._domainkey.{world.sender.domain}", faults.Servfail())
    signed = sign(world.message(), world.sender.domain)
    # No base64: the signature has to be ignored (RFC 6376 6.1.1).
    refused(world, re.sub(rf"\b{tag}=".encode(), rb"\g<0>*", signed, count=1))


@clause("DMARC-13")
@pytest.mark.parametrize("what", ["SPF", "signature"])
def test_a_dns_failure_of_what_is_not_aligned_leaves_nothing_open(
    world: World, what: str
) -> None:
    other = f"other-{world.sender.domain}"
    world.sender.publish_dmarc("v=DMARC1; p=reject")
    message, sender = world.message(), f"x@{world.elsewhere}"
    if what == "SPF":
        sender = f"x@{other}"
        world.dns.fail(other, faults.Servfail(), "TXT")
    else:
        message = sign(message, other)
        world.dns.fail(f"test._domainkey.{other}", faults.Servfail())
    refused(world, message, sender=sender)


@clause("DMARC-13")
def test_a_dns_failure_of_spf_that_leaves_a_reject_open_is_a_4xx(
    world: World,
) -> None:
    world.sender.publish_dmarc("v=DMARC1; p=reject")
    world.dns.fail(world.sender.domain, faults.Servfail(), "TXT")
    refused(world, world.message(), "4xx")


@clause("DMARC-13")
def test_a_dns_failure_of_the_record_that_leaves_a_reject_open_is_a_4xx(
    world: World,
) -> None:
    world.sender.publish_dmarc("v=DMARC1; p=reject")
    world.dns.fail(f"_dmarc.{world.sender.domain}", faults.Servfail(), "TXT")
    refused(world, world.message(), "4xx")


@clause("DMARC-13")
@pytest.mark.parametrize(
    ("sp", "np", "said"),
    [
        ("none", "reject", "4xx"),
        ("reject", "none", "4xx"),
        ("none", "none", None),
        ("quarantine", "none", None),
        ("reject", "reject", "5xx"),
    ],
)
def test_a_dns_failure_that_leaves_open_whether_a_subdomain_exists_is_a_4xx(
    world: World, sp: str, np: str, said: str | None
) -> None:
    world.require("dmarc-rfc9989")
    domain = f"sub.{world.sender.domain}"
    world.dns.fail(domain, faults.Servfail())
    world.sender.publish_dmarc(f"v=DMARC1; p=reject; sp={sp}; np={np}")
    if said is None:
        forwarded(world, from_domain(world, domain))
    else:
        refused(world, from_domain(world, domain), said)


@clause("DMARC-13")
@pytest.mark.parametrize("policy", ["none", "quarantine"])
def test_a_message_is_forwarded_despite_a_dns_failure_where_no_policy_would_refuse(
    world: World, policy: str
) -> None:
    world.sender.publish_dmarc(f"v=DMARC1; p={policy}")
    world.dns.fail(f"test._domainkey.{world.sender.domain}", faults.Servfail())
    forwarded(world, sign(world.message(), world.sender.domain))


@clause("DMARC-13")
@pytest.mark.parametrize("name", ["test._domainkey", "_dmarc"])
def test_a_message_is_forwarded_despite_a_dns_failure_where_spf_passes(
    world: World, name: str
) -> None:
    world.sender.publish_dmarc("v=DMARC1; p=reject")
    world.dns.fail(f"{name}.{world.sender.domain}", faults.Servfail())
    forwarded(world, sign(world.message(), world.sender.domain), stranger=False)


@clause("DMARC-13")
@pytest.mark.parametrize("name", ["", "_dmarc."], ids=["SPF", "record"])
def test_a_message_is_forwarded_despite_a_dns_failure_where_a_signature_passes(
    world: World, name: str
) -> None:
    world.sender.publish_dmarc("v=DMARC1; p=reject")
    world.dns.fail(f"{name}{world.sender.domain}", faults.Servfail(), "TXT")
    forwarded(world, sign(world.message(), world.sender.domain))


@clause("DMARC-13")
@pytest.mark.parametrize("what", ["SPF", "SPF, too", "signature", "signature, too"])
def test_a_dns_failure_that_leaves_the_alignment_open_is_a_4xx(
    world: World, what: str
) -> None:
    world.require("dmarc-rfc9989")  # by a walk, not by a list
    other = f"other.{world.sender.domain}"
    world.sender.publish_dmarc("v=DMARC1; p=reject")
    world.dns.fail(f"_dmarc.{other}", faults.Servfail())
    message, sender = world.message(), world.sender.address
    if what.startswith("SPF"):
        world.dns.add_text(other, EVERY_CLIENT)
        sender = f"x@{other}"
    else:
        publish_key(world, other)
        message = sign(message, other)
    if what == "SPF, too":
        world.dns.fail(other, faults.Servfail(), "TXT")
    elif what == "signature, too":
        world.dns.fail(f"test._domainkey.{other}", faults.Servfail())
    refused(world, message, "4xx", sender=sender)


@clause("DMARC-14")
def test_an_spf_fail_without_a_dmarc_record_is_no_reason_to_refuse(
    world: World,
) -> None:
    forwarded(world, world.message())
    require_enforcement(world)


@clause("DMARC-17")
@pytest.mark.parametrize("labels", ["sub", "a.sub", "a.b.c.d.sub"])
def test_a_subdomain_without_a_record_is_under_that_of_its_organizational_domain(
    world: World, labels: str
) -> None:
    domain = f"{labels}.{world.sender.domain}"
    world.dns.add(domain, "A", world.sender.ipv4)
    world.sender.publish_dmarc("v=DMARC1; p=reject; sp=reject")
    refused(world, from_domain(world, domain), sender=f"x@{world.elsewhere}")


@clause("DMARC-17")
def test_a_subdomain_with_a_record_is_under_its_own(world: World) -> None:
    domain = existing_subdomain(world)
    world.sender.publish_dmarc("v=DMARC1; p=reject; sp=reject")
    world.dns.add_text(f"_dmarc.{domain}", "v=DMARC1; p=none")
    forwarded(world, from_domain(world, domain), sender=f"x@{world.elsewhere}")


@clause("DMARC-18")
def test_a_fail_is_recorded_in_a_message_that_is_forwarded(world: World) -> None:
    world.require("dmarc")
    world.sender.publish_dmarc("v=DMARC1; p=none")
    arrived = forwarded(world, world.message())
    expect(dmarc_result(arrived)[0], "fail", "the DMARC result")


@clause("DMARC-31")
def test_a_fail_is_recorded_with_the_author_domain(world: World) -> None:
    world.require("dmarc")
    world.sender.publish_dmarc("v=DMARC1; p=quarantine")
    outcome = dmarc_result(forwarded(world, world.message()))
    expect(outcome, ("fail", world.sender.domain), "the DMARC result and header.from")


@clause("DMARC-31")
def test_a_pass_is_recorded_with_the_author_domain(world: World) -> None:
    world.require("dmarc")
    world.sender.publish_dmarc("v=DMARC1; p=reject")
    outcome = dmarc_result(forwarded(world, world.message(), stranger=False))
    expect(outcome, ("pass", world.sender.domain), "the DMARC result and header.from")


@clause("DMARC-31")
@pytest.mark.parametrize("record", [None, "v=DMARC1; p=frob; rua=x"])
def test_the_lack_of_a_usable_record_is_recorded_with_the_author_domain(
    world: World, record: str | None
) -> None:
    world.require("dmarc")
    if record is not None:
        world.sender.publish_dmarc(record)
    result, domain = dmarc_result(forwarded(world, world.message()))
    allowed = ["none"] if record is None else ["none", "permerror"]
    expect_one_of(result, allowed, "the DMARC result")
    expect(domain, world.sender.domain, "header.from")


@clause("DMARC-19")
def test_a_failing_message_is_refused_under_p_quarantine_where_the_deployment_refuses(
    world: World,
) -> None:
    world.reconfigure(dmarc_quarantine="reject")
    world.sender.publish_dmarc("v=DMARC1; p=quarantine")
    refused(world, world.message())
    forwarded(world, world.message(), stranger=False)


@clause("DMARC-20")
def test_no_message_is_refused_under_pct_0(world: World) -> None:
    world.reconfigure(dmarc_edition="rfc7489")
    world.sender.publish_dmarc("v=DMARC1; p=reject; pct=0")
    for n in range(8):
        forwarded(world, world.message(f"X-N: {n}"))
    require_enforcement(world)


@clause("DMARC-32")
def test_every_failing_message_is_rejected_under_pct_100(world: World) -> None:
    world.reconfigure(dmarc_edition="rfc7489")
    world.sender.publish_dmarc("v=DMARC1; p=reject; pct=100")
    for n in range(8):
        delivery = send(world, world.message(f"X-N: {n}"))
        expect_reply(delivery.end, "5xx", to=f"the end of message {n}")
    expect_nothing_upstream(world)


@clause("DMARC-32")
def test_a_failing_message_is_rejected_under_pct_100_of_a_subdomains_own_record(
    world: World,
) -> None:
    world.reconfigure(dmarc_edition="rfc7489")
    domain = existing_subdomain(world)
    world.dns.add_text(f"_dmarc.{domain}", "v=DMARC1; p=reject; pct=100")
    world.sender.publish_dmarc("v=DMARC1; p=none; sp=none")
    refused(world, from_domain(world, domain), sender=f"x@{world.elsewhere}")


@clause("DMARC-21")
def test_the_same_message_has_the_same_outcome_under_pct_50(world: World) -> None:
    world.reconfigure(dmarc_edition="rfc7489")
    world.sender.publish_dmarc("v=DMARC1; p=reject; pct=50")
    outcomes = set()
    for n in range(24):
        message = world.message(f"X-N: {n}")
        classes = {send(world, message).final.code // 100 for _ in range(2)}
        expect(len(classes), 1, f"the number of different outcomes of message {n}")
        outcomes |= classes
    expect(outcomes, {2, 5}, "the classes of the replies to 24 messages")


@clause("DMARC-22")
def test_a_failing_message_is_refused_under_pct_0_in_rfc_9989(world: World) -> None:
    world.sender.publish_dmarc("v=DMARC1; p=reject; pct=0")
    refused(world, world.message())


@clause("DMARC-25")
def test_a_dns_failure_at_a_name_of_one_label_is_no_reason_to_refuse(
    world: World,
) -> None:
    top = f"failing-{world.slot:04d}"
    world.dns.fail(f"_dmarc.{top}", faults.Servfail())
    world.dns.add(f"host.{top}", "A", world.sender.ipv4)
    forwarded(world, from_domain(world, f"host.{top}"))
    require_enforcement(world)


@clause("DMARC-26")
@pytest.mark.parametrize("record", ["v=DMARC1", "v=DMARC1; sp=reject"])
def test_a_record_without_p_is_one_with_p_none(world: World, record: str) -> None:
    world.require("authres")
    world.sender.publish_dmarc(record)
    arrived = forwarded(world, world.message())
    expect(dmarc_result(arrived)[0], "fail", "the DMARC result")


@clause("DMARC-26")
def test_a_subdomain_is_under_sp_of_a_record_without_p(world: World) -> None:
    world.sender.publish_dmarc("v=DMARC1; sp=reject")
    refused(world, from_domain(world, existing_subdomain(world)))


@clause("DMARC-27")
def test_the_policy_of_a_record_of_more_than_8_kib_does_not_apply(
    world: World,
) -> None:
    world.sender.publish_dmarc("v=DMARC1; p=reject; x=".ljust(8193, "x"))
    forwarded(world, world.message())


@clause("DMARC-27")
def test_a_record_of_more_than_8_kib_is_recorded_as_a_permerror(world: World) -> None:
    world.require("authres")
    world.sender.publish_dmarc("v=DMARC1; p=reject; x=".ljust(8193, "x"))
    arrived = forwarded(world, world.message())
    expect(dmarc_result(arrived)[0], "permerror", "the DMARC result")


@clause("DMARC-27")
def test_the_policy_of_a_record_of_8_kib_applies(world: World) -> None:
    world.sender.publish_dmarc("v=DMARC1; p=reject; x=".ljust(8192, "x"))
    refused(world, world.message())


@clause("DMARC-28")
def test_the_refusal_by_p_reject_is_550_5_7_26(world: World) -> None:
    world.sender.publish_dmarc("v=DMARC1; p=reject")
    refused(world, world.message(), 550, enhanced="5.7.26")


@clause("DMARC-28")
def test_the_refusal_by_p_quarantine_is_550_5_7_26(world: World) -> None:
    world.require("dmarc-options")
    world.reconfigure(dmarc_quarantine="reject")
    world.sender.publish_dmarc("v=DMARC1; p=quarantine")
    refused(world, world.message(), 550, enhanced="5.7.26")


@clause("DMARC-28")
def test_the_refusal_for_a_dns_failure_is_451_4_7_0(world: World) -> None:
    world.sender.publish_dmarc("v=DMARC1; p=reject")
    world.dns.fail(world.sender.domain, faults.Servfail(), "TXT")
    delivery = send(world, world.message())
    if not 400 <= delivery.final.code < 500:
        pytest.skip("not put off, which DMARC-13 judges")
    expect_reply(delivery.final, 451, enhanced="4.7.0", to="the message")
