"""The lab: a network of its own with DNS, upstream MTAs, clients, and the subject between them."""

from conformance.lab.client import Client, Delivery, Reply, stuffed
from conformance.lab.provider import ProviderWorld, ReceiverWorld, SenderWorld
from conformance.lab.records import Dialogue, Message
from conformance.lab.script import hang_up, hold, raw, say, stall
from conformance.lab.sender import Sender
from conformance.lab.upstream import Upstream
from conformance.lab.world import Lab, World

__all__ = [
    "Client",
    "Delivery",
    "Dialogue",
    "Lab",
    "Message",
    "ProviderWorld",
    "ReceiverWorld",
    "Reply",
    "Sender",
    "SenderWorld",
    "Upstream",
    "World",
    "hang_up",
    "hold",
    "raw",
    "say",
    "stall",
    "stuffed",
]
