"""Runs a model with sentence-transformers itself: the fallback for models that do not export faithfully."""

import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from semsearch.chunking.tokenizers import SubwordTokenizer
from semsearch.embedding.device import asked_device, find_device
from semsearch.embedding.embedder import Vectors, of_length, unit_rows
from semsearch.embedding.model_info import ModelInfo
from semsearch.embedding.model_table import ModelCard
from semsearch.embedding.token_batches import TokenBatches, free_device
from semsearch.errors import ModelError
from semsearch.no_telemetry import switch_off_telemetry

# Tokens of a batch: on a processor, larger ones are no faster.
_BATCH_TOKENS = 2_048
_BATCH_TOKENS_GPU = 16_384
# Millions; larger models stay in the precision they come in: single precision would double their memory.
_LARGE_PARAMETERS_M = 1000


class TorchEmbedder:
    """An Embedder over the model folder `source`; `folder` holds the tokenizer that the export saved.

    `trust`: code in `source` may be run. `card`: says which task the model is told, where it takes one. It computes on
    the device that the setting asks for, on the processor where that is missing.
    """

    def __init__(self, info: ModelInfo, folder: str, source: str, trust: bool, card: ModelCard | None) -> None:
        self.info = info
        self.tokenizer = SubwordTokenizer(info.name, os.path.join(folder, "tokenizer.json"))
        self._device, _ = find_device(asked_device())
        self._model = load_transformer(source, trust, card, self._device)
        self._model.max_seq_length = info.window
        bound = _BATCH_TOKENS if self._device == "cpu" else _BATCH_TOKENS_GPU
        self._batches = TokenBatches(bound, free_device(self._device))
        self._tasks: dict[str, dict[str, str]] = {"query": {}, "passage": {}}
        if card is not None and card.query_task and trust:
            self._tasks = {"query": {"task": card.query_task}, "passage": {"task": card.passage_task}}

    def encode(self, texts: Sequence[str], done: Callable[[int], None] | None = None) -> Vectors:
        """(n, dim) float32 unit rows of passages. Raises `ModelError` where the device has no memory for a text."""
        if not texts:
            return np.empty((0, self.info.dim), np.float32)
        prefixed = [self.info.passage_prefix + text for text in texts]
        lengths = [len(self.tokenizer.ids(text, self.info.window)) for text in prefixed]
        made = self._batches.encode(prefixed, lengths, lambda batch: self._encode(batch, "passage"), done)
        for place, length in enumerate(lengths):
            if place not in made:
                raise ModelError(
                    f"the device {self._device} has no memory for a passage of {length:,} tokens",
                    "encode on the processor: --device cpu",
                )
        return unit_rows(np.stack([made[place] for place in range(len(texts))]))

    def encode_query(self, text: str) -> Vectors:
        """(dim,) float32, unit length."""
        vector: Vectors = unit_rows(self._encode([self.info.query_prefix + text], "query"))[0]
        return vector

    def _encode(self, texts: list[str], role: str) -> Vectors:
        tasks = self._tasks[role]
        encoded = self._model.encode(texts, batch_size=len(texts), prompt="", show_progress_bar=False, **tasks)
        return of_length(np.asarray(encoded, np.float32), self.info)


def load_transformer(folder: str, trust: bool, card: ModelCard | None, where: str, **more: Any) -> Any:
    """The sentence-transformers model in `folder` on the device `where`; large ones keep the precision they come in.

    `trust`: code in `folder` may be run; `more`: options of the transformers model.
    """
    switch_off_telemetry()
    from sentence_transformers import SentenceTransformer

    if card is not None and card.parameters_m > _LARGE_PARAMETERS_M:
        more = {**more, "dtype": "auto"}
    return SentenceTransformer(
        folder, device=where, local_files_only=True, trust_remote_code=trust, model_kwargs=more or None
    )
