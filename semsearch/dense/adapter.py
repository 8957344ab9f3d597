"""A linear map of query vectors that brings queries nearer to what answers them: q' = unit(q + qW).

Learnt by `tuning`; passages are not encoded again.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semsearch.embedding.embedder import Vectors, unit_rows
from semsearch.errors import IndexDamagedError

_DROP = "drop it with: semsearch tune --drop"


@dataclass(frozen=True)
class Adapter:
    """`matrix` is W, (dim, dim) float32."""

    matrix: NDArray[np.float32]

    def __call__(self, vectors: Vectors) -> Vectors:
        """Unit rows of adapted query `vectors`, (n, dim) or (dim,)."""
        return unit_rows(vectors + vectors @ self.matrix)

    def as_record(self) -> dict[str, Any]:
        data = np.ascontiguousarray(self.matrix, "<f2").tobytes()
        return {"dim": int(self.matrix.shape[0]), "matrix": base64.b64encode(data).decode()}

    @staticmethod
    def from_record(record: Mapping[str, Any], dim: int) -> "Adapter":
        """Raises `IndexDamagedError` for what is no adapter of vectors of `dim` numbers."""
        try:
            matrix = np.frombuffer(base64.b64decode(record["matrix"], validate=True), "<f2").reshape(dim, dim)
        except (ValueError, TypeError, KeyError) as error:
            raise IndexDamagedError(f"the catalog's adapter of queries is damaged: {error}", _DROP) from None
        if not np.isfinite(matrix).all():
            raise IndexDamagedError("the catalog's adapter of queries holds what is no number", _DROP)
        return Adapter(matrix.astype(np.float32))
