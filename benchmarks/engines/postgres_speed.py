"""How long a search takes in PostgreSQL, beside the same in a folder.

    python -m benchmarks.engines.postgres_speed FOLDER_INDEX URL QUERIES [--most 100] [--rounds 3]

Both hold the same documents (`semsearch copy`). Asks each query of QUERIES (one a line) of one, then of the other, in
an open process, and prints the median milliseconds of wall time of both for each mode with the ratio, and how often the
server was waited for in one search.
"""

import argparse
import statistics
import time
from pathlib import Path

from benchmarks.engines.judgements import read_queries
from benchmarks.timing import turn_caches_off
from semsearch.retrieval.options import SearchOptions
from semsearch.retrieval.searcher import Searcher
from semsearch.store.postgres.store import PostgresStore


def main() -> None:
    turn_caches_off()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder_index")
    parser.add_argument("url")
    parser.add_argument("queries", type=Path)
    parser.add_argument("--most", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    queries = [text for _, text in read_queries(asked.queries)][: asked.most]
    with Searcher(asked.folder_index, remember=False) as one, Searcher(asked.url, remember=False) as other:
        store = other._store
        assert isinstance(store, PostgresStore)
        for mode in ("lexical", "dense", "hybrid"):
            options = SearchOptions(mode=mode, k=10, min_score=0)
            for searcher in (one, other):
                searcher.search("warm up", options)
            before = store.round_trips
            taken: tuple[list[float], list[float]] = ([], [])
            for _ in range(asked.rounds):
                for query in queries:
                    for searcher, times in zip((one, other), taken, strict=True):
                        clock = time.perf_counter()
                        searcher.search(query, options)
                        times.append(1000 * (time.perf_counter() - clock))
            waits = (store.round_trips - before) / (asked.rounds * len(queries))
            left, right = map(statistics.median, taken)
            print(
                f"{mode:8} folder {left:6.1f} ms, PostgreSQL {right:6.1f} ms ({right / left:.2f} x),"
                f" {waits:.1f} round trips",
                flush=True,
            )


if __name__ == "__main__":
    main()
