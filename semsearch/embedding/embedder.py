"""What every runtime offers: `Embedder`, which turns texts into unit vectors."""

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from semsearch.chunking.tokenizers import SubwordTokenizer
from semsearch.embedding.model_info import ModelInfo

# One vector (dim,) or many (n, dim), float32.
Vectors = NDArray[np.float32]


class Embedder(Protocol):
    """Turns texts into unit vectors; the vector of a text never depends on the other texts of its batch."""

    @property
    def info(self) -> ModelInfo: ...

    @property
    def tokenizer(self) -> SubwordTokenizer: ...

    def encode(self, texts: Sequence[str], done: Callable[[int], None] | None = None) -> Vectors:
        """(n, dim) float32 unit rows of passages; `done(n)` is called for every n finished texts."""
        ...

    def encode_query(self, text: str) -> Vectors:
        """(dim,) float32, unit length."""
        ...


def unit_rows(vectors: np.ndarray) -> Vectors:
    """`vectors` (n, dim) or (dim,) scaled to length 1, as float32; a zero row stays zero."""
    vectors = np.asarray(vectors, np.float32)
    norms = np.linalg.norm(vectors, axis=-1, keepdims=True)
    scaled: Vectors = np.divide(vectors, norms, out=np.zeros_like(vectors), where=norms > 0)
    return scaled
