"""What every runtime offers (`Embedder`) and what an index records about the model that made it (`ModelInfo`)."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from semsearch.chunking.tokenizers import SubwordTokenizer

Vectors = NDArray[np.float32]
_MOST_NUMBERS = 65_536


@dataclass(frozen=True)
class Calibration:
    """What a model was measured to do on the same small texts in eight languages (`embedding.calibration`).

    `background`: mean cosine of unrelated sentences. `related`: that of a question and its answer, in the language the
    model knows best. `fertility`: for each script in which the model tells sentences
    apart, the most subword tokens per word of such a language; a script it is blind to is missing.
    """

    background: float
    fertility: dict[str, float]
    related: float = 1.0


@dataclass(frozen=True)
class ModelInfo:
    """Identity and shape of a prepared model. Two indexes can share vectors exactly when these are equal.

    `fingerprint`: 64 hex digits over weights, configuration, tokenizer and prefixes; over the name of a model behind an
    API, of which no more is known. `runtime`: `onnx-int8`, `onnx-fp32`, `torch-fp32`, `static`, or that of a provider,
    such as `api-openai`. `window`: most tokens of a text, special tokens included.
    """

    name: str
    fingerprint: str
    runtime: str
    dim: int
    window: int
    pooling: str
    query_prefix: str
    passage_prefix: str
    calibration: Calibration

    @property
    def is_api(self) -> bool:
        return self.runtime.startswith("api-")

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_dict(record: dict[str, Any]) -> "ModelInfo":
        """Raises `ValueError` and its like for what is no record: an index may come from anywhere."""
        info = ModelInfo(**{**record, "calibration": Calibration(**record["calibration"])})
        if not (isinstance(info.dim, int) and 0 < info.dim <= _MOST_NUMBERS):
            raise ValueError(f"vectors of {info.dim} numbers")
        return info

    def same_vectors(self, other: "ModelInfo") -> bool:
        """Whether vectors of both may stand in one index."""
        ignored = {"name", "calibration"}
        ours, theirs = self.as_dict(), other.as_dict()
        return all(ours[key] == theirs[key] for key in ours if key not in ignored)


class Embedder(Protocol):
    """Turns texts into unit vectors. A vector depends on its own text alone, not on its neighbours in a batch."""

    @property
    def info(self) -> ModelInfo: ...

    @property
    def tokenizer(self) -> SubwordTokenizer: ...

    def encode(self, texts: Sequence[str], done: Callable[[int], None] | None = None) -> Vectors:
        """(n, dim) float32 unit rows of passages; `done(count)` is told of each finished part."""
        ...

    def encode_query(self, text: str) -> Vectors:
        """(dim,) float32, unit length."""
        ...


def unit_rows(vectors: np.ndarray) -> Vectors:
    """`vectors` (n, d) scaled to length 1; a zero row stays zero."""
    vectors = np.asarray(vectors, np.float32)
    norms = np.linalg.norm(vectors, axis=-1, keepdims=True)
    scaled: Vectors = np.divide(vectors, norms, out=np.zeros_like(vectors), where=norms > 0)
    return scaled
