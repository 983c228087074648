"""The cases of a file of DKIM vectors, each checked by reference.py and dkimpy as it is added."""

from __future__ import annotations

from typing import Any

import dkim

import reference
from arc_maker import plain
from maker import (
    NOW,
    RSA_1024,
    SIGNED_AT,
    Change,
    Key,
    Mail,
    Tags,
    add,
    dkimpy_says,
    key_zone,
    message_text,
    sign_message,
)

DOMAIN = "example.com"
ZONE = key_zone(DOMAIN) | {
    "rsa._domainkey.xn--bcher-kva.example": {"TXT": f"p={RSA_1024.data()}"},
    "xn--pr-via._domainkey.xn--bcher-kva.example": {"TXT": f"p={RSA_1024.data()}"},
}


def signature(
    message: Mail,
    change: Change | None = None,
    *,
    key: Key = RSA_1024,
    selector: str = "rsa",
    canon: str | None = "relaxed/relaxed",
    headers: str = "from:to:subject:date:message-id",
) -> bytes:
    tags: Tags = [("v", "1"), ("a", key.algorithm), ("d", DOMAIN), ("s", selector)]
    if canon is not None:
        tags.append(("c", canon))
    tags += [("t", str(SIGNED_AT)), ("h", headers), ("bh", ""), ("b", "")]
    return sign_message("DKIM-Signature", message, tags, key, change)


def signed(
    change: Change | None = None, message: Mail | None = None, **how: Any
) -> Mail:
    message = message or plain()
    return message.on_top(signature(message, change, **how))


class Cases:
    """The tests of one file, in order."""

    def __init__(self, zone: dict[str, Any] | None = None) -> None:
        self.zone = zone or ZONE
        self.tests: dict[str, dict[str, Any]] = {}

    def add(
        self,
        name: str,
        section: str,
        message: Mail | bytes,
        *results: str,
        **more: Any,
    ) -> None:
        """`more` is what is known of the first signature beside its result."""
        octets = message if isinstance(message, bytes) else message.octets
        assert name not in self.tests, name
        found = reference.dkim_verify(octets, self.zone, NOW)
        assert found == list(results), f"{name}: the reference says {found}"
        signatures: list[dict[str, Any]] = [{"result": result} for result in results]
        if more:
            signatures[0] |= more
        test = {
            "section": section,
            "message": message_text(octets),
            "signatures": signatures,
        }
        oracle = [self.ask_dkimpy(octets, i) for i in range(len(results))]
        if oracle != ["pass" if result == "pass" else "fail" for result in results]:
            test["oracle"] = f"dkimpy 1.1.4 says {', '.join(oracle)}"
        self.tests[name] = test

    def ask_dkimpy(self, octets: bytes, index: int) -> str:
        def judge(**how: Any) -> str:
            return "pass" if dkim.DKIM(octets).verify(idx=index, **how) else "fail"

        return dkimpy_says(judge, self.zone)


# The examples of the RFCs

RFC_8463_A3 = """\
DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;
 d=football.example.com; i=@football.example.com;
 q=dns/txt; s=brisbane; t=1528637909; h=from : to :
 subject : date : message-id : from : subject : date;
 bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
 b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus
 Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==
DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;
 d=football.example.com; i=@football.example.com;
 q=dns/txt; s=test; t=1528637909; h=from : to : subject :
 date : message-id : from : subject : date;
 bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
 b=F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3
 DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz
 dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=
From: Joe SixPack <joe@football.example.com>
To: Suzie Q <suzie@shopping.example.net>
Subject: Is dinner ready?
Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)
Message-ID: <20030712040037.46341.5F8J@football.example.com>

Hi.

We lost the game.  Are you hungry yet?

Joe.
"""

# RFC 6376 A.2. The page layout of the RFC has changed its white space: the printed hash and
# signature are those of the message with six blanks where it is folded and one after "game.".
RFC_6376_A2 = """\
DKIM-Signature: v=1; a=rsa-sha256; s=brisbane; d=example.com;
      c=simple/simple; q=dns/txt; i=joe@football.example.com;
      h=Received : From : To : Subject : Date : Message-ID;
      bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
      b=AuUoFEfDxTDkHlLXSZEpZj79LICEps6eda7W3deTVFOk4yAUoqOB
      4nujc7YopdG5dWLSdNg6xNAZpOPr+kHxt1IrE+NahM6L/LbvaHut
      KVdkLLkpVaVVQPzeRDI009SO2Il5Lu7rDNH6mZckBdrIx0orEtZV
      4bmp/YzhwvcubU4=;
Received: from client1.football.example.com  [192.0.2.1]
      by submitserver.example.com with SUBMISSION;
      Fri, 11 Jul 2003 21:01:54 -0700 (PDT)
From: Joe SixPack <joe@football.example.com>
To: Suzie Q <suzie@shopping.example.net>
Subject: Is dinner ready?
Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)
Message-ID: <20030712040037.46341.5F8J@football.example.com>

Hi.

We lost the game. Are you hungry yet?

Joe.
"""
# RFC 6376 appendix C
RFC_6376_KEY = (
    "v=DKIM1; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDwIRP/UC3SBsEmGqZ9ZJW3/DkMoGeLnQg1fWn7/zYt"
    "IxN2SnFCjxOCKG9v3b4jYfcTNh5ijSsq631uBItLa7od+v/RtdC2UzJ1lWT947qR+Rcac2gbto/NMqJ0fzfVjH4OuKhi"
    "tdY9tf6mcwGjaNBcWToIMmPSPDdQPNUYckcQ2QIDAQAB"
)
EXAMPLE_ZONE: dict[str, Any] = {
    "brisbane._domainkey.football.example.com": {
        "TXT": "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
    },
    "test._domainkey.football.example.com": {
        "TXT": "v=DKIM1; k=rsa; p=" + RSA_1024.data()
    },
    "brisbane._domainkey.example.com": {"TXT": RFC_6376_KEY},
}
