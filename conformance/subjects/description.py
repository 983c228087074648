"""What a subject's folder says of itself: subject.yaml, read and checked. README.md explains the keys."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator

from conformance.settings import ROOT
from conformance.subjects.base import (
    LAB_LIMITS,
    SHORT_TIMEOUTS,
    RELAY,
    Limits,
    SubjectUnavailable,
    Timeouts,
)

SCHEMAS = ROOT / "conformance" / "schemas"
FILE = "subject.yaml"
KNOWN_FAILURES = "known-failures.yaml"
HINTS = "hints.yaml"
EXECUTABLES = (
    "start",
    "stop",
    "reload",
    "submit",
    "flush",
    "clock",
    "build",
    "install",
    "zone",
    "check-zone",
    "check-plan",
)
# What a capability needs in the folder.
EXECUTABLES_NEEDED = {
    "clock": ("clock",),
    "provisioning": ("zone", "check-zone"),
    "plans": ("check-plan",),
    "flush": ("flush",),
}
ROLE_NEEDS = {"sender": "submit"}


@dataclass(frozen=True)
class Description:
    """A subject.yaml without faults."""

    folder: Path
    name: str
    title: str
    version: str | None = None
    roles: tuple[str, ...] = ("relay",)
    capabilities: frozenset[str] = frozenset()
    limits: Limits = LAB_LIMITS
    timeouts: Timeouts = SHORT_TIMEOUTS
    start_patience: float = 20.0
    as_root: bool = False
    queue_files: tuple[str, ...] = ()
    queue_is_all: bool = False
    packages: tuple[str, ...] = ()
    uses: tuple[Path, ...] = ()  # further folders that its private root shows
    known_failures: Path | None = None
    hints: Path | None = None

    def executable(self, name: str) -> Path | None:
        path = self.folder / name
        return path if path.is_file() else None

    @property
    def shown(self) -> tuple[Path, ...]:
        """What a private root shows of the machine's folders, under their own paths."""
        return (ROOT, self.folder, *self.uses)


@dataclass
class Reading:
    """What a file holds, and what is wrong with it."""

    content: dict[str, Any] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)


def schema(name: str) -> dict[str, Any]:
    """The published JSON schema of that name."""
    text = (SCHEMAS / f"{name}.schema.json").read_text(encoding="utf-8")
    document: dict[str, Any] = json.loads(text)
    return document


def faults_by_schema(document: object, wanted: str | dict[str, Any]) -> list[str]:
    """What a schema finds wrong, each with its place."""
    of = schema(wanted) if isinstance(wanted, str) else wanted
    found = Draft202012Validator(of).iter_errors(document)
    return [
        f"{'.'.join(str(step) for step in fault.absolute_path) or 'the file'}: {fault.message}"
        for fault in sorted(
            found, key=lambda fault: list(map(str, fault.absolute_path))
        )
    ]


def load_yaml(path: Path) -> Any:
    """What a file holds. Raises SubjectUnavailable, in a line, if that cannot be read."""
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SubjectUnavailable(f"{path.name}: {error.strerror}") from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        said = " ".join(str(error).split())
        raise SubjectUnavailable(f"{path.name}: {said}") from error


def read_yaml(path: Path, wanted: str | dict[str, Any]) -> Reading:
    """A YAML file that a schema describes: a published one, by its name, or another."""
    try:
        document = load_yaml(path)
    except SubjectUnavailable as error:
        return Reading(faults=[str(error)])
    faults = [f"{path.name}: {fault}" for fault in faults_by_schema(document, wanted)]
    return Reading(document if isinstance(document, dict) else {}, faults)


def faults_of(folder: Path) -> list[str]:
    """What is wrong with a subject's folder, as sentences for its author; empty if nothing is."""
    return read_folder(folder).faults


def read_folder(folder: Path) -> Reading:
    """Its subject.yaml, and what is wrong with that and with the executables beside it."""
    if not folder.is_dir():
        return Reading(faults=[f"{folder} is not a folder"])
    if not (folder / FILE).is_file():
        readme = "conformance/subjects/README.md"
        return Reading(faults=[f"{folder} has no {FILE}; {readme} says what is in it"])
    reading = read_yaml(folder / FILE, "subject")
    faults = reading.faults
    if not (folder / "start").is_file():
        faults.append(
            "there is no executable `start`, which runs the MTA in the foreground"
        )
    for name in EXECUTABLES:
        path = folder / name
        if path.is_file() and not os.access(path, os.X_OK):
            faults.append(f"`{name}` is not executable: chmod +x {path}")
    if not faults:
        for use in reading.content.get("uses", []):
            path = _used(folder, use)
            if not path.is_dir():
                faults.append(f"uses: {use} is not a folder beside this one: {path}")
            elif path == Path("/"):
                faults.append(f"uses: {use} is all of the machine, in place of a root")
    faults += _missing(folder, reading.content)
    return reading


def _missing(folder: Path, content: dict[str, Any]) -> list[str]:
    """The executables that what it declares needs and that are not there."""
    roles = content.get("roles", [RELAY])
    said = [content, *(content.get(role, {}) for role in roles)]
    declared = {name for part in said for name in part.get("capabilities", [])}
    wanted = {
        f"capability `{capability}`": needed
        for capability, needed in EXECUTABLES_NEEDED.items()
        if capability in declared
    }
    wanted |= {
        f"role `{role}`": (name,) for role, name in ROLE_NEEDS.items() if role in roles
    }
    return [
        f"{what} needs an executable `{name}`"
        for what, needed in wanted.items()
        for name in needed
        if not (folder / name).is_file()
    ]


def _used(folder: Path, use: str) -> Path:
    """Where the folder's executables look for another: below $SUBJECT, which has no symbolic links."""
    return Path(os.path.normpath(folder.resolve() / use))


def describe(folder: Path, role: str = RELAY) -> Description:
    """The folder's description, as it is in a role. Raises SubjectUnavailable with all that is wrong with
    it."""
    reading = read_folder(folder)
    if reading.faults:
        raise SubjectUnavailable(
            "\n".join([f"the subject in {folder} cannot be used:", *reading.faults])
        )
    content = {**reading.content, **reading.content.get(role, {})}
    known = folder / KNOWN_FAILURES
    return Description(
        folder=folder.resolve(),
        name=content["name"],
        title=content.get("title", content["name"]),
        version=content.get("version"),
        roles=tuple(content.get("roles", ["relay"])),
        capabilities=frozenset(content["capabilities"]),
        limits=replace(LAB_LIMITS, **content.get("limits", {})),
        timeouts=replace(SHORT_TIMEOUTS, **content.get("timeouts", {})),
        start_patience=float(content.get("start_patience", 20.0)),
        as_root=content.get("as_root", False),
        queue_is_all=content.get("queue_is_all", False),
        queue_files=tuple(content.get("queue_files", [])),
        packages=tuple(content.get("packages", [])),
        uses=tuple(_used(folder, use) for use in content.get("uses", [])),
        known_failures=known if known.is_file() else None,
        hints=hints if (hints := folder / HINTS).is_file() else None,
    )
