"""Searches an index folder whose vectors a vector database holds."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from semsearch.embedding.embedder import Vectors
from semsearch.lexical.query_word import Word
from semsearch.store.allowed import Allowed
from semsearch.store.local.catalog import Catalog
from semsearch.store.local.dense_segment import DenseSegment
from semsearch.store.local.engine_vectors import EngineVectors
from semsearch.store.local.segment_search import SegmentSearch
from semsearch.store.records import IndexInfo, Ranking, Scores


class EngineSearch(SegmentSearch):
    """The segments of words that `catalog` names, and the vectors that `info` says where to find."""

    def __init__(self, catalog: Catalog, info: IndexInfo) -> None:
        super().__init__(catalog, info)
        assert info.vectors_at is not None
        self._engine = EngineVectors(info.vectors_at)

    def close(self) -> None:
        self._engine.close()

    def dense_segments(self) -> list[DenseSegment]:
        return []

    def dense(self, vector: Vectors, k: int, allowed: Allowed) -> Ranking:
        return self._engine.nearest(vector, k, allowed, self.live)

    def score(self, ids: NDArray[np.int64], words: Sequence[Word], vectors: Vectors | None) -> Scores:
        scorer = self.scorer(words)
        cosines = np.empty((0, len(ids)), np.float32)
        if vectors is not None:
            held = self.vectors(ids)
            products = [held @ vector for vector in vectors]
            cosines = np.array(products, np.float32).reshape(len(vectors), len(ids))
        return Scores(scorer.scores_of(ids), cosines, scorer.held_by(ids), scorer.idf)

    def encoded_ids(self) -> NDArray[np.int64]:
        last = self._catalog.number("embedded_to")
        ids = self.holding(())
        return ids[ids <= last]

    def vectors(self, ids: NDArray[np.int64]) -> Vectors:
        return self._engine.vectors(ids, self.vector_format().store_dim)
