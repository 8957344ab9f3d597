"""Exports a cross-encoder, which scores a query and a passage read together."""

import json
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from semsearch.embedding.calibration import sample_texts
from semsearch.embedding.cross_encoder import CrossEncoder
from semsearch.embedding.export.agreement import correlation, failure
from semsearch.embedding.export.onnx_model import exporting, onnx_variants, save_tokenizer, vocabulary_size, write_onnx

_PAIR_INPUTS = ("input_ids", "attention_mask", "token_type_ids")


def export_cross_encoder(name: str, folder: str, working: str) -> dict[str, Any]:
    """Exports the sentence-transformers CrossEncoder in `folder` into `working`; returns the record for `model.json`.

    Raises ValueError for another kind of model, RuntimeError where no variant agrees with sentence-transformers.
    """
    import sentence_transformers

    with open(os.path.join(folder, "config.json"), encoding="utf-8") as file:
        kinds = json.load(file).get("architectures") or []
    if not any("SequenceClassification" in kind for kind in kinds):
        # CrossEncoder would give such a model a head of random numbers.
        raise ValueError(f"{', '.join(kinds) or 'it'} is not a cross-encoder: it has no classification head")
    model = sentence_transformers.CrossEncoder(
        folder, device="cpu", local_files_only=True, model_kwargs={"attn_implementation": "eager"}
    )
    model.eval()
    if model.num_labels != 1:
        raise ValueError(f"it gives {model.num_labels} labels; a reranker gives one score")
    save_tokenizer(model, vocabulary_size(model), working)
    info: dict[str, Any] = {
        "name": name,
        "window": int(model.max_length or model.tokenizer.model_max_length),
        "inputs": [key for key in model.tokenizer.model_input_names if key in _PAIR_INPUTS],
    }
    info["window"] = min(info["window"], int(model.config.max_position_embeddings))
    texts = sample_texts()
    pairs = [(question, text) for question in texts[:12:2] for text in texts[1:32:2]]
    reference = np.asarray(model.predict(pairs, activation_fn=_identity, show_progress_bar=False), np.float64).ravel()
    tried: dict[str, Any] = {}
    with exporting(working):
        for variant in onnx_variants(lambda path: _export_pairs(model, info["inputs"], path), working):
            try:
                variant.write()
                ours = CrossEncoder({**info, "runtime": variant.runtime}, working).logits(pairs)
                agreement = correlation(ours, reference)
            except Exception as error:  # whatever torch, onnx or onnxruntime cannot do with this architecture
                tried[variant.runtime] = failure(error, working)
                continue
            tried[variant.runtime] = round(agreement, 5)
            if agreement >= variant.least_agreement:
                record = {**info, "runtime": variant.runtime}
                return {"info": record, "correlation_with_reference": tried, "pairs": len(pairs)}
    raise RuntimeError(f"no export agrees with sentence-transformers: {tried}")


def _identity(values: Any) -> Any:
    return values


def _export_pairs(model: Any, inputs: Sequence[str], path: str) -> None:
    """Writes the logits of the CrossEncoder `model` over its `inputs` as the ONNX file `path`."""
    import torch

    transformer = model.model

    class Logits(torch.nn.Module):  # type: ignore[misc]
        def forward(self, *values: Any) -> Any:
            return transformer(**dict(zip(inputs, values, strict=True))).logits

    module = Logits().eval()
    module.transformer = transformer
    write_onnx(module, inputs, "logits", path)
