"""A subject is a folder: what is said of a wrong one, how its executables are run, and how its known
failures are compared."""

from __future__ import annotations


import json
from collections.abc import Callable
from pathlib import Path

import pytest

from conformance.lab.plan import make_plan
from conformance.subjects import folder_of, names, plan_file
from conformance.subjects.base import CAPABILITIES, Limits, Timeouts
from conformance.subjects.description import faults_by_schema, faults_of, schema
from conformance.subjects.known import KnownFailure

from running import Conform, GATING


# An MTA in fifteen lines: it greets, notes how it was started, and says 250 to everything.
START = """#!/usr/bin/python3
import json, os, signal, socket, sys, threading
plan = json.load(open(sys.argv[1]))
with open("started", "a") as file:
    print(os.path.basename(sys.argv[0]), *sys.argv[2:], plan["dmarc"]["edition"], os.environ["SUBJECT"], file=file)
def session(client):
    client.sendall(b"220 mx.example\\r\\n")
    for line in client.makefile("rb"):
        client.sendall(b"250 mx.example\\r\\n")
def listen(address):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    server = socket.create_server((address, plan["port"]), family=family)
    while True:
        threading.Thread(target=session, args=(server.accept()[0],), daemon=True).start()
threading.Thread(target=listen, args=(plan["ipv6"],), daemon=True).start()
listen(plan["ipv4"])
"""
DESCRIPTION = "schema: 1\nname: mine\ntitle: My MTA\nversion: echo mine 7\n"
GREETS = f"""
@clause("{GATING[0]}")
def test_it_greets(world):
    with world.client(): pass
"""
FAILS = f"""
@clause("{GATING[0]}")
def test_one(world): expect("seen", "wanted", "a word")

@clause("{GATING[1]}")
def test_two(world): pass
"""
STARTED = """
def started(world):
    return (world.lab.directory / "subject" / "state" / "started").read_text().splitlines()
"""

Make = Callable[..., Path]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Makes a folder with these capabilities and files."""

    def build(capabilities: str = "[]", **files: str) -> Path:
        folder = tmp_path / "mine"
        folder.mkdir()
        text = f"{DESCRIPTION}capabilities: {capabilities}\n"
        (folder / "subject.yaml").write_text(text)
        for name, content in {"start": START, **files}.items():
            path = folder / name.replace("_", "-")
            path.write_text(content)
            path.chmod(0o755)
        return folder

    return build


@pytest.fixture
def rooted(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Like make(), of a folder whose root of its own is the machine's, as if that had been prepared."""
    prepared = tmp_path / "roots" / "mine"
    prepared.mkdir(parents=True)
    (prepared / "root").symlink_to("/")
    (prepared / "prepared").touch()
    monkeypatch.setenv("FAIRLEAD_SUBJECTS", str(tmp_path / "roots"))

    def build(more: str = "", **files: str) -> Path:
        folder = make(**files)
        with (folder / "subject.yaml").open("a") as file:
            file.write(f"packages: [an-mta]\n{more}")
        return folder

    return build


# What is said of a folder


@pytest.mark.parametrize("name", [*names()])
def test_nothing_is_wrong_with_the_subjects_in_the_tree(name: str) -> None:
    assert faults_of(folder_of(name)) == []


def test_what_is_wrong_is_said_in_a_line_each(make: Make, conform: Conform) -> None:
    folder = make("[clock, telepathy]", stop="#!/bin/sh\n")
    (folder / "start").unlink()
    (folder / "stop").chmod(0o644)
    run = conform(GREETS, "--check-subject", str(folder))
    assert run.status == 2
    lines = run.errors.splitlines()
    assert len(lines) == 4, lines
    for needle in ("telepathy", "`start`", "chmod +x", "`clock`"):
        assert sum(needle in line for line in lines) == 1, needle


@pytest.mark.parametrize("arguments", [[], ["--regressions"]], ids=["plain", "known"])
def test_a_folder_that_is_wrong_is_not_run(
    make: Make, conform: Conform, arguments: list[str]
) -> None:
    folder = make("[telepathy]")
    run = conform(GREETS, "--subject", str(folder), *arguments)
    assert run.status == 2 and "telepathy" in run.errors


def test_a_version_command_that_fails_is_quoted(make: Make, conform: Conform) -> None:
    folder = make()
    description = DESCRIPTION.replace("echo mine 7", "echo gone >&2; exit 9")
    (folder / "subject.yaml").write_text(f"{description}capabilities: []\n")
    run = conform(GREETS, "--subject", str(folder))
    assert run.status == 3
    for needle in ("My MTA", "exit 9", "ended with 9", "gone"):
        assert needle in run.results["failure"]


def test_the_names_of_the_schema_are_those_of_the_lab() -> None:
    properties = schema("subject")["properties"]
    assert set(properties["capabilities"]["items"]["enum"]) == set(CAPABILITIES)
    assert set(properties["limits"]["properties"]) == set(Limits.__annotations__)
    assert set(properties["timeouts"]["properties"]) == set(Timeouts.__annotations__)


# How it is run


def test_a_folder_is_run_by_its_path(make: Make, conform: Conform) -> None:
    folder = make()
    run = conform(GREETS, "--subject", str(folder))
    assert run.status == 0, run.output + run.errors
    assert run.results["version"] == "mine 7"
    assert run.verdict(GATING[0]) == "pass"


def test_it_starts_in_its_state_directory_and_knows_its_folder(
    make: Make, conform: Conform
) -> None:
    folder = make()
    run = conform(
        STARTED
        + f"""
@clause("{GATING[0]}")
def test_it(world):
    expect(started(world), ["start rfc9989 {folder}"], "how it was started")
""",
        "--subject",
        str(folder),
    )
    assert run.verdict(GATING[0]) == "pass", run.output


def test_clock_starts_it_at_another_date(make: Make, conform: Conform) -> None:
    folder = make("[clock]", clock=START)
    run = conform(
        STARTED
        + f"""
@clause("{GATING[0]}")
def test_it(world):
    world.travel(-2)
    expect(started(world)[1:], ["clock -172800 rfc9989 {folder}"], "how it was started")
""",
        "--subject",
        str(folder),
    )
    assert run.verdict(GATING[0]) == "pass", run.output


RECONFIGURED = f"""
@clause("{GATING[0]}")
def test_it(world):
    world.reconfigure(dmarc_edition="rfc7489")
    expect([line.split()[:2] for line in started(world)], WANTED, "how it was started")
"""


def test_a_changed_plan_is_a_restart_without_reload(
    make: Make, conform: Conform
) -> None:
    wanted = '[["start", "rfc9989"], ["start", "rfc7489"]]'
    suite = STARTED + RECONFIGURED.replace("WANTED", wanted)
    run = conform(suite, "--subject", str(make()))
    assert run.verdict(GATING[0]) == "pass", run.output


def test_a_changed_plan_is_reloaded_by_reload(make: Make, conform: Conform) -> None:
    reload = """#!/bin/sh
grep -q '"edition": "rfc7489"' "$1" && echo reload rfc7489 >>started
"""
    wanted = '[["start", "rfc9989"], ["reload", "rfc7489"]]'
    suite = STARTED + RECONFIGURED.replace("WANTED", wanted)
    run = conform(suite, "--subject", str(make(reload=reload)))
    assert run.verdict(GATING[0]) == "pass", run.output


STOPPED = f"""
@clause("{GATING[0]}")
def test_one(world): world.stop_subject()

@clause("{GATING[1]}")
def test_two(world):
    with world.client(): pass
"""


def test_a_stop_that_fails_is_an_error_of_its_test(
    make: Make, conform: Conform
) -> None:
    stop = """#!/bin/sh
[ -e failed ] && exit
touch failed
echo "a word before"
echo "no such queue" >&2
exit 3
"""
    run = conform(STOPPED, "--subject", str(make("[restart]", stop=stop)))
    assert run.verdict(GATING[0]) == "error", run.output + run.errors
    for needle in ("My MTA", "`stop` ended with 3", "a word before", "no such queue"):
        assert needle in run.output, run.output
    assert run.verdict(GATING[1]) == "pass", run.output


def test_a_stop_that_fails_at_the_end_of_the_lab_is_seen(
    rooted: Make, conform: Conform, tmp_path: Path
) -> None:
    stop = "#!/bin/sh\necho no such queue >&2\nexit 3\n"
    run = conform(GREETS, "--subject", str(rooted(stop=stop)))
    assert run.verdict(GATING[0]) == "error", run.output + run.errors
    assert "`stop` ended with 3" in run.output, run.output
    assert not any((tmp_path / "tmp").iterdir())


def test_a_stop_may_end_with_the_subject(make: Make, conform: Conform) -> None:
    """As the last process of its PID namespace, by SIGKILL."""
    stop = """#!/bin/sh
kill "$(cat pid)"
exec tail -f /dev/null
"""
    start = START.replace(
        "def session", "open('pid', 'w').write(str(os.getpid()))\ndef session", 1
    )
    folder = make("[restart]", start=start, stop=stop)
    run = conform(STOPPED, "--subject", str(folder))
    assert run.status == 0, run.output
    assert run.verdict(GATING[0]) == run.verdict(GATING[1]) == "pass"


def test_a_subject_that_dies_in_a_test_fails_it(make: Make, conform: Conform) -> None:
    dying = START.replace(
        "for line in", "os._exit(7) if os.path.exists('die') else None\n    for line in"
    )
    run = conform(
        f"""
@clause("{GATING[0]}")
def test_one(world):
    mark = world.lab.directory / "subject" / "state" / "die"
    mark.touch()
    with world.client(greet=False) as client:
        client.banner()
        client.expect_closed()
    mark.unlink()

@clause("{GATING[1]}")
def test_two(world):
    with world.client(): pass
""",
        "--subject",
        str(make(start=dying)),
    )
    assert run.verdict(GATING[0]) == "fail", run.output
    assert "it has ended" in run.output
    assert run.verdict(GATING[1]) == "pass"


def test_a_subject_whose_death_is_seen_as_the_next_test_begins_fails_it(
    make: Make, conform: Conform
) -> None:
    run = conform(
        f"""
@clause("{GATING[0]}")
def test_one(world):
    lab, take = world.lab, world.lab.commons.take

    def take_after_its_end(what):
        lab.commons.take = take
        lab.subject.kill()
        return take(what)

    lab.commons.take = take_after_its_end

@clause("{GATING[1]}")
def test_two(world):
    with world.client(): pass
""",
        "--subject",
        str(make()),
    )
    assert run.verdict(GATING[0]) == "fail", run.output
    assert "it has ended" in run.output
    assert run.verdict(GATING[1]) == "pass"


def test_a_subject_that_falls_silent_in_a_test_fails_it(
    make: Make, conform: Conform
) -> None:
    freezing = START.replace(
        "for line in",
        "if os.path.exists('freeze'): os.remove('freeze'), os.kill(os.getpid(), signal.SIGSTOP)\n    for line in",
    )
    run = conform(
        f"""
@clause("{GATING[0]}")
def test_one(world):
    (world.lab.directory / "subject" / "state" / "freeze").touch()
    with world.client(greet=False) as client:
        client.banner()

@clause("{GATING[1]}")
def test_two(world):
    with world.client(): pass
""",
        "--subject",
        str(make(start=freezing)),
        "--timeout-scale=0.1",
    )
    assert run.verdict(GATING[0]) == "fail", run.output
    assert "greets nobody" in run.output, run.output
    assert run.verdict(GATING[1]) == "pass", run.output


def test_its_queue_is_seen(make: Make, conform: Conform) -> None:
    folder = make()
    with (folder / "subject.yaml").open("a") as file:
        file.write('queue_files: ["spool/*.msg"]\n')
    run = conform(
        f"""
@clause("{GATING[0]}")
def test_it(world):
    spool = world.lab.directory / "subject" / "state" / "spool"
    expect(world.subject.has_mail(), False, "whether there is mail")
    spool.mkdir()
    (spool / "1.msg").touch()
    expect(world.subject.has_mail(), True, "whether there is mail")
""",
        "--subject",
        str(folder),
    )
    assert run.verdict(GATING[0]) == "pass", run.output


def test_the_plan_is_as_its_schema_says(tmp_path: Path) -> None:
    plan_file.write(make_plan(2), tmp_path / "plan.json")
    document = json.loads((tmp_path / "plan.json").read_text())
    assert faults_by_schema(document, "plan") == []
    assert len(document["aliases"]) == sum(len(z["routes"]) for z in document["zones"])
    for alias in document["aliases"]:
        assert alias["address"].isascii() and alias["to"].isascii()
        assert alias["address"].rpartition("@")[2] in document["domains"]


def test_in_a_root_of_its_own_it_changes_nothing_outside(
    rooted: Make, conform: Conform
) -> None:
    mark = "with open('/etc/fairlead-was-here', 'w'): pass\n"
    folder = rooted(start=START.replace("def session", mark + "def session"))
    run = conform(
        STARTED
        + f"""
import glob, os
@clause("{GATING[0]}")
def test_it(world):
    expect(started(world), ["start rfc9989 {folder}"], "how it was started")
    roots = os.environ["CONFORM_SCRATCH"] + "/root-*/merged"
    expect(len(glob.glob(roots + "/etc/fairlead-was-here")), 1, "marks in the copy")
    expect(os.path.exists("/etc/fairlead-was-here"), False, "a mark outside")
    with world.client(): pass
""",
        "--subject",
        str(folder),
    )
    assert run.verdict(GATING[0]) == "pass", run.output + run.errors


SIBLING = '#!/bin/sh\nexec "$SUBJECT/../other/start" "$@"\n'


def other(folder: Path) -> None:
    """A folder beside this one, with the MTA that SIBLING runs."""
    (folder.parent / "other").mkdir()
    (folder.parent / "other" / "start").write_text(START)
    (folder.parent / "other" / "start").chmod(0o755)


def test_in_a_root_of_its_own_it_sees_the_folders_that_it_uses(
    rooted: Make, conform: Conform
) -> None:
    folder = rooted("uses: [../other]\n", start=SIBLING)
    other(folder)
    run = conform(
        STARTED
        + f"""
import glob, os
@clause("{GATING[0]}")
def test_it(world):
    expect(started(world), ["start rfc9989 {folder}"], "how it was started")
    roots = glob.glob(os.environ["CONFORM_SCRATCH"] + "/root-*/merged")
    mounted = {{line.split()[4] for line in open("/proc/self/mountinfo")}}
    for name, wanted in ("/mine", True), ("/other", True), ("", False):
        seen = any(root + "{folder.parent}" + name in mounted for root in roots)
        expect(seen, wanted, "a mount of the folder " + name)
    with world.client(): pass
""",
        "--subject",
        str(folder),
    )
    assert run.verdict(GATING[0]) == "pass", run.output + run.errors


@pytest.mark.parametrize(
    ("uses", "needle"),
    [
        ("../gone", "../gone is not a folder"),
        ("../../../../../../../../..", "is all of the machine"),
        ("/etc", "'/etc' does not match"),
    ],
)
def test_a_folder_that_cannot_be_used_is_a_fault(
    make: Make, conform: Conform, uses: str, needle: str
) -> None:
    folder = make()
    with (folder / "subject.yaml").open("a") as file:
        file.write(f"packages: [an-mta]\nuses: [{uses}]\n")
    run = conform(GREETS, "--check-subject", str(folder))
    assert run.status == 2 and needle in run.errors, run.errors


# Known failures

KNOWN = """
- clause: {clause}
  actual: "{actual}"
  verdict: right
  reason: It says so, as its documentation states.
"""


def with_known(folder: Path, *entries: tuple[str, str]) -> Path:
    text = "".join(KNOWN.format(clause=c, actual=a) for c, a in entries)
    (folder / "known-failures.yaml").write_text(text)
    return folder


@pytest.mark.parametrize(
    ("entries", "status", "new", "mended"),
    [
        ([(GATING[0], "s*n")], 0, 0, 0),
        ([(GATING[0], "something else")], 1, 1, 1),
        ([(GATING[1], "*")], 1, 1, 1),
        ([(GATING[0], "*"), (GATING[1], "*")], 1, 0, 1),
    ],
    ids=["as known", "another text", "another clause", "one is mended"],
)
def test_regressions_are_what_is_not_known(
    make: Make,
    conform: Conform,
    entries: list[tuple[str, str]],
    status: int,
    new: int,
    mended: int,
) -> None:
    folder = with_known(make(), *entries)
    run = conform(FAILS, "--subject", str(folder), "--regressions")
    assert run.status == status, run.output
    assert len(run.results["new"]) == new
    assert len(run.results["mended"]) == mended


@pytest.mark.parametrize("regressions", [[], ["--regressions"]], ids=["all", "new"])
def test_a_known_failure_spares_no_test_where_only_new_ones_count(
    make: Make, conform: Conform, regressions: list[str]
) -> None:
    test = f"""
@pytest.mark.parametrize("word", ["seen", "new", "newer"])
@clause("{GATING[0]}")
def test_one(world, word): expect(word, "wanted", "a word")
"""
    folder = with_known(make(), (GATING[0], "seen"))
    run = conform(test, "--subject", str(folder), "--brief", *regressions)
    outcomes = [test["outcome"] for test in run.results["tests"]]
    assert outcomes.count("fail") == 1 + len(regressions), run.output
    assert len(run.results["new"]) == len(regressions)


def test_what_fails_sometimes_is_not_mended(make: Make, conform: Conform) -> None:
    folder = with_known(make(), (GATING[0], "*"), (GATING[1], "*"))
    with (folder / "known-failures.yaml").open("a") as file:
        file.write("  sometimes: true\n")
    run = conform(FAILS, "--subject", str(folder), "--regressions")
    assert run.status == 0, run.output


def test_without_regressions_a_known_failure_counts_and_is_explained(
    make: Make, conform: Conform
) -> None:
    folder = with_known(make(), (GATING[0], "*"))
    run = conform(FAILS, "--subject", str(folder))
    assert run.status == 1
    assert "as its documentation states" in run.output


def test_what_did_not_run_is_not_mended(make: Make, conform: Conform) -> None:
    folder = with_known(make(), (GATING[0], "*"), (GATING[1], "*"))
    run = conform(FAILS, "--subject", str(folder), "--regressions", "-k", GATING[0])
    assert run.status == 0, run.output


def test_an_entry_for_no_clause_is_refused(make: Make, conform: Conform) -> None:
    folder = with_known(make(), ("NOPE-01", "*"))
    run = conform(FAILS, "--subject", str(folder))
    assert run.status == 2 and "NOPE-01" in run.errors


@pytest.mark.parametrize(
    ("pattern", "text", "covered"),
    [
        ("550 *", "550 5.1.1 no [such] box?", True),
        ("550 *", "x550 5.1.1", False),
        ("a b", "a\n  b", True),
        ("[ab]", "a", False),
        ("a*c", "a\nb\nc", True),
    ],
)
def test_a_pattern_knows_no_wildcard_but_the_asterisk(
    pattern: str, text: str, covered: bool
) -> None:
    known = KnownFailure("AB-01", pattern, "right", "a reason")
    assert known.covers(["AB-01"], "a title", text) is covered
