"""What the compiler and the linker put into the relay against attacks on its memory, as the ELF file
of a release build shows it; and what the systemd unit leaves it, as systemd rates it."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from conformance.build import RELEASE_DIRECTORY, build_release

from vectors import ROOT


def readelf(path: Path, *options: str) -> str:
    done = subprocess.run(
        ["readelf", "--wide", *options, str(path)],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


@pytest.fixture(scope="module")
def release() -> Path:
    """The relay as a package has it."""
    build_release("relay/fairlead")
    return RELEASE_DIRECTORY / "relay" / "fairlead"


def test_the_relay_is_loaded_at_a_random_address(release: Path) -> None:
    assert re.search(r"Type:\s+DYN ", readelf(release, "--file-header"))
    assert "PIE" in readelf(release, "--dynamic")


def test_no_address_of_a_function_can_be_written_once_it_runs(release: Path) -> None:
    assert "BIND_NOW" in readelf(release, "--dynamic")
    assert "GNU_RELRO" in readelf(release, "--program-headers")


def test_no_stack_can_be_executed(release: Path) -> None:
    headers = readelf(release, "--program-headers").splitlines()
    (stack,) = (line for line in headers if "GNU_STACK" in line)
    assert "E" not in stack.split()[6]


def test_a_frame_that_was_overrun_is_not_returned_from(release: Path) -> None:
    assert "__stack_chk_fail" in readelf(release, "--dyn-syms")


def test_the_c_library_checks_the_sizes_that_the_compiler_knows(release: Path) -> None:
    assert re.search(r"__(mem|str|v?sn)\w+_chk", readelf(release, "--dyn-syms"))


def test_longjmp_between_fibers_is_not_taken_for_an_attack(release: Path) -> None:
    """Its check, and a shadow stack, would end the relay at the first switch."""
    assert "longjmp_chk" not in readelf(release, "--dyn-syms")
    assert "SHSTK" not in readelf(release, "--notes")


EXPOSURE_MAX = 15  # tenths, of 100


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="there is no systemd")
def test_the_unit_leaves_the_service_little_of_the_system(tmp_path: Path) -> None:
    unit = tmp_path / "fairlead.service"
    text = (ROOT / "relay" / "install" / "fairlead.service.in").read_text("utf-8")
    unit.write_text(
        text.replace("@bindir@", "/usr/bin").replace("@sysconfdir@", "/etc")
    )
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager"]
        + [f"--threshold={EXPOSURE_MAX}", str(unit)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
