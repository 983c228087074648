"""Forged Authentication-Results that break the grammar: no vectors have them, since a tool that reads a field
has nothing to remove."""

from __future__ import annotations

import pytest

from conformance import clause, expect_in, expect_not_in, expect_true
from conformance.lab import World
from conformance.suite.acts import forward
from conformance.suite.forged import MARK, expect_removed, own_id, results

BROKEN = [
    "Authentication-Results: {id}",
    "Authentication-Results: {id};",
    "Authentication-Results: {id} dmarc=pass header.from={mark}",
    "Authentication-Results: {id}; dmarc=pass header.from={mark} (unclosed",
    'Authentication-Results: {id}; dmarc=pass header.from="{mark}',
    "Authentication-Results: {id}; =pass header.from={mark}",
    "Authentication-Results: {id}; dmarc=pass reason header.from={mark}",
    "Authentication-Results: {id};; dmarc=pass header.from={mark}",
    "Authentication-Results: {id}; none; dmarc=pass header.from={mark}",
    "Authentication-Results: {id}; dmarc=pass header.from={mark}\\",
    "Authentication-Results: {id} (; dmarc=pass header.from={mark}",
    "Authentication-Results: {id} {mark} \\",
]
HIDDEN = [
    'Authentication-Results: "{id}; dmarc=pass header.from={mark}',
    r'Authentication-Results: "\";{id}; dmarc=pass header.from={mark}',
    "Authentication-Results: (unclosed {id}; dmarc=pass header.from={mark}",
    "Authentication-Results: {id}/1; dmarc=pass header.from={mark}",
    "Authentication-Results: {id} one; dmarc=pass header.from={mark}",
    "Authentication-Results: {id} 1 1; dmarc=pass header.from={mark}",
    "Authentication-Results: <{id}>; dmarc=pass header.from={mark}",
    'Authentication-Results: {id}"; dmarc=pass header.from={mark}',
    "Authentication-Results: {id}\x7f; dmarc=pass header.from={mark}",
    "Authentication-Results: =?us-ascii?b?{base64}?=; dmarc=pass header.from={mark}",
]
VERSIONS = [
    "{id} 2; dmarc=pass header.from={mark}",
    "mx.other.example 2; dmarc=pass header.from={mark}",
    "mx.other.example (a comment) 99; dmarc=pass header.from={mark}",
    '"mx.other.\r\n example" 2; dmarc=pass header.from={mark}',
]
# Each names another server.
OTHERS = [
    "not{id}; dmarc=pass header.from={mark}",
    "{id}.other.example; dmarc=pass header.from={mark}",
    '"not{id}"; dmarc=pass header.from={mark}',
    "not{id} 1 (a comment); dmarc=pass header.from={mark}",
    "not{id} (a comment) 1 ; dmarc=pass header.from={mark}",
    "(a comment) not{id} (a comment); dmarc=pass header.from={mark}",
    "mx.other.example ({id}); dmarc=pass header.from={mark}",
    "mx.other.example; dmarc=pass (checked by {id}) header.from={mark}",
]


@clause("RFC8601-01")
@pytest.mark.parametrize("forged", [field for field in BROKEN if "{mark}" in field])
def test_results_that_cannot_be_read_behind_the_own_id_are_removed(
    world: World, forged: str
) -> None:
    expect_removed(world, forged)


@clause("RFC8601-01")
@pytest.mark.parametrize("forged", [field for field in BROKEN if "{mark}" not in field])
def test_the_own_id_alone_is_removed(world: World, forged: str) -> None:
    field = forged.format(id=own_id(world)).encode("ascii")
    arrived = forward(world, message=field + b"\r\n" + world.message())
    own = [value.rstrip("; ") for value in results(arrived)]
    expect_not_in(own_id(world), own, "the Authentication-Results fields")


@clause("RFC8601-02")
@pytest.mark.parametrize("forged", HIDDEN)
def test_an_id_that_may_be_the_own_one_is_removed(world: World, forged: str) -> None:
    expect_removed(world, forged)


@clause("RFC8601-03")
@pytest.mark.parametrize("forged", VERSIONS)
def test_results_of_another_version_are_removed(world: World, forged: str) -> None:
    expect_removed(world, f"Authentication-Results: {forged}")


@clause("RFC8601-04")
@pytest.mark.parametrize("field", OTHERS)
def test_results_of_a_server_with_a_similar_name_are_left(
    world: World, field: str
) -> None:
    value = field.format(id=own_id(world), mark=MARK)
    line = f"Authentication-Results: {value}"
    arrived = forward(world, message=world.message(line))
    expect_in(value, results(arrived), "the Authentication-Results fields")
    expect_true(len(results(arrived)) > 1, "one of the subject's own", results(arrived))
