"""How many of the ten nearest PostgreSQL finds under filters, and how long that takes.

    python -m benchmarks.engines.postgres_filters URL QUERIES [--most 100] [--shares 1 5 10 25 50 100]

For each share (per cent) random files with so many of the chunks are let in, as a filter does; the nearest are asked
for as a search does, and compared with those of all vectors, which are read and compared here. Prints recall@10 and the
median and 95th percentile of milliseconds of the dense leg (its 300 candidates).
"""

import argparse
import random
import time
from pathlib import Path

import numpy as np

from benchmarks.engines.judgements import read_queries
from benchmarks.timing import turn_caches_off
from semsearch.embedding.open import open_recorded
from semsearch.retrieval.options import DEPTH
from semsearch.store.allowed import Allowed, ChunkSelection
from semsearch.store.opening import open_store
from semsearch.store.postgres.snapshot import DatabaseSnapshot
from semsearch.store.protocol import Snapshot


def main() -> None:
    turn_caches_off()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("queries", type=Path)
    parser.add_argument("--most", type=int, default=100)
    parser.add_argument("--shares", type=float, nargs="+", default=[1, 5, 10, 25, 50, 100])
    asked = parser.parse_args()
    texts = [text for _, text in read_queries(asked.queries)][: asked.most]
    open_store(asked.url).read(lambda snapshot: _measure(snapshot, texts, asked.shares))


def _measure(snapshot: Snapshot, texts: list[str], shares: list[float]) -> None:
    assert isinstance(snapshot, DatabaseSnapshot)
    model = snapshot.info().model
    assert model is not None
    queries = [open_recorded(model, print).encode_query(text) for text in texts]
    ids = snapshot.encoded_ids()
    # Half precision, as they are kept.
    held = np.concatenate(
        [snapshot.vectors(part).astype(np.float16) for part in np.array_split(ids, len(ids) // 5000 + 1)]
    )
    snapshot.search._vectors.clear()
    spans = [(one.first, one.end) for one in _files(snapshot)]
    print(f"{len(ids):,} vectors of {held.shape[1]} numbers, {len(texts)} queries")
    for share in shares:
        ranges = _some(spans, share / 100 * len(ids)) if share < 100 else None
        selection = None if ranges is None else ChunkSelection(Allowed(ranges))
        inside = np.ones(len(ids), np.bool_) if ranges is None else _inside(ids, ranges)
        found, times = [], []
        for query in queries:
            cosines = np.concatenate([part.astype(np.float32) @ query for part in np.array_split(held, 20)])
            cosines[~inside] = -2
            tenth = np.partition(cosines, -10)[-10]
            clock = time.perf_counter()
            ranked = snapshot.dense(query, DEPTH, selection)
            times.append(1000 * (time.perf_counter() - clock))
            snapshot.search._vectors.clear()
            best = cosines[np.searchsorted(ids, ranked.ids[:10])]
            found.append(float((best >= tenth - 1e-6).sum()) / 10)
        print(
            f"{share:5g} %: {int(inside.sum()):9,} chunks, recall@10 {np.mean(found):.4f},"
            f" {np.median(times):6.1f} ms (95 % below {np.quantile(times, 0.95):.1f})",
            flush=True,
        )


class _Span:
    def __init__(self, first: int, end: int) -> None:
        self.first, self.end = first, end


def _files(snapshot: DatabaseSnapshot) -> list[_Span]:
    rows = snapshot.connection.rows("SELECT first_chunk, chunk_count FROM {s}.files WHERE chunk_count > 0 ORDER BY 1")
    return [_Span(first, first + count) for first, count in rows]


def _some(spans: list[tuple[int, int]], chunks: float) -> list[tuple[int, int]]:
    """Random `spans` with about so many `chunks`, rising."""
    chosen, total = [], 0
    for first, end in random.Random(1).sample(spans, len(spans)):
        if total >= chunks:
            break
        chosen.append((first, end))
        total += end - first
    return sorted(chosen)


def _inside(ids: np.ndarray, ranges: list[tuple[int, int]]) -> np.ndarray:
    rows = Allowed(ranges).rows(ids, None)
    assert rows is not None
    return rows


if __name__ == "__main__":
    main()
