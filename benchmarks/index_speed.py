"""Seconds of `index` from nothing, seconds until the first and all files are searchable by words, peak memory.

python -m benchmarks.index_speed FOLDER WORD
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from benchmarks.timing import turn_caches_off
from semsearch.errors import SemsearchError
from semsearch.store.local.catalog import Catalog


def _indexed(index: Path) -> int:
    """How many files are indexed by now. Read in this process: another one would slow the run down."""
    try:
        catalog, _ = Catalog.open_for_reading(str(index))
    except SemsearchError:
        return 0  # not made yet
    try:
        return catalog.counts()["indexed"]
    finally:
        catalog.close()


def main() -> None:
    turn_caches_off()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("word", help="a word of the last files, to be found by --mode lexical")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        index = Path(temporary) / "index"
        command = [sys.executable, "-m", "semsearch"]
        start = time.perf_counter()
        running = subprocess.Popen(
            [*command, "index", str(chosen.folder), "--index", str(index), "--json"], stdout=subprocess.PIPE
        )
        process = psutil.Process(running.pid)
        own = family = first = complete = 0.0
        search = [*command, "search", chosen.word, "--mode", "lexical", "-q", "-i", str(index)]
        files = sum(1 for path in chosen.folder.rglob("*") if path.is_file())
        while running.poll() is None:
            if not complete and (index / "catalog.db").exists():
                indexed = _indexed(index)
                if indexed and not first:
                    first = time.perf_counter() - start
                if indexed == files:
                    complete = time.perf_counter() - start
                    subprocess.run(search, check=True)
            try:
                memory = process.memory_info().rss
                own = max(own, memory)
                family = max(family, memory + sum(child.memory_info().rss for child in process.children(True)))
            except psutil.NoSuchProcess:
                pass
            time.sleep(0.05)
        total = time.perf_counter() - start
        report = json.loads(running.communicate()[0])
        print(f"chunks                          {report['chunks']['total']}")
        print(f"first files searchable by words {first:.1f} s")
        print(f"all files searchable by words   {complete:.1f} s")
        print(f"complete                        {total:.1f} s (read {report['seconds']['read']:.1f}, "
              f"encode {report['seconds']['encode']:.1f})")  # fmt: skip
        print(f"peak memory                     {own / 1e6:.0f} MB, with its children {family / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
