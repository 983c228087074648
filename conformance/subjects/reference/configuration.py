"""The reference relay's configuration for a plan: `configuration.py PLAN FILE`. It imports nothing of the
suite, which would take longer than all the rest of the relay's start.

FAIRLEAD_LEAVE_OUT in the environment names sections that the file shall lack, for a control.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Collection
from pathlib import Path
from typing import Any

import yaml

# The documented service: its page, and the records of its zones.
_INSTALL = Path(__file__).resolve().parents[3] / "relay" / "install"
EXAMPLE = _INSTALL / "email-routing.yaml"
PROXIES = ["192.0.2.0/24", "2001:db8::/32"]


def private_copy(key: Path, directory: Path) -> Path:
    """The relay refuses a key that others can read, as a checkout makes it."""
    copy = directory / key.name
    copy.touch(0o600)
    copy.write_bytes(key.read_bytes())
    return copy


def write_configuration(
    plan: dict[str, Any], file: Path, left_out: Collection[str] = ()
) -> None:
    """Writes it in JSON, which is YAML and needs no thought about quoting; without some sections."""
    sections = configuration(plan, file.parent.resolve())
    for name in left_out:
        del sections[name]
    text = json.dumps(sections, ensure_ascii=False)
    made = file.with_suffix(".new")  # a start that is killed leaves no half of the file
    made.touch(0o600)  # it holds the SRS secrets
    made.write_text(text + "\n", encoding="utf-8")
    made.replace(file)


def configuration(plan: dict[str, Any], directory: Path) -> dict[str, Any]:
    """The example of the documented service, with what the plan says in place of its own. Keys are
    copied into `directory`."""
    example: dict[str, Any] = yaml.load(
        EXAMPLE.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader
    )
    own = [address for address in (plan["ipv4"], plan["ipv6"]) if address]
    signing, timeouts, limits = plan["signing"], plan["timeouts"], plan["limits"]
    return {
        "hostname": plan["hostname"],
        "listen": [
            *({"address": address, "port": plan["port"]} for address in own),
            *(
                {
                    "address": address,
                    "port": plan["proxy_port"],
                    "proxy_protocol_from": PROXIES,
                }
                for address in own
            ),
        ],
        "tls": {
            "certificate": plan["tls"]["certificate"],
            "key": str(private_copy(Path(plan["tls"]["key"]), directory)),
        },
        "resolver": {"servers": [plan["resolver"]], "timeout": 1, "tries": 2},
        "upstream": {"ehlo": plan["ehlo"], "source": own},
        "timeouts": {
            "client_command": timeouts["client_command"],
            "client_data": timeouts["client_data"],
            "recipient": timeouts["recipient"],
            "upstream_connect": timeouts["upstream_connect"],
            "upstream_banner": timeouts["upstream_command"],
            "upstream_command": timeouts["upstream_command"],
            "upstream_data": timeouts["upstream_command"],
            "upstream_block": timeouts["upstream_command"],
            "upstream_final": timeouts["upstream_data_end"],
            "drain": 2,
        },
        "limits": {
            name: limits[name] for name in ("sessions", "sessions_per_client", "memory")
        },
        "postmaster": {**example["postmaster"], "address": plan["contact"]},
        "provisioning": example["provisioning"],
        "srs": {"secrets": plan["srs"]["secrets"]},
        "identity": {
            "domain": signing["domain"],
            "selector": signing["selector"],
            "key": str(private_copy(Path(signing["key"]), directory)),
        },
        "dnsbl": {
            "lists": [
                {"zone": listing["zone"], "name": listing["name"]}
                for listing in plan["dnsbls"]
            ]
        },
        "dmarc": plan["dmarc"],
        "zones": plan["zones"],
    }


def main(plan: str, file: str) -> None:
    document = json.loads(Path(plan).read_text(encoding="utf-8"))
    left_out = os.environ.get("FAIRLEAD_LEAVE_OUT", "").split()
    write_configuration(document, Path(file), left_out)


if __name__ == "__main__":
    main(*sys.argv[1:])
