"""What all tools of `fairlead` share: their options, their exit codes, the resolver they ask."""

from __future__ import annotations

import json
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
        (["spf", "--nonsense"], b"--nonsense"),
        (["spf", "-x"], b"-x"),
        (["spf", "--ip"], b"--ip needs a value"),
        (["spf", "--ip", "192.0.2.1", "--ip", "192.0.2.2"], b"only 1 time"),
        ([*SPF, "operand"], b"'operand' is one too many"),
        ([*SPF, "--resolver", "nowhere.example"], b"--resolver takes"),
        ([*SPF, "--resolver", "127.0.0.1:0"], b"--resolver takes"),
        ([*SPF, "--resolver", "[::1"], b"--resolver takes"),
        ([*SPF, "--time", "yesterday"], b"--time takes"),
        (["dkim", "verify"], b"give FILE"),
    ],
)
def test_a_wrong_command_line_ends_with_2_and_says_what_to_do(
    arguments: list[str], advice: bytes
) -> None:
    result = run_fairlead(*arguments)
    assert result.returncode == USAGE
    assert result.stdout == b""
    assert advice in result.stderr
    assert result.stderr.count(b"\n") == 1


def test_help_names_every_option_and_shows_an_example() -> None:
    result = run_fairlead("spf", "--help")
    assert result.returncode == DONE
    for part in (
        b"--ip ADDRESS",
        b"--resolver HOST",
        b"--time UNIXTIME",
        b"\n  fairlead spf ",
    ):
        assert part in result.stdout


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


def test_a_server_that_is_not_there_is_a_result_and_no_waiting() -> None:
    begin = time.monotonic()
    result = run_fairlead(*SPF, "--resolver", NOBODY)
    assert result.returncode == DONE
    assert json.loads(result.stdout)["result"] == "temperror"
    assert time.monotonic() - begin < 10
