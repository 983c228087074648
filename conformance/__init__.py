"""The conformance suite for forwarding MTAs, and the lab in which it runs.

A test imports from here:

    from conformance import clause, expect, expect_reply

    @clause("SRS-01")
    def test_the_reverse_path_is_at_the_forwarding_domain(world: World) -> None: ...
"""

from conformance.clauses import also_as, clause
from conformance.expect import (
    ConformanceFailure,
    Seen,
    expect,
    expect_in,
    expect_match,
    expect_not_in,
    expect_one_of,
    expect_reply,
    expect_true,
    fail,
)

__all__ = [
    "ConformanceFailure",
    "Seen",
    "also_as",
    "clause",
    "expect",
    "expect_in",
    "expect_match",
    "expect_not_in",
    "expect_one_of",
    "expect_reply",
    "expect_true",
    "fail",
]
