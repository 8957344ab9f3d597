"""Exports a sentence-transformers model, or finds that it must be run by sentence-transformers itself."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from semsearch.embedding.calibration import sample_texts
from semsearch.embedding.embedder import Embedder, unit_rows
from semsearch.embedding.export.agreement import calibrated_record, failure, mean_cosine
from semsearch.embedding.export.bert_graph import write_bert
from semsearch.embedding.export.onnx_model import (
    drop_variant,
    exporting,
    largest_weight,
    onnx_variants,
    save_tokenizer,
    vocabulary_size,
    write_onnx,
)
from semsearch.embedding.export.static import STATIC_WINDOW, export_token_vectors
from semsearch.embedding.model_info import Calibration, ModelInfo
from semsearch.embedding.model_table import ModelCard, card_of
from semsearch.embedding.onnx_runtime import OnnxEmbedder
from semsearch.embedding.torch_runtime import TorchEmbedder, load_transformer

# Tokens; models of token vectors say that they read any number.
_LONGEST_WINDOW = 1 << 20
_QUERY_PROMPTS = ("query",)
_PASSAGE_PROMPTS = ("document", "passage", "corpus")


def export_transformer(name: str, folder: str, fingerprint: str, working: str, trust: bool) -> dict[str, Any]:
    """Exports the sentence-transformers model in `folder` into `working`; returns the record for `model.json`.

    It is run by ONNX Runtime where an export agrees with sentence-transformers, else by sentence-transformers itself.
    Prefixes and window are those of the table of models, where it has this one. `trust`: code in `folder` may be run.
    """
    card = card_of(name)
    model = load_transformer(folder, trust, card, "cpu", attn_implementation="eager")
    model.eval()
    if type(model[0]).__name__ == "StaticEmbedding":
        described = replace(_described(model, name, fingerprint, card), runtime="static", window=STATIC_WINDOW)
        return export_token_vectors(model, described, working)
    if card is not None:
        model.max_seq_length = min(int(model.max_seq_length or 512), card.window)
    described = _described(model, name, fingerprint, card)
    save_tokenizer(model, vocabulary_size(getattr(model[0], "auto_model", None)), working)
    tried: dict[str, Any] = {}
    with exporting(working):
        embedder = _agreeing_export(model, described, folder, working, tried)
    if embedder is None:
        drop_variant(working)
        del model  # it is loaded anew, and may be large
        embedder = TorchEmbedder(replace(described, runtime="torch-fp32"), working, folder, trust, card)
    return calibrated_record(embedder, tried, len(sample_texts()))


def _described(model: Any, name: str, fingerprint: str, card: ModelCard | None) -> ModelInfo:
    """The ModelInfo of `model`, not calibrated and without its runtime."""
    prompts: dict[str, str] = dict(model.prompts or {})
    return ModelInfo(
        name=name,
        fingerprint=fingerprint,
        runtime="",
        dim=int(model.encode("x", show_progress_bar=False).shape[0]),
        window=int(min(model.max_seq_length or 512, _LONGEST_WINDOW)),
        pooling=_pooling(model),
        query_prefix=(card.query_prefix if card else "") or _prompt(prompts, _QUERY_PROMPTS),
        passage_prefix=(card.passage_prefix if card else "") or _prompt(prompts, _PASSAGE_PROMPTS),
        calibration=Calibration(background=0.0, fertility={}),
    )


def _agreeing_export(
    model: Any, described: ModelInfo, folder: str, working: str, tried: dict[str, Any]
) -> Embedder | None:
    """The fastest export of `model`, which is in `folder`, that agrees with it; None: none does.

    `tried` gets for each runtime its mean cosine with the model, or why it could not be made.
    """
    texts = sample_texts()
    prefixed = [described.passage_prefix + text for text in texts]
    # Two at a time: more would pad the short ones to the long ones.
    reference = unit_rows(model.encode(prefixed, prompt="", batch_size=2, show_progress_bar=False))

    def assemble(path: str) -> None:
        write_bert(folder, described.pooling, largest_weight(), path)

    for variant in onnx_variants(lambda path: export_vectors(model, path), working, assemble):
        try:
            variant.write()
            embedder = OnnxEmbedder(replace(described, runtime=variant.runtime), working)
            cosine = mean_cosine(embedder.encode(texts), reference)
        except Exception as error:  # whatever torch, onnx or onnxruntime cannot do with this architecture
            tried[variant.runtime] = failure(error, working)
            continue
        tried[variant.runtime] = round(cosine, 5)
        if cosine >= variant.least_agreement:
            return embedder
    return None


def _prompt(prompts: dict[str, str], names: Sequence[str]) -> str:
    """The first of the prompts called `names` that the model has; "": none."""
    return next((prompts[name] for name in names if prompts.get(name)), "")


def open_runtime(runtime: str, info: ModelInfo, folder: str, working: str) -> Embedder:
    """The transformer in `folder` run by `runtime` (`onnx-int8`, `onnx-fp32`, `torch-fp32`), exported into `working`.

    Whether it agrees with sentence-transformers is not checked: this is for measuring its speed.
    """
    import sentence_transformers

    model = sentence_transformers.SentenceTransformer(
        folder, device="cpu", local_files_only=True, model_kwargs={"attn_implementation": "eager"}
    )
    model.eval()
    save_tokenizer(model, vocabulary_size(getattr(model[0], "auto_model", None)), working)
    info = replace(info, runtime=runtime)
    if runtime == "torch-fp32":
        return TorchEmbedder(info, working, folder, False, None)
    for variant in onnx_variants(lambda path: export_vectors(model, path), working):
        variant.write()
        if variant.runtime == runtime:
            break
    return OnnxEmbedder(info, working)


def export_vectors(model: Any, path: str) -> None:
    """Writes the sentence-transformers `model` as the ONNX file `path`: tokens in, the vector of each text out."""
    import torch

    class Vectors(torch.nn.Module):  # type: ignore[misc]
        def forward(self, input_ids: Any, attention_mask: Any) -> Any:
            features = {"input_ids": input_ids, "attention_mask": attention_mask}
            for module in model:
                features = module(features)
            return features["sentence_embedding"]

    module = Vectors().eval()
    module.parts = torch.nn.ModuleList(model)
    write_onnx(module, ("input_ids", "attention_mask"), "vector", path)


def _pooling(model: Any) -> str:
    """`mean` or `cls` where the model is transformer, pooling, normalisation and nothing else; else `other`."""
    names = [type(module).__name__ for module in model]
    if names[:2] != ["Transformer", "Pooling"] or any(name != "Normalize" for name in names[2:]):
        return "other"
    settings = model[1].get_config_dict()
    mode = settings.get("pooling_mode")
    if mode is None:
        flags = [key for key, value in settings.items() if key.startswith("pooling_mode_") and value]
        mode = {"pooling_mode_mean_tokens": "mean", "pooling_mode_cls_token": "cls"}.get("".join(flags), "other")
    return mode if mode in ("mean", "cls") else "other"
