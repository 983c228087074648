"""scripts/fuzz, with shell scripts in place of the fuzz targets."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
QUIET = 'echo "#7 DONE cov: 12 ft: 34 corp: 5/6b lim: 9 exec/s: 0 rss: 1Mb"'
CRASH = r"""
prefix=$(printf '%s\n' "$@" | sed -n 's/^-artifact_prefix=//p')
echo crash >"${prefix}crash-1"
echo "artifact_prefix='$prefix'; Test unit written to ${prefix}crash-1"
exit 77
"""
# As libFuzzer's -merge=1: adds to the first directory what the second has.
MERGE = r"""
directories=()
for argument; do case $argument in -*) ;; *) directories+=("$argument") ;; esac; done
case "$*" in *-merge=1*) cp -n "${directories[1]}"/* "${directories[0]}"/ ;; esac
"""


def script(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/bash\n{text}\n", encoding="utf-8")
    path.chmod(0o755)


class Tree:
    """A copy of what scripts/fuzz needs, in which nothing is built."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "scripts").mkdir()
        shutil.copy(ROOT / "scripts" / "fuzz", root / "scripts" / "fuzz")
        script(root / "scripts" / "setup", "exit 0")
        script(root / "bin" / "ninja", "exit 0")
        (root / "build-fuzz").mkdir()
        (root / "build-fuzz" / "build.ninja").touch()

    def target(self, name: str, text: str) -> None:
        source = self.root / "fuzz" / f"fuzz_{name}.c"
        source.parent.mkdir(exist_ok=True)
        source.write_text(f"/* What {name} is for. More. */\n", encoding="utf-8")
        script(self.root / "build-fuzz" / "fuzz" / f"fuzz_{name}", text)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        path = f"{self.root / 'bin'}:{os.environ['PATH']}"
        return subprocess.run(
            [str(self.root / "scripts" / "fuzz"), *arguments],
            capture_output=True,
            text=True,
            env={**os.environ, "PATH": path},
        )


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


def test_every_target_that_meson_builds_is_listed() -> None:
    text = (ROOT / "fuzz" / "meson.build").read_text(encoding="utf-8")
    lists = re.findall(r"fuzz_targets \+?= \[(.*?)\]", text, re.S)
    built = {name for part in lists for name in re.findall(r"'(\w+)'", part)}
    command = [str(ROOT / "scripts" / "fuzz"), "--list"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert {line.split()[0] for line in listed.splitlines()} == built


def test_a_target_is_listed_with_its_purpose(tree: Tree) -> None:
    tree.target("one", QUIET)
    assert tree.run("--list").stdout.split(maxsplit=1) == [
        "one",
        "What one is for\n",
    ]


def test_a_run_without_a_finding_shows_its_figures(tree: Tree) -> None:
    tree.target("one", QUIET)
    tree.target("two", QUIET)
    run = tree.run()
    assert run.returncode == 0
    lines = sorted(run.stdout.splitlines())
    assert [line.split()[0] for line in lines] == ["one", "two"]
    assert re.search(r"7 executions +12 edges +34 features", lines[0])


def test_only_the_targets_named_are_run(tree: Tree) -> None:
    tree.target("one", QUIET)
    tree.target("two", CRASH)
    run = tree.run("one")
    assert run.returncode == 0
    assert "two" not in run.stdout


def test_a_finding_is_an_error_with_the_way_to_repeat_it(tree: Tree) -> None:
    tree.target("one", CRASH)
    run = tree.run()
    artifact = tree.root / "build-fuzz" / "artifacts" / "one" / "crash-1"
    assert run.returncode == 1
    assert artifact.read_text(encoding="utf-8") == "crash\n"
    assert f"{tree.root}/build-fuzz/fuzz/fuzz_one {artifact}" in run.stdout


def test_a_target_that_does_not_run_is_no_result(tree: Tree) -> None:
    tree.target("one", "exit 1")
    assert tree.run().returncode == 3


def test_without_clang_nothing_is_concluded(tree: Tree) -> None:
    tree.target("one", QUIET)
    script(tree.root / "scripts" / "setup", "exit 3")
    run = tree.run()
    assert run.returncode == 3
    assert "scripts/setup --fuzz" in run.stderr


@pytest.mark.parametrize(
    "arguments", [["nothing"], ["--minutes", "-1"], ["--jobs", "0"]]
)
def test_wrong_usage_is_refused(tree: Tree, arguments: list[str]) -> None:
    tree.target("one", QUIET)
    assert tree.run(*arguments).returncode == 2


def test_new_coverage_becomes_seeds_up_to_fifty(tree: Tree) -> None:
    tree.target("one", MERGE)
    seeds = tree.root / "fuzz" / "seeds" / "one"
    corpus = tree.root / "build-fuzz" / "corpus" / "one"
    for directory in (seeds, corpus):
        directory.mkdir(parents=True)
    (seeds / "by-hand").touch()
    for i in range(60):
        (corpus / (f"{i:02x}" * 20)).write_bytes(bytes([i]))
    run = tree.run("--minutes", "0", "--minimise")
    assert run.returncode == 0
    assert len(list(seeds.iterdir())) == 50
    assert (seeds / "by-hand").exists()
