"""Authentication-Results fields that claim to be the subject's own, and what becomes of them."""

from __future__ import annotations

import re
from base64 import b64encode

from conformance import expect_not_in, expect_true, fail
from conformance.lab import Message, World
from conformance.suite.acts import forward

MARK = "forged.example"


def results(message: Message) -> list[str]:
    return [value for _, value in message.fields("Authentication-Results")]


def own_id(world: World) -> str:
    """The authserv-id under which the subject records its own results."""
    return _id_of(results(forward(world)))


def _id_of(genuine: list[str]) -> str:
    if not genuine:
        fail("an Authentication-Results field of the subject's own", "none")
    words = re.sub(r"\([^()]*\)", " ", genuine[0]).split(";")[0].split() or [""]
    return words[0].strip('"')


def expect_removed(world: World, template: str) -> None:
    """A field in the subject's own name does not arrive, and its own results do; or the message is refused."""
    genuine = results(forward(world))
    authserv_id = _id_of(genuine)
    field = template.format(
        id=authserv_id,
        ID=authserv_id.upper(),
        base64=b64encode(authserv_id.encode("ascii")).decode("ascii"),
        mark=MARK,
    )
    with world.client() as client:
        delivery = client.deliver(
            world.sender.address, world.info, f"{field}\r\n".encode() + world.message()
        )
        client.quit()
    if delivery.end is not None and delivery.end.permanent:
        return  # as safe
    left = results(world.upstream.wait_for_message(2))
    expect_not_in(MARK, "\n".join(left), "the Authentication-Results fields")
    expect_true(
        _methods(left) >= _methods(genuine),
        f"the subject's own results beside the forged ones: {sorted(_methods(genuine))}",
        left,
    )


def _methods(fields: list[str]) -> set[str]:
    """Of what there is a result."""
    return set(re.findall(r";\s*([a-z-]+)\s*=", "\n".join(fields)))
