"""Which lines of the relay the suite executes, by gcc's counters. A mistake on any other line survives.

A relay that is killed does not write its counters down, with all that it has executed before. So the
tests that kill it are left out. The answer is kept for as long as neither the relay nor the suite
changes.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import subprocess
import tempfile
from pathlib import Path

from conformance.settings import ROOT
from tests.mutants.judging import conform
from tests.mutants.workshop import TARGET, ninja

UNKILLED = ("--without", "restart")
COUNTING = ("-Db_coverage=true", "-Dbuildtype=debug", "-Dmutants=false")
RUN_SECONDS_MAX = 1800.0

# Of each file, relative to the root, its lines with code, and whether they are executed.
Lines = dict[str, dict[int, bool]]


def executed_lines(build: Path) -> Lines:
    """The lines with code. Runs the whole suite if it has not been run on these sources."""
    now = digest()
    kept = build / "lines.json"
    if kept.exists():
        document = json.loads(kept.read_text("utf-8"))
        if document["digest"] == now:
            return _numbered(document["lines"])
    ninja(build, ROOT, TARGET, options=COUNTING)
    for old in build.rglob("*.gcda"):
        old.unlink()
    # Code with counters that is not optimized is too slow for the suite's time-outs.
    results = conform(
        build / TARGET,
        (),
        *UNKILLED,
        "--timeout-scale=2",
        seconds_max=RUN_SECONDS_MAX,
    )
    if results["failure"]:
        raise RuntimeError(f"the suite could not be run: {results['failure']}")
    lines = _read_counters(build)
    kept.write_text(json.dumps({"digest": now, "lines": lines}), encoding="utf-8")
    return _numbered(lines)


def reached(lines: Lines | None, file: str, line: int) -> bool | None:
    """Whether the line is executed; None if that is not known, as of a declaration."""
    return lines.get(file, {}).get(line) if lines is not None else None


def _numbered(lines: dict[str, dict[str, bool]]) -> Lines:
    return {
        file: {int(line): hit for line, hit in counts.items()}
        for file, counts in lines.items()
    }


def digest() -> str:
    """Of the relay and the suite."""
    found = hashlib.sha256()
    for folder, glob in (("relay", "*.[ch]"), ("conformance", "*.py")):
        for path in sorted((ROOT / folder).rglob(glob)):
            found.update(f"{path.relative_to(ROOT)}\n".encode() + path.read_bytes())
    return found.hexdigest()


def _read_counters(build: Path) -> dict[str, dict[str, bool]]:
    """All of gcov's, in JSON as gcc 9 and later write it."""
    found: dict[str, dict[str, bool]] = {}
    counters = [str(path) for path in sorted(build.rglob("*.gcda"))]
    with tempfile.TemporaryDirectory(prefix="gcov-") as directory:
        subprocess.run(
            ["gcov", "--json-format", "--hash-filenames", *counters],
            cwd=directory,
            check=True,
            capture_output=True,
        )
        for path in Path(directory).glob("*.gcov.json.gz"):
            document = json.loads(gzip.decompress(path.read_bytes()))
            where = Path(document["current_working_directory"])
            for file in document["files"]:
                source = (where / file["file"]).resolve()
                if not source.is_relative_to(ROOT / "relay"):
                    continue
                counts = found.setdefault(str(source.relative_to(ROOT)), {})
                for line in file["lines"]:
                    number = str(line["line_number"])
                    counts[number] = counts.get(number, False) or line["count"] > 0
    return found
