"""The texts that clauses cite, by section, and the check that a quote is in its section.

The decisions are in this repository. The Postmaster page and the RFCs are not: they are read from a
folder that contains them as `spec/postmaster.md` and `rfc/rfc5321.txt`, with or without those two
subfolders; by default `shared` next to the checkout. Quotes from a missing text cannot be checked, see
`Texts.has()`.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from conformance.sources import Source

SHARED = Path(__file__).resolve().parents[1].parent / "shared"
SPECIFICATION = Path(__file__).parent / "specification.md"

_PAGE_FOOT = re.compile(
    r"\n[^\n]*\[Page [0-9ivx]+\]\n(?:\s*\f?\n?RFC [0-9]+ [^\n]*\n)?"
)
_RFC_HEADING = re.compile(
    r"^(?:Appendix )?((?:[0-9]+|[A-Z])(?:\.[0-9]+)*)\.? {1,3}(?=\S)", re.M
)
_PAGE_HEADING = re.compile(r"^#{2,3} +(.+?)\s*$", re.M)
ANCHOR = re.compile(r'<a id="([^"]*)"></a>')


def anchors(specification: Path = SPECIFICATION) -> list[str]:
    """The anchors of the decisions, in order, with any duplicates."""
    return ANCHOR.findall(specification.read_text(encoding="utf-8"))


def _flat(text: str) -> str:
    """`text` with every run of white space as one space, and words joined that a line break divides
    after a hyphen."""
    return re.sub(r"- (?=[a-z])", "-", " ".join(text.split()))


def _cut(text: str, heading: re.Pattern[str]) -> dict[str, str]:
    """Sections by heading, each up to the next heading of any level."""
    marks = list(heading.finditer(text))
    sections: dict[str, str] = {}
    for mark, following in zip(marks, [*marks[1:], None]):
        body = text[mark.start() : following.start() if following else len(text)]
        sections[mark[1]] = sections.get(mark[1], "") + " " + _flat(body)
    return sections


def _decisions(text: str) -> dict[str, str]:
    """The decisions by anchor. A heading ends the preceding decision."""
    return _cut(re.sub(r"^#+ .*$", '<a id=""></a>', text, flags=re.M), ANCHOR)


class Texts:
    """The cited texts: the decisions, and those in a folder."""

    def __init__(
        self, folder: Path = SHARED, specification: Path = SPECIFICATION
    ) -> None:
        self._folder = folder
        self._specification = specification

    def path(self, work: str) -> Path | None:
        """The file with the text of a work, if there is one."""
        if work == "decisions":
            return self._specification
        name = (
            "spec/postmaster.md"
            if work == "postmaster"
            else f"rfc/rfc{work.removeprefix('RFC ')}.txt"
        )
        for path in (self._folder / name, self._folder / Path(name).name):
            if path.is_file():
                return path
        return None

    def has(self, source: Source) -> bool:
        """Whether a quote from `source` can be checked."""
        return self.path(source.work) is not None

    @cache
    def _sections(self, work: str) -> dict[str, str]:
        path = self.path(work)
        if path is None:
            return {}
        text = path.read_text(encoding="utf-8", errors="replace")
        if work == "decisions":
            return _decisions(text)
        if work == "postmaster":
            return _cut(text, _PAGE_HEADING)
        return _cut(_PAGE_FOOT.sub("\n", text), _RFC_HEADING)

    def is_limitation(self, source: Source) -> bool | None:
        """Whether a heading of the page is in its section of known limitations; None if its text is
        missing."""
        path = self.path(source.work)
        if path is None:
            return None
        text = path.read_text(encoding="utf-8")
        _, _, limitations = text.partition("\n## Known limitations\n")
        return source.place in _PAGE_HEADING.findall(limitations)

    def is_older_than_2119(self, source: Source) -> bool:
        """Whether the text of an RFC does not cite RFC 2119; not if it is missing."""
        path = self.path(source.work)
        return path is not None and "2119" not in path.read_text(
            encoding="utf-8", errors="replace"
        )

    def objection(self, source: Source, quote: str) -> str | None:
        """Why `quote` is not from `source`, or None if it is."""
        if not self.has(source):
            return f"the text of {source.work} is missing"
        section = self._sections(source.work).get(source.place)
        if section is None:
            kind = "anchor" if source.work == "decisions" else "section"
            return f"{source.work} has no {kind} {source.place}"
        if _flat(quote) not in section:
            return f'{source.work} {source.place} does not say "{quote}"'
        return None
