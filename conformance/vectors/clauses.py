"""The clause of every case: by its folder and section, but for single cases that another sentence of the
section decides."""

from __future__ import annotations

from conformance.vectors.load import Case


def _by_section(rfc: int, sections: dict[str, str]) -> dict[str, str]:
    """From the clauses' numbers, each with its sections: those of another RFC are named with it."""
    return {
        section.replace("_", " ")
        if "_" in section
        else f"RFC {rfc} {section}": (f"RFC{rfc}-{number}")
        for number, listed in sections.items()
        for section in listed.split()
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
CASES: dict[str, dict[str, str]] = {
    "spf": {
        **{f"limits:{name}": "RFC7208-08" for name in _VOIDS},
        "modifiers:exp-is-no-void-lookup": "RFC7208-08",
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
