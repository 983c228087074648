"""Building ARC chains for the vectors, right ones and every kind of wrong one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from maker import (
    ED25519,
    RSA_1024,
    SIGNED_AT,
    Change,
    Key,
    Mail,
    Tags,
    crlf,
    mail,
    sign_field,
    sign_message,
)

DOMAIN = "example.org"
HEADERS = "from:to:subject:date:message-id"

HEADER = """\
Received: from b.example ([192.0.2.2]) by c.example; Tue, 14 Nov 2023 21:56:42 +0000
Received: from a.example ([192.0.2.1]) by b.example; Tue, 14 Nov 2023 21:56:41 +0000
From: Ann <ann@example.com>
To: Bob <bob@example.net>
Subject: The minutes of  Monday
Date: Tue, 14 Nov 2023 21:56:40 +0000
Message-ID: <minutes@example.com>
"""
BODY = """\
Here they are.

  Indented  twice,\tand a tab.
Bye
"""


def plain() -> Mail:
    return mail(HEADER, BODY)


@dataclass(frozen=True)
class Hop:
    """How one sealer seals; `ams` and `seal` change the tags before they are signed."""

    cv: str | None = None  # None: what fits the place
    instance: int | None = None
    key: Key = RSA_1024
    selector: str = "rsa"
    domain: str = DOMAIN
    headers: str = HEADERS
    canon: str | None = "relaxed/relaxed"
    without_c: str = "simple/simple"  # what no c= means to the sealer
    payload: str = " mx.example.org; spf=pass smtp.mailfrom=ann@example.com"
    aar: str | None = None  # the whole value instead of "i=N;" and the payload
    ams: Change | None = None
    seal: Change | None = None
    seal_key: Key | None = None
    separator: str = "; "
    alone: bool = False  # sign this set alone (RFC 8617 5.1.2)


def seal(message: Mail, hop: Hop = Hop()) -> Mail:
    instance = hop.instance or len(message.sets) + 1
    cv = hop.cv or ("none" if instance == 1 else "pass")
    value = hop.aar if hop.aar is not None else f" i={instance};{hop.payload}"
    aar = crlf(f"ARC-Authentication-Results:{value}\n")
    identity: Tags = [("a", hop.key.algorithm), ("d", hop.domain), ("s", hop.selector)]
    tags: Tags = [("i", str(instance)), *identity]
    if hop.canon is not None:
        tags.append(("c", hop.canon))
    tags += [("t", str(SIGNED_AT)), ("h", hop.headers), ("bh", ""), ("b", "")]
    ams = sign_message(
        "ARC-Message-Signature",
        message,
        tags,
        hop.key,
        hop.ams,
        hop.separator,
        hop.without_c,
    )
    key = hop.seal_key or hop.key
    tags = [
        ("i", str(instance)),
        *identity,
        ("t", str(SIGNED_AT)),
        ("cv", cv),
        ("b", ""),
    ]
    if hop.seal_key:
        tags[1] = ("a", key.algorithm)
        tags[3] = ("s", "ed" if key is ED25519 else "mid")
    tags = hop.seal(tags) if hop.seal else tags
    older = () if hop.alone else message.sets
    scope = [part for one in older for part in one] + [aar, ams]
    made = sign_field("ARC-Seal", tags, key, "relaxed", scope, hop.separator)
    sealed = message.on_top(made, ams, aar)
    return replace(sealed, sets=message.sets + ((aar, ams, made),))


def chain(*hops: Hop, message: Mail | None = None) -> Mail:
    sealed = message or plain()
    for hop in hops:
        sealed = seal(sealed, hop)
    return sealed


def sets(count: int, hop: Hop = Hop()) -> Mail:
    return chain(*[hop] * count)


def arranged(message: Mail, order: Sequence[int]) -> Mail:
    """The message with its first fields in another order."""
    fields = tuple(message.fields[i] for i in order) + message.fields[len(order) :]
    return replace(message, fields=fields)


PARTS = ("aar", "ams", "seal")


def dropped(message: Mail, part: str, instance: int) -> Mail:
    """Without that field of that set."""
    gone = message.sets[instance - 1][PARTS.index(part)]
    return replace(message, fields=tuple(f for f in message.fields if f is not gone))


def doubled(message: Mail, part: str, instance: int) -> Mail:
    """With that field once more on top."""
    return message.on_top(message.sets[instance - 1][PARTS.index(part)])


def text_of(message: Mail, part: str, instance: int) -> str:
    """The field as text, for Mail.edited()."""
    octets = message.sets[instance - 1][PARTS.index(part)]
    return octets.decode().replace("\r\n", "\n")
