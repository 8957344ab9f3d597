"""Vectors as pgvector's `halfvec` sends and takes them in binary (`halfvec_send`): how many
numbers (int16), 0 (int16), the numbers as float16, each with the most significant byte first."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from semsearch.embedding.embedder import Vectors
from semsearch.errors import IndexDamagedError

_HEAD = 4


def rows_to_copy(keys: NDArray[np.int64], vectors: Vectors) -> bytes:
    """Rows (key bigint, vector) of `COPY ... (FORMAT BINARY)` for `keys` (n,) and `vectors` (n, d)."""
    dim = vectors.shape[1]
    row = np.dtype([
        ("fields", ">i2"), ("key_size", ">i4"), ("key", ">i8"), ("size", ">i4"), ("dim", ">i2"), ("unused", ">i2"),
        ("numbers", ">f2", (dim,)),
    ])  # fmt: skip
    rows = np.zeros(len(keys), row)
    rows["fields"], rows["key_size"], rows["key"] = 2, 8, keys
    rows["size"], rows["dim"], rows["numbers"] = _HEAD + 2 * dim, dim, vectors
    return rows.tobytes()


def vectors_of(values: Sequence[bytes], dim: int) -> Vectors:
    """(n, dim) float32 of the `values` of n rows. Raises `IndexDamagedError` for vectors of another length."""
    if any(len(value) != _HEAD + 2 * dim for value in values):
        raise IndexDamagedError(f"the database holds a vector that has not {dim} numbers")
    numbers = np.frombuffer(b"".join(value[_HEAD:] for value in values), ">f2").astype(np.float32)
    return numbers.reshape(len(values), dim)


def literal(vector: Vectors) -> str:
    """`vector` (d,) as text that `halfvec` reads."""
    return "[" + ",".join(f"{number:.7g}" for number in vector.tolist()) + "]"
