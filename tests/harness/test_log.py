"""A log that nobody reads does not stop the mail."""

from __future__ import annotations

import json
import select
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from serving import Client, Relay, Sink
from vectors import fairlead, resolving

RECIPIENTS = 100
MAILS = 40  # of which a line in full would be 17 KB; a pipe holds 64
MESSAGE = "From: a@sender.example\r\n\r\ntext\r\n."


@pytest.fixture()
def relay(tmp_path: Path) -> Iterator[Relay]:
    sink = Sink()
    with resolving({}) as resolver:
        relay = Relay(tmp_path, resolver, sink)
        del relay.settings["dnsbl"]
        yield relay
        relay.close()
    sink.close()


def send(relay: Relay, recipients: int) -> str:
    client = Client(relay.port)
    client.reply()
    client.ask("EHLO client.example")
    client.ask("MAIL FROM:<a@sender.example>")
    for _ in range(recipients):
        assert client.ask("RCPT TO:<info@example.com>") == "250 ok"
    client.ask("DATA")
    reply = client.ask(MESSAGE)
    client.ask("QUIT")
    client.close()
    return reply


def test_a_pipe_that_nobody_reads_stops_no_mail(relay: Relay) -> None:
    relay.write()
    with subprocess.Popen(
        [fairlead(), "serve", "-c", str(relay.path)], stderr=subprocess.PIPE, bufsize=0
    ) as process:
        relay.process = process
        assert process.stderr
        while b'"ready"' not in process.stderr.readline():
            assert process.poll() is None
        for _ in range(MAILS):
            assert send(relay, RECIPIENTS) == "250 stored"
        lines = []
        while select.select([process.stderr], [], [], 0)[0]:
            lines.append(json.loads(process.stderr.readline()))
        assert send(relay, 1) == "250 stored"
        lines.append(json.loads(process.stderr.readline()))
        process.terminate()
        assert process.wait() == 0
        process.stderr.read()
    full = next(line for line in lines if line["event"] == "transaction")
    assert len(full["recipients"]) + full["recipients_omitted"] == RECIPIENTS
    assert full["answer"]["code"] == 250
    assert any(line.get("lines_lost") for line in lines)
