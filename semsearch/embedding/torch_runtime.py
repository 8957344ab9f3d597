"""Runs a model with sentence-transformers itself: the fallback for models that do not export faithfully."""

import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from semsearch.chunking.tokenizers import SubwordTokenizer
from semsearch.embedding.embedder import Vectors, of_length, unit_rows
from semsearch.embedding.model_info import ModelInfo
from semsearch.embedding.model_table import ModelCard
from semsearch.errors import UsageError
from semsearch.no_telemetry import switch_off_telemetry

_BATCH = 8
# Millions; larger models stay in the precision they come in: single precision would double their memory.
_LARGE_PARAMETERS_M = 1000


class TorchEmbedder:
    """An Embedder over the model folder `source`; `folder` holds the tokenizer that the export saved.

    `trust`: code in `source` may be run. `card`: says which task the model is told, where it takes one.
    """

    def __init__(self, info: ModelInfo, folder: str, source: str, trust: bool, card: ModelCard | None) -> None:
        self.info = info
        self.tokenizer = SubwordTokenizer(info.name, os.path.join(folder, "tokenizer.json"))
        self._model = load_transformer(source, trust, card, device())
        self._model.max_seq_length = info.window
        self._tasks: dict[str, dict[str, str]] = {"query": {}, "passage": {}}
        if card is not None and card.query_task and trust:
            self._tasks = {"query": {"task": card.query_task}, "passage": {"task": card.passage_task}}

    def encode(self, texts: Sequence[str], done: Callable[[int], None] | None = None) -> Vectors:
        """(n, dim) float32 unit rows of passages."""
        order = sorted(range(len(texts)), key=lambda number: -len(texts[number]))
        vectors = np.empty((len(texts), self.info.dim), np.float32)
        for start in range(0, len(order), _BATCH):
            part = order[start : start + _BATCH]
            batch = [self.info.passage_prefix + texts[number] for number in part]
            vectors[part] = self._encode(batch, "passage")
            if done:
                done(len(part))
        return unit_rows(vectors)

    def encode_query(self, text: str) -> Vectors:
        """(dim,) float32, unit length."""
        vector: Vectors = unit_rows(self._encode([self.info.query_prefix + text], "query"))[0]
        return vector

    def _encode(self, texts: list[str], role: str) -> Vectors:
        encoded = self._model.encode(texts, batch_size=_BATCH, prompt="", show_progress_bar=False, **self._tasks[role])
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


def device() -> str:
    """The device torch computes on: SEMSEARCH_DEVICE, or a GPU where there is one. Raises `UsageError`."""
    import torch

    from semsearch.settings import effective

    asked = str(effective("device")[0])
    if asked == "auto":
        mps = getattr(torch.backends, "mps", None)
        return "cuda" if torch.cuda.is_available() else "mps" if mps is not None and mps.is_available() else "cpu"
    try:
        torch.zeros(1, device=asked)
    except (RuntimeError, AssertionError) as error:
        raise UsageError(
            f"no device {asked} here: {str(error).splitlines()[0]}", "use auto, cpu, cuda or mps"
        ) from None
    return asked
