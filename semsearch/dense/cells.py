"""Cells of near vectors (an inverted file, Sivic and Zisserman 2003): a query looks into the nearest cells only.

The codes of a segment stand in the order of their cells, so that a cell is a range of rows; looking into some cells is
a scan under a bitmap of those ranges, and filters and deletions are other bitmaps over the same rows.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from semsearch.embedding.embedder import Vectors
from semsearch.errors import IndexDamagedError

# Below this a scan of all codes takes less time than choosing cells.
FEWEST_ROWS = 10_000
_TRAINING_PER_CELL = 64
_ITERATIONS = 8
# Cells looked into: at 250,000 x 384 one in 8 keeps 0.99 of the ten nearest (`benchmarks/vector_forms.py`).
PROBED_SHARE = 8
FILES = {"centroids": "<f4", "offsets": "<i8", "order": "<i4"}


@dataclass(frozen=True)
class Cells:
    """`centroids` (cells, dim) float32; `offsets` (cells + 1,) int64: the rows of cell c are offsets[c]:offsets[c+1];
    `order` (rows,) int32: the place in id order of each row in cell order."""

    centroids: Vectors
    offsets: NDArray[np.int64]
    order: NDArray[np.int32]

    @staticmethod
    def train(vectors: Vectors) -> "Cells":
        """Groups `vectors` (n, dim) into 2 sqrt(n) cells around spherical k-means centroids."""
        import faiss

        rows, dim = vectors.shape
        count = max(1, int(2 * rows**0.5))
        means = faiss.Kmeans(
            dim, count, niter=_ITERATIONS, spherical=True, seed=1, max_points_per_centroid=_TRAINING_PER_CELL,
            min_points_per_centroid=1,
        )  # fmt: skip
        means.train(vectors)
        nearest = means.index.search(vectors, 1)[1][:, 0]
        order = np.argsort(nearest, kind="stable")
        offsets = np.searchsorted(nearest[order], np.arange(count + 1))
        return Cells(np.array(means.centroids, np.float32), offsets.astype(np.int64), order.astype(np.int32))

    @staticmethod
    def from_arrays(arrays: Mapping[str, np.ndarray], rows: int, dim: int, folder: str) -> "Cells":
        """What `FILES` hold. Raises `IndexDamagedError` when it does not fit."""
        offsets, order = arrays["offsets"], arrays["order"]
        cells = len(offsets) - 1
        if (
            cells < 1
            or arrays["centroids"].size != cells * dim
            or len(order) != rows
            or offsets[0] != 0
            or offsets[-1] != rows
            or (np.diff(offsets) < 0).any()
            or not 0 <= order.min() <= order.max() < rows
        ):
            raise IndexDamagedError(f"{folder} is damaged: its cells do not fit its vectors")
        return Cells(arrays["centroids"].reshape(cells, dim), offsets, order)

    def near(self, query: Vectors, allowed: NDArray[np.bool_] | None) -> NDArray[np.bool_]:
        """(rows,) bool in cell order: what to look at for `query` (dim,). `allowed` is in id order.

        Where a filter lets in less than one row in `PROBED_SHARE`, all of its rows are looked at.
        """
        inside = np.zeros(len(self.order), np.bool_)
        count = len(self.centroids)
        probed = -(-count // PROBED_SHARE)
        if allowed is not None:
            let_in = allowed[self.order]
            if int(allowed.sum()) * PROBED_SHARE <= len(self.order):
                return let_in
        scores = self.centroids @ query
        for cell in np.argpartition(-scores, min(probed, count - 1))[:probed].tolist():
            inside[self.offsets[cell] : self.offsets[cell + 1]] = True
        return inside if allowed is None else inside & let_in

    def places(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """The places in id order of `rows` in cell order."""
        return self.order[rows].astype(np.int64)
