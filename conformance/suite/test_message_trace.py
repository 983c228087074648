"""The Received field (RFC 5321 4.4), and the other fields that are put on top of a message. The catalogue
file is message.yaml, as for test_message.py.

Received fields are read in every spelling that the grammar allows, see received.py.
"""

from __future__ import annotations

import ipaddress
import re
from datetime import datetime, timedelta, timezone

import pytest

from conformance import (
    also_as,
    clause,
    expect,
    expect_in,
    expect_match,
    expect_not_in,
    expect_one_of,
    expect_reply,
    expect_true,
    fail,
)
from conformance.lab import Message, World
from conformance.suite.acts import (
    DOMAIN,
    DOT_STRING,
    QUOTED_STRING,
    forward,
    open_transaction,
)
from conformance.suite.forged import expect_removed, results
from conformance.suite.dialogue import octets_to_a_final_line
from conformance.suite.received import GRAMMAR, Received, added, tokens
from conformance.suite.verifiers import (
    Results,
    claim,
    own_results,
    parts,
    results_objection,
    sign,
    unquoted,
    written_values,
)

CLOCKS_DIFFER_MAX = timedelta(minutes=10)
FIRST = "X-First: of the original"


def forwarded_after(
    world: World, greeting: str, count: int = 1
) -> list[Received] | None:
    """The Received fields of a message, the test's `count`th, sent after `greeting`; None if the
    subject refuses that."""
    with world.client(greet=False) as client:
        client.banner()
        reply = client.command(greeting)
        if not reply.positive:
            return None
        delivery = client.deliver(world.sender.address, world.info, world.message())
        expect_reply(delivery.end, "2xx", to="the end of DATA")
        client.quit()
    return added(world.upstream.wait_for_message(count))


def from_clauses(fields: list[Received]) -> str:
    """All FROM clauses, in small letters."""
    return " / ".join(field.clause("from") for field in fields).lower()


def words(fields: list[Received], keyword: str) -> list[str]:
    """The first words of these clauses in small letters, where they are."""
    return [f.word(keyword).lower() for f in fields if keyword in f.clauses]


@also_as("receiver")
@clause("MSG-01")
def test_a_received_field_is_put_above_the_original_fields(world: World) -> None:
    message = FIRST.encode("ascii") + b"\r\n" + world.message()
    names = [name for name, _ in forward(world, message=message).fields()]
    expect_in("X-First", names, "the names of the fields")
    above = [name.lower() for name in names[: names.index("X-First")]]
    expect_in("received", above, "the fields above the original ones")


@also_as("receiver")
@clause("MSG-17")
def test_earlier_received_fields_stay_as_they_are_below_the_new_one(
    world: World,
) -> None:
    trace = [
        f"from {letter}.example ([203.0.113.5])  by b.example\twith SMTP; "
        "Mon, 23 Nov 2026 12:00:00 +0000"
        for letter in "xyz"
    ]
    message = "".join(f"Received: {value}\r\n" for value in trace).encode("ascii")
    arrived = forward(world, message=message + world.message())
    values = [value for _, value in arrived.fields("Received")]
    expect(values[-3:], trace, "the last three Received fields")
    expect_true(len(values) > 3, "a new Received field above them", values)


@also_as("receiver")
@clause("MSG-02")
@pytest.mark.parametrize("name", ["mail.client.example", "[203.0.113.77]"])
def test_the_from_clause_has_the_name_given_and_the_clients_address(
    world: World, name: str
) -> None:
    fields = forwarded_after(world, f"EHLO {name}")
    if fields is None and name.startswith("["):
        return  # whoever refuses a literal has no message to record it in
    clauses = from_clauses(fields or [])
    expect_in(name, clauses, "the FROM clause")
    expect_in(f"[{world.sender.ipv4}]", clauses, "the FROM clause")


def forwarded_over_ipv6(world: World) -> list[Received]:
    with world.client(6) as client:
        delivery = client.deliver(world.sender.address, world.info, world.message())
        expect_reply(delivery.end, "2xx", to="the end of DATA")
        client.quit()
    return added(world.upstream.wait_for_message())


@also_as("receiver")
@clause("MSG-27")
def test_the_from_clause_has_the_address_of_an_ipv6_client(world: World) -> None:
    clauses = from_clauses(forwarded_over_ipv6(world))
    address = ipaddress.ip_address(world.sender.ipv6)
    found = [as_address(literal) for literal in literals(clauses)]
    expect_in(address, found, f"the addresses in the FROM clause {clauses!r}")


@also_as("receiver")
@clause("MSG-06")
def test_the_literal_of_an_ipv6_client_has_its_tag(world: World) -> None:
    clauses = from_clauses(forwarded_over_ipv6(world))
    address = ipaddress.ip_address(world.sender.ipv6)
    found = [literal for literal in literals(clauses) if as_address(literal) == address]
    if not found:
        pytest.skip(f"the client's address is no literal in the field: {clauses}")
    for literal in found:
        expect_match("ipv6:.*", literal, "an address literal")


def literals(text: str) -> list[str]:
    """What stands in square brackets."""
    return [str(literal) for literal in re.findall(r"\[([^][\s]+)\]", text)]


def as_address(literal: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address of a literal, with or without its tag; None if it has none."""
    try:
        return ipaddress.ip_address(literal.lower().removeprefix("ipv6:"))
    except ValueError:
        return None


@also_as("receiver")
@clause("MSG-03")
def test_the_received_field_has_a_by_clause(world: World) -> None:
    for field in added(forward(world)):
        expect_match(
            r"\[[^][]+\]|[A-Za-z0-9_.-]+", field.word("by"), "the name in the BY clause"
        )


@also_as("receiver")
@clause("MSG-22")
def test_the_by_clause_has_the_name_of_the_banner(world: World) -> None:
    with world.client(greet=False) as client:
        name = (client.banner().text.split() or [""])[0].lower()
    expect_in(name, words(added(forward(world)), "by"), "the names in BY clauses")


@also_as("receiver")
@clause("MSG-04")
@pytest.mark.parametrize(("verb", "protocol"), [("HELO", "smtp"), ("EHLO", "esmtp")])
def test_the_with_clause_tells_smtp_from_esmtp(
    world: World, verb: str, protocol: str
) -> None:
    fields = forwarded_after(world, f"{verb} mail.client.example")
    if fields is None:
        fail(f"{verb} accepted", "a refusal")
    expect_in(protocol, words(fields, "with"), "the words of WITH clauses")


@also_as("receiver")
@clause("MSG-28")
def test_the_with_clause_is_esmtps_inside_tls(world: World) -> None:
    with world.client() as client:
        expect_reply(client.starttls(), 220, to="STARTTLS")
        expect_reply(client.ehlo(), 250, to="EHLO inside TLS")
        client.deliver(world.sender.address, world.info, world.message())
        client.quit()
    fields = added(world.upstream.wait_for_message())
    expect_in("esmtps", words(fields, "with"), "the words of WITH clauses")


@also_as("receiver")
@clause("MSG-05")
def test_the_received_field_ends_in_a_date_time_of_rfc_5322(world: World) -> None:
    for field in added(forward(world)):
        field.date_time()


@also_as("receiver")
@clause("MSG-21")
def test_the_received_field_has_the_present_date_and_time(world: World) -> None:
    for field in added(forward(world)):
        age = abs(datetime.now(timezone.utc) - field.date_time())
        expect_true(age < CLOCKS_DIFFER_MAX, "a date-time that is now", field.date)


def expect_grammar(field: Received, stamp: str) -> None:
    expect_true(
        GRAMMAR.fullmatch(stamp),
        "clauses in the order and form of RFC 5321 4.4",
        field.value,
    )


@also_as("receiver")
@clause("MSG-20")
def test_the_received_field_has_the_structure_of_rfc_5321(world: World) -> None:
    for field in added(forward(world)):
        expect_grammar(field, field.stamp)


@also_as("receiver")
@clause("MSG-29")
@pytest.mark.parametrize(
    "name",
    [
        "a.example(comment)",
        "a.example(open",
        "closed)",
        "back\\",
        "x;y",
        "a\tb",
        "<a.example>",
        '"q"',
        "[203.0.113.77]",
    ],
)
def test_a_strange_ehlo_name_does_not_break_the_received_field(
    world: World, name: str
) -> None:
    forward(world)
    # A name that is refused breaks nothing.
    for field in forwarded_after(world, f"EHLO {name}", 2) or []:
        # One word, whatever it is, stands where the domain should.
        stamp = re.sub(r"(?i)^from \S+ by ", "from client.example by ", field.stamp)
        expect_grammar(field, stamp)
        field.date_time()


@clause("MSG-34")
@pytest.mark.parametrize(
    ("length", "more"), [(10, ""), (255, ""), (256, "..."), (400, "...")]
)
def test_a_name_that_is_no_domain_is_cut_after_255_octets_and_says_so(
    world: World, length: int, more: str
) -> None:
    name = "_!" + "x" * (length - 2)
    fields = forwarded_after(world, f"EHLO {name}")
    if fields is None:
        pytest.skip("a name that is no domain is refused")
    comments = [
        token[1:-1].rpartition(" ")[2]
        for field in fields
        for token in tokens(field.value)
        if token.startswith("(")
    ]
    expect_in(name[:255] + more, comments, "the last words of the comments")


@also_as("receiver")
@clause("MSG-14")
def test_the_for_clause_names_nobody_where_there_are_two_recipients(
    world: World,
) -> None:
    with world.client() as client:
        open_transaction(world, client)
        expect_one_of(client.rcpt(world.other).code, (250, 251), "the code for RCPT")
        client.data()
        expect_reply(client.content(world.message()), "2xx", to="the end of DATA")
        client.quit()
    arrived = world.upstream.wait_for_message()
    for field in added(arrived):
        for address in (world.info, world.other):
            if len(arrived.recipients) > 1:
                expect_not_in(address, field.value.lower(), "the Received field")
            else:  # a copy of his own for each: then it may name him
                names_both = world.info in field.value and world.other in field.value
                expect_true(not names_both, "a field that names one", field.value)


# Fields that claim to be the relay's own

LINE_MAX = 998


@also_as("receiver")
@clause("MSG-30")
def test_a_line_that_is_added_has_at_most_998_octets_whatever_was_said(
    world: World,
) -> None:
    # Each of these octets may be written as two.
    local = '"' + '\\"' * 31 + '"'
    domain = ".".join(["x" * 40] * 4 + [world.sender.domain])
    # Else it may be refused (RFC 5321 2.3.5).
    world.dns.add(domain, "A", world.sender.ipv4)
    with world.client(greet=False) as strange, world.client() as usual:
        strange.banner()
        strange.line("EHLO " + '"\\' * 252)
        # It may well be repeated in a reply that is too long.
        is_taken = octets_to_a_final_line(strange).startswith(b"250")
        client = strange if is_taken else usual
        delivery = client.deliver(f"{local}@{domain}", world.info, world.message())
        if not delivery.accepted:
            pytest.skip(f"such a sender is refused ({delivery.final.shown})")
    expect_short_lines(world.upstream.wait_for_message())


def expect_short_lines(message: Message) -> None:
    longest = max(message.header.split(b"\r\n"), key=len)
    expect_true(
        len(longest) <= LINE_MAX,
        f"lines of at most {LINE_MAX} octets",
        f"{len(longest)} octets in the line that begins with {longest[:60]!r}",
    )


@also_as("receiver")
@clause("MSG-30")
def test_a_line_that_is_added_has_at_most_998_octets_whatever_signatures_claim(
    world: World,
) -> None:
    # Results with some words that fill a line each, and long enough together.
    domain = ".".join(["x" * 30] * 2 + [world.sender.domain])
    message = world.message()
    for n in range(8):
        message = claim(message, domain, f"ann{n}@{domain}")
    with world.client() as client:
        delivery = client.deliver(world.sender.address, world.info, message)
    if not delivery.accepted:
        pytest.skip(f"the subject does not forward it ({delivery.final.shown})")
    expect_short_lines(world.upstream.wait_for_message())


FOLDED_MAX = 78


@clause("MSG-45")
def test_a_line_that_is_added_has_at_most_78_octets_where_it_can_be_folded(
    world: World,
) -> None:
    lengths, own = range(1, 62, 2), world.sender.domain
    for more, length in enumerate(lengths, 10):
        # All that the fields repeat has another length each time.
        name, resent = f"{'h' * more}.{own}", ["Resent-To: <bob@example.org>"]
        message = world.message(*resent * (length % 15))
        message = claim(message, own, f"{'i' * length}@{own}")
        with world.client(greet=False) as client:
            client.banner()
            if not client.ehlo(name).positive:
                pytest.skip(f"{name} is refused as a client's name")
            sender = f"{'s' * length}@{own}" if length % 4 == 1 else ""
            marked = FIRST.encode("ascii") + b"\r\n" + message
            delivery = client.deliver(sender, world.info, marked)
            expect_reply(delivery.end, "2xx", to="the end of DATA")
    world.upstream.wait_for_message(len(lengths))
    for arrived in world.upstream.messages:
        above = arrived.header.partition(FIRST.encode("ascii"))[0]
        for line in above.split(b"\r\n")[:-1]:
            is_folded = len(line) <= FOLDED_MAX or len(line.split()) == 1
            expect_true(is_folded, f"at most {FOLDED_MAX} octets, or one word", line)
            expect_true(line.strip(), "more than blanks", line)


FORGED = [
    "Authentication-Results: {id}; dmarc=pass header.from={mark}",
    "authentication-results: {id}; dmarc=pass header.from={mark}",
    "AUTHENTICATION-RESULTS:{ID}; dmarc=pass header.from={mark}",
    "Authentication-Results:\r\n {id};\r\n dmarc=pass header.from={mark}",
    "Authentication-Results: (comment) {id}; dmarc=pass header.from={mark}",
    'Authentication-Results: "{id}"; dmarc=pass header.from={mark}',
    "Authentication-Results: {id} 1; dmarc=pass header.from={mark}",
    "Authentication-Results: {id} ({mark}); none",
]
MISSPELT = [
    "Authentication-Results : {id}; dmarc=pass header.from={mark}",
    "Authentication-Results: i=1; {id}; dmarc=pass header.from={mark}",
]


@clause("MSG-15")
@pytest.mark.parametrize("forged", FORGED)
def test_results_forged_in_the_relays_name_are_removed(
    world: World, forged: str
) -> None:
    expect_removed(world, forged)


@clause("MSG-25")
@pytest.mark.parametrize("forged", MISSPELT)
def test_results_forged_in_a_spelling_of_their_own_are_removed(
    world: World, forged: str
) -> None:
    expect_removed(world, forged)


@clause("MSG-26")
def test_results_of_other_servers_are_left_as_they_are(world: World) -> None:
    value = "mx.other.example; spf=pass smtp.mailfrom=other.example"
    field = f"Authentication-Results: {value}"
    arrived = forward(world, message=world.message(field))
    expect_in(value, results(arrived), "the Authentication-Results fields")
    expect_true(len(results(arrived)) > 1, "one of the subject's own", results(arrived))


def fields_added(world: World, message: bytes) -> list[str]:
    """The Authentication-Results fields that the subject writes into a message."""
    earlier = len(world.upstream.messages)
    with world.client() as client:
        delivery = client.deliver(world.sender.address, world.info, message)
    if not delivery.accepted:
        pytest.skip(f"the subject does not forward it ({delivery.final.shown})")
    arrived = world.upstream.wait_for_message(earlier + 1)
    if not arrived.fields("Authentication-Results"):
        pytest.skip("the subject records no result of it")
    return own_results(arrived)


def values_of(world: World, identity: str, form: str) -> list[str]:
    """The values in the subject's results, as written, whose content has that form, of a message that
    `identity` has signed."""
    message = sign(world.message(), world.sender.domain, identity=identity)
    fields = fields_added(world, message)
    values = [value for field in fields for value in written_values(field)]
    return [value for value in values if re.fullmatch(form, unquoted(value))]


@clause("MSG-31")
@pytest.mark.parametrize("local", ["ann", "first.last+tag", '"ann..b"', '"a\\"b"'])
def test_an_address_in_the_results_is_written_as_one(world: World, local: str) -> None:
    address = rf"(?:{DOT_STRING}|{QUOTED_STRING})?@{DOMAIN}"
    values = values_of(world, f"{local}@{world.sender.domain}", address)
    if not values:
        pytest.skip("there is no address in the results")
    for value in values:
        expect_match(address, value, "an address in Authentication-Results")


@clause("MSG-32")
@pytest.mark.parametrize(
    "local",
    [
        "ann..b",
        ".ann",
        "ann.",
        "a,b",
        "a(b",
        "a<b",
        'a"b',
        "a@b",
        "a\\b",
        '"ann"',
        '"',
        '"a"b"',
        '"a\\"',
    ],
)
def test_results_have_their_syntax_whatever_a_signature_claims(
    world: World, local: str
) -> None:
    domain = world.sender.domain
    message = claim(world.message(), domain, f"{local}@{domain}")
    for field in fields_added(world, message):
        objection = results_objection(field)
        expect_true(
            objection is None, "the syntax of RFC 8601 2.2", f"{objection} in: {field}"
        )


@clause("MSG-35")
def test_of_many_signatures_the_results_of_the_first_64_are_recorded(
    world: World,
) -> None:
    message, domain = world.message(), world.sender.domain
    for n in range(66):
        message = claim(message, domain, f"ann{n}@{domain}")
    fields = fields_added(world, message)
    outcomes = [word for field in fields for word in Results(field).of("dkim")]
    expect(len(outcomes), 64, "the number of DKIM results")


@clause("MSG-33")
def test_domains_in_the_results_are_written_without_quotes(world: World) -> None:
    values = values_of(world, f"ann@{world.sender.domain}", DOMAIN)
    expect_true(values, "a domain in the results", values)
    quoted = [value for value in values if value.startswith('"')]
    expect(quoted, [], "domains in quotes")


@clause("MSG-33")
def test_results_are_written_without_a_version(world: World) -> None:
    for field in fields_added(world, world.message()):
        authserv_id, *found = parts(field)
        expect(len(authserv_id.split()), 1, f"the number of words in {authserv_id!r}")
        with_version = [part for part in found if re.match(r"\s*[\w-]+\s*/", part)]
        expect(with_version, [], "methods with a version")


@clause("MSG-16")
def test_the_prepended_fields_stand_in_the_decided_order(world: World) -> None:
    for capability in ("dkim-sign", "authres", "spf"):
        world.require(capability)
    message = FIRST.encode("ascii") + b"\r\n" + world.message()
    names = [name for name, _ in forward(world, message=message).fields()]
    expect(
        names[:8],
        [
            "ARC-Seal",
            "ARC-Message-Signature",
            "ARC-Authentication-Results",
            "DKIM-Signature",
            "Authentication-Results",
            "Received-SPF",
            "Received",
            "X-First",
        ],
        "the first fields",
    )
