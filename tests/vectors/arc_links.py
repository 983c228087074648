"""ARC vectors about broken links, canonicalisation and keys."""

from __future__ import annotations

from dataclasses import replace

from arc_maker import HEADER, Hop, chain, PARTS, text_of, plain, seal, sets
from maker import (
    ED25519,
    RSA_1024,
    RSA_2048,
    RSA_4096,
    RSA_768,
    SIGNED_AT,
    add,
    crlf,
    mail,
    put,
    without,
)
from arc_cases import ENDS, Cases


def broken_links(cases: Cases) -> None:
    three = sets(3)
    others = sets(3, Hop(payload=" x.example; none"))
    changes = (("spf=pass", "spf=none"), (f"t={SIGNED_AT}", f"t={SIGNED_AT + 1}"))
    for instance in (1, 2, 3):
        for part in PARTS:
            old = text_of(three, part, instance)
            new = old.replace(*changes[0]).replace(*changes[1])
            cases.add(
                f"a-changed-{part}-in-set-{instance}-of-3-fails",
                "5.2",
                three.edited(old, new),
                "fail",
                3,
            )
        cases.add(
            f"the-seal-of-another-message-in-set-{instance}-fails",
            "5.2",
            three.edited(
                text_of(three, "seal", instance), text_of(others, "seal", instance)
            ),
            "fail",
            3,
        )
    cases.add("a-changed-body-fails", "5.2", three.edited("Bye", "By"), "fail", 3)
    cases.add(
        "a-changed-subject-fails",
        "5.2",
        three.edited("minutes of", "hours of"),
        "fail",
        3,
    )
    cases.add(
        "a-seal-over-its-own-set-alone-fails-where-there-are-others",
        "5.1.1",
        chain(Hop(), Hop(alone=True)),
        "fail",
        2,
    )
    first = chain(Hop(key=RSA_1024, selector="one", domain="one.example"))
    changed = replace(first, body=first.body + b"-- \r\na list\r\n")
    second = seal(changed, Hop(key=ED25519, selector="two", domain="two.example"))
    cases.add(
        "a-footer-between-two-sealers-passes-from-the-second-on",
        "5.2",
        second,
        "pass",
        2,
        2,
    )
    third = seal(second, Hop(key=RSA_2048, selector="three", domain="three.example"))
    cases.add("sealers-with-keys-of-their-own-pass", "5.2", third, "pass", 3, 2)
    changed = replace(second, body=second.body + b"another\r\n")
    third = seal(changed, Hop(key=RSA_2048, selector="three", domain="three.example"))
    cases.add(
        "footers-after-both-sealers-pass-from-the-third-on", "5.2", third, "pass", 3, 3
    )
    for name, place in (("bh", "bh"), ("h", "h"), ("a", "a")):
        bad = chain(
            Hop(ams=put(place, {"bh": "AAAA", "h": "to", "a": "rsa-sha1"}[place])),
            Hop(),
        )
        cases.add(
            f"an-older-ams-with-an-unacceptable-{name}-passes-from-the-next-on",
            "5.2",
            bad,
            "pass",
            2,
            2,
        )
    lost = chain(Hop(ams=put("s", "missing")), Hop())
    cases.add(
        "an-older-ams-without-key-passes-from-the-next-on", "5.2", lost, "pass", 2, 2
    )
    lost = chain(Hop(seal=put("s", "missing")), Hop())
    cases.add("an-older-seal-without-key-fails", "5.2", lost, "fail", 2)
    lost = chain(Hop(seal=put("s", "failing")), Hop())
    cases.add("an-older-seal-whose-key-cannot-be-had-fails", "5.2.1", lost, "fail", 2)
    lost = chain(Hop(), Hop(ams=put("s", "failing")), Hop())
    cases.add(
        "an-older-ams-whose-key-cannot-be-had-passes-from-the-next-on",
        "5.2",
        lost,
        "pass",
        3,
        3,
    )
    cases.add(
        "the-newest-ams-decides",
        "5.2",
        chain(Hop(), Hop(ams=put("bh", "AAAA"))),
        "fail",
        2,
    )


def canonicalisation(cases: Cases) -> None:
    one = chain(Hop())
    subject = "Subject: The minutes of  Monday\n"
    for new, what, cv in (
        ("Subject: The\n minutes of Monday\n", "folded", "pass"),
        ("subject : The minutes of \t Monday  \n", "with-other-white-space", "pass"),
        ("SUBJECT:The minutes of Monday\n", "in-another-case", "pass"),
        ("Subject: the minutes of Monday\n", "with-its-value-in-another-case", "fail"),
        ("Subject: Theminutes of Monday\n", "with-a-blank-removed", "fail"),
        ("", "removed", "fail"),
        (subject + "X-New: field\n", "with-an-unsigned-field-below", "pass"),
        (subject + subject, "twice", "pass"),
        (subject + "Subject: other\n", "with-another-below", "fail"),
        ("Subject: other\n" + subject, "with-another-above", "pass"),
    ):
        cases.add(
            f"a-subject-{what}-{ENDS[cv]}",
            "5.2",
            one.edited(subject, new),
            cv,
            1,
        )
    for name, what in (
        ("From", "a-second-from-field"),
        ("FROM", "a-second-from-field-in-capitals"),
        ("From ", "a-second-from-field-with-a-blank-before-the-colon"),
    ):
        cases.add(
            f"{what}-fails",
            "5.2",
            one.on_top(crlf(f"{name}: eve@example.com\n")),
            "fail",
            1,
        )
    both = chain(Hop(headers="from:from:to"))
    cases.add("from-signed-more-often-than-there-passes", "5.2", both, "pass", 1)
    traces = chain(Hop(headers="from:received:received:received"))
    cases.add("received-fields-signed-from-the-bottom-pass", "5.2", traces, "pass", 1)
    fields = list(traces.fields)
    fields[3], fields[4] = fields[4], fields[3]
    cases.add(
        "received-fields-in-another-order-fail",
        "5.2",
        replace(traces, fields=tuple(fields)),
        "fail",
        1,
    )
    lower = chain(Hop(headers="received:from"))
    cases.add(
        "a-received-field-added-on-top-passes",
        "5.2",
        lower.on_top(b"Received: new\r\n"),
        "pass",
        1,
    )
    cases.add(
        "a-received-field-added-where-all-were-signed-fails",
        "5.2",
        traces.on_top(b"Received: new\r\n"),
        "fail",
        1,
    )
    absent = chain(Hop(headers="from:reply-to"))
    cases.add("a-signed-field-that-is-not-there-passes", "5.2", absent, "pass", 1)
    cases.add(
        "a-signed-field-that-came-later-fails",
        "5.2",
        absent.on_top(b"Reply-To: eve@example.com\r\n"),
        "fail",
        1,
    )
    case = chain(Hop(headers="From:TO:sUBJECT"))
    cases.add("names-in-h-fold-case", "5.2", case, "pass", 1)
    for canon, what in (
        ("simple/simple", "simple-simple"),
        ("simple/relaxed", "simple-relaxed"),
        ("relaxed/simple", "relaxed-simple"),
        ("relaxed", "relaxed-alone"),
        ("simple", "simple-alone"),
        (None, "no-canonicalisation"),
        ("Relaxed/RELAXED", "canonicalisations-in-capitals"),
    ):
        cases.add(
            f"an-ams-with-{what}-passes", "4.1.2", chain(Hop(canon=canon)), "pass", 1
        )
    # c= defaults to simple/simple; there are sealers that mean relaxed.
    unsaid = Hop(canon=None, without_c="relaxed/relaxed")
    cases.add(
        "an-ams-that-is-relaxed-without-saying-so-passes",
        "4.1.2",
        chain(unsaid, unsaid),
        "pass",
        2,
    )
    mixed = Hop(canon=None, without_c="relaxed/simple")
    cases.add(
        "an-ams-that-is-relaxed-in-a-half-without-saying-so-fails",
        "4.1.2",
        chain(mixed),
        "fail",
        1,
    )
    for canon, header_cv, body_cv in (
        ("relaxed/relaxed", "pass", "pass"),
        ("relaxed/simple", "pass", "fail"),
        ("simple/relaxed", "fail", "pass"),
        ("simple/simple", "fail", "fail"),
    ):
        made = chain(Hop(canon=canon))
        name = canon.replace("/", "-")
        cases.add(
            f"white-space-changed-in-a-field-{ENDS[header_cv]}-under-{name}",
            "5.2",
            made.edited("of  Monday", "of Monday"),
            header_cv,
            1,
        )
        cases.add(
            f"white-space-changed-in-the-body-{ENDS[body_cv]}-under-{name}",
            "5.2",
            made.edited("Indented  twice", "Indented twice"),
            body_cv,
            1,
        )
        cases.add(
            f"blank-lines-at-the-end-pass-under-{name}",
            "5.2",
            replace(made, body=made.body + b"\r\n\r\n"),
            "pass",
            1,
        )
    for body, what in (
        ("", "an-empty-body"),
        ("\n", "a-body-of-one-blank-line"),
        ("\n\n\n", "a-body-of-blank-lines"),
        (" \n\t\n", "a-body-of-blanks"),
        ("no end", "a-body-without-a-last-line-end"),
        ("\n\ntext\n\n\n", "blank-lines-round-a-body"),
        ("trailing  \nblanks\t\n", "trailing-blanks"),
        (".\n..\n.x\n", "dots"),
        ("From here\n", "a-line-that-begins-with-from"),
    ):
        for canon in ("relaxed/relaxed", "simple/simple"):
            cases.add(
                f"{what}-passes-under-{canon.split('/')[0]}",
                "5.2",
                chain(Hop(canon=canon), message=mail(HEADER, body)),
                "pass",
                1,
            )
    eight = replace(plain(), body="na\u00efve \u2013 caf\u00e9\r\n".encode())
    cases.add("an-eight-bit-body-passes", "5.2", chain(Hop(), message=eight), "pass", 1)
    two = sets(2)
    for part in PARTS:
        old = text_of(two, part, 1)
        folded = two.edited(old, old.replace("; ", ";\n   ", 1))
        cases.add(f"an-older-{part}-folded-anew-passes", "5.1.1", folded, "pass", 2)
    simple = chain(Hop(canon="simple/simple"))
    old = text_of(simple, "ams", 1)
    folded = simple.edited(old, old.replace("; ", ";\n\t", 1))
    cases.add("an-ams-under-simple-folded-anew-fails", "5.1.1", folded, "fail", 1)


def keys(cases: Cases) -> None:
    for selector, cv, section in (
        ("plain", "pass", "3.6.1"),
        ("bare", "pass", "3.6.1"),
        ("strings", "pass", "3.6.2.2"),
        ("spaced", "pass", "3.2"),
        ("several", "pass", "6.1.2"),
        ("extra", "pass", "3.6.1"),
        ("upper", "pass", "3.6.1"),
        ("sha256", "pass", "3.6.1"),
        ("email", "pass", "3.6.1"),
        ("star", "pass", "3.6.1"),
        ("strict", "pass", "3.6.1"),
        ("flags", "pass", "3.6.1"),
        ("alias", "pass", "3.6.2.1"),
        ("sha1", "fail", "6.1.2"),
        ("nohash", "fail", "3.6.1"),
        ("tlsrpt", "fail", "3.6.1"),
        ("revoked", "fail", "3.6.1"),
        ("nop", "fail", "3.6.1"),
        ("badp", "fail", "3.6.1"),
        ("notakey", "fail", "6.1.2"),
        ("version", "fail", "3.6.1"),
        ("lowercase", "fail", "3.6.1"),
        ("late", "fail", "3.6.1"),
        ("twice", "fail", "3.2"),
        ("syntax", "fail", "6.1.2"),
        ("othertype", "fail", "3.6.1"),
        ("swapped", "fail", "6.1.2"),
        ("wrongkey", "fail", "6.1.3"),
        ("spf", "fail", "6.1.2"),
        ("nodata", "fail", "6.1.2"),
        ("missing", "fail", "6.1.2"),
        ("failing", "fail", "6.1.2"),
        ("refused", "fail", "6.1.2"),
    ):
        made = chain(Hop(selector=selector))
        cases.add(
            f"the-key-record-{selector}-{ENDS[cv]}",
            f"RFC 6376 {section}",
            made,
            cv,
            1,
        )
    for key, selector, name, cv in (
        (RSA_768, "short", "an-rsa-key-of-768-bits-fails", "fail"),
        (RSA_2048, "mid", "an-rsa-key-of-2048-bits-passes", "pass"),
        (RSA_4096, "big", "an-rsa-key-of-4096-bits-passes", "pass"),
    ):
        cases.add(name, "RFC 8301 3.2", chain(Hop(key=key, selector=selector)), cv, 1)
    eddsa = Hop(key=ED25519, selector="ed")
    cases.add("an-ed25519-chain-passes", "RFC 8463 3", chain(eddsa, eddsa), "pass", 2)
    cases.add(
        "algorithms-mixed-over-a-chain-pass",
        "4.2",
        chain(Hop(), eddsa, Hop()),
        "pass",
        3,
    )
    cases.add(
        "another-algorithm-for-the-seal-passes",
        "4.1.3",
        chain(Hop(seal_key=ED25519)),
        "pass",
        1,
    )
    cases.add(
        "an-ed25519-key-of-the-wrong-size-fails",
        "RFC 8463 4.2",
        chain(replace(eddsa, selector="edshort")),
        "fail",
        1,
    )
    cases.add(
        "an-ed25519-signature-by-an-rsa-record-fails",
        "RFC 6376 6.1.2",
        chain(replace(eddsa, selector="rsa")),
        "fail",
        1,
    )
    cases.add(
        "a-domain-in-u-labels-passes",
        "4.1.4",
        chain(Hop(domain="b\u00fccher.example")),
        "pass",
        1,
    )
    cases.add(
        "a-domain-in-a-labels-passes",
        "4.1.4",
        chain(Hop(domain="xn--bcher-kva.example")),
        "pass",
        1,
    )
