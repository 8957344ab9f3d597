"""The vectors of one segment: stored ones, and codes beside them that are scanned first.

With codes a search has two stages: more candidates than asked for by the codes, then the best of them by the stored
vectors. Without, the stored vectors are scanned.
"""

import numpy as np
from numpy.typing import NDArray

from semsearch.dense.cells import Cells
from semsearch.dense.codec import CodedVectors
from semsearch.dense.form import VectorForm
from semsearch.embedding.embedder import Vectors

# Kind -> (candidates for each result, fewest): so that nine in ten nearest are found where vectors are alike, and 0.99
# to 1 in real texts (`tests/peers/vector_forms.py`).
_CANDIDATES = {"int8": (4, 40), "int4": (4, 80), "rabitq": (10, 300), "pq": (10, 500), "binary": (10, 1000)}
# Shortened float vectors, too, are only a first look.
_SHORTENED = (4, 100)


class SegmentVectors:
    """`store` and `codes` hold the same vectors, the latter in the order of `cells` where there are any."""

    def __init__(
        self, form: VectorForm, store: CodedVectors, codes: CodedVectors | None = None, cells: Cells | None = None
    ) -> None:
        self._form = form
        self._store = store
        self._codes = codes
        self._cells = cells

    def search(
        self, query: Vectors, k: int, allowed: NDArray[np.bool_] | None
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """(rows, cosines) of the k best of the rows that `allowed` ((n,) bool, None: all) lets in, best first.

        `query` (store_dim,), unit length.
        """
        if self._codes is None:
            return self._store.search(query, k, allowed)
        codec = self._codes.codec
        each, fewest = _CANDIDATES.get(codec.kind, _SHORTENED)
        if codec.dim < self._store.codec.dim:
            each, fewest = max(each, _SHORTENED[0]), max(fewest, _SHORTENED[1])
        short = self._form.coded(query[None])[0]
        looked_at = allowed if self._cells is None else self._cells.near(short, allowed)
        rows = self._codes.search(short, max(each * k, fewest), looked_at)[0]
        if self._cells is not None:
            rows = self._cells.places(rows)
        cosines = self._store.vectors(rows) @ query
        # Ties by row, as a scan has them.
        best = np.lexsort((rows, -cosines))[:k]
        return rows[best], cosines[best]

    def vectors(self, rows: NDArray[np.int64]) -> Vectors:
        """(n, store_dim) float32 vectors of `rows`."""
        return self._store.vectors(rows)
