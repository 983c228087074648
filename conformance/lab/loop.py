"""The lab's own thread: one asyncio loop on which the DNS server and the upstream MTAs live, so that
tests can be written as plain blocking code."""

from __future__ import annotations

import asyncio
import threading
import traceback
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

# A call into the loop is local work of milliseconds; one that takes this long is a harness defect.
CALL_SECONDS_MAX = 20.0


class LoopThread:
    """An asyncio loop in a daemon thread."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.loop.set_exception_handler(self._keep)
        self._errors: list[str] = []
        self._thread = threading.Thread(
            target=self.loop.run_forever, name="lab", daemon=True
        )
        self._thread.start()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Runs `coroutine` on the loop and returns its result; called from any other thread."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(
            CALL_SECONDS_MAX
        )

    def call(self, function: Callable[..., T], *arguments: Any) -> T:
        """Calls `function` on the loop's thread and returns its result."""

        async def body() -> T:
            return function(*arguments)

        return self.run(body())

    def catch_up(self) -> None:
        """Returns once what had come to the sockets, and was due, before has been seen to."""

        async def rounds() -> None:
            for _ in range(3):  # of looking at the sockets
                await asyncio.sleep(0)

        self.run(rounds())

    def take_errors(self) -> list[str]:
        """Exceptions on the loop that nobody was waiting for: defects of the lab."""
        errors, self._errors = self._errors, []
        return errors

    def _keep(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if isinstance(error, OSError):
            return  # a connection that the subject dropped
        trace = "".join(traceback.format_exception(error)) if error else ""
        self._errors.append(f"{context.get('message')}\n{trace}")

    def close(self) -> None:
        """Stops the loop and waits for its thread."""
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(CALL_SECONDS_MAX)
        if not self._thread.is_alive():
            self.loop.close()
