"""Times whole commands in turn, so that a busy machine slows all of them alike."""

import os
import statistics
import subprocess
import time
from collections.abc import Sequence


def turn_caches_off() -> None:
    """Switches the caches of vectors off, for this process and those it starts, unless the environment sets them.

    Otherwise a vector that an earlier run encoded would make a later one look faster.
    """
    for name in ("SEMSEARCH_QUERY_CACHE", "SEMSEARCH_PASSAGE_CACHE"):
        os.environ.setdefault(name, "0")


def alternate(commands: dict[str, Sequence[str]], rounds: int) -> dict[str, float]:
    """Median seconds of each command over `rounds`, run in turn; the first round warms up and is not counted."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    times: dict[str, list[float]] = {name: [] for name in commands}
    for round_number in range(rounds + 1):
        for name, command in commands.items():
            start = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
            if round_number:
                times[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in times.items()}


def table(times: dict[str, float], base: str) -> str:
    """A line for each command with its milliseconds and the ratio to the command `base`; `times` in seconds."""
    lines = [
        f"{name:<48} {seconds * 1000:>8.1f} ms  {seconds / times[base]:>6.2f} x" for name, seconds in times.items()
    ]
    return "\n".join(lines)
