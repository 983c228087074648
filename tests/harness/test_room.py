"""How texts share a page."""

from __future__ import annotations

from pathlib import Path

import pytest
from reports import a_test

from conformance.report.html import size_in_html
from conformance.report.matrix import size_in_script
from conformance.report.room import fair, fair_transcripts, share_of
from conformance.report.text import ends_of


@pytest.mark.parametrize(
    ("sizes", "room", "share"),
    [
        ([10, 10], 20, 20),  # all fit
        ([10, 10], 19, 9),
        ([1, 100, 100], 21, 10),  # the small one leaves the rest
        ([1, 1, 1], 0, 0),
        ([], 5, 5),
    ],
)
def test_a_share(sizes: list[int], room: int, share: int) -> None:
    assert share_of(sizes, room) == share
    assert sum(min(size, share) for size in sizes) <= max(room, 0)


@pytest.mark.parametrize("size", [len, size_in_html, size_in_script])
@pytest.mark.parametrize("text", ["a", "<", '"', "é", "\\", "<a>é\n"])
def test_texts_never_take_more_than_the_room(size: object, text: str) -> None:
    assert callable(size)
    texts = [text * length for length in (1, 10, 1_000, 5_000)]
    for room in (0, 50, 500, 5_000):
        shown = fair(texts, room, size)
        assert sum(size(one) for one in shown) <= max(room, 0) + len(texts) * size("")


def test_what_fits_is_shown_in_full_and_the_rest_gets_equal_parts() -> None:
    short, long, longer = fair(["short", "l" * 900, "m" * 90_000], 1_000, len)
    assert short == "short"
    assert abs(len(long) - len(longer)) < 10 and len(long) > 450


def test_of_a_transcript_both_ends_are_shown() -> None:
    lines = [f"line {number}" for number in range(1_000)]
    shown = ends_of("\n".join(lines), 300).splitlines()
    assert shown[0] == "line 0" and shown[-1] == "line 999"
    (mark,) = [n for n, line in enumerate(shown) if line.startswith("...")]
    assert shown[mark] == f"... {1_000 - (len(shown) - 1)} lines ..."
    assert len(shown[mark + 1 :]) > len(shown[:mark])
    assert ends_of("one\ntwo", 300) == "one\ntwo"


def test_every_transcript_has_its_part(tmp_path: Path) -> None:
    tests = [a_test(number, "fail") for number in range(500)]
    for number, test in enumerate(tests):
        test.transcript = f"{number}.txt"
        (tmp_path / test.transcript).write_text("a line\n" * 20_000 + f"end {number}")
    shown = fair_transcripts([(test, tmp_path) for test in tests], 250_000, len)
    for number, text in enumerate(shown):
        assert text.startswith("a line\n") and text.endswith(f"end {number}")


@pytest.mark.parametrize("name", ["../secret.txt", "link.txt", "/etc/hostname"])
def test_only_files_of_the_report_are_shown(tmp_path: Path, name: str) -> None:
    report = tmp_path / "report"
    report.mkdir()
    (tmp_path / "secret.txt").write_text("secret")
    (report / "link.txt").symlink_to(tmp_path / "secret.txt")
    (report / "own.txt").write_text("own")
    outside, own = a_test(1, "fail"), a_test(2, "fail")
    outside.transcript, own.transcript = name, "own.txt"
    tests = [(outside, report), (own, report)]
    assert fair_transcripts(tests, 1_000, len) == ["", "own"]
