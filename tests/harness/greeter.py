#!/usr/bin/python3
"""Stands in for the reference relay where the harness itself is under test: it greets, says 250 to
everything, and understands as much of the command line as the adapter uses."""

from __future__ import annotations

import json
import socketserver
import sys
import threading
from pathlib import Path


class Session(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        self.wfile.write(b"220 amir.mx.cloudflare.net\r\n")
        for line in self.rfile:
            quits = line.upper().startswith(b"QUIT")
            self.wfile.write(
                b"221 bye\r\n" if quits else b"250 amir.mx.cloudflare.net\r\n"
            )
            if quits:
                return


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


def main(arguments: list[str]) -> None:
    if "--version" in arguments:
        print("greeter 1")
        return
    configuration = json.loads(Path(arguments[arguments.index("-c") + 1]).read_text())
    for listener in configuration["listen"]:
        if ":" in listener["address"]:
            continue
        server = Server((listener["address"], listener["port"]), Session)
        threading.Thread(target=server.serve_forever).start()


main(sys.argv[1:])
