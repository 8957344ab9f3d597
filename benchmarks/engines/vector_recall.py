"""How well and how fast a vector database finds what an exact search does: recall@10 and ms, with filters and without.

    python -m benchmarks.engines.vector_recall URL [--rows 20000] [--dim 384] [--wait SECONDS]

The collection that the URL names must not be there; it is filled with made vectors in clusters, and dropped at the end.
Measured are single questions over one connection, as a search asks them. `--wait`: between filling and asking, for a
database that builds its graph by itself.
"""

import argparse
import statistics
import sys
import time

import numpy as np
from numpy.typing import NDArray

from semsearch.vector_engines.opening import open_engine
from semsearch.vector_engines.protocol import Ranges, VectorEngine

QUESTIONS = 200
PAYLOAD_TEXT = "a passage of about as many characters as a passage has " * 20


def made_vectors(count: int, dim: int, seed: int) -> NDArray[np.float32]:
    """(count, dim) in clusters of about 50, in a space of 48 dimensions as meaning is, with some noise in all `dim`."""
    fixed = np.random.default_rng(1)
    turn = np.linalg.qr(fixed.normal(size=(dim, 48)))[0].T
    centres = fixed.normal(size=(400, 48))
    drawn = np.random.default_rng(seed)
    latent = centres[drawn.integers(0, len(centres), count)] + drawn.normal(scale=0.7, size=(count, 48))
    vectors = latent @ turn + drawn.normal(scale=0.05, size=(count, dim))
    unit: NDArray[np.float32] = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return unit


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--dim", type=int, default=384)
    parser.add_argument("--wait", type=float, default=0, help="seconds between filling and asking")
    arguments = parser.parse_args()
    engine = open_engine(arguments.url)
    if engine.exists():
        sys.exit(f"{engine.location} is there already")
    rows = arguments.rows
    vectors, questions = made_vectors(rows, arguments.dim, 2), made_vectors(QUESTIONS, arguments.dim, 3)
    engine.ensure(arguments.dim)
    try:
        begin = time.perf_counter()
        for at in range(0, rows, 1_024):
            ids = np.arange(at, min(at + 1_024, rows))
            engine.upsert(ids, vectors[ids], [{"path": f"{chunk}.md", "text": PAYLOAD_TEXT} for chunk in ids])
        filled = time.perf_counter()
        engine.maintain()
        built = time.perf_counter()
        print(f"{rows / (filled - begin):,.0f} rows/s in, {built - filled:.1f} s to build")
        time.sleep(arguments.wait)
        width = rows // 10
        files = [(at, at + rows // 2_000) for at in range(0, rows, rows // 200)]
        for name, ranges in (
            ("all", None),
            ("10 % in 1 range", [(rows // 3, rows // 3 + width)]),
            ("10 % in 200 ranges", files),
            ("50 % in 1 range", [(rows // 4, 3 * rows // 4)]),
        ):
            for k in (10, 300):
                print(f"{name}, k = {k}: {_measured(engine, vectors, questions, k, ranges)}")
    finally:
        engine.drop()
        engine.close()


def _measured(
    engine: VectorEngine, vectors: NDArray[np.float32], questions: NDArray[np.float32], k: int, ranges: Ranges | None
) -> str:
    similar = questions @ vectors.T
    if ranges is not None:
        inside = np.zeros(len(vectors), bool)
        for begin, end in ranges:
            inside[begin:end] = True
        similar[:, ~inside] = -2
    found, times = 0, []
    for question, scores in zip(questions, similar, strict=True):
        best = np.argpartition(-scores, 10)[:10]
        begin = time.perf_counter()
        ids, _ = engine.nearest(question, k, ranges)
        times.append(time.perf_counter() - begin)
        found += len(set(ids.tolist()) & set(best.tolist()))
    milliseconds = 1_000 * statistics.median(times)
    return f"recall@10 {found / 10 / len(questions):.3f}, {milliseconds:.1f} ms"


if __name__ == "__main__":
    main()
