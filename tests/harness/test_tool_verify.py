"""`fairlead verify`: what the relay would do with a message, as JSON and as a report."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conformance.subjects.reference.configuration import private_copy

from vectors import ROOT, fairlead, resolving

ZONE = {
    "_dmarc.reject.example": {"TXT": "v=DMARC1; p=reject; aspf=s"},
    "_dmarc.none.example": {"TXT": "v=DMARC1; p=none"},
    "_dmarc.slow.example": "SERVFAIL",
    "reject.example": {"TXT": "v=spf1 ip4:192.0.2.1 -all"},
    "7.2.0.192.bl.example": {"A": "127.0.0.2"},
    "8.2.0.192.bl.example": "SERVFAIL",
}

KEY = ROOT / "fixtures" / "keys" / "test-service-rsa2048.pem"
CONFIG = f"""
hostname: mx.relay.example
listen: [{{address: 127.0.0.1, port: 2525}}]
srs: {{secrets: [0123456789abcdef0123456789abcdef]}}
identity:
  domain: relay.example
  selector: "2022"
  key: {KEY.name}
  authserv_id: relay.example
postmaster: {{address: postmaster@up.example, page: "https://relay.example/postmaster/"}}
zones:
  - {{domain: example.com, plan: free, routes: [{{address: info@example.com, to: me@up.example}}]}}
dnsbl: {{lists: [{{zone: bl.example, name: abusixip}}]}}
"""


@pytest.fixture(scope="module")
def resolver() -> Iterator[str]:
    with resolving(ZONE) as resolver:
        yield resolver


def replaced(command: list[str], option: str, value: str) -> list[str]:
    """The command with another value of an option."""
    place = command.index(option)
    return [*command[: place + 1], value, *command[place + 2 :]]


@pytest.fixture()
def command(tmp_path: Path, resolver: str) -> list[str]:
    private_copy(KEY, tmp_path)
    (tmp_path / "fairlead.yaml").write_text(CONFIG, encoding="utf-8")
    return [
        fairlead(),
        "verify",
        *("-c", str(tmp_path / "fairlead.yaml")),
        *("--resolver", resolver),
        *("--helo", "client.example"),
        *("--mail-from", "me@reject.example"),
    ]


def message(author: str) -> bytes:
    return f"From: {author}\nSubject: x\n\nbody\n".encode()


def verify(command: list[str], octets: bytes, *options: str) -> Any:
    if "--ip" not in options:
        options = ("--ip", "192.0.2.1", *options)
    done = subprocess.run(
        [*command, *options, "-"], input=octets, capture_output=True, timeout=60
    )
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


def report(command: list[str], octets: bytes, tmp_path: Path, **env: str) -> str:
    """What the command prints on a terminal."""
    path = tmp_path / "message.eml"
    path.write_bytes(octets)
    try:
        ours, theirs = pty.openpty()
    except OSError as error:  # a chroot without /dev/pts
        pytest.skip(f"no terminal to be had: {error}")
    process = subprocess.Popen(
        [*command, "--ip", "192.0.2.9", str(path)],
        stdout=theirs,
        env={**{k: v for k, v in os.environ.items() if k != "NO_COLOR"}, **env},
    )
    os.close(theirs)
    text = b""
    while True:
        try:
            block = os.read(ours, 4096)
        except OSError:
            break
        if not block:
            break
        text += block
    os.close(ours)
    assert process.wait(60) == 0
    return text.decode().replace("\r\n", "\n")


def test_an_aligned_spf_pass_is_forwarded_and_everything_is_reported(
    command: list[str],
) -> None:
    found = verify(command, message("me@reject.example"))
    assert (found["verdict"], found["stage"]) == ("forward", "DATA")
    assert found["reply"] is None and found["clause"] is None
    assert found["spf"]["result"] == "pass"
    assert found["dkim"] == {"signatures": []}
    assert found["arc"]["cv"] == "none"
    assert found["dmarc"]["aligned"] == {"spf": True, "dkim": False}
    assert "reject.example" in found["reason"]
    field = found["authentication_results"]
    assert field.startswith("Authentication-Results: relay.example; spf=pass")
    assert "smtp.remote-ip=192.0.2.1" in field


def test_the_resolver_of_the_configuration_is_asked_unless_an_option_names_one(
    command: list[str], resolver: str
) -> None:
    place = command.index("--resolver")
    plain = [*command[:place], *command[place + 2 :]]
    config = Path(plain[plain.index("-c") + 1])
    with config.open("a", encoding="utf-8") as file:
        file.write(f'resolver: {{servers: ["{resolver}"]}}\n')
    assert verify(plain, message("me@reject.example"))["spf"]["result"] == "pass"
    other = [*plain, "--resolver", "127.0.0.1:1"]
    assert verify(other, message("me@reject.example"))["spf"]["result"] == "temperror"


def test_a_refusal_has_its_reply_and_its_clause(command: list[str]) -> None:
    found = verify(command, message("me@reject.example"), "--ip", "192.0.2.9")
    assert found["verdict"] == "refuse"
    assert found["reply"].startswith("550 5.7.26 ")
    assert found["clause"].startswith("DMARC-")
    assert found["dmarc"]["disposition"] == "reject"


def test_a_dns_failure_is_a_451(command: list[str]) -> None:
    found = verify(command, message("me@slow.example"))
    assert found["reply"].startswith("451 4.7.0 ")


def test_two_from_fields_are_refused_and_dmarc_is_not_evaluated(
    command: list[str],
) -> None:
    found = verify(command, b"From: a@none.example\n" + message("b@none.example"))
    assert found["reply"].startswith("550 5.7.1 ")
    assert found["author_domain"] is None and found["dmarc"] is None


@pytest.mark.parametrize(
    ("recipient", "ip", "reply", "route"),
    [
        ("info@example.com", "192.0.2.1", None, "me@up.example"),
        ("<INFO@Example.com>", "192.0.2.1", None, "me@up.example"),
        ("other@example.com", "192.0.2.1", "550 5.1.1 ", None),
        ("info@elsewhere.example", "192.0.2.1", "550 5.7.1 ", None),
        (
            "info@example.com",
            "192.0.2.7",
            "554 192.0.2.7 found on one or more DNSBLs (abusixip).",
            "me@up.example",
        ),
        ("postmaster@example.com", "192.0.2.7", None, "postmaster@up.example"),
    ],
)
def test_a_recipient_adds_its_route_and_the_block_lists(
    command: list[str], recipient: str, ip: str, reply: str | None, route: str | None
) -> None:
    found = verify(
        command, message("a@none.example"), "--ip", ip, "--rcpt-to", recipient
    )
    assert found["recipient"]["route"] == route
    assert found["recipient"]["dnsbl"] == ("abusixip" if ip.endswith("7") else None)
    if reply is None:
        assert found["verdict"] == "forward"
    else:
        assert found["stage"] == "RCPT" and found["reply"].startswith(reply)


def test_a_loop_is_refused_whatever_the_evaluation_says(command: list[str]) -> None:
    found = verify(command, b"Received: by x\n" * 100 + message("me@none.example"))
    assert found["reply"].startswith("554 5.4.6 ")
    assert found["dmarc"]["result"] == "fail"


def test_a_first_line_that_continues_another_is_refused(command: list[str]) -> None:
    found = verify(command, b" folded\n" + message("me@none.example"))
    assert found["reply"].startswith("550 5.6.0 ")
    assert found["clause"] == "SMUG-10"


@pytest.mark.parametrize(
    ("octets", "reply", "clause"),
    [
        (b"a\rb\r\n", "550 5.6.0 ", "SMUG-03"),
        (b"a\nb\r\n", "550 5.6.0 ", "SMUG-02"),
        (b"a\0b\r\n", "550 5.6.0 ", "SMUG-04"),
        (b"a\rb\n", "550 5.6.0 ", "SMUG-03"),
        (b"a\0b", "550 5.6.0 ", "SMUG-04"),
    ],
    ids=["CR", "LF", "NUL", "CR in a local file", "NUL in a local file"],
)
def test_content_that_the_relay_refuses_is_refused(
    command: list[str], octets: bytes, reply: str, clause: str
) -> None:
    header = b"From: me@reject.example\r\n\r\n"
    if b"\r\n" not in octets:
        header = header.replace(b"\r\n", b"\n")
    found = verify(command, header + octets)
    assert (found["verdict"], found["stage"]) == ("refuse", "DATA")
    assert found["reply"].startswith(reply)
    assert found["clause"] == clause
    assert found["dmarc"]["result"] == "pass"


@pytest.mark.parametrize("end", ["\n", "\r\n", ""])
def test_a_message_with_the_line_ends_of_a_file_is_forwarded(
    command: list[str], end: str
) -> None:
    octets = f"From: me@reject.example{end or chr(10)}.{end or chr(10)}last".encode()
    found = verify(command, octets + end.encode())
    assert found["verdict"] == "forward"


@pytest.mark.parametrize(
    ("options", "stage", "reply", "clause"),
    [
        (["--rcpt-to", "nobody"], "RCPT", "501 5.1.3 ", "DLG-20"),
        (["--rcpt-to", "jürgen@example.com"], "RCPT", "553 5.6.7 ", "EAI-01"),
        (
            ["--rcpt-to", "SRS0=AAAA=AA=b.example=a@example.com"],
            "RCPT",
            "550 5.1.1 ",
            "NDR-02",
        ),
        (["--size", "26214401"], "MAIL", "552 5.3.4 ", "LIM-10"),
    ],
)
def test_an_envelope_that_the_relay_refuses_is_refused(
    command: list[str], options: list[str], stage: str, reply: str, clause: str
) -> None:
    found = verify(command, message("me@none.example"), *options)
    assert (found["verdict"], found["stage"]) == ("refuse", stage)
    assert found["reply"].startswith(reply)
    assert found["clause"] == clause
    assert found["spf"]["result"] == "pass"


def test_a_sender_that_the_relay_refuses_leaves_nothing_to_evaluate(
    command: list[str],
) -> None:
    command = replaced(command, "--mail-from", "jürgen@x.example")
    found = verify(command, message("me@none.example"))
    assert (found["stage"], found["clause"]) == ("MAIL", "EAI-02")
    assert found["reply"].startswith("550 5.6.7 ")
    assert found["spf"] is None and found["authentication_results"] is None


@pytest.mark.parametrize(
    "name",
    [
        "my_host",
        "_spf.sender.example",
        "-foo.example",
        "foo-.example",
        "xn--a.example",
        "[192.0.2.1]",
        "[IPv6:2001:DB8:0::1]",
        "a..example",
        "[192.0.2]",
        "client example",
    ],
)
def test_a_client_name_that_the_relay_accepts_is_accepted(
    command: list[str], name: str
) -> None:
    command = replaced(command, "--helo", name)
    found = verify(command, message("me@reject.example"))
    assert (found["verdict"], found["stage"]) == ("forward", "DATA")
    assert found["spf"]["result"] == "pass"


@pytest.mark.parametrize("name", ["", "client\texample", "caf\xe9 example"])
def test_a_client_name_that_the_relay_refuses_is_refused_at_ehlo(
    command: list[str], name: str
) -> None:
    command = replaced(command, "--helo", name)
    found = verify(command, message("me@reject.example"))
    assert (found["verdict"], found["stage"]) == ("refuse", "EHLO")
    assert found["reply"].startswith("501 5.5.")
    assert found["clause"] == "DLG-21"
    assert found["spf"] is None and found["authentication_results"] is None


@pytest.mark.parametrize(
    ("path", "options", "reply", "clause"),
    [
        ("<a@b.example> SIZE=99999999999", [], "552 5.3.4 ", "LIM-10"),
        ("a@b.example", ["--size", "9" * 20], "552 5.3.4 ", "LIM-10"),
        ("a@b.example", ["--size", "9" * 21], "501 5.5.4 ", "LIM-20"),
        ("<a@b.example> SIZE=1", ["--size", "1"], "501 5.5.4 ", "LIM-20"),
    ],
    ids=["in the path", "beyond 64 bits", "beyond 20 digits", "twice"],
)
def test_a_declared_size_is_judged_as_the_relay_judges_it(
    command: list[str], path: str, options: list[str], reply: str, clause: str
) -> None:
    command = replaced(command, "--mail-from", path)
    found = verify(command, message("me@none.example"), *options)
    assert (found["stage"], found["clause"]) == ("MAIL", clause)
    assert found["reply"].startswith(reply)


def test_two_from_fields_are_refused_by_their_own_clause(command: list[str]) -> None:
    found = verify(command, b"From: a@none.example\n" + message("b@none.example"))
    assert found["clause"] == "DMARC-11"


def test_a_block_list_that_does_not_answer_is_reported_as_unanswered(
    command: list[str],
) -> None:
    options = ["--ip", "192.0.2.8", "--rcpt-to", "info@example.com"]
    found = verify(command, message("me@none.example"), *options)
    assert found["recipient"]["dnsbl"] is None
    assert found["recipient"]["dnsbl_unanswered"] == "abusixip"
    assert found["verdict"] == "forward"


def test_on_a_terminal_there_is_a_report_in_colour(
    command: list[str], tmp_path: Path
) -> None:
    text = report(command, message("me@reject.example"), tmp_path)
    assert "\x1b[31m" in text
    plain = re.sub(r"\x1b\[[0-9]*m", "", text)
    assert plain.startswith("Refused at DATA: 550 5.7.26 ")
    assert "_dmarc.reject.example: v=DMARC1; p=reject; aspf=s" in plain
    assert re.search(r"SPF +fail +reject\.example \(MAIL FROM\), by -?all", plain)
    assert "Authentication-Results: relay.example;" in plain


def test_no_color_is_honoured(command: list[str], tmp_path: Path) -> None:
    text = report(command, message("me@none.example"), tmp_path, NO_COLOR="1")
    assert text.startswith("Forwarded")
    assert "\x1b" not in text


def test_the_report_is_safe_for_a_terminal(command: list[str], tmp_path: Path) -> None:
    octets = b"DKIM-Signature: v=1; d=\x1b[2Jx\x07; s=\x9b; a=rsa-sha256; b=a; bh=a; h=From\n"
    text = report(command, octets + message("a@none.example"), tmp_path, NO_COLOR="1")
    assert not re.search(r"[^\x20-\x7e\n]", text)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--ip", "192.0.2.1"],  # no message
        ["--ip", "192.0.2", "-"],
        ["--ip", "192.0.2.1", "--size", "many", "-"],
        ["--ip", "192.0.2.1", "--what", "-"],
        ["-"],
    ],
)
def test_a_wrong_command_line_ends_with_2(
    command: list[str], arguments: list[str]
) -> None:
    done = subprocess.run(
        [*command, *arguments], input=b"", capture_output=True, timeout=60
    )
    assert done.returncode == 2
    assert done.stderr and not done.stdout


def test_a_missing_message_ends_with_3(command: list[str]) -> None:
    done = subprocess.run(
        [*command, "--ip", "192.0.2.1", "/nonexistent"], capture_output=True, timeout=60
    )
    assert done.returncode == 3
