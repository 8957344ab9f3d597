"""An opened FAISS index: searched under a bitmap, and asked for the vectors of its rows.

Files are mapped, not read. The bitmap of the rows that a search may return is applied inside the scan, so that a filter
never empties the top k.
"""

import mmap
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semsearch.dense.codec import FLOAT_KINDS, Codec
from semsearch.dense.faiss_file import check_file
from semsearch.embedding.embedder import Vectors
from semsearch.errors import IndexDamagedError

# Bits to which rabitq rounds the query (Gao and Long 2024, 3.3.1): 8 lose nothing and are 200 times as fast as no
# rounding.
_RABITQ_QUERY_BITS = 8


class CodedVectors:
    """The vectors of one FAISS index in the code of `codec`."""

    def __init__(self, codec: Codec, index: Any) -> None:
        import faiss

        # FAISS does not share out the scan of one query. With two threads the first only waits for the second at a
        # barrier: 0.2 ms a segment become 27 ms when the other core is busy.
        faiss.omp_set_num_threads(1)
        self.codec = codec
        self._index = index
        self._mapped: np.ndarray | None = None

    @staticmethod
    def open(path: str, codec: Codec, rows: int) -> "CodedVectors":
        """Maps a file of `rows` vectors. Raises `IndexDamagedError` when it is not such a file."""
        import faiss

        codec.check()
        check_file(path, codec, rows)
        read = faiss.read_index_binary if codec.kind == "binary" else faiss.read_index
        try:
            opened = CodedVectors(codec, read(path, faiss.IO_FLAG_MMAP_IFC))
        except RuntimeError as error:  # what FAISS raises for every file it cannot read
            raise IndexDamagedError(f"{path} is damaged: {str(error)[:120]}") from None
        if codec.kind in FLOAT_KINDS:
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
        """(rows (m,) int64, scores (m,) float32) of the at most `k` best rows, best first.

        `query` (dim,) float32 of unit length; `allowed` (n,) bool: the rows that may be returned, None: all. Scores are
        cosines, exact or estimated; for binary codes the number of equal bits.
        """
        import faiss

        kind = self.codec.kind
        faiss_query = self.codec.faiss_input(query[None])
        options: dict[str, Any] = {}
        if allowed is not None:
            # The name keeps the array alive: the selector holds only a pointer to it.
            bitmap = np.packbits(allowed, bitorder="little")
            options["sel"] = faiss.IDSelectorBitmap(bitmap)
        if kind == "rabitq":
            parameters = faiss.RaBitQSearchParameters(qb=_RABITQ_QUERY_BITS, **options)
        elif kind == "pq":
            parameters = faiss.IVFSearchParameters(nprobe=1, **options)
        else:
            parameters = faiss.SearchParameters(**options) if options else None
        scores, rows = self._index.search(faiss_query, min(k, len(self)), params=parameters)
        # FAISS fills up with row -1 where fewer rows are allowed than were asked for.
        valid = (rows[0] >= 0) & (rows[0] < len(self))
        scores = scores[0][valid]
        return rows[0][valid], self.codec.dim - scores.astype(np.float32) if kind == "binary" else scores

    def vectors(self, rows: NDArray[np.int64]) -> Vectors:
        """(n, dim) float32: the vectors of `rows` (n,)."""
        if self._mapped is not None:  # takes a fifth of the time of FAISS's `reconstruct_batch`
            mapped: Vectors = self._mapped[rows].astype(np.float32)
            return mapped
        return self.codec.decode(self._index, rows)
