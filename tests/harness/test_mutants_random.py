"""Random mutants: where they are drawn, what is not, and what counts as noticed."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from breaking import SOURCE, result, root, suite  # noqa: F401
from running import ROOT

from conformance import tracing
from conformance.tracing import Trace
from tests.mutants import at_random, drawing, judging, nearness, reach, sample, unseen
from tests.mutants.drawing import Equivalent, Mutant
from tests.mutants.judging import Results
from tests.mutants.nearness import Stage
from tests.mutants.operators import Site, sites
from tests.mutants.sample import Fate, Outcome
from tests.mutants.unseen import UNSEEN, Unseen, load_unseen


def all_sites(root: Path) -> list[Site]:
    return sites(root / "relay/ask.c", root, ["-std=gnu17"])


def results_of(found: list[Site], operator: str) -> list[str]:
    """Each site's first edit, as text before and after."""
    octets = SOURCE.encode()
    return [
        f"{site.line} {octets[edit[0] : edit[1]].decode()} -> {edit[2]}"
        for site in found
        if site.operator == operator
        for edit in site.edits[:1]
    ]


@pytest.mark.parametrize(
    "operator, expected",
    [
        ("NEG", "8 sum > limit && number != 7 -> !(sum > limit && number != 7)"),
        ("NEG", "6 i < number -> !(i < number)"),
        ("ROR", "6 < -> <="),
        ("LCR", "8 && -> ||"),
        ("DROP", "8 sum > limit && number != 7 -> sum > limit"),
        ("SDL", "7 sum += i -> "),
        ("CASE", "11 case 1: -> "),
        ("CONST", "12 3 -> (3 + 1)"),
        ("REPLY", "9 550 -> 250"),
        ("BRK", "13 break -> "),
        ("RET", "17 sum -> 0"),
        ("RET", "22 YES -> NO"),
        ("ENUM", "22 YES -> NO"),
    ],
)
def test_an_operator_finds_its_place(root: Path, operator: str, expected: str) -> None:
    assert expected in results_of(all_sites(root), operator)


def test_the_head_of_a_for_is_no_statement(root: Path) -> None:
    assert not [r for r in results_of(all_sites(root), "SDL") if "i < number" in r]


def test_what_a_macro_writes_is_left_alone_and_its_arguments_are_not(
    root: Path,
) -> None:
    (root / "relay/ask.c").write_text(
        "#define TWICE(x) ((x) * 2 < 9)\nint f(int n)\n{\n    return TWICE(n + 4);\n}\n"
    )
    found = all_sites(root)
    assert {(site.line, site.operator) for site in found} == {(4, "CONST"), (4, "RET")}


def test_slices_are_cut_off_by_one(root: Path) -> None:
    text = "int bytes_first(int b, int n);\nint f(int b)\n{\n    return bytes_first(b, b);\n}\n"
    (root / "relay/ask.c").write_text(text)
    (off,) = [site for site in all_sites(root) if site.operator == "OFF"]
    assert {edit[2] for edit in off.edits} == {"(b) + 1", "(b) - 1"}


@pytest.fixture
def maker(root: Path, tmp_path: Path) -> drawing.Maker:
    return drawing.Maker(tmp_path / "maker", root)


def names(drawn: list[Mutant]) -> list[str]:
    return [f"{mutant.name} {mutant.what}" for mutant in drawn]


def draw(
    maker: drawing.Maker, seed: int, known: list[Equivalent] | None = None
) -> list[Mutant]:
    return list(maker.draw(maker.sites(["relay/ask.c"]), seed, known or []))


def test_the_same_seed_draws_the_same_mutants_and_only_those_that_differ(
    maker: drawing.Maker, root: Path, tmp_path: Path
) -> None:
    drawn = draw(maker, 1)
    assert names(drawn) == names(draw(maker, 1)) != names(draw(maker, 2))
    operators = [(m.site.operator, m.site.line) for m in drawn]
    # Without its label, the code after default does the same as before, or nothing is there to break.
    assert ("BRK", 15) not in operators
    assert ("LCR", 8) in operators
    for mutant in drawn[:3]:
        path = sample.write_survivor(Outcome(mutant, Fate.SURVIVED), tmp_path / "out")
        workshop = maker.workshop
        workshop.restore()
        workshop.apply(path)
        changed = (workshop.source / mutant.site.file).read_text()
        assert changed != (root / mutant.site.file).read_text()


def test_a_known_equivalent_is_not_drawn_wherever_its_function_moves(
    maker: drawing.Maker, root: Path
) -> None:
    (mutant,) = [m for m in draw(maker, 1) if m.site.operator == "LCR"]
    entry = Equivalent(mutant.site.function, mutant.removed, mutant.added, "why")
    assert mutant.name not in [m.name for m in draw(maker, 1, [entry])]
    (root / "relay/ask.c").write_text("\n\n" + SOURCE)
    (site,) = [site for site in all_sites(root) if site.operator == "LCR"]
    moved, _ = drawing.make(1, site, 1, root)
    assert drawing.equivalent(moved, [entry]) is entry
    (root / "relay/ask.c").write_text(SOURCE.replace("number != 7", "number != 8"))
    (site,) = [site for site in all_sites(root) if site.operator == "LCR"]
    another, _ = drawing.make(1, site, 1, root)
    assert drawing.equivalent(another, [entry]) is None


def test_the_equivalents_of_this_repository_are_in_their_form() -> None:
    known = drawing.known_equivalents(ROOT)
    assert all(entry.reason for entry in known)
    assert {entry.kind for entry in known} == set(drawing.KINDS)


def test_an_equivalent_without_a_reason_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "equivalent.yaml"
    path.write_text("- {function: f, line: a, becomes: b}\n")
    with pytest.raises(ValueError, match="reason"):
        drawing.load_equivalents(path)


@pytest.fixture
def mutant(root: Path) -> Mutant:
    return drawing.make(1, all_sites(root)[0], 1, root)[0]


PASS, FAIL, BROKEN = ({"tests": [result(how)]} for how in ("pass", "fail", "error"))


@pytest.mark.parametrize(
    "runs, fate",
    [
        # The tests near it; again alone.
        ([FAIL, FAIL], Fate.KILLED),
        # The tests near it; the others; again alone.
        ([PASS, PASS], Fate.SURVIVED),
        ([PASS, FAIL, FAIL], Fate.KILLED),
        ([PASS, BROKEN, PASS], Fate.SURVIVED),
        ([BROKEN, BROKEN, BROKEN], Fate.ERROR),
        # What fails but once leaves the others to be asked; and those again alone.
        ([PASS, FAIL, PASS, PASS, PASS], Fate.SURVIVED),
        ([PASS, FAIL, PASS, PASS, FAIL, FAIL], Fate.KILLED),
        ([FAIL, PASS, FAIL, PASS, PASS], Fate.SURVIVED),
        ([{"tests": [], "failure": "it does not start"}], Fate.KILLED),
        ([{"tests": [], "failure": judging.DID_NOT_END}], Fate.HANGS),
    ],
)
def test_a_mutant_is_killed_by_a_failure_that_comes_again(
    suite: Callable[..., list[Any]], mutant: Mutant, runs: list[Results], fate: Fate
) -> None:
    calls = suite(*runs)
    stages = [Stage(clauses=["ERR-06"]), Stage(clauses=["DLG-01"])]
    assert sample.try_out(mutant, Path("relay"), stages).fate == fate
    assert len(calls) == len(runs)


def test_what_is_about_a_file_runs_first_and_no_test_twice() -> None:
    trace = Trace(
        code={"DLG-01": ["relay/auth/spf/spf.c:7"], "ERR-06": ["relay/io/stream.c:7"]},
        tests={name: [] for name in ("RFC7208-05", "DLG-01", "ERR-06", "SPF-03")},
    )
    near, far = nearness.stages("relay/auth/spf/spf.c", trace)
    assert near.clauses == ["RFC7208-05", "DLG-01", "SPF-03"]
    assert far.clauses == ["ERR-06"]


def test_vectors_run_only_where_they_can_tell_anything() -> None:
    trace = Trace(tests={name: [] for name in ("RFC7208-05", "ERR-06")})
    every = ["RFC7208-05", "ERR-06"]

    def tell(file: str) -> set[str]:
        (stage,) = nearness.stages(file, trace)
        return set(stage.clauses)

    assert tell("relay/smtpd/session.c") == {"ERR-06"}
    assert tell("relay/mail/cfws.c") == set(every)


def test_every_test_that_executes_a_mutant_is_asked() -> None:
    trace = Trace(tests={name: [] for name in ("RFC7208-05", "ERR-06")})
    tests = [reach.Test(f"test_{name}", [name], 0.1) for name in trace.tests]
    (stage,) = nearness.stages_of(tests, "relay/base/buffer.c", trace, 1)
    assert stage.tests == ["test_ERR-06", "test_RFC7208-05"]


def test_of_the_tests_that_execute_a_mutant_the_quick_ones_near_it_run_first() -> None:
    trace = Trace(tests={"SPF-03": [], "ERR-06": []})
    far = [reach.Test(f"far{n}", ["ERR-06"], 0.1) for n in range(99)]
    near, slow = reach.Test("near", ["SPF-03"], 0.1), reach.Test("slow", ["SPF-03"], 9)
    first, rest = nearness.stages_of(
        [slow, *far, near], "relay/auth/spf/spf.c", trace, 1
    )
    assert first.tests[0] == "near" and first.labs == 1
    assert rest.tests[-1] == "slow"
    assert {*first.tests, *rest.tests} == {"near", "slow", *(t.id for t in far)}


DISASSEMBLY = """
0000000000001000 <f>:
f():
/root/relay/ask.c:7
    1000:	push   %rbp
/root/build/../relay/ask.c:8 (discriminator 2)
    1004:	call   2000 <__sanitizer_cov_trace_pc>
    1009:	mov    %eax,%ebx
/root/relay/ask.c:9
    100c:	jne    1020 <f+0x20>
    1010:	call   2000 <__sanitizer_cov_trace_pc>
    1015:	nop
/root/relay/ask.c:8
    1018:	nop
/usr/include/string.h:3
    101c:	nop

0000000000001020 <g>:
    1020:	nop
"""


def test_a_line_is_in_each_block_that_has_code_of_it() -> None:
    found = reach.read_blocks(iter(DISASSEMBLY.splitlines(True)), Path("/root"))
    first, second = 0x1009 // 4, 0x1015 // 4
    file = "relay/ask.c"
    assert found.lines == {
        (file, 7): {first},
        (file, 8): {first, second},
        (file, 9): {first, second},
    }
    assert found.functions == {(file, "f"): {first, second}}


def test_the_cases_of_a_file_execute_what_the_first_of_them_plays() -> None:
    names = ["relay/test_rfc7208.py::test_it[ptr:a]", "test_spf.py::test_x[ptr:a]"]
    names += ["relay/test_rfc7208.py::test_it[ptr:b]"]
    together = reach._together([reach.Test(name, [], 0.1) for name in names])
    assert reach._widened(0b001, together) == 0b101
    assert reach._widened(0b010, together) == 0b010


def test_the_tests_of_a_site_are_those_of_its_line_or_else_of_its_function(
    mutant: Mutant,
) -> None:
    site = mutant.site
    tests = [reach.Test(f"test_{n}", ["ERR-06"], 0.1) for n in range(3)]

    def found(lines: dict[str, int], functions: dict[str, int]) -> list[str] | None:
        reaching = reach.Reach(tests, lines, functions).tests_of(site)
        return reaching if reaching is None else [test.id for test in reaching]

    line, function = f"{site.file}:{site.line}", f"{site.file}:{site.function}"
    assert found({line: 0b110}, {function: 0b111}) == ["test_1", "test_2"]
    assert found({line: 0}, {function: 0b111}) == []
    assert found({}, {function: 0b010}) == ["test_1"]
    assert found({}, {}) is None
    # What runs when the relay starts is behind all that it does then.
    assert found({line: 0b001}, {}) is None


def test_what_is_said_to_be_about_files_is_there() -> None:
    tests = tracing.collect(ROOT).tests
    for files, clauses in nearness.ABOUT.items():
        assert list(ROOT.glob(files)), files
        assert not [c for c in clauses if not fnmatch.filter(tests, c)], files


@pytest.mark.parametrize("second, number", [(FAIL, 1), (BROKEN, 1), (PASS, 0)])
def test_an_unbroken_relay_that_fails_is_asked_again(
    suite: Callable[..., list[Any]], second: Results, number: int
) -> None:
    suite(FAIL, second)
    assert len(judging.complaints(Path("relay"), ["ERR-06"])) == number


def test_outcomes_come_in_the_order_of_the_draw(
    maker: drawing.Maker, tmp_path: Path
) -> None:
    drawn = maker.draw(maker.sites(["relay/ask.c"]), 1, [])
    seen = []

    def judge(mutant: Mutant, binary: Path) -> Outcome:
        seen.append(binary.exists())
        return Outcome(mutant, Fate.KILLED)

    outcomes = sample.run(maker, drawn, 4, 2, judge, tmp_path)
    numbers = [o.mutant.number for o in outcomes]
    assert numbers == sorted(numbers) and len(numbers) == 4
    assert seen == [True] * 4
    assert not list(tmp_path.glob("0*"))


def test_files_that_no_peer_notices_are_drawn_only_by_name() -> None:
    files = ["relay/mail/reply.c", "relay/tools/srs.c", "relay/base/log.c"]
    assert at_random.wanted_files(files, []) == ["relay/mail/reply.c"]
    assert at_random.wanted_files(files, ["relay/tools/*"]) == ["relay/tools/srs.c"]


def test_functions_that_no_peer_notices_are_drawn_only_by_name(
    maker: drawing.Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    (hidden,) = {m.site.function for m in draw(maker, 1)} - {"ask"}
    listed = [Unseen("relay/ask.c", "why", [hidden])]
    monkeypatch.setattr(unseen, "_of_this_repository", lambda: listed)
    places = maker.sites(["relay/ask.c"])
    drawn = list(maker.draw(places, 1, [], unseen=False))
    assert {m.site.function for m in drawn} == {"ask"}
    assert not all(m.seen for m in draw(maker, 1))


def test_what_no_peer_notices_is_there_and_has_reasons() -> None:
    for entry in load_unseen(ROOT / UNSEEN):
        files = list(ROOT.glob(entry.files))
        text = "".join(f.read_text() for f in files if f.suffix == ".c")
        assert entry.reason and files, entry
        assert all(f"{name}(" in text for name in entry.functions), entry


def test_the_rate_is_of_what_a_peer_may_notice(mutant: Mutant) -> None:
    outcomes = [Outcome(mutant, fate) for fate in Fate]
    assert "25 %" in at_random.summary(outcomes)
