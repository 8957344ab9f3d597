"""Product quantization with 16 centroids for each sub-vector of 4 numbers: one byte for 8 dimensions, as ScaNN has it
(Guo et al. 2020, "Accelerating large-scale inference with anisotropic vector quantization", 4.1)."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from semsearch.embedding.embedder import Vectors

SUBVECTOR_DIM = 4
CENTROIDS = 16
_BITS = 4
# FAISS asks for 39 training vectors for each centroid.
MIN_TRAINING_VECTORS = 39 * CENTROIDS


def subvectors(dim: int) -> int:
    """How many sub-vectors a vector of `dim` dimensions has; the last one may be filled up with zeros."""
    return -(-dim // SUBVECTOR_DIM)


def padded(vectors: Vectors) -> Vectors:
    """`vectors` (n, dim) with zeros added up to whole sub-vectors: (n, subvectors(dim) * SUBVECTOR_DIM)."""
    missing = subvectors(vectors.shape[1]) * SUBVECTOR_DIM - vectors.shape[1]
    return np.pad(vectors, ((0, 0), (0, missing))) if missing else vectors


def train_centroids(vectors: Vectors) -> NDArray[np.float32]:
    """(subvectors x CENTROIDS x SUBVECTOR_DIM,) float32: the centroids by k-means over `vectors` (n, dim)."""
    import faiss

    vectors = padded(vectors)
    quantizer = faiss.ProductQuantizer(vectors.shape[1], subvectors(vectors.shape[1]), _BITS)
    quantizer.train(np.ascontiguousarray(vectors))
    centroids: NDArray[np.float32] = faiss.vector_to_array(quantizer.centroids).astype(np.float32)
    return centroids


def empty_index(dim: int, centroids: NDArray[np.float32]) -> Any:
    """A FAISS index without vectors for vectors of `dim` dimensions, with the `centroids` of `train_centroids`.

    It is an inverted file with one cell, because FAISS's plain fast-scan index does not take a bitmap.
    """
    import faiss

    width = subvectors(dim) * SUBVECTOR_DIM
    coarse = faiss.IndexFlatIP(width)
    coarse.add(np.zeros((1, width), np.float32))
    index = faiss.IndexIVFPQFastScan(coarse, width, 1, subvectors(dim), _BITS, faiss.METRIC_INNER_PRODUCT)
    index.by_residual = False
    faiss.copy_array_to_vector(centroids, index.pq.centroids)
    return index


def decode_rows(index: Any, rows: NDArray[np.int64]) -> Vectors:
    """(n, subvectors * SUBVECTOR_DIM) float32: the vectors that the codes of `rows` (n,) stand for.

    FAISS's own `reconstruct` crashes on an index that was read from a file.
    """
    import faiss

    packer = index.get_CodePacker()
    blocks = faiss.rev_swig_ptr(index.invlists.get_codes(0), -(-index.ntotal // packer.nvec) * packer.block_size)
    blocks = blocks.reshape(-1, packer.block_size)
    codes = [packer.unpack_1(blocks[row // packer.nvec][None], row % packer.nvec) for row in rows.tolist()]
    vectors: Vectors = index.pq.decode(np.stack(codes))
    return vectors
