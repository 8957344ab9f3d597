"""A linear map of query vectors, learnt from questions with known answers: passages are not encoded again.

q' = unit(q + qW), with W learnt so that q' is near the passages that answer q: softmax over passages (InfoNCE, van den
Oord et al. 2018, with every passage as a negative), W kept small by its squared norm. How small is chosen by
cross-validation among the questions that are learnt from.
"""

import base64
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semsearch.embedding.embedder import Vectors, unit_rows
from semsearch.errors import IndexDamagedError

# Cosines are sharpened by this before the softmax.
_TEMPERATURE = 0.05
# Weights of the squared norm of W that are tried.
_PENALTIES = (0.01, 0.03, 0.1, 0.3)
_STEPS = 150
_LEARNING_RATE = 2e-3
# Adam's (Kingma & Ba 2015, algorithm 1).
_BETA_1, _BETA_2, _EPSILON = 0.9, 0.999, 1e-8

Relevance = NDArray[np.float32]


@dataclass(frozen=True)
class Adapter:
    """`matrix` is W, (dim, dim) float32."""

    matrix: NDArray[np.float32]

    def __call__(self, vectors: Vectors) -> Vectors:
        """Unit rows of adapted query `vectors`, (n, dim) or (dim,)."""
        return unit_rows(vectors + vectors @ self.matrix)

    def as_record(self) -> dict[str, Any]:
        data = np.ascontiguousarray(self.matrix, "<f2").tobytes()
        return {"dim": int(self.matrix.shape[0]), "matrix": base64.b64encode(data).decode()}

    @staticmethod
    def from_record(record: dict[str, Any], dim: int) -> "Adapter":
        """Raises `IndexDamagedError` for what is no adapter of vectors of `dim` numbers."""
        try:
            matrix = np.frombuffer(base64.b64decode(record["matrix"], validate=True), "<f2").reshape(dim, dim)
        except (ValueError, TypeError, KeyError) as error:
            raise IndexDamagedError(f"the catalog's adapter of queries is damaged: {error}", _DROP) from None
        if not np.isfinite(matrix).all():
            raise IndexDamagedError("the catalog's adapter of queries holds what is no number", _DROP)
        return Adapter(matrix.astype(np.float32))


_DROP = "drop it with: semsearch tune --adapter --drop"


def learn(queries: Vectors, passages: Vectors, relevant: Relevance, seed: int = 1) -> Adapter:
    """The adapter for `queries` (n, dim), where `relevant` (n, m) says how much each of `passages` (m, dim) answers."""
    penalty = _PENALTIES[0] if len(queries) < 4 else _best_penalty(queries, passages, relevant, seed)
    return Adapter(_descend(queries, passages, relevant, penalty))


def held_out_vectors(
    queries: Vectors, passages: Vectors, relevant: Relevance, folds: int = 5, seed: int = 1
) -> Vectors:
    """(n, dim): each query adapted by what was learnt from the other folds, so that it may be judged by it."""
    adapted = np.empty_like(queries)
    for test, rest in _folds(len(queries), folds, seed):
        adapted[test] = learn(queries[rest], passages, relevant[rest], seed)(queries[test])
    return adapted


def _best_penalty(queries: Vectors, passages: Vectors, relevant: Relevance, seed: int) -> float:
    losses = np.zeros(len(_PENALTIES))
    for test, rest in _folds(len(queries), 2, seed + 1):
        for number, penalty in enumerate(_PENALTIES):
            found = Adapter(_descend(queries[rest], passages, relevant[rest], penalty))
            losses[number] -= _reciprocal_ranks(found(queries[test]) @ passages.T, relevant[test]).sum()
    return _PENALTIES[int(losses.argmin())]


def _reciprocal_ranks(scores: NDArray[np.float32], relevant: Relevance) -> NDArray[np.float64]:
    """(n,): of the best relevant passage of each query, and a tenth of each further one's."""
    ranks = np.empty(scores.shape, np.int64)
    np.put_along_axis(ranks, np.argsort(-scores, axis=1), np.arange(1, scores.shape[1] + 1)[None], axis=1)
    gains = (np.where(relevant > 0, 1 / np.log2(ranks + 1), 0) * (ranks <= 100)).sum(axis=1)
    shares: NDArray[np.float64] = gains / np.maximum((relevant > 0).sum(axis=1), 1)
    return shares


def _folds(count: int, folds: int, seed: int) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """(test, rest) numbers of each fold."""
    order = np.random.default_rng(seed).permutation(count)
    parts = np.array_split(order, min(folds, count))
    return [(part, np.setdiff1d(order, part)) for part in parts]


def _descend(queries: Vectors, passages: Vectors, relevant: Relevance, penalty: float) -> NDArray[np.float32]:
    """W after gradient descent by Adam on the mean cross entropy plus `penalty` times its squared norm."""
    dim = queries.shape[1]
    wanted = relevant / np.maximum(relevant.sum(axis=1, keepdims=True), 1e-9)
    matrix = np.zeros((dim, dim), np.float32)
    first, second = np.zeros_like(matrix), np.zeros_like(matrix)
    for step in range(1, _STEPS + 1):
        moved = queries + queries @ matrix
        norms = np.linalg.norm(moved, axis=1, keepdims=True)
        adapted = moved / norms
        logits = adapted @ passages.T / _TEMPERATURE
        logits -= logits.max(axis=1, keepdims=True)
        chances = np.exp(logits)
        chances /= chances.sum(axis=1, keepdims=True)
        towards = (chances - wanted) @ passages / (_TEMPERATURE * len(queries))
        # Of a unit vector only what is across it counts.
        across = (towards - adapted * (adapted * towards).sum(axis=1, keepdims=True)) / norms
        gradient = queries.T @ across + 2 * penalty * matrix
        first = _BETA_1 * first + (1 - _BETA_1) * gradient
        second = _BETA_2 * second + (1 - _BETA_2) * gradient**2
        unbiased = second / (1 - _BETA_2**step)
        matrix -= (_LEARNING_RATE * first / (1 - _BETA_1**step) / (np.sqrt(unbiased) + _EPSILON)).astype(np.float32)
    return matrix
