"""What makes it run in CI: action.yml, ci/, Containerfile, and the examples of conformance/ci.md.

With CI_SCHEMAS in the environment, a directory with github-action.json and github-workflow.json of
json.schemastore.org and GitLab's ci.json as gitlab-ci.json, all YAML is also held to these.
"""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from running import ROOT, Conform

from conformance.options import parse
from conformance.report.model import load_waivers
from conformance.subjects.description import faults_by_schema
from conformance.subjects.known import KnownFailure

RUN = ROOT / "ci" / "run"
ACTION = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
TEMPLATE = yaml.safe_load((ROOT / "ci" / "gitlab.yml").read_text(encoding="utf-8"))
PAGE = (ROOT / "conformance" / "ci.md").read_text(encoding="utf-8")
VARIABLES = set(re.findall(r"^#   (CONFORM_[A-Z]+) ", RUN.read_text(), re.M))


def examples(key: str) -> list[Any]:
    """The YAML examples of the page that have this key."""
    found = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.M | re.S)
    loaded = [
        yaml.safe_load(re.sub("^on:", '"on":', text, flags=re.M)) for text in found
    ]
    return [example for example in loaded if key in example]


# The forms


def test_the_action_passes_each_input_to_the_variable_of_its_name() -> None:
    (step,) = ACTION["runs"]["steps"]
    wanted = {
        f"CONFORM_{name.upper()}": f"${{{{ inputs.{name} }}}}"
        for name in ACTION["inputs"]
    }
    assert step["env"] == wanted


def test_the_action_uses_no_other_action_and_pastes_no_input_into_a_command() -> None:
    for step in ACTION["runs"]["steps"]:
        assert "uses" not in step
        assert "${{" not in step["run"]


def test_action_and_template_have_every_variable_of_the_run() -> None:
    (step,) = ACTION["runs"]["steps"]
    assert set(step["env"]) == VARIABLES
    of_template = TEMPLATE[".fairlead"]["variables"]
    assert {name for name in of_template if name.startswith("CONFORM")} == VARIABLES


def test_the_recipe_leaves_packages_to_setup() -> None:
    recipe = (ROOT / "Containerfile").read_text(encoding="utf-8")
    instructions = re.sub(r"^#.*\n", "", recipe, flags=re.M)
    assert "RUN /fairlead/scripts/setup " in instructions
    assert not re.search(r"\b(install|apt-get|dpkg|pip|npm)\b", instructions)


def test_what_the_recipe_names_is_there() -> None:
    recipe = (ROOT / "Containerfile").read_text(encoding="utf-8")
    for source in re.findall(r"^COPY (\S+) ", recipe, re.M):
        assert (ROOT / source).exists()
    for program in re.findall(r"/fairlead/(scripts/\w+)", recipe):
        assert os.access(ROOT / program, os.X_OK)


def test_the_image_lacks_no_folder_that_the_suite_or_the_build_needs() -> None:
    patterns = (ROOT / ".dockerignore").read_text(encoding="utf-8").split("\n")
    ignored = {pattern.strip("/") for pattern in patterns if pattern[:1] not in "#*"}
    for name in ("conformance", "fixtures", "fuzz", "relay", "scripts", "tests"):
        assert name not in ignored
    assert not {name for name in ignored if name.startswith("meson")}


# The examples of the page


def test_the_examples_of_the_page_are_valid(tmp_path: Path) -> None:
    (subject,) = examples("capabilities")
    assert faults_by_schema(subject, "subject") == []
    (workflow,) = examples("jobs")
    (step,) = [
        step
        for step in workflow["jobs"]["fairlead"]["steps"]
        if "fairlead@" in step.get("uses", "")
    ]
    assert set(step["with"]) <= set(ACTION["inputs"])
    (pipeline,) = examples("include")
    assert pipeline["conformance"]["extends"] in TEMPLATE
    known = set(TEMPLATE[".fairlead"]["variables"])
    assert set(pipeline["conformance"]["variables"]) <= known


def test_the_waivers_of_the_page_are_valid(tmp_path: Path) -> None:
    found = re.search(r"^```yaml\n(- clause: .*?)^```", PAGE, re.M | re.S)
    assert found
    (tmp_path / "waivers.yaml").write_text(found[1])
    assert load_waivers(tmp_path / "waivers.yaml")


def test_every_option_in_a_command_of_the_page_is_one_of_conform() -> None:
    block = "\n".join(re.findall(r"^```\n(.*?)^```", PAGE, re.M | re.S))
    commands = re.findall(
        r"(?:scripts/conform|fairlead) (--.*)", block.replace("\\\n", "")
    )
    text = subprocess.run(
        [ROOT / "scripts" / "conform", "--help"], capture_output=True, text=True
    ).stdout
    unknown = {
        option
        for command in commands
        for option in re.findall(r"(--[a-z-]+)", command)
        if option not in text
    }
    assert commands and unknown == set()


@pytest.mark.skipif("CI_SCHEMAS" not in os.environ, reason="CI_SCHEMAS is not set")
@pytest.mark.parametrize(
    ("schema", "documents"),
    [
        ("github-action", [ACTION]),
        ("github-workflow", examples("jobs")),
        ("gitlab-ci", [TEMPLATE, *examples("include"), *examples("pages")]),
    ],
)
def test_the_yaml_follows_the_published_schema(
    schema: str, documents: list[Any]
) -> None:
    path = Path(os.environ["CI_SCHEMAS"], f"{schema}.json")
    validator = jsonschema.Draft7Validator(json.loads(path.read_text()))
    for document in documents:
        assert [error.message for error in validator.iter_errors(document)] == []


# ci/run, with a setup and a conform that only write down how they were called

STUB = """#!/bin/sh
printf '%s\\n' "$(basename "$0")" "$@" >>"$CALLS"
[ "$(basename "$0")" = setup ] || eval "${STUB-}"
"""

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def calls(tmp_path: Path) -> Path:
    return tmp_path / "calls"


@pytest.fixture
def run(tmp_path: Path, calls: Path) -> Run:
    for name in ("ci", "scripts"):
        (tmp_path / name).mkdir()
    (tmp_path / "ci" / "run").write_text(RUN.read_text())
    for name in ("setup", "conform"):
        (tmp_path / "scripts" / name).write_text(STUB)
    for path in tmp_path.glob("*/*"):
        path.chmod(0o755)

    def start(
        *before: str, stub: str = "", **variables: str
    ) -> subprocess.CompletedProcess[str]:
        settings = {f"CONFORM_{name.upper()}": v for name, v in variables.items()}
        return subprocess.run(
            [*before, str(tmp_path / "ci" / "run")],
            cwd=tmp_path,
            env={
                "PATH": os.environ["PATH"],
                "CALLS": str(calls),
                "STUB": stub,
                "GITHUB_OUTPUT": str(tmp_path / "output"),
                "GITHUB_STEP_SUMMARY": str(tmp_path / "summary"),
                **settings,
            },
            capture_output=True,
            text=True,
        )

    return start


def test_the_variables_become_options_of_conform(run: Run, calls: Path) -> None:
    done = run(
        subject="my mta",
        clauses="SRS-* ERR-0?",
        gate="required,choice",
        waivers="w.yaml",
        regressions="true",
        report="out",
        arguments="-j 1 --without 'srs, spf'",
    )
    assert (done.returncode, done.stderr) == (0, "")
    setup, _, conform = calls.read_text().partition("conform\n")
    assert setup.splitlines() == ["setup", "--subject", "my mta"]
    assert conform.splitlines() == (
        ["--subject", "my mta", "-k", "SRS-*", "-k", "ERR-0?"]
        + ["--gate", "required,choice", "--waivers", "w.yaml", "--regressions"]
        + ["-j", "1", "--without", "srs, spf", "--report", "out"]
    )
    options = parse(conform.splitlines())
    assert options.subject == "my mta" and options.without == ["srs", "spf"]


def test_without_variables_everything_is_conforms_own_choice(
    run: Run, calls: Path
) -> None:
    assert run(regressions="false", clauses="", subject="").returncode == 0
    words = ["setup", "conform", "--report", "fairlead-report"]
    assert calls.read_text().splitlines() == words


@pytest.mark.parametrize(
    ("status", "conforms"), [(0, "true"), (1, "false"), (2, "unknown"), (3, "unknown")]
)
def test_the_result_is_given_to_the_ci(
    run: Run, tmp_path: Path, status: int, conforms: str
) -> None:
    done = run(
        stub=f"mkdir out; echo '### a' >out/summary.md; exit {status}", report="out"
    )
    assert done.returncode == status
    outputs = (tmp_path / "output").read_text().splitlines()
    assert outputs == [f"conforms={conforms}", "report=out"]
    assert (tmp_path / "summary").read_text() == "### a\n"


def test_a_failed_setup_ends_it(run: Run, tmp_path: Path, calls: Path) -> None:
    (tmp_path / "scripts" / "setup").write_text("#!/bin/sh\nexit 3\n")
    assert run().returncode == 3
    assert not calls.exists()


@pytest.mark.parametrize(
    ("variables", "complaint"),
    [
        ({"subject": "a", "target": "127.0.0.1:25"}, "not both"),
        ({"regressions": "yes"}, "true or false"),
    ],
)
def test_what_makes_no_sense_is_a_usage_error(
    run: Run, calls: Path, variables: dict[str, str], complaint: str
) -> None:
    done = run(**variables)
    assert done.returncode == 2 and complaint in done.stderr
    assert not calls.exists()


@pytest.mark.parametrize("capability", ["sys_admin", "net_admin"])
def test_a_container_without_the_privileges_is_told_at_once(
    run: Run, calls: Path, capability: str
) -> None:
    done = run("setpriv", f"--bounding-set=-{capability}")
    assert done.returncode == 3 and "--privileged" in done.stderr
    assert not calls.exists()


def test_another_system_is_told_at_once(run: Run, tmp_path: Path, calls: Path) -> None:
    (tmp_path / "os-release").write_text('ID=ubuntu\nVERSION_ID="24.04"\n')
    over = f'mount --bind {tmp_path}/os-release /etc/os-release && exec "$0"'
    done = run("unshare", "--mount", "sh", "-c", over)
    assert done.returncode == 3
    assert "this is ubuntu 24.04" in done.stderr and "debian:12" in done.stderr
    assert not calls.exists()


LISTENER = """/usr/bin/python3 -c '
import socket, time
server = socket.create_server(("127.0.0.1", 2525))
while True:
    server.accept()
'"""


def test_a_target_is_started_in_the_network_of_conform(run: Run, calls: Path) -> None:
    connect = '[ "$1" = --target ] && [ "$3" != --plan ] && cat /etc/resolv.conf && (exec 3<>/dev/tcp/127.0.0.1/2525)'
    done = run(
        stub=f'bash -c \'{connect}\' conform "$@" || [ "$3" = --plan ]',
        target="127.0.0.1:2525",
        plan="plan.json",
        start=LISTENER,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "nameserver 127.0.0.1\n"
    both = ["conform", "--target", "127.0.0.1:2525"]
    assert calls.read_text().splitlines() == (
        ["setup", *both, "--plan", "plan.json", *both, "--report", "fairlead-report"]
    )
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", 2525))


def test_a_target_that_ends_is_named(run: Run, tmp_path: Path) -> None:
    done = run(target="127.0.0.1:2525", start="exit 7")
    assert done.returncode == 3 and "the MTA ended: exit 7" in done.stderr
    assert "conforms=unknown" in (tmp_path / "output").read_text()


# ci/known-failures

FAILS = """
@pytest.mark.parametrize("number", [1, 2])
@clause("ERR-05")
def test_it(number):
    said = f"554 * at mx1.destination-000{number}.example" + " long" * number * 50
    expect(said, "250", "the reply")
"""


def test_a_list_of_known_failures_covers_every_failure_of_the_report(
    conform: Conform,
) -> None:
    finished = conform(FAILS, "--anyway")
    done = subprocess.run(
        [ROOT / "ci" / "known-failures", finished.report],
        capture_output=True,
        text=True,
        check=True,
    )
    document = yaml.safe_load(done.stdout)
    assert faults_by_schema(document, "known-failures") == []
    entries = [KnownFailure(**entry) for entry in document]
    failed = [t for t in finished.results["tests"] if t["outcome"] == "fail"]
    assert len(failed) == 2
    for test in failed:
        assert any(
            entry.covers(test["clauses"], test["title"], test["actual"])
            for entry in entries
        )
    assert not any(re.search(r"-\d{4}\.", entry.actual) for entry in entries)


def test_a_report_that_is_not_there_is_a_usage_error(tmp_path: Path) -> None:
    done = subprocess.run(
        [ROOT / "ci" / "known-failures", tmp_path], capture_output=True, text=True
    )
    assert done.returncode == 2 and "results.json" in done.stderr
