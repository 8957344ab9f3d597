"""`bench vectors`: the kinds of FAISS index on this index's own vectors, called as FAISS documents them."""

import math
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semsearch import settings
from semsearch.embedding.embedder import Vectors
from semsearch.embedding.model_info import ModelInfo
from semsearch.embedding.open import open_recorded
from semsearch.errors import SemsearchError
from semsearch.evaluation.questions import held_out_queries
from semsearch.storage.snapshot import Reader, Snapshot

_TOP = 10
# Below this nobody notices that every vector is compared.
_UNNOTICED_SECONDS = 0.005
_GOOD_RECALL = 0.99
# Share of the time of an exact scan that is worth another form.
_WORTH_IT = 0.7
# Vectors that FAISS asks for to train one centroid.
_FOR_EACH_CENTROID = 39
_FEWEST_CELLS = 8
# From here on ScaNN's own rules of thumb (docs/algorithms.md) cut the vectors into leaves.
_SCANN_TREE = 100_000
_RESCORED = (10, 30, 100)

Search = Callable[[Vectors, int], NDArray[np.int64]]


@dataclass(frozen=True)
class VectorsRow:
    """One kind of index.

    `build`: seconds; `size`: bytes; `p50`, `p95`: seconds of a query; `recall`: of the ten nearest by cosine;
    `command`: what makes a semsearch index such a one, where it can.
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
    """`vectors` were measured, of `total`; `advice` says what to choose and why."""

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


def vectors(index: str | None, sample: int, queries: int, announce: Callable[[str], None]) -> VectorsReport:
    """Measures on up to `sample` vectors of the index and `queries` held-out queries, on one core. Writes nothing."""
    import faiss

    path = settings.index_for_reading(index)
    reader = Reader(path)
    held, total, model, texts = reader.read(lambda snapshot: read(snapshot, sample, queries))
    reader.close()
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
        notices.append(f"{len(held):,} of {total:,} vectors were measured (--sample)")
    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        nearest = np.stack([np.argsort(-(held @ query), kind="stable")[:_TOP] for query in asked])
        announce(f"measuring {len(held):,} vectors with {len(asked)} sentences of the index as queries")
        rows = [_measured(recipe, held, asked, nearest) for recipe in _recipes(held, notices)]
    finally:
        faiss.omp_set_num_threads(threads)
    return VectorsReport(
        path, len(held), total, held.shape[1], len(asked), tuple(rows), advice(rows, total / len(held)), tuple(notices)
    )


def read(snapshot: Snapshot, sample: int, queries: int) -> tuple[Vectors, int, ModelInfo | None, list[str]]:
    """(up to `sample` vectors as float32, how many there are, the model, the texts of up to `queries` queries)."""
    model = snapshot.model()
    if model is None:
        return np.empty((0, 0), np.float32), 0, None, []
    parts = []
    alive = snapshot.alive("vec")
    rows = [
        np.arange(len(segment.ids)) if keep is None else np.flatnonzero(keep)
        for segment, keep in zip(snapshot.dense(), alive, strict=True)
    ]
    total = sum(map(len, rows))
    step = max(1, -(-total // sample))
    for segment, own in zip(snapshot.dense(), rows, strict=True):
        parts.append(segment.vectors.vectors(own[::step]))
    held = np.concatenate(parts) if parts else np.empty((0, 0), np.float32)
    return held, total, model, held_out_queries(snapshot.catalog, queries)


@dataclass(frozen=True)
class Recipe:
    """`build(vectors)` makes an index; `search(index)` gives the function that finds rows; `size(index)`: bytes."""

    name: str
    metric: str
    build: Callable[[Vectors], Any]
    search: Callable[[Any, Vectors], Search]
    size: Callable[[Any], int]
    command: str | None = None


def _measured(recipe: Recipe, held: Vectors, asked: Vectors, nearest: NDArray[np.int64]) -> VectorsRow:
    clock = time.perf_counter()
    index = recipe.build(held)
    build = time.perf_counter() - clock
    search = recipe.search(index, held)
    search(asked[:1], _TOP)
    seconds, found = [], 0
    for query, best in zip(asked, nearest, strict=True):
        clock = time.perf_counter()
        rows = search(query[None], _TOP)
        seconds.append(time.perf_counter() - clock)
        found += len(set(rows.tolist()) & set(best.tolist()))
    p50, p95 = np.percentile(seconds, [50, 95])
    return VectorsRow(
        recipe.name, recipe.metric, build, recipe.size(index), float(p50), float(p95), found / nearest.size,
        recipe.command,
    )  # fmt: skip


def _recipes(held: Vectors, notices: list[str]) -> list[Recipe]:
    rows, dim = held.shape
    recipes = [
        _factory("Flat", "cosine", "Flat", dim, command="semsearch quantize float32"),
        _factory("Flat", "dot", "Flat", dim),
        _factory("Flat", "L2", "Flat", dim),
        _factory("SQfp16", "cosine", "SQfp16", dim, command="semsearch quantize float16 --ann exact"),
        _factory("SQ8", "cosine", "SQ8", dim, command="semsearch quantize int8 --drop-original"),
        _factory("SQ4", "cosine", "SQ4", dim),
        _refined("SQ4 + refine x 4", "SQ4", dim, 4, "semsearch quantize int4"),
        _factory("HNSW32, ef 64", "cosine", "HNSW32", dim, {"efSearch": 64}),
        _factory("HNSW32, ef 64", "L2", "HNSW32", dim, {"efSearch": 64}),
        _refined("RaBitQ + refine x 10", "RaBitQ", dim, 10, "semsearch quantize rabitq"),
        *[_binary(count) for count in _RESCORED],
    ]
    cells = min(int(4 * math.sqrt(rows)), rows // _FOR_EACH_CENTROID)
    if cells >= _FEWEST_CELLS:
        for probed in (1 / 32, 1 / 8):
            count = max(1, int(cells * probed))
            recipes.append(
                _factory(f"IVF{cells}, {count} probed", "cosine", f"IVF{cells},Flat", dim, {"nprobe": count})
            )
    else:
        notices.append(f"IVF is left out: {rows:,} vectors are too few to train cells on")
    if rows >= _FOR_EACH_CENTROID * 256:
        name, count = f"IVF{cells},PQ{_divisor(dim, dim // 8)}", max(1, cells // 8)
        recipes.append(_factory(f"{name}, {count} probed", "cosine", name, dim, {"nprobe": count}))
    else:
        notices.append(f"IVF-PQ is left out: {rows:,} vectors are too few for codebooks of 256")
    if rows >= _FOR_EACH_CENTROID * 16:
        name = f"PQ{_divisor(dim, dim // 4)}x4fs"
        recipes.append(_refined(f"{name} + refine x 10 (ScaNN)", name, dim, 10, "semsearch quantize pq"))
    else:
        notices.append(f"PQ is left out: {rows:,} vectors are too few for codebooks of 16")
    scann = _scann(rows)
    if scann is not None:
        recipes.append(scann)
    else:
        notices.append("scann is left out: the package is not installed (pip install scann)")
    return recipes


def _divisor(dim: int, wanted: int) -> int:
    """The largest number up to `wanted` that divides `dim`."""
    return next(number for number in range(max(1, wanted), 0, -1) if dim % number == 0)


def _factory(
    name: str,
    metric: str,
    description: str,
    dim: int,
    parameters: dict[str, int] | None = None,
    command: str | None = None,
) -> Recipe:
    """An index of FAISS's factory. Its vectors are of length 1, so that cosine and dot are the same product."""

    def build(held: Vectors) -> Any:
        import faiss

        index = faiss.index_factory(dim, description, faiss.METRIC_L2 if metric == "L2" else faiss.METRIC_INNER_PRODUCT)
        index.train(held)
        index.add(held)
        for key, value in (parameters or {}).items():
            faiss.ParameterSpace().set_index_parameter(index, key, value)
        return index

    return Recipe(name, metric, build, lambda index, held: _search_of(index), _serialized, command)


def _refined(name: str, description: str, dim: int, factor: int, command: str) -> Recipe:
    """Codes, and the best `factor` x 10 of them compared by the float32 vectors."""

    def build(held: Vectors) -> Any:
        import faiss

        codes = faiss.index_factory(dim, description, faiss.METRIC_INNER_PRODUCT)
        index = faiss.IndexRefineFlat(codes)
        index.k_factor = factor
        index.train(held)
        index.add(held)
        return index

    return Recipe(name, "cosine", build, lambda index, held: _search_of(index), _serialized, command)


def _binary(factor: int) -> Recipe:
    """One bit a number, and the best `factor` x 10 compared by the float32 vectors."""

    def build(held: Vectors) -> Any:
        import faiss

        index = faiss.IndexBinaryFlat(-(-held.shape[1] // 8) * 8)
        index.add(np.packbits(held > 0, axis=1))
        return index

    def search(index: Any, held: Vectors) -> Search:
        def find(query: Vectors, k: int) -> NDArray[np.int64]:
            rows = index.search(np.packbits(query > 0, axis=1), min(factor * k, len(held)))[1][0]
            rows = rows[rows >= 0]
            best: NDArray[np.int64] = rows[np.argsort(-(held[rows] @ query[0]), kind="stable")[:k]]
            return best

        return find

    def size(index: Any) -> int:
        return int(index.ntotal * index.code_size)

    return Recipe(f"binary + rescoring x {factor}", "cosine", build, search, size,
                  "semsearch quantize binary" if factor == _RESCORED[-1] else None)  # fmt: skip


def _scann(rows: int) -> Recipe | None:
    try:
        import scann
    except ImportError:
        return None

    def build(held: Vectors) -> Any:
        builder = scann.scann_ops_pybind.builder(held, _TOP, "dot_product")
        if rows >= _SCANN_TREE:
            leaves = int(math.sqrt(rows))
            builder = builder.tree(leaves, leaves // 10, training_sample_size=min(rows, 250_000))
        return builder.score_ah(2, anisotropic_quantization_threshold=0.2).reorder(100).build()

    def search(index: Any, held: Vectors) -> Search:
        return lambda query, k: np.asarray(index.search(query[0], k)[0], np.int64)

    def size(index: Any) -> int:
        with tempfile.TemporaryDirectory() as folder:
            index.serialize(folder)
            return sum(os.path.getsize(os.path.join(folder, name)) for name in os.listdir(folder))

    return Recipe("scann", "dot", build, search, size)


def _search_of(index: Any) -> Search:
    def find(query: Vectors, k: int) -> NDArray[np.int64]:
        rows: NDArray[np.int64] = index.search(query, k)[1][0]
        return rows

    return find


def _serialized(index: Any) -> int:
    import faiss

    return len(faiss.serialize_index(index))


def advice(rows: Sequence[VectorsRow], scale: float) -> str:
    """What to choose, and why; times grow with `scale`, the share of the vectors that was not measured."""
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
