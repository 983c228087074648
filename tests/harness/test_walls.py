"""The relay's folders have walls: a file that includes a header from above or beside its own library
does not compile, with the very options that the build uses."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from vectors import ROOT, fairlead

RELAY = ROOT / "relay"

# What each folder may include, beside itself: the map of CONTRIBUTING.md.
BELOW: dict[str, set[str]] = {
    "base": set(),
    "io": {"base"},
    "dns": {"io", "base"},
    "mail": {"base"},
    "auth/spf": {"dns", "mail", "io", "base"},
    "auth/dkim": {"dns", "mail", "io", "base"},
    "auth/arc": {"auth/dkim", "dns", "mail", "io", "base"},
    "auth/dmarc": {"dns", "mail", "io", "base"},
    "forward": {"dns", "mail", "io", "base"},
}
BELOW["policy"] = {*BELOW, "forward"}
BELOW["config"] = {*BELOW, "policy"}
BELOW["smtpd"] = {*BELOW, "config"}
BELOW["oracle"] = BELOW["auth/spf"] | {"auth/spf", "auth/dkim"}
BELOW["tools"] = {*BELOW, "smtpd", "oracle"}


def folder(path: Path) -> str:
    return path.parent.relative_to(RELAY).as_posix()


def headers() -> dict[str, Path]:
    """One header of each folder."""
    return {
        folder(path): path
        for path in sorted(RELAY.rglob("*.h"))
        if folder(path) in BELOW
    }


def compilers() -> dict[str, tuple[list[str], str]]:
    """The command that compiles a file of each folder, and the directory that it runs in."""
    build = Path(fairlead()).parents[1]
    found: dict[str, tuple[list[str], str]] = {}
    for entry in json.loads((build / "compile_commands.json").read_text("utf-8")):
        source = (Path(entry["directory"]) / entry["file"]).resolve()
        if source.is_relative_to(RELAY) and folder(source) in BELOW:
            words = shlex.split(entry["command"])
            command = [
                words[0],
                *(word for word in words if word.startswith(("-I", "-D", "-std"))),
            ]
            found[folder(source)] = (command, entry["directory"])
    return found


def test_every_folder_of_the_relay_is_on_the_map() -> None:
    assert {folder(path) for path in RELAY.rglob("*.[ch]")} - {"."} == set(BELOW)


def test_no_header_is_included_by_a_path() -> None:
    """It would lead past the include path, and so through every wall."""
    paths = [
        f"{path.relative_to(ROOT)}:{number}: {line}"
        for path in sorted(RELAY.rglob("*.[ch]"))
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if re.match(r'\s*#\s*include\s*"[^"]*/', line)
    ]
    assert not paths


@pytest.mark.parametrize("place", sorted(BELOW))
def test_only_lower_layers_can_be_included(place: str) -> None:
    command, directory = compilers()[place]
    wrong = []
    for other, header in headers().items():
        done = subprocess.run(
            [*command, "-fsyntax-only", "-x", "c", "-"],
            input=f'#include "{header.name}"\n'.encode(),
            cwd=directory,
            capture_output=True,
            timeout=60,
        )
        allowed = other == place or other in BELOW[place]
        if (done.returncode == 0) != allowed:
            wrong.append((other, done.stderr.decode("utf-8", "replace")[:300]))
    assert not wrong
