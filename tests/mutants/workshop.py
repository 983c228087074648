"""A copy of the relay's source that can be broken, with a build of its own that follows it.

The copies stay between runs, so that a breakage costs one compilation and a link.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.mutants.breakages import PatchError

# Folders that meson.build names, and the files in them that a build of the relay reads.
FOLDERS = ("relay", "tests/unit", "tests/faults", "fuzz", "load")
SUFFIXES = frozenset({".build", ".c", ".h", ".sh"})
TARGET = "relay/fairlead"


class BuildError(Exception):
    """The relay does not build; its text is what the tools said."""


def _sources(root: Path) -> Iterator[Path]:
    """Relative paths of what is copied."""
    yield from (Path("meson.build"), Path("meson_options.txt"))
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*")):
            whole = folder == "relay" or path.suffix in SUFFIXES
            if whole and path.is_file():
                yield path.relative_to(root)


# A relay whose decisions can be broken.
BREAKABLE = ("-Dmutants=true",)


def ninja(
    build: Path, source: Path, *targets: str, options: Sequence[str] = BREAKABLE
) -> None:
    """Brings targets in `build` up to date, after setting it up with meson's options if it is new."""
    commands = [["ninja", "-C", str(build), *targets]]
    if not (build / "build.ninja").exists():
        commands.insert(0, ["meson", "setup", *options, str(build), str(source)])
    for command in commands:
        result = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True
        )
        if result.returncode != 0:
            said = f"{result.stdout}{result.stderr}".strip().splitlines()
            progress = ("[", "ninja: ")
            raise BuildError("\n".join(x for x in said if not x.startswith(progress)))


class Workshop:
    """One copy. Whatever was done to it, restore() makes it the original again."""

    def __init__(
        self, directory: Path, root: Path, options: Sequence[str] = BREAKABLE
    ) -> None:
        self.root = root
        self.options = options
        self.source = directory / "source"
        self.build = directory / "build"

    @property
    def binary(self) -> Path:
        return self.build / TARGET

    def restore(self) -> None:
        """Writes only files that differ, so that no others are compiled again."""
        wanted = set(_sources(self.root))
        for path in set(_sources(self.source)) - wanted:
            (self.source / path).unlink(missing_ok=True)
        for path in wanted:
            original, copy = self.root / path, self.source / path
            content = original.read_bytes()
            if not copy.exists() or copy.read_bytes() != content:
                copy.parent.mkdir(parents=True, exist_ok=True)
                copy.write_bytes(content)
                copy.chmod(original.stat().st_mode)

    def apply(self, patch: Path, *options: str) -> None:
        """Applies a patch, wherever its lines have moved to; PatchError if they have changed. With
        --dry-run it is only tried."""
        command = [
            "patch",
            "-p1",
            "--batch",
            "--forward",
            "--fuzz=0",
            "--reject-file=-",
        ]
        command += ["--no-backup-if-mismatch", *options, "-i", str(patch.resolve())]
        result = subprocess.run(
            command, cwd=self.source, capture_output=True, text=True
        )
        if result.returncode != 0:
            raise PatchError(f"{patch.name} does not apply:\n{result.stdout.strip()}")

    def compile(self, target: str = TARGET) -> None:
        ninja(self.build, self.source, target, options=self.options)
