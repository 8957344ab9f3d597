"""Runs a prepared ONNX model with ONNX Runtime: the default, for passages and queries.

One text and one thread a run, and as many runs at once as there are cores: nothing is padded, and a vector depends on
its own text alone (int8 activations are scaled over a whole batch). Measured on two cores with texts of 218 tokens:
60-68 texts/s, against 41-56 for batches of 8 on all threads.
"""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from semsearch.chunking.tokenizers import SubwordTokenizer
from semsearch.embedding.each_text import each_text
from semsearch.embedding.embedder import Vectors, of_length, unit_rows
from semsearch.embedding.model_info import ModelInfo
from semsearch.embedding.onnx_session import open_session, opened


class OnnxEmbedder:
    """An Embedder over `model.ort` and `tokenizer.json` in `folder`. Raises `ModelError` where they do not load."""

    def __init__(self, info: ModelInfo, folder: str) -> None:
        self.info = info
        tokenizer = os.path.join(folder, "tokenizer.json")
        # The session loads without the interpreter's lock, so the tokenizer loads meanwhile: 15 ms of a search.
        with ThreadPoolExecutor(1) as pool:
            session = pool.submit(open_session, folder)
            self.tokenizer = opened(folder, lambda: SubwordTokenizer(info.name, tokenizer))
            self._session = session.result()
        self._inputs = [one.name for one in self._session.get_inputs()]

    def encode(self, texts: Sequence[str], done: Callable[[int], None] | None = None) -> Vectors:
        """(n, dim) float32 unit rows of passages."""
        made = each_text(texts, lambda text: self._one(self.info.passage_prefix + text), done)
        return unit_rows(np.array(made, np.float32).reshape(len(texts), self.info.dim))

    def encode_query(self, text: str) -> Vectors:
        """(dim,) float32, unit length."""
        vector: Vectors = unit_rows(self._one(self.info.query_prefix + text))
        return vector

    def _one(self, text: str) -> Vectors:
        """(dim,) of `text`, not scaled to length 1."""
        ids = self.tokenizer.ids(text, self.info.window)[None]
        inputs = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
        vector: Vectors = self._session.run(None, {name: inputs[name] for name in self._inputs})[0][0]
        return of_length(vector, self.info)
