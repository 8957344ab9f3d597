"""Runs a model with sentence-transformers itself: the fallback for models that do not export faithfully."""

import os
from collections.abc import Callable, Sequence

import numpy as np

from semsearch.chunking.tokenizers import SubwordTokenizer
from semsearch.embedding.embedder import ModelInfo, Vectors, unit_rows

_BATCH = 8


class TorchEmbedder:
    """An Embedder over the model folder `source`; `folder` holds the tokenizer that `prepare` saved."""

    def __init__(self, info: ModelInfo, folder: str, source: str) -> None:
        from sentence_transformers import SentenceTransformer

        self.info = info
        self.tokenizer = SubwordTokenizer(info.name, os.path.join(folder, "tokenizer.json"))
        self._model = SentenceTransformer(source, device="cpu", local_files_only=True)

    def encode(self, texts: Sequence[str], done: Callable[[int], None] | None = None) -> Vectors:
        """(n, dim) float32 unit rows of passages."""
        order = sorted(range(len(texts)), key=lambda number: -len(texts[number]))
        vectors = np.empty((len(texts), self.info.dim), np.float32)
        for start in range(0, len(order), _BATCH):
            part = order[start : start + _BATCH]
            batch = [self.info.passage_prefix + texts[number] for number in part]
            vectors[part] = self._model.encode(batch, batch_size=_BATCH, prompt="", show_progress_bar=False)
            if done:
                done(len(part))
        return unit_rows(vectors)

    def encode_query(self, text: str) -> Vectors:
        """(dim,) float32, unit length."""
        vector = self._model.encode(self.info.query_prefix + text, prompt="", show_progress_bar=False)
        return unit_rows(vector)
