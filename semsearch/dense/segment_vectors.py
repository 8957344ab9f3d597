"""The vectors of one segment and the search over several segments.

A segment may hold codes beside its stored vectors. A search then has two stages: the codes give more candidates than
results are asked for, and the stored vectors decide between these. Without codes the stored vectors are scanned.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from semsearch.dense.cells import Cells
from semsearch.dense.coded_vectors import CodedVectors
from semsearch.dense.vector_format import VectorFormat
from semsearch.embedding.embedder import Vectors

# (rows (n,) int64, scores (n,) float32) of one segment.
RowScores = tuple[NDArray[np.int64], NDArray[np.float32]]

# Kind -> (candidates for each result, at least so many): 0.9 of the nearest are found where vectors are much alike,
# 0.99 to 1 in real texts (`benchmarks/vector_formats.py`).
_CANDIDATES = {"int8": (4, 40), "int4": (4, 80), "rabitq": (10, 300), "pq": (10, 500), "binary": (10, 1000)}
# The same for codes of truncated vectors, whatever their kind.
_TRUNCATED = (4, 100)
# Kind -> one candidate at least for so many vectors of a segment: with one bit a dimension, large segments need more
# candidates. 0.9915 of the ten nearest of 1,000,000; 0.9885 without (`benchmarks/large_index.py`).
_ONE_CANDIDATE_IN = {"binary": 250}


class SegmentVectors:
    """`store` and `codes` hold the same vectors; `codes` in the order of `cells` where there are cells."""

    def __init__(
        self,
        vector_format: VectorFormat,
        store: CodedVectors,
        codes: CodedVectors | None = None,
        cells: Cells | None = None,
    ) -> None:
        self._format = vector_format
        self.store = store
        self._codes = codes
        self._cells = cells

    def __len__(self) -> int:
        return len(self.store)

    def candidates(self, query: Vectors, k: int, allowed: NDArray[np.bool_] | None) -> RowScores:
        """The `candidate_count(k)` best rows by the codes, with estimated scores. For segments with codes only.

        `query` (store_dim,) float32; `allowed` (n,) bool: the rows that may be returned, None: all.
        """
        assert self._codes is not None
        coded_query = self._format.coded(query[None])[0]
        scanned = allowed if self._cells is None else self._cells.rows_to_scan(coded_query, allowed)
        rows, scores = self._codes.search(coded_query, self.candidate_count(k), scanned)
        return (rows if self._cells is None else self._cells.in_id_order(rows)), scores

    def candidate_count(self, k: int) -> int:
        """How many candidates, of all segments together, are compared by their vectors for `k` results.

        0: there are no codes, the stored vectors are scanned.
        """
        if self._codes is None:
            return 0
        codec = self._codes.codec
        per_result, least = _CANDIDATES.get(codec.kind, _TRUNCATED)
        if codec.dim < self.store.codec.dim:
            per_result, least = max(per_result, _TRUNCATED[0]), max(least, _TRUNCATED[1])
        return max(per_result * k, least)

    def min_candidates(self) -> int:
        """How many candidates this segment adds at least, whatever the number of results."""
        return 0 if self._codes is None else len(self) // _ONE_CANDIDATE_IN.get(self._codes.codec.kind, len(self) + 1)

    def scan(self, query: Vectors, k: int, allowed: NDArray[np.bool_] | None) -> RowScores:
        """The `k` best rows by the stored vectors, with cosines; parameters as in `candidates`."""
        return self.store.search(query, k, allowed)

    def vectors(self, rows: NDArray[np.int64]) -> Vectors:
        """(n, store_dim) float32: the stored vectors of `rows` (n,)."""
        return self.store.vectors(rows)


def search(
    segments: Sequence[SegmentVectors], query: Vectors, k: int, allowed: Sequence[NDArray[np.bool_] | None]
) -> list[RowScores]:
    """For each segment the rows that may be among the `k` best of all segments, with cosines, in no order.

    `query` (store_dim,) float32 of unit length; `allowed`: for each segment the rows that may be returned, (n,) bool,
    None: all.
    """
    counts = [segment.candidate_count(k) for segment in segments]
    first_stage = [
        segment.candidates(query, k, allowed_rows) if count else segment.scan(query, k, allowed_rows)
        for segment, count, allowed_rows in zip(segments, counts, allowed, strict=True)
    ]
    # The codes of all segments are of one kind, so their estimates can be compared: only the best of all segments go
    # on to the second stage.
    estimates = [scores for (_, scores), count in zip(first_stage, counts, strict=True) if count]
    if estimates:
        all_estimates = np.concatenate(estimates)
        kept = min(max(sum(segment.min_candidates() for segment in segments), *counts), len(all_estimates))
        threshold = np.partition(all_estimates, len(all_estimates) - kept)[-kept] if kept else np.float32(0)
    results = []
    for segment, (rows, scores), count in zip(segments, first_stage, counts, strict=True):
        if count:
            rows = rows[scores >= threshold]
            scores = segment.vectors(rows) @ query
        results.append((rows, scores))
    return results
