"""Prepares the private root of a subject: `scripts/setup --subject NAME|FOLDER`.

A small Debian is made once, by debootstrap; each subject has a copy of it with its packages, and with
what its `install` brings. Nothing of the machine's own packages is touched.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from conformance.subjects import description_of
from conformance.subjects.base import SubjectUnavailable
from conformance.subjects.description import Description
from conformance.subjects.mounts import KERNEL, Mounts
from conformance.subjects.private_root import STAMP, directory_of

RELEASE = "bookworm"
BASE = directory_of("base")
# How packages are fetched on this machine, as far as it is not a program that a bare root lacks.
APT_FILES = ("sources.list", "sources.list.d", "auth.conf.d", "trusted.gpg.d")
TRUST = ("etc/ssl/certs", "usr/share/keyrings", "usr/local/share/ca-certificates")
# While something is installed.
LENT = (Path("/etc/resolv.conf"), Path("/root/.npmrc"))

NO_SERVICES = "#!/bin/sh\nexit 101\n"


def say(text: str) -> None:
    print(f"setup: {text}", file=sys.stderr, flush=True)


def run(words: list[str], what: str, **variables: str) -> None:
    """Runs a command quietly. Raises SubjectUnavailable with the end of what it printed."""
    done = subprocess.run(
        words,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="backslashreplace",
        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive", **variables},
    )
    if done.returncode != 0:
        raise SubjectUnavailable(f"{what} failed:\n{done.stdout[-3000:].rstrip()}")


def mirror() -> str:
    """Where this machine has its packages from."""
    done = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(SITE) $(CODENAME)"],
        capture_output=True,
        text=True,
    )
    for line in done.stdout.splitlines():
        site, _, codename = line.partition(" ")
        if codename == RELEASE:
            return site
    return ""  # debootstrap's own choice


def make_base() -> Path:
    """The small Debian that all copies are made of."""
    root = BASE / "root"
    if (BASE / STAMP).exists():
        return root
    if shutil.which("debootstrap") is None:
        raise SubjectUnavailable("debootstrap is missing; apt-get install debootstrap")
    say("making a small Debian for the subjects (2 minutes, once)")
    shutil.rmtree(BASE, ignore_errors=True)
    BASE.mkdir(parents=True)
    words = ["debootstrap", "--variant=minbase", RELEASE, str(root)]
    run([*words, *filter(None, [mirror()])], "debootstrap")
    for name in APT_FILES:
        _copy(Path("/etc/apt", name), root / "etc/apt" / name)
    for path in Path("/etc/apt/apt.conf.d").iterdir():
        if "Invoke" not in path.read_text(encoding="utf-8", errors="replace"):
            _copy(path, root / "etc/apt/apt.conf.d" / path.name)
    for name in TRUST:
        _copy(Path("/", name), root / name)
    (root / "usr/sbin/policy-rc.d").write_text(NO_SERVICES, encoding="ascii")
    (root / "usr/sbin/policy-rc.d").chmod(0o755)
    (BASE / STAMP).touch()
    return root


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True)
    elif source.exists():
        shutil.copyfile(source, target)
    elif target.is_file() and source.name == "sources.list":
        target.unlink()  # all is in sources.list.d


@contextmanager
def entered(root: Path, shown: Iterable[Path]) -> Iterator[None]:
    """With the kernel's file systems and these folders mounted below `root`."""
    mounts = Mounts()
    lent = (path for path in LENT if path.exists())
    try:
        mounts.bind_below(root, *KERNEL, *shown, *lent)
        yield
    finally:
        mounts.release()


def wanted(description: Description) -> str:
    """What a prepared root was prepared from, so that a change of it is seen: the packages, `install`,
    and the files of the folder that it names as $SUBJECT/FILE."""
    install = description.executable("install")
    if install is None:
        return "\n".join([*description.packages, ""])
    text = install.read_text(encoding="utf-8")
    named = sorted(set(re.findall(r"\$SUBJECT/([\w./-]+)", text)))
    files = [path for name in named if (path := description.folder / name).is_file()]
    brought = [path.read_text(encoding="utf-8") for path in files]
    return "\n".join([*description.packages, text, *brought])


def prepare(subject: str) -> None:
    """Prepares the root of one subject, unless that has been done. Raises SubjectUnavailable."""
    description = description_of(subject)
    if not description.packages:
        say(f"{description.name} wants no root of its own")
        return
    directory = directory_of(description.name)
    stamp = directory / STAMP
    if stamp.exists() and stamp.read_text(encoding="utf-8") == wanted(description):
        return
    if os.geteuid() != 0:
        raise SubjectUnavailable(
            f"as root, run: scripts/setup --subject {subject} (it makes a root directory of its own)"
        )
    base = make_base()
    say(f"installing {', '.join(description.packages)} in {directory}/")
    root = directory / "root"
    _remove(directory)
    directory.mkdir(parents=True)
    run(["cp", "-a", "--reflink=auto", str(base), str(root)], "cp")
    with entered(root, description.shown):
        apt = ["chroot", str(root), "apt-get", "-q", "-y", "--no-install-recommends"]
        run([*apt, "update"], "apt-get update")
        run([*apt, "install", *description.packages], "apt-get install")
        run([*apt, "clean"], "apt-get clean")
        install = description.executable("install")
        if install:
            say(f"running {install}")
            words = ["chroot", str(root), str(install)]
            run(words, str(install), SUBJECT=str(description.folder))
    stamp.write_text(wanted(description), encoding="utf-8")


def _remove(directory: Path) -> None:
    """Removes a root, unless something is still mounted in it."""
    mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8")
    if f" {directory}/" in mounts:
        raise SubjectUnavailable(f"something is mounted below {directory}")
    shutil.rmtree(directory, ignore_errors=True)


def main(subjects: list[str]) -> int:
    """In a mount namespace of its own, so that nothing stays mounted."""
    if os.geteuid() == 0 and "--inside" not in subjects:
        words = [sys.executable, "-m", "conformance.subjects.prepare", "--inside"]
        return subprocess.call(["unshare", "--mount", "--", *words, *subjects])
    try:
        for subject in subjects:
            if subject != "--inside":
                prepare(subject)
    except SubjectUnavailable as error:
        say(str(error))
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
