"""The texts that clauses cite, cut into their sections, and whether a quote stands in one.

The texts are not part of this repository: the postmaster page, its reading (DECISIONS.md) and the
RFCs lie in a folder `shared` beside the checkout where there is one. Without it quotes cannot be
checked, and `Texts.found()` says so.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

SHARED = Path(__file__).resolve().parents[1].parent / "shared"

_PAGE_FOOT = re.compile(
    r"\n[^\n]*\[Page [0-9ivx]+\]\n(?:\s*\f?\n?RFC [0-9]+ [^\n]*\n)?"
)
_RFC_HEADING = re.compile(
    r"^(?:Appendix )?((?:[0-9]+|[A-Z])(?:\.[0-9]+)*)\.? {1,3}(?=\S)", re.M
)
_PAGE_HEADING = re.compile(r"^#{2,3} +(.+?)\s*$", re.M)
_DECISION_HEADING = re.compile(
    r"^(?:## +(?P<section>.+?)\s*$|\*\*(?P<paragraph>[^*]{1,40}?)\.?\*\*(?= ))", re.M
)


def _flat(text: str) -> str:
    """`text` with every run of white space as one space, and words broken at hyphens joined."""
    return re.sub(r"- (?=[a-z])", "-", " ".join(text.split()))


def _cut(text: str, heading: re.Pattern[str]) -> dict[str, str]:
    """Sections by their heading, each up to the next heading of any depth."""
    marks = list(heading.finditer(text))
    sections: dict[str, str] = {}
    for mark, following in zip(marks, [*marks[1:], None]):
        title = next(group for group in mark.groups() if group)
        body = text[mark.start() : following.start() if following else len(text)]
        sections[title] = sections.get(title, "") + " " + _flat(body)
    return sections


class Texts:
    """The cited texts in one folder."""

    def __init__(self, folder: Path = SHARED) -> None:
        self._folder = folder

    def found(self) -> bool:
        return (self._folder / "spec" / "postmaster.md").is_file()

    @cache
    def _sections(self, work: str) -> dict[str, str]:
        if work.startswith("RFC "):
            path, heading = self._folder / "rfc" / f"rfc{work[4:]}.txt", _RFC_HEADING
        elif work == "postmaster":
            path, heading = self._folder / "spec" / "postmaster.md", _PAGE_HEADING
        else:
            path, heading = self._folder / "spec" / "DECISIONS.md", _DECISION_HEADING
        text = path.read_text(encoding="utf-8", errors="replace")
        return _cut(_PAGE_FOOT.sub("\n", text), heading)

    def objection(self, source: str, quote: str) -> str | None:
        """Why `quote` is not a quote from `source`, or None if it is one."""
        if source.startswith("RFC "):
            work, section = source.rsplit(" ", 1)
        else:
            work, section = source.split(": ", 1)
        try:
            sections = self._sections(work)
        except OSError:
            return f"there is no text of {work}"
        if section not in sections:
            return f"{work} has no section {section}"
        if _flat(quote) not in sections[section]:
            return f'{source} does not say "{quote}"'
        return None
