"""Truncates the vectors of a Matryoshka model to their first numbers, which are vectors themselves.

Kusupati et al. 2022, "Matryoshka Representation Learning".
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from semsearch.embedding.calibration import calibrate
from semsearch.embedding.embedder import Embedder, Vectors, unit_rows
from semsearch.embedding.model_info import Calibration


class TruncatedEmbedder:
    """`model` with vectors of `dim` numbers. `calibration` None: measured anew, for truncating changes the cosines."""

    def __init__(self, model: Embedder, dim: int, calibration: Calibration | None = None) -> None:
        self.info = replace(model.info, dim=dim)
        self.tokenizer = model.tokenizer
        self._model = model
        if calibration is None:
            calibration = calibrate(
                lambda texts: np.stack([self.encode_query(text) for text in texts]), self.encode, self.tokenizer.tokens
            )
        self.info = replace(self.info, calibration=calibration)

    def encode(self, texts: Sequence[str], done: Callable[[int], None] | None = None) -> Vectors:
        """(n, dim) float32 unit rows of passages."""
        return unit_rows(self._model.encode(texts, done)[:, : self.info.dim])

    def encode_query(self, text: str) -> Vectors:
        """(dim,) float32, unit length."""
        return unit_rows(self._model.encode_query(text)[: self.info.dim])
