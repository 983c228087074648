"""What a subject said, made fit to be shown: nothing in it acts on a terminal or hides from a reader."""

from __future__ import annotations

from pathlib import Path


def visible(text: str) -> str:
    """`text` with control characters, bidirectional overrides, lone surrogates and the like written
    out; line feeds stay."""
    return "".join(
        char
        if char.isprintable() or char == "\n"
        else char.encode("unicode_escape").decode("ascii")
        for char in text.encode("utf-8", "backslashreplace").decode("utf-8")
    )


def shortened(text: str, length: int) -> str:
    """The beginning of `text`, with a mark where something is left out."""
    return text if len(text) <= length else text[:length] + " ..."


def nearby(path: Path) -> str:
    """`path` as one would type it here: relative, if it is below the working directory."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
