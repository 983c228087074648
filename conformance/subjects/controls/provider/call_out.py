"""Call-outs: whether a host of the reverse-path's domain takes reports for it (decisions:
receiver-call-out)."""

from __future__ import annotations

from conformance.subjects.controls.provider.connection import (
    Connection,
    Refused,
    connect,
)
from conformance.subjects.controls.provider.hosts import Unroutable, hosts_for
from conformance.subjects.controls.provider.manners import Manner
from conformance.subjects.controls.provider.reply import Lost, Reply
from conformance.subjects.controls.provider.setup import Setup

MANNERS = (Manner.CALL_OUT, Manner.CALL_OUT_AGAIN, Manner.CALL_OUT_DATA)


def call_out(setup: Setup, address: str) -> Reply | None:
    """What the first host that answers replies to a null sender and that recipient; None if none does."""
    try:
        for host in hosts_for(address.rpartition("@")[2], setup):
            for host_address in host.addresses:
                try:
                    connection = connect(setup, host.name, host_address)
                    return _ask(setup, connection, address)
                except (OSError, Lost, Refused):
                    continue
    except Unroutable:
        pass
    return None


def _ask(setup: Setup, connection: Connection, address: str) -> Reply:
    try:
        reply = connection.command("MAIL FROM:<>")
        if reply.positive:
            reply = connection.command(f"RCPT TO:<{address}>")
        if reply.positive and setup.manner == Manner.CALL_OUT_DATA:
            connection.command("DATA")
            connection.close()
        else:
            connection.quit()
        return reply
    except BaseException:
        connection.close()
        raise
