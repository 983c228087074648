"""The manual pages know every option of every command and every key of the configuration."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

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
    names = re.findall(r"^  ([a-z-]+) ", output_of("help"), re.MULTILINE)
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


def test_every_key_of_the_configuration_has_its_place_in_the_manual() -> None:
    schema = (ROOT / "relay" / "config" / "config_schema.c").read_text(encoding="utf-8")
    page = (MANUAL / "fairlead.yaml.5").read_text(encoding="utf-8")
    keys = set(re.findall(r"(?:NUMBER|CHOICE)\(struct \w+, (\w+)", schema))
    keys |= set(re.findall(r"(?:STRING|LIST)\(\w+, struct \w+, (\w+)", schema))
    assert len(keys) > 50
    missing = {key for key in keys if not re.search(rf"\bIc {key}\b|Ss .*{key}", page)}
    assert missing == set()


def test_every_alternative_of_a_key_is_named_in_the_manual() -> None:
    schema = (ROOT / "relay" / "config" / "config_schema.c").read_text(encoding="utf-8")
    page = (MANUAL / "fairlead.yaml.5").read_text(encoding="utf-8")
    choices = re.findall(r'\{"(\w+)", [A-Z]', schema)
    assert len(choices) > 8
    for choice in choices:
        assert re.search(rf"Cm (\w+ \| )*{choice}\b", page), choice


def test_the_page_of_defaults_gives_those_of_the_relay() -> None:
    source = (ROOT / "relay" / "config.c").read_text(encoding="utf-8")
    page = (MANUAL / "fairlead.yaml.5").read_text(encoding="utf-8")
    defaults = re.findall(
        r"seconds\(build, \"timeouts\.(\w+)\", file->\w+,\s+(\d+)", source
    )
    assert len(defaults) > 8
    for key, default in defaults:
        assert f".It Ic {key} Ta {default} Ta" in page, key
