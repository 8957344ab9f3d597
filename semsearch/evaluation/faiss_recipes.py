"""The kinds of FAISS index that `bench vectors` compares, called as FAISS documents them; and ScaNN."""

import math
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semsearch.embedding.embedder import Vectors
from semsearch.plurals import agreeing, count_of

# How many nearest vectors a query asks for.
TOP = 10
# Vectors that FAISS asks for to train one centroid.
_FOR_EACH_CENTROID = 39
_FEWEST_CELLS = 8
# From so many vectors on, ScaNN's own rules of thumb (docs/algorithms.md) divide them into leaves.
_SCANN_TREE = 100_000
_RESCORED = (10, 30, 100)

# (query (1, dim), k) -> rows of the k nearest vectors, nearest first.
Search = Callable[[Vectors, int], NDArray[np.int64]]


@dataclass(frozen=True)
class Recipe:
    """One kind of index.

    `build(vectors)` makes it of (n, dim) float32 unit rows; `search(index, vectors)` is the function that searches it;
    `size(index)`: its bytes. `command`: makes a semsearch index of that kind, where there is one.
    """

    name: str
    metric: str
    build: Callable[[Vectors], Any]
    search: Callable[[Any, Vectors], Search]
    size: Callable[[Any], int]
    command: str | None = None


def recipes_for(held: Vectors, notices: list[str]) -> list[Recipe]:
    """The recipes for the vectors `held` (n, dim); what n is too small for is said in `notices`."""
    rows, dim = held.shape
    few = f"{count_of(rows, 'vector')} {agreeing(rows, 'is', 'are')} too few"
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
        notices.append(f"IVF is left out: {few} to train cells on")
    if rows >= _FOR_EACH_CENTROID * 256:
        name, count = f"IVF{cells},PQ{_divisor(dim, dim // 8)}", max(1, cells // 8)
        recipes.append(_factory(f"{name}, {count} probed", "cosine", name, dim, {"nprobe": count}))
    else:
        notices.append(f"IVF-PQ is left out: {few} for codebooks of 256")
    if rows >= _FOR_EACH_CENTROID * 16:
        name = f"PQ{_divisor(dim, dim // 4)}x4fs"
        recipes.append(_refined(f"{name} + refine x 10 (ScaNN)", name, dim, 10, "semsearch quantize pq"))
    else:
        notices.append(f"PQ is left out: {few} for codebooks of 16")
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
    """An index that FAISS's factory makes of `description`; with vectors of length 1 cosine and dot are the same."""

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
    """Codes of `description`, of which the best `factor` x 10 are compared again by the float32 vectors."""

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
    """One bit a number; the best `factor` x 10 are compared again by the float32 vectors."""

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
    """ScaNN's own index of `rows` vectors; None where the package is not installed."""
    try:
        import scann
    except ImportError:
        return None

    def build(held: Vectors) -> Any:
        builder = scann.scann_ops_pybind.builder(held, TOP, "dot_product")
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
    """Bytes of a FAISS index, written."""
    import faiss

    return len(faiss.serialize_index(index))
