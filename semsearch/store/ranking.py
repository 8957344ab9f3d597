"""Rankings of chunks, alike for every store: the lexical leg over postings, cosines, and how the best are put in
order."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semsearch.embedding.embedder import Vectors
from semsearch.lexical.bm25 import QueryScorer
from semsearch.lexical.postings import Postings
from semsearch.store.allowed import Allowed
from semsearch.store.records import Ranking


def lexical_ranking(segments: Sequence[Postings], scorer: QueryScorer, k: int, allowed: Allowed) -> Ranking:
    """The `k` best chunks of `segments` that are `allowed` that hold a word of the query."""
    best: list[tuple[float, int]] = []
    for part, scores in zip(segments, scorer.segment_scores(), strict=True):
        chosen = allowed.rows(part.ids, None)
        rows = np.flatnonzero(scores > 0 if chosen is None else (scores > 0) & chosen)
        rows = best_rows(rows, scores[rows], k)
        best += zip((-scores[rows]).tolist(), part.ids[rows].tolist(), strict=True)
    return ranking(best, k)


def best_rows(rows: NDArray[Any], scores: NDArray[np.float32], k: int) -> NDArray[Any]:
    """Those `k` of `rows` (n,), all rising, with the highest `scores` (n,); of equal ones the first, so
    that it does not depend on how an index is cut up."""
    if len(rows) <= k or not k:
        return rows[:k]
    least = np.partition(scores, -k)[-k]
    above = rows[scores > least]
    return np.sort(np.concatenate([above, rows[scores == least][: k - len(above)]]))


def ranking(best: list[tuple[float, int]], k: int) -> Ranking:
    """The `k` best of (minus the score, chunk id): equal scores by rising id, however an index is cut up."""
    chosen = sorted(best)[:k]
    return Ranking(
        np.array([number for _, number in chosen], np.int64),
        np.array([-score for score, _ in chosen], np.float32),
    )


def cosines_of(
    vectors: Vectors | None, ids: NDArray[np.int64], read: Callable[[NDArray[np.int64]], Vectors]
) -> NDArray[np.float32]:
    """(v, n) the inner products of `vectors` (v, d; None: v is 0) with the chunks `ids` (n,), whose vectors `read`
    gives, a row of nan for one that has none.

    Each depends on these two vectors alone. BLAS rounds one otherwise by where it stands among the others, so that
    chance would put equal passages in order, and in another one in each store.
    """
    if vectors is None or not len(vectors):
        return np.empty((0, len(ids)), np.float32)
    held = read(ids)
    if not held.shape[1]:  # nothing has a vector, and nobody knows how long they are
        return np.full((len(vectors), len(ids)), np.nan, np.float32)
    return np.stack([np.einsum("nd,d->n", held, vector) for vector in vectors])
