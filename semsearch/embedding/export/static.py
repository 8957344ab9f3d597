"""Distils a transformer into one vector per token."""

import os
from typing import Any

import numpy as np

from semsearch.embedding.calibration import sample_texts
from semsearch.embedding.embedder import unit_rows
from semsearch.embedding.export.agreement import FP32_COSINE, calibrated_record, mean_cosine
from semsearch.embedding.model_info import Calibration, ModelInfo


def export_static(name: str, folder: str, fingerprint: str, working: str) -> dict[str, Any]:
    """Distils the model in `folder` with model2vec (PCA to 256 numbers, its default) into the folder `working`.

    Returns the record for `model.json`. Raises RuntimeError where it does not encode as model2vec does.
    """
    import tokenizers
    from model2vec.distill import distill

    from semsearch.embedding.static_runtime import StaticEmbedder

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
    backend.save(os.path.join(working, "tokenizer.json"))
    np.save(os.path.join(working, "vectors.npy"), table)
    info = ModelInfo(
        name=name,
        fingerprint=fingerprint,
        runtime="static",
        dim=int(table.shape[1]),
        window=512,
        pooling="mean",
        query_prefix="",
        passage_prefix="",
        calibration=Calibration(background=0.0, fertility={}),
    )
    embedder = StaticEmbedder(info, working)
    texts = sample_texts()
    cosine = mean_cosine(embedder.encode(texts), unit_rows(static.encode(texts)))
    if cosine < FP32_COSINE:
        raise RuntimeError(f"the static model differs from model2vec's own encoding (mean cosine {cosine:.4f})")
    return calibrated_record(embedder, {"static": round(cosine, 5)}, len(texts))
