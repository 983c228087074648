"""`fairlead check-config`, and `fairlead serve` where it cannot start: what they say and exit with."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from vectors import ROOT, fairlead

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
    path.chmod(0o600)
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


WITHOUT_SECRETS = "srs: {secret_file: secrets}"
WITH_KEYS = """
tls: {certificate: certificate.pem, key: tls.pem}
identity: {domain: id.example, selector: s, key: signing.pem}
dmarc: {public_suffix_list: suffixes}
"""
KEY, CERTIFICATE = "test-tls-key.pem", "test-tls-certificate.pem"
FILES = {
    "tls.pem": "tls.key",
    "signing.pem": "identity.key",
    "secrets": "srs.secret_file",
    "certificate.pem": "tls.certificate",
    "suffixes": "dmarc.public_suffix_list",
}
SECRET = ("tls.pem", "signing.pem", "secrets")


@pytest.fixture
def service(config: Path) -> Path:
    """A configuration that holds no secrets itself, with all its files, safe from others."""
    text = config.read_text("utf-8").replace(
        "srs: {secrets: [0123456789abcdef]}", WITHOUT_SECRETS
    )
    config.write_text(text + WITH_KEYS, encoding="utf-8")
    keys = ROOT / "fixtures" / "keys"
    for name, source in (("tls.pem", KEY), ("signing.pem", KEY)):
        shutil.copyfile(keys / source, config.parent / name)
    shutil.copyfile(keys / CERTIFICATE, config.parent / "certificate.pem")
    (config.parent / "secrets").write_text("0123456789abcdef\n")
    (config.parent / "suffixes").write_text("example\n")
    config.chmod(0o644)
    for name in FILES:
        (config.parent / name).chmod(0o640 if name in SECRET else 0o644)
    return config


def test_a_group_may_read_secrets_and_everybody_the_rest(service: Path) -> None:
    done = run("check-config", str(service))
    assert (done.returncode, done.stderr) == (DONE, "")


@pytest.mark.parametrize("command", ["check-config", "serve"])
@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("mode", [0o660, 0o642])
def test_a_file_that_others_can_write_is_refused_by_name(
    service: Path, name: str, mode: int, command: str
) -> None:
    file = service.parent / name
    file.chmod(mode)
    change = "g-w,o-rwx" if name in SECRET else "go-w"
    done = run(command, "-c", str(service))
    assert done.returncode == USAGE
    assert done.stderr.endswith(
        f": {FILES[name]}: others can write {file}; run 'chmod {change} {file}'\n"
    )


@pytest.mark.parametrize("name", SECRET)
def test_a_secret_that_others_can_read_is_refused_by_name(
    service: Path, name: str
) -> None:
    file = service.parent / name
    file.chmod(0o604)
    done = run("check-config", str(service))
    assert done.returncode == USAGE
    assert done.stderr.endswith(
        f": {FILES[name]}: others can read {file}; run 'chmod g-w,o-rwx {file}'\n"
    )


@pytest.mark.parametrize("mode", [0o660, 0o602])
def test_a_configuration_that_others_can_write_is_refused(
    service: Path, mode: int
) -> None:
    service.chmod(mode)
    done = run("check-config", str(service))
    assert done.returncode == USAGE
    assert done.stderr == (
        f"{service}:1: others can write {service}; run 'chmod go-w {service}'\n"
    )


def test_a_configuration_with_secrets_in_it_is_one(config: Path) -> None:
    config.chmod(0o640)
    assert run("check-config", str(config)).returncode == DONE
    config.chmod(0o644)
    done = run("check-config", str(config))
    assert done.returncode == USAGE
    assert done.stderr == (
        f"{config}:5: srs.secrets: others can read {config}; "
        f"run 'chmod g-w,o-rwx {config}'\n"
    )


def test_what_is_no_file_has_no_permissions_to_check(service: Path) -> None:
    secrets = service.parent / "secrets"
    secrets.unlink()
    os.mkfifo(secrets)
    secrets.chmod(0o666)
    with subprocess.Popen(["tee", str(secrets)], stdin=subprocess.PIPE) as writer:
        assert writer.stdin
        writer.stdin.write(b"0123456789abcdef\n")
        writer.stdin.close()
        assert run("check-config", str(service)).returncode == DONE


def test_the_relay_does_not_start_on_an_address_in_use(config: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        config.write_text(GOOD.format(port=port, to="a@up.example"), encoding="utf-8")
        done = run("serve", "-c", str(config))
    assert done.returncode == UNABLE
    assert f"127.0.0.1:{port}" in done.stderr or str(port) in done.stderr
