#!/usr/bin/python3
"""Writes fixtures/vectors/arc: messages with ARC chains, and what RFC 8617 says of them.

Every expected value stands here as the RFC gives it; reference.py has to agree, and where dkimpy
does not, the case says so. `make_arc.py DIRECTORY` writes elsewhere.
"""

from __future__ import annotations

from dataclasses import replace

from arc_maker import Hop, arranged, chain, doubled, dropped, PARTS, plain, seal, sets
from maker import (
    ED25519,
    add,
    freeze_dkimpy,
    needed_zone,
    output_directory,
    put,
    rename,
    without,
    write_scenario,
)
from arc_cases import AAR, AMS, AS, ZONE, Cases
from arc_tags import message_signature_tags, tag_list_form, seal_tags
from arc_links import broken_links, canonicalisation, keys


def structure(cases: Cases) -> None:
    cases.add("no-arc-field-is-no-chain", "5.2", plain(), "none", 0)
    cases.add(
        "other-fields-that-begin-with-arc-are-no-chain",
        "5.2",
        plain().on_top(b"ARC-Other: i=1\r\n", b"X-ARC-Seal: i=1; cv=none\r\n"),
        "none",
        0,
    )
    for count in (1, 2, 3, 5, 10):
        cases.add(f"{count}-sets-pass", "5.2", sets(count), "pass", count)
    for part in PARTS:
        lone = plain().on_top(sets(1).sets[0][PARTS.index(part)])
        for name, message in (
            (f"a-lone-{part}-fails", lone),
            (f"a-set-without-{part}-fails", dropped(sets(1), part, 1)),
            (f"an-older-set-without-{part}-fails", dropped(sets(3), part, 2)),
            (f"{part}-twice-fails", doubled(sets(1), part, 1)),
            (f"older-{part}-twice-fails", doubled(sets(2), part, 1)),
        ):
            cases.add(name, "5.2", message, "fail")
    gap = chain(Hop(), Hop(instance=3))
    cases.add("a-gap-in-the-sequence-fails", "5.2", gap, "fail", 3)
    cases.add(
        "a-sequence-that-begins-at-2-fails", "5.2", sets(1, Hop(instance=2)), "fail", 2
    )
    again = chain(Hop(), Hop(instance=1))
    cases.add("the-same-instance-twice-fails", "5.2", again, "fail", 1)
    three = sets(3)
    cases.add(
        "the-order-of-arc-fields-in-the-header-does-not-matter",
        "5.2",
        arranged(three, (5, 0, 7, 2, 8, 1, 3, 6, 4)),
        "pass",
        3,
    )
    cases.add(
        "arc-fields-may-stand-below-the-others",
        "5.2",
        replace(three, fields=three.fields[9:] + three.fields[:9]),
        "pass",
        3,
    )
    mixed = sets(2)
    for name in (AAR, AMS, AS):
        mixed = mixed.edited(f"{name}: i=2", f"{name.upper()}: i=2")
        mixed = mixed.edited(f"{name}: i=1", f"{name.lower()}: i=1")
    cases.add("names-of-arc-fields-fold-case", "5.1.1", mixed, "pass", 2)
    cases.add(
        "a-chain-cut-to-its-first-two-sets-passes",
        "5.2",
        replace(sets(3), fields=sets(3).fields[3:]),
        "pass",
        2,
    )
    swapped = sets(2).edited("Seal: i=2", "Seal: i=3").edited("Seal: i=1", "Seal: i=2")
    cases.add(
        "seals-with-each-other-s-instances-fail",
        "5.2",
        swapped.edited("Seal: i=3", "Seal: i=1"),
        "fail",
        2,
    )


def long_chains(cases: Cases) -> None:
    fifty = sets(50, Hop(key=ED25519, selector="ed"))
    cases.add("50-sets-pass", "4.2.1", fifty, "pass", 50)
    cases.add(
        "51-sets-fail", "4.2.1", seal(fifty, Hop(key=ED25519, selector="ed")), "fail"
    )
    cases.add(
        "50-sets-with-the-25th-changed-fail",
        "5.2",
        fifty.edited(
            "i=25; mx.example.org; spf=pass", "i=25; mx.example.org; spf=fail"
        ),
        "fail",
        50,
    )
    cases.add(
        "50-sets-without-the-first-fail", "5.2", dropped(fifty, "seal", 1), "fail", 50
    )


def instances(cases: Cases) -> None:
    for text, name in (
        ("0", "zero"),
        ("51", "51"),
        ("100", "100"),
        ("001", "three-digits"),
        ("-1", "negative"),
        ("1.0", "a-fraction"),
        ("one", "a-word"),
        ("", "empty"),
        ("1 1", "two-numbers"),
        ("0x1", "hexadecimal"),
    ):
        changed = chain(Hop(aar=f" i={text}; mx.example.org; none"))
        cases.add(f"an-aar-instance-that-is-{name}-fails", "4.2.1", changed, "fail")
        changed = chain(Hop(ams=put("i", text)))
        cases.add(f"an-ams-instance-that-is-{name}-fails", "4.2.1", changed, "fail")
        changed = chain(Hop(seal=put("i", text)))
        cases.add(f"a-seal-instance-that-is-{name}-fails", "4.2.1", changed, "fail")
    zeros = Hop(
        aar=" i=01; mx.example.org; none", ams=put("i", "01"), seal=put("i", "01")
    )
    cases.add("an-instance-with-a-leading-zero-passes", "3.9", chain(zeros), "pass", 1)
    cases.add(
        "an-aar-without-instance-fails",
        "4.1.1",
        chain(Hop(aar=" mx.example.org; spf=pass")),
        "fail",
    )
    cases.add(
        "an-aar-whose-instance-is-not-in-front-fails",
        "4.1.1",
        chain(Hop(aar=" mx.example.org; i=1; spf=pass")),
        "fail",
    )
    cases.add(
        "an-aar-with-a-capital-i-fails",
        "3.9",
        chain(Hop(aar=" I=1; x.example; none")),
        "fail",
    )
    cases.add(
        "an-ams-without-instance-fails", "4.1.2", chain(Hop(ams=without("i"))), "fail"
    )
    cases.add(
        "a-seal-without-instance-fails", "4.1.3", chain(Hop(seal=without("i"))), "fail"
    )
    cases.add(
        "an-ams-with-a-capital-i-fails", "3.9", chain(Hop(ams=rename("i", "I"))), "fail"
    )
    cases.add(
        "a-seal-with-a-capital-i-fails",
        "3.9",
        chain(Hop(seal=rename("i", "I"))),
        "fail",
    )
    cases.add(
        "two-instances-in-an-ams-fail", "4.1.2", chain(Hop(ams=add("i", "1"))), "fail"
    )
    cases.add(
        "two-instances-in-a-seal-fail", "4.1.3", chain(Hop(seal=add("i", "1"))), "fail"
    )
    cases.add(
        "comments-round-an-aar-instance-pass",
        "4.1.1",
        chain(Hop(aar=" (a) i (b) = (c (d)) 1 (e\\)) ; mx.example.org; none")),
        "pass",
        1,
    )
    cases.add(
        "white-space-round-an-aar-instance-passes",
        "4.1.1",
        chain(Hop(aar="\n i\n =\n 1\n ;\n mx.example.org; none")),
        "pass",
        1,
    )
    cases.add(
        "no-white-space-in-an-aar-passes",
        "4.1.1",
        chain(Hop(aar="i=1;x.example;none")),
        "pass",
        1,
    )
    for payload, name in (
        ("", "an-empty-payload"),
        (" ;;= (", "a-payload-that-is-no-results"),
        (" mx.example.org; none", "no-results"),
        (' mx.example.org; spf=pass\n\treason="x; y"; arc=none', "folded-results"),
    ):
        cases.add(f"{name}-passes", "3.4", chain(Hop(payload=payload)), "pass", 1)


def chain_status(cases: Cases) -> None:
    cases.add("cv-pass-in-the-first-set-fails", "5.2", chain(Hop(cv="pass")), "fail", 1)
    cases.add(
        "cv-none-in-a-later-set-fails", "5.2", chain(Hop(), Hop(cv="none")), "fail", 2
    )
    cases.add(
        "cv-none-in-the-middle-fails",
        "5.2",
        chain(Hop(), Hop(cv="none"), Hop()),
        "fail",
        3,
    )
    cases.add("cv-fail-in-the-first-set-fails", "5.2", chain(Hop(cv="fail")), "fail", 1)
    alone = Hop(cv="fail", alone=True)
    cases.add("cv-fail-in-the-newest-set-fails", "5.2", chain(Hop(), alone), "fail", 2)
    cases.add(
        "cv-fail-over-all-sets-fails-too",
        "5.2",
        chain(Hop(), Hop(cv="fail")),
        "fail",
        2,
    )
    cases.add(
        "cv-fail-below-a-newer-cv-pass-fails",
        "5.2",
        chain(Hop(), alone, Hop()),
        "fail",
        3,
    )
    for value, name in (("", "empty"), ("maybe", "a-word"), ("pass pass", "two-words")):
        cases.add(
            f"a-cv-that-is-{name}-fails",
            "4.1.3",
            chain(Hop(seal=put("cv", value))),
            "fail",
            1,
        )
    cases.add(
        "a-seal-without-cv-fails", "4.1.3", chain(Hop(seal=without("cv"))), "fail", 1
    )
    cases.add("cv-twice-fails", "4.1.3", chain(Hop(seal=add("cv", "none"))), "fail", 1)
    cases.add(
        "a-capital-cv-tag-fails", "3.9", chain(Hop(seal=rename("cv", "CV"))), "fail", 1
    )
    cases.add(
        "the-values-of-cv-fold-case",
        "3.9",
        chain(Hop(cv="NONE"), Hop(cv="Pass")),
        "pass",
        2,
    )


FILES = (
    ("structure", "Which fields a chain has to have, and in which number", structure),
    ("long", "Chains as long as they may be, and longer", long_chains),
    ("instances", "Instance tags and the ARC-Authentication-Results", instances),
    ("chain-status", "cv=, and what it may say where", chain_status),
    (
        "message-signature",
        "The tags of the ARC-Message-Signature",
        message_signature_tags,
    ),
    ("tag-lists", "The form of tag lists", tag_list_form),
    ("seal", "The tags of the ARC-Seal", seal_tags),
    (
        "links",
        "Chains broken at every link, and messages changed on the way",
        broken_links,
    ),
    (
        "canonicalisation",
        "Canonicalisation and the choice of signed fields",
        canonicalisation,
    ),
    ("keys", "Public keys", keys),
)


def main() -> None:
    freeze_dkimpy()
    directory = output_directory("arc")
    total = 0
    for name, description, fill in FILES:
        cases = Cases()
        fill(cases)
        zone = needed_zone(ZONE, cases.tests)
        text = write_scenario(description, 8617, zone, cases.tests)
        (directory / f"{name}.yaml").write_text(text)
        total += len(cases.tests)
    print(f"{total} cases")


if __name__ == "__main__":
    main()
