"""A fixed rotation that spreads the energy of vectors evenly over their dimensions, for codes of one bit a dimension.

Without it, vectors whose first dimensions carry the most (those of PCA, for one) lose their neighbours: the bits of
their other dimensions say nothing. The rotation is two rounds of random signs and Hadamard matrices, over the first and
over the last 2^k dimensions. For such codes that is as good as a random orthogonal matrix, and nothing has to be stored
(Gao et al. 2024, "Practical and asymptotically optimal quantization", FhtKacRotator in their library).
"""

from functools import cache
from hashlib import shake_128

import numpy as np
from numpy.typing import NDArray

from semsearch.embedding.embedder import Vectors

_ROUNDS = 2


def rotate(vectors: Vectors) -> Vectors:
    """`vectors` (n, dim) rotated, as a new (n, dim) float32 array. Lengths and inner products do not change."""
    rotated = np.array(vectors, np.float32)
    dim = rotated.shape[1]
    size, matrix = _hadamard_of(dim)
    for first, last in _signs(dim):
        rotated *= first
        rotated[:, :size] = rotated[:, :size] @ matrix
        rotated *= last
        rotated[:, dim - size :] = rotated[:, dim - size :] @ matrix
    return rotated


def rotate_back(vectors: Vectors) -> Vectors:
    """The inverse of `rotate`: (n, dim) float32."""
    rotated = np.array(vectors, np.float32)
    dim = rotated.shape[1]
    size, matrix = _hadamard_of(dim)
    for first, last in reversed(_signs(dim)):
        rotated[:, dim - size :] = rotated[:, dim - size :] @ matrix
        rotated *= last
        rotated[:, :size] = rotated[:, :size] @ matrix
        rotated *= first
    return rotated


@cache
def _hadamard_of(dim: int) -> tuple[int, NDArray[np.float32]]:
    """(size, matrix): the largest power of two up to `dim`, and the Hadamard matrix (size, size) float32 of that size,
    scaled so that it is orthogonal; it is symmetric, so that it is its own inverse."""
    matrix = np.ones((1, 1), np.float32)
    while 2 * len(matrix) <= dim:
        matrix = np.block([[matrix, matrix], [matrix, -matrix]])
    return len(matrix), matrix / np.sqrt(len(matrix), dtype=np.float32)


@cache
def _signs(dim: int) -> list[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """For each round two rows of signs, (dim,) float32 of 1 and -1.

    Taken from a hash, not from a random generator: stored codes depend on them, so they must never change.
    """
    digest = shake_128(b"semsearch rotation").digest(-(-2 * _ROUNDS * dim // 8))
    bits = np.unpackbits(np.frombuffer(digest, np.uint8), count=2 * _ROUNDS * dim)
    rows = (bits.astype(np.float32) * 2 - 1).reshape(_ROUNDS, 2, dim)
    return [(first, last) for first, last in rows]
