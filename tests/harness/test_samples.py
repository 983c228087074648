"""Random input with a known verdict: that the same seed draws the same, that what is drawn is what its rule
says (by recognizers of the RFCs' grammar, which are themselves tried on cases written by hand), and that an
MTA which is wrong is shown to be, by the simplest input."""

from __future__ import annotations

import email.policy
import re
from collections.abc import Callable
from email.parser import BytesParser

import pytest

from conformance.expect import ConformanceFailure, fail
from conformance.samples import SENDER, VICTIM, ZONE
from conformance.samples import (
    authors,
    commands,
    header,
    hosts,
    octets,
    paths,
    replies,
)
from conformance.samples.choices import Choices, minimised, numbered
from conformance.sampling import Sample, Sampling
from conformance.suite.acts import MAILBOX

from running import GATING, Conform

COUNT = 300
ALL_BROKEN = paths.BROKEN_LOCAL | paths.BROKEN_DOMAIN
DRAWS: dict[str, Callable[[Choices], Sample]] = {
    "path": lambda c: paths.valid(c, SENDER),
    "spelled": lambda c: paths.spelled(c, "info", ZONE),
    "broken path": lambda c: paths.broken(c, ALL_BROKEN, SENDER),
    "cleared": lambda c: commands.cleared(c, "RSET"),
    "complete": commands.complete,
    "group": commands.group,
    "periods": octets.clean,
    **{name: lambda c, n=name: octets.strange(c, n) for name in octets.STRANGE},  # type: ignore[misc]
    "author": lambda c: authors.one_author(c, SENDER),
    "authors": lambda c: authors.several_authors(c, VICTIM),
    "two domains": authors.two_domains,
    "two fields": authors.two_fields,
    "nobody": authors.nobody,
    "reply": lambda c: replies.valid(c, "245"),
    "broken reply": replies.broken,
    "differing codes": replies.differing,
    "header": header.fields,
    "hosts": hosts.answer,
}
each_draw = pytest.mark.parametrize("draw", list(DRAWS.values()), ids=list(DRAWS))


def drawn(draw: Callable[[Choices], Sample], seed: int = 1) -> list[Sample]:
    return [draw(numbered(seed, "test", number)) for number in range(COUNT)]


# What is drawn


@each_draw
def test_a_seed_draws_the_same_and_another_one_something_else(
    draw: Callable[[Choices], Sample]
) -> None:
    assert drawn(draw) == drawn(draw)
    assert drawn(draw) != drawn(draw, seed=2)


@each_draw
def test_the_numbers_of_a_sample_make_it_again(
    draw: Callable[[Choices], Sample]
) -> None:
    for number in range(COUNT):
        choices = numbered(1, "test", number)
        assert draw(choices) == draw(Choices(choices.taken))


# RFC 5321 4.1.2 and its examples, and 4.5.3.1.1.
A_PATH = rf"<{MAILBOX}>"


@pytest.mark.parametrize(
    ("text", "is_path"),
    [
        ("<JQP@bar.com>", True),
        ("<Joe.Blow@bar.com>", True),
        ('<"Joe.Blow"@bar.com>', True),
        ('<"Joe\\,Blow"@bar.com>', True),
        ('<"Joe Blow"@bar.com>', True),
        ("<Joe Blow@bar.com>", False),
        ("<a..b@bar.com>", False),
        ("<a@b..com>", False),
        ('<"a"b@bar.com>', False),
        ('<"a\\"@bar.com>', False),
        ("<@bar.com>", False),
        ("a@bar.com", False),
    ],
)
def test_the_recognizer_of_paths_knows_the_grammar(text: str, is_path: bool) -> None:
    assert bool(re.fullmatch(A_PATH, text)) == is_path


def content_of(path: str) -> str:
    """The content of the local part of a path."""
    local = path[1:].rpartition("@")[0]
    return re.sub(r"\\(.)", r"\1", local[1:-1]) if local.startswith('"') else local


@pytest.mark.parametrize("kind", ["path", "spelled"])
def test_a_valid_path_is_one_and_has_its_content(kind: str) -> None:
    for sample in drawn(DRAWS[kind]):
        assert isinstance(sample, paths.Path)
        assert re.fullmatch(A_PATH, sample.text), sample
        assert len(sample.text.rpartition("@")[0]) - 1 <= paths.LOCAL_MAX
        assert content_of(sample.text) == sample.content


def test_a_broken_path_is_none_and_each_rule_is_broken() -> None:
    samples = drawn(DRAWS["broken path"])
    for sample in samples:
        assert isinstance(sample, paths.Path)
        assert not re.fullmatch(A_PATH, sample.text), sample
    assert len({sample.rule for sample in samples}) == len(ALL_BROKEN)


@pytest.mark.parametrize("kind", ["periods", *octets.STRANGE])
def test_a_message_ends_at_its_end_and_nowhere_before(kind: str) -> None:
    for sample in drawn(DRAWS[kind]):
        assert isinstance(sample, octets.Content)
        wire = b"\r\n" + sample.wire + octets.END
        assert wire.index(b"\r\n.\r\n") == len(wire) - 5
        left = set(sample.wire.replace(b"\r\n", b"")) & set(b"\r\n\0")
        assert left == set(octets.STRANGE.get(kind, b""))
        assert b"".join(sample.segments(b"before")) == b"before" + wire[2:]
        if kind == "periods":
            stuffed = re.sub(rb"^\.", b"..", sample.body, flags=re.MULTILINE)
            assert sample.wire == stuffed


def domains_in(fields: tuple[str, ...]) -> list[set[str]]:
    """The domains of each From field, as Python's own parser reads it."""
    text = "".join(f"{field}\r\n" for field in fields)
    message = BytesParser(policy=email.policy.SMTP).parsebytes(text.encode())
    values = message.get_all("From") or []
    assert len(message.keys()) == len(fields)
    return [{a.domain.lower() for a in value.addresses} - {""} for value in values]


@pytest.mark.parametrize(
    ("field", "domains"),
    [
        ('From: "Joe Q. Public" <john.q.public@example.com>', {"example.com"}),
        ("From: Pete(A nice \\) chap) <pete(his account)@silly.test>", {"silly.test"}),
        ("From: A Group:Ed <joe@where.test>,John <jdoe@one.test>;", {"where.test", "one.test"}),
        ("From: Undisclosed recipients:;", set()),
    ],
)  # fmt: skip
def test_the_reader_of_from_fields_knows_the_examples(
    field: str, domains: set[str]
) -> None:
    assert domains_in((field,)) == [domains]


@pytest.mark.parametrize(
    "kind", ["author", "authors", "two domains", "two fields", "nobody"]
)
def test_a_from_field_has_authors_at_the_domains_it_says(kind: str) -> None:
    for sample in drawn(DRAWS[kind]):
        assert isinstance(sample, authors.From)
        assert all(
            line.strip() for field in sample.fields for line in field.split("\r\n")
        )
        assert domains_in(sample.fields) == [set(sample.domains)] * len(sample.fields)


REPLY_LINE = r"[2-5][0-5][0-9](?:[ -][\t\x20-\x7e]*)?"


@pytest.mark.parametrize(
    ("line", "is_one"),
    [
        ("250 OK", True),
        ("250-First line", True),
        ("250", True),
        ("354 ", True),
        ("25 OK", False),
        ("2500 OK", False),
        ("150 OK", False),
        ("250_OK", False),
        ("", False),
    ],
)
def test_the_recognizer_of_reply_lines_knows_the_grammar(
    line: str, is_one: bool
) -> None:
    assert bool(re.fullmatch(REPLY_LINE, line)) == is_one


def lines_of(sample: Sample) -> list[str]:
    assert isinstance(sample, replies.UpstreamReply)
    assert sample.wire.endswith(b"\r\n")
    return sample.wire.decode("ascii").split("\r\n")[:-1]


def test_a_valid_reply_has_the_code_and_the_lines_that_it_says() -> None:
    for sample in drawn(DRAWS["reply"]):
        assert isinstance(sample, replies.UpstreamReply)
        lines = lines_of(sample)
        assert all(re.fullmatch(REPLY_LINE, line) for line in lines), sample
        assert {line[:3] for line in lines} == {str(sample.code)}
        assert [line[3:4] for line in lines[:-1]] == ["-"] * (len(lines) - 1)
        assert lines[-1][3:4] in ("", " ")
        assert tuple(line[4:] for line in lines) == sample.lines
        assert sample.code not in replies.CLOSING


def test_a_broken_reply_has_one_broken_line_and_it_is_the_last() -> None:
    samples = drawn(DRAWS["broken reply"])
    for sample in samples:
        *before, last = lines_of(sample)
        assert all(re.fullmatch(REPLY_LINE, line) for line in before)
        assert not re.fullmatch(REPLY_LINE, last), sample
    assert len({sample.rule for sample in samples}) == len(replies.BROKEN)


def test_a_reply_of_differing_codes_has_two_and_good_lines() -> None:
    for sample in drawn(DRAWS["differing codes"]):
        lines = lines_of(sample)
        assert all(re.fullmatch(REPLY_LINE, line) for line in lines)
        assert len({line[:3] for line in lines}) == 2


def test_header_fields_are_those_of_the_grammar() -> None:
    for sample in drawn(DRAWS["header"]):
        assert isinstance(sample, header.Header)
        for field in sample.fields:
            first, *folded = field.split("\r\n")
            assert re.fullmatch(r"[!-9;-~]+:[\t -~]*", first), field
            assert all(re.fullmatch(r"[\t ][\t -~]*", line) for line in folded)
            assert all(line.strip() for line in folded)
            assert all(len(line) <= header.LINE_MAX for line in (first, *folded))


def test_the_state_of_the_session_decides_about_each_command() -> None:
    """RFC 5321 4.1.4, once more and in other words: what was said since the last RSET or EHLO."""
    for kind in ("cleared", "complete", "group"):
        for sample in drawn(DRAWS[kind]):
            assert isinstance(sample, commands.Commands)
            since: list[str] = []
            for line, code in zip(sample.lines, sample.codes):
                verb = line.split(" ")[0].upper()
                if verb in ("RSET", "EHLO"):
                    since = []
                since.append(verb)
                expected = {"DATA": "354"}.get(verb, "250")
                if verb == "RCPT" and "MAIL" not in since:
                    expected = commands.REFUSED
                assert code == expected, sample
                if verb == "DATA":
                    assert "MAIL" in since and "RCPT" in since
                if verb == "MAIL":
                    assert since.count("MAIL") == 1


@pytest.mark.parametrize(
    ("records", "right"),
    [
        ([(10, "live1"), (20, "live2")], {"live1"}),
        ([(20, "live1"), (10, "closed")], {"live1"}),
        ([(10, "live1"), (10, "live2"), (5, "nonexistent")], {"live1", "live2"}),
    ],
)
def test_the_model_of_hosts_knows_cases_by_hand(
    records: list[tuple[int, str]], right: set[str]
) -> None:
    assert hosts.right(tuple(records)) == right


def test_a_sample_of_hosts_has_a_live_one() -> None:
    for sample in drawn(DRAWS["hosts"]):
        assert isinstance(sample, hosts.Hosts)
        names = [name for _, name in sample.records]
        assert len(names) == len(set(names))
        assert sample.right and sample.right <= set(hosts.LIVE)


# What fails


def test_a_failing_sample_is_made_as_simple_as_it_fails() -> None:
    def fails(numbers: list[int]) -> bool:
        choices = Choices(numbers)
        return "b" in choices.text("abc", 1, 20)

    choices = numbered(1, "test", 1)
    while "b" not in choices.text("abc", 1, 20):
        pass
    small = Choices(minimised(choices.taken, fails))
    assert small.text("abc", 1, 20) == "b"


def test_each_broken_rule_is_reported_once_by_its_simplest_sample() -> None:
    def refuses_quotes(path: paths.Path) -> None:
        if '"' in path.text:
            fail("250 to MAIL", "501 no quotes, please")

    sampling = Sampling(COUNT, 7, "test")
    with pytest.raises(ConformanceFailure) as failure:
        sampling.check(lambda choices: paths.valid(choices, SENDER), refuses_quotes)
    expected = failure.value.expected
    assert (
        f'250 to MAIL (Quoted-string (RFC 5321 4.1.2)) for <"a"@{SENDER}>' in expected
    )
    assert expected.count("Quoted-string") == 1
    assert "seed 7, sample " in expected
    sampling.check(lambda choices: paths.valid(choices, SENDER), lambda path: None)


# Through the command

BROKEN_RULES = """
from conformance.suite.test_samples import (
    test_a_sender_that_breaks_any_rule_of_the_grammar_is_refused,
)
"""
PLAIN = f"""
@clause("{GATING[0]}")
def test_it(world): pass
"""


def test_an_mta_that_says_250_to_everything_is_caught_by_the_simplest_input(
    conform: Conform,
) -> None:
    run = conform(BROKEN_RULES, "--sample", "40", "--seed", "3")
    assert run.status == 1
    assert run.verdict("DLG-20") == "fail"
    assert run.results["sample"] == {"count": 40, "seed": 3}
    (test,) = run.results["tests"]
    assert "--sample 40 --seed 3" in test["command"]
    shown = re.findall(r" for (\S+).* \[seed 3, sample \d+\]$", test["expected"], re.M)
    assert len(shown) == len(test["expected"].splitlines())
    assert all(text.count("a") >= 1 and len(text) < 40 for text in shown), shown
    page = (run.report / "index.html").read_text("utf-8")
    assert "with seed 3" in page
    assert "40 samples a test with seed 3" in run.output


def test_without_sample_no_test_of_samples_runs(conform: Conform) -> None:
    run = conform(BROKEN_RULES + PLAIN)
    assert [test["title"] for test in run.results["tests"]] == ["it"]
    assert "sample" not in run.results


def test_a_seed_needs_a_sample(conform: Conform) -> None:
    run = conform(PLAIN, "--seed", "3")
    assert run.status == 2
    assert "--sample" in run.errors


def test_a_sample_without_a_seed_prints_one(conform: Conform) -> None:
    run = conform(PLAIN, "--sample", "2")
    assert f"seed {run.results['sample']['seed']}" in run.output
