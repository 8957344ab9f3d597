"""How many times the speed of one reader process two have, and the speed of reading PDF text beside bare pypdf.

python -m benchmarks.reading_speed
"""

import contextlib
import io
import statistics
import time
from pathlib import Path

from benchmarks.timing import turn_caches_off
from semsearch.embedding.resolve import resolve
from semsearch.reading.analysis import ReadRules, Task
from semsearch.reading.pool import ReaderPool
from semsearch.settings import ANALYSIS_VERSION, DEFAULT_MODEL
from semsearch.sources.readers import pdf
from semsearch.sources.walk import WalkRules, walk
from semsearch.store.records import Chunking
from tests.support.real_collections import data_folder

_ROUNDS = 5


def tasks(root: Path) -> list[Task]:
    """A task for every file below `root` that `index` would read."""
    files = walk(str(root), WalkRules(), "", lambda path, error: None)
    return [Task(str(root), file.path, file.size) for file in files if not file.skip]


def pool_seconds(rules: ReadRules, work: list[Task], count: int) -> tuple[float, float]:
    """(seconds with the start of the processes, seconds from the first result on) of `count` processes."""
    clock = time.perf_counter()
    first = 0.0
    with ReaderPool(count) as pool:
        for _ in pool.run(iter(work), rules):
            first = first or time.perf_counter()
    return time.perf_counter() - clock, time.perf_counter() - first


def bare_pypdf(data: bytes) -> None:
    import pypdf

    for page in pypdf.PdfReader(io.BytesIO(data)).pages:
        page.extract_text()


def main() -> None:
    turn_caches_off()
    shared = data_folder()
    assert shared is not None, "the real collections are not here"
    root = shared / "folders"
    source = resolve(DEFAULT_MODEL)
    chunking = Chunking(None, None, None, ANALYSIS_VERSION)
    rules = ReadRules(source.name, str(source.tokenizer_path()), source.window() or 256, chunking)
    for name in ("redis-doc", "mixed"):
        work = tasks(root / name)
        whole, running = [], []
        for _ in range(_ROUNDS):
            one, two = pool_seconds(rules, work, 1), pool_seconds(rules, work, 2)
            whole.append(one[0] / two[0])
            running.append(one[1] / two[1])
        print(
            f"{name:<10} {len(work):>4} files: two processes {statistics.median(running):.2f} x one, "
            f"{statistics.median(whole):.2f} x with their start"
        )
    files = [path.read_bytes() for path in sorted((root / "mixed").rglob("*.pdf"))]
    ours = theirs = 0.0
    for data in files:
        clock = time.perf_counter()
        try:
            bare_pypdf(data)
        except Exception:
            continue  # encrypted or broken: no text to compare
        theirs += time.perf_counter() - clock
        clock = time.perf_counter()
        with contextlib.suppress(Exception):
            pdf.read(data, "pdf")
        ours += time.perf_counter() - clock
    print(f"PDF text: {theirs / ours:.2f} x the rate of bare pypdf")


if __name__ == "__main__":
    main()
