"""`fairlead check-config`, and `fairlead serve` where it cannot start: what they say and exit with."""

from __future__ import annotations

import re
import socket
import subprocess
from pathlib import Path

import pytest

from vectors import fairlead

DONE, USAGE, UNABLE = 0, 2, 3

GOOD = """
hostname: mx.example
listen: [{{address: 127.0.0.1, port: {port}}}]
postmaster: {{address: postmaster@elsewhere.example}}
srs: {{secrets: [0123456789abcdef]}}
zones:
  - domain: example.com
    routes:
      - {{address: info@example.com, to: {to}}}
"""


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [fairlead(), *arguments], capture_output=True, text=True, timeout=10
    )


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "fairlead.yaml"
    path.write_text(GOOD.format(port=2525, to="a@up.example"), encoding="utf-8")
    return path


@pytest.mark.parametrize("options", [[], ["-c"], ["--config"]])
def test_a_good_file_is_counted(config: Path, options: list[str]) -> None:
    done = run("check-config", *options, str(config))
    assert done.returncode == DONE
    assert done.stdout == f"{config}: ok, 1 zone, 1 route\n"
    assert done.stderr == ""


@pytest.mark.parametrize("command", ["check-config", "serve"])
def test_a_bad_file_is_refused_by_file_line_and_key(config: Path, command: str) -> None:
    config.write_text(GOOD.format(port=0, to="a@example.com"), encoding="utf-8")
    done = run(command, "-c", str(config))
    assert done.returncode == USAGE
    assert done.stdout == ""
    assert done.stderr.splitlines() == [
        f"{config}:3: listen[0].port: must be between 1 and 65535",
        f"{config}:9: zones[0].routes[0].to: 'example.com' is served here, which makes a loop",
    ]


@pytest.mark.parametrize(
    "arguments", [[], ["-x"], ["a", "b"], ["-c"], ["--explain", "a"]]
)
def test_a_wrong_command_line_is_a_usage_error(arguments: list[str]) -> None:
    assert run("check-config", *arguments).returncode == USAGE


def test_every_key_is_explained_with_its_values_and_its_default() -> None:
    done = run("check-config", "--explain")
    assert done.returncode == DONE
    rows = [re.split(r" {2,}", line) for line in done.stdout.splitlines()]
    assert all(len(row) == 3 for row in rows)
    for row in (
        ["hostname", "domain", "required"],
        ["listen[].port", "number, 1 to 65535", "default 25"],
        ["tls.key", "file", "required in its section"],
        ["upstream.ehlo", "domain", "default that of hostname"],
        ["upstream.starttls", "opportunistic | never", "default opportunistic"],
        ["zones[].srs.overflow", "local part", "default bounces"],
        ["postmaster.page", "URL of at most 200 octets", "optional"],
    ):
        assert row in rows
    assert "spf.engine" not in done.stdout


def test_the_removed_engine_setting_is_refused_with_advice(config: Path) -> None:
    with config.open("a", encoding="utf-8") as file:
        file.write("spf: {engine: native}\n")
    done = run("check-config", str(config))
    assert done.returncode == USAGE
    assert done.stderr == (
        f"{config}:10: spf.engine: was removed: the relay always evaluates SPF itself; "
        "delete this key\n"
    )


def test_a_dnsbl_needs_the_page_that_its_refusal_refers_to(config: Path) -> None:
    with config.open("a", encoding="utf-8") as file:
        file.write("dnsbl: {lists: [{zone: bl.example}]}\n")
    done = run("check-config", str(config))
    assert done.returncode == USAGE
    assert done.stderr == (
        f"{config}:4: postmaster.page: is missing: the refusal of a client on one of "
        "dnsbl.lists refers to it\n"
    )


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    missing = tmp_path / "missing.yaml"
    done = run("check-config", str(missing))
    assert done.returncode == USAGE
    assert done.stderr == f"{missing}: No such file or directory\n"


def test_the_relay_does_not_start_on_an_address_in_use(config: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        config.write_text(GOOD.format(port=port, to="a@up.example"), encoding="utf-8")
        done = run("serve", "-c", str(config))
    assert done.returncode == UNABLE
    assert f"127.0.0.1:{port}" in done.stderr or str(port) in done.stderr
