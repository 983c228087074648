"""`ask.py submit FROM TO[,TO...] FILE` or `ask.py flush`: asks the running provider, in the state directory.

It is run by itself and imports next to nothing, since it is run for every message.
"""

import json
import socket
import sys
from base64 import b64encode

CONTROL = "control"  # the provider's socket, in the state directory


def main(arguments: list[str]) -> int:
    """The exit status."""
    request = {"flush": "all"}
    if arguments[0] == "submit":
        sender, recipients, name = arguments[1:]
        with open(name, "rb") as file:
            message = b64encode(file.read()).decode("ascii")
        request = {"from": sender, "to": recipients, "message": message}
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(CONTROL)
        connection.sendall(json.dumps(request).encode("ascii") + b"\n")
        answer = connection.recv(1024).decode("ascii").strip()
    if answer != "ok":
        print(answer or "the provider has gone", file=sys.stderr)
    return 0 if answer == "ok" else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
