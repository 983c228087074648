"""STARTTLS that the service offers and that fails: encryption is opportunistic, and the mail arrives."""

from __future__ import annotations

import pytest

from conformance import clause, expect
from conformance.lab import SenderWorld, hang_up, raw, say
from conformance.lab.script import Action
from conformance.suite.sender.acts import delivered, one_host, sent

FAULTS: dict[str, list[Action]] = {
    "454": [say("454 4.7.0 TLS not available due to temporary reason")],
    "502": [say("502 5.5.1 cannot")],
    "garbage": [raw(b"220 2.0.0 go\r\nno TLS at all\r\n"), hang_up()],
    "hang-up": [say("220 2.0.0 go"), hang_up()],
}


@clause("TLS-14")
@pytest.mark.parametrize("fault", list(FAULTS))
def test_mail_arrives_at_a_host_whose_starttls_fails(
    world: SenderWorld, fault: str
) -> None:
    host = one_host(world)
    host.offer_starttls()
    host.on("starttls", *FAULTS[fault])
    sent(world)
    arrived = delivered(world, host)
    if "STARTTLS" not in host.verbs:
        pytest.skip("the subject did not try the host's STARTTLS (see TLS-11)")
    expect(arrived.dialogue.tls, None, "the version of TLS")
