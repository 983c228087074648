"""ARC: one set more on everything that is forwarded, and what a chain that came in is worth."""

from __future__ import annotations

import ipaddress
import re
import time
from collections import Counter

import pytest

from conformance import (
    Seen,
    clause,
    expect,
    expect_in,
    expect_match,
    expect_not_in,
    expect_one_of,
    expect_true,
    fail,
)
from conformance.lab import Message, World
from conformance.suite.acts import forward
from conformance.suite.verifiers import (
    SENDER_RSA,
    Results,
    arc_results,
    arc_results_objection,
    arc_seal,
    arc_seal_until,
    arc_verdict,
    claim,
    own_domain,
    raw_fields,
    results,
    sealed_alone,
    sign,
    tags,
)

SET = ("ARC-Authentication-Results", "ARC-Message-Signature", "ARC-Seal")
MOST_SETS = 50
CLOCKS_DIFFER_MAX_S = 600


def instances(message: Message, name: str = "ARC-Seal") -> Seen[int]:
    """The instances of the fields of a name, top first; 0 for a field without."""
    texts = [tags(value).get("i", "") for _, value in message.fields(name)]
    found = (int(text) if re.fullmatch("[0-9]{1,9}", text) else 0 for text in texts)
    return Seen(found, f"{name} field")


def newest_seal(message: Message) -> dict[str, str]:
    """The tags of the topmost ARC-Seal."""
    return tags(message.fields("ARC-Seal")[0][1])


def newest_signature(message: Message) -> dict[str, str]:
    """The tags of the topmost ARC-Message-Signature."""
    return tags(message.fields("ARC-Message-Signature")[0][1])


def covered(message: Message) -> list[str]:
    """The names that the newest ARC-Message-Signature covers, in small letters."""
    names = newest_signature(message).get("h", "").lower().split(":")
    expect_in("from", names, "h= of the ARC-Message-Signature")
    return names


def chained(world: World, hops: int = 1) -> bytes:
    """A message with an intact chain of the sender's."""
    return arc_seal(world.message(), world.sender.domain, hops)


def added_seals(message: bytes, arrived: Message) -> list[dict[str, str]]:
    """The seals that the service added to those of `message`."""
    seals = [tags(value) for _, value in arrived.fields("ARC-Seal")]
    return seals[: len(seals) - len(raw_fields(message, "ARC-Seal"))]


def recorded(arrived: Message) -> list[str]:
    """The results of arc in Authentication-Results, if there are such."""
    if not arrived.fields("Authentication-Results"):
        return []
    return results(arrived).of("arc")


def judged(world: World, message: bytes) -> tuple[str, Message | None]:
    """What the service makes of a chain, and the message as it arrives: cv= of the seal that it adds,
    else the result that it records; or its refusal of the message, which RFC 8617 5.2.2 permits. The
    words that may be recorded are the business of ARC-14."""
    earlier = len(world.upstream.messages)
    with world.client() as client:
        delivery = client.deliver(world.sender.address, world.info, message)
    if not delivery.accepted:
        return f"refused: {delivery.final.shown}", None
    arrived = world.upstream.wait_for_message(earlier + 1)
    found = [seal.get("cv", "no cv=") for seal in added_seals(message, arrived)]
    found += recorded(arrived)
    return (found[0] if found else "not recorded"), arrived


def extended(world: World, message: bytes) -> Message:
    """The message as it arrives, and with a further set."""
    arrived = forward(world, message=message)
    expect_true(added_seals(message, arrived), "a further ARC set", instances(arrived))
    return arrived


def expect_intact(world: World) -> None:
    """The control of a test of bad chains: a good one is a pass."""
    expect(judged(world, chained(world))[0], "pass", "the result of an intact chain")


def expect_fails(world: World, message: bytes, *others: str) -> None:
    """An intact chain is a pass, that of `message` fails (or has one of `others` as its result)."""
    expect_intact(world)
    result, arrived = judged(world, message)
    if not result.startswith("refused: 5"):
        expect_one_of(result, ("fail", *others), "the ARC result")
    if arrived is not None:
        statuses = [seal.get("cv") for seal in added_seals(message, arrived)]
        for unearned in {"pass", "none"} - set(others):
            expect_not_in(unearned, statuses, "cv= of the seals that are added")
            expect_not_in(unearned, recorded(arrived), "the recorded results of arc")


@clause("ARC-01")
@pytest.mark.parametrize("body", ["Hello.\r\n", "", "a  b \t\r\n\r\n\r\n"])
def test_a_forwarded_message_arrives_with_a_valid_chain(
    world: World, body: str
) -> None:
    arrived = forward(world, message=world.message(body=body))
    for name in SET:
        expect(instances(arrived, name), [1], f"the instances of {name}")
    expect(arc_verdict(arrived.content), "pass", "the chain's status at the receiver")


@clause("ARC-04")
def test_the_first_seal_has_cv_none(world: World) -> None:
    seal = newest_seal(forward(world))
    expect((seal.get("i"), seal.get("cv")), ("1", "none"), "i= and cv= of the seal")


@clause("ARC-02")
@pytest.mark.parametrize(
    ("method", "capability"),
    [("spf", "spf"), ("dkim", "dkim-verify"), ("dmarc", "dmarc")],
)
def test_what_passed_here_is_preserved_in_the_set(
    world: World, method: str, capability: str
) -> None:
    world.require(capability)
    world.sender.publish_dmarc("v=DMARC1; p=none")
    arrived = forward(world, message=sign(world.message(), world.sender.domain))
    expect_in("pass", arc_results(arrived).of(method), f"the results of {method}")


@clause("ARC-02")
def test_what_did_not_pass_here_is_preserved_in_the_set(world: World) -> None:
    world.require("spf")
    world.dns.remove(world.sender.domain, "TXT")
    world.dns.add_text(world.sender.domain, "v=spf1 ~all")
    expect_in("softfail", arc_results(forward(world)).of("spf"), "the results of spf")


@clause("ARC-13")
def test_the_set_contains_all_results_of_this_hop(world: World) -> None:
    world.sender.publish_dmarc("v=DMARC1; p=none")
    arrived = forward(world, message=sign(world.message(), world.sender.domain))
    preserved = Counter(arc_results(arrived).pairs)
    if not arrived.fields("Authentication-Results"):
        pytest.skip("the subject adds no Authentication-Results to compare with")
    missing = Counter(results(arrived).pairs) - preserved
    expect(dict(missing), {}, "results that are not in ARC-Authentication-Results")


@clause("ARC-03")
@pytest.mark.parametrize("hops", [1, 2, 5])
def test_an_intact_chain_is_extended_with_cv_pass(world: World, hops: int) -> None:
    arrived = extended(world, chained(world, hops))
    seal = newest_seal(arrived)
    expect(
        (seal.get("i"), seal.get("cv")),
        (str(hops + 1), "pass"),
        "i= and cv= of the seal",
    )
    expect(arc_verdict(arrived.content), "pass", "the chain's status at the receiver")


@clause("ARC-03")
def test_a_message_that_passes_twice_through_the_service_has_an_intact_chain(
    world: World,
) -> None:
    second = extended(world, forward(world).content)
    expect(instances(second), [2, 1], "the instances")
    expect(arc_verdict(second.content), "pass", "the chain's status at the receiver")


def altered(world: World, what: str, hops: int = 2) -> bytes:
    """A message that was altered after the newest set was added."""
    message = chained(world, hops)
    if what == "body":
        return message + b"Altered.\r\n"
    if what == "field":
        return message.replace(b"Subject: a test", b"Subject: another")
    return message.replace(b"spf=pass", b"spf=fail")


@clause("ARC-11")
@pytest.mark.parametrize("what", ["body", "field"])
@pytest.mark.parametrize("hops", [1, 3])
def test_a_chain_over_what_was_altered_fails(
    world: World, what: str, hops: int
) -> None:
    expect_fails(world, altered(world, what, hops))


@clause("ARC-11")
def test_a_chain_fails_whose_signature_has_another_canonicalization_than_it_says(
    world: World,
) -> None:
    domain, until = world.sender.domain, int(time.time()) + 86400
    as_said, other = (
        arc_seal_until(
            world.message(), domain, "test", SENDER_RSA, until, claimed=claimed
        )
        for claimed in ("relaxed/simple", "simple/simple")
    )
    expect(judged(world, as_said)[0], "pass", "the ARC result as it is said")
    expect_fails(world, other)


@clause("ARC-24")
def test_the_instance_counts_wherever_it_stands_among_the_tags(world: World) -> None:
    domain, until = world.sender.domain, int(time.time()) + 86400
    message = arc_seal_until(
        world.message(), domain, "test", SENDER_RSA, until, instance_first=False
    )
    expect(judged(world, message)[0], "pass", "the result of the chain")


@clause("ARC-15")
@pytest.mark.parametrize("hops", [1, 3])
def test_a_chain_with_altered_results_fails(world: World, hops: int) -> None:
    expect_fails(world, altered(world, "results", hops))


@clause("ARC-14")
@pytest.mark.parametrize("result", ["none", "pass", "fail"])
def test_the_result_of_the_validation_is_recorded(world: World, result: str) -> None:
    if result == "none":
        message = world.message()
    else:
        message = altered(world, "body") if result == "fail" else chained(world)
    expect_intact(world)
    said, arrived = judged(world, message)
    if result == "fail" and said.startswith("refused: 5"):
        pytest.skip("the subject refuses messages with a failed chain")
    if arrived is None:
        fail("a 2xx for the message", said)
    expect(results(arrived).of("arc"), [result], "the recorded results of arc")


def oldest_passes(arrived: Message) -> list[str]:
    """header.oldest-pass of the arc results that have one."""
    if not arrived.fields("Authentication-Results"):
        return []
    found = results(arrived).properties("arc")
    key = "header.oldest-pass"
    return [properties[key] for properties in found if key in properties]


@clause("ARC-23")
@pytest.mark.parametrize("hops", [1, 3])
def test_all_message_signatures_pass_where_nothing_was_altered(
    world: World, hops: int
) -> None:
    expect_oldest_pass(forward(world, message=chained(world, hops)), "0")


@clause("ARC-23")
@pytest.mark.parametrize("hops", [1, 2])
@pytest.mark.parametrize("before", [1, 2])
def test_the_message_signatures_from_before_an_alteration_do_not_pass(
    world: World, hops: int, before: int
) -> None:
    message = altered(world, "field", before)
    message = arc_seal(message, world.sender.domain, hops)
    expect_oldest_pass(forward(world, message=message), str(before + 1))


def expect_oldest_pass(arrived: Message, instance: str) -> None:
    """It has that value where it is recorded."""
    found = oldest_passes(arrived)
    if not found:
        pytest.skip("no oldest-pass is recorded")
    expect(found, [instance], "header.oldest-pass")


@clause("ARC-23")
def test_not_all_message_signatures_pass_where_the_newest_does_not(
    world: World,
) -> None:
    intact = oldest_passes(forward(world, message=chained(world)))
    said, arrived = judged(world, altered(world, "body"))
    if arrived is None:
        pytest.skip(f"the subject does not forward it ({said})")
    found = oldest_passes(arrived)
    if not intact and not found:
        pytest.skip("no oldest-pass is recorded")
    expect_not_in("0", found, "header.oldest-pass of a chain that was altered")


@clause("ARC-05")
@pytest.mark.parametrize("what", ["body", "field", "results", "a set"])
def test_the_seal_of_a_failed_chain_signs_its_own_set_only(
    world: World, what: str
) -> None:
    if what == "a set":
        message = without_set(chained(world, 3), 2)
    else:
        message = altered(world, what)
    expect_intact(world)
    said, arrived = judged(world, message)
    if arrived is None:
        pytest.skip(f"the subject does not forward it ({said})")
    seals = added_seals(message, arrived)
    if not seals or seals[0].get("cv") != "fail":
        pytest.skip("the subject adds no seal that marks the chain as failed")
    expect_true(sealed_alone(arrived), "a seal over its own set alone", seals[0])


@clause("ARC-16")
@pytest.mark.parametrize("hops", [1, 3])
def test_a_failed_chain_gets_a_set_that_says_so(world: World, hops: int) -> None:
    arrived = extended(world, altered(world, "body", hops))
    seal = newest_seal(arrived)
    expect(
        (seal.get("i"), seal.get("cv")),
        (str(hops + 1), "fail"),
        "i= and cv= of the seal",
    )
    status = arc_verdict(arrived.content)
    expect_true(status != "pass", "no pass at the receiver", status)


@clause("ARC-06")
def test_a_chain_marked_as_failed_gets_no_further_set(world: World) -> None:
    extended(world, chained(world))
    marked = chained(world, 2).replace(b"cv=pass", b"cv=fail", 1)
    arrived = forward(world, message=marked)
    expect(instances(arrived), [2, 1], "the instances")


@clause("ARC-07")
def test_a_chain_is_extended_up_to_fifty_sets_and_no_further(world: World) -> None:
    full = chained(world, MOST_SETS)
    fiftieth = extended(world, without_set(full, MOST_SETS))
    expect(instances(fiftieth)[0], MOST_SETS, "the instance added to 49 sets")
    said, arrived = judged(world, full)
    if arrived is None:
        pytest.skip(f"the subject does not forward a chain of 50 sets ({said})")
    expect(instances(arrived)[0], MOST_SETS, "the highest instance")


@clause("ARC-08")
def test_the_seal_has_no_h(world: World) -> None:
    expect_not_in("h", list(newest_seal(forward(world))), "the tags of the seal")


@clause("ARC-20")
def test_the_set_is_made_in_the_name_of_the_service(world: World) -> None:
    arrived = forward(world)
    own = (own_domain(world), world.lab.plan.selector)
    for tag_list in (newest_seal(arrived), newest_signature(arrived)):
        expect((tag_list.get("d"), tag_list.get("s")), own, "d= and s=")


@clause("ARC-21")
def test_the_set_is_signed_with_rsa_sha256(world: World) -> None:
    arrived = forward(world)
    for tag_list in (newest_seal(arrived), newest_signature(arrived)):
        expect(tag_list.get("a"), "rsa-sha256", "a=")


@clause("ARC-34")
@pytest.mark.parametrize("hops", [0, 1])
def test_the_signatures_of_the_set_have_the_time_at_which_it_is_made(
    world: World, hops: int
) -> None:
    arrived = forward(world, message=chained(world, hops))
    for tag_list in (newest_seal(arrived), newest_signature(arrived)):
        made = expect_match("[0-9]{1,12}", tag_list.get("t", "no t="), "t=")
        age = abs(time.time() - int(made.group()))
        expect_true(age < CLOCKS_DIFFER_MAX_S, "t= of the present time", made.group())


@clause("ARC-09")
def test_the_message_signature_covers_dkim_signatures(world: World) -> None:
    arrived = forward(world, message=sign(world.message(), world.sender.domain))
    expect_in("dkim-signature", covered(arrived), "h= of the ARC-Message-Signature")


@clause("ARC-17")
def test_the_message_signature_covers_no_authentication_results(world: World) -> None:
    results_of_another = "Authentication-Results: mx.other.example; none"
    names = covered(forward(world, message=world.message(results_of_another)))
    expect_not_in("authentication-results", names, "h= of the ARC-Message-Signature")


@clause("ARC-18")
def test_the_message_signature_covers_no_arc_field(world: World) -> None:
    names = covered(extended(world, chained(world)))
    for name in SET:
        expect_not_in(name.lower(), names, "h= of the ARC-Message-Signature")


def arrived_from(world: World, family: int) -> tuple[Message, str]:
    """A message that was forwarded for a client of that family, and the client's address."""
    with world.client(family) as client:
        delivery = client.deliver(world.sender.address, world.info, world.message())
    expect_true(delivery.accepted, "a 2xx for the message", delivery.final)
    source = world.sender.ipv4 if family == 4 else world.sender.ipv6
    return world.upstream.wait_for_message(), source


def expect_remote_ip(found: Results, source: str) -> None:
    """The arc result has the client's address, in any spelling."""
    said = found.properties("arc")[0].get("smtp.remote-ip", "no smtp.remote-ip")
    try:
        same = ipaddress.ip_address(said) == ipaddress.ip_address(source)
    except ValueError:
        same = False
    expect_true(same, f"smtp.remote-ip of the arc result: {source}", said)


@clause("ARC-10")
@pytest.mark.parametrize("family", [4, 6])
def test_the_results_have_the_clients_address(world: World, family: int) -> None:
    arrived, source = arrived_from(world, family)
    expect_remote_ip(results(arrived), source)


@clause("ARC-22")
@pytest.mark.parametrize("family", [4, 6])
def test_the_set_has_the_clients_address(world: World, family: int) -> None:
    arrived, source = arrived_from(world, family)
    expect_remote_ip(arc_results(arrived), source)


def expect_syntax_of_results(arrived: Message) -> None:
    """Those of the newest set are in the syntax of RFC 8617 4.1.1."""
    field = arrived.fields("ARC-Authentication-Results")[0][1]
    objection = arc_results_objection(field)
    expect_true(
        objection is None, "the syntax of RFC 8617 4.1.1", f"{objection} in: {field}"
    )


@clause("ARC-19")
@pytest.mark.parametrize("family", [4, 6])
def test_the_results_in_the_set_have_the_syntax_of_authentication_results(
    world: World, family: int
) -> None:
    expect_syntax_of_results(arrived_from(world, family)[0])


@clause("ARC-19")
@pytest.mark.parametrize("octet", ['"', ","])
def test_the_results_in_the_set_have_their_syntax_whatever_a_signature_claims(
    world: World, octet: str
) -> None:
    domain = world.sender.domain
    message = claim(world.message(), domain, f"ann@a{octet}b.{domain}")
    expect_syntax_of_results(forward(world, message=message))


def without(message: bytes, name: str, instance: int) -> bytes:
    """`message` without a field of one ARC set."""
    field = rf"^{name}:(?=[^\r]*\bi={instance};)[^\r]*\r\n(?:[ \t][^\r]*\r\n)*"
    shorter, count = re.subn(field.encode(), b"", message, count=1, flags=re.M)
    if count != 1:
        raise RuntimeError(f"no {name} of instance {instance}")
    return shorter


def without_set(message: bytes, instance: int) -> bytes:
    """`message` without one ARC set."""
    for name in SET:
        message = without(message, name, instance)
    return message


@clause("ARC-12")
@pytest.mark.parametrize("instance", [1, 2])
@pytest.mark.parametrize("name", SET)
def test_a_chain_that_lacks_a_field_fails(
    world: World, name: str, instance: int
) -> None:
    expect_fails(world, without(chained(world, 2), name, instance))


@clause("ARC-12")
def test_a_chain_that_lacks_a_whole_set_fails(world: World) -> None:
    expect_fails(world, without_set(chained(world, 3), 2))


@clause("ARC-12")
def test_a_chain_with_a_doubled_set_fails(world: World) -> None:
    message = chained(world)
    start = message.index(b"From:")
    expect_fails(world, message[:start] + message)


@clause("ARC-12")
@pytest.mark.parametrize("instance", [b"0", b"51", b"x", b"", b"-1"])
def test_a_chain_with_an_impossible_instance_fails(
    world: World, instance: bytes
) -> None:
    # Fields without an instance may also be taken for no chain at all.
    message = re.sub(rb"\bi=1;", b"i=" + instance + b";", chained(world))
    expect_fails(world, message, "none")
