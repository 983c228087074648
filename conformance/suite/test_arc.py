"""ARC: one set more on everything that is forwarded, and what a chain that came in is worth."""

from __future__ import annotations

import re

import pytest

from conformance import (
    clause,
    expect,
    expect_in,
    expect_match,
    expect_not_in,
    expect_true,
)
from conformance.lab import Message, World
from conformance.suite.acts import forward
from conformance.suite.verifiers import (
    arc_results,
    arc_seal,
    arc_verdict,
    own_domain,
    results,
    sealed_alone,
    sign,
    tags,
)

SET = ("ARC-Authentication-Results", "ARC-Message-Signature", "ARC-Seal")
MOST_SETS = 50


def instances(message: Message, name: str = "ARC-Seal") -> list[int]:
    """The instances of the fields of a name, top first."""
    found = []
    for _, value in message.fields(name):
        match = re.match(r"\s*i\s*=\s*([0-9]+)|.*;\s*i\s*=\s*([0-9]+)", value, re.S)
        found.append(int((match and (match.group(1) or match.group(2))) or 0))
    return found


def newest_seal(message: Message) -> dict[str, str]:
    """The tags of the topmost ARC-Seal."""
    return tags(message.fields("ARC-Seal")[0][1])


def chained(world: World, hops: int = 1) -> bytes:
    """A message with an intact chain of the sender's."""
    return arc_seal(world.message(), world.sender.domain, hops)


def recorded(world: World, message: bytes) -> tuple[str, Message]:
    """The ARC result that is recorded of a forwarded message, and the message."""
    arrived = forward(world, message=message)
    expect(len(results(arrived).of("arc")), 1, "the number of ARC results")
    return results(arrived).of("arc")[0], arrived


def failed_chain(world: World, message: bytes, instance: int) -> None:
    """The chain is recorded as failed and sealed so, as that instance, over the one set."""
    result, arrived = recorded(world, message)
    expect(result, "fail", "the ARC result")
    seal = newest_seal(arrived)
    expect((seal["i"], seal["cv"]), (str(instance), "fail"), "i= and cv= of the seal")
    expect_true(sealed_alone(arrived), "a seal over its own set alone", seal)
    status = arc_verdict(arrived.content)
    expect_true(status != "pass", "no pass at the receiver", status)


@clause("ARC-01", "ARC-04")
@pytest.mark.parametrize("body", ["Hello.\r\n", "", "a  b \t\r\n\r\n\r\n"])
def test_a_message_without_a_chain_gets_the_first_set(world: World, body: str) -> None:
    arrived = forward(world, message=world.message(body=body))
    for name in SET:
        expect(instances(arrived, name), [1], f"the instances of {name}")
    expect(newest_seal(arrived)["cv"], "none", "cv= of the seal")
    expect(arc_verdict(arrived.content), "pass", "the chain's status at the receiver")


@clause("ARC-02")
def test_the_results_of_this_hop_are_preserved_in_its_set(world: World) -> None:
    world.sender.publish_dmarc("v=DMARC1; p=none")
    arrived = forward(world, message=sign(world.message(), world.sender.domain))
    preserved, field = arc_results(arrived), results(arrived)
    expect(preserved.authserv_id, field.authserv_id, "the authserv-id")
    for method in ("spf", "dkim", "dmarc", "arc"):
        expect(preserved.of(method), field.of(method), f"the results of {method}")
    expect(preserved.of("dkim"), ["pass"], "the results of dkim")
    expect(preserved.of("dmarc"), ["pass"], "the results of dmarc")
    expect(preserved.dkim(), {world.sender.domain: "pass"}, "DKIM results by domain")


@clause("ARC-02", "ARC-10")
def test_what_failed_here_is_preserved_as_failed(world: World) -> None:
    stranger = world.new_client_addresses()[0]
    with world.client(source=stranger) as client:
        client.deliver(world.sender.address, world.info, world.message())
    preserved = arc_results(world.upstream.wait_for_message())
    expect(preserved.of("spf"), ["fail"], "the results of spf")
    expect(preserved.of("dkim"), ["none"], "the results of dkim")


@clause("ARC-03", "ARC-12")
@pytest.mark.parametrize("hops", [1, 2, 5])
def test_an_intact_chain_is_a_pass_and_extended(world: World, hops: int) -> None:
    result, arrived = recorded(world, chained(world, hops))
    expect(result, "pass", "the ARC result")
    expect(arc_results(arrived).of("arc"), ["pass"], "the result in the new set")
    expect(instances(arrived), list(range(hops + 1, 0, -1)), "the instances")
    expect(newest_seal(arrived)["cv"], "pass", "cv= of the seal")
    expect(arc_verdict(arrived.content), "pass", "the chain's status at the receiver")


@clause("ARC-03")
def test_a_message_that_passes_twice_through_the_service_is_an_intact_chain(
    world: World,
) -> None:
    first = forward(world)
    with world.client() as client:
        client.deliver(world.sender.address, world.info, first.content)
    second = world.upstream.wait_for_message(2)
    expect(instances(second), [2, 1], "the instances")
    expect(arc_verdict(second.content), "pass", "the chain's status at the receiver")


def with_cv_fail(world: World) -> bytes:
    """A message whose newest set says cv=fail."""
    message = chained(world, 2)
    return message.replace(b"cv=pass", b"cv=fail", 1)


@clause("ARC-05", "ARC-11")
@pytest.mark.parametrize("hops", [1, 3])
def test_a_chain_over_an_altered_body_fails(world: World, hops: int) -> None:
    failed_chain(world, chained(world, hops) + b"Altered.\r\n", hops + 1)


@clause("ARC-05", "ARC-11")
def test_a_chain_over_an_altered_field_fails(world: World) -> None:
    message = chained(world).replace(b"Subject: a test", b"Subject: another")
    failed_chain(world, message, 2)


@clause("ARC-05")
def test_a_chain_with_altered_results_fails(world: World) -> None:
    message = chained(world, 2).replace(b"spf=pass", b"spf=fail")
    failed_chain(world, message, 3)


@clause("ARC-06")
def test_a_chain_marked_failed_gets_no_further_set(world: World) -> None:
    message = with_cv_fail(world)
    result, arrived = recorded(world, message)
    expect(result, "fail", "the ARC result")
    expect(instances(arrived), [2, 1], "the instances")
    expect_true(arrived.content.endswith(message), "the original", arrived.header)


@clause("ARC-07")
def test_a_chain_of_fifty_sets_gets_no_further_one(world: World) -> None:
    _, arrived = recorded(world, chained(world, MOST_SETS))
    expect(instances(arrived), list(range(MOST_SETS, 0, -1)), "the instances")


@clause("ARC-08")
def test_the_seal_is_the_services_and_has_the_tags_it_may_have(world: World) -> None:
    seal = newest_seal(forward(world))
    expect(seal["d"], own_domain(world), "d=")
    expect(seal["a"], "rsa-sha256", "a=")
    expect_not_in("h", list(seal), "the tags of the seal")
    expect(
        set(seal) - {"i", "a", "b", "d", "s", "t", "cv"}, set(), "tags it may not have"
    )


@clause("ARC-09")
def test_the_message_signature_covers_the_services_dkim_signature_and_no_seal(
    world: World,
) -> None:
    arrived = forward(world)
    signature = tags(arrived.fields("ARC-Message-Signature")[0][1])
    names = signature["h"].lower().split(":")
    expect_in("dkim-signature", names, "h= of the message signature")
    expect_in("from", names, "h= of the message signature")
    expect_not_in("arc-seal", names, "h= of the message signature")
    expect(signature["d"], own_domain(world), "d=")


@clause("ARC-10")
@pytest.mark.parametrize("family", [4, 6])
def test_the_set_tells_the_clients_address(world: World, family: int) -> None:
    with world.client(family) as client:
        client.deliver(world.sender.address, world.info, world.message())
    arrived = world.upstream.wait_for_message()
    value = arrived.fields("ARC-Authentication-Results")[0][1]
    pattern = r'"[0-9a-fA-F:]+"' if family == 6 else r'"?[0-9.]+"?'
    expect_match(rf".*\bsmtp\.remote-ip={pattern}.*", value, "the results")


def without(message: bytes, name: str, instance: int) -> bytes:
    """`message` without a field of one ARC set."""
    field = rf"^{name}:(?=[^\r]*\bi={instance};)[^\r]*\r\n(?:[ \t][^\r]*\r\n)*"
    shorter, count = re.subn(field.encode(), b"", message, count=1, flags=re.M)
    assert count == 1, f"no {name} of instance {instance}"
    return shorter


@clause("ARC-12", "ARC-05")
@pytest.mark.parametrize("instance", [1, 2])
@pytest.mark.parametrize("name", SET)
def test_a_chain_that_lacks_a_field_fails(
    world: World, name: str, instance: int
) -> None:
    failed_chain(world, without(chained(world, 2), name, instance), 3)


@clause("ARC-12", "ARC-05")
def test_a_chain_that_lacks_a_whole_set_fails(world: World) -> None:
    message = chained(world, 3)
    for name in SET:
        message = without(message, name, 2)
    failed_chain(world, message, 4)


@clause("ARC-12")
def test_a_chain_with_a_doubled_set_fails(world: World) -> None:
    message = chained(world)
    start = message.index(b"From:")
    failed_chain(world, message[:start] + message, 2)


@clause("ARC-12")
@pytest.mark.parametrize("instance", [b"0", b"51", b"x", b"", b"-1"])
def test_a_chain_with_an_impossible_instance_fails(
    world: World, instance: bytes
) -> None:
    message = re.sub(rb"\bi=1;", b"i=" + instance + b";", chained(world))
    result, arrived = recorded(world, message)
    expect(result, "fail", "the ARC result")
    for seal in arrived.fields("ARC-Seal"):
        expect_not_in("cv=pass", seal[1], "the seals")
