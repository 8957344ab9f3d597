"""A model that PyTorch runs on a GPU, in half precision where it can be: passages in batches, token ids to vectors."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from semsearch.embedding.embedder import Vectors
from semsearch.embedding.token_batches import TokenBatches, free_device

# Tokens of a batch, which take some 0.3 GB in a small model, 2 GB in one of 24 layers; less memory halves it.
BATCH_TOKENS = 32_768
SINGLE = "float32"
# Families whose activations exceed what float16 holds, as their makers say.
_NEED_BFLOAT16 = ("gemma",)
# MPS compiles a graph for every shape.
_PADDED_TO = {"mps": 32}


class GpuModel:
    """The sentence-transformers model that `load()` returns, on `device`, for texts of at most `window` tokens.

    `precision` None: half precision, of the kind that the model and the device can do; float32 on a processor. A batch
    of which that makes anything but numbers is encoded in float32, and so are all later ones.
    """

    def __init__(self, load: Callable[[], Any], device: str, window: int, precision: str | None = None) -> None:
        self._load = load
        self._device = device
        self._window = window
        self._model = load()
        self.precision = SINGLE
        self._set(precision or _half(self._model, device))
        self._batches = TokenBatches(BATCH_TOKENS, free_device(device))

    def encode(self, texts: Sequence[str]) -> dict[int, Vectors]:
        """place -> (dim,) float32, of any length, of each of `texts`, passages with their prefix; without those that
        do not fit into the device's memory."""
        if not texts:
            return {}
        ids = self._model.tokenizer(list(texts), truncation=True, max_length=self._window)["input_ids"]
        return self._batches.encode(ids, [len(one) for one in ids], self._run)

    def use_single(self) -> None:
        """Computes in float32 from now on. Raises MemoryError where the device has no memory for that."""
        if self.precision != SINGLE:
            self._model = None  # there may be no memory for two
            try:
                self._model = self._load()  # what was rounded is not to be had back
                self._set(SINGLE)
            except RuntimeError as error:  # no smaller batch would help
                raise MemoryError(f"the model does not load in {SINGLE}: {error}") from error

    def _set(self, precision: str) -> None:
        import torch

        self.precision = precision
        self._model.eval()
        for number, module in enumerate(self._model):
            # The transformer alone: pooling and layers after it take little time, and sums of halves are rough.
            module.to(getattr(torch, precision if number == 0 else SINGLE))

    def _run(self, batch: list[list[int]]) -> Vectors:
        """(n, dim) float32 of n texts as token ids."""
        vectors = self._forward(batch)
        if self.precision != SINGLE and not np.isfinite(vectors).all():
            self.use_single()
            vectors = self._forward(batch)
        return vectors

    def _forward(self, batch: list[list[int]]) -> Vectors:
        import torch

        padded = self._model.tokenizer.pad(
            {"input_ids": batch}, return_tensors="pt", pad_to_multiple_of=_PADDED_TO.get(self._device)
        )
        features = {name: padded[name].to(self._device) for name in ("input_ids", "attention_mask")}
        with torch.inference_mode():
            for number, module in enumerate(self._model):
                features = module(features)
                if number == 0:
                    features = {name: _single(value) for name, value in features.items()}
        vectors: Vectors = features["sentence_embedding"].float().cpu().numpy()
        return vectors


def _single(value: Any) -> Any:
    """`value` in float32, where it is a tensor of floating point numbers."""
    import torch

    return value.float() if isinstance(value, torch.Tensor) and value.is_floating_point() else value


def _half(model: Any, device: str) -> str:
    """The precision for `model` on `device`."""
    if device == "cpu":
        return SINGLE
    family = str(getattr(getattr(model[0].auto_model, "config", None), "model_type", ""))
    if not family.startswith(_NEED_BFLOAT16):
        return "float16"
    return "bfloat16" if _has_bfloat16(device) else SINGLE


def _has_bfloat16(device: str) -> bool:
    import torch

    if device.startswith("cuda"):
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    try:
        torch.zeros(1, dtype=torch.bfloat16, device=device)
    except (RuntimeError, TypeError):
        return False
    return True
