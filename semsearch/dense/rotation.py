"""A fixed rotation that spreads what vectors hold evenly over their dimensions, so that one bit of each says as much.

Two rounds of random signs and Hadamard matrices over the first and over the last 2^k dimensions: as good as a random
orthogonal matrix for codes of one bit, and nothing to store (Gao et al. 2024, "Practical and asymptotically optimal
quantization", the FhtKac rotator of their library). Vectors whose first dimensions carry the most, such as PCA's, lose
their neighbours without it.
"""

from functools import cache
from hashlib import shake_128

import numpy as np
from numpy.typing import NDArray

from semsearch.embedding.embedder import Vectors

_ROUNDS = 2


def rotate(vectors: Vectors) -> Vectors:
    """`vectors` (n, dim) rotated; lengths and inner products stay."""
    turned = np.array(vectors, np.float32)
    dim = turned.shape[1]
    size, matrix = _hadamard_of(dim)
    for first, last in _signs(dim):
        turned *= first
        turned[:, :size] = turned[:, :size] @ matrix
        turned *= last
        turned[:, dim - size :] = turned[:, dim - size :] @ matrix
    return turned


def rotate_back(vectors: Vectors) -> Vectors:
    """The inverse of `rotate`."""
    turned = np.array(vectors, np.float32)
    dim = turned.shape[1]
    size, matrix = _hadamard_of(dim)
    for first, last in reversed(_signs(dim)):
        turned[:, dim - size :] = turned[:, dim - size :] @ matrix
        turned *= last
        turned[:, :size] = turned[:, :size] @ matrix
        turned *= first
    return turned


@cache
def _hadamard_of(dim: int) -> tuple[int, NDArray[np.float32]]:
    """The largest power of two up to `dim`, and the orthogonal, symmetric Hadamard matrix of that size."""
    matrix = np.ones((1, 1), np.float32)
    while 2 * len(matrix) <= dim:
        matrix = np.block([[matrix, matrix], [matrix, -matrix]])
    return len(matrix), matrix / np.sqrt(len(matrix), dtype=np.float32)


@cache
def _signs(dim: int) -> list[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """For each round two rows of signs; of a hash, so that they are the same everywhere and for ever."""
    drawn = shake_128(b"semsearch rotation").digest(-(-2 * _ROUNDS * dim // 8))
    bits = np.unpackbits(np.frombuffer(drawn, np.uint8), count=2 * _ROUNDS * dim)
    rows = (bits.astype(np.float32) * 2 - 1).reshape(_ROUNDS, 2, dim)
    return [(first, last) for first, last in rows]
