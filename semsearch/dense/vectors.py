"""The vectors of one segment: stored ones, and codes beside them that are scanned first.

With codes a search has two stages: more candidates than asked for by the codes, then the best of them by the stored
vectors. Without, the stored vectors are scanned.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from semsearch.dense.cells import Cells
from semsearch.dense.codec import CodedVectors
from semsearch.dense.vector_format import VectorFormat
from semsearch.embedding.embedder import Vectors

# Kind -> (candidates for each result, fewest): so that nine in ten nearest are found where vectors are alike, and 0.99
# to 1 in real texts (`benchmarks/vector_forms.py`).
_CANDIDATES = {"int8": (4, 40), "int4": (4, 80), "rabitq": (10, 300), "pq": (10, 500), "binary": (10, 1000)}
# Shortened float vectors, too, are only a first look.
_SHORTENED = (4, 100)
# Of so many vectors one is compared at least where one bit tells little: 0.9915 of the ten nearest of 1,000,000, for
# 0.9885 without (`benchmarks/large_index.py`).
_ONE_OF = {"binary": 250}


class SegmentVectors:
    """`store` and `codes` hold the same vectors, the latter in the order of `cells` where there are any."""

    def __init__(
        self, form: VectorFormat, store: CodedVectors, codes: CodedVectors | None = None, cells: Cells | None = None
    ) -> None:
        self._form = form
        self.store = store
        self._codes = codes
        self._cells = cells

    def __len__(self) -> int:
        return len(self.store)

    def candidates(
        self, query: Vectors, k: int, allowed: NDArray[np.bool_] | None
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """(rows, estimated scores) of what may be among the k best, by the codes."""
        assert self._codes is not None
        short = self._form.coded(query[None])[0]
        looked_at = allowed if self._cells is None else self._cells.near(short, allowed)
        rows, scores = self._codes.search(short, self.depth(k), looked_at)
        return (rows if self._cells is None else self._cells.places(rows)), scores

    def depth(self, k: int) -> int:
        """How many candidates of all segments together are compared for k results; 0: the vectors are scanned."""
        if self._codes is None:
            return 0
        codec = self._codes.codec
        each, fewest = _CANDIDATES.get(codec.kind, _SHORTENED)
        if codec.dim < self.store.codec.dim:
            each, fewest = max(each, _SHORTENED[0]), max(fewest, _SHORTENED[1])
        return max(each * k, fewest)

    def share(self) -> int:
        """How many candidates of this segment are compared whatever the number of results."""
        return 0 if self._codes is None else len(self) // _ONE_OF.get(self._codes.codec.kind, len(self) + 1)

    def scan(
        self, query: Vectors, k: int, allowed: NDArray[np.bool_] | None
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """(rows, cosines) of the k best by the stored vectors."""
        return self.store.search(query, k, allowed)

    def vectors(self, rows: NDArray[np.int64]) -> Vectors:
        """(n, store_dim) float32 vectors of `rows`."""
        return self.store.vectors(rows)


Found = tuple[NDArray[np.int64], NDArray[np.float32]]


def search(
    segments: Sequence[SegmentVectors], query: Vectors, k: int, allowed: Sequence[NDArray[np.bool_] | None]
) -> list[Found]:
    """For each segment (rows, cosines) of those that may be among the k best of all, with no order.

    `query` (store_dim,), unit length; `allowed`: for each segment the rows that may be found, (n,) bool, None: all.
    """
    depths = [segment.depth(k) for segment in segments]
    found = [
        segment.candidates(query, k, let_in) if depth else segment.scan(query, k, let_in)
        for segment, depth, let_in in zip(segments, depths, allowed, strict=True)
    ]
    # The same codes everywhere: what the estimates of all segments rank too low is not compared in any.
    estimates = [scores for (_, scores), depth in zip(found, depths, strict=True) if depth]
    if estimates:
        every = np.concatenate(estimates)
        depth = min(max(sum(segment.share() for segment in segments), *depths), len(every))
        least = np.partition(every, len(every) - depth)[len(every) - depth] if depth else np.float32(0)
    compared = []
    for segment, (rows, scores), deep in zip(segments, found, depths, strict=True):
        if deep:
            rows = rows[scores >= least]
            scores = segment.vectors(rows) @ query
        compared.append((rows, scores))
    return compared
