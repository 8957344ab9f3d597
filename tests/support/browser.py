"""A real headless Chromium, driven by the DevTools protocol; tests that need one are skipped where there is none."""

import base64
import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.waiting import CEILING_SECONDS

CHROMIUM = os.environ.get("SEMSEARCH_TEST_CHROMIUM") or next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
_KEYS = {
    "Enter": (13, "\r"),
    "Escape": (27, ""),
    "ArrowDown": (40, ""),
    "ArrowUp": (38, ""),
    "Tab": (9, ""),
}


class Page:
    """A tab. `console`: what was written to its console, and errors that nobody caught; `requests`: URLs asked for."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._number = 0
        self.console: list[str] = []
        self.requests: list[str] = []
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.send(f"{domain}.enable")

    def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        """The answer to a command of the protocol."""
        self._number += 1
        self._connection.send(json.dumps({"id": self._number, "method": method, "params": parameters}))
        while True:
            told = json.loads(self._connection.recv(timeout=CEILING_SECONDS))
            if told.get("id") == self._number:
                assert "error" not in told, (method, told["error"])
                return dict(told["result"])
            self._note(told)

    def _note(self, event: dict[str, Any]) -> None:
        parameters = event.get("params", {})
        if event.get("method") == "Network.requestWillBeSent":
            self.requests.append(parameters["request"]["url"])
        elif parameters.get("entry", {}).get("source") == "network":
            pass  # that a request was refused, which the page tells itself
        elif event.get("method") in ("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded"):
            self.console.append(json.dumps(parameters))

    def open(self, url: str) -> None:
        """Goes to `url` and waits until it is loaded."""
        self.send("Page.navigate", url=url)
        self.wait("document.readyState === 'complete' && location.href !== 'about:blank'")

    def run(self, script: str) -> Any:
        """The value of an expression of JavaScript; a promise is waited for."""
        told = self.send("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in told, told["exceptionDetails"]
        return told["result"].get("value")

    def wait(self, script: str) -> None:
        """Returns once the expression is true."""
        end = time.monotonic() + CEILING_SECONDS
        while not self.run(f"!!({script})"):
            assert time.monotonic() < end, f"it did not become true: {script}\n{self.console}"
            time.sleep(0.01)

    def type(self, text: str) -> None:
        """Types `text`, key by key."""
        for letter in text:
            self.send("Input.dispatchKeyEvent", type="keyDown", text=letter, key=letter)
            self.send("Input.dispatchKeyEvent", type="keyUp", key=letter)

    def press(self, key: str) -> None:
        """Presses a key that has a name."""
        code, text = _KEYS[key]
        named = {"key": key, "code": key, "windowsVirtualKeyCode": code}
        self.send("Input.dispatchKeyEvent", type="keyDown", **named, **({"text": text} if text else {}))
        self.send("Input.dispatchKeyEvent", type="keyUp", **named)

    def resize(self, width: int, height: int) -> None:
        """Makes the window as large; one less than 500 pixels wide is a telephone's, which is touched."""
        small = width < 500
        self.send("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=small)
        self.send("Emulation.setTouchEmulationEnabled", enabled=small)

    def prefer(self, scheme: str) -> None:
        """Lets the system prefer `light` or `dark`."""
        self.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def picture(self, path: Path) -> None:
        path.write_bytes(base64.b64decode(self.send("Page.captureScreenshot", format="png")["data"]))


@contextmanager
def browser(folder: Path) -> Iterator[Page]:
    """A page of a Chromium whose profile is in `folder`."""
    from websockets.sync.client import connect

    assert CHROMIUM is not None
    command = [
        CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync", "--mute-audio",
        "--remote-debugging-port=0", f"--user-data-dir={folder}", "about:blank",
    ]  # fmt: skip
    log = folder / "log"
    folder.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as errors, subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=errors) as process:
        try:
            end = time.monotonic() + CEILING_SECONDS
            while not (found := re.search(r"DevTools listening on ws://([\d.:]+)/", log.read_text("utf-8", "replace"))):
                assert process.poll() is None and time.monotonic() < end, log.read_text("utf-8", "replace")
                time.sleep(0.05)
            import urllib.request

            with urllib.request.urlopen(f"http://{found[1]}/json/list") as answer:
                tabs = json.load(answer)
            target = next(one["webSocketDebuggerUrl"] for one in tabs if one["type"] == "page")
            with connect(target, max_size=None, compression=None) as connection:
                yield Page(connection)
        finally:
            process.terminate()
            process.wait()
