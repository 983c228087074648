"""The page of several runs in a browser: filters, keyboard, details, and the width of a phone. Where no
chromium is installed, nobody can look."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from browser import CHROMIUM, Browser
from reports import HOSTILE, TODAY, a_run, a_test, clause

from conformance.clauses import Clause
from conformance.report.files import write_files
from conformance.report.matrix import write_matrix
from conformance.report.model import Run
from conformance.report.results import load

pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="chromium is not installed (scripts/setup --browser)"
)

CLAUSES = [
    clause(1, heading="First"),
    clause(2, "choice", heading="First"),
    clause(3, heading="Second"),
    clause(4, heading="Second"),
]
# The verdicts on the clauses, by subject.
VERDICTS = {
    "one": "pass fail pass skipped",
    "two": "fail fail pass error",
    "three": "pass fail pass error",
}
ROWS = "[...document.querySelectorAll('tr.row')].filter((r) => r.offsetHeight).map((r) => r.id.slice(3))"
FOCUS = (
    "`${document.activeElement.parentElement.id} ${document.activeElement.cellIndex}`"
)
OPEN = "document.getElementById('panel').open"


def subject(name: str, clauses: list[Clause], outcomes: list[str]) -> Run:
    tests = [a_test(n, outcome, HOSTILE) for n, outcome in enumerate(outcomes, 1)]
    for test in tests:
        test.transcript = "it.txt"
        test.command = f"scripts/conform --subject {name} -v"
    return replace(a_run(clauses, tests), subject=name)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Its address."""
    directory: Path = tmp_path_factory.mktemp("page")
    records = []
    for name, verdicts in VERDICTS.items():
        report = directory / name
        report.mkdir()
        (report / "it.txt").write_text("client > EHLO there\n" + "x" * 3_000)
        write_files(subject(name, CLAUSES, verdicts.split()), report, TODAY)
        records.append(load(report))
    write_matrix(records, directory)
    return (directory / "matrix.html").as_uri()


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture
def browser(chromium: Browser, page: str) -> Iterator[Browser]:
    """With the page as it is at first; at the end, nothing was refused and no script failed."""
    chromium.resize(1280, 900)
    chromium.open("about:blank")
    chromium.open(page)
    chromium.messages.clear()
    yield chromium
    assert chromium.messages == []


def choose(browser: Browser, name: str, value: str) -> None:
    browser.run(
        f"(() => {{ const it = document.getElementById('{name}'); it.value = '{value}';"
        "it.dispatchEvent(new Event('input', {bubbles: true})) })()"
    )


def test_everything_is_shown_at_first(browser: Browser) -> None:
    assert browser.run(ROWS) == ["01", "02", "03", "04"]
    shown = browser.run("document.getElementById('shown').textContent")
    assert shown == "4 of 4 clauses"


@pytest.mark.parametrize(
    ("name", "value", "rows"),
    [
        ("level", "choice", ["02"]),
        ("level", "gates", ["01", "03", "04"]),
        ("verdict", "fail", ["01", "02"]),
        ("verdict", "skipped", ["04"]),
        ("heading", "Second", ["03", "04"]),
        ("text", "statement 3.", ["03"]),
        ("text", "SECOND ab-04", ["04"]),
        ("text", "nowhere", []),
    ],
)
def test_a_filter_leaves_what_it_says(
    browser: Browser, name: str, value: str, rows: list[str]
) -> None:
    choose(browser, name, value)
    assert browser.run(ROWS) == rows
    nothing = browser.run("document.getElementById('nothing').hidden")
    assert nothing == bool(rows)


def test_one_role_can_be_shown_alone(chromium: Browser, tmp_path: Path) -> None:
    records = []
    for role in ("relay", "sender"):
        run = subject("one", CLAUSES[:2], ["pass", "fail"])
        (tmp_path / role).mkdir()
        write_files(replace(run, role=role), tmp_path / role, TODAY)
        records.append(load(tmp_path / role))
    write_matrix(records, tmp_path)
    chromium.open((tmp_path / "matrix.html").as_uri())
    chromium.messages.clear()
    choose(chromium, "role", "sender")
    ids = ROWS.replace(".slice(3)", "")
    assert chromium.run(ids) == ["sender-AB-01", "sender-AB-02"]
    titles = "[...document.querySelectorAll('.role')].filter((r) => r.offsetHeight).map((r) => r.textContent)"
    assert chromium.run(titles) == ["As sender"]
    choose(chromium, "role", "")
    assert chromium.run(titles) == ["As relay", "As sender"]
    assert chromium.messages == []


def test_filters_on_what_subjects_have_in_common(browser: Browser) -> None:
    browser.run("document.getElementById('differ').click()")
    assert browser.run(ROWS) == ["01", "04"]
    # Without subject two, all agree on clause 1.
    browser.run("document.querySelectorAll('#subjects input')[1].click()")
    assert browser.run(ROWS) == ["04"]
    browser.run("document.getElementById('differ').click()")
    browser.run("document.getElementById('failures').click()")
    assert browser.run(ROWS) == ["02", "04"]
    columns = "[...document.querySelectorAll('th.subject')].filter((h) => h.offsetWidth).length"
    assert browser.run(columns) == 2


def test_arrow_keys_move_between_cells_that_are_shown(browser: Browser) -> None:
    browser.run("document.getElementById('failures').click()")
    browser.run("document.querySelectorAll('#subjects input')[1].click()")
    browser.run("document.querySelector('td[tabindex=\"0\"]').focus()")
    seen = [browser.run(FOCUS)]
    for key in ("ArrowRight", "ArrowRight", "ArrowDown", "ArrowLeft", "ArrowUp"):
        browser.press(key)
        seen.append(browser.run(FOCUS))
    assert seen == [
        "AB-02 1",
        "AB-02 3",
        "AB-02 3",
        "AB-04 3",
        "AB-04 1",
        "AB-02 1",
    ]
    reachable = browser.run("document.querySelectorAll('td[tabindex=\"0\"]').length")
    assert reachable == 1


def test_enter_opens_a_cell_and_escape_leads_back_to_it(browser: Browser) -> None:
    browser.run("document.querySelector('td[tabindex=\"0\"]').focus()")
    browser.press("ArrowRight")
    assert browser.run(OPEN) is False
    browser.press("Enter")
    assert browser.run(OPEN) is True
    text = browser.run("document.getElementById('panel').innerText")
    for words in ("AB-01, two", "Statement 1.", "words", "RFC 5321 4.1", "expected"):
        assert words in text
    for words in ("client > EHLO there", "scripts/conform --subject two -v"):
        assert words in text
    # What the subject sent is text.
    assert "</pre><script>alert(1)</script>" in text
    assert browser.run("document.querySelectorAll('#panel script').length") == 0
    browser.press("Escape")
    assert (browser.run(OPEN), browser.run(FOCUS)) == (False, "AB-01 2")


def test_a_slash_leads_to_the_text_and_escape_back(browser: Browser) -> None:
    browser.press("/")
    assert browser.run("document.activeElement.id") == "text"
    for key in "a/b":
        browser.press(key)
    assert browser.run("document.activeElement.value") == "a/b"
    choose(browser, "text", "")
    browser.press("Escape")
    assert browser.run(FOCUS) == "AB-01 1"


def test_an_address_leads_to_a_cell(browser: Browser, page: str) -> None:
    browser.open("about:blank")
    browser.open(f"{page}#AB-04/1")
    assert browser.run(OPEN) is True
    title = browser.run("document.getElementById('panel-title').textContent")
    assert title == "AB-04, two: ! error"
    browser.press("Escape")
    browser.run("document.querySelector('td[tabindex=\"0\"]').click()")
    assert browser.run("location.hash") == "#AB-04/1"


def test_a_phone_needs_no_sideways_scrolling(browser: Browser) -> None:
    browser.resize(390, 844)
    wide = "document.documentElement.scrollWidth"
    assert browser.run(wide) == 390
    browser.run("document.querySelector('td.fail').click()")
    assert browser.run("document.getElementById('panel').scrollWidth") <= 390
    assert browser.run(wide) == 390
    browser.press("Escape")
    least = (
        "Math.min(...[...document.querySelectorAll('td')].map((c) => c.offsetWidth))"
    )
    assert browser.run(least) >= 40


@pytest.mark.parametrize("dark", [False, True])
def test_every_verdict_can_be_told_from_its_background(
    browser: Browser, dark: bool
) -> None:
    """WCAG 2.1 1.4.3: a contrast of 4.5."""
    browser.resize(1280, 900, dark=dark)
    colours = browser.run(
        "[...document.querySelectorAll('td[tabindex], td.sum, .level')].map((c) => "
        "[getComputedStyle(c).color, getComputedStyle(c).backgroundColor,"
        " getComputedStyle(document.body).backgroundColor])"
    )
    assert len(colours) > 12
    for text, box, below in colours:
        ground = below if box == "rgba(0, 0, 0, 0)" else box
        assert contrast(text, ground) >= 4.5, (text, ground)


def contrast(one: str, other: str) -> float:
    def luminance(colour: str) -> float:
        shares = [int(n) / 255 for n in colour[4:-1].split(",")]
        red, green, blue = (
            s / 12.92 if s <= 0.04045 else math.pow((s + 0.055) / 1.055, 2.4)
            for s in shares
        )
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)
