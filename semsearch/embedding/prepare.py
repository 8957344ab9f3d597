"""Makes a model ready for this machine, once: `python -m semsearch.embedding.prepare` with the arguments of `main`.

Exports to ONNX, quantises to int8, compares with sentence-transformers, calibrates, and puts the result under TARGET
with one rename. Runs in a process of its own (`models._prepare` says why); what goes wrong is its last line on stderr.

The exporter is TorchScript's: what torch's newer one makes of MiniLM is broken by int8 quantisation (cosine with the
reference -0.008) and takes 15 s instead of 2 s (`benchmarks/export_variants.py` has both).
"""

import contextlib
import json
import logging
import os
import platform
import shutil
import sys
import tempfile
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from semsearch.embedding.calibration import calibrate, sample_texts
from semsearch.embedding.embedder import Embedder, ModelInfo, Vectors, unit_rows
from semsearch.embedding.models import FORMAT
from semsearch.embedding.registry import card_of

_QUERY_PROMPTS = ("query",)
_PASSAGE_PROMPTS = ("document", "passage", "corpus")
# Lowest mean cosine with sentence-transformers over the sample texts.
INT8_COSINE = 0.985
FP32_COSINE = 0.9999


def main(arguments: Sequence[str]) -> None:
    name, folder, target, fingerprint, kind, *trusted = arguments
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    os.makedirs(os.path.dirname(target), exist_ok=True)
    working = tempfile.mkdtemp(prefix=".preparing-", dir=os.path.dirname(target))
    try:
        with contextlib.redirect_stdout(sys.stderr):
            if kind == "static":
                record = prepare_static(name, folder, fingerprint, working)
            elif kind == "cross-encoder":
                record = prepare_cross_encoder(name, folder, working)
            else:
                record = prepare_transformer(name, folder, fingerprint, working, bool(trusted))
        with open(os.path.join(working, "model.json"), "w", encoding="utf-8") as file:
            about = {"format": FORMAT, "folder": os.path.abspath(folder), "trusted": bool(trusted)}
            json.dump({**about, **record}, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.rename(working, target)
        except OSError:
            # Another process was faster; its result is as good.
            if not os.path.isfile(os.path.join(target, "model.json")):
                raise
    finally:
        shutil.rmtree(working, ignore_errors=True)


def prepare_transformer(name: str, folder: str, fingerprint: str, working: str, trust: bool) -> dict[str, Any]:
    """Fills `working` from the sentence-transformers model in `folder`; returns the record for `model.json`.

    Prefixes and window are those of the table of models, where it has this one. `trust`: its own code may be run.
    """
    from semsearch.embedding.torch_runtime import TorchEmbedder, load_transformer

    card = card_of(name)
    model = load_transformer(folder, trust, card, "cpu", attn_implementation="eager")
    model.eval()
    window = int(model.max_seq_length or 512)
    if card is not None:
        window = model.max_seq_length = min(window, card.window)
    _save_tokenizer(model, _rows(getattr(model[0], "auto_model", None)), os.path.join(working, "tokenizer.json"))
    prompts: dict[str, str] = dict(model.prompts or {})
    base: dict[str, Any] = {
        "name": name,
        "fingerprint": fingerprint,
        "dim": int(model.encode("x", show_progress_bar=False).shape[0]),
        "window": window,
        "pooling": _pooling(model),
        "query_prefix": (card.query_prefix if card else "") or _prompt(prompts, _QUERY_PROMPTS),
        "passage_prefix": (card.passage_prefix if card else "") or _prompt(prompts, _PASSAGE_PROMPTS),
        "calibration": {"background": 0.0, "fertility": {}},
    }
    texts = sample_texts()
    prefixed = [base["passage_prefix"] + text for text in texts]
    reference = unit_rows(model.encode(prefixed, prompt="", batch_size=8, show_progress_bar=False))
    tried: dict[str, Any] = {}
    embedder: Embedder | None = None
    if base["pooling"] in ("mean", "cls"):
        for runtime, lowest, make in _exports(lambda path: _export(model, path), working):
            try:
                make()
                info = ModelInfo.from_dict({**base, "runtime": runtime})
                embedder = _open_onnx(info, working)
                cosine = _mean_cosine(embedder.encode(texts), reference)
            except Exception as error:  # whatever torch, onnx or onnxruntime cannot do with this architecture
                tried[runtime] = f"{type(error).__name__}: {str(error)[:200]}"
                embedder = None
                continue
            tried[runtime] = round(cosine, 5)
            if cosine >= lowest:
                break
            embedder = None
    if embedder is None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(working, "model.ort"))
        del model  # it is loaded anew, and may be large
        info = ModelInfo.from_dict({**base, "runtime": "torch-fp32"})
        embedder = TorchEmbedder(info, working, folder, trust, card)
    for name in ("model.onnx", "model-int8.onnx"):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(working, name))
    return _record(embedder, tried, len(texts))


def _prompt(prompts: dict[str, str], names: Sequence[str]) -> str:
    return next((prompts[name] for name in names if prompts.get(name)), "")


def open_runtime(runtime: str, info: ModelInfo, folder: str, working: str) -> Embedder:
    """The transformer in `folder` run by `runtime` (`onnx-int8`, `onnx-fp32`, `torch-fp32`), made in `working`.

    Whether it is faithful is not checked: this is for measuring its speed.
    """
    import sentence_transformers

    model = sentence_transformers.SentenceTransformer(
        folder, device="cpu", local_files_only=True, model_kwargs={"attn_implementation": "eager"}
    )
    model.eval()
    _save_tokenizer(model, _rows(getattr(model[0], "auto_model", None)), os.path.join(working, "tokenizer.json"))
    info = replace(info, runtime=runtime)
    if runtime == "torch-fp32":
        from semsearch.embedding.torch_runtime import TorchEmbedder

        return TorchEmbedder(info, working, folder, False, None)
    for name, _, make in _exports(lambda path: _export(model, path), working):
        make()
        if name == runtime:
            break
    return _open_onnx(info, working)


def prepare_static(name: str, folder: str, fingerprint: str, working: str) -> dict[str, Any]:
    """Distils `folder` with model2vec (PCA to 256 dimensions, its default) into `working`."""
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
    info = ModelInfo.from_dict(
        {
            "name": name,
            "fingerprint": fingerprint,
            "runtime": "static",
            "dim": int(table.shape[1]),
            "window": 512,
            "pooling": "mean",
            "query_prefix": "",
            "passage_prefix": "",
            "calibration": {"background": 0.0, "fertility": {}},
        }
    )
    embedder = StaticEmbedder(info, working)
    texts = sample_texts()
    cosine = _mean_cosine(embedder.encode(texts), unit_rows(static.encode(texts)))
    if cosine < FP32_COSINE:
        raise RuntimeError(f"the static model differs from model2vec's own encoding (mean cosine {cosine:.4f})")
    return _record(embedder, {"static": round(cosine, 5)}, len(texts))


def prepare_cross_encoder(name: str, folder: str, working: str) -> dict[str, Any]:
    """Fills `working` from the sentence-transformers CrossEncoder in `folder`; returns the record for `model.json`."""
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
    _save_tokenizer(model, _rows(model), os.path.join(working, "tokenizer.json"))
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
    for runtime, lowest, make in _exports(lambda path: _export_pairs(model, info["inputs"], path), working):
        try:
            make()
            from semsearch.embedding.cross_encoder import Reranker

            ours = Reranker({**info, "runtime": runtime}, working).logits(pairs)
            agreement = _correlation(ours, reference)
        except Exception as error:  # whatever torch, onnx or onnxruntime cannot do with this architecture
            tried[runtime] = f"{type(error).__name__}: {str(error)[:200]}"
            continue
        tried[runtime] = round(agreement, 5)
        if agreement >= lowest:
            for made in ("model.onnx", "model-int8.onnx"):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(os.path.join(working, made))
            return {"info": {**info, "runtime": runtime}, "correlation_with_reference": tried, "pairs": len(pairs)}
    raise RuntimeError(f"no export agrees with sentence-transformers: {tried}")


_PAIR_INPUTS = ("input_ids", "attention_mask", "token_type_ids")


def _identity(values: Any) -> Any:
    return values


def _correlation(ours: np.ndarray, reference: np.ndarray) -> float:
    """Pearson's, less the distance of the means in standard deviations: scores must agree, not only their order."""
    spread = float(reference.std()) or 1.0
    return float(np.corrcoef(ours, reference)[0, 1]) - abs(float(ours.mean() - reference.mean())) / spread / 10


def _export_pairs(model: Any, inputs: Sequence[str], path: str) -> None:
    import torch

    transformer = model.model

    class Logits(torch.nn.Module):  # type: ignore[misc]
        def forward(self, *values: Any) -> Any:
            return transformer(**dict(zip(inputs, values, strict=True))).logits

    module = Logits().eval()
    module.transformer = transformer
    _write_onnx(module, inputs, "logits", path)


def _record(embedder: Embedder, tried: dict[str, Any], texts: int) -> dict[str, Any]:
    calibration = calibrate(
        lambda queries: np.stack([embedder.encode_query(query) for query in queries]),
        embedder.encode,
        embedder.tokenizer.tokens,
    )
    info = {**embedder.info.as_dict(), "calibration": {**calibration.__dict__}}
    return {"info": info, "mean_cosine_with_reference": tried, "sample_texts": texts}


def _exports(export: Callable[[str], None], working: str) -> list[tuple[str, float, Callable[[], None]]]:
    """(runtime, lowest agreement, function that writes model.ort) from the fastest to the most faithful.

    `export` writes the ONNX file it is given the path of.
    """
    exported = os.path.join(working, "model.onnx")
    quantised = os.path.join(working, "model-int8.onnx")
    final = os.path.join(working, "model.ort")

    def int8() -> None:
        export(exported)
        _quantise(exported, quantised)
        _optimise(quantised, final)

    def fp32() -> None:
        _optimise(exported, final)

    return [("onnx-int8", INT8_COSINE, int8), ("onnx-fp32", FP32_COSINE, fp32)]


def _export(model: Any, path: str) -> None:
    import torch

    transformer = model[0].auto_model

    class HiddenStates(torch.nn.Module):  # type: ignore[misc]
        def forward(self, input_ids: Any, attention_mask: Any) -> Any:
            return transformer(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state

    module = HiddenStates().eval()
    module.transformer = transformer
    _write_onnx(module, ("input_ids", "attention_mask"), "hidden", path)


def _write_onnx(module: Any, inputs: Sequence[str], output: str, path: str) -> None:
    import torch

    example = torch.ones(2, 16, dtype=torch.int64)
    axes = {name: {0: "batch", 1: "tokens"} for name in inputs} | {output: {0: "batch", 1: "tokens"}}
    with torch.no_grad():
        torch.onnx.export(
            module,
            (example,) * len(inputs),
            path,
            input_names=list(inputs),
            output_names=[output],
            dynamic_axes=axes,
            opset_version=17,
            dynamo=False,
        )


def _quantise(source: str, target: str) -> None:
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(
        source,
        target,
        per_channel=True,
        # Without VNNI, 8 x 8 bit sums overflow 16 bits: weights of 7 bits then
        # (onnxruntime documentation, "Quantize ONNX models", "When to use reduce-range and per-channel").
        reduce_range=not _has_vnni(),
        weight_type=QuantType.QInt8,
        extra_options={"MatMulConstBOnly": True},
    )


def _has_vnni() -> bool:
    if platform.machine().lower() not in ("x86_64", "amd64", "i686"):
        return True  # Arm multiplies into 32 bits
    try:
        with open("/proc/cpuinfo", encoding="ascii", errors="replace") as file:
            flags = file.read()
    except OSError:
        return False
    return "avx512_vnni" in flags or "avx_vnni" in flags


def _optimise(source: str, target: str) -> None:
    """Writes `source` with ONNX Runtime's graph optimisations done, in the format that loads fastest (28 v 68 ms)."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = target
    options.add_session_config_entry("session.save_model_format", "ORT")
    onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])


def _open_onnx(info: ModelInfo, working: str) -> Embedder:
    from semsearch.embedding.onnx_runtime import OnnxEmbedder

    return OnnxEmbedder(info, working)


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


def _rows(model: Any) -> int:
    """How many tokens the transformer has vectors of; 0: it does not say."""
    return int(getattr(getattr(model, "config", None), "vocab_size", 0) or 0)


def _save_tokenizer(model: Any, rows: int, path: str) -> None:
    """Writes the tokenizer of `model`, which knows `rows` tokens."""
    backend = getattr(model.tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise RuntimeError("the model has no fast tokenizer (tokenizer.json)")
    words = backend.get_vocab_size()
    if 2 * words < rows:
        # transformers makes an empty one where the files are missing.
        raise RuntimeError(f"the files of its tokenizer are missing: {words:,} words for a model of {rows:,}")
    backend.save(path)


def _mean_cosine(ours: Vectors, reference: Vectors) -> float:
    return float((ours * reference).sum(axis=1).mean())


if __name__ == "__main__":
    main(sys.argv[1:])
