"""The fields that the provider prepends, and the forged ones that it removes (RFC 8601 5, RFC 5321 4.4)."""

from __future__ import annotations

import re
from contextlib import suppress
from email.utils import formatdate

from conformance.subjects.controls.provider.message import Field
from conformance.subjects.controls.provider.paths import (
    DOMAIN_MAX,
    Malformed,
    literal_of,
)
from conformance.subjects.controls.provider.results import Checked

COMMENT = re.compile(r"\((?:[^()\\]|\\.)*\)")
TOKEN = re.compile(r"[!#-'*+.0-9A-Z^-z|~-]+\Z")
LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
NAME = re.compile(rf"{LABEL}(?:\.{LABEL})*\Z")


def authentication_results(hostname: str, checked: Checked, record_arc: bool) -> Field:
    """What was checked, with what was found."""
    client = checked.client
    if client.sender:
        identity = f"smtp.mailfrom={pvalue(client.sender)}"
    else:
        identity = f"smtp.helo={pvalue(client.name)}"
    results = [f"spf={checked.spf} {identity}"]
    for signature in checked.signatures:
        result = f"dkim={signature.result}"
        if signature.reason:
            result += f" reason={quoted(signature.reason)}"
        for name, value in (
            ("header.d", signature.domain),
            ("header.s", signature.selector),
            ("header.b", signature.start),
        ):
            if value:
                result += f" {name}={pvalue(value)}"
        results.append(result)
    if not checked.signatures:
        results.append("dkim=none")
    for verdict in checked.verdicts:
        results.append(
            f"dmarc={verdict.result} policy.dmarc={verdict.policy} "
            f"header.from={pvalue(verdict.domain)}"
        )
    if not checked.verdicts:
        results.append("dmarc=none")
    if record_arc:
        result = f"arc={checked.arc} smtp.remote-ip={pvalue(client.address)}"
        if checked.arc_sealer:
            result += f" ({quoted(checked.arc_sealer)[1:-1]})"
        results.append(result)
    text = f"Authentication-Results: {hostname};\r\n\t" + ";\r\n\t".join(results)
    return Field(b"Authentication-Results", text.encode("ascii", "replace") + b"\r\n")


def pvalue(text: str) -> str:
    """As RFC 8601 2.2 has it: a token or an address as it is, anything else quoted."""
    local, at, domain = text.rpartition("@")
    if TOKEN.match(domain) and (not at or TOKEN.match(local)):
        return text
    return quoted(text)


def quoted(text: str) -> str:
    plain = "".join(c for c in text if " " <= c <= "~" and c not in '"\\')
    return f'"{plain}"'


def received(
    hostname: str, name: str, address: str, protocol: str, recipients: list[str]
) -> Field:
    """With FOR only if it says nothing of other recipients."""
    literal = f"IPv6:{address}" if ":" in address else address
    said = name if is_domain(name) else f"[{literal}]"
    by = f"by {hostname} with {protocol}"
    if len(recipients) == 1:
        by += f"\r\n\tfor <{recipients[0]}>"
    text = f"Received: from {said} ([{literal}])\r\n\t{by}; {formatdate()}\r\n"
    return Field(b"Received", text.encode("ascii", "replace"))


def is_domain(name: str) -> bool:
    """Or an address literal."""
    if name.startswith("["):
        with suppress(Malformed):
            return bool(literal_of(name))
        return False
    return len(name) <= DOMAIN_MAX and bool(NAME.match(name))


def is_forged(field: Field, hostname: str) -> bool:
    """Whether a received field may be taken for one of the host's own, or has another version."""
    if not field.is_named(b"Authentication-Results"):
        return False
    text = field.value.decode("latin-1")
    while (stripped := COMMENT.sub(" ", text)) != text:
        text = stripped
    head = text.split(";")[0]
    own = re.escape(hostname)
    if re.search(rf"(?<![A-Za-z0-9.-]){own}(?![A-Za-z0-9.-])", head, re.IGNORECASE):
        return True
    if re.match(r"\s*i\s*=\s*\d+\s*\Z", head):
        return is_forged(
            Field(field.name, b"x:" + text.partition(";")[2].encode()), hostname
        )
    version = re.match(r'\s*(?:"[^"]*"|[^\s"]+)\s+(\d+)\s*\Z', head)
    return version is not None and int(version[1]) != 1
