"""A --target is looked at before its tests run: whether the lab can be in its network, and whether it
forwards one plain mail as its plan says. If not, nothing could be judged, and the operator learns why.

What the labs of the run have in common is there from then on, until the run ends.
"""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from conformance.expect import ConformanceFailure
from conformance.lab import Lab, World
from conformance.lab.commons import Commons, mail_left
from conformance.lab.loop import LoopThread
from conformance.lab.namespace import NamespaceForbidden, scratch
from conformance.lab.plan import make_plan
from conformance.settings import SPARE_SLOTS, Settings
from conformance.subjects import make_subject
from conformance.subjects.base import Subject, SubjectUnavailable

README = "conformance/subjects/README.md, 'An MTA that runs already'"


@contextmanager
def prepared(settings: Settings) -> Iterator[Settings]:
    """The settings for the labs of a run; for a target, with the socket of their commons. Raises
    SubjectUnavailable with what has to be done before it can be judged."""
    if settings.target is None:
        yield settings
        return
    subject = make_subject(settings)
    loop, directory = LoopThread(), scratch()
    # No lab of another process has zones: its plan does.
    plan, patience = subject.adapt(make_plan(0)), 10.0 * settings.timeout_scale
    # Whether a client waits is known to its lab alone.
    commons = Commons(loop, subject, plan, patience, lambda: mail_left(subject, True))
    try:
        try:
            commons.start()
        except (OSError, NamespaceForbidden) as error:
            raise SubjectUnavailable(_no_lab(commons, subject, error)) from error
        socket = directory / "commons"
        commons.open(socket)
        shared = replace(settings, commons=str(socket))
        if not settings.anyway:
            _try_plain_mail(shared)
        yield shared
    finally:
        commons.stop()
        loop.close()
        shutil.rmtree(directory, ignore_errors=True)


def _no_lab(commons: Commons, subject: Subject, error: Exception) -> str:
    """Why the lab's servers could not be started beside the MTA."""
    if not isinstance(error, OSError):
        return f"the lab cannot set this network up: {error}"
    if error.errno != errno.EADDRINUSE:
        return f"the lab's servers cannot be started in this network: {error}"
    if commons.standing is None:
        return (
            "something answers DNS at 127.0.0.1:53 in this network already: stop it (another conform, "
            "or a resolver), since the MTA has to ask the lab's nameserver there"
        )
    return (
        "something listens on port 25 of every address in this network, and the upstreams cannot: have "
        f"the MTA listen on {subject.addresses[0]} alone (and on its --target6), not on 0.0.0.0 or [::]"
    )


def _try_plain_mail(settings: Settings) -> None:
    """Raises SubjectUnavailable if the MTA does not forward it."""
    subject = make_subject(settings)
    lab = Lab(
        subject, scratch(), SPARE_SLOTS, settings.timeout_scale, _path(settings.commons)
    )
    try:
        lab.start()
        world = lab.world()
        try:
            complaint = _complaint(world)
        finally:
            world.close()
    finally:
        lab.stop()
    if complaint is not None:
        raise SubjectUnavailable(
            f"{complaint}\nWithout that nothing can be judged ({README}); --anyway runs the tests all "
            "the same."
        )


def _path(text: str | None) -> Path | None:
    return Path(text) if text else None


def _complaint(world: World) -> str | None:
    """What is wrong, and what to do; None if the mail arrives."""
    try:
        with world.client() as client:
            delivery = client.deliver(world.sender.address, world.info, world.message())
            with suppress(ConformanceFailure):
                client.quit()
    except (ConformanceFailure, OSError) as error:
        return f"a plain mail could not be sent to the MTA: {error}{_about_dns(world)}"
    if not delivery.accepted:
        return (
            f"the MTA refused a plain mail from <{world.sender.address}> to <{world.info}>: "
            f"{delivery.final}\nDoes it have the routes that --plan FILE writes?{_about_dns(world)}"
        )
    try:
        world.upstream.wait_for_message()
    except ConformanceFailure as failure:
        return (
            f"the MTA answered '{delivery.final}' to a plain mail for <{world.info}>, and it did not "
            f"arrive at the MX host of {world.destination}: {failure.actual}\nDoes it have the routes "
            "that --plan FILE writes, and may it connect to port 25 of 198.18.0.0/15 and 2001:db8::/32?"
            f"{_about_dns(world)}"
        )
    return None


def _about_dns(world: World) -> str:
    """What the MTA asked the lab's nameserver of the test's names."""
    asked = [
        f"{query.name} {query.rdtype}"
        for query in world.dns.queries()
        if f"-{world.slot:04d}." in query.name
    ]
    if not asked:
        return (
            "\nIt has not asked the lab's nameserver about any of the domains: have it ask 127.0.0.1, "
            "port 53 (its own resolver, or /etc/resolv.conf as it sees it)."
        )
    return f"\nIt asked the lab's nameserver for {', '.join(dict.fromkeys(asked))}."
