"""Token vectors in two bits a number: the nearest centroid, and what is left of each number in one of four buckets.

The residual compression of ColBERTv2 (Santhanam et al. 2022, "ColBERTv2: Effective and Efficient Retrieval via
Lightweight Late Interaction", section 3.3), as its library computes it: centroids by k-means, chosen by inner product;
buckets between the quartiles of all residuals, each standing for its middle quantile; decoded vectors have length 1.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from semsearch.embedding.embedder import Vectors, unit_rows

_BITS = 2
_BUCKETS = 1 << _BITS
_PER_BYTE = 8 // _BITS
# ColBERT's: passes of k-means, its seed, the share of a sample from which buckets are learnt.
_PASSES = 4
_SEED = 123
_HELD_OUT = 0.05
# Vectors of the sample for each centroid, at least, with those that are held out.
_PER_CENTROID = 16
# Codes are 16 bits.
MOST_CENTROIDS = 1 << 16
# Similarities with the centroids that are held at once: 64 MB.
_SIMILARITIES = 1 << 24

_SHIFTS = np.arange(0, 8, _BITS, dtype=np.uint8)
# Byte -> the buckets of its four numbers, the first one in the lowest bits.
_UNPACKED = (np.arange(256, dtype=np.uint8)[:, None] >> _SHIFTS) & (_BUCKETS - 1)


@dataclass(frozen=True, eq=False)  # arrays are not compared
class ResidualCodec:
    """`centroids` (k, dim), `cutoffs` (3,) between the buckets and `weights` (4,) of them, all float32; `dim` is a
    multiple of four, k at most 65,536."""

    centroids: Vectors
    cutoffs: NDArray[np.float32]
    weights: NDArray[np.float32]

    @property
    def dim(self) -> int:
        return int(self.centroids.shape[1])

    @property
    def row_bytes(self) -> int:
        """Bytes of the residuals of one vector."""
        return self.dim // _PER_BYTE

    def encode(self, vectors: Vectors) -> tuple[NDArray[np.uint16], NDArray[np.uint8]]:
        """((n,) the nearest centroid, (n, dim / 4) the packed buckets) of `vectors` (n, dim), unit rows."""
        codes = np.empty(len(vectors), np.uint16)
        step = max(1, _SIMILARITIES // len(self.centroids))
        for start in range(0, len(vectors), step):
            codes[start : start + step] = (vectors[start : start + step] @ self.centroids.T).argmax(axis=1)
        residuals = vectors - self.centroids[codes]
        # As torch.bucketize: a number on a cutoff belongs to the bucket below it.
        buckets = np.searchsorted(self.cutoffs, residuals, side="left").astype(np.uint8)
        groups = buckets.reshape(len(vectors), self.row_bytes, _PER_BYTE)
        return codes, np.bitwise_or.reduce(groups << _SHIFTS, axis=2)

    def decode(self, codes: NDArray[np.uint16], residuals: NDArray[np.uint8]) -> Vectors:
        """(n, dim) float32 unit rows. Raises IndexError for a code without a centroid."""
        vectors = self.weights[_UNPACKED[residuals]].reshape(len(codes), self.dim)
        vectors += self.centroids[codes]
        return unit_rows(vectors)


def check_dim(dim: int) -> None:
    """Raises ValueError where vectors of `dim` numbers cannot be packed."""
    if dim < _PER_BYTE or dim % _PER_BYTE:
        raise ValueError(f"token vectors of {dim} numbers: a multiple of {_PER_BYTE} is needed")


def train(sample: Vectors, expected: int) -> ResidualCodec:
    """The codec for some `expected` vectors, learnt from a `sample` (n, dim) of them, unit rows, n at least 64.

    As ColBERT, 2 ** floor(log2(16 * sqrt(expected))) centroids; fewer where the sample is too small for so many.
    """
    import faiss

    check_dim(sample.shape[1])
    shuffled = np.random.default_rng(_SEED).permutation(sample.astype(np.float32, copy=False))
    held_out = max(1, int(len(sample) * _HELD_OUT))
    learnt, rest = shuffled[held_out:], shuffled[:held_out]
    wanted = min(16 * expected**0.5, len(sample) / _PER_CENTROID, MOST_CENTROIDS)
    count = 1 << max(0, int(np.log2(wanted)))
    kmeans = faiss.Kmeans(
        sample.shape[1], count, niter=_PASSES, seed=_SEED, min_points_per_centroid=1, max_points_per_centroid=1 << 20
    )
    kmeans.train(np.ascontiguousarray(learnt))
    # As they are stored, so that what is encoded now is what is decoded later.
    centroids = unit_rows(kmeans.centroids).astype(np.float16).astype(np.float32)
    nearest = ResidualCodec(centroids, np.zeros(_BUCKETS - 1, np.float32), np.zeros(_BUCKETS, np.float32))
    residuals = rest - centroids[nearest.encode(rest)[0]]
    quantiles = np.arange(_BUCKETS) / _BUCKETS
    cutoffs = np.quantile(residuals, quantiles[1:]).astype(np.float32)
    weights = np.quantile(residuals, quantiles + 0.5 / _BUCKETS).astype(np.float32)
    return ResidualCodec(centroids, cutoffs, weights)
