"""The MTAs under test, one adapter each."""

from __future__ import annotations

from conformance.settings import Settings
from conformance.subjects import controls
from conformance.subjects.base import Subject, SubjectUnavailable


def make_subject(settings: Settings) -> Subject:
    """The adapter that the settings name; SubjectUnavailable if there is none."""
    if settings.target is not None:
        from conformance.subjects.remote import Remote

        return Remote(settings.target, settings.client_address_by)
    if settings.subject == "reference":
        from conformance.subjects.reference import Reference

        return Reference(settings.binary, settings.broken_clause)
    if settings.subject == "postfix":
        from conformance.subjects.postfix import Postfix

        return Postfix()
    if settings.subject == controls.UNSIGNED:
        from conformance.subjects.controls.unsigned import Unsigned

        return Unsigned(settings.binary)
    if settings.subject in controls.NAMES:
        return controls.Control(settings.subject)
    raise SubjectUnavailable(f"unknown subject '{settings.subject}'")


BUILT = ("reference", controls.UNSIGNED)  # from our own source
NAMES = ("reference", "postfix", *controls.NAMES)
