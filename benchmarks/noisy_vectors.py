"""Many vectors from few: those of an index, repeated with noise."""

from pathlib import Path

import numpy as np

from semsearch.embedding.embedder import Vectors, unit_rows
from semsearch.store.local.reader import OpenSnapshot

# Length of the noise added to a unit vector: cosine 0.86 between a copy and its original, as between near passages.
NOISE = 0.6


def vectors_of(index: Path) -> Vectors:
    """(n, dim) float32: the vectors of all encoded chunks of `index`."""
    snapshot = OpenSnapshot(str(index))
    parts = [part.vectors.vectors(np.arange(len(part.ids))) for part in snapshot.dense_segments()]
    snapshot.close()
    return np.concatenate(parts)


def repeated(vectors: Vectors, count: int, rng: np.random.Generator) -> Vectors:
    """(count, dim) float32 unit rows: random rows of `vectors`, each with its own noise."""
    return with_noise(vectors, rng.integers(0, len(vectors), count), rng)


def with_noise(vectors: Vectors, chosen: np.ndarray, rng: np.random.Generator) -> Vectors:
    """(n, dim) float32 unit rows: the rows `chosen` (n,) of `vectors`, each with its own noise."""
    dim = vectors.shape[1]
    noisy = np.empty((len(chosen), dim), np.float32)
    for start in range(0, len(chosen), 65_536):
        part = chosen[start : start + 65_536]
        noise = rng.standard_normal((len(part), dim), np.float32) * np.float32(NOISE / dim**0.5)
        noisy[start : start + len(part)] = unit_rows(vectors[part] + noise)
    return noisy
