"""An example of how tests look; it goes when the suite is there."""

from conformance import clause, expect, expect_in, expect_reply, expect_true
from conformance.lab import World, hang_up, hold, say


@clause("EX-01")
def test_a_message_is_forwarded_byte_for_byte(world: World) -> None:
    message = world.message()
    with world.client() as client:
        delivery = client.deliver(world.sender.address, world.info, message)
    expect_true(delivery.accepted, "a 250 for the message", delivery.final)
    arrived = world.upstream.wait_for_message()
    expect(arrived.recipients, [world.mailbox], "the forward-path upstream")
    expect_true(
        arrived.content.endswith(message), "the original at its end", arrived.content
    )
    expect(len(arrived.fields("Received")), 1, "the number of Received fields")


@clause("EX-02")
def test_an_upstreams_refusal_of_the_recipient_comes_back_in_session(
    world: World,
) -> None:
    world.upstream.on(
        "rcpt", say("550-5.1.1 nobody\n550 5.1.1 by that name"), recipient=world.mailbox
    )
    with world.client() as client:
        expect_reply(client.mail(world.sender.address), 250)
        reply = client.rcpt(world.info)
        expect_reply(
            reply, 550, enhanced="5.1.1", text="nobody\nby that name", to="RCPT"
        )
        client.quit()


@clause("EX-03")
def test_an_upstream_that_dies_in_mid_data_makes_a_temporary_error(
    world: World,
) -> None:
    world.upstream.on("content", hang_up(), after=1)
    with world.client() as client:
        delivery = client.deliver(world.sender.address, world.info, world.message())
    expect_reply(delivery.final, 451, to="the end of data")
    dialogue = world.upstream.wait_for_dialogue()
    dialogue.wait_until_closed(world.patience)
    expect(dialogue.messages, [], "messages that reached their end upstream")


@clause("EX-04")
def test_no_250_before_the_upstream_has_given_one(world: World) -> None:
    gate = hold()
    world.upstream.on("end", gate)
    with world.client() as client:
        client.mail(world.sender.address)
        client.rcpt(world.info)
        client.data()
        client.send(world.message() + b".\r\n")
        gate.wait_until_reached(world.patience)
        gate.release()
        expect_reply(client.read_reply(), 250, to="the end of data")
    expect_in("MAIL", world.upstream.dialogues[0].verbs, "the commands upstream")
