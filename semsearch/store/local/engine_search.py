"""Searches an index folder whose vectors a vector database holds."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from semsearch.embedding.embedder import Vectors
from semsearch.lexical.bm25 import is_among
from semsearch.lexical.query_word import Word
from semsearch.store.allowed import Allowed
from semsearch.store.engine_vectors import EngineVectors, KnownSought, or_by_words
from semsearch.store.local.catalog import Catalog
from semsearch.store.local.dense_segment import DenseSegment
from semsearch.store.local.segment_search import SegmentSearch
from semsearch.store.records import IndexInfo, Ranking, Scores


class EngineSearch(SegmentSearch):
    """The segments of words that `catalog` names, and the vectors that `info` says where to find."""

    def __init__(self, catalog: Catalog, info: IndexInfo) -> None:
        super().__init__(catalog, info)
        assert info.vectors_at is not None
        self._engine = EngineVectors(info.vectors_at, catalog.folder)

        self._encoded: NDArray[np.int64] | None = None

    def close(self) -> None:
        self._engine.close()

    def dense_segments(self) -> list[DenseSegment]:
        return []

    def dense(self, vector: Vectors, k: int, allowed: Allowed) -> Ranking:
        with or_by_words():
            return self._engine.nearest(vector, k, KnownSought(allowed, self.encoded_ids()))

    def score(self, ids: NDArray[np.int64], words: Sequence[Word], vectors: Vectors | None) -> Scores:
        with or_by_words():
            return super().score(ids, words, vectors)

    def encoded_ids(self) -> NDArray[np.int64]:
        if self._encoded is None:
            last = self._catalog.number("embedded_to")
            ids = self.holding(())
            self._encoded = ids[ids <= last]
        return self._encoded

    def vectors(self, ids: NDArray[np.int64]) -> Vectors:
        # What a run that was cut off put there counts only from its commit on.
        encoded = np.flatnonzero(is_among(ids, self.encoded_ids()))
        dim = self.vector_format().store_dim
        vectors = np.full((len(ids), dim), np.nan, np.float32)
        if len(encoded):
            vectors[encoded] = self._engine.held(ids[encoded], dim)
        return vectors
