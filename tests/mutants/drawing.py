"""Random mutants: drawn by a seed over the relay, and made into relays.

The order of all sites depends on the seed alone; those that do not compile, that compile to the same
code as the original, or that are known to be no mistake to a peer are passed over. So the same seed draws the
same mutants from the same sources.
"""

from __future__ import annotations

import difflib
import json
import random
import shlex
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.mutants.breakages import FOLDER
from tests.mutants.operators import OPERATORS, Edit, Site, sites
from tests.mutants.unseen import is_seen
from tests.mutants.workshop import TARGET, BuildError, Workshop

# It behaves as the original; or it does not, but not towards a peer. Each kind has a file.
KINDS = ("equivalent", "unobservable")

# Mutants may well leave something unused. Without debugging information, equal code is equal octets.
PLAIN = ("-Dwerror=false", "-Dwarning_level=0", "-Ddebug=false", "-Doptimization=2")


@dataclass(frozen=True)
class Equivalent:
    """A mutant of which a reader has shown that no peer can tell it from the original."""

    function: str
    line: str  # the original's
    becomes: str
    reason: str
    kind: str = "equivalent"


@dataclass(frozen=True)
class Mutant:
    """One mistake in one file."""

    number: int  # in the order of the seed, from 1, with those that were passed over
    site: Site
    what: str  # "`a < b` became `a <= b`", shortened
    patch: str  # a unified diff against the root
    removed: str  # the original's lines, without their blanks
    added: str

    @property
    def name(self) -> str:
        return f"{self.number:05}-{Path(self.site.file).stem}-{self.site.line}-{self.site.operator}"

    @property
    def place(self) -> str:
        return f"{self.site.file}:{self.site.line}"

    @property
    def seen(self) -> bool:
        """Whether a peer may notice a mistake in its function."""
        return is_seen(self.site.file, self.site.function)


def known_equivalents(root: Path) -> list[Equivalent]:
    """Of both kinds; ValueError for an entry that is not in its form."""
    files = (root / FOLDER / f"{kind}.yaml" for kind in KINDS)
    return [entry for file in files for entry in load_equivalents(file)]


def load_equivalents(path: Path) -> list[Equivalent]:
    """The entries of a file of the kind that its name says; ValueError for one that is not in its form."""
    keys = {"function", "line", "becomes", "reason"}
    entries = yaml.safe_load(path.read_text(encoding="utf-8")) or []
    for entry in entries:
        if set(entry) != keys:
            raise ValueError(
                f"{path.name}: not just {', '.join(sorted(keys))}: {entry}"
            )
    return [
        Equivalent(
            entry["function"],
            _squeezed(entry["line"]),
            _squeezed(entry["becomes"]),
            entry["reason"],
            path.stem,
        )
        for entry in entries
    ]


def _squeezed(text: str) -> str:
    return " ".join(str(text).split())


def equivalent(mutant: Mutant, known: Sequence[Equivalent]) -> Equivalent | None:
    """The entry that says so, wherever the function's lines have moved to."""
    for entry in known:
        same = entry.function == mutant.site.function
        if same and (entry.line, entry.becomes) == (mutant.removed, mutant.added):
            return entry
    return None


def make(number: int, site: Site, seed: int, root: Path) -> tuple[Mutant, bytes]:
    """The mutant, and the file as it is then."""
    start, end, text = site.edit(seed)
    original = (root / site.file).read_bytes()
    changed = original[:start] + text.encode() + original[end:]
    before, after = (t.decode().splitlines(True) for t in (original, changed))
    lines = difflib.unified_diff(before, after, f"a/{site.file}", f"b/{site.file}", n=3)
    diff = list(lines)
    was = _squeezed(original[start:end].decode())
    what = f"{OPERATORS[site.operator]}: `{_short(was)}` became `{_short(text)}`"
    removed, added = (
        _squeezed(" ".join(line[1:] for line in diff[2:] if line.startswith(sign)))
        for sign in "-+"
    )
    header = f"{site.operator} {site.file}:{site.line} in {site.function}()\n{what}\n\n"
    return Mutant(number, site, what, header + "".join(diff), removed, added), changed


def _short(text: str) -> str:
    text = _squeezed(text)
    return text if len(text) <= 70 else f"{text[:67]}..."


def _arguments(command: str, directory: Path) -> list[str]:
    """Of a compiler's command line, what libclang needs."""
    kept = []
    for word in shlex.split(command)[1:]:
        if word.startswith("-I"):
            kept.append(f"-I{(directory / word[2:]).resolve()}")
        elif word.startswith(("-D", "-std")):
            kept.append(word)
    return kept


class Maker:
    """Makes mutants in a workshop of its own, one after the other."""

    def __init__(self, directory: Path, root: Path) -> None:
        # The relay as it is now, whatever is edited while the mutants run.
        pristine = Workshop(directory / "original", root)
        pristine.restore()
        self.workshop = Workshop(directory, pristine.source, PLAIN)
        self.workshop.restore()
        self.workshop.compile()
        self._commands = self._read_commands()
        build = self.workshop.build
        self._objects = {
            file: (build / command["output"]).read_bytes()
            for file, command in self._commands.items()
            if (build / command["output"]).exists()
        }

    def _read_commands(self) -> dict[str, dict[str, str]]:
        """Meson's, by the file that they compile."""
        build, source = self.workshop.build, self.workshop.source.resolve()
        listed = json.loads((build / "compile_commands.json").read_text("utf-8"))
        commands = {}
        for command in listed:
            path = (Path(command["directory"]) / command["file"]).resolve()
            commands[str(path.relative_to(source))] = command
        return commands

    @property
    def files(self) -> list[str]:
        """What the relay is compiled from."""
        return sorted(file for file in self._objects if file.startswith("relay/"))

    def sites(self, files: Sequence[str]) -> list[Site]:
        """Those of the files."""
        self.workshop.restore()
        found = []
        source = self.workshop.source.resolve()
        for file in files:
            command = self._commands[file]
            arguments = _arguments(command["command"], Path(command["directory"]))
            found += sites(source / file, source, arguments)
        return found

    def draw(
        self,
        places: Sequence[Site],
        seed: int,
        known: Sequence[Equivalent],
        after: int = 0,
        unseen: bool = True,
    ) -> Iterator[Mutant]:
        """Mutants in the order of the seed, after that of a number, perhaps without those that no peer
        notices. Each is in workshop.binary until the next is asked for."""
        order = sorted(places, key=lambda site: (site.file, site.start, site.operator))
        random.Random(seed).shuffle(order)
        for number, site in enumerate(order[after:], after + 1):
            mutant, changed = make(number, site, seed, self.workshop.root)
            if equivalent(mutant, known) or not (unseen or mutant.seen):
                continue
            if self._compiles(site.file, changed):
                yield mutant

    def _compiles(self, file: str, changed: bytes) -> bool:
        """Whether it is a relay, and another one than the original."""
        self.workshop.restore()
        (self.workshop.source / file).write_bytes(changed)
        output = self._commands[file]["output"]
        try:
            self.workshop.compile(output)
            if (self.workshop.build / output).read_bytes() == self._objects[file]:
                return False
            self.workshop.compile()
        except BuildError:
            return False
        return True

    def join(self, mutants: Sequence[Mutant], seed: int) -> Path:
        """A relay with all their mistakes, none of which overlap, until the next is made. BuildError if they
        do not compile together."""
        self.workshop.restore()
        edits: dict[str, list[Edit]] = {}
        for mutant in mutants:
            edits.setdefault(mutant.site.file, []).append(mutant.site.edit(seed))
        for file, wanted in edits.items():
            octets = (self.workshop.root / file).read_bytes()
            for start, end, text in sorted(wanted, reverse=True):
                octets = octets[:start] + text.encode() + octets[end:]
            (self.workshop.source / file).write_bytes(octets)
        self.workshop.compile()
        return self.workshop.binary

    def keep(self, path: Path) -> Path:
        """A copy of the relay of the mutant that was drawn last."""
        shutil.copy2(self.workshop.build / TARGET, path)
        return path
