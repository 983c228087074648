"""scripts/setup --subject: what it installs on the machine, and when a private root is prepared anew."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from conformance.subjects import folder_of
from conformance.subjects.description import describe
from conformance.subjects.prepare import wanted

from running import ROOT

DESCRIPTION = "schema: 1\nname: mine\ncapabilities: []\n"
PACKAGES = "packages: [an-mta]\n"


def folder(at: Path, more: str = "") -> Path:
    """One with a start."""
    at.mkdir()
    (at / "subject.yaml").write_text(DESCRIPTION + more)
    (at / "start").write_text("#!/bin/sh\n")
    (at / "start").chmod(0o755)
    return at


# What is missing


def missing(tmp_path: Path, *subjects: str) -> str:
    """What setup says that it needs, as anybody but root, where debootstrap is not installed."""
    stubs = {
        "dpkg-query": "exec /usr/bin/dpkg-query \"$@\" | sed '/ debootstrap$/d'",
        "id": "echo 1000",
        "apt-get": "exit 1",
    }
    (tmp_path / "bin").mkdir()
    for name, text in stubs.items():
        path = tmp_path / "bin" / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
    done = subprocess.run(
        [str(ROOT / "scripts" / "setup"), *(f"--subject={s}" for s in subjects)],
        cwd=tmp_path,
        env={
            **os.environ,
            "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
            "FAIRLEAD_SUBJECTS": str(tmp_path / "roots"),
        },
        capture_output=True,
        text=True,
    )
    return done.stderr


@pytest.mark.parametrize("subject", ["reference", "control-drop", "mine", "./mine/"])
def test_a_subject_without_packages_needs_no_debootstrap(
    tmp_path: Path, subject: str
) -> None:
    folder(tmp_path / "mine")
    assert "debootstrap" not in missing(tmp_path, subject)


@pytest.mark.parametrize("subject", ["postfix", "mine", "./mine/"])
def test_a_subject_with_packages_needs_debootstrap(
    tmp_path: Path, subject: str
) -> None:
    folder(tmp_path / "mine", PACKAGES)
    said = missing(tmp_path, "reference", subject)
    assert "apt-get install" in said and "debootstrap" in said


# When it is prepared anew


def test_a_root_is_prepared_anew_for_a_change_of_what_install_names(
    tmp_path: Path,
) -> None:
    path = folder(tmp_path / "mine", PACKAGES)
    (path / "install").write_text('#!/bin/sh\ncp "$SUBJECT/lock" "$SUBJECT/gone" .\n')
    (path / "install").chmod(0o755)
    (path / "lock").write_text("1")
    (path / "other").write_text("1")
    before = wanted(describe(path))
    (path / "other").write_text("2")
    assert wanted(describe(path)) == before
    (path / "lock").write_text("2")
    assert wanted(describe(path)) != before


def test_all_that_haraka_needs_is_locked_without_an_address() -> None:
    haraka = folder_of("haraka")
    lock = json.loads((haraka / "package-lock.json").read_text())
    chosen = json.loads((haraka / "package.json").read_text())["dependencies"]
    packages = lock["packages"]
    assert packages[""]["dependencies"] == chosen
    installed = {name: entry for name, entry in packages.items() if name}
    for name, entry in installed.items():
        assert "integrity" in entry and "resolved" not in entry, name
    for name, version in chosen.items():
        assert installed[f"node_modules/{name}"]["version"] == version
