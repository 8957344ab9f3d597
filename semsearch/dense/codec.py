"""How vectors are compressed: seven kinds of codes, trained, encoded and decoded with FAISS.

Time of a query over all rows of 500,000 x 384 on one core (`benchmarks/vector_formats.py`): float32 26 ms, float16
12 ms, int8 11 ms, rabitq 4 ms, binary 1 ms, pq 0.6 ms.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semsearch.dense import product_quantizer as pq
from semsearch.dense.rotation import rotate, rotate_back
from semsearch.embedding.embedder import Vectors, unit_rows
from semsearch.errors import IndexDamagedError

# From the most exact to the coarsest.
KINDS = ("float32", "float16", "int8", "int4", "rabitq", "binary", "pq")
# Kinds whose vectors search as well as the model's own.
FLOAT_KINDS = ("float32", "float16")
Trained = dict[str, NDArray[np.float32]]
_BITS = {"float32": 32, "float16": 16, "int8": 8, "int4": 4, "rabitq": 1, "binary": 1}
_BLOCK_ROWS = 65536
# A codec that is trained on fewer vectors does not fit later vectors well.
FEW_TRAINING_VECTORS = 1000


def check_finite(vectors: Vectors) -> None:
    """Raises `IndexDamagedError` where `vectors` (n, dim), of which something is to be learnt, hold NaN or infinity.

    No model makes such vectors, and FAISS fails on them with an error of its own.
    """
    if not np.isfinite(vectors).all():
        raise IndexDamagedError(
            "vectors of the index hold what is no number", "make it anew: semsearch index --rebuild"
        )


@dataclass(frozen=True)
class Codec:
    """One kind of code for vectors of `dim` dimensions, with its trained parameters.

    `trained`, arrays of float32 by name. int8 and int4: `ranges` (2 dim,), the lowest value of each dimension, then the
    width of its range; rabitq and binary: `center` (dim,), the mean of the rotated vectors; pq: `centroids` (see
    `product_quantizer`); float32 and float16: nothing.
    """

    kind: str
    dim: int
    trained: Trained = field(default_factory=dict)

    @staticmethod
    def train(kind: str, vectors: Vectors) -> "Codec":
        """A codec trained on `vectors` (n, dim), n > 0.

        The caller sees to it that pq gets `product_quantizer.MIN_TRAINING_VECTORS` rows. Raises `IndexDamagedError`
        (see `check_finite`).
        """
        check_finite(vectors)
        dim = vectors.shape[1]
        if kind in ("int8", "int4"):
            low, high = vectors.min(0), vectors.max(0)
            if len(vectors) < FEW_TRAINING_VECTORS:
                # Later vectors would leave the ranges of these few. The root mean square of a unit vector's numbers is
                # 1 / sqrt(dim), and hardly any number is beyond four times that.
                low, high = np.minimum(low, -4 / np.sqrt(dim)), np.maximum(high, 4 / np.sqrt(dim))
            return Codec(kind, dim, {"ranges": np.concatenate([low, high - low]).astype(np.float32)})
        if kind in ("rabitq", "binary"):
            return Codec(kind, dim, {"center": rotate(vectors).mean(0, dtype=np.float64).astype(np.float32)})
        if kind == "pq":
            return Codec(kind, dim, {"centroids": pq.train_centroids(vectors)})
        return Codec(kind, dim)

    def check(self) -> None:
        """Raises `IndexDamagedError` when the trained parameters have a wrong size, or hold NaN or infinity.

        They may come from a damaged or hostile catalog, and FAISS would read past their end.
        """
        expected_sizes = {
            "int8": {"ranges": 2 * self.dim},
            "int4": {"ranges": 2 * self.dim},
            "rabitq": {"center": self.dim},
            "binary": {"center": self.dim},
            "pq": {"centroids": pq.subvectors(self.dim) * pq.CENTROIDS * pq.SUBVECTOR_DIM},
        }.get(self.kind, {})
        sizes = {name: array.size for name, array in self.trained.items()}
        finite = all(np.isfinite(array).all() for array in self.trained.values())
        if self.kind not in KINDS or sizes != expected_sizes or not finite:
            raise IndexDamagedError(f"the catalog's record of {self.kind} vectors does not fit them")

    @property
    def row_bytes(self) -> float:
        """Bytes of one vector in the file, with what the kind stores beside its code."""
        if self.kind == "pq":
            return pq.subvectors(self.dim) / 2 + 8
        return -(-self.dim * _BITS[self.kind] // 8) + (8 if self.kind == "rabitq" else 0)

    def serialize(self, vectors: Vectors) -> NDArray[np.uint8]:
        """The bytes of a FAISS index file of `vectors`, (n, dim) float32 unit rows."""
        return self.index_bytes(self.build(vectors))

    def build(self, vectors: Vectors) -> Any:
        """A FAISS index in memory of `vectors`, (n, dim) float32 unit rows."""
        index = self.empty_index()
        for start in range(0, len(vectors), _BLOCK_ROWS):
            block = np.ascontiguousarray(vectors[start : start + _BLOCK_ROWS])
            if self.kind == "float16":
                # FAISS rounds up what lies in the middle of two halves; numpy and a database take the even one.
                block = block.astype(np.float16).astype(np.float32)
            index.add(self.faiss_input(block))
        return index

    def index_bytes(self, index: Any) -> NDArray[np.uint8]:
        """The bytes of the file of `index`, a FAISS index of this kind."""
        import faiss

        data: NDArray[np.uint8] = (
            faiss.serialize_index_binary(index) if self.kind == "binary" else faiss.serialize_index(index)
        )
        return data

    def empty_index(self) -> Any:
        """A FAISS index of this kind, trained and without vectors. Raises `IndexDamagedError` (see `check`)."""
        import faiss

        self.check()
        if self.kind == "float32":
            return faiss.IndexFlatIP(self.dim)
        if self.kind == "binary":
            return faiss.IndexBinaryFlat(-(-self.dim // 8) * 8)
        if self.kind == "rabitq":
            index = faiss.IndexRaBitQ(self.dim, faiss.METRIC_INNER_PRODUCT)
            faiss.copy_array_to_vector(self.trained["center"], index.center)
        elif self.kind == "pq":
            index = pq.empty_index(self.dim, self.trained["centroids"])
        else:
            quantizer = {
                "float16": faiss.ScalarQuantizer.QT_fp16,
                "int8": faiss.ScalarQuantizer.QT_8bit,
                "int4": faiss.ScalarQuantizer.QT_4bit,
            }[self.kind]
            index = faiss.IndexScalarQuantizer(self.dim, quantizer, faiss.METRIC_INNER_PRODUCT)
            if self.trained:
                faiss.copy_array_to_vector(self.trained["ranges"], index.sq.trained)
        index.is_trained = True
        return index

    def faiss_input(self, vectors: Vectors) -> np.ndarray:
        """`vectors` (n, dim) float32, stored ones or queries, in the shape that the FAISS index of this kind takes.

        binary: (n, ceil(dim / 8)) uint8; pq: padded to whole sub-vectors; else (n, dim) float32.
        """
        if self.kind == "rabitq":
            return rotate(vectors)
        if self.kind == "binary":
            return np.packbits(rotate(vectors) > self.trained["center"], axis=1, bitorder="little")
        if self.kind == "pq":
            return pq.padded(vectors)
        return vectors

    def decode(self, index: Any, rows: NDArray[np.int64]) -> Vectors:
        """(n, dim) float32: the vectors of `rows` (n,) of the FAISS `index`, as exactly as the codes hold them."""
        if not len(rows):
            return np.empty((0, self.dim), np.float32)
        if self.kind == "binary":
            codes = np.stack([_binary_code(index, row) for row in rows.tolist()])
            signs = np.unpackbits(codes, axis=1, count=self.dim, bitorder="little").astype(np.float32) * 2 - 1
            # The numbers of a rotated unit vector are about normal with deviation 1 / sqrt(dim), whose mean absolute
            # deviation is sqrt(2 / pi / dim): what one sign stands for.
            spread = np.sqrt(2 / np.pi / self.dim, dtype=np.float32)
            return unit_rows(rotate_back(signs * spread + self.trained["center"]))
        if self.kind == "pq":
            return unit_rows(pq.decode_rows(index, rows)[:, : self.dim])
        decoded: Vectors = index.reconstruct_batch(np.ascontiguousarray(rows, np.int64))
        return unit_rows(rotate_back(decoded)) if self.kind == "rabitq" else decoded


def _binary_code(index: Any, row: int) -> NDArray[np.uint8]:
    """(ceil(dim / 8),) uint8: the bits of one row."""
    code: NDArray[np.uint8] = index.reconstruct(row)
    return code
