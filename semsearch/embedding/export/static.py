"""Models of one vector per token: distilled from a transformer, or made so."""

import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from semsearch.embedding.calibration import sample_texts
from semsearch.embedding.embedder import Vectors, unit_rows
from semsearch.embedding.export.agreement import FP32_COSINE, calibrated_record, mean_cosine
from semsearch.embedding.model_info import Calibration, ModelInfo
from semsearch.embedding.static_runtime import StaticEmbedder

# Tokens of a passage; such a model reads any number.
STATIC_WINDOW = 512


def export_static(name: str, folder: str, fingerprint: str, working: str) -> dict[str, Any]:
    """Distils the model in `folder` with model2vec (PCA to 256 numbers, its default) into the folder `working`.

    Returns the record for `model.json`. Raises RuntimeError where it does not encode as model2vec does.
    """
    import tokenizers
    from model2vec.distill import distill

    static = distill(model_name=folder, device="cpu")
    table = np.asarray(static.embedding, np.float32)
    if static.token_mapping is not None:
        table = table[static.token_mapping]
    if static.weights is not None:
        table = table * np.asarray(static.weights, np.float32)[:, None]
    backend: tokenizers.Tokenizer = static.tokenizer
    unknown = getattr(static, "unk_token_id", None)
    if unknown is not None:
        table[unknown] = 0.0
    info = ModelInfo(
        name=name,
        fingerprint=fingerprint,
        runtime="static",
        dim=int(table.shape[1]),
        window=STATIC_WINDOW,
        pooling="mean",
        query_prefix="",
        passage_prefix="",
        calibration=Calibration(background=0.0, fertility={}),
    )
    return _checked(info, table, backend, lambda texts: np.asarray(static.encode(list(texts))), working)


def export_token_vectors(model: Any, info: ModelInfo, working: str) -> dict[str, Any]:
    """Writes the vectors that the sentence-transformers `model` has of tokens into the folder `working`.

    `info` describes it. Returns the record for `model.json`. Raises RuntimeError where it does more than to take their
    mean, or does not encode as sentence-transformers does.
    """
    first, *others = model
    if any(type(module).__name__ != "Normalize" for module in others):
        raise RuntimeError("it does more with its vectors of tokens than to take their mean")
    table = first.embedding.weight.detach().numpy().astype(np.float32)

    def encode(texts: Sequence[str]) -> Vectors:
        return np.asarray(model.encode(list(texts), prompt="", show_progress_bar=False))

    return _checked(info, table, first.tokenizer, encode, working)


def _checked(
    info: ModelInfo, table: Vectors, tokenizer: Any, encode: Callable[[Sequence[str]], Vectors], working: str
) -> dict[str, Any]:
    """The record of the model of `table` ((tokens, dim) float32), which is written into `working`.

    `encode`: as the library does. Raises RuntimeError where they differ.
    """
    tokenizer.save(os.path.join(working, "tokenizer.json"))
    np.save(os.path.join(working, "vectors.npy"), table)
    embedder = StaticEmbedder(info, working)
    texts = sample_texts()
    cosine = mean_cosine(embedder.encode(texts), unit_rows(encode([info.passage_prefix + text for text in texts])))
    if cosine < FP32_COSINE:
        raise RuntimeError(f"it does not encode as the library does that it was made with (mean cosine {cosine:.4f})")
    return calibrated_record(embedder, {"static": round(cosine, 5)}, len(texts))
