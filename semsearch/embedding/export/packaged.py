"""Prepares the packaged model without PyTorch, whose import alone takes longer: what sentence-transformers makes of the
sample texts with these weights is known."""

import os
import shutil
from importlib import resources
from typing import Any

import numpy as np

from semsearch.embedding.calibration import sample_texts
from semsearch.embedding.embedder import Vectors
from semsearch.embedding.export.agreement import calibrated_record, mean_cosine
from semsearch.embedding.export.bert_graph import write_bert
from semsearch.embedding.export.onnx_model import assembled, drop_variant, exporting, largest_weight
from semsearch.embedding.model_info import Calibration, ModelInfo
from semsearch.embedding.model_table import required
from semsearch.embedding.onnx_runtime import OnnxEmbedder
from semsearch.settings import DEFAULT_MODEL

_VECTORS = "packaged_vectors.npz"


def known_vectors(fingerprint: str) -> Vectors | None:
    """(n, dim) float16: what sentence-transformers makes of `sample_texts`; None for another model."""
    with resources.files("semsearch.embedding.export").joinpath(_VECTORS).open("rb") as file, np.load(file) as known:
        vectors: Vectors = known["vectors"]
        return vectors if str(known["fingerprint"]) == fingerprint else None


def export_packaged(name: str, folder: str, fingerprint: str, working: str) -> dict[str, Any] | None:
    """Writes the packaged model, which is in `folder`, into `working`; returns the record for `model.json`.

    None where it is another model, or does not agree with sentence-transformers on this machine.
    """
    reference = known_vectors(fingerprint)
    if reference is None:
        return None
    card = required(DEFAULT_MODEL)
    info = ModelInfo(
        name=name,
        fingerprint=fingerprint,
        runtime="onnx-int8",
        dim=card.dim,
        window=card.window,
        pooling=card.pooling,
        query_prefix=card.query_prefix,
        passage_prefix=card.passage_prefix,
        calibration=Calibration(background=0.0, fertility={}),
    )
    shutil.copyfile(os.path.join(folder, "tokenizer.json"), os.path.join(working, "tokenizer.json"))
    variant = assembled(lambda path: write_bert(folder, info.pooling, largest_weight(), path), working)
    with exporting(working):
        variant.write()
    embedder = OnnxEmbedder(info, working)
    texts = sample_texts()
    cosine = mean_cosine(embedder.encode(texts), reference.astype(np.float32))
    if cosine < variant.least_agreement:
        drop_variant(working)
        return None
    return calibrated_record(embedder, {variant.runtime: round(cosine, 5)}, len(texts))
