"""A learnt linear map of query vectors that moves a query closer to its answers: q' = normalise(q + q W).

`semsearch tune` learns W from questions with known answers. Only queries are mapped, so that passages need not be
encoded again.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semsearch.embedding.embedder import Vectors, unit_rows
from semsearch.errors import IndexDamagedError

_HINT = "drop it with: semsearch tune --drop"


@dataclass(frozen=True)
class Adapter:
    """`matrix`: W, (dim, dim) float32."""

    matrix: NDArray[np.float32]

    def __call__(self, vectors: Vectors) -> Vectors:
        """The adapted query `vectors`, (n, dim) or (dim,) float32, each scaled to unit length."""
        return unit_rows(vectors + vectors @ self.matrix)

    def as_record(self) -> dict[str, Any]:
        """The JSON record of the catalog: `dim`, and `matrix` as base64 of little-endian float16, row by row."""
        data = np.ascontiguousarray(self.matrix, "<f2").tobytes()
        return {"dim": int(self.matrix.shape[0]), "matrix": base64.b64encode(data).decode()}

    @staticmethod
    def from_record(record: Mapping[str, Any], dim: int) -> "Adapter":
        """The adapter that `as_record` wrote, for vectors of `dim` dimensions.

        Raises `IndexDamagedError` when the record is malformed, has another size or holds NaN or infinity.
        """
        try:
            matrix = np.frombuffer(base64.b64decode(record["matrix"], validate=True), "<f2").reshape(dim, dim)
        except (ValueError, TypeError, KeyError) as error:
            raise IndexDamagedError(f"the catalog's adapter of queries is damaged: {error}", _HINT) from None
        if not np.isfinite(matrix).all():
            raise IndexDamagedError("the catalog's adapter of queries holds what is no number", _HINT)
        return Adapter(matrix.astype(np.float32))
