"""A clock for time limits, which stands still while this process does."""

import time


class Stopwatch:
    """Counts seconds from when it is made; to be looked at every `longest_gap` seconds or more often.

    A longer gap between two looks counts as that much alone: a terminal stopped this process and those it waits for
    (Ctrl-Z), the machine was frozen, or this process was busy elsewhere.
    """

    def __init__(self, longest_gap: float = 1.0) -> None:
        self._longest_gap = longest_gap
        self._seconds = 0.0
        self._looked = time.monotonic()

    def seconds(self) -> float:
        """Seconds so far, without what is too long a gap."""
        now = time.monotonic()
        self._seconds += min(now - self._looked, self._longest_gap)
        self._looked = now
        return self._seconds
