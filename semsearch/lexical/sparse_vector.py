"""Learned sparse vectors: a weight for each of a few tokens of a vocabulary, as models of the SPLADE family and BGE-M3
make them of a text. Two texts are as near as the sum of the products of the weights of the tokens that both have."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# What is kept of a passage: tokens of at least a tenth of its largest weight, as OpenSearch's processor for sparse
# vectors does by default (`prune_type: max_ratio`, `prune_ratio: 0.1`), and at most so many, where SPLADE v3 has 170.
_LEAST_SHARE = 0.1
_MOST_OF_PASSAGE = 256
# A query of SPLADE v3 has 25.
_MOST_OF_QUERY = 64


@dataclass(frozen=True, eq=False)  # arrays are not compared
class SparseVector:
    """`tokens` (n,) int64, rising; `weights` (n,) float32, all above 0."""

    tokens: NDArray[np.int64]
    weights: NDArray[np.float32]

    @staticmethod
    def of_array(values: NDArray[np.float32]) -> "SparseVector":
        """The tokens of `values` (vocabulary,) whose weight is above 0, and finite."""
        tokens = np.flatnonzero((values > 0) & np.isfinite(values))
        return SparseVector(tokens, values[tokens].astype(np.float32))

    def largest(self, count: int, least_share: float = 0.0) -> "SparseVector":
        """The `count` tokens of most weight, of those with at least `least_share` of the largest one."""
        least = least_share * float(self.weights.max(initial=0.0))
        order = np.argsort(-self.weights, kind="stable")[:count]
        kept = np.sort(order[self.weights[order] >= least])
        return SparseVector(self.tokens[kept], self.weights[kept])

    def with_others(self, other: "SparseVector", share: float) -> "SparseVector":
        """These tokens, and those of `other` that are not among them, at `share` of their weight."""
        new = ~np.isin(other.tokens, self.tokens)
        tokens = np.concatenate([self.tokens, other.tokens[new]])
        weights = np.concatenate([self.weights, np.float32(share) * other.weights[new]])
        order = np.argsort(tokens)
        return SparseVector(tokens[order], weights[order])


def pruned_passage(vector: SparseVector) -> SparseVector:
    """What of the `vector` of a passage is kept in an index."""
    return vector.largest(_MOST_OF_PASSAGE, _LEAST_SHARE)


def pruned_query(vector: SparseVector) -> SparseVector:
    """What of the `vector` of a query is looked for."""
    return vector.largest(_MOST_OF_QUERY)


def as_rows(vectors: Sequence[SparseVector], vocabulary: int) -> NDArray[np.float32]:
    """(n, vocabulary) float32: `vectors` with the zeros between."""
    rows = np.zeros((len(vectors), vocabulary), np.float32)
    for row, vector in zip(rows, vectors, strict=True):
        row[vector.tokens] = vector.weights
    return rows
