"""Which tests of the suite execute which lines of the relay. No other test can notice a mistake there.

gcc writes a call at the start of every basic block, and notes.c notes where it comes from. The tests run
one after the other in one lab, and what is noted between two belongs to the first. What the relay executes
when it starts is behind every test, and a scenario of vectors behind all of its cases. The answer is kept
for as long as neither the relay nor the suite changes.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import subprocess
import zlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

from conformance.run import work_of
from conformance.settings import ROOT
from tests.mutants.judging import Results, conform
from tests.mutants.noting import NOTES, NOTES_OCTETS, START, TESTS
from tests.mutants.operators import Site
from tests.mutants.workshop import TARGET, ninja

RUN_SECONDS_MAX = 1800.0
# What is not optimized has code for each line, and is too slow for the suite's time-outs.
TIMEOUT_SCALE = "--timeout-scale=2"

_FUNCTION = re.compile(r"^[0-9a-f]+ <([^>]+)>:$")
_LINE = re.compile(r"^(/\S+):([0-9]+)(?: \(discriminator [0-9]+\))?$")
_CODE = re.compile(r"^ +([0-9a-f]+):\t(.*)$")

# Sets of blocks or of tests, as bits.
Bits = int


@dataclass
class Blocks:
    """The basic blocks of each line, and of each function. A block is the number of its octet in the
    notes."""

    lines: dict[tuple[str, int], set[int]] = field(
        default_factory=lambda: defaultdict(set)
    )
    functions: dict[tuple[str, str], set[int]] = field(
        default_factory=lambda: defaultdict(set)
    )


@dataclass(frozen=True)
class Test:
    """As a run reports it."""

    id: str
    clauses: list[str]
    seconds: float


@dataclass(frozen=True)
class Reach:
    """Of each line, and of each function, the tests that execute any of it."""

    tests: list[Test]  # the first is the start
    lines: dict[str, Bits]  # "relay/io/loop.c:12"
    functions: dict[str, Bits]  # "relay/io/loop.c:loop_run"

    @property
    def every_test(self) -> list[Test]:
        return [test for test in self.tests if test.id != START]

    def tests_of(self, site: Site) -> list[Test] | None:
        """Those that execute a site; None if any may depend on it, as on a constant outside functions or
        on what the relay does when it starts. Of a line without code of its own, such as a case label, those
        that execute its function."""
        found = self.lines.get(f"{site.file}:{site.line}")
        if found is None:
            found = self.functions.get(f"{site.file}:{site.function}")
        if found is None or found & 1:
            return None
        return [test for at, test in enumerate(self.tests) if found >> at & 1]


def reach(build: Path) -> Reach:
    """Runs the whole suite if it has not been run on these sources."""
    kept = build / "reach.json"
    now = digest()
    if kept.exists():
        document = json.loads(kept.read_text("utf-8"))
        if document["digest"] == now:
            return _from_json(document)
    build.mkdir(parents=True, exist_ok=True)
    found = _measure(build)
    document = {"digest": now, **_to_json(found)}
    kept.write_text(json.dumps(document), encoding="utf-8")
    return found


def _measure(build: Path) -> Reach:
    notes, executed = build / "notes", build / "executed.jsonl"
    _compile(build, notes)
    notes.write_bytes(bytes(NOTES_OCTETS))
    notes.chmod(0o666)  # the relay may run as any user
    executed.unlink(missing_ok=True)
    plugin = {
        "PYTEST_PLUGINS": "tests.mutants.noting",
        NOTES: str(notes),
        TESTS: str(executed),
    }
    with mock.patch.dict(os.environ, plugin):
        binary = build / "relay" / TARGET
        results = conform(binary, (), "-j1", TIMEOUT_SCALE, seconds_max=RUN_SECONDS_MAX)
    if results["failure"]:
        raise RuntimeError(f"the suite could not be run: {results['failure']}")
    blocks = read_blocks(_disassembly(build / "relay" / TARGET), ROOT)
    return _joined(blocks, results, executed)


def _compile(build: Path, notes: Path) -> None:
    source = Path(__file__).with_name("notes.c")
    part = build / "notes.o"
    subprocess.run(
        ["gcc", "-O2", f'-DNOTES="{notes}"', "-c", str(source), "-o", str(part)],
        check=True,
    )
    options = [
        "-Dbuildtype=debug",
        "-Dmutants=false",
        "-Dc_args=-fsanitize-coverage=trace-pc",
        f"-Dc_link_args={part}",
    ]
    ninja(build / "relay", ROOT, TARGET, options=options)


def _disassembly(binary: Path) -> Iterator[str]:
    command = ["objdump", "--disassemble", "--line-numbers", "--no-show-raw-insn"]
    with subprocess.Popen(
        [*command, str(binary)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        yield from process.stdout


def read_blocks(disassembly: Iterator[str], root: Path) -> Blocks:
    """From objdump's text. What stands before a function's first call belongs to its first block."""
    found = Blocks()
    function, file, line = "", "", 0
    waiting: list[int] | None = []  # lines before the first block
    block = -1
    called = False
    for text in disassembly:
        text = text.rstrip("\n")
        if match := _FUNCTION.match(text):
            function, block, waiting, file = match[1], -1, [], ""
        elif match := _LINE.match(text):
            path = Path(os.path.normpath(match[1]))
            inside = path.is_relative_to(root)
            file, line = (
                (str(path.relative_to(root)), int(match[2])) if inside else ("", 0)
            )
        elif match := _CODE.match(text):
            if called:
                block, called = int(match[1], 16) // 4, False
                if file:
                    found.functions[file, function].add(block)
                for earlier in waiting or []:
                    found.lines[file, earlier].add(block)
                waiting = None
            called = "<__sanitizer_cov_trace_pc>" in match[2]
            if not file or called:
                continue
            if waiting is None:
                found.lines[file, line].add(block)
            else:
                waiting.append(line)
    return found


_START: dict[str, Any] = {"clauses": [], "duration": 0.0}


def _joined(blocks: Blocks, results: Results, executed: Path) -> Reach:
    known = {test["id"]: test for test in results["tests"]}
    noted: dict[int, Bits] = defaultdict(int)
    tests: list[Test] = []
    with executed.open(encoding="utf-8") as rows:
        for row in map(json.loads, rows):
            test = known.get(row["id"], _START if row["id"] == START else None)
            if test is None:
                continue
            for block in _ones(zlib.decompress(base64.b85decode(row["executed"]))):
                noted[block] |= 1 << len(tests)
            tests.append(Test(row["id"], test["clauses"], test["duration"]))
    together = _together(tests)
    of_block = {block: _widened(bits, together) for block, bits in noted.items()}
    return Reach(
        tests,
        {f"{f}:{n}": _union(of_block, b) for (f, n), b in blocks.lines.items()},
        {f"{f}:{n}": _union(of_block, b) for (f, n), b in blocks.functions.items()},
    )


def _together(tests: Sequence[Test]) -> list[Bits]:
    """Tests of which the first that runs does what all of them judge: the cases of a file of vectors, whose
    scenarios are played whole."""
    found: dict[str, Bits] = defaultdict(int)
    for at, test in enumerate(tests):
        found[work_of(test.id)] |= 1 << at
    return [bits for bits in found.values() if bits & (bits - 1)]


def _widened(bits: Bits, together: Sequence[Bits]) -> Bits:
    for group in together:
        if bits & group:
            bits |= group
    return bits


def _ones(octets: bytes) -> Iterator[int]:
    at = octets.find(1)
    while at >= 0:
        yield at
        at = octets.find(1, at + 1)


def _union(of_block: Mapping[int, Bits], blocks: set[int]) -> Bits:
    found = 0
    for block in blocks:
        found |= of_block.get(block, 0)
    return found


def _to_json(found: Reach) -> dict[str, object]:
    return {
        "tests": [[test.id, test.clauses, test.seconds] for test in found.tests],
        "lines": {name: f"{bits:x}" for name, bits in found.lines.items()},
        "functions": {name: f"{bits:x}" for name, bits in found.functions.items()},
    }


def _from_json(document: dict[str, dict[str, str]]) -> Reach:
    return Reach(
        [Test(*row) for row in document["tests"]],
        {name: int(bits, 16) for name, bits in document["lines"].items()},
        {name: int(bits, 16) for name, bits in document["functions"].items()},
    )


def digest() -> str:
    """Of the relay and the suite."""
    found = hashlib.sha256()
    for folder, glob in (("relay", "*.[ch]"), ("conformance", "*.py")):
        for path in sorted((ROOT / folder).rglob(glob)):
            found.update(f"{path.relative_to(ROOT)}\n".encode() + path.read_bytes())
    return found.hexdigest()
