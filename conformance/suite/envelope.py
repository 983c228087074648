"""The envelope as it was sent to an upstream: in the octets of the command, since the upstream's own
parser would repair a local part that is quoted wrongly."""

from __future__ import annotations

from conformance import expect_match
from conformance.lab import Message

# A bracket in a quoted string closes nothing, and a path that is quoted wrongly ends with the first one.
_PATH = r'(?:"(?:[^"\\]|\\.)*"|[^">])*|.*?'
_COMMAND = rf"(?i:MAIL FROM|RCPT TO): ?<({_PATH})>(?: .*)?"


def path_of(command: bytes) -> str:
    """What MAIL or RCPT has between the angle brackets; verbs and keywords may have any case."""
    text = command.decode("ascii", "backslashreplace")
    return expect_match(_COMMAND, text, "a MAIL or RCPT command").group(1)


def reverse_path_of(message: Message) -> str:
    """The reverse-path of the message that came last over its connection."""
    return path_of(_last(message, b"MAIL"))


def forward_path_of(message: Message) -> str:
    """The last forward-path of the message that came last over its connection."""
    return path_of(_last(message, b"RCPT"))


def _last(message: Message, verb: bytes) -> bytes:
    commands = [c for c in message.dialogue.commands if c[:4].upper() == verb]
    return commands[-1]  # without one there would be no message
