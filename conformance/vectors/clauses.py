"""The clause of every case: by its folder and section, but for single cases that another sentence of the
section decides."""

from __future__ import annotations

from conformance.vectors.load import Case


def _by_section(rfc: int, numbers: dict[str, str]) -> dict[str, str]:
    """From the numbers of an RFC's clauses, each with the sections that it has."""
    return {
        f"RFC {rfc} {section}": f"RFC{rfc}-{number}"
        for number, sections in numbers.items()
        for section in sections.split()
    }


SECTIONS: dict[str, dict[str, str]] = {
    "spf": _by_section(
        7208,
        {
            "01": "2.2 2.3 2.4",
            "02": "3 3.1 3.3 3.4 3.5",
            "03": "4.3",
            "04": "4.4",
            "05": "4.5",
            "06": "4.6 4.6.1 4.6.2",
            "07": "4.6.4",
            "09": "4.7",
            "10": "4.8",
            "11": "5",
            "12": "5.1",
            "13": "5.2",
            "14": "5.3",
            "15": "5.4",
            "16": "5.5",
            "17": "5.6",
            "18": "5.7",
            "19": "6",
            "20": "6.1",
            "21": "6.2",
            "22": "7.1",
            "23": "7.2",
            "24": "7.3",
            "25": "12",
            "26": "7.4 A.1 A.2 A.3 A.4 C",
        },
    ),
    "dkim": {
        **_by_section(
            6376,
            {
                "01": "3.2",
                "02": "3.4",
                "03": "3.4.2",
                "04": "3.4.3",
                "05": "3.5",
                "06": "3.6.1",
                "07": "3.6.2.1 3.6.2.2",
                "08": "3.7",
                "09": "5.4.2",
                "10": "6.1",
                "11": "6.1.1",
                "12": "6.1.2",
                "13": "6.1.3",
                "14": "A.2",
            },
        ),
        **_by_section(8301, {"01": "3.1", "02": "3.2"}),
        **_by_section(8463, {"01": "3 4.2 A.3"}),
    },
    "arc": {
        **_by_section(
            8617,
            {
                "01": "3.4 4.1.1",
                "02": "3.9 4.2.1",
                "03": "4.1.2",
                "04": "4.1.3",
                "05": "4.1.4",
                "06": "4.2",
                "08": "5.1.1",
                "10": "5.2",
                "11": "5.2.1",
            },
        ),
        **dict.fromkeys(
            (
                f"RFC 6376 {section}"
                for section in "3.2 3.6.1 3.6.2.1 3.6.2.2 6.1.2 6.1.3".split()
            ),
            "RFC8617-12",
        ),
        **_by_section(8301, {"03": "3.2"}),
        **_by_section(8463, {"02": "3 4.2"}),
    },
    "arc-seal": _by_section(
        8617, {"02": "4.2.1", "07": "5.1", "09": "5.1.2", "11": "5.2.1"}
    ),
    "dmarc": _by_section(
        9989,
        {
            "01": "4.10.1 A.6",
            "02": "4.10 5.1.8",
            "03": "4.10.2 11.8",
            "04": "4.4 4.4.1 4.4.2 3.2.10.2",
            "05": "4.7",
            "06": "4.8 4.6",
            "07": "4.5 4.1",
            "08": "A.4 3.2.13",
            "09": "5.3.5 5.3.6",
            "10": "B.4.1 B.4.2 B.4.3",
        },
    ),
}

# What RFC 7208 4.6.4 says of void look-ups is a SHOULD.
_VOIDS = (
    "two-void-lookups-are-allowed",
    "three-void-lookups-are-not",
    "answers-without-records-are-void",
    "void-lookups-count-over-all-records",
    "void-lookups-behind-the-match-are-not-made",
    "a-void-ptr-lookup-counts",
)
# What needs Ed25519 in a chain, which RFC 8617 does not speak of.
_ED25519 = (
    "keys:another-algorithm-for-the-seal-passes",
    "links:a-footer-between-two-sealers-passes-from-the-second-on",
    "links:sealers-with-keys-of-their-own-pass",
    "links:footers-after-both-sealers-pass-from-the-third-on",
    "long:50-sets-pass",
)
# Of a tag that is not valid RFC 9989 4.10.1 says a MUST only where there is an address for reports.
_NO_REPORTS = (
    "an-invalid-p-and-no-address-for-reports-is-no-dmarc",
    "an-address-without-a-scheme-is-no-reporting-uri",
    "a-word-is-no-reporting-uri",
    "a-scheme-begins-with-a-letter",
    "a-scheme-has-no-underscore",
    "a-blank-is-no-part-of-a-reporting-uri",
    "an-invalid-sp-spoils-the-record",
    "an-invalid-np-spoils-the-record",
)
_REPORTS = (
    "an-invalid-p-and-an-address-for-reports-is-p-none",
    "an-invalid-sp-and-an-address-for-reports-is-p-none",
    "an-invalid-p-and-an-address-after-what-is-none-is-p-none",
)
# Where 4.7 and 4.10.1 disagree.
_NO_POLICY = (
    "no-p-is-p-none",
    "no-p-leaves-sp-in-force",
    "no-p-and-no-other-tag-is-p-none",
)
# Of the section on transformers (7.3), which has the value of %{p} as well.
_VALIDATED_NAMES = (
    "p-is-the-domain-itself-if-it-is-validated",
    "p-is-a-name-below-the-domain-if-it-is-validated",
    "p-is-any-validated-name-otherwise",
    "p-without-a-reverse-name-is-unknown",
    "p-without-a-validated-name-is-unknown",
    "p-with-a-dns-failure-is-unknown",
)

# Syntax errors, which the sections on terms name, and of which 4.6 says what the result is.
_SYNTAX_ERRORS = (
    "mechanisms:all-takes-no-colon",
    "mechanisms:all-takes-no-domain",
    "mechanisms:all-takes-no-prefix-length",
    "mechanisms:all-takes-no-dot",
    "mechanisms:include-needs-a-domain",
    "mechanisms:include-needs-a-domain-behind-the-colon",
    "mechanisms:include-takes-no-prefix-length",
    "mechanisms:a-colon-needs-a-domain",
    "mechanisms:a-colon-needs-a-domain-before-the-prefix",
    "mechanisms:mx-with-a-colon-needs-a-domain",
    "mechanisms:mx-with-a-colon-needs-a-domain-before-the-prefix",
    "mechanisms:ptr-takes-no-prefix-length",
    "mechanisms:ptr-with-a-colon-needs-a-domain",
    "mechanisms:exists-needs-a-domain",
    "mechanisms:exists-needs-a-domain-behind-the-colon",
    "mechanisms:exists-takes-no-prefix-length",
    "syntax:redirect-without-a-domain",
    "syntax:a-nul-octet",
    "syntax:an-octet-above-ascii-in-a-domain",
    "syntax:an-octet-above-ascii-in-a-modifier",
    "syntax:a-no-break-space-is-no-blank",
    "syntax:quotation-marks-of-a-word-processor",
)
# What 7.3 says of percent signs is grammar, which the clause on 7.1 has.
_PERCENT_SIGNS = (
    "examples:a-percent-sign-before-a-parenthesis-is-an-error",
    "macros:a-percent-sign-begins-an-escape",
    "macros:a-percent-sign-at-the-end",
    "syntax:an-unknown-modifier-s-percent-signs-are-checked",
)

CASES: dict[str, dict[str, str]] = {
    "spf": {
        **{f"limits:{name}": "RFC7208-08" for name in _VOIDS},
        "modifiers:exp-is-no-void-lookup": "RFC7208-08",
        **{f"macros:{name}": "RFC7208-23" for name in _VALIDATED_NAMES},
        **dict.fromkeys(_SYNTAX_ERRORS, "RFC7208-06"),
        **dict.fromkeys(_PERCENT_SIGNS, "RFC7208-22"),
    },
    "arc": dict.fromkeys(_ED25519, "RFC8463-02"),
    "dmarc": {
        **{f"rfc9989:{name}": "RFC9989-11" for name in _REPORTS},
        **{f"rfc9989:{name}": "RFC9989-12" for name in _NO_REPORTS},
        **{f"rfc9989:{name}": "RFC9989-13" for name in _NO_POLICY},
    },
}


def clause_of(case: Case) -> str:
    """Raises KeyError for a case without one."""
    single = CASES.get(case.folder, {})
    return single.get(case.id) or SECTIONS[case.folder][case.section]


def clauses_of_vectors(folder: str) -> list[str]:
    """All that a case of that folder may assert."""
    named = [*SECTIONS[folder].values(), *CASES.get(folder, {}).values()]
    return list(dict.fromkeys(named))
