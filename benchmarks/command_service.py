"""What the service saves: the same search by itself and through `semsearch serve`, in one run, alternating.

    python -m benchmarks.command_service FOLDER [--rounds 15] [--searches 2000]

FOLDER is indexed into a temporary folder with the default model. Prints the medians of wall time and processor time of
a whole search (that of the client, the service and its fork together), what the service holds in memory (proportional
set size), and how much that grows over many searches.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from tests.support.command_service import ServiceProcess


def processor_seconds(process: psutil.Process) -> float:
    """Of a process and its children that have ended."""
    times = process.cpu_times()
    return times.user + times.system + times.children_user + times.children_system


def search(service: ServiceProcess, index: Path, query: str, served: bool) -> tuple[float, float]:
    """(wall, processor) seconds of one search with new words."""
    assert service.process is not None
    resident = psutil.Process(service.process.pid)
    environment = {**service.environment(), **({} if served else {"SEMSEARCH_SERVICE": "0"})}
    before, began = processor_seconds(resident), time.perf_counter()
    client = subprocess.Popen(
        [sys.executable, "-m", "semsearch", "search", query, "-i", str(index)],
        env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    _, status, used = os.wait4(client.pid, 0)
    wall = time.perf_counter() - began
    assert os.waitstatus_to_exitcode(status) in (0, 1)
    service.wait_for_commands(0)
    return wall, used.ru_utime + used.ru_stime + processor_seconds(resident) - before


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--searches", type=int, default=2000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, ServiceProcess() as service:
        index = Path(folder) / "index"
        done = service.run("index", arguments.folder, "-i", index, "--json")
        assert done.code == 0, done.err
        print(service.run("status", "-i", index, "--json").json["chunks"])
        assert service.process is not None
        resident = psutil.Process(service.process.pid)
        taken: dict[bool, list[tuple[float, float]]] = {False: [], True: []}
        for number in range(arguments.rounds + 2):
            for served in (False, True):
                one = search(service, index, f"how are keys evicted when memory is full {number}", served)
                if number > 1:  # the first opens the model
                    taken[served].append(one)
        for name, place in (("wall", 0), ("processor", 1)):
            alone, served_ = (statistics.median(one[place] for one in taken[served]) for served in (False, True))
            print(f"{name}: alone {alone * 1000:.0f} ms, served {served_ * 1000:.0f} ms: {served_ / alone:.3f}")
        before = resident.memory_full_info().pss
        began = time.perf_counter()
        for number in range(arguments.searches):
            search(service, index, f"keys {number}", True)
        seconds = time.perf_counter() - began
        after = resident.memory_full_info().pss
        print(f"{arguments.searches:,} searches one after another: {arguments.searches / seconds:.0f} a second")
        print(f"memory: {before / 1e6:.0f} MB, after them {after / 1e6:.0f} MB; open files {resident.num_fds()}")


if __name__ == "__main__":
    main()
