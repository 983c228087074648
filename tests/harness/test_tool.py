"""What all tools of `fairlead` share: their options, their exit codes, the resolver they ask."""

from __future__ import annotations

import json
import re
import time

import pytest

from vectors import resolving, run_fairlead

DONE, USAGE, UNABLE = 0, 2, 3

SPF = (
    "spf",
    "--ip",
    "192.0.2.1",
    "--helo",
    "x.example",
    "--mail-from",
    "a@long.example",
)
LONG_RECORD = "v=spf1 " + "ip4:203.0.113.1 " * 200 + "ip4:192.0.2.1 -all"
NOBODY = "127.0.0.1:1"


@pytest.mark.parametrize(
    ("arguments", "advice"),
    [
        (["spf", "--nonsense"], b"unknown option --nonsense"),
        (["spf", "-x"], b"unknown option -x"),
        (["spf", "-c", "FILE"], b"unknown option -c"),
        (["verify", "--json=yes"], b"--json does not accept a value"),
        (["spf", "--ip"], b"--ip requires a value"),
        (["verify", "-c"], b"--config requires a value"),
        (
            ["spf", "--ip", "192.0.2.1", "--ip", "192.0.2.2"],
            b"--ip may be given only once",
        ),
        (["srs", "forward"] + ["--secret", "s"] * 17, b"at most 16 times"),
        ([*SPF, "operand"], b"unexpected argument 'operand'"),
        (["dkim", "verify"], b"missing FILE"),
        (["serve", "-c", "FILE", "more"], b"unexpected argument 'more'"),
        (["serve", "--resolver", NOBODY], b"unknown option --resolver"),
        (["serve"], b"missing -c FILE"),
        (["check-config"], b"missing -c FILE"),
        (["check-config", "-x"], b"unknown option -x"),
        (["nonsense"], b"unknown command 'nonsense'"),
        (["help", "nonsense"], b"unknown command 'nonsense'"),
        (["--nonsense"], b"unknown option '--nonsense'"),
        (["dkim", "nonsense"], b"unknown command 'dkim nonsense'"),
        (["help", "dkim", "nonsense"], b"unknown command 'dkim nonsense'"),
    ],
)
def test_a_wrong_command_line_ends_with_2_and_refers_to_help(
    arguments: list[str], advice: bytes
) -> None:
    result = run_fairlead(*arguments)
    assert result.returncode == USAGE
    assert result.stdout == b""
    assert advice in result.stderr
    assert b" --help'" in result.stderr
    assert result.stderr.count(b"\n") == 1


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--resolver", "nowhere.example"),
        ("--resolver", "127.0.0.1:0"),
        ("--resolver", "[::1"),
        ("--time", "yesterday"),
    ],
)
def test_a_wrong_value_ends_with_2_and_the_form_that_is_wanted(
    option: str, value: str
) -> None:
    result = run_fairlead(*SPF, option, value)
    assert result.returncode == USAGE
    assert result.stdout == b""
    assert f"{option} requires ".encode() in result.stderr
    assert f"not '{value}'".encode() in result.stderr
    assert result.stderr.count(b"\n") == 1


@pytest.mark.parametrize("arguments", [[], ["dkim"]])
def test_without_a_command_the_commands_are_listed_and_the_status_is_2(
    arguments: list[str],
) -> None:
    result = run_fairlead(*arguments)
    assert result.returncode == USAGE
    assert result.stdout == b""
    assert result.stderr.startswith(b"usage: fairlead ")
    assert re.search(rb"^  (spf|verify) ", result.stderr, re.M)


@pytest.mark.parametrize("arguments", [["help"], ["--help"], ["-h"]])
def test_help_lists_the_commands_and_shows_examples(arguments: list[str]) -> None:
    result = run_fairlead(*arguments)
    assert result.returncode == DONE
    assert result.stderr == b""
    for command in (b"serve", b"check-config", b"spf", b"dkim", b"verify", b"zone"):
        assert re.search(rb"^  %s  " % command, result.stdout, re.M)
    assert re.search(rb"^  fairlead verify -c ", result.stdout, re.M)
    assert b"fairlead(1)" in result.stdout


@pytest.mark.parametrize(
    "command",
    [
        ["serve"],
        ["check-config"],
        ["spf"],
        ["dkim"],
        ["dkim", "verify"],
        ["arc", "seal"],
        ["srs"],
        ["zone"],
    ],
    ids=" ".join,
)
def test_every_way_to_ask_for_help_on_a_command_shows_the_same_example(
    command: list[str],
) -> None:
    asked = [run_fairlead("help", *command)]
    asked += [run_fairlead(*command, option) for option in ("--help", "-h")]
    for result in asked:
        assert (result.returncode, result.stderr) == (DONE, b"")
        assert result.stdout == asked[0].stdout
    words = " ".join(command).encode()
    assert asked[0].stdout.startswith(b"usage: fairlead " + words)
    assert re.search(rb"^  fairlead " + words + rb" ", asked[0].stdout, re.M)


def test_help_names_every_option() -> None:
    result = run_fairlead("spf", "--help")
    for part in (
        b"--ip ADDRESS",
        b"--resolver HOST",
        b"--time UNIXTIME",
        b"-h, --help",
    ):
        assert part in result.stdout
    assert b"-c, --config FILE" in run_fairlead("verify", "--help").stdout


def test_the_version_is_one_line() -> None:
    result = run_fairlead("--version")
    assert result.returncode == DONE
    assert re.fullmatch(rb"fairlead \S+\n", result.stdout)


@pytest.mark.parametrize("path", ["/nonexistent", "/"])
def test_a_file_that_cannot_be_read_ends_with_3_and_its_name(path: str) -> None:
    result = run_fairlead("dkim", "verify", path)
    assert result.returncode == UNABLE
    assert path.encode() in result.stderr


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_a_message_is_read_from_stdin_with_either_line_end(end: bytes) -> None:
    message = end.join([b"From: a@b.example", b"", b"text", b""])
    result = run_fairlead("dkim", "verify", "-", "--resolver", NOBODY, stdin=message)
    assert result.returncode == DONE
    assert json.loads(result.stdout) == {"signatures": []}


def test_a_record_too_long_for_udp_is_fetched_over_tcp() -> None:
    with resolving({"long.example": {"TXT": LONG_RECORD}}) as resolver:
        result = run_fairlead(*SPF, "--resolver", resolver)
    assert json.loads(result.stdout)["result"] == "pass"


def test_an_unreachable_server_is_a_temperror_without_waiting() -> None:
    begin = time.monotonic()
    result = run_fairlead(*SPF, "--resolver", NOBODY)
    assert result.returncode == DONE
    assert json.loads(result.stdout)["result"] == "temperror"
    assert time.monotonic() - begin < 10
