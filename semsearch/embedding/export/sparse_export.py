"""Exports a model of learned sparse vectors: a SparseEncoder of sentence-transformers, or the sparse head of BGE-M3."""

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semsearch.embedding.calibration import calibrate, sample_texts
from semsearch.embedding.embedder import unit_rows
from semsearch.embedding.export.agreement import failure, mean_cosine
from semsearch.embedding.export.onnx_model import (
    OnnxVariant,
    exporting,
    onnx_variants,
    save_tokenizer,
    vocabulary_size,
    write_onnx,
)
from semsearch.embedding.model_info import Calibration
from semsearch.embedding.sparse_head import BGE_M3_HEAD, head_of
from semsearch.embedding.sparse_info import SparseInfo
from semsearch.embedding.sparse_model import QUERY_FOLDER, QUERY_WEIGHTS, SparseModel
from semsearch.lexical.sparse_vector import as_rows

# The weight that an index keeps as 1 is this part of the largest one in the sample texts; larger ones have room.
_STEPS = 255
_INPUTS = ("input_ids", "attention_mask")
# A reference: (n, vocabulary) float32 of texts, before which it puts the model's prompt itself.
Encode = Callable[[Sequence[str]], NDArray[np.float32]]


def export_sparse(name: str, folder: str, fingerprint: str, working: str, trust: bool) -> dict[str, Any]:
    """Exports the sparse model in `folder` into `working`; returns the record for `model.json`. `trust`: code in
    `folder` may be run.

    Raises ValueError for a model that it cannot be made of, RuntimeError where no export agrees with the reference.
    """
    if head_of(folder) == "bge-m3":
        return _export_bge_m3(name, folder, fingerprint, working, trust)
    return _export_sparse_encoder(name, folder, fingerprint, working, trust)


# -- BGE-M3 ----------------------------------------------------------------------------------------------------------


def _export_bge_m3(name: str, folder: str, fingerprint: str, working: str, trust: bool) -> dict[str, Any]:
    import torch

    from semsearch.embedding.torch_runtime import load_transformer

    model = load_transformer(folder, trust, None, "cpu", attn_implementation="eager")
    model.eval()
    transformer, tokenizer = model[0].auto_model, model.tokenizer
    head = torch.nn.Linear(int(transformer.config.hidden_size), 1)
    weights = torch.load(os.path.join(folder, BGE_M3_HEAD), map_location="cpu", weights_only=True)
    try:
        head.load_state_dict(weights)
    except RuntimeError as error:
        raise ValueError(f"{BGE_M3_HEAD} is no head of this model: {' '.join(str(error).split())}") from None

    class Weights(torch.nn.Module):  # type: ignore[misc]
        def forward(self, input_ids: Any, attention_mask: Any) -> Any:
            hidden = transformer(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
            return torch.relu(head(hidden)).squeeze(-1)

    module = Weights().eval()
    module.transformer, module.head = transformer, head
    dropped = (tokenizer.cls_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id, tokenizer.unk_token_id)
    vocabulary = vocabulary_size(transformer)
    info = SparseInfo(
        name=name,
        fingerprint=fingerprint,
        runtime="",
        vocabulary=vocabulary,
        window=int(model.max_seq_length or tokenizer.model_max_length),
        output="tokens",
        queries="same",
        query_prefix="",
        passage_prefix="",
        dropped=tuple(sorted({int(one) for one in dropped if one is not None})),
        step=1.0,
        calibration=Calibration(background=0.0, fertility={}),
    )

    def reference(texts: Sequence[str]) -> NDArray[np.float32]:
        rows = np.zeros((len(texts), vocabulary), np.float32)
        for row, text in zip(rows, texts, strict=True):
            ids = tokenizer(text, truncation=True, max_length=info.window, return_tensors="pt")
            with torch.no_grad():
                values = module(ids["input_ids"], ids["attention_mask"])[0].numpy()
            np.maximum.at(row, ids["input_ids"][0].numpy(), values)
            row[list(info.dropped)] = 0
        return rows

    save_tokenizer(model, vocabulary, working)
    chosen, tried = _agreeing(module, info, working, reference)
    return _record(chosen, working, tried)


# -- SparseEncoder ---------------------------------------------------------------------------------------------------


def _export_sparse_encoder(name: str, folder: str, fingerprint: str, working: str, trust: bool) -> dict[str, Any]:
    from sentence_transformers import SparseEncoder

    from semsearch.no_telemetry import switch_off_telemetry

    switch_off_telemetry()
    model = SparseEncoder(
        folder,
        device="cpu",
        local_files_only=True,
        trust_remote_code=trust,
        model_kwargs={"attn_implementation": "eager"},
    )
    model.eval()
    model.max_active_dims = None  # what is kept is said by `sparse_vector.pruned_passage`
    passages, queries = _routes(model)
    if not hasattr(passages[0], "auto_model"):
        raise ValueError(f"its passages are read by {type(passages[0]).__name__}, not by a transformer")
    info = SparseInfo(
        name=name,
        fingerprint=fingerprint,
        runtime="",
        vocabulary=_encoded(model.encode_document, ["x"]).shape[1],
        window=int(passages[0].max_seq_length or 512),
        output="vocabulary",
        queries="same",
        query_prefix=_prompt(model, "query"),
        passage_prefix=_prompt(model, "document", "passage", "corpus"),
        dropped=(),
        step=1.0,
        calibration=Calibration(background=0.0, fertility={}),
    )
    save_tokenizer(passages[0], vocabulary_size(passages[0].auto_model), working)
    chosen, tried = _agreeing(
        _sequential(passages), info, working, lambda texts: _encoded(model.encode_document, texts)
    )
    if queries is not None and type(queries[0]).__name__ == "SparseStaticEmbedding":
        chosen = replace(chosen, queries="weights")
        np.save(os.path.join(working, QUERY_WEIGHTS), queries[0].weight.detach().numpy().astype(np.float32))
    elif queries is not None:
        chosen = replace(chosen, queries="other")
        below = os.path.join(working, QUERY_FOLDER)
        os.mkdir(below)
        save_tokenizer(queries[0], vocabulary_size(queries[0].auto_model), below)
        # Compared as passages are, with the graph of the queries in the place of theirs.
        other = replace(chosen, queries="same", passage_prefix=chosen.query_prefix)
        _agreeing(_sequential(queries), other, below, lambda texts: _encoded(model.encode_query, texts))
    return _record(chosen, working, tried)


def _prompt(model: Any, *names: str) -> str:
    """What `encode_query` or `encode_document` puts before a text: the first prompt of `names`, or the default."""
    prompts: dict[str, str] = model.prompts or {}
    return next((prompts[name] for name in names if name in prompts), prompts.get(model.default_prompt_name, "")) or ""


def _routes(model: Any) -> tuple[list[Any], list[Any] | None]:
    """(the modules that make the vectors of passages, those of queries); None: the same."""
    first, *rest = list(model)
    if type(first).__name__ not in ("Router", "Asym"):
        return [first, *rest], None
    routes = first.sub_modules
    if "query" not in routes or "document" not in routes:
        raise ValueError(f"it has the routes {', '.join(routes)}, not query and document")
    return [*routes["document"], *rest], [*routes["query"], *rest]


def _sequential(modules: Sequence[Any]) -> Any:
    """`modules` as one torch module of the inputs."""
    import torch

    class Weights(torch.nn.Module):  # type: ignore[misc]
        def forward(self, input_ids: Any, attention_mask: Any) -> Any:
            features = {"input_ids": input_ids, "attention_mask": attention_mask}
            for module in modules:
                features = _pooled(module, features) if _takes_largest(module) else module(features)
            return features["sentence_embedding"]

    module = Weights().eval()
    module.parts = torch.nn.ModuleList(modules)
    return module


def _takes_largest(module: Any) -> bool:
    return type(module).__name__ == "SpladePooling" and module.pooling_strategy == "max"


def _pooled(module: Any, features: dict[str, Any]) -> dict[str, Any]:
    """What SpladePooling makes of one text: the largest logit of each token first, as the logarithm of all of them
    would take longer than the model does."""
    import torch

    logits = torch.relu(torch.amax(features["token_embeddings"], dim=1))
    values = torch.log1p(logits)
    if module.activation_function == "log1p_relu":
        values = torch.log1p(values)
    return {**features, "sentence_embedding": values}


def _encoded(encode: Callable[..., Any], texts: Sequence[str]) -> NDArray[np.float32]:
    """(n, vocabulary) what sentence-transformers' `encode` makes of `texts`, one at a time."""
    tensor = encode(list(texts), batch_size=1, show_progress_bar=False, convert_to_sparse_tensor=False)
    return np.asarray(tensor, np.float32)


# -- both ------------------------------------------------------------------------------------------------------------


def _agreeing(module: Any, info: SparseInfo, working: str, reference: Encode) -> tuple[SparseInfo, dict[str, Any]]:
    """(`info` with the runtime that agrees with `reference` and is left in `working`, what was tried): runtime -> mean
    cosine. Raises RuntimeError where none does."""
    texts = sample_texts()
    wanted = unit_rows(reference(texts))
    tried: dict[str, Any] = {}
    with exporting(working):
        for variant in onnx_variants(lambda path: write_onnx(module, _INPUTS, "weights", path), working):
            try:
                cosine = _agreement(variant, info, working, texts, wanted)
            except Exception as error:  # whatever torch, onnx or onnxruntime cannot do with this architecture
                tried[variant.runtime] = failure(error, working)
                continue
            tried[variant.runtime] = round(cosine, 5)
            if cosine >= variant.least_agreement:
                return replace(info, runtime=variant.runtime), tried
    raise RuntimeError(f"no export agrees with the model: {tried}")


def _agreement(
    variant: OnnxVariant, info: SparseInfo, working: str, texts: Sequence[str], wanted: NDArray[np.float32]
) -> float:
    variant.write()
    ours = SparseModel(replace(info, runtime=variant.runtime), working).encode_whole(texts)
    made = wanted.any(axis=1)  # a text may have no token of any weight
    return mean_cosine(unit_rows(as_rows(ours, info.vocabulary))[made], wanted[made])


def _record(info: SparseInfo, working: str, tried: dict[str, Any]) -> dict[str, Any]:
    """The record for `model.json`, with what is measured of the prepared model in `working`."""
    model = SparseModel(info, working)
    largest = max((float(one.weights.max(initial=0.0)) for one in model.encode_whole(sample_texts())), default=0.0)
    if not largest:
        raise RuntimeError("it gives no weight to any token of the sample texts")

    def rows(vectors: Sequence[Any]) -> NDArray[np.float32]:
        return unit_rows(as_rows(vectors, info.vocabulary))

    calibration = calibrate(
        lambda queries: rows([model.encode_query(query) for query in queries]),
        lambda texts: rows(model.encode(texts)),
        model.tokenizer.tokens,
    )
    measured = replace(info, step=round(largest / _STEPS, 8), calibration=calibration)
    return {"info": measured.as_dict(), "mean_cosine_with_reference": tried, "sample_texts": len(sample_texts())}
