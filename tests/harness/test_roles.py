"""A subject in the roles of a sender and a receiver: how it is described and run, what the lab has for it,
and what reports say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from conformance.clauses import load_catalogue
from conformance.lab.mailroom import commands_of
from conformance.lab.plan import make_plan
from conformance.matrix import MatrixError, parts_of
from conformance.subjects import plan_file
from conformance.subjects.base import ROLES
from conformance.subjects.description import describe, faults_by_schema
from conformance.subjects.known import Hint, KnownFailure

from running import ROOT, Conform

# The service in front of a receiver.
RELAY = ROOT / "build" / "relay" / "fairlead"

# A mail provider in forty lines: it delivers by LMTP, and sends what is submitted to the first MX host.
START = """#!/usr/bin/python3
import asyncio, json, smtplib, sys
from aiosmtpd.smtp import SMTP
plan = json.load(open(sys.argv[1]))
class Handler:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.lower() not in plan["mailboxes"]:
            return "550 5.1.1 unknown"
        envelope.rcpt_tos.append(address)
        return "250 ok"
    async def handle_DATA(self, server, session, envelope):
        def deliver():
            with smtplib.LMTP(plan["lmtp"]["host"], plan["lmtp"]["port"]) as client:
                client.ehlo()
                client.mail(envelope.mail_from)
                for recipient in envelope.rcpt_tos:
                    client.rcpt(recipient)
                replies = [client.data(envelope.original_content)]
                replies += [client.getreply() for _ in envelope.rcpt_tos[1:]]
                return [code for code, _ in replies]
        codes = await asyncio.get_running_loop().run_in_executor(None, deliver)
        return "250 ok" if max(codes) == 250 else "451 not all"
async def main():
    loop = asyncio.get_running_loop()
    make = lambda: SMTP(Handler(), hostname=plan["hostname"], loop=loop)
    for address in (plan["ipv4"], plan["ipv6"]):
        await loop.create_server(make, address, plan["port"])
    await asyncio.Event().wait()
asyncio.run(main())
"""
SUBMIT = """#!/usr/bin/python3
import json, os, smtplib, sys
import dns.resolver
sender, recipients, file = sys.argv[1:]
plan = json.load(open(os.environ["PLAN"]))
resolver = dns.resolver.Resolver(configure=False)
resolver.nameservers = [plan["resolver"]]
content = open(file, "rb").read().replace(b"\\n", b"\\r\\n")
for recipient in recipients.split(","):
    hosts = sorted(resolver.resolve(recipient.partition("@")[2], "MX"), key=lambda mx: mx.preference)
    address = resolver.resolve(hosts[0].exchange, "A")[0].to_text()
    with smtplib.SMTP(address, 25, plan["ehlo"], source_address=(plan["ipv4"], 0)) as client:
        client.sendmail(sender, [recipient], content)
"""
DESCRIPTION = """schema: 1
name: mine
roles: [sender, receiver]
capabilities: [ipv6, queue]
receiver: {capabilities: [ipv6, in-session], title: Mine as receiver}
"""


@pytest.fixture
def provider(tmp_path: Path) -> Path:
    """The folder of that provider."""
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "subject.yaml").write_text(DESCRIPTION)
    for name, text in (("start", START), ("submit", SUBMIT)):
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    return folder


def gating(role: str) -> str:
    """A clause of that role which every subject is held to."""
    clauses = load_catalogue().values()
    return next(
        c.id for c in clauses if role in c.roles and c.gates and not c.capability
    )


# What a folder says


def test_what_is_different_in_a_role_stands_under_its_name(provider: Path) -> None:
    assert describe(provider, "sender").capabilities == {"ipv6", "queue"}
    receiver = describe(provider, "receiver")
    assert receiver.capabilities == {"ipv6", "in-session"}
    assert receiver.title == "Mine as receiver"


def test_a_sender_needs_a_way_to_submit(provider: Path, conform: Conform) -> None:
    (provider / "submit").unlink()
    run = conform("", "--check-subject", str(provider))
    assert (
        run.status == 2 and "role `sender` needs an executable `submit`" in run.errors
    )


@pytest.mark.parametrize("role", ROLES)
def test_the_plan_of_every_role_is_as_its_schema_says(role: str) -> None:
    document = json.loads(json.dumps(plan_file.document(make_plan(2, role))))
    assert faults_by_schema(document, "plan") == []
    assert document["role"] == role
    domains = {box.partition("@")[2] for box in document["mailboxes"]}
    assert set(document["mailbox_domains"]) == domains
    assert bool(document["mailboxes"]) == (role != "relay")
    assert bool(document["zones"]) == (role == "relay")


def test_a_known_failure_explains_every_role_and_is_due_as_a_relay() -> None:
    plain = KnownFailure("DLG-01", "*", "right", "because")
    shared, own = ("relay", "receiver"), ("receiver",)
    assert plain.holds_in("relay") and plain.holds_in("receiver")
    assert plain.is_due_in("relay", shared) and plain.is_due_in("receiver", own)
    assert not plain.is_due_in("receiver", shared)
    said = KnownFailure("DLG-01", "*", "right", "because", role="receiver")
    assert said.holds_in("receiver") and not said.holds_in("relay")
    assert said.is_due_in("receiver", shared)


def test_a_hint_is_for_the_clauses_and_the_role_that_it_names() -> None:
    hint = Hint("RCV-*", "turn it off", "receiver")
    assert hint.helps(["RCV-07"], "receiver")
    assert not hint.helps(["DLG-01"], "receiver")
    assert not hint.helps(["RCV-07"], "relay")


# Which runs there are


def test_a_subject_is_run_in_every_role_that_it_declares(provider: Path) -> None:
    parts = parts_of([str(provider)], Path("r"), [], ROLES, several=False)
    assert [(part.role, part.report) for part in parts] == [
        ("sender", Path("r/sender")),
        ("receiver", Path("r/receiver")),
    ]


def test_only_the_roles_that_a_selected_clause_names_are_run(provider: Path) -> None:
    parts = parts_of([str(provider)], Path("r"), [], ["receiver"])
    assert [str(part) for part in parts] == ["mine as receiver"]


def test_a_role_that_is_not_declared_is_refused(provider: Path) -> None:
    with pytest.raises(MatrixError, match="does not declare the role relay"):
        parts_of([str(provider)], Path("r"), ["relay"], ROLES, several=False)


def test_a_relay_alone_has_its_report_where_it_always_was() -> None:
    (part,) = parts_of(["reference"], Path("r"), [], ROLES)
    assert (part.role, part.report, str(part)) == (
        "relay",
        Path("r/reference"),
        "reference",
    )


@pytest.mark.parametrize("arguments", [["--role", "cook"], ["--role", ","]])
def test_a_role_that_there_is_not_is_a_usage_error(
    conform: Conform, arguments: list[str]
) -> None:
    run = conform("", *arguments)
    assert run.status == 2 and "--role" in run.errors


def test_a_target_is_judged_as_a_relay(conform: Conform) -> None:
    run = conform("", "--target", "127.0.0.1:25", "--role", "sender")
    assert run.status == 2 and "judged as a relay" in run.errors


# What the lab has


def test_several_roles_are_one_matrix_with_a_block_each(
    provider: Path, conform: Conform
) -> None:
    suite = f"""
from conformance import also_as, expect_reply

@also_as("sender")
@clause("{gating('sender')}")
def test_it_is_sent(world):
    assert world.client().deliver(world.author, world.info, world.message()).accepted
    arrived = world.upstream.wait_for_message()
    expect(arrived.sender, world.author, "the reverse-path")
    expect(arrived.dialogue.peer_address, world.lab.plan.ipv4, "where it came from")

@also_as("receiver")
@clause("{gating('receiver')}")
def test_it_is_received(world):
    assert world.forward().accepted
    arrived = world.inbox.wait_for_message_at(world.mailbox)
    assert arrived.sender.startswith("SRS0=") and arrived.sender.endswith(world.zone)
    with world.client() as client:
        refused = client.deliver(world.sender.address, f"no@{{world.destination}}", world.message())
    expect_reply(refused.final, 550)
"""
    run = conform(suite, "--subject", str(provider), binary=RELAY)
    assert run.status == 0, run.output + run.errors
    for role in ("sender", "receiver"):
        results = json.loads((run.report / role / "results.json").read_text())
        assert results["role"] == role
        assert [t["outcome"] for t in results["tests"]] == ["pass"], results["tests"]
        assert {role in clause["roles"] for clause in results["clauses"]} == {True}
    page = (run.report / "matrix.html").read_text()
    assert "As sender" in page and "As receiver" in page


def test_each_mailbox_has_its_own_reply_and_its_own_message(
    provider: Path, conform: Conform
) -> None:
    run = conform(
        f"""
from conformance import also_as, expect_reply
from conformance.lab import say

@also_as("receiver")
@clause("{gating('receiver')}")
def test_it(world):
    world.inbox.on("end", say("452 4.2.2 full"), recipient=world.other)
    with world.client() as client:
        both = [world.info, world.other]
        delivery = client.deliver(world.sender.address, both, world.message())
    expect_reply(delivery.final, 451)
    expect(len(world.inbox.messages), 2, "messages")
    expect(len(world.inbox.at(world.info)), 1, "accepted at the one")
    expect(len(world.inbox.at(world.other)), 0, "accepted at the other")
""",
        "--subject",
        str(provider),
        "--role",
        "receiver",
        binary=RELAY,
    )
    assert run.status == 0, run.output + run.errors


def test_a_hint_of_the_folder_is_shown_at_its_failure(
    provider: Path, conform: Conform
) -> None:
    clause = gating("receiver")
    hint = "Say 250 instead, in the settings of the listener."
    (provider / "hints.yaml").write_text(f"- {{clause: {clause}, hint: '{hint}'}}\n")
    run = conform(
        f"""
from conformance import also_as

@also_as("receiver")
@clause("{clause}")
def test_it(world): expect(1, 2, "a number")
""",
        "--subject",
        str(provider),
        "--role",
        "receiver",
        binary=RELAY,
    )
    assert run.status == 1
    assert run.results["tests"][0]["hint"] == hint
    assert hint in run.output
    assert hint in (run.report / "index.html").read_text()


def test_a_transaction_for_another_test_is_none_of_this_one() -> None:
    late = [b"MAIL FROM:<a@a>", b"RCPT TO:<x@d-0001.example>", b"DATA"]
    own = [b"MAIL FROM:<b@b>", b"RCPT TO:<x@d-0002.example>", b"DATA"]

    def is_ours(recipient: str) -> bool:
        return recipient == "x@d-0002.example"

    said = [b"LHLO mx", *late, *own, *late[:2]]
    assert commands_of(said, is_ours) == [b"LHLO mx", *own]
    # Of a transaction without a recipient nothing is known before its end.
    assert commands_of([b"MAIL FROM:<c@c>"], is_ours) == []
    assert commands_of([b"MAIL FROM:<c@c>", b"RSET"], is_ours) == [
        b"MAIL FROM:<c@c>",
        b"RSET",
    ]
