"""The manual pages know every option of every command and every key of the configuration."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass

import pytest

from vectors import ROOT, fairlead

MANUAL = ROOT / "relay" / "install"
WORDS = {
    "dkim": ("verify", "sign"),
    "arc": ("verify", "seal"),
    "srs": ("forward", "reverse"),
}


def output_of(*arguments: str) -> str:
    return subprocess.run(
        [fairlead(), *arguments], capture_output=True, text=True, check=True, timeout=10
    ).stdout


def commands() -> list[tuple[str, ...]]:
    names = re.findall(r"^  ([a-z-]+)  ", output_of("help"), re.MULTILINE)
    single = [(name,) for name in names if name not in WORDS]
    return [*single, *((name, word) for name in WORDS for word in WORDS[name])]


@pytest.mark.parametrize("command", commands(), ids=" ".join)
def test_every_command_and_option_has_its_place_in_the_manual(
    command: tuple[str, ...],
) -> None:
    page = (MANUAL / "fairlead.1").read_text(encoding="utf-8")
    assert f".It Cm {' '.join(command)}" in page
    for option in re.findall(r"^ .*--([a-z-]+)", output_of(*command, "--help"), re.M):
        short = option == "config" and "Fl c Ar file" in page
        assert short or f"Fl -{option}" in page, f"--{option}"


@dataclass(frozen=True)
class Key:
    """A line of `fairlead check-config --explain`."""

    name: str
    values: str
    default: str

    def __str__(self) -> str:
        return self.name

    @property
    def section(self) -> str:
        """The subsection of the manual that explains it."""
        return re.split(r"[.\[]", self.name)[0]

    @property
    def word(self) -> str:
        return self.name.split(".")[-1]


def keys() -> list[Key]:
    lines = output_of("check-config", "--explain").splitlines()
    found = [Key(*re.split(r" {2,}", line)) for line in lines]
    return [key for key in found if not key.name.endswith("[]")]


def paragraph_of(key: Key) -> str:
    """What fairlead.yaml(5) says about the key: its item, in its subsection or under a key that
    contains it; or the subsection, for a key that is one. Without the macros' names."""
    page = (MANUAL / "fairlead.yaml.5").read_text(encoding="utf-8")
    for part in re.split(r"^\.S[sh] ", page, flags=re.MULTILINE):
        heading, _, text = part.partition("\n")
        if key.section not in heading.split(", "):
            continue
        if heading == key.name:
            return text
        item = re.search(
            rf"^\.It [^\n]*\bIc {key.word}\b.*?(?=^\.It |^\.El|\Z)", text, re.M | re.S
        )
        return re.sub(r"(^\.| )[A-Z][a-z]\b", "", item[0], flags=re.M) if item else ""
    return ""


@pytest.mark.parametrize("key", keys(), ids=str)
def test_the_manual_describes_each_key_with_its_values_and_default(key: Key) -> None:
    text = paragraph_of(key)
    assert text, "it has no place in the manual"
    required = re.search(r"^Required( in this section)?[.;]", text, re.MULTILINE)
    assert bool(required) == key.default.startswith("required"), text
    for word in key.values.split(" | ") if "|" in key.values else []:
        assert re.search(rf"\b{word}\b", text), word
    if match := re.fullmatch(
        r"default (?:that of )?([\w.\[\]]+\.)?(\w+)(, .*)?", key.default
    ):
        assert re.search(rf"\b{match[2]}\b", text), key.default


def test_the_manual_names_no_key_unknown_to_the_relay() -> None:
    page = (MANUAL / "fairlead.yaml.5").read_text(encoding="utf-8")
    named = re.findall(r"^\.It Ic (\w+)", page, re.MULTILINE)
    known = {word for key in keys() for word in re.findall(r"\w+", key.name)}
    assert set(named) <= known
    assert len(keys()) > 50
