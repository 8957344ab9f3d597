"""How vectors are stored and scanned: one FAISS file of one kind, written, checked, mapped and searched.

Measured at 500,000 x 384 on one core (`benchmarks/vector_forms.py`), a query over all rows: float32 26 ms, float16
12 ms, int8 11 ms, rabitq 4 ms, binary 1 ms, pq 0.6 ms. Files are mapped, not read; the bitmap of the rows that a
search may return is applied inside the scan, so that a filter never empties the top k.
"""

import mmap
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semsearch.dense.rotation import rotate, rotate_back
from semsearch.embedding.embedder import Vectors, unit_rows
from semsearch.errors import IndexDamagedError

# From the finest to the coarsest.
KINDS = ("float32", "float16", "int8", "int4", "rabitq", "binary", "pq")
# Kinds whose vectors are as good as the model's.
FINE = ("float32", "float16")
Trained = dict[str, NDArray[np.float32]]
_BLOCK = 65536
# Numbers of a sub-vector of pq, each coded in 4 bits: a byte for 8 numbers, as ScaNN does (Guo et al. 2020, 4.1).
_PQ_PART = 4
_PQ_CENTROIDS = 16
# FAISS wants 39 training vectors for each centroid.
PQ_TRAINING = 39 * _PQ_CENTROIDS
# What is learnt from fewer vectors says little of others.
FEW = 1000
# Bits to which rabitq rounds the query (Gao and Long 2024, 3.3.1): 8 are as good as none and 200 x as fast.
_RABITQ_QUERY_BITS = 8
# Offset of the number of vectors in a FAISS file: after a four-letter name, the dimension and, of bits, the code size.
_COUNT_AT = {"binary": 12}


@dataclass(frozen=True)
class Codec:
    """One kind of code for vectors of `dim` numbers, with what it learnt of the vectors it is for.

    `trained`: int8 and int4: `ranges` (2 dim,), lowest value and width of each dimension; rabitq and binary: `center`
    (dim,), the mean after `rotate`; pq: `centroids` (parts x 16 x 4).
    """

    kind: str
    dim: int
    trained: Trained = field(default_factory=dict)

    @staticmethod
    def train(kind: str, vectors: Vectors) -> "Codec":
        """Learns from `vectors` (n, dim), n > 0; pq needs `PQ_TRAINING` rows, which the caller sees to."""
        dim = vectors.shape[1]
        if kind in ("int8", "int4"):
            low, high = vectors.min(0), vectors.max(0)
            if len(vectors) < FEW:
                # Later vectors would leave the ranges of these few: a unit vector's numbers have 1 / sqrt(dim) as
                # their root mean square, and hardly any is beyond four times that.
                low, high = np.minimum(low, -4 / np.sqrt(dim)), np.maximum(high, 4 / np.sqrt(dim))
            return Codec(kind, dim, {"ranges": np.concatenate([low, high - low]).astype(np.float32)})
        if kind in ("rabitq", "binary"):
            return Codec(kind, dim, {"center": rotate(vectors).mean(0, dtype=np.float64).astype(np.float32)})
        if kind == "pq":
            return Codec(kind, dim, {"centroids": _pq_centroids(vectors)})
        return Codec(kind, dim)

    def check(self) -> None:
        """Raises `IndexDamagedError` when what was trained does not fit: a record may come from anywhere."""
        parts = _parts(self.dim)
        shapes = {
            "int8": {"ranges": 2 * self.dim},
            "int4": {"ranges": 2 * self.dim},
            "rabitq": {"center": self.dim},
            "binary": {"center": self.dim},
            "pq": {"centroids": parts * _PQ_CENTROIDS * _PQ_PART},
        }.get(self.kind, {})
        found = {name: array.size for name, array in self.trained.items()}
        if self.kind not in KINDS or found != shapes or not all(np.isfinite(a).all() for a in self.trained.values()):
            raise IndexDamagedError(f"the catalog's record of {self.kind} vectors does not fit them")

    @property
    def row_bytes(self) -> float:
        """Bytes of one vector in the file."""
        bits = {"float32": 32, "float16": 16, "int8": 8, "int4": 4, "rabitq": 1, "binary": 1}
        if self.kind == "pq":
            return _parts(self.dim) / 2 + 8
        return -(-self.dim * bits[self.kind] // 8) + (8 if self.kind == "rabitq" else 0)

    def serialize(self, vectors: Vectors) -> NDArray[np.uint8]:
        """The bytes of a FAISS index file of `vectors`, (n, dim) float32 unit rows."""
        return self._bytes_of(self.build(vectors))

    def build(self, vectors: Vectors) -> Any:
        """A FAISS index of `vectors` in memory."""
        index = self._empty()
        for start in range(0, len(vectors), _BLOCK):
            index.add(self._prepared(np.ascontiguousarray(vectors[start : start + _BLOCK])))
        return index

    def _bytes_of(self, index: Any) -> NDArray[np.uint8]:
        import faiss

        data: NDArray[np.uint8] = (
            faiss.serialize_index_binary(index) if self.kind == "binary" else faiss.serialize_index(index)
        )
        return data

    def _empty(self) -> Any:
        import faiss

        self.check()  # FAISS reads as much as it wants of what it is given
        dim, metric = self.dim, faiss.METRIC_INNER_PRODUCT
        if self.kind == "float32":
            return faiss.IndexFlatIP(dim)
        if self.kind == "binary":
            return faiss.IndexBinaryFlat(-(-dim // 8) * 8)
        if self.kind == "rabitq":
            index = faiss.IndexRaBitQ(dim, metric)
            faiss.copy_array_to_vector(self.trained["center"], index.center)
        elif self.kind == "pq":
            # One cell: unlike FAISS's plain fast-scan index, this one takes a bitmap.
            width = _parts(dim) * _PQ_PART
            quantizer = faiss.IndexFlatIP(width)
            quantizer.add(np.zeros((1, width), np.float32))
            index = faiss.IndexIVFPQFastScan(quantizer, width, 1, _parts(dim), 4, metric)
            index.by_residual = False
            faiss.copy_array_to_vector(self.trained["centroids"], index.pq.centroids)
        else:
            of_kind = {
                "float16": faiss.ScalarQuantizer.QT_fp16,
                "int8": faiss.ScalarQuantizer.QT_8bit,
                "int4": faiss.ScalarQuantizer.QT_4bit,
            }
            index = faiss.IndexScalarQuantizer(dim, of_kind[self.kind], metric)
            if self.trained:
                faiss.copy_array_to_vector(self.trained["ranges"], index.sq.trained)
        index.is_trained = True
        return index

    def _prepared(self, vectors: Vectors) -> np.ndarray:
        """`vectors` (n, dim) as FAISS takes them for this kind."""
        if self.kind == "rabitq":
            return rotate(vectors)
        if self.kind == "binary":
            return np.packbits(rotate(vectors) > self.trained["center"], axis=1, bitorder="little")
        if self.kind == "pq":
            return _padded(vectors)
        return vectors

    def restored(self, index: Any, rows: NDArray[np.int64]) -> Vectors:
        """(n, dim) vectors of `rows` of `index`, as well as the codes tell."""
        if not len(rows):
            return np.empty((0, self.dim), np.float32)
        if self.kind == "binary":
            codes = np.stack([_binary_row(index, row) for row in rows.tolist()])
            signs = np.unpackbits(codes, axis=1, count=self.dim, bitorder="little").astype(np.float32) * 2 - 1
            # The mean distance of a unit vector's numbers from their mean is that of a normal one (sqrt(2 / pi / dim)).
            spread = np.sqrt(2 / np.pi / self.dim, dtype=np.float32)
            return unit_rows(rotate_back(signs * spread + self.trained["center"]))
        if self.kind == "pq":
            return unit_rows(_pq_rows(index, rows)[:, : self.dim])
        found = index.reconstruct_batch(np.ascontiguousarray(rows, np.int64))
        if self.kind == "rabitq":
            return unit_rows(rotate_back(found))
        restored: Vectors = found
        return restored

    def check_file(self, path: str, rows: int) -> None:
        """Compares all of a file but the codes themselves, byte for byte, with what `serialize` writes.

        FAISS believes sizes in a file: one changed byte can make it allocate or search for minutes.
        """
        try:
            with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                fits = self._fits(data, rows)
        except FileNotFoundError:
            raise IndexDamagedError(f"{path} is missing") from None
        except ValueError:  # an empty file cannot be mapped
            fits = False
        if not fits:
            raise IndexDamagedError(f"{path} does not hold {rows} {self.kind} vectors of {self.dim} numbers")

    def _fits(self, data: mmap.mmap, rows: int) -> bool:
        head, codes, tail = self._template
        if self.kind == "pq":
            codes *= -(-rows // 32)  # in blocks of 32
            listed = len(head) + 8
            head += rows.to_bytes(8, "little")
            if len(data) != listed + 8 * rows + 8 + codes:
                return False
            ids = np.frombuffer(data[listed : listed + 8 * rows], "<i8")
            if not np.array_equal(ids, np.arange(rows)):
                return False
            tail = codes.to_bytes(8, "little")
            after = listed + 8 * rows
        else:
            unit = int.from_bytes(head[-8:], "little")
            head = head[:-8] + (unit * rows).to_bytes(8, "little")
            after = len(head) + codes * rows
            if len(data) != after + len(tail):
                return False
        at = _COUNT_AT.get(self.kind, 8)
        head = head[:at] + rows.to_bytes(8, "little") + head[at + 8 :]
        return data[: len(head)] == head and data[after : after + len(tail)] == tail

    @cached_property
    def _template(self) -> tuple[bytes, int, bytes]:
        """A file of one vector: what stands before the codes, the size of the codes, what stands after them."""
        data = self.serialize(np.zeros((1, self.dim), np.float32)).tobytes()
        if self.kind == "pq":
            block = int(len(data) - len(self._bytes_of(self._empty())) - 8)
            return data[: len(data) - block - 3 * 8], block, b""
        codes = int(self.row_bytes)
        if self.kind == "rabitq":
            # The size of the codes is where an empty file and this one begin to differ, past the count.
            empty = self._bytes_of(self._empty()).tobytes()
            at = next(n for n in range(16, len(empty)) if empty[n] != data[n])
            return data[: at + 8], codes, data[at + 8 + codes :]
        return data[: len(data) - codes], codes, b""


class CodedVectors:
    """An opened FAISS index of `codec`."""

    def __init__(self, codec: Codec, index: Any) -> None:
        import faiss

        # One query is one scan, which FAISS does not share out; its second thread only makes the first one wait at
        # the barrier: 0.2 ms a segment become 27 ms when the other core is busy.
        faiss.omp_set_num_threads(1)
        self.codec = codec
        self._index = index
        self._mapped: np.ndarray | None = None

    @staticmethod
    def open(path: str, codec: Codec, rows: int) -> "CodedVectors":
        """Maps a file of `rows` vectors. Raises `IndexDamagedError` when it is not that."""
        import faiss

        codec.check()
        codec.check_file(path, rows)
        read = faiss.read_index_binary if codec.kind == "binary" else faiss.read_index
        try:
            opened = CodedVectors(codec, read(path, faiss.IO_FLAG_MMAP_IFC))
        except RuntimeError as error:  # what faiss raises for every file it cannot read
            raise IndexDamagedError(f"{path} is damaged: {str(error)[:120]}") from None
        if codec.kind in FINE:
            with open(path, "rb") as file:
                data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            dtype = "<f4" if codec.kind == "float32" else "<f2"
            opened._mapped = np.frombuffer(data, dtype, rows * codec.dim, len(data) - rows * int(codec.row_bytes))
            opened._mapped = opened._mapped.reshape(rows, codec.dim)
        return opened

    def __len__(self) -> int:
        return int(self._index.ntotal)

    def search(
        self, query: Vectors, k: int, allowed: NDArray[np.bool_] | None
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """(rows, scores) of the k best of the rows that `allowed` ((n,) bool, None: all) lets in, best first.

        `query` (dim,), unit length. Scores are cosines, exact or estimated; of binary codes agreeing bits.
        """
        import faiss

        kind = self.codec.kind
        asked = self.codec._prepared(query[None])
        given: dict[str, Any] = {}
        if allowed is not None:
            # Kept in a name: the selector points into it.
            bitmap = np.packbits(allowed, bitorder="little")
            given["sel"] = faiss.IDSelectorBitmap(bitmap)
        if kind == "rabitq":
            parameters = faiss.RaBitQSearchParameters(qb=_RABITQ_QUERY_BITS, **given)
        elif kind == "pq":
            parameters = faiss.IVFSearchParameters(nprobe=1, **given)
        else:
            parameters = faiss.SearchParameters(**given) if given else None
        scores, rows = self._index.search(asked, min(k, len(self)), params=parameters)
        found = (rows[0] >= 0) & (rows[0] < len(self))
        cosines = scores[0][found]
        return rows[0][found], self.codec.dim - cosines.astype(np.float32) if kind == "binary" else cosines

    def vectors(self, rows: NDArray[np.int64]) -> Vectors:
        """(n, dim) float32 vectors of `rows`."""
        if self._mapped is not None:  # a fifth of the time that FAISS takes to give them back
            found: Vectors = self._mapped[rows].astype(np.float32)
            return found
        return self.codec.restored(self._index, rows)


def _parts(dim: int) -> int:
    return -(-dim // _PQ_PART)


def _padded(vectors: Vectors) -> Vectors:
    missing = _parts(vectors.shape[1]) * _PQ_PART - vectors.shape[1]
    return np.pad(vectors, ((0, 0), (0, missing))) if missing else vectors


def _pq_centroids(vectors: Vectors) -> NDArray[np.float32]:
    import faiss

    vectors = _padded(vectors)
    quantizer = faiss.ProductQuantizer(vectors.shape[1], _parts(vectors.shape[1]), 4)
    quantizer.train(np.ascontiguousarray(vectors))
    centroids: NDArray[np.float32] = faiss.vector_to_array(quantizer.centroids).astype(np.float32)
    return centroids


def _binary_row(index: Any, row: int) -> NDArray[np.uint8]:
    code: NDArray[np.uint8] = index.reconstruct(row)
    return code


def _pq_rows(index: Any, rows: NDArray[np.int64]) -> Vectors:
    """(n, width) decoded vectors. FAISS's own reconstruction crashes on an index that was read from a file."""
    import faiss

    packer = index.get_CodePacker()
    blocks = faiss.rev_swig_ptr(index.invlists.get_codes(0), -(-index.ntotal // packer.nvec) * packer.block_size)
    blocks = blocks.reshape(-1, packer.block_size)
    codes = [packer.unpack_1(blocks[row // packer.nvec][None], row % packer.nvec) for row in rows.tolist()]
    found: Vectors = index.pq.decode(np.stack(codes))
    return found
