"""Functions of one process, called by others through a socket: calls and their results, pickled.

The socket is in a directory that only this user can enter, and both ends are `conform`. There is no
other protection, so nothing else may be given its path.
"""

from __future__ import annotations

import pickle
import threading
from collections.abc import Callable, Mapping
from multiprocessing.connection import Client, Connection, Listener
from pathlib import Path
from typing import Any

# Connections that wait to be accepted; each process has two at most.
BACKLOG = 64


class Share:
    """Serves functions by their names, each connection in a thread of its own."""

    def __init__(self, functions: Mapping[str, Callable[..., Any]], path: Path) -> None:
        self._functions = functions
        self._listener = Listener(str(path), "AF_UNIX", backlog=BACKLOG)
        threading.Thread(target=self._accept, name="share", daemon=True).start()

    def close(self) -> None:
        """Accepts nobody any more."""
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection = self._listener.accept()
            except OSError:
                return  # closed
            threading.Thread(
                target=self._serve, args=(connection,), daemon=True
            ).start()

    def _serve(self, connection: Connection) -> None:
        with connection:
            try:
                while True:
                    connection.send(self._answer(*connection.recv()))
            except (EOFError, OSError):
                pass  # its process has ended

    def _answer(
        self, name: str, positional: tuple[Any, ...], named: dict[str, Any]
    ) -> tuple[bool, Any]:
        try:
            return True, self._functions[name](*positional, **named)
        except Exception as error:
            return False, _portable(error)


class Shared:
    """Them as another process sees them."""

    def __init__(self, path: Path) -> None:
        """Raises OSError."""
        self._path = path
        self._connection = _connect(path)
        self._lock = threading.Lock()

    def call(self, name: str, *positional: Any, **named: Any) -> Any:
        """The result of the function of that name, or the exception that it raises there."""
        with self._lock:
            return _result(self._connection, name, positional, named)

    def wait(self, name: str, *positional: Any, **named: Any) -> Any:
        """The same for a call that may take its time, with others meanwhile."""
        with _connect(self._path) as connection:
            return _result(connection, name, positional, named)

    def close(self) -> None:
        self._connection.close()


def _connect(path: Path) -> Connection:
    return Client(str(path), "AF_UNIX")


def _result(
    connection: Connection,
    name: str,
    positional: tuple[Any, ...],
    named: dict[str, Any],
) -> Any:
    connection.send((name, positional, named))
    succeeded, result = connection.recv()
    if not succeeded:
        raise result
    return result


def _portable(error: Exception) -> Exception:
    """The exception, or one of its text if it does not survive being pickled."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error
