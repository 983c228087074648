"""The generators of the vectors: the files are what they write, octet for octet, and say what several
messages have in common once."""

from __future__ import annotations

import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
import yaml

from fixtures.vectors.generate.parts import SAVING_MIN, divide
from fixtures.vectors.generate.scenario import message_text, write_scenario
from conformance.vectors.load import VECTORS, message_octets
from vectors import ROOT

FOLDERS = ("arc", "arc-seal", "dkim")
FILES = sorted(path for folder in FOLDERS for path in (VECTORS / folder).iterdir())


def name_of(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Which also has the reference verifier judge every message again."""
    directory = tmp_path_factory.mktemp("vectors")
    command = [sys.executable, "-m", "fixtures.vectors.generate", str(directory)]
    subprocess.run(command, cwd=ROOT, check=True, timeout=60)
    return directory


def test_the_generators_write_exactly_the_files_of_their_folders(
    generated: Path,
) -> None:
    written = {name_of(path) for path in generated.glob("*/*")}
    assert written == set(map(name_of, FILES))


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_a_file_is_identical_to_the_output_of_its_generator(
    path: Path, generated: Path
) -> None:
    assert path.read_bytes() == (generated / name_of(path)).read_bytes()


def message_nodes(path: Path) -> list[yaml.Node]:
    """Every text of a message in the file, an alias as the text it stands for."""
    text = path.read_text(encoding="utf-8")
    scenario = dict(pairs(yaml.compose(text)))  # type: ignore[no-untyped-call]
    nodes = []
    for _, test in pairs(scenario["tests"]):
        message = dict(pairs(test))["message"]
        is_list = isinstance(message, yaml.SequenceNode)
        nodes += message.value if is_list else [message]
    return nodes


def pairs(node: Any) -> list[tuple[str, Any]]:
    return [(key.value, value) for key, value in node.value]


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_a_file_contains_a_long_field_or_body_once(path: Path) -> None:
    places: dict[str, set[int]] = defaultdict(set)
    for node in message_nodes(path):
        for unit in divide(node.value):
            if len(unit) >= SAVING_MIN:
                places[unit].add(id(node))
    assert [unit for unit, nodes in places.items() if len(nodes) > 1] == []


HEADER = b"From: a@example.com\r\nX-Long: " + b"x" * SAVING_MIN + b"\r\n"
OCTETS = {
    "plain": HEADER + b"\r\nbody\r\n",
    "blanks-at-the-ends-of-lines": HEADER
    + b"X: a \t\r\n\r\n trailing  \r\n\t\r\n \r\n",
    "a-bare-cr": HEADER + b"X: a\rb\r\n\r\none\rtwo\r\r\n",
    "control-characters": HEADER + b"\r\n\x00\x01\x0b\x0c\x1b\x7f\r\n",
    "high-octets": HEADER + b"\r\n" + bytes(range(0x80, 0x100)) + b"\r\n",
    "octets-that-unicode-has-as-line-ends": HEADER + b"\r\na\x85b\x0bc\x1cd\r\n",
    "no-last-line-end": HEADER + b"\r\nno end",
    "blank-lines": HEADER + b"\r\n\r\n\r\n\r\n",
    "an-indented-body": HEADER + b"\r\n\r\n   indented\r\n",
    "no-body": HEADER,
    "no-header": b"\r\nbody\r\n",
    "nothing": b"",
    "what-yaml-takes-for-its-own": HEADER + b"\r\n---\r\n# no\r\n*a: &b !c\r\n...\r\n",
    "a-line-that-only-folds": HEADER + b"X: a\r\n \t\r\n\r\n",
}


def test_messages_are_unchanged_octet_by_octet(tmp_path: Path) -> None:
    path = tmp_path / "octets.yaml"
    zone = {"example.com": {"A": "192.0.2.1"}}
    tests = {name: {"message": message_text(o)} for name, o in OCTETS.items()}
    path.write_text(write_scenario("Octets", 5322, zone, tests), encoding="utf-8")
    for loader in (yaml.SafeLoader, yaml.CSafeLoader):
        read = yaml.load(path.read_text(encoding="utf-8"), loader)
        found = {n: message_octets(t["message"]) for n, t in read["tests"].items()}
        assert found == OCTETS
    test_a_file_contains_a_long_field_or_body_once(path)
