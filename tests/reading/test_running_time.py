"""Time limits count the time in which a process could run."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest

from semsearch.reading.running_time import LOOK_SECONDS, RunningTime
from tests.support.waiting import wait_until

Start = Callable[[str], int]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts a program of Python and returns its process id."""
    started: list[subprocess.Popen[bytes]] = []

    def start(program: str) -> int:
        process = subprocess.Popen([sys.executable, "-c", f"print(1, flush=True)\n{program}"], stdout=subprocess.PIPE)
        started.append(process)
        assert process.stdout is not None and process.stdout.readline()
        return process.pid

    yield start
    for process in started:
        process.kill()
        process.wait()


def looks_until_over(running: RunningTime, limit: float) -> float:
    """Seconds of the clock until `running` exceeds `limit`."""
    began = time.monotonic()

    def look() -> bool:
        time.sleep(LOOK_SECONDS)
        return running.exceeds(limit)

    wait_until(look)
    return time.monotonic() - began


@pytest.mark.parametrize("program", ["import time; time.sleep(1000)", "while True: pass"])
def test_a_process_that_sleeps_or_computes_exceeds_its_limit(start: Start, program: str) -> None:
    running = RunningTime(start(program))
    assert looks_until_over(running, 1.0) > 1.0
    running.restart()
    assert not running.exceeds(1.0)


def test_a_gap_between_two_looks_counts_as_one(start: Start) -> None:
    running = RunningTime(start("import time; time.sleep(1000)"))
    time.sleep(5 * LOOK_SECONDS)
    assert not running.exceeds(2 * LOOK_SECONDS)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="Linux alone tells who waits for a core")
def test_waiting_for_a_core_does_not_count(start: Start) -> None:
    core = min(os.sched_getaffinity(0))
    pinned = f"import os; os.sched_setaffinity(0, {{{core}}})\nwhile True: pass"
    for _ in range(5):
        start(pinned)
    assert looks_until_over(RunningTime(start(pinned)), 1.0) > 2.5


def test_a_process_that_is_gone_is_timed_by_the_clock(start: Start) -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    assert looks_until_over(RunningTime(process.pid), 0.6) < 60
