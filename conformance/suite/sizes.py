"""Messages of a given size, for the tests of limits and budgets."""

from __future__ import annotations

from conformance import expect_reply
from conformance.lab import Client, World
from conformance.suite.acts import open_transaction

CRLF = b"\r\n"

# Content to be sent again and again, a megabyte each. In the second, whoever leaves CRs, LFs or NULs out of
# the count misses a twentieth.
ENDLESS = {
    "lines": (b"x" * 76 + CRLF) * 13_000,
    "no lines": b"\r" * 50_000 + b"\0" * 50_000 + b"\n" * 50_000 + b"x" * 850_000,
}


def of_size(message: bytes, size: int) -> bytes:
    """`message` lengthened to exactly `size` octets with lines of an ordinary length."""
    line = b"x" * 76 + CRLF
    missing = size - len(message)
    filled = message + line * (missing // len(line) - 1)
    return filled + b"x" * (size - len(filled) - 2) + CRLF


def begin_data(world: World, client: Client) -> None:
    """Up to the 354."""
    open_transaction(world, client)
    expect_reply(client.data(), 354, to="DATA")
