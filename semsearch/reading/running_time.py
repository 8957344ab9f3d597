"""How long a process was at its task, by the time in which it could run; what a time limit on it is measured with."""

import os

from semsearch.stopwatch import Stopwatch

# How long a watcher waits between two looks.
LOOK_SECONDS = 0.5


class RunningTime:
    """The time of the process `pid` since `restart`, looked at every `LOOK_SECONDS`.

    What does not count: gaps in which the watcher stood still (`Stopwatch`), and, where the system tells (Linux), the
    time for which a process that computes waited for a core. One that sleeps, on a hung disk say, is timed.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self.restart()

    def restart(self) -> None:
        """Begins to count anew."""
        self._watch = Stopwatch(2 * LOOK_SECONDS)
        self._waited = 0.0
        self._cpu: float | None = None

    def exceeds(self, limit: float) -> bool:
        """Whether the process took more than `limit` seconds; to be asked at every look."""
        seconds = self._watch.seconds() - self._waited
        if self._cpu is None and seconds > LOOK_SECONDS:  # not at once: most tasks take a thousandth of a second
            self._cpu = _state_and_cpu(self._pid)[1]
        if seconds <= limit:
            return False
        state, cpu = _state_and_cpu(self._pid)
        used = cpu - (self._cpu or 0.0)
        if state == "R" and used < limit:
            self._waited += seconds - used
            return False
        return True


def _state_and_cpu(pid: int) -> tuple[str, float]:
    """(state, CPU seconds of all threads) of a process, as proc_pid_stat(5) has them: "R" runs or waits for a core.

    ("", 0.0) where the system does not tell.
    """
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            fields = file.read().rpartition(")")[2].split()
    except OSError:
        return "", 0.0
    return fields[0], (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
