"""The documents of the repository: what they link to is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from running import ROOT

from conformance.quotes import SPECIFICATION, anchors

FOLDERS = ("conformance", "fixtures", "fuzz", "relay", "tests")
DOCUMENTS = sorted(
    str(path.relative_to(ROOT))
    for path in [
        *ROOT.glob("*.md"),
        *(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.md")),
    ]
)


def links(document: Path) -> list[str]:
    """What a document links to in the repository: a path, an anchor, or both."""
    found = re.findall(r"\]\(([^)\s]+)\)", document.read_text(encoding="utf-8"))
    return [link for link in found if not re.match(r"[a-z]+:", link)]


def broken(document: Path) -> list[str]:
    """The links of a document that lead nowhere."""
    nowhere = []
    for link in links(document):
        path, _, anchor = link.partition("#")
        target = (document.parent / path).resolve() if path else document
        if not target.exists() or (
            anchor and (target != SPECIFICATION or anchor not in anchors())
        ):
            nowhere.append(link)
    return nowhere


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_link_of_a_document_leads_somewhere(name: str) -> None:
    assert broken(ROOT / name) == []


def test_a_broken_link_is_found(tmp_path: Path) -> None:
    document = tmp_path / "README.md"
    (tmp_path / "there").touch()
    document.write_text(
        "[a](there) [b](missing) [c](#missing) [d](https://x.example/y)"
    )
    assert broken(document) == ["missing", "#missing"]
