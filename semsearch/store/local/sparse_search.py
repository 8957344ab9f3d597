"""Searches the sparse leg of one committed state of an index folder."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from semsearch.lexical import impacts
from semsearch.lexical.bm25 import is_among, locate
from semsearch.lexical.postings import Postings
from semsearch.lexical.sparse_vector import SparseVector
from semsearch.store.allowed import allowed_by
from semsearch.store.local.catalog import Catalog
from semsearch.store.local.segment_folder import check_small
from semsearch.store.local.sparse_segments import SparseSegments, open_segment
from semsearch.store.protocol import Selection
from semsearch.store.ranking import best_rows, ranking
from semsearch.store.records import Ranking


class SparseSearch:
    """`protocol.SparseLeg` over the segments that `catalog` names, whose weights are kept in steps of `step`.

    `alive`: (n,) int64, rising, the chunks that there are.
    """

    def __init__(self, catalog: Catalog, step: float, alive: Callable[[], NDArray[np.int64]]) -> None:
        self._catalog = catalog
        self._step = step
        self._alive_ids = alive
        self._parts: list[tuple[Postings, NDArray[np.bool_]]] | None = None
        # Of the query that was asked about last, the score of each row of each segment.
        self._query: SparseVector | None = None
        self._scores: list[NDArray[np.float32]] = []

    def rank(self, query: SparseVector, k: int, selection: Selection | None) -> Ranking:
        allowed = allowed_by(selection)
        best: list[tuple[float, int]] = []
        for (part, alive), scores in zip(self._segments(), self._segment_scores(query), strict=True):
            let_in = allowed.rows(part.ids, alive)
            rows = np.flatnonzero(scores > 0 if let_in is None else (scores > 0) & let_in)
            rows = best_rows(rows, scores[rows], k)
            best += zip((-scores[rows]).tolist(), part.ids[rows].tolist(), strict=True)
        return ranking(best, k)

    def scores(self, ids: NDArray[np.int64], query: SparseVector) -> NDArray[np.float32]:
        return self._of_chunks(ids, self._segment_scores(query))

    def held(self, ids: NDArray[np.int64], query: SparseVector) -> NDArray[np.float32]:
        return self._of_chunks(ids, [impacts.held_weights(part, query) for part, _ in self._segments()])

    def _of_chunks(self, ids: NDArray[np.int64], values: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """(n,) those of `values`, of each row of each segment, that are of the chunks `ids` (n,); 0 for others."""
        result = np.zeros(len(ids), np.float32)
        for (part, _), of_segment in zip(self._segments(), values, strict=True):
            positions, rows = locate(ids, part.ids)
            result[positions] = of_segment[rows]
        return result

    def _segment_scores(self, query: SparseVector) -> list[NDArray[np.float32]]:
        if self._query is not query:
            self._scores = [impacts.scores(part, query, self._step) for part, _ in self._segments()]
            self._query = query
        return self._scores

    def _segments(self) -> list[tuple[Postings, NDArray[np.bool_]]]:
        if self._parts is None:
            alive = self._alive_ids()
            segments = SparseSegments.of(self._catalog).segments
            check_small(self._catalog.folder, {one.name: one.files for one in segments})
            opened = [open_segment(self._catalog.folder, one) for one in segments]
            self._parts = [(part, is_among(part.ids, alive)) for part in opened]
        return self._parts
