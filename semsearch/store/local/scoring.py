"""The dense leg of a search over the segments of one committed state: cosines."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from semsearch.dense.segment_vectors import search
from semsearch.embedding.embedder import Vectors
from semsearch.lexical.bm25 import locate
from semsearch.store.allowed import Allowed
from semsearch.store.local.dense_segment import DenseSegment
from semsearch.store.ranking import ranking
from semsearch.store.records import Ranking

Alive = NDArray[np.bool_] | None


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
    return ranking(best, k)


def vectors_of(segments: Sequence[DenseSegment], ids: NDArray[np.int64], dim: int) -> Vectors:
    """(n, dim) the stored vectors of the chunks `ids` (n,); a row of nan where none has it."""
    vectors = np.full((len(ids), dim), np.nan, np.float32)
    for part in segments:
        wanted, rows = locate(ids, part.ids)
        if len(rows):
            vectors[wanted] = part.vectors.vectors(rows)
    return vectors
