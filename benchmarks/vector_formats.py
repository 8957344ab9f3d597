"""Every vector format at one size: bytes, recall@10 against an exact scan, time of a query, ratios to float32.

    python -m benchmarks.vector_formats INDEX [--rows 500000] [--queries 200]

The vectors are those of INDEX, repeated with noise; some of INDEX are held out as queries. One core, one query after
another, all formats in turn, so that a busy machine slows all of them alike.
"""

import argparse
import time
from pathlib import Path

import numpy as np

from benchmarks.noisy_vectors import repeated, vectors_of
from benchmarks.timing import turn_caches_off
from semsearch.dense.cells import PROBED_SHARE, Cells
from semsearch.dense.codec import KINDS, Codec
from semsearch.dense.coded_vectors import CodedVectors
from semsearch.dense.segment_vectors import SegmentVectors, search
from semsearch.dense.vector_format import VectorFormat

_TRAINING = 131_072


def main() -> None:
    turn_caches_off()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("index", type=Path)
    parser.add_argument("--rows", type=int, default=500_000)
    parser.add_argument("--queries", type=int, default=200)
    chosen = parser.parse_args()
    rng = np.random.default_rng(1)
    base = rng.permutation(vectors_of(chosen.index))
    queries, base = base[: chosen.queries], base[chosen.queries :]
    vectors = repeated(base, chosen.rows, rng)
    dim = vectors.shape[1]
    exact = np.argsort(-(queries @ vectors.T), axis=1, kind="stable")[:, :10]
    float16 = Codec("float16", dim)
    store = CodedVectors(float16, float16.build(vectors))
    formats: dict[str, tuple[SegmentVectors, float]] = {}
    for kind in KINDS:
        codec = Codec.train(kind, vectors[:_TRAINING])
        alone = CodedVectors(codec, codec.build(vectors))
        plain = VectorFormat(dim, kind, trained={"store": codec.trained})
        formats[f"{kind}"] = SegmentVectors(plain, alone), codec.row_bytes
        if kind not in ("float32", "float16"):
            vector_format = VectorFormat(dim, codes=kind, trained={"codes": codec.trained})
            formats[f"{kind}, best by float16"] = SegmentVectors(vector_format, store, alone), codec.row_bytes
    clock = time.perf_counter()
    cells = Cells.train(vectors)
    print(f"{len(cells.centroids)} cells of {chosen.rows:,} vectors in {time.perf_counter() - clock:.1f} s")
    for kind in ("int8", "binary"):
        codec = Codec.train(kind, vectors[:_TRAINING])
        vector_format = VectorFormat(dim, codes=kind, ann="ivf", trained={"codes": codec.trained})
        codes = CodedVectors(codec, codec.build(vectors[cells.order]))
        formats[f"ivf {kind}, best by float16"] = (
            SegmentVectors(vector_format, store, codes, cells),
            codec.row_bytes / PROBED_SHARE,
        )
    seconds: dict[str, list[float]] = {name: [] for name in formats}
    hits = dict.fromkeys(formats, 0)
    for number, query in enumerate(queries):
        for name, (segment, _) in formats.items():
            clock = time.perf_counter()
            ((rows, scores),) = search([segment], query, 10, [None])
            seconds[name].append(time.perf_counter() - clock)
            best = rows[np.argsort(-scores, kind="stable")[:10]]
            hits[name] += len(set(best.tolist()) & set(exact[number].tolist()))
    size, base_time = formats["float32"][1], float(np.median(seconds["float32"]))
    print(f"{chosen.rows:,} x {dim}, {len(queries)} queries")
    print(f"{'':<26}{'searched':>9}{'1 /':>7}{'recall@10':>11}{'p50 ms':>9}{'p95 ms':>9}{'x as fast':>11}")
    for name, (_, row_bytes) in formats.items():
        times = np.array(seconds[name])
        print(
            f"{name:<26}{row_bytes:>7.0f} B{size / row_bytes:>7.1f}{hits[name] / exact.size:>11.4f}"
            f"{np.median(times) * 1000:>9.2f}{np.percentile(times, 95) * 1000:>9.2f}"
            f"{base_time / np.median(times):>11.1f}"
        )


if __name__ == "__main__":
    main()
