"""Learns the adapter of query vectors (`dense.query_adapter`) from questions with known answers.

q' = unit(q + qW), with W learnt so that q' is near the passages that answer q: the loss is the cross entropy of a
softmax over passages (InfoNCE, van den Oord et al. 2018, with every passage as a negative) plus the squared norm of W.
Needs no GPU, no torch and no texts of passages, and a second for some hundred questions.
"""

import numpy as np
from numpy.typing import NDArray

from semsearch.dense.query_adapter import Adapter
from semsearch.embedding.embedder import Vectors

# Cosines are divided by this before the softmax.
_TEMPERATURE = 0.05
# Weight of the squared norm of W. Gain of dense nDCG@10 on held-out questions (5 folds) with 0.01, 0.03, 0.1: Cranfield
# 0.033, 0.036, 0.024; XQuAD-en 0.003, 0.005, 0.007; -de 0.082, 0.081, 0.063 (`python -m benchmarks.query_adapter`).
_PENALTY = 0.03
_STEPS = 100
_LEARNING_RATE = 1e-3
# Of Adam (Kingma & Ba 2015, algorithm 1).
_BETA_1, _BETA_2, _EPSILON = 0.9, 0.999, 1e-8

# (questions, passages): how much each passage answers each question.
Relevance = NDArray[np.float32]


def learn_adapter(queries: Vectors, passages: Vectors, relevant: Relevance) -> Adapter:
    """The adapter learnt from `queries` (n, dim) and `passages` (m, dim), whose gains are `relevant` (n, m)."""
    return Adapter(_descend(queries, passages, relevant, _PENALTY))


def folds(count: int, parts: int, seed: int = 1) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """`parts` pairs of (held out, the rest): int64 numbers of `count` questions, each held out once."""
    order = np.random.default_rng(seed).permutation(count)
    return [(part, np.setdiff1d(order, part)) for part in np.array_split(order, min(parts, count))]


def _descend(queries: Vectors, passages: Vectors, relevant: Relevance, penalty: float) -> NDArray[np.float32]:
    """W (dim, dim) after gradient descent by Adam on the mean cross entropy plus `penalty` times its squared norm."""
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
        gradients = (chances - wanted) @ passages / (_TEMPERATURE * len(queries))
        # Only the part of the gradient that is orthogonal to a unit vector moves it.
        orthogonal = (gradients - adapted * (adapted * gradients).sum(axis=1, keepdims=True)) / norms
        gradient = queries.T @ orthogonal + 2 * penalty * matrix
        first = _BETA_1 * first + (1 - _BETA_1) * gradient
        second = _BETA_2 * second + (1 - _BETA_2) * gradient**2
        unbiased = second / (1 - _BETA_2**step)
        matrix -= (_LEARNING_RATE * first / (1 - _BETA_1**step) / (np.sqrt(unbiased) + _EPSILON)).astype(np.float32)
    return matrix
