"""Authentication-Results fields that claim to be the subject's own, and what becomes of them."""

from __future__ import annotations

import re

from conformance import expect_not_in
from conformance.lab import Message, World
from conformance.suite.acts import forward

MARK = "forged.example"


def results(message: Message) -> list[str]:
    return [value for _, value in message.fields("Authentication-Results")]


def own_id(world: World) -> str:
    """The authserv-id under which the subject records its own results."""
    genuine = forward(world).fields("Authentication-Results")[0][1]
    words = re.sub(r"\([^()]*\)", " ", genuine).split(";")[0].split() or [""]
    return words[0].strip('"')


def expect_removed(world: World, template: str) -> None:
    """A field in the subject's own name does not arrive, or the message is refused."""
    authserv_id = own_id(world)
    field = template.format(id=authserv_id, ID=authserv_id.upper(), mark=MARK)
    with world.client() as client:
        delivery = client.deliver(
            world.sender.address, world.info, f"{field}\r\n".encode() + world.message()
        )
        client.quit()
    if delivery.end is not None and delivery.end.permanent:
        return  # as safe
    arrived = world.upstream.wait_for_message(2)
    expect_not_in(
        MARK, "\n".join(results(arrived)), "the Authentication-Results fields"
    )
