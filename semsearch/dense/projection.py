"""Shorter vectors: the first dimensions of a Matryoshka model, or the principal directions of any other model."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from semsearch.embedding.embedder import Vectors, unit_rows


@dataclass(frozen=True)
class Projection:
    """Maps vectors of `full` dimensions to `dim` dimensions.

    `directions` (dim, full) float32: the rows to project on; None: the first `dim` dimensions are kept.
    """

    dim: int
    directions: NDArray[np.float32] | None = None

    def __call__(self, vectors: Vectors) -> Vectors:
        """The projections of `vectors` (n, full), scaled to unit length: (n, dim) float32."""
        if self.directions is None:
            return unit_rows(vectors[:, : self.dim])
        return unit_rows(vectors @ self.directions.T)


def principal(vectors: Vectors, dim: int) -> Projection:
    """The projection on `dim` directions that keeps the inner products of `vectors` (n, full) best.

    These are the first eigenvectors of the second moment. The mean is not subtracted, as PCA does: vectors are
    compared by their inner product, not by their distance from the mean.
    """
    moment = np.asarray(vectors.T @ vectors, np.float64)
    directions = np.linalg.eigh(moment)[1][:, ::-1][:, :dim].T
    return Projection(dim, np.ascontiguousarray(directions, np.float32))
