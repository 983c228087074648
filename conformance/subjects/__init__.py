"""The MTAs under test: a folder for each (README.md), or an address."""

from __future__ import annotations

from pathlib import Path

from conformance.settings import Settings
from conformance.subjects.base import RECEIVER, RELAY, Subject, SubjectUnavailable
from conformance.subjects.description import FILE, Description, describe

FOLDERS = Path(__file__).parent
REFERENCE = "reference"
CONTROL_PREFIX = "control-"


def names() -> list[str]:
    """Of the subjects in the tree, the reference first and the controls last."""
    own = sorted(path.parent.name for path in FOLDERS.glob(f"*/{FILE}"))
    own.sort(key=lambda name: name != REFERENCE)
    return own + control_names()


def control_names() -> list[str]:
    """Of the MTAs that are wrong on purpose."""
    return sorted(
        CONTROL_PREFIX + path.parent.name
        for path in (FOLDERS / "controls").glob(f"*/{FILE}")
    )


def folder_of(subject: str) -> Path:
    """The folder that --subject names: one in the tree by its name, or a path. Raises
    SubjectUnavailable."""
    if subject in names():
        if subject.startswith(CONTROL_PREFIX):
            return FOLDERS / "controls" / subject.removeprefix(CONTROL_PREFIX)
        return FOLDERS / subject
    path = Path(subject)
    if "/" in subject or path.is_dir():
        return path
    raise SubjectUnavailable(
        f"unknown subject '{subject}': neither a folder nor one of {', '.join(names())}"
    )


def description_of(subject: str, role: str = RELAY) -> Description:
    """What the folder that --subject names says of itself. Raises SubjectUnavailable."""
    return describe(folder_of(subject), role)


def make_subject(settings: Settings) -> Subject:
    """The subject that the settings name; SubjectUnavailable if there is none."""
    if settings.target is not None:
        from conformance.subjects.remote import Remote

        return Remote(settings)
    from conformance.subjects.folder import Folder

    description = description_of(settings.subject, settings.role)
    return Folder(description, environment(settings))


def service_of(settings: Settings) -> str | None:
    """The subject that the lab runs beside the one under test, if there is one: a receiver gets its mail from
    the reference relay."""
    return REFERENCE if settings.role == RECEIVER else None


def make_service(settings: Settings) -> Subject | None:
    """The one that service_of() names."""
    from conformance.subjects.folder import Folder

    name = service_of(settings)
    return Folder(description_of(name), environment(settings)) if name else None


def environment(settings: Settings) -> dict[str, str]:
    """What the options say to the executables of the reference."""
    chosen = {}
    if settings.binary:
        chosen["FAIRLEAD"] = str(Path(settings.binary).resolve())
    if settings.broken_clause:
        chosen["FAIRLEAD_BREAK"] = settings.broken_clause
    return chosen
