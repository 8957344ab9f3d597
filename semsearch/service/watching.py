"""Keeps indexes up to date while a service runs: `semsearch index --watch` for each, in a process of its own."""

import subprocess
import threading
import time
from collections.abc import Callable, Sequence

from semsearch import subprocesses

# A process that ended is started again after so long, then after twice as long, and so on.
_FIRST_PAUSE_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 600.0
# One that ran for so long did not end for what it was started with.
_LONG_SECONDS = 60.0
_END_SECONDS = 10.0


class Watching:
    """Watches the folders of the indexes at `locations` from now on, until it is closed.

    What is wrong is printed by the processes themselves; `announce` hears of one that ended.
    """

    def __init__(self, locations: Sequence[str], announce: Callable[[str], None]) -> None:
        self._announce = announce
        self._ends = threading.Event()
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._watch, args=(one,), daemon=True) for one in locations]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Ends the processes; what they committed is kept."""
        with self._lock:
            self._ends.set()
            for process in self._running:
                process.terminate()
        for thread in self._threads:
            thread.join(_END_SECONDS)

    def _watch(self, location: str) -> None:
        pause = _FIRST_PAUSE_SECONDS
        while not self._ends.is_set():
            process = self._start(location)
            if process is None:
                return
            began = time.monotonic()
            process.wait()
            with self._lock:
                self._running.discard(process)
            if self._ends.is_set():
                return
            if time.monotonic() - began > _LONG_SECONDS:
                pause = _FIRST_PAUSE_SECONDS
            self._announce(
                f"watching the folders of {location} ended with status {process.returncode};"
                f" it goes on in {pause:g} seconds"
            )
            self._ends.wait(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    def _start(self, location: str) -> "subprocess.Popen[bytes] | None":
        with self._lock:
            if self._ends.is_set():
                return None
            process = subprocesses.start(
                "semsearch",
                ["index", "--watch", "--quiet", "--index", location],
                {},
                stdout=subprocess.DEVNULL,
            )
            self._running.add(process)
            return process
