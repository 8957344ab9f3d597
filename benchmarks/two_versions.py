"""What a change costs: two checkouts of semsearch side by side, in one run, alternating.

    python -m benchmarks.two_versions OLD NEW FOLDER [--rounds 15]

OLD and NEW are folders with a `semsearch` package, both run by this interpreter; FOLDER is indexed by each into a
temporary folder. Prints for each command the median CPU seconds (user and system, of the whole process) of both and
their ratio, which a busy machine disturbs less than wall time.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.cold_start import QUERY
from benchmarks.timing import turn_caches_off

_WARM = """
import sys, time
from semsearch.retrieval.searcher import Searcher
with Searcher(sys.argv[1], remember=False) as searcher:
    searcher.search(sys.argv[2])
    clock = time.process_time()
    for number in range(50):
        searcher.search(f"{sys.argv[2]} {number % 5}")
    print((time.process_time() - clock) / 50)
"""


def cpu_seconds(home: Path, arguments: list[str]) -> float:
    """CPU seconds of `python ARGUMENTS` with the package in `home`."""
    environment = {**os.environ, "PYTHONPATH": str(home)}
    process = subprocess.Popen(
        [sys.executable, "-P", *arguments], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, used = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{home}: {' '.join(arguments[:3])} failed: status {status}")
    return used.ru_utime + used.ru_stime


def warm_seconds(home: Path, index: Path) -> float:
    """CPU seconds of a query in an open process."""
    environment = {**os.environ, "PYTHONPATH": str(home)}
    done = subprocess.run(
        [sys.executable, "-P", "-c", _WARM, str(index), QUERY],
        env=environment,
        capture_output=True,
        check=True,
        text=True,
    )
    return float(done.stdout)


def main() -> None:
    turn_caches_off()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rounds", type=int, default=15)
    chosen = parser.parse_args()
    homes = (chosen.old.resolve(), chosen.new.resolve())
    with tempfile.TemporaryDirectory() as temporary:
        indexes = [Path(temporary) / f"{number}.index" for number in range(2)]
        times: dict[str, tuple[list[float], list[float]]] = {}

        def measure(name: str, arguments: list[str], rounds: int) -> None:
            for round_number in range(rounds + 1):
                for number, (home, index) in enumerate(zip(homes, indexes, strict=True)):
                    used = cpu_seconds(home, [argument.replace("INDEX", str(index)) for argument in arguments])
                    if round_number:  # the first round warms up
                        times.setdefault(name, ([], []))[number].append(used)

        index_run = ["-m", "semsearch", "index", str(chosen.folder), "-i", "INDEX", "--model", "static"]
        words_run = ["-m", "semsearch", "index", str(chosen.folder), "-i", "INDEX.words", "--no-embed", "--rebuild"]
        measure("index, words only", words_run, 3)
        measure("index, everything (static model)", [*index_run, "--rebuild"], 3)
        measure("index, nothing changed", index_run[:-2], 2 * chosen.rounds)
        measure("search (hybrid)", ["-m", "semsearch", "search", QUERY, "-i", "INDEX"], chosen.rounds)
        measure("search --mode lexical", ["-m", "semsearch", "search", QUERY, "-i", "INDEX", "--mode", "lexical"],
                chosen.rounds)  # fmt: skip
        measure("status", ["-m", "semsearch", "status", "-i", "INDEX"], chosen.rounds)
        for _ in range(3):
            for number, (home, index) in enumerate(zip(homes, indexes, strict=True)):
                times.setdefault("query in an open process", ([], []))[number].append(warm_seconds(home, index))
    print(f"{'CPU milliseconds, medians':<40} {'old':>9} {'new':>9}   new / old")
    for name, (old, new) in times.items():
        before, after = statistics.median(old) * 1000, statistics.median(new) * 1000
        print(f"{name:<40} {before:>9.1f} {after:>9.1f} {after / before:>9.3f}")


if __name__ == "__main__":
    main()
