"""The attacks: each is a class whose docstring's first sentence says what is sent.

To add one, write it into the file of its kind; `named()` finds every class with a `name`. What a
process of the load runs is a function of the module, which gets a deadline and ends by it.
"""

from __future__ import annotations

from load.attacks import connections, loop, memory, messages, waiting
from load.attacks.base import Attack

MODULES = (loop, messages, connections, memory, waiting)


def named() -> dict[str, Attack]:
    """All of them, in the order of the modules and of their text."""
    found: dict[str, Attack] = {}
    for module in MODULES:
        for value in vars(module).values():
            if (
                isinstance(value, type)
                and issubclass(value, Attack)
                and value.__module__ == module.__name__
                and value.name
            ):
                found[value.name] = value()
    return found
