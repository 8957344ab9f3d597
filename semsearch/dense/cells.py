"""An inverted file (IVF; Sivic and Zisserman 2003): vectors in cells around centroids, of which a query scans some.

The codes of a segment are stored in the order of their cells, so that a cell is a range of rows. To scan some cells is
to scan all rows with a bitmap of those ranges; filters and deletions are bitmaps over the same rows.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from semsearch.dense.codec import check_finite
from semsearch.embedding.embedder import Vectors
from semsearch.errors import IndexDamagedError

# In smaller segments a scan of all codes takes less time than choosing the cells.
FEWEST_ROWS = 10_000
_TRAINING_PER_CELL = 64
_ITERATIONS = 8
# One cell in 8 is scanned: at 250,000 x 384 that keeps 0.99 of the ten nearest (`benchmarks/vector_formats.py`).
PROBED_SHARE = 8
FILES = {"centroids": "<f4", "offsets": "<i8", "order": "<i4"}


@dataclass(frozen=True)
class Cells:
    """The cells of one segment.

    `centroids` (cells, dim) float32, unit length; `offsets` (cells + 1,) int64: cell c is rows
    offsets[c]:offsets[c + 1] of the codes; `order` (rows,) int32: for each row of the codes its row in id order.
    """

    centroids: Vectors
    offsets: NDArray[np.int64]
    order: NDArray[np.int32]

    @staticmethod
    def train(vectors: Vectors) -> "Cells":
        """Groups `vectors` (n, dim) float32 into 2 sqrt(n) cells by spherical k-means.

        Raises `IndexDamagedError` (see `check_finite`).
        """
        import faiss

        check_finite(vectors)
        rows, dim = vectors.shape
        count = max(1, int(2 * rows**0.5))
        kmeans = faiss.Kmeans(
            dim, count, niter=_ITERATIONS, spherical=True, seed=1, max_points_per_centroid=_TRAINING_PER_CELL,
            min_points_per_centroid=1,
        )  # fmt: skip
        kmeans.train(vectors)
        nearest = kmeans.index.search(vectors, 1)[1][:, 0]
        order = np.argsort(nearest, kind="stable")
        offsets = np.searchsorted(nearest[order], np.arange(count + 1))
        return Cells(np.array(kmeans.centroids, np.float32), offsets.astype(np.int64), order.astype(np.int32))

    @staticmethod
    def from_arrays(arrays: Mapping[str, np.ndarray], rows: int, dim: int, folder: str) -> "Cells":
        """The cells of `rows` vectors of `dim` dimensions from the arrays that `FILES` names.

        Raises `IndexDamagedError`, naming the segment's `folder`, when the arrays do not fit each other or the vectors.
        """
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

    def rows_to_scan(self, query: Vectors, allowed: NDArray[np.bool_] | None) -> NDArray[np.bool_]:
        """(rows,) bool in cell order: the allowed rows of the cells nearest to `query` (dim,).

        `allowed` (rows,) bool is in id order; None allows all. Where it allows less than one row in `PROBED_SHARE`, all
        allowed rows are scanned: the nearest cells might hold few of them.
        """
        allowed_in_cell_order = None
        if allowed is not None:
            allowed_in_cell_order = allowed[self.order]
            if int(allowed.sum()) * PROBED_SHARE <= len(self.order):
                return allowed_in_cell_order
        in_probed_cells = np.zeros(len(self.order), np.bool_)
        count = len(self.centroids)
        probed = -(-count // PROBED_SHARE)
        scores = self.centroids @ query
        for cell in np.argpartition(-scores, min(probed, count - 1))[:probed].tolist():
            in_probed_cells[self.offsets[cell] : self.offsets[cell + 1]] = True
        return in_probed_cells if allowed_in_cell_order is None else in_probed_cells & allowed_in_cell_order

    def in_id_order(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """The row in id order, (n,) int64, of each of `rows` (n,), which are in cell order."""
        return self.order[rows].astype(np.int64)
