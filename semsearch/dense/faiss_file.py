"""Checks a FAISS file before FAISS reads it.

FAISS believes the sizes that stand in a file: one changed byte can make it allocate gigabytes or search for minutes. So
everything in the file but the codes themselves must equal, byte for byte, what FAISS writes for so many vectors.
"""

import mmap

import numpy as np

from semsearch.dense.codec import Codec
from semsearch.errors import IndexDamagedError

# Where the number of vectors (8 bytes) stands in the file: after a name of four letters and the dimension (4 bytes);
# in binary indexes also after the size of a code (4 bytes).
_COUNT_OFFSET = 8
_BINARY_COUNT_OFFSET = 12
# FAISS's fast scan stores the codes of pq in blocks of 32 vectors.
_PQ_BLOCK_ROWS = 32


def check_file(path: str, codec: Codec, rows: int) -> None:
    """Raises `IndexDamagedError` unless the file at `path` is an index of `rows` vectors in the code of `codec`."""
    try:
        with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            fits = _fits_pq(data, codec, rows) if codec.kind == "pq" else _fits(data, codec, rows)
    except FileNotFoundError:
        raise IndexDamagedError(f"{path} is missing") from None
    except ValueError:  # an empty file cannot be mapped
        fits = False
    if not fits:
        raise IndexDamagedError(f"{path} does not hold {rows} {codec.kind} vectors of {codec.dim} numbers")


def _fits(data: mmap.mmap, codec: Codec, rows: int) -> bool:
    """Whether `data` is a head, the codes of `rows` vectors and a tail.

    The head of a file of one vector becomes that of `rows` by its count of vectors and its last 8 bytes, the size of
    the codes (in bytes, or for some kinds in numbers).
    """
    head, code_bytes, tail = _file_of_one_vector(codec)
    size_of_one = int.from_bytes(head[-8:], "little")
    head = _with_count(head[:-8] + (size_of_one * rows).to_bytes(8, "little"), codec, rows)
    after = len(head) + code_bytes * rows
    return len(data) == after + len(tail) and data[: len(head)] == head and data[after:] == tail


def _fits_pq(data: mmap.mmap, codec: Codec, rows: int) -> bool:
    """The same for pq: a head that ends with the length of the list, the ids, the size of the codes, the codes."""
    head, block_bytes, _ = _file_of_one_vector(codec)
    code_bytes = block_bytes * -(-rows // _PQ_BLOCK_ROWS)
    head = _with_count(head + rows.to_bytes(8, "little"), codec, rows)
    after_ids = len(head) + 8 * rows
    if len(data) != after_ids + 8 + code_bytes or data[: len(head)] != head:
        return False
    ids = np.frombuffer(data[len(head) : after_ids], "<i8")
    return np.array_equal(ids, np.arange(rows)) and data[after_ids : after_ids + 8] == code_bytes.to_bytes(8, "little")


def _with_count(head: bytes, codec: Codec, rows: int) -> bytes:
    offset = _BINARY_COUNT_OFFSET if codec.kind == "binary" else _COUNT_OFFSET
    return head[:offset] + rows.to_bytes(8, "little") + head[offset + 8 :]


def _file_of_one_vector(codec: Codec) -> tuple[bytes, int, bytes]:
    """(what precedes the codes, the size of the codes in bytes, what follows them) of a file of one vector.

    For pq the first part ends before the length of the list, and the size is that of one block.
    """
    data = codec.serialize(np.zeros((1, codec.dim), np.float32)).tobytes()
    if codec.kind == "pq":
        block = int(len(data) - len(codec.index_bytes(codec.empty_index())) - 8)
        return data[: len(data) - block - 3 * 8], block, b""
    code_bytes = int(codec.row_bytes)
    if codec.kind == "rabitq":
        # An empty file and this one first differ, past the count of vectors, in the size of the codes.
        empty = codec.index_bytes(codec.empty_index()).tobytes()
        at = next(offset for offset in range(16, len(empty)) if empty[offset] != data[offset])
        return data[: at + 8], code_bytes, data[at + 8 + code_bytes :]
    return data[: len(data) - code_bytes], code_bytes, b""
