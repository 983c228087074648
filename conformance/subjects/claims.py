"""What the operator of a --target says of it, in the file that --capabilities names: the keys of
subject.yaml, of which only `capabilities` is needed, and `dmarc`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from conformance.subjects.base import (
    CAPABILITIES,
    LAB_LIMITS,
    PAGE_ADDRESSES,
    SHORT_TIMEOUTS,
    Limits,
    Plan,
    SubjectUnavailable,
    Timeouts,
)
from conformance.subjects.description import read_yaml, schema

# Those that are judged by what the lab does with the process, its clock or its configuration.
OUT_OF_REACH = {"restart", "clock", "plans", "provisioning", "proxy-protocol"}
# Those that only an operator who says what it runs with can claim.
UNKNOWN = {
    "limits",
    "timeouts",
    "session-limits",
    "memory-budget",
    "dmarc-rfc9989",
    "dmarc-options",
    PAGE_ADDRESSES,
}

DMARC = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "edition": {"enum": ["rfc9989", "rfc7489"]},
        "quarantine": {"enum": ["forward", "reject"]},
    },
}


@dataclass(frozen=True)
class Claims:
    """What is known of a target. Without a file it may do anything that it is not asked to run with."""

    capabilities: frozenset[str] = frozenset(CAPABILITIES) - OUT_OF_REACH - UNKNOWN
    limits: Limits = Limits()
    timeouts: Timeouts = Timeouts()
    title: str | None = None
    queue_files: tuple[
        str, ...
    ] = ()  # patterns, absolute or below the directory of the file
    dmarc_edition: str = Plan.dmarc_edition
    dmarc_quarantine: str = Plan.dmarc_quarantine


def target_schema() -> dict[str, Any]:
    """That of subject.yaml, as far as a running MTA needs it."""
    of_folder = schema("subject")
    keys = {
        **of_folder["properties"],
        "dmarc": DMARC,
        "queue_files": {"type": "array", "items": {"type": "string", "minLength": 1}},
    }
    return {**of_folder, "properties": keys, "required": ["capabilities"]}


def read_claims(path: Path) -> Claims:
    """Raises SubjectUnavailable with all that is wrong with the file."""
    reading = read_yaml(path, target_schema())
    if reading.faults:
        raise SubjectUnavailable(
            "\n".join(f"--capabilities {f}" for f in reading.faults)
        )
    content = reading.content
    claimed = frozenset(content["capabilities"])
    limits, timeouts = Limits(), Timeouts()
    # As in a folder, those left out are the ones that the plan asks for.
    if "limits" in content or claimed & {"limits", "session-limits", "memory-budget"}:
        limits = replace(LAB_LIMITS, **content.get("limits", {}))
    if "timeouts" in content or "timeouts" in claimed:
        timeouts = replace(SHORT_TIMEOUTS, **content.get("timeouts", {}))
    dmarc = content.get("dmarc", {})
    return Claims(
        capabilities=claimed - OUT_OF_REACH,
        limits=limits,
        timeouts=timeouts,
        title=content.get("title", content.get("name")),
        queue_files=tuple(content.get("queue_files", [])),
        dmarc_edition=dmarc.get("edition", Plan.dmarc_edition),
        dmarc_quarantine=dmarc.get("quarantine", Plan.dmarc_quarantine),
    )
