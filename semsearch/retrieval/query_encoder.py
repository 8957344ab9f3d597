"""The models of a searcher: those that made the index's vectors, opened for the first query that needs them, and a
reranker.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from semsearch.embedding.calibration import fertility
from semsearch.embedding.embedder import Embedder, Vectors
from semsearch.embedding.model_info import ModelInfo

if TYPE_CHECKING:
    from semsearch.chunking.tokenizers import SubwordTokenizer
    from semsearch.embedding.cached_embedder import CachedEmbedder
    from semsearch.embedding.rerankers import Reranker
    from semsearch.embedding.sparse_info import SparseInfo
    from semsearch.embedding.sparse_model import SparseModel
    from semsearch.store.protocol import Snapshot

# Opens the model that an index recorded; hears, too, who is to be told that it must be prepared first.
OpenModel = Callable[[ModelInfo, Callable[[str], None]], Embedder]

_MOST_REMEMBERED = 20_000


class QueryEncoder:
    """`announce` hears when a model must be prepared first, and of a cache that cannot be used.

    `cache`: name of the cache of vectors; "": none. `open_model`: opens the model of an index; None: as
    `embedding.open.open_recorded` does.
    """

    def __init__(self, announce: Callable[[str], None], cache: str, open_model: OpenModel | None = None) -> None:
        self._announce = announce
        self._cache = cache
        self._open_model = open_model
        self._embedder: CachedEmbedder | None = None
        self._sentences: dict[str, Vectors] = {}
        self._reranker: Reranker | None = None
        self._reranker_name = ""
        self._vocabulary: SubwordTokenizer | None = None
        self._sparse: SparseModel | None = None

    def close(self) -> None:
        if self._embedder is not None:
            self._embedder.close()

    @property
    def embedder(self) -> CachedEmbedder | None:
        """The model that was opened last; None before any was."""
        return self._embedder

    def open(self, snapshot: Snapshot, model: ModelInfo, query: str) -> CachedEmbedder:
        """The model that made the vectors of `snapshot`, ready for `query`. Raises `ModelError`."""
        if self._embedder is None or not self._embedder.info.same_vectors(model):
            from semsearch.embedding.open import open_recorded
            from semsearch.store.vector_cache import cached

            open_model = self._open_model or open_recorded
            self._sentences.clear()
            self._embedder = cached(model, lambda: open_model(model, self._announce), self._cache, self._announce)
            if not self._embedder.has_query(query):
                from concurrent.futures import ThreadPoolExecutor

                # Loading the model and loading faiss with the segments take about as long: both at once.
                with ThreadPoolExecutor(1) as pool:
                    opening = pool.submit(self._embedder.open)
                    snapshot.warm_up()
                    opening.result()
        return self._embedder

    def sparse(self, info: SparseInfo) -> SparseModel:
        """The model that made the sparse vectors of an index, which recorded `info`. Raises `ModelError`."""
        if self._sparse is None or not self._sparse.info.same_vectors(info):
            from semsearch.embedding.sparse_model import open_recorded_sparse

            self._sparse = open_recorded_sparse(info)
        return self._sparse

    def sentence_vectors(self, texts: Sequence[str]) -> Vectors:
        """(n, dim) float32 unit rows; kept, for a sentence may stand in the hits of many queries of a batch."""
        assert self._embedder is not None
        missing = [text for text in dict.fromkeys(texts) if text not in self._sentences]
        if len(self._sentences) + len(missing) > _MOST_REMEMBERED:
            self._sentences.clear()
            missing = list(dict.fromkeys(texts))
        self._sentences.update(zip(missing, self._embedder.encode(missing), strict=True))
        return np.stack([self._sentences[text] for text in texts])

    def similarity(self, one: str, other: str) -> float:
        """The cosine of two texts under the model, which is open."""
        vectors = self.sentence_vectors([one, other])
        return float(vectors[0] @ vectors[1])

    def count_tokens(self, text: str) -> int:
        """How many tokens `text` has for the model, which is open."""
        assert self._embedder is not None
        return len(self._embedder.tokenizer.starts(text))

    def knows_word(self, model: ModelInfo | None, word: str) -> bool:
        """Whether `word` is one token of `model`, that of an index; False where the model is not on this machine."""
        if model is None:
            return False
        if self._vocabulary is None:
            from semsearch.embedding.open import prepared_tokenizer

            self._vocabulary = prepared_tokenizer(model)
        return self._vocabulary is not None and fertility(word, self._vocabulary.tokens(word)) <= 1

    def reranker(self, name: str) -> Reranker:
        """The reranker called `name`. Raises `ModelError`."""
        if self._reranker is None or self._reranker_name != name:
            from semsearch.embedding.rerankers import open_reranker

            self._reranker, self._reranker_name = open_reranker(name, self._announce), name
        return self._reranker
