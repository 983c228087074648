"""The settings of a run of `conform`, in a form that can be passed to worker processes."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SUITE = ROOT / "conformance" / "suite"
SAMPLES = ROOT / "conformance" / "samples"


# In the plan, beyond one slot for each test.
SPARE_SLOTS = 2

# A worker needs a second of CPU time before its first test; so few tests do not get any.
ONE_LAB_TESTS_MAX = 100

# Of the test that runs first, whatever is selected.
SANITY = "test_sanity.py"


def is_sanity(node: str) -> bool:
    """Whether the test of that id is the sanity case."""
    return f"/{SANITY}::" in f"/{node}"


@dataclass
class Settings:
    """The command line, parsed."""

    subject: str = "reference"
    role: str = "relay"  # in which it is tested
    roles: list[str] = field(default_factory=list)  # of --role; empty: all it declares
    target: str | None = None  # HOST:PORT of a remote subject
    target6: str | None = None  # its IPv6 address, as HOST:PORT
    name: str | None = None  # how reports call it
    capabilities: str | None = None  # a file of what it claims
    commons: str | None = None  # the socket of what its labs share
    client_address_by: str = (
        "none"  # how a client's address is passed to a remote subject
    )
    without: list[str] = field(default_factory=list)  # capabilities
    clauses: list[str] = field(default_factory=list)  # globs; empty: all
    jobs: int | None = 1  # labs in parallel; None: as many as needed
    shuffle: int | None = None  # the seed
    repeat: int = 1
    sample: int = 0  # inputs of each test that draws them; 0: no such test
    seed: int = 0  # from which they are drawn
    timeout_scale: float = 1.0
    report: str = "reports"  # a directory
    gate: list[str] = field(default_factory=list)  # levels; empty: all
    waivers: str | None = None
    verbose: bool = False
    binary: str | None = None  # of the reference relay
    broken_clause: str | None = None  # --break for the reference relay
    first_failure: bool = False
    brief: bool = False  # no further test of a clause that has failed
    regressions: bool = False  # judge by the subject's known failures
    anyway: bool = False  # go on after the sanity case has failed
    suite: str = str(SUITE)
    only: list[str] = field(default_factory=list)  # these tests, so ordered; empty: all
    done: list[str] = field(default_factory=list)  # tests that have already run

    @property
    def transcripts(self) -> Path:
        return Path(self.report) / "transcripts"

    @property
    def logs(self) -> Path:
        return Path(self.report) / "logs"

    @property
    def sample_drawn(self) -> dict[str, int]:
        """The number of inputs a test and their seed; nothing without --sample."""
        return {"count": self.sample, "seed": self.seed} if self.sample else {}

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Settings:
        return cls(**json.loads(text))
