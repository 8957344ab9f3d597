"""Shorter vectors: the first numbers of a Matryoshka model's, or the principal directions of any other's."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from semsearch.embedding.embedder import Vectors, unit_rows

# Models trained so that the first numbers of a vector are a vector (Kusupati et al. 2022, "Matryoshka Representation
# Learning"); the last part of their names. Static models are ordered by principal components when they are distilled.
_MATRYOSHKA = (
    "nomic-embed-text-v1.5",
    "mxbai-embed-large-v1",
    "mxbai-embed-2d-large-v1",
    "jina-embeddings-v3",
    "snowflake-arctic-embed-m-v1.5",
    "snowflake-arctic-embed-l-v2.0",
    "snowflake-arctic-embed-m-v2.0",
    "embeddinggemma-300m",
    "static-retrieval-mrl-en-v1",
    "static-similarity-mrl-multilingual-v1",
    "text-embedding-3-small",
    "text-embedding-3-large",
)


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


def is_matryoshka(model_name: str) -> bool:
    """Whether the model was trained, or is made, so that its vectors may be cut."""
    name = model_name.rstrip("/").rpartition("/")[2].lower()
    return name in _MATRYOSHKA or name == "static"


def principal(vectors: Vectors, dim: int) -> Projection:
    """The `dim` directions that keep most of the inner products of `vectors` (n, full): their second moment's first
    eigenvectors, for what counts is the product itself, not the distance from a mean."""
    moment = np.asarray(vectors.T @ vectors, np.float64)
    directions = np.linalg.eigh(moment)[1][:, ::-1][:, :dim].T
    return Projection(dim, np.ascontiguousarray(directions, np.float32))
