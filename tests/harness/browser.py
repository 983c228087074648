"""A browser without a screen, where one is installed: to see what a page's script makes of it.

Chromium is spoken to by its DevTools protocol over a pipe: objects in JSON, each ended by NUL.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Any, Self

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


class Browser:
    """One page in one chromium, with a profile of its own."""

    def __init__(self, profile: Path, width: int = 1280, height: int = 900) -> None:
        assert CHROMIUM is not None
        theirs, self._ours = os.pipe()
        self._answers, theirs_too = os.pipe()
        # The protocol is on descriptors 3 and 4, whichever these are here.
        command = f'exec "$@" 3<&{theirs} 4>&{theirs_too}'
        arguments = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu"]
        arguments += ["--remote-debugging-pipe", f"--user-data-dir={profile}"]
        self._process = subprocess.Popen(
            ["bash", "-c", command, "bash", *arguments],
            pass_fds=(theirs, theirs_too),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs)
        os.close(theirs_too)
        self._number = self._loads = 0
        self._buffer = b""
        self._session: str | None = None
        self.messages: list[str] = []  # of the console, with what the policy refused
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = session["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")
        self.resize(width, height)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.terminate()
        self._process.wait(10)
        os.close(self._ours)
        os.close(self._answers)

    def call(self, method: str, **parameters: object) -> dict[str, Any]:
        """A command of the protocol, and its result."""
        self._number += 1
        request: dict[str, object] = {
            "id": self._number,
            "method": method,
            "params": parameters,
        }
        if self._session is not None:
            request["sessionId"] = self._session
        data = json.dumps(request).encode() + b"\0"
        while data:
            data = data[os.write(self._ours, data) :]
        while True:
            answer = self._read()
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                result: dict[str, Any] = answer["result"]
                return result

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            more = os.read(self._answers, 1 << 16)
            assert more, "the browser is gone"
            self._buffer += more
        text, _, self._buffer = self._buffer.partition(b"\0")
        message: dict[str, Any] = json.loads(text)
        if message.get("method") in ("Log.entryAdded", "Runtime.exceptionThrown"):
            self.messages.append(json.dumps(message["params"]))
        self._loads += message.get("method") == "Page.loadEventFired"
        return message

    def resize(self, width: int, height: int, *, dark: bool = False) -> None:
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    def open(self, address: str) -> None:
        """Returns once the page is loaded."""
        loads = self._loads
        within = "loaderId" not in self.call("Page.navigate", url=address)
        while not within and self._loads == loads:
            self._read()

    def run(self, expression: str) -> Any:
        """The value of an expression of JavaScript."""
        done = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in done, done
        return done["result"].get("value")

    def press(self, key: str) -> None:
        text = {"text": key if len(key) == 1 else "\r"} if len(key) == 1 or key == "Enter" else {}  # fmt: skip
        codes = {"Enter": 13, "Escape": 27}
        code = {"windowsVirtualKeyCode": codes.get(key, 0)}
        for kind in ("keyDown", "keyUp"):
            words = text if kind == "keyDown" else {}
            self.call("Input.dispatchKeyEvent", type=kind, key=key, **code, **words)

    def picture(self, path: Path) -> None:
        data = self.call("Page.captureScreenshot", format="png")["data"]
        path.write_bytes(base64.b64decode(data))
