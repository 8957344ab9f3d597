"""The two legs of a search over the segments of one committed state: BM25 and cosines."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from semsearch.dense.segment_vectors import search
from semsearch.embedding.embedder import Vectors
from semsearch.lexical.bm25 import QueryScorer, locate
from semsearch.lexical.postings import Postings
from semsearch.store.local.allowed import Allowed
from semsearch.store.local.dense_segment import DenseSegment
from semsearch.store.records import Ranking

Alive = NDArray[np.bool_] | None


def lexical_ranking(segments: Sequence[Postings], scorer: QueryScorer, k: int, allowed: Allowed) -> Ranking:
    """The `k` best chunks of `segments` that are `allowed` that hold a word of the query."""
    best: list[tuple[float, int]] = []
    for part, scores in zip(segments, scorer.segment_scores(), strict=True):
        chosen = allowed.rows(part.ids, None)
        rows = np.flatnonzero(scores > 0 if chosen is None else (scores > 0) & chosen)
        if len(rows) > k:
            rows = rows[np.argpartition(-scores[rows], k)[:k]]
        best += zip((-scores[rows]).tolist(), part.ids[rows].tolist(), strict=True)
    return _ranking(best, k)


def dense_ranking(
    segments: Sequence[DenseSegment], alive: Sequence[Alive], vector: Vectors, k: int, allowed: Allowed
) -> Ranking:
    """The `k` `allowed` chunks of `segments` nearest to `vector` (d,); `alive`: of each the rows there are."""
    chosen_rows = [allowed.rows(part.ids, keep) for part, keep in zip(segments, alive, strict=True)]
    by_segment = search([part.vectors for part in segments], vector, k, chosen_rows)
    best: list[tuple[float, int]] = []
    for part, (rows, cosines) in zip(segments, by_segment, strict=True):
        if len(rows) > k:
            chosen = np.argpartition(-cosines, k)[:k]
            rows, cosines = rows[chosen], cosines[chosen]
        best += zip((-cosines).tolist(), part.ids[rows].tolist(), strict=True)
    return _ranking(best, k)


def vectors_of(segments: Sequence[DenseSegment], ids: NDArray[np.int64], dim: int) -> Vectors:
    """(n, dim) the stored vectors of the chunks `ids` (n,); a row of nan where none has it."""
    vectors = np.full((len(ids), dim), np.nan, np.float32)
    for part in segments:
        wanted, rows = locate(ids, part.ids)
        if len(rows):
            vectors[wanted] = part.vectors.vectors(rows)
    return vectors


def cosines_of(segments: Sequence[DenseSegment], ids: NDArray[np.int64], vectors: Vectors) -> NDArray[np.float32]:
    """(v, n) the inner products of `vectors` (v, d) with the chunks `ids` (n,); nan where a chunk has no vector."""
    cosines = np.full((len(vectors), len(ids)), np.nan, np.float32)
    for part in segments:
        wanted, rows = locate(ids, part.ids)
        held = part.vectors.vectors(rows)
        for number, vector in enumerate(vectors):
            # One vector at a time: a product with several of them is rounded otherwise.
            cosines[number, wanted] = held @ vector
    return cosines


def _ranking(best: list[tuple[float, int]], k: int) -> Ranking:
    """From (minus the score, chunk id): equal scores by rising id, however the index is cut into segments."""
    chosen = sorted(best)[:k]
    return Ranking(
        np.array([number for _, number in chosen], np.int64),
        np.array([-score for score, _ in chosen], np.float32),
    )
