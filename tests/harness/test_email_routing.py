"""The example of the documented service, relay/install/email-routing.yaml, is what the lab runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from conformance.lab.plan import make_plan
from conformance.subjects.plan_file import document
from conformance.subjects.reference.configuration import (
    EXAMPLE,
    configuration,
    write_configuration,
)
from vectors import run_fairlead

SERVICE: dict[str, Any] = yaml.safe_load(EXAMPLE.read_text(encoding="utf-8"))


def names(settings: dict[str, Any]) -> dict[str, object]:
    return {
        "hostname": settings["hostname"],
        "ehlo": settings["upstream"]["ehlo"],
        "page": settings["postmaster"]["page"],
        "signing domain": settings["identity"]["domain"],
        "selector": settings["identity"]["selector"],
        "records": settings["provisioning"],
    }


def test_the_reference_runs_in_the_lab_with_the_names_of_the_example(
    tmp_path: Path,
) -> None:
    assert names(configuration(document(make_plan(1)), tmp_path)) == names(SERVICE)


def test_the_reference_has_no_errors_in_the_configuration_of_the_lab(
    tmp_path: Path,
) -> None:
    file = tmp_path / "fairlead.yaml"
    write_configuration(document(make_plan(3)), file)
    done = run_fairlead("check-config", str(file))
    assert (done.returncode, done.stderr) == (0, b"")
