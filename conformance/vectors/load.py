"""The scenarios of fixtures/vectors and their cases, in the form that the README there describes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from conformance.lab.nameserver.zone import ZoneData

VECTORS = Path(__file__).resolve().parents[2] / "fixtures" / "vectors"

# The same in C, many times faster, if PyYAML was built with it.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Scenario(dict[str, Any]):
    """A document of a file."""

    key = ""  # which no other scenario has, "spf/macros.yaml 2"

    @cached_property
    def zone(self) -> ZoneData:
        """Its DNS."""
        return ZoneData.from_mapping(self.get("zone") or {})

    @cached_property
    def moment(self) -> ZoneData:
        """The same for nobody to cache."""
        return ZoneData.from_mapping(self.get("zone") or {}, ttl=0)


@dataclass(frozen=True)
class Case:
    """One test of one scenario: a name that no other case of its folder has, and what it says."""

    id: str
    file: str
    scenario: Scenario
    name: str
    test: Mapping[str, Any]

    @property
    def zone(self) -> ZoneData:
        return self.scenario.zone

    @property
    def folder(self) -> str:
        return self.scenario.key.partition("/")[0]

    @property
    def section(self) -> str:
        """The section that decides, "RFC 7208 4.6.4"."""
        section = str(self.test["section"])
        if section.startswith("RFC "):
            return section
        return f"RFC {self.scenario['rfc']} {section}"


def case_id(case: Case) -> str:
    """For pytest's `ids`."""
    return case.id


def load_cases(folder: str) -> list[Case]:
    """Every test of every scenario in fixtures/vectors/<folder>/*.yaml, in the files' order."""
    cases: list[Case] = []
    for path in sorted((VECTORS / folder).glob("*.yaml")):
        documents = yaml.load_all(path.read_text(encoding="utf-8"), Loader=_LOADER)
        for number, document in enumerate(documents, 1):
            scenario = Scenario(document)
            scenario.key = f"{folder}/{path.name} {number}"
            defaults = scenario.get("defaults") or {}
            for name, own in scenario["tests"].items():
                test = {**defaults, **own}
                cases.append(
                    Case(f"{path.stem}:{name}", path.name, scenario, name, test)
                )
    assert len({case.id for case in cases}) == len(cases), "test names used twice"
    return cases


def message_octets(message: str | list[str]) -> bytes:
    """A message of a vector: a text or a list of its parts, whose characters up to U+00FF stand for
    octets, LF for CRLF."""
    return "".join(message).encode("latin-1").replace(b"\n", b"\r\n")
