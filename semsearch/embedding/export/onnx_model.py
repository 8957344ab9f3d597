"""Writes a torch module as an ONNX model that ONNX Runtime loads fast, quantised to int8 or in full precision.

The exporter is TorchScript's: what torch's newer one makes of MiniLM is broken by int8 quantisation (cosine with the
reference -0.008) and takes 15 s instead of 2 s (`benchmarks/export_variants.py` has both).
"""

import contextlib
import os
import platform
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from semsearch.embedding.export.agreement import FP32_COSINE, INT8_COSINE

# One kernel for a sum and its normalisation takes five times as long as one kernel each, as it computes number by
# number: a sixth of the time of MiniLM (`benchmarks/export_variants.py`; onnxruntime 1.32).
UNUSED_OPTIMIZERS = ("SkipLayerNormFusion",)

# Bytes of a protocol buffer.
_LARGEST_FILE = (1 << 31) - 1
_EXPORTED, _QUANTISED, _FINAL = "model.onnx", "model-int8.onnx", "model.ort"


@dataclass(frozen=True)
class OnnxVariant:
    """One way to run a model: `write()` leaves `model.ort`; `least_agreement`: with the reference, to be used."""

    runtime: str
    least_agreement: float
    write: Callable[[], None]


def onnx_variants(
    export: Callable[[str], None], working: str, assemble: Callable[[str], None] | None = None
) -> list[OnnxVariant]:
    """The variants of a model from the fastest to the most faithful, to be written in this order into `working`.

    `export(path)` writes the ONNX model to `path`, `assemble(path)` one that is quantised already, for kinds of models
    for which there is that.
    """
    exported, quantised, final = (os.path.join(working, name) for name in (_EXPORTED, _QUANTISED, _FINAL))

    def int8() -> None:
        export(exported)
        quantise(exported, quantised)
        _optimise(quantised, final)

    def fp32() -> None:
        _optimise(exported, final)

    variants = [OnnxVariant("onnx-int8", INT8_COSINE, int8), OnnxVariant("onnx-fp32", FP32_COSINE, fp32)]
    return variants if assemble is None else [assembled(assemble, working), *variants]


def assembled(assemble: Callable[[str], None], working: str) -> OnnxVariant:
    """The variant that `assemble` writes, as in `onnx_variants`."""
    quantised, final = (os.path.join(working, name) for name in (_QUANTISED, _FINAL))

    def write() -> None:
        assemble(quantised)
        _optimise(quantised, final)

    return OnnxVariant("onnx-int8", INT8_COSINE, write)


@contextlib.contextmanager
def exporting(working: str) -> Iterator[None]:
    """Removes the intermediate files of `onnx_variants` from `working` at the end."""
    try:
        yield
    finally:
        for name in (_EXPORTED, _QUANTISED):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(os.path.join(working, name))


def drop_variant(working: str) -> None:
    """Removes the `model.ort` of a variant that is not to be used."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(os.path.join(working, _FINAL))


def write_onnx(module: Any, inputs: Sequence[str], output: str, path: str, per_token: bool = False) -> None:
    """Exports a torch `module` of int64 (batch, tokens) `inputs` to the ONNX file `path`; `output` names its result, of
    one row for each text, or, with `per_token`, for each token of each text.

    Raises ValueError for more parameters than such a file holds.
    """
    import torch

    size = sum(4 * parameter.numel() for parameter in module.parameters())
    if size > _LARGEST_FILE:
        raise ValueError(f"{size / 1e9:.1f} GB of parameters: an ONNX file holds two")
    example = torch.ones(2, 16, dtype=torch.int64)
    axes = {name: {0: "batch", 1: "tokens"} for name in inputs} | {output: {0: "batch"}}
    if per_token:
        axes[output][1] = "tokens"
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


def quantise(source: str, target: str) -> None:
    """Writes the ONNX file `source` with int8 weights to `target`; activations are quantised while it runs."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(
        source,
        target,
        per_channel=True,
        # Without VNNI, 8 x 8 bit sums overflow 16 bits: weights of 7 bits then
        # (onnxruntime documentation, "Quantize ONNX models", "When to use reduce-range and per-channel").
        reduce_range=largest_weight() < 127,
        weight_type=QuantType.QInt8,
        extra_options={"MatMulConstBOnly": True},
    )


def largest_weight() -> int:
    """The largest quantised weight for this processor: of 8 bits, or of 7, as in `quantise`."""
    return 127 if _has_vnni() else 63


def _has_vnni() -> bool:
    """Whether this processor adds products of 8-bit numbers up in 32 bits."""
    if platform.machine().lower() not in ("x86_64", "amd64", "i686"):
        return True  # Arm multiplies into 32 bits
    try:
        with open("/proc/cpuinfo", encoding="ascii", errors="replace") as file:
            flags = file.read()
    except OSError:
        return False
    return "avx512_vnni" in flags or "avx_vnni" in flags


def _optimise(source: str, target: str) -> None:
    """Writes `source` with ONNX Runtime's graph optimisations, in the format that loads fastest (28 against 68 ms)."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = target
    options.add_session_config_entry("session.save_model_format", "ORT")
    onnxruntime.InferenceSession(
        source, options, providers=["CPUExecutionProvider"], disabled_optimizers=list(UNUSED_OPTIMIZERS)
    )


def vocabulary_size(model: Any) -> int:
    """How many tokens the transformers model has vectors of; 0: it does not say."""
    return int(getattr(getattr(model, "config", None), "vocab_size", 0) or 0)


def save_tokenizer(model: Any, vocabulary: int, working: str) -> None:
    """Writes the tokenizer of `model`, which has vectors of `vocabulary` tokens, into the folder `working`.

    Raises RuntimeError where the model has none that can be saved.
    """
    backend = getattr(model.tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise RuntimeError("the model has no fast tokenizer (tokenizer.json)")
    words = backend.get_vocab_size()
    if 2 * words < vocabulary:
        # transformers makes an empty one where the files are missing.
        raise RuntimeError(f"the files of its tokenizer are missing: {words:,} words for a model of {vocabulary:,}")
    backend.save(os.path.join(working, "tokenizer.json"))
