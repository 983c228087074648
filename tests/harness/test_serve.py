"""`fairlead serve` as its operator knows it: how it starts, reads its configuration again, ends, is
told clients' addresses by a proxy, and what its log looks like."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from conformance.subjects.reference.configuration import private_copy

from serving import (  # noqa: F401
    Client,
    Connect,
    HOST,
    MESSAGE,
    PATIENCE,
    Relay,
    Sink,
    connect,
    open_mail,
    relay,
    sink,
)
from vectors import ROOT, fairlead


def serve(directory: Path, text: str) -> subprocess.CompletedProcess[str]:
    path = directory / "fairlead.yaml"
    path.write_text(text, encoding="utf-8")
    return subprocess.run(
        [fairlead(), "serve", "-c", str(path)],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )


@pytest.mark.parametrize("exempt, answer", [(True, "554 5.4.6"), (False, "451 4.4.1")])
def test_a_relay_on_the_wildcard_address_does_not_dial_itself(
    relay: Relay, connect: Connect, exempt: bool, answer: str
) -> None:
    """Where loopback addresses may be dialled, they are the machine's own."""
    relay.settings["listen"] = [{"address": "0.0.0.0", "port": relay.port}]
    relay.settings["upstream"] = {"port": relay.port}
    if exempt:
        relay.settings["upstream"]["allow"] = [f"{HOST}/32"]
    relay.start()
    client = connect(relay.port)
    assert client.reply().startswith("220 ")
    assert client.ask("EHLO client.example").startswith("250 ")
    assert client.ask("MAIL FROM:<a@sender.example>").startswith("250 ")
    assert client.ask("RCPT TO:<info@example.com>").startswith(answer)


def test_a_relay_on_the_wildcard_address_survives_a_reload(
    relay: Relay, connect: Connect
) -> None:
    """Its own addresses are asked of the kernel again, past the filter of system calls."""
    relay.settings["listen"] = [{"address": "0.0.0.0", "port": relay.port}]
    relay.start()
    relay.settings["hostname"] = "mx.other.example"
    relay.write()
    relay.signal(signal.SIGHUP)
    relay.wait_for("reload")
    assert connect(relay.port).reply().startswith("220 mx.other.example ")


def test_an_address_behind_nat_is_the_relay_itself(
    relay: Relay, connect: Connect
) -> None:
    away = "192.0.2.77"
    relay.settings["zones"][0]["routes"][0]["to"] = f"d@[{away}]"
    relay.settings["self"] = {"addresses": [away]}
    relay.start()
    client = connect(relay.port)
    assert client.reply().startswith("220 ")
    assert client.ask("EHLO client.example").startswith("250 ")
    assert client.ask("MAIL FROM:<a@sender.example>").startswith("250 ")
    assert client.ask("RCPT TO:<info@example.com>").startswith("554 5.4.6")


def test_an_invalid_configuration_is_not_served_and_the_line_is_named(
    tmp_path: Path,
) -> None:
    done = serve(tmp_path, "hostname: mx.relay.example\nlisten: nonsense\n")
    assert done.returncode == 2
    assert "fairlead.yaml:2: listen" in done.stderr


def test_an_address_in_use_is_named(relay: Relay) -> None:
    relay.write()
    with socket.create_server((HOST, relay.port)):
        done = serve(relay.path.parent, relay.path.read_text())
    assert done.returncode == 3
    assert f"{HOST} port {relay.port}" in done.stderr


def test_an_unknown_user_prevents_the_start(relay: Relay) -> None:
    relay.settings["user"] = "nobody-of-that-name"
    relay.write()
    done = serve(relay.path.parent, relay.path.read_text())
    assert done.returncode == 3
    assert "nobody-of-that-name" in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_the_relay_runs_as_the_configured_user(relay: Relay) -> None:
    relay.settings["user"] = "nobody"
    relay.path.parent.chmod(0o755)
    relay.start()
    assert relay.process
    status = Path(f"/proc/{relay.process.pid}/status").read_text(encoding="ascii")
    uids = next(line for line in status.splitlines() if line.startswith("Uid:")).split()
    assert "0" not in uids[1:]


def state(relay: Relay) -> dict[str, str]:
    """What the kernel knows about the process."""
    assert relay.process
    text = Path(f"/proc/{relay.process.pid}/status").read_text(encoding="ascii")
    return dict(line.split(":", 1) for line in text.splitlines())


@pytest.mark.parametrize("sandbox, mode", [(None, 2), (True, 2), (False, 0)])
def test_a_serving_relay_has_a_filter_of_system_calls_unless_told_otherwise(
    relay: Relay, sandbox: bool | None, mode: int
) -> None:
    if sandbox is not None:
        relay.settings["sandbox"] = sandbox
    relay.start()
    assert int(state(relay)["Seccomp"]) == mode
    assert int(state(relay)["NoNewPrivs"]) == 1


def test_a_serving_relay_leaves_no_core_dump(relay: Relay) -> None:
    relay.start()
    assert relay.process
    limits = Path(f"/proc/{relay.process.pid}/limits").read_text(encoding="ascii")
    (cores,) = (line for line in limits.splitlines() if line.startswith("Max core"))
    assert cores.split()[4:6] == ["0", "0"]


def memory_of(process: int) -> Iterator[bytes]:
    """What the process can write, a mapping at a time."""
    maps = Path(f"/proc/{process}/maps").read_text(encoding="utf-8")
    with open(f"/proc/{process}/mem", "rb", 0) as memory:
        for line in maps.splitlines():
            bounds, permissions, *_ = line.split()
            start, end = (int(bound, 16) for bound in bounds.split("-"))
            if permissions.startswith("rw"):
                memory.seek(start)
                yield memory.read(end - start)


def test_no_key_file_stays_in_memory(relay: Relay) -> None:
    """What is used of a key does, in the form in which OpenSSL uses it."""
    directory = relay.path.parent
    keys = ROOT / "fixtures" / "keys"
    key = private_copy(keys / "test-service-rsa2048.pem", directory)
    secrets = directory / "secrets"
    secrets.write_text("# no secret, but\n" + "0123456789abcdef" * 4 + "\n")
    relay.settings["identity"] = {
        "domain": "id.example",
        "selector": "s",
        "key": str(key),
    }
    relay.settings["srs"] = {"secret_file": str(secrets)}
    relay.start()
    relay.signal(signal.SIGHUP)
    relay.wait_for("reload")
    assert relay.process
    lines = [*key.read_bytes().splitlines()[1:-2], b"# no secret, but\n0123"]
    memory = b"\0".join(memory_of(relay.process.pid))
    assert b"mx.relay.example" in memory
    assert [line for line in lines if line in memory] == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
@pytest.mark.parametrize("user, lines", [(None, 1), ("nobody", 0)])
def test_a_relay_that_stays_root_says_so_once(
    relay: Relay, user: str | None, lines: int
) -> None:
    if user:
        relay.settings["user"] = user
    relay.start()
    assert sum(line["event"] == "root" for line in relay.lines()) == lines


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can change its root")
def test_a_confined_relay_serves_and_reads_again_what_is_inside(
    relay: Relay, connect: Connect
) -> None:
    inside = relay.path.parent / "inside"
    again = inside / relay.path.relative_to("/")
    again.parent.mkdir(parents=True)
    for directory in (inside, *again.parents):
        if directory.is_relative_to(inside):
            directory.chmod(0o755)
    relay.settings |= {"user": "nobody", "chroot": str(inside)}
    relay.start()
    client = connect(relay.port)
    open_mail(client)
    assert client.ask(MESSAGE) == "250 stored"
    again.write_text(json.dumps({**relay.settings, "hostname": "mx.inside.example"}))
    shutil.chown(again, "nobody")
    relay.signal(signal.SIGHUP)
    relay.wait_for("reload")
    assert connect(relay.port).reply().startswith("220 mx.inside.example ")


def test_the_log_has_a_line_per_mail_without_its_content(
    relay: Relay, connect: Connect
) -> None:
    relay.start()
    client = connect(relay.port)
    open_mail(client)
    assert client.ask(MESSAGE) == "250 stored"
    assert client.ask("QUIT").startswith("221 ")
    session = relay.wait_for("session")
    mail = relay.wait_for("transaction")
    assert mail["id"].startswith(session["id"])
    assert mail["sender"] == "a@sender.example"
    assert mail["rewritten_sender"].startswith("SRS0=")
    assert mail["recipients"][0]["address"] == "info@example.com"
    assert mail["upstream"]["address"] == HOST
    assert (mail["answer"]["code"], mail["answer"]["by"]) == (250, "upstream")
    assert b"secret words" not in relay.log.read_bytes()
    assert b"hidden text" not in relay.log.read_bytes()


def test_a_mail_refused_here_is_logged_with_the_reply_and_without_an_upstream(
    relay: Relay, connect: Connect
) -> None:
    """Even after another mail of the session has been delivered to one."""
    relay.settings["limits"] = {"message_size": 65536}
    relay.start()
    client = connect(relay.port)
    open_mail(client)
    assert client.ask(MESSAGE) == "250 stored"
    client.ask("MAIL FROM:<a@sender.example>")
    client.ask("RCPT TO:<nobody@example.com>")
    client.ask("RSET")
    client.ask("MAIL FROM:<a@sender.example>")
    client.ask("RCPT TO:<info@example.com>")
    client.ask("DATA")
    reply = client.ask("x" * 900 + ("\r\n" + "x" * 900) * 99 + "\r\n.")
    client.ask("QUIT")
    relay.wait_for("session")
    sent, unknown, large = (
        line for line in relay.lines() if line["event"] == "transaction"
    )
    assert sent["upstream"]["address"] == HOST
    assert "upstream" not in unknown
    assert large["upstream"]["address"] == HOST
    assert f"{large['answer']['code']} {large['answer']['text']}" == reply


def test_the_log_says_why_tls_failed(
    relay: Relay, connect: Connect, sink: Sink
) -> None:
    """With the client the session ends; with the upstream it goes on in the clear."""
    keys = ROOT / "fixtures" / "keys"
    relay.settings["tls"] = {
        "certificate": str(keys / "test-tls-certificate.pem"),
        "key": str(private_copy(keys / "test-tls-key.pem", relay.path.parent)),
    }
    sink.offer = "STARTTLS"
    relay.start()
    client = connect(relay.port)
    open_mail(client)
    client.ask(MESSAGE)
    client.ask("QUIT")
    mail = relay.wait_for("transaction")
    assert mail["upstream"]["error"].startswith("TLS handshake: ")
    assert mail["answer"]["code"] == 250

    client = connect(relay.port)
    assert client.reply().startswith("220 ")
    client.ask("EHLO client.example")
    assert client.ask("STARTTLS").startswith("220 ")
    client.socket.sendall(b"no handshake\r\n" * 10)
    client.stream.read()
    session = relay.wait_for("session", "error")
    assert session["error"].startswith("TLS handshake: ")
    assert "tls" not in session


@pytest.mark.parametrize(
    "header",
    [
        b"PROXY TCP4 192.0.2.7 192.0.2.1 4711 25\r\n",
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c"
        + socket.inet_aton("192.0.2.7")
        + socket.inet_aton("192.0.2.1")
        + b"\x12\x67\x00\x19",
    ],
    ids=["v1", "v2"],
)
def test_the_client_is_the_one_that_the_proxy_names(
    relay: Relay, connect: Connect, header: bytes
) -> None:
    relay.start()
    client = connect(relay.proxied, header)
    assert client.reply().startswith("220 ")
    client.ask("EHLO client.example")
    client.ask("MAIL FROM:<a@sender.example>")
    assert client.ask("RCPT TO:<info@example.com>").startswith(
        "554 192.0.2.7 found on one or more DNSBLs (abusixip). "
    )


@pytest.mark.parametrize(
    "first",
    [b"EHLO client.example\r\n", b"PROXY TCP4 192.0.2.7\r\n", b"\0" * 200],
    ids=["SMTP", "cut", "NUL"],
)
def test_a_client_without_a_proxy_header_gets_no_reply(
    relay: Relay, connect: Connect, first: bytes
) -> None:
    relay.start()
    assert connect(relay.proxied, first).stream.read() == b""


def test_only_a_listed_proxy_is_trusted(relay: Relay, connect: Connect) -> None:
    relay.settings["listen"][1]["proxy_protocol_from"] = ["192.0.2.0/24"]
    relay.start()
    client = connect(relay.proxied, b"PROXY TCP4 192.0.2.7 192.0.2.1 4711 25\r\n")
    assert client.stream.read() == b""


def test_a_reload_applies_to_new_sessions_and_not_to_open_ones(
    relay: Relay, connect: Connect
) -> None:
    relay.start()
    old = connect(relay.port)
    assert old.reply().startswith("220 mx.relay.example ")
    relay.settings["hostname"] = "mx.other.example"
    relay.write()
    relay.signal(signal.SIGHUP)
    relay.wait_for("reload")
    assert connect(relay.port).reply().startswith("220 mx.other.example ")
    assert old.ask("HELO client.example") == "250 mx.relay.example"


def test_an_invalid_new_file_leaves_the_old_configuration_in_force(
    relay: Relay, connect: Connect
) -> None:
    relay.start()
    relay.path.write_text("hostname: [\n", encoding="utf-8")
    relay.signal(signal.SIGHUP)
    relay.wait_for("reload")
    assert connect(relay.port).reply().startswith("220 mx.relay.example ")


def test_a_file_that_changes_during_a_reload_is_read_again(
    relay: Relay, connect: Connect
) -> None:
    relay.start()
    relay.settings["hostname"] = "mx.first.example"
    relay.write()
    with relay.path.open("a", encoding="utf-8") as file:  # reading it takes a while
        file.write("\n" + ("#" * 79 + "\n") * 400_000)
    relay.signal(signal.SIGHUP)
    assert connect(relay.port).reply().startswith("220 mx.")
    relay.settings["hostname"] = "mx.last.example"
    relay.write()
    relay.signal(signal.SIGHUP)
    done = threading.Event()
    for _ in range(PATIENCE * 50):
        if connect(relay.port).reply().startswith("220 mx.last.example "):
            return
        done.wait(0.02)
    raise AssertionError(relay.log.read_text())


def test_shutdown_lets_a_mail_in_progress_finish_and_starts_no_new_one(
    relay: Relay, connect: Connect, sink: Sink
) -> None:
    relay.start()
    idle, busy = connect(relay.port), connect(relay.port)
    assert idle.reply().startswith("220 ")
    open_mail(busy)
    sink.go.clear()
    busy.socket.sendall(MESSAGE.encode("ascii") + b"\r\n")
    assert sink.has_message.wait(PATIENCE)
    relay.signal(signal.SIGTERM)
    assert idle.reply().startswith("421 4.3.2 ")
    with pytest.raises(ConnectionRefusedError):
        connect(relay.port)
    sink.go.set()
    assert busy.reply() == "250 stored"
    assert busy.reply().startswith("421 4.3.2 ")
    idle.close()
    busy.close()
    assert relay.wait() == 0


def test_a_mail_that_outlasts_the_drain_is_not_accepted(
    relay: Relay, connect: Connect, sink: Sink
) -> None:
    relay.settings["timeouts"]["drain"] = 1
    relay.start()
    client = connect(relay.port)
    open_mail(client)
    sink.go.clear()
    client.socket.sendall(MESSAGE.encode("ascii") + b"\r\n")
    assert sink.has_message.wait(PATIENCE)
    relay.signal(signal.SIGTERM)
    assert not client.reply().startswith("2")
    client.close()
    assert relay.wait() == 0


def test_a_log_that_is_not_read_does_not_stop_mail(relay: Relay) -> None:
    relay.write()
    command = [fairlead(), "serve", "-c", str(relay.path)]
    relay.process = subprocess.Popen(command, stderr=subprocess.PIPE)
    assert relay.process.stderr
    while json.loads(relay.process.stderr.readline())["event"] != "ready":
        pass
    # A session's line has some 200 octets, a pipe takes 64 KiB.
    for _ in range(600):
        client = Client(relay.port)
        assert client.reply().startswith("220 ")
        assert client.ask("QUIT").startswith("221 ")
        client.close()
    relay.process.stderr.close()


def flood(port: int, over: threading.Event) -> None:
    """Connections that are closed at once."""
    while not over.is_set():
        with socket.socket() as connection:
            connection.setblocking(False)
            connection.connect_ex((HOST, port))


@pytest.mark.parametrize("wait", [0.15, 0.2, 0.25, 0.3])
def test_it_ends_in_order_in_the_middle_of_a_reload_and_a_flood(
    relay: Relay, wait: float
) -> None:
    relay.settings["zones"] += [
        {
            "domain": f"z{number}.example",
            "routes": [{"address": f"a@z{number}.example", "to": "b@sink.example"}],
        }
        for number in range(40_000)
    ]
    relay.start()
    over = threading.Event()
    flooders = [
        threading.Thread(target=flood, args=(relay.port, over)) for _ in range(2)
    ]
    for flooder in flooders:
        flooder.start()
    try:
        relay.signal(signal.SIGHUP)
        over.wait(wait)
        relay.signal(signal.SIGTERM)
        assert relay.wait() == 0
    finally:
        over.set()
        for flooder in flooders:
            flooder.join()
