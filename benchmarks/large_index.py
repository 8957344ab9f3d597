"""Milliseconds of whole commands, private memory and recall@10 of a large index beside a small one.

    python -m benchmarks.large_index LARGE SMALL [--rounds 15] [--queries 200]

`benchmarks.million` makes LARGE. recall@10 is the share of the ten nearest vectors, by an exact scan of LARGE, that a
dense search returns.
"""

import argparse
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from benchmarks.cold_start import IMPORTS, QUERY
from benchmarks.timing import alternate, table, turn_caches_off
from semsearch.retrieval.options import SearchOptions
from semsearch.retrieval.query_sentences import held_out_queries
from semsearch.retrieval.searcher import Searcher
from semsearch.store.local.reader import OpenSnapshot

_DENSE = SearchOptions(mode="dense", fold=False, snippets=False, min_score=0)


def private_memory(command: list[str]) -> float:
    """The peak of anonymous memory of `command` in megabytes, without mapped files, which the system can drop."""
    peak = 0
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            match = re.search(r"RssAnon:\s+(\d+)", Path(f"/proc/{process.pid}/status").read_text())
            peak = max(peak, int(match[1]) if match else 0)
            time.sleep(0.001)
    return peak / 1000


def recall(index: Path, count: int) -> tuple[float, float]:
    """(recall@10 of dense searches, their median seconds)."""
    snapshot = OpenSnapshot(str(index))
    queries = held_out_queries(snapshot, count)
    results, seconds, encoded = [], [], []
    with Searcher(str(index)) as searcher:
        searcher.search(queries[0], _DENSE)  # loads the model
        for query in queries:
            clock = time.perf_counter()
            hits = searcher.search(query, _DENSE).hits
            seconds.append(time.perf_counter() - clock)
            encoded.append(searcher.encode_query(query))
            results.append([hit.chunk_id for hit in hits])
    vectors = np.stack(encoded)
    ids = np.zeros((len(queries), 0), np.int64)
    scores = np.zeros((len(queries), 0), np.float32)
    for segment in snapshot.dense_segments():
        for start in range(0, len(segment.ids), 65_536):
            rows = np.arange(start, min(start + 65_536, len(segment.ids)))
            scores = np.hstack([scores, vectors @ segment.vectors.vectors(rows).T])
            ids = np.hstack([ids, np.broadcast_to(segment.ids[rows], (len(queries), len(rows)))])
            best = np.argsort(-scores, axis=1, kind="stable")[:, :10]
            ids, scores = np.take_along_axis(ids, best, 1), np.take_along_axis(scores, best, 1)
    hit = sum(len(set(own) & set(best.tolist())) for own, best in zip(results, ids, strict=True))
    return hit / ids.size, statistics.median(seconds)


def main() -> None:
    turn_caches_off()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("large", type=Path)
    parser.add_argument("small", type=Path)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--queries", type=int, default=200)
    chosen = parser.parse_args()
    command = str(Path(sys.executable).with_name("semsearch"))
    times = alternate(
        {
            "imports": [sys.executable, "-c", IMPORTS],
            "search, small": [command, "search", QUERY, "-i", str(chosen.small)],
            "search, large": [command, "search", QUERY, "-i", str(chosen.large)],
        },
        chosen.rounds,
    )
    print(table(times, "search, small"))
    for name, index in (("small", chosen.small), ("large", chosen.large)):
        memory = statistics.median(private_memory([command, "search", QUERY, "-i", str(index)]) for _ in range(3))
        print(f"private memory of a search, {name}: {memory:.0f} MB")
    share, seconds = recall(chosen.large, chosen.queries)
    print(f"recall@10 by meaning, large: {share:.4f}; a query in an open process {seconds * 1000:.1f} ms")


if __name__ == "__main__":
    main()
