"""Shorter vectors: the first numbers of a Matryoshka model's, or the principal directions of any other's."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from semsearch.embedding.embedder import Vectors, unit_rows


@dataclass(frozen=True)
class Projection:
    """`dim` numbers of longer vectors: the first ones (`directions` None), or those along `directions` (dim, full)."""

    dim: int
    directions: NDArray[np.float32] | None = None

    def __call__(self, vectors: Vectors) -> Vectors:
        """(n, dim) float32 unit rows of `vectors` (n, full)."""
        if self.directions is None:
            return unit_rows(vectors[:, : self.dim])
        return unit_rows(vectors @ self.directions.T)


def principal(vectors: Vectors, dim: int) -> Projection:
    """The `dim` directions that keep most of the inner products of `vectors` (n, full): their second moment's first
    eigenvectors, for what counts is the product itself, not the distance from a mean."""
    moment = np.asarray(vectors.T @ vectors, np.float64)
    directions = np.linalg.eigh(moment)[1][:, ::-1][:, :dim].T
    return Projection(dim, np.ascontiguousarray(directions, np.float32))
