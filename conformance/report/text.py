"""Text from a subject, made safe to show: nothing in it controls a terminal or is invisible."""

from __future__ import annotations

from pathlib import Path


def visible(text: str) -> str:
    """`text` with control characters, bidirectional overrides, lone surrogates and the like escaped;
    line feeds are kept."""
    if text.replace("\n", "").isprintable():
        return text
    return "".join(
        char
        if char.isprintable() or char == "\n"
        else char.encode("unicode_escape").decode("ascii")
        for char in text.encode("utf-8", "backslashreplace").decode("utf-8")
    )


def shortened(text: str, length: int) -> str:
    """The beginning of `text`, with a mark if the rest is omitted."""
    return text if len(text) <= length else text[:length] + " ..."


def ends_of(text: str, length: int) -> str:
    """The first and the last lines of `text`, of about `length` characters, with a mark for those
    between: what went wrong is mostly at the end. The end has two thirds."""
    if len(text) <= length:
        return text
    head, tail = text[: length // 3], text[len(text) - (length - length // 3) :]
    # Whole lines, unless one alone is longer.
    head = head[: head.rfind("\n") + 1] or head
    tail = tail[tail.find("\n") + 1 :] or tail
    left_out = text.count("\n", len(head), len(text) - len(tail))
    return f"{head.rstrip()}\n... {left_out} lines ...\n{tail}"


def nearby(path: Path) -> str:
    """`path` as typed here: relative if it is below the working directory."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
