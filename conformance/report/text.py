"""Text from a subject, made safe to show: nothing in it controls a terminal or is invisible."""

from __future__ import annotations

from pathlib import Path


def visible(text: str) -> str:
    """`text` with control characters, bidirectional overrides, lone surrogates and the like escaped;
    line feeds are kept."""
    return "".join(
        char
        if char.isprintable() or char == "\n"
        else char.encode("unicode_escape").decode("ascii")
        for char in text.encode("utf-8", "backslashreplace").decode("utf-8")
    )


def shortened(text: str, length: int) -> str:
    """The beginning of `text`, with a mark if the rest is omitted."""
    return text if len(text) <= length else text[:length] + " ..."


def nearby(path: Path) -> str:
    """`path` as typed here: relative if it is below the working directory."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
