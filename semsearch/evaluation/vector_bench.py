"""`bench vectors`: build time, size, speed and recall of the kinds of FAISS index on an index's own vectors."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semsearch import settings
from semsearch.callbacks import Announce
from semsearch.embedding.embedder import Vectors
from semsearch.embedding.model_info import ModelInfo
from semsearch.embedding.open import open_recorded
from semsearch.errors import SemsearchError
from semsearch.evaluation.faiss_recipes import TOP, Recipe, recipes_for
from semsearch.plurals import agreeing, count_of
from semsearch.retrieval.query_sentences import held_out_queries
from semsearch.store.opening import read_index
from semsearch.store.protocol import Snapshot

# An exact scan that takes no longer than this is fast enough: nobody notices the difference.
_UNNOTICED_SECONDS = 0.005
_GOOD_RECALL = 0.99
# Another kind of index is recommended where it takes at most this share of the time of an exact scan.
_WORTH_IT = 0.7


@dataclass(frozen=True)
class VectorsRow:
    """The figures of one kind of index.

    `build`: seconds; `size`: bytes; `p50`, `p95`: seconds of a query; `recall`: the share of the ten nearest by cosine
    that it finds; `command`: makes a semsearch index of that kind, where there is one.
    """

    name: str
    metric: str
    build: float
    size: int
    p50: float
    p95: float
    recall: float
    command: str | None

    def as_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "metric": self.metric,
            "build_seconds": round(self.build, 4),
            "bytes": self.size,
            "p50_ms": round(self.p50 * 1000, 4),
            "p95_ms": round(self.p95 * 1000, 4),
            "recall_at_10": round(self.recall, 4),
            "command": self.command,
        }


@dataclass(frozen=True)
class VectorsReport:
    """The results of `bench vectors`, on `vectors` of the index's `total`; `advice`: which kind to choose, and why."""

    index: str
    vectors: int
    total: int
    dim: int
    queries: int
    rows: tuple[VectorsRow, ...]
    advice: str
    notices: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        return {
            "schema": "semsearch.bench/1",
            "bench": "vectors",
            "index": self.index,
            "vectors": self.vectors,
            "vectors_total": self.total,
            "dim": self.dim,
            "queries": self.queries,
            "rows": [row.as_dict() for row in self.rows],
            "advice": self.advice,
            "notices": list(self.notices),
        }


def measure_vectors(index: str | None, sample: int, queries: int, announce: Announce) -> VectorsReport:
    """Measures on up to `sample` vectors of the index and `queries` held-out queries, on one core. Writes nothing.

    Raises `SemsearchError` for an index without vectors or text, or with vectors that were shortened.
    """
    import faiss

    path = settings.index_for_reading(index)
    held, total, model, texts = read_index(path, lambda snapshot: read_vectors(snapshot, sample, queries))
    if model is None or not len(held):
        raise SemsearchError(f"the index {path} holds no vectors yet", "encode them with: semsearch index")
    if not texts:
        raise SemsearchError(f"the index {path} holds no sentence to ask with", "index more text first")
    embedder = open_recorded(model, announce)
    asked = np.stack([embedder.encode_query(text) for text in texts])
    notices = []
    if held.shape[1] != asked.shape[1]:
        raise SemsearchError(
            f"the vectors of {path} were shortened to {held.shape[1]} numbers", "measure an index with whole vectors"
        )
    if len(held) < total:
        notices.append(f"{len(held):,} of {total:,} vectors {agreeing(len(held), 'was', 'were')} measured (--sample)")
    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        nearest = np.stack([np.argsort(-(held @ query), kind="stable")[:TOP] for query in asked])
        announce(
            f"measuring {count_of(len(held), 'vector')} with {count_of(len(asked), 'sentence')} of the index as queries"
        )
        rows = [_measured(recipe, held, asked, nearest) for recipe in recipes_for(held, notices)]
    finally:
        faiss.omp_set_num_threads(threads)
    return VectorsReport(
        path, len(held), total, held.shape[1], len(asked), tuple(rows), advice(rows, total / len(held)), tuple(notices)
    )


def read_vectors(snapshot: Snapshot, sample: int, queries: int) -> tuple[Vectors, int, ModelInfo | None, list[str]]:
    """(up to `sample` vectors (n, dim) float32, how many there are, the model, up to `queries` queries)."""
    model = snapshot.info().model
    if model is None:
        return np.empty((0, 0), np.float32), 0, None, []
    ids = snapshot.encoded_ids()
    held = snapshot.vectors(ids[:: max(1, -(-len(ids) // sample))])
    return held, len(ids), model, held_out_queries(snapshot, queries)


def _measured(recipe: Recipe, held: Vectors, asked: Vectors, nearest: NDArray[np.int64]) -> VectorsRow:
    """The figures of `recipe` on the vectors `held`, searched for `asked`; `nearest` (queries, 10): the right rows."""
    clock = time.perf_counter()
    index = recipe.build(held)
    build = time.perf_counter() - clock
    search = recipe.search(index, held)
    search(asked[:1], TOP)
    seconds, correct = [], 0
    for query, best in zip(asked, nearest, strict=True):
        clock = time.perf_counter()
        rows = search(query[None], TOP)
        seconds.append(time.perf_counter() - clock)
        correct += len(set(rows.tolist()) & set(best.tolist()))
    p50, p95 = np.percentile(seconds, [50, 95])
    return VectorsRow(
        recipe.name, recipe.metric, build, recipe.size(index), float(p50), float(p95), correct / nearest.size,
        recipe.command,
    )  # fmt: skip


def advice(rows: Sequence[VectorsRow], scale: float) -> str:
    """Which kind to choose, and why. `scale`: how many times more vectors the index has than were measured."""
    exact = next(row for row in rows if row.name == "SQfp16")
    seconds = exact.p50 * scale
    if seconds <= _UNNOTICED_SECONDS:
        return (
            f"float16, exact (the default): {seconds * 1000:.1f} ms a query with {exact.recall:.1%} of the ten nearest;"
            " nothing faster would be noticed"
        )
    good = [row for row in rows if row.recall >= _GOOD_RECALL and row.command is not None]
    best = min(good, key=lambda row: row.p50, default=exact)
    if best.p50 > exact.p50 * _WORTH_IT:
        return (
            f"float16, exact: {exact.p50 * 1000:.1f} ms a query; nothing much faster finds {_GOOD_RECALL:.0%} of the"
            " ten nearest. What an index can have is measured by: semsearch quantize --dry-run"
        )
    return (
        f"{best.name}: {best.p50 * 1000:.1f} ms a query, {exact.p50 / best.p50:.1f} times as fast as float16,"
        f" with {best.recall:.1%} of the ten nearest: {best.command}"
    )
