"""Compares the figures of `bench vectors` with those of FAISS called directly on the same vectors.

    python -m benchmarks.bench_vectors INDEX [--sample 100000] [--queries 200]

Prints recall@10 and the median time of a query of both, measured in one process one after the other, and the ratio of
the times.
"""

import argparse
import time
from pathlib import Path

import faiss
import numpy as np

from benchmarks.timing import turn_caches_off
from semsearch.embedding.open import open_recorded
from semsearch.evaluation import vector_bench as bench
from semsearch.store.local.reader import OpenSnapshot


def main() -> None:
    turn_caches_off()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("index", type=Path)
    parser.add_argument("--sample", type=int, default=100_000)
    parser.add_argument("--queries", type=int, default=200)
    chosen = parser.parse_args()
    report = bench.measure_vectors(str(chosen.index), chosen.sample, chosen.queries, print)
    ours = {row.name: row for row in report.rows if row.metric == "cosine"}
    vectors, _, model, texts = bench.read_vectors(OpenSnapshot(str(chosen.index)), chosen.sample, chosen.queries)
    assert model is not None
    embedder = open_recorded(model, print)
    queries = np.stack([embedder.encode_query(text) for text in texts])
    faiss.omp_set_num_threads(1)
    exact = faiss.IndexFlatIP(vectors.shape[1])
    exact.add(vectors)
    nearest = exact.search(queries, 10)[1]
    print(f"{'':<28}{'bench':>10}{'direct':>10}{'ratio':>8}{'bench':>9}{'direct':>9}")
    for name in ours:
        kind, _, rest = name.partition(" + refine x ")
        kind, _, probed = kind.partition(", ")
        if kind.startswith("binary"):
            continue
        kind += ",Flat" if kind.startswith("IVF") and "," not in kind else ""
        index = faiss.index_factory(vectors.shape[1], kind, faiss.METRIC_INNER_PRODUCT)
        if rest:
            index = faiss.IndexRefineFlat(index)
            index.k_factor = float(rest.split()[0])
        index.train(vectors)
        index.add(vectors)
        if probed.endswith("probed"):
            index.nprobe = int(probed.split()[0])
        elif probed.startswith("ef "):
            index.hnsw.efSearch = int(probed.split()[1])
        index.search(queries[:1], 10)
        seconds, hits = [], 0
        for query, best in zip(queries, nearest, strict=True):
            clock = time.perf_counter()
            rows = index.search(query[None], 10)[1][0]
            seconds.append(time.perf_counter() - clock)
            hits += len(np.intersect1d(rows, best))
        direct = float(np.median(seconds))
        print(
            f"{name:<28}{ours[name].p50 * 1000:>7.3f} ms{direct * 1000:>7.3f} ms{ours[name].p50 / direct:>8.2f}"
            f"{ours[name].recall:>9.4f}{hits / nearest.size:>9.4f}"
        )


if __name__ == "__main__":
    main()
