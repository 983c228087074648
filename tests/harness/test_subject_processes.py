"""What the lab sees of a subject: its processes, in a namespace of their own, and the files of its queue."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from conformance.lab.plan import make_plan
from conformance.settings import Settings
from conformance.subjects import make_subject
from conformance.subjects.base import Subject
from conformance.subjects.container import Container

# Of what a shell can wait for, only `wait` misses no signal that comes just before.
SAYS_WHEN_IT_ENDS = """
trap 'echo ended; exit' TERM
mkfifo never
read nothing < never &
echo ready > ready
wait
"""


# Processes


@contextmanager
def running(directory: Path) -> Iterator[Container]:
    """A shell that says when it is ended by SIGTERM; in it, another one."""
    os.mkfifo(directory / "ready")
    container = Container(
        ["/bin/sh", "-c", SAYS_WHEN_IT_ENDS], directory / "log", {}, directory
    )
    try:
        (directory / "ready").read_text()
        yield container
    finally:
        container.kill()


def test_all_its_processes_are_counted_and_nobody_elses(tmp_path: Path) -> None:
    with running(tmp_path) as container:
        members = container.members()
        assert len(members) == 3 and os.getpid() not in members
        namespaces = {os.readlink(f"/proc/{member}/ns/pid") for member in members}
        assert len(namespaces) == 1
    assert container.members() == []


@pytest.mark.parametrize("end", [Container.stop, Container.kill])
def test_to_end_it_nobody_looks_through_all_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: Callable[[Container], object]
) -> None:
    looks: list[Container] = []
    monkeypatch.setattr(Container, "members", looks.append)
    with running(tmp_path) as container:
        end(container)
        assert not container.running and not looks
    said = (tmp_path / "log").read_text()
    assert ("ended" in said) == (end == Container.stop)


# Its queue

FOLDER = """
schema: 1
name: mine
capabilities: []
queue_files: ["spool/*/*"]
"""


def a_folder(directory: Path) -> tuple[Subject, Path]:
    """One in a folder, and what is above its spool."""
    (directory / "subject.yaml").write_text(FOLDER)
    (directory / "start").touch(0o755)
    subject = make_subject(Settings(subject=str(directory)))
    subject.configure(make_plan(1), directory)
    return subject, directory / "state"


def a_target(directory: Path) -> tuple[Subject, Path]:
    """One that runs elsewhere, with such a file."""
    (directory / "mta.yaml").write_text(FOLDER)
    settings = Settings(target="127.0.0.1:2510")
    path = str(directory / "mta.yaml")
    return make_subject(replace(settings, capabilities=path)), directory


@pytest.mark.parametrize("kind", [a_folder, a_target])
def test_its_mail_is_whatever_its_patterns_find(
    tmp_path: Path, kind: Callable[[Path], tuple[Subject, Path]]
) -> None:
    directory = tmp_path / "mine [7]"
    directory.mkdir()
    subject, above = kind(directory)
    assert subject.has_mail() is False
    (above / "spool" / "a").mkdir(parents=True)
    assert subject.has_mail() is False
    for name in ("1", ".2"):
        (above / "spool" / "a" / name).touch()
        assert subject.has_mail() is True
        (above / "spool" / "a" / name).unlink()
    assert subject.has_mail() is False
