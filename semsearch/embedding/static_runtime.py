"""Runs a model2vec distillate: the mean of one fixed vector per token, read from a mapped file.

`export.static` writes model2vec's token vectors with their weights multiplied in, and checks this module against
`StaticModel.encode`; importing model2vec itself would cost a query 0.3 s.
"""

import os
from collections.abc import Callable, Sequence

import numpy as np

from semsearch.chunking.tokenizers import SubwordTokenizer
from semsearch.embedding.cache import damaged_model
from semsearch.embedding.embedder import Vectors, unit_rows
from semsearch.embedding.model_info import ModelInfo
from semsearch.shortage import shortage_of

_PART = 256


class StaticEmbedder:
    """An Embedder over `vectors.npy` ((tokens, dim) float32, mapped) and `tokenizer.json` in `folder`."""

    def __init__(self, info: ModelInfo, folder: str) -> None:
        self.info = info
        self.tokenizer = SubwordTokenizer(info.name, os.path.join(folder, "tokenizer.json"))
        path = os.path.join(folder, "vectors.npy")
        try:
            self._vectors = np.load(path, mmap_mode="r")
        except PermissionError:
            raise
        except (OSError, ValueError, EOFError) as error:
            if shortage_of(error):
                raise
            raise damaged_model(folder, f"vectors.npy: {error}") from None
        if self._vectors.ndim != 2 or self._vectors.shape[1] != info.dim or self._vectors.dtype != np.float32:
            raise damaged_model(folder, "vectors.npy holds other vectors")

    def encode(self, texts: Sequence[str], done: Callable[[int], None] | None = None) -> Vectors:
        """(n, dim) float32 unit rows of passages; a text of unknown tokens alone gives a zero row."""
        vectors = np.zeros((len(texts), self.info.dim), np.float32)
        for start in range(0, len(texts), _PART):
            part = texts[start : start + _PART]
            for number, ids in enumerate(self.tokenizer.plain_ids(part), start):
                if len(ids):
                    vectors[number] = self._vectors[ids].mean(0)
            if done:
                done(len(part))
        return unit_rows(vectors)

    def encode_query(self, text: str) -> Vectors:
        """(dim,) float32, unit length."""
        vector: Vectors = self.encode([text])[0]
        return vector
