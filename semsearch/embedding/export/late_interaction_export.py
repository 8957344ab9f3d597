"""Exports a late interaction model: a folder of MultiVectorEncoder, PyLate or ColBERT, or BGE-M3 with its head."""

import json
import os
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semsearch.embedding.calibration import sample_texts
from semsearch.embedding.embedder import Vectors
from semsearch.embedding.export.agreement import correlation, failure, mean_cosine
from semsearch.embedding.export.onnx_model import exporting, onnx_variants, save_tokenizer, vocabulary_size, write_onnx
from semsearch.embedding.late_interaction import LateInteraction, LateInteractionInfo
from semsearch.embedding.max_similarity import mean_max_similarity
from semsearch.embedding.rerankers import BGE_HEAD

# Sample texts that are compared: every other one is a question, and the last two are long.
_QUERIES, _PASSAGES = slice(0, 24, 2), slice(1, 32, 2)
_LONG = slice(-2, None)
_INPUTS = ("input_ids", "attention_mask")
# No window is longer: an index has no such passages.
_LONGEST_WINDOW = 8192


def export_late_interaction(name: str, folder: str, fingerprint: str, working: str) -> dict[str, Any]:
    """Exports the model in `folder` into `working`; returns the record for `model.json`.

    Raises ValueError for a model without token vectors, or with a head that does not fit, RuntimeError where no variant
    agrees with sentence-transformers.
    """
    model, is_bge = _loaded(folder)
    model.eval()
    described = replace(_described(model, name, fingerprint), skips_first=is_bge)
    save_tokenizer(model, vocabulary_size(getattr(model[0], "auto_model", None)), working)
    texts = sample_texts()
    queries, passages = texts[_QUERIES], texts[_PASSAGES] + texts[_LONG]
    reference = _reference(model, queries, passages, skips_first=is_bge)
    tried: dict[str, Any] = {}
    with exporting(working):
        for variant in onnx_variants(lambda path: _export_token_vectors(model, path), working):
            try:
                variant.write()
                ours = LateInteraction(replace(described, runtime=variant.runtime), working)
                agreement = _agreement(ours, model, queries, passages, reference)
            except Exception as error:  # whatever torch, onnx or onnxruntime cannot do with this architecture
                tried[variant.runtime] = failure(error, working)
                continue
            tried[variant.runtime] = {key: round(value, 5) for key, value in agreement.items()}
            if min(agreement.values()) >= variant.least_agreement:
                return {"info": ours.info.as_dict(), "agreement_with_reference": tried, "texts": len(passages)}
    raise RuntimeError(f"no export agrees with sentence-transformers: {tried}")


def _loaded(folder: str) -> tuple[Any, bool]:
    """(the model in `folder` as a MultiVectorEncoder, whether it is BGE-M3). Raises ValueError."""
    import sentence_transformers
    from sentence_transformers.base.modules.dense import Dense
    from sentence_transformers.multi_vector_encoder.modules import BaseTokenPooling

    config = _read(folder, "config.json")
    kind = _read(folder, "config_sentence_transformers.json").get("model_type")
    is_stanford = "HF_ColBERT" in (config.get("architectures") or ())
    if kind not in ("ColBERT", "MultiVectorEncoder") and not is_stanford:
        return _bge(folder), True
    if kind == "ColBERT" and not any("Dense" in str(one) for one in _modules(folder)):
        raise ValueError("it has no head for token vectors: its modules.json names no Dense")
    try:
        model = sentence_transformers.MultiVectorEncoder(
            folder, device="cpu", local_files_only=True, model_kwargs={"attn_implementation": "eager"}
        )
    except KeyError as error:
        if "linear.weight" not in str(error):
            raise
        raise ValueError("it has no head for token vectors: its weights hold no linear.weight") from None
    width = model[0].get_embedding_dimension()
    for module in model:
        if isinstance(module, BaseTokenPooling):
            raise ValueError(f"it merges tokens ({type(module).__name__}), which is not supported")
        if isinstance(module, Dense):
            width = _fitting(module.linear, width)
    return model, False


def _bge(folder: str) -> Any:
    """The encoder in `folder` with the head that lies beside it."""
    import torch
    from sentence_transformers import MultiVectorEncoder
    from sentence_transformers.base.modules import Normalize, Transformer
    from sentence_transformers.base.modules.dense import Dense
    from sentence_transformers.multi_vector_encoder.modules import MultiVectorMask

    transformer = Transformer(folder, model_kwargs={"attn_implementation": "eager", "local_files_only": True})
    weights = torch.load(os.path.join(folder, BGE_HEAD), map_location="cpu", weights_only=True)
    try:
        weight, bias = weights["weight"].float(), weights["bias"].float()
    except (KeyError, TypeError, AttributeError):
        raise ValueError(f"{BGE_HEAD} holds no weight and bias") from None
    if weight.ndim != 2 or bias.shape != weight.shape[:1]:
        raise ValueError(f"{BGE_HEAD} holds no weight (numbers, numbers) and bias (numbers,)")
    head = Dense(
        weight.shape[1], weight.shape[0], True, torch.nn.Identity(), weight, bias, module_input_name="token_embeddings"
    )
    _fitting(head.linear, transformer.get_embedding_dimension())
    normalize = Normalize(module_input_name="token_embeddings")
    return MultiVectorEncoder(modules=[transformer, head, MultiVectorMask(), normalize], device="cpu")


def _fitting(layer: Any, width: int) -> int:
    """How many numbers `layer` gives. Raises ValueError where it does not take the `width` numbers of its model."""
    if layer.in_features != width:
        raise ValueError(f"its head takes vectors of {layer.in_features} numbers, and the model gives {width}")
    return int(layer.out_features)


def _described(model: Any, name: str, fingerprint: str) -> LateInteractionInfo:
    """How `model` makes token vectors, without its runtime. Raises ValueError for what is not supported."""
    from sentence_transformers.multi_vector_encoder.modules import MultiVectorMask

    transformer, tokenizer = model[0], model.tokenizer
    window = min(int(model.max_seq_length or 512), _LONGEST_WINDOW)
    query_window = min(int(transformer.query_length or window), window)
    expansion = transformer.query_expansion
    filler = 0
    if expansion is not None:
        least = expansion["length"]
        query_window = least if expansion["strategy"] == "fixed" else max(query_window, least)
        filler = _filler(tokenizer, expansion["token"])
    masks = [module for module in model if isinstance(module, MultiVectorMask)]
    if any(mask.keep_only_token_ids for mask in masks):
        raise ValueError("it keeps the vectors of some tokens alone, as models of pictures do")
    skipping = [mask for mask in masks if mask._skiplist_ids is not None and "document" in mask.skiplist_tasks]
    prompts = model.prompts or {}
    return LateInteractionInfo(
        name=name,
        fingerprint=fingerprint,
        runtime="",
        dim=int(model.get_embedding_dimension()),
        query_prefix=_prompt(model, prompts, "query"),
        passage_prefix=_prompt(model, prompts, "document"),
        query_window=query_window,
        passage_window=min(int(transformer.document_length or window), window),
        filled_to=0 if expansion is None else expansion["length"],
        filler=filler,
        attends=bool(expansion and expansion["attend"]),
        skipped=tuple(sorted({token for mask in skipping for token in mask._skiplist_ids.tolist()})),
        skips_in_queries=any("query" in mask.skiplist_tasks for mask in skipping),
    )


def _prompt(model: Any, prompts: dict[str, str], task: str) -> str:
    """What stands before a text of `task`, as `encode_query` and `encode_document` find it."""
    return prompts.get(task) or (prompts.get(model.default_prompt_name) if task not in prompts else "") or ""


def _filler(tokenizer: Any, token: str | None) -> int:
    """The id of the token that queries are filled with. Raises ValueError where there is none."""
    if token is not None:
        return int(tokenizer.convert_tokens_to_ids(token))
    found = tokenizer.mask_token_id if tokenizer.mask_token_id is not None else tokenizer.eos_token_id
    if found is None:
        raise ValueError("its tokenizer has no token to fill queries with")
    return int(found)


def _reference(
    model: Any, queries: list[str], passages: list[str], skips_first: bool
) -> tuple[list[Vectors], list[Vectors]]:
    """The token vectors of `queries` and `passages` by sentence-transformers, (tokens, dim) each."""
    first = int(skips_first)
    chosen: dict[str, Any] = {"batch_size": 8, "show_progress_bar": False, "normalize_embeddings": True}
    return (
        [one[first:] for one in model.encode_query(queries, convert_to_numpy=True, **chosen)],
        [one[first:] for one in model.encode_document(passages, convert_to_numpy=True, **chosen)],
    )


def _agreement(
    ours: LateInteraction,
    model: Any,
    queries: list[str],
    passages: list[str],
    reference: tuple[list[Vectors], list[Vectors]],
) -> dict[str, float]:
    """The mean cosine of token vectors with `reference`, and the correlation of the scores.

    Raises ValueError where a text has other tokens here than there.
    """
    asked, read = [ours.encode_query(query) for query in queries], ours.encode(passages)
    for text, one, other in zip([*queries, *passages], [*asked, *read], [*reference[0], *reference[1]], strict=True):
        if one.shape != other.shape:
            raise ValueError(f"{text[:40]!r} has {len(one)} token vectors, and {len(other)} by sentence-transformers")
    cosine = mean_cosine(np.concatenate([*asked, *read]), np.concatenate([*reference[0], *reference[1]]))
    return {"cosine": cosine, "scores": correlation(_scores(asked, read), _scores(*reference))}


def _scores(queries: list[Vectors], passages: list[Vectors]) -> NDArray[np.float64]:
    """(queries * passages,): the score of every pair."""
    return np.concatenate([mean_max_similarity(query, passages) for query in queries]).astype(np.float64)


def _export_token_vectors(model: Any, path: str) -> None:
    """Writes `model` as the ONNX file `path`: tokens and which of them are looked at in, the vector of each out."""
    import torch
    from sentence_transformers.multi_vector_encoder.modules import MultiVectorMask

    modules = [module for module in model if not isinstance(module, MultiVectorMask)]

    class TokenVectors(torch.nn.Module):  # type: ignore[misc]
        def forward(self, input_ids: Any, attention_mask: Any) -> Any:
            features = {"input_ids": input_ids, "attention_mask": attention_mask}
            for module in modules:
                features = module(features)
            return torch.nn.functional.normalize(features["token_embeddings"], dim=-1)

    module = TokenVectors().eval()
    module.parts = torch.nn.ModuleList(modules)
    write_onnx(module, _INPUTS, "vectors", path, per_token=True)


def _modules(folder: str) -> list[Any]:
    try:
        with open(os.path.join(folder, "modules.json"), encoding="utf-8") as file:
            return list(json.load(file))
    except FileNotFoundError:
        return []


def _read(folder: str, name: str) -> dict[str, Any]:
    try:
        with open(os.path.join(folder, name), encoding="utf-8") as file:
            return dict(json.load(file))
    except FileNotFoundError:
        return {}
