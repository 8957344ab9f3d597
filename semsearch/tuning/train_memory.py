"""How much fits into the memory of the device that trains. Estimates; nothing is allocated."""

import os
from typing import Any

from semsearch.embedding.fingerprint import WEIGHTS, sizes_of

# Bytes of a parameter: weight, gradient and Adam's two moments, in single precision.
_BYTES_A_PARAMETER = 16
# Share of the memory that these may take.
_MOST_FOR_PARAMETERS = 0.75
# Share of the memory for what a batch needs until its gradients are there: smaller batches are as fast.
_FOR_A_BATCH = 1 / 16


def texts_at_once(model: Any, tokens: int, device: str) -> int:
    """How many texts of `tokens` tokens fit into memory on `device` with what their gradients need.

    s h (34 + 5 a s / h) bytes a layer in half precision, for s tokens, h numbers each, and a heads (Korthikanti et al.
    2022, "Reducing activation recomputation in large transformer models", equation 1); twice that in single precision.
    """
    config = getattr(getattr(model[0], "auto_model", None), "config", None)
    layers, hidden = getattr(config, "num_hidden_layers", 12), getattr(config, "hidden_size", 768)
    heads = getattr(config, "num_attention_heads", 12)
    return max(1, int(_FOR_A_BATCH * _memory(device) / (2 * layers * tokens * (34 * hidden + 5 * heads * tokens))))


def check_memory(parameters: int, device: str) -> None:
    """Raises ValueError where a model of so many `parameters` cannot be trained in the memory of `device`."""
    needed, there = _BYTES_A_PARAMETER * parameters, _memory(device)
    if needed > _MOST_FOR_PARAMETERS * there:
        raise ValueError(
            f"training {parameters / 1e6:,.0f} million parameters needs {needed / 1e9:,.0f} GB of memory, "
            f"and {there / 1e9:,.0f} GB are there"
        )


def fewest_parameters(folder: str) -> int:
    """The fewest parameters the largest file of weights in `folder` can hold: of four bytes each."""
    return max(sizes_of(folder, WEIGHTS), default=0) // 4


def _memory(device: str) -> int:
    """Bytes of memory that `device` has."""
    import torch

    if device.startswith("cuda"):
        return int(torch.cuda.get_device_properties(device).total_memory)
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
