"""configure.py PLAN DIRECTORY: writes what Exim's configuration takes from the plan.

plan.conf has the macros, domains and routes are the tables (for exim_dbmbuild), dnsbls the texts of
refusals; the certificate and the keys are copied to where Exim's user can read them.
"""

import json
import shutil
import sys
from pathlib import Path
from typing import Any


def u_label(domain: str) -> str:
    """A domain in A-labels, in U-labels."""
    labels = (
        label[4:].encode("ascii").decode("punycode")
        if label.startswith("xn--")
        else label
        for label in domain.split(".")
    )
    return ".".join(labels)


def forms(domain: str) -> set[str]:
    """How a client may write it, once ASCII is in lower case: Exim folds the case of ASCII only."""
    name = u_label(domain)
    return {domain, name, "".join(c if c.isascii() else c.upper() for c in name)}


def write_table(path: Path, table: dict[str, str]) -> None:
    lines = (f"{key}: {value}\n" for key, value in table.items())
    path.write_text("".join(lines), encoding="utf-8")


def copy_key(source: str, target: Path) -> None:
    target.unlink(missing_ok=True)
    target.touch(0o600)
    shutil.copyfile(source, target)


def macros(plan: dict[str, Any], directory: Path) -> dict[str, object]:
    limits, timeouts = plan["limits"], plan["timeouts"]
    return {
        "PLAN_DIRECTORY": directory,
        "PLAN_HOSTNAME": plan["hostname"],
        "PLAN_EHLO": plan["ehlo"],
        "PLAN_IPV4": plan["ipv4"],
        "PLAN_IPV6": plan["ipv6"],
        "PLAN_PORT": plan["port"],
        "PLAN_PROXY_PORT": plan["proxy_port"],
        "PLAN_CONTACT": plan["contact"],
        "PLAN_SECRET": plan["srs"]["secrets"][0],
        "PLAN_SIGNING_DOMAIN": plan["signing"]["domain"],
        "PLAN_SELECTOR": plan["signing"]["selector"],
        "PLAN_PAGE": plan["refer_to"],
        "PLAN_DNSBLS": " : ".join(listing["zone"] for listing in plan["dnsbls"]),
        "PLAN_MESSAGE_SIZE": limits["message_size"],
        "PLAN_RECIPIENTS": limits["recipients"],
        "PLAN_RECEIVED_FIELDS": limits["received_fields"],
        "PLAN_HEADER_SIZE": limits["header_size"],
        # Exim counts those that it answers, and closes at the next one.
        "PLAN_BAD_COMMANDS": limits["bad_commands"] - 1,
        "PLAN_SESSIONS": limits["sessions"],
        "PLAN_CLIENT_SESSIONS": limits["sessions_per_client"],
        "PLAN_CLIENT_WAIT": f"{timeouts['client_command']:g}s",
        "PLAN_CONNECT_WAIT": f"{timeouts['upstream_connect']:g}s",
        "PLAN_COMMAND_WAIT": f"{timeouts['upstream_command']:g}s",
        "PLAN_END_WAIT": f"{timeouts['upstream_data_end']:g}s",
        "PLAN_RCPT_WAIT": f"{timeouts['recipient']:g}s",
        # Longer than the other side takes until it gives up.
        "PLAN_INNER_WAIT": f"{timeouts['recipient'] + 5:g}s",
        "PLAN_DNS_WAIT": f"{max(1, timeouts['dns'] // 2):g}s",
    }


def provider_macros(plan: dict[str, Any]) -> dict[str, object]:
    """What a provider needs beside them."""
    queue = plan["queue"]
    return {
        "PLAN_LMTP_HOST": plan["lmtp"]["host"],
        "PLAN_LMTP_PORT": plan["lmtp"]["port"],
        "PLAN_RETRY": f"{queue['retry']}s",
        "PLAN_LIFETIME": f"{queue['lifetime']}s",
    }


def addresses(plan: dict[str, Any]) -> tuple[list[str], dict[str, str]]:
    """The domains that are served, and where each address in them leads."""
    if plan.get("role", "relay") == "relay":
        routes = {alias["address"]: alias["to"] for alias in plan["aliases"]}
        return plan["domains"], routes
    domains = plan["mailbox_domains"]
    mailboxes = {mailbox: mailbox for mailbox in plan["mailboxes"]}
    postmasters = {f"postmaster@{domain}": plan["contact"] for domain in domains}
    return domains, {**postmasters, **mailboxes}


def main(plan_file: str, name: str) -> None:
    plan = json.loads(Path(plan_file).read_text(encoding="utf-8"))
    directory = Path(name).resolve()
    directory.mkdir(exist_ok=True)
    values = macros(plan, directory)
    if plan.get("role", "relay") != "relay":
        values |= provider_macros(plan)
    lines = (f"{key} = {value}\n" for key, value in values.items())
    (directory / "plan.conf").write_text("".join(lines), encoding="utf-8")
    served, targets = addresses(plan)
    domains = {form: domain for domain in served for form in forms(domain)}
    write_table(directory / "domains", domains)
    routes = {}
    for address, target in targets.items():
        local, _, domain = address.rpartition("@")
        for form in forms(domain):
            routes[f"{local.lower()}@{form}"] = target
    write_table(directory / "routes", routes)
    texts = {listing["zone"]: listing["text"] for listing in plan["dnsbls"]}
    write_table(directory / "dnsbls", texts)
    shutil.copyfile(plan["tls"]["certificate"], directory / "tls.pem")
    copy_key(plan["tls"]["key"], directory / "tls.key")
    copy_key(plan["signing"]["key"], directory / "dkim.key")


if __name__ == "__main__":
    main(*sys.argv[1:])
