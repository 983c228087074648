"""The arguments of MAIL and RCPT (RFC 5321 4.1.2)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address

import idna

LOCAL_MAX = 64
DOMAIN_MAX = 253  # without the root; 255 octets on the wire (RFC 1035 2.3.4)

_ATEXT = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]|[^\x00-\x7f]"
_LOCAL = rf'(?:{_ATEXT})(?:{_ATEXT}|\.)*|"(?:[ !#-\[\]-~]|[^\x00-\x7f]|\\[ -~])*"'
_DOMAIN = r"(?:[A-Za-z0-9_.-]|[^\x00-\x7f])+|\[[!-Z^-~]+\]"
PATH = re.compile(
    rf"<(?:@(?:{_DOMAIN})(?:,@(?:{_DOMAIN}))*:)?(?P<local>{_LOCAL})@(?P<domain>{_DOMAIN})>"
)
PARAMETERS = re.compile(r"(?: +[A-Za-z0-9][A-Za-z0-9-]*(?:=[!-<>-~]+)?)*\Z")
LABEL = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\Z")


class Malformed(Exception):
    """The reply to it."""


@dataclass(frozen=True)
class Path:
    """A path and the parameters after it. Without a domain it is <> or <postmaster>."""

    local: str
    domain: str
    parameters: dict[str, str] = field(default_factory=dict)

    @property
    def address(self) -> str:
        return f"{self.local}@{self.domain}" if self.domain else self.local


def parse(argument: str, keyword: str, extended: bool) -> Path:
    """The argument of MAIL ("FROM:") or RCPT ("TO:"). Raises Malformed."""
    if not argument[: len(keyword)].upper() == keyword:
        raise Malformed(f"501 5.5.4 {keyword}<address> is expected")
    text = argument[len(keyword) :].lstrip(" ")
    match = PATH.match(text)
    if match is not None:
        local, domain = match["local"], domain_of(match["domain"])
        rest = text[match.end() :]
    elif keyword == "FROM:" and text.startswith("<>"):
        local = domain = ""
        rest = text[2:]
    elif keyword == "TO:" and text[:12].lower() == "<postmaster>":
        local, domain, rest = "postmaster", "", text[12:]
    else:
        raise Malformed("501 5.1.3 That address is not valid")
    if not local.isascii():
        code = "550" if keyword == "FROM:" else "553"
        raise Malformed(f"{code} 5.6.7 Internationalized local parts are not supported")
    if len(local) > LOCAL_MAX:
        raise Malformed("501 5.1.3 The local part is too long")
    return Path(local, domain, parameters_of(rest, extended))


def parameters_of(rest: str, extended: bool) -> dict[str, str]:
    rest = rest.rstrip(" ")
    if not PARAMETERS.match(rest) or (rest and not extended):
        raise Malformed("501 5.5.4 The parameters are not valid")
    parameters: dict[str, str] = {}
    for word in rest.split():
        name, _, value = word.partition("=")
        if name.upper() in parameters:
            raise Malformed("501 5.5.4 A parameter is there twice")
        parameters[name.upper()] = value if "=" in word else ""
    return parameters


def domain_of(text: str) -> str:
    """The domain in A-labels, or the address literal."""
    if text.startswith("["):
        return literal_of(text)
    try:
        domain = text
        if not text.isascii():
            domain = idna.encode(text.lower()).decode("ascii")
        for label in domain.split("."):
            if label.lower().startswith("xn--"):
                idna.ulabel(label.lower())
    except (idna.IDNAError, UnicodeError):
        raise Malformed("501 5.1.3 That domain is not valid") from None
    if len(domain) > DOMAIN_MAX or not all(map(LABEL.match, domain.split("."))):
        raise Malformed("501 5.1.3 That domain is not valid")
    return domain


def literal_of(text: str) -> str:
    inner = text[1:-1]
    try:
        if not text.endswith("]"):
            raise ValueError
        if inner.lower().startswith("ipv6:"):
            return f"[IPv6:{IPv6Address(inner[5:])}]"
        return f"[{IPv4Address(inner)}]"
    except ValueError:
        raise Malformed("501 5.1.3 That address literal is not valid") from None
