"""What every runtime offers: `Embedder`, which turns texts into unit vectors."""

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from semsearch.chunking.tokenizers import SubwordTokenizer
from semsearch.embedding.model_info import ModelInfo
from semsearch.errors import ModelError, for_shell

# One vector (dim,) or many (n, dim), float32.
Vectors = NDArray[np.float32]


class NoVectorError(ModelError):
    """A model has answered with what is no vector, which may be the fault of one of the texts."""

    code = "provider_answer"


class Embedder(Protocol):
    """Turns texts into unit vectors; the vector of a text never depends on the other texts of its batch."""

    @property
    def info(self) -> ModelInfo: ...

    @property
    def tokenizer(self) -> SubwordTokenizer: ...

    def encode(self, texts: Sequence[str], done: Callable[[int], None] | None = None) -> Vectors:
        """(n, dim) float32 unit rows of passages, zeros for one that the model can make no vector of; `done(n)` is
        called for every n finished texts."""
        ...

    def encode_query(self, text: str) -> Vectors:
        """(dim,) float32, unit length."""
        ...


def unit_rows(vectors: np.ndarray) -> Vectors:
    """`vectors` (n, dim) or (dim,) scaled to length 1, as float32; a row that has no direction, as it is zero or holds
    what is no number or is too large for one, is zero."""
    with np.errstate(over="ignore", invalid="ignore"):
        vectors = np.asarray(vectors, np.float32)
        norms = np.linalg.norm(vectors, axis=-1, keepdims=True)
    whole = (norms > 0) & np.isfinite(norms)
    scaled: Vectors = np.divide(vectors, norms, out=np.zeros_like(vectors), where=whole)
    return scaled


def of_length(vectors: np.ndarray, info: ModelInfo) -> np.ndarray:
    """`vectors` (..., dim), which the model `info` made. Raises `ModelError` for vectors of another length."""
    if vectors.shape[-1] != info.dim:
        raise ModelError(
            f"the model {info.name} makes vectors of {vectors.shape[-1]} numbers, not {info.dim}",
            f"look with: semsearch models verify {for_shell(info.name)}",
        )
    return vectors
