"""Which tests run first against a random mutant: those that are about its file.

Most mutants are killed by them, and cost a part of the suite. The order decides nothing else. Where it is
known which tests execute the mutant, no others run; where it is not, the vectors run only where their cases
can tell anything.
"""

from __future__ import annotations

import fnmatch
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from conformance.tracing import Trace
from tests.mutants.reach import Test

# Of files, the clauses that are about them besides those that they name.
ABOUT = {
    "relay/auth/spf/*": ("SPF-*", "PSPF-*", "RFC7208-*"),
    "relay/auth/dkim/*": ("DKIM-*", "RFC6376-*", "RFC8301-*", "RFC8463-*"),
    "relay/auth/arc/*": ("ARC-*", "RFC8617-*"),
    "relay/auth/dmarc/*": ("DMARC-*", "RFC9989-*"),
    "relay/base/ip.*": ("IPV6-*", "SPF-*", "RFC7208-*"),
    "relay/base/utf8.*": ("EAI-*",),
    "relay/config/*": ("SUB-*", "TLS-*", "LIM-*", "SRS-*"),
    "relay/dns/*": ("MX-*", "IPV6-*", "SPF-*", "RFC7208-*"),
    "relay/forward/*": ("UPS-*", "ERR-*", "MX-*"),
    "relay/io/connect.*": ("UPS-*", "IPV6-*", "MX-*"),
    "relay/io/proxy*": ("IPV6-*",),
    "relay/io/rota.*": ("LIM-*",),
    "relay/io/stream.*": ("LIM-*", "TLS-*", "SMUG-*"),
    "relay/mail/authres*": ("RFC8601-*", "DKIM-*", "ARC-*", "RFC8617-*"),
    "relay/mail/author.*": ("DMARC-*", "RFC9989-*"),
    "relay/mail/base64.*": ("DKIM-*", "RFC6376-*"),
    "relay/mail/canon.*": ("DKIM-*", "RFC6376-*"),
    "relay/mail/cfws.*": ("DMARC-*", "RFC8601-*"),
    "relay/mail/command.*": ("DLG-*", "EAI-*"),
    "relay/mail/content.*": ("SMUG-*", "INV-*", "MSG-*", "LIM-*"),
    "relay/mail/domain.*": ("EAI-*", "DLG-*"),
    "relay/mail/message.*": ("MSG-*", "INV-*", "DKIM-*"),
    "relay/mail/reply.*": ("ERR-*", "UPS-*"),
    "relay/mail/taglist.*": ("DKIM-*", "ARC-*", "DMARC-*", "RFC6376-*"),
    "relay/policy/dnsbl.*": ("SPAM-*",),
    "relay/policy/evaluate*": ("DMARC-*", "SPF-*", "DKIM-*", "ARC-*", "RFC8601-*"),
    "relay/policy/trace_fields.*": ("MSG-*", "RFC8601-*", "ARC-*"),
    "relay/smtpd/*": ("DLG-*", "SMUG-*", "LIM-*", "TLS-*", "INV-*"),
}
# The vectors are many, and all of them play one plain mail after the other.
VECTORS = "RFC*"
VECTORS_TELL = (
    "relay/auth/*",
    "relay/base/ip.*",
    "relay/dns/*",
    "relay/mail/*",
    "relay/policy/evaluate*",
    "relay/policy/trace_fields.*",
)


def matches(text: str, globs: Iterable[str]) -> bool:
    return any(fnmatch.fnmatchcase(text, glob) for glob in globs)


# For all tests of one mutant: mostly they wait.
LABS = 3
# In one lab, which is there sooner than several; most mutants get no further.
FIRST_TESTS = 40
# A test that takes longer comes late.
SLOW_SECONDS = 1.0


@dataclass(frozen=True)
class Stage:
    """Tests that run together: all of some clauses, or the very tests, by their ids."""

    clauses: Sequence[str] = ()
    tests: Sequence[str] = ()
    labs: int = LABS


def stages(file: str, trace: Trace) -> list[Stage]:
    """The tests to run against a mutant of a file: those about it, and then others."""
    near = _near(file, trace)
    far = [c for c in trace.tests if c not in near and _may_tell(file, [c])]
    return [Stage(clauses=stage) for stage in (near, far) if stage]


def stages_of(
    reaching: Iterable[Test], file: str, trace: Trace, seed: int
) -> list[Stage]:
    """Those that execute a mutant of a file, the quick ones about it first, vectors that hardly tell anything
    later, and otherwise in an order of its own: neighbours in the suite notice the same things.
    """
    near = set(_near(file, trace))
    tests = list(reaching)
    random.Random(seed).shuffle(tests)
    tests.sort(
        key=lambda test: (
            test.seconds > SLOW_SECONDS,
            near.isdisjoint(test.clauses),
            not _may_tell(file, test.clauses),
        )
    )
    ids = [test.id for test in tests]
    found = [Stage(tests=ids[:FIRST_TESTS], labs=1), Stage(tests=ids[FIRST_TESTS:])]
    return [stage for stage in found if stage.tests]


def _near(file: str, trace: Trace) -> list[str]:
    """The clauses that are about a file."""
    named = set(_named(file, trace))
    globs = [
        glob
        for files, clauses in ABOUT.items()
        if matches(file, [files])
        for glob in clauses
    ]
    return [c for c in trace.tests if c in named or matches(c, globs)]


def _may_tell(file: str, clauses: Iterable[str]) -> bool:
    """Whether tests of these clauses can tell anything of a file that plain mail does not."""
    return matches(file, VECTORS_TELL) or not all(
        matches(c, [VECTORS]) for c in clauses
    )


def _named(file: str, trace: Trace) -> Iterable[str]:
    """The clauses that the file names."""
    for places in (trace.code, trace.marks, trace.refusals):
        for clause, where in places.items():
            if any(place.rpartition(":")[0] == file for place in where):
                yield clause
