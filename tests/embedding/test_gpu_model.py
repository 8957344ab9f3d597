"""What runs on a GPU, run on the processor: batches, half precision, and a memory that is too small."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from semsearch.embedding.embedder import Vectors, unit_rows
from semsearch.embedding.gpu_model import GpuModel
from semsearch.embedding.torch_runtime import load_transformer
from tests.support.tiny_models import make_model, make_model_with_head

TEXTS = ["the pump runs", "water", "the old house and the tide " * 8, "a valve stops in the house", "tide " * 30]
WINDOW = 64


@pytest.fixture(scope="module")
def folder(made_once: Callable[[str, Callable[[Path], Path]], Path]) -> Path:
    return made_once("gpu-tiny", make_model)


def loaded(folder: Path) -> Any:
    return load_transformer(str(folder), False, None, "cpu")


def reference(folder: Path) -> Vectors:
    return unit_rows(loaded(folder).encode(TEXTS, show_progress_bar=False))


def rows(made: dict[int, Vectors], count: int = len(TEXTS)) -> Vectors:
    return unit_rows(np.stack([made[place] for place in range(count)]))


def test_a_vector_does_not_depend_on_its_batch(folder: Path) -> None:
    model = GpuModel(lambda: loaded(folder), "cpu", WINDOW)
    together = rows(model.encode(TEXTS))
    alone = np.stack([rows(model.encode([text]), 1)[0] for text in TEXTS])
    assert (together * alone).sum(axis=1).min() >= 0.99999
    assert (together * reference(folder)).sum(axis=1).min() >= 0.99999 and model.precision == "float32"


@pytest.mark.parametrize("precision", ["float16", "bfloat16"])
def test_half_precision_is_near_and_does_not_depend_on_the_batch(folder: Path, precision: str) -> None:
    model = GpuModel(lambda: loaded(folder), "cpu", WINDOW, precision)
    together = rows(model.encode(TEXTS))
    alone = np.stack([rows(model.encode([text]), 1)[0] for text in TEXTS])
    least = {"float16": 0.99999, "bfloat16": 0.999}[precision]
    assert (together * alone).sum(axis=1).min() >= least and model.precision == precision
    assert (together * reference(folder)).sum(axis=1).min() >= least


@pytest.mark.slow
def test_layers_after_the_pooling_stay_in_single_precision(tmp_path: Path) -> None:
    folder = make_model_with_head(tmp_path)
    model = GpuModel(lambda: loaded(folder), "cpu", WINDOW, "float16")
    assert (rows(model.encode(TEXTS)) * reference(folder)).sum(axis=1).min() >= 0.9999


def test_what_overflows_in_half_precision_is_encoded_in_single_precision_from_then_on(folder: Path) -> None:
    def large() -> Any:
        model = loaded(folder)
        with torch.no_grad():
            model[0].auto_model.embeddings.word_embeddings.weight.mul_(1e8)
        return model

    model = GpuModel(large, "cpu", WINDOW, "float16")
    made = rows(model.encode(TEXTS))
    expected = unit_rows(large().encode(TEXTS, show_progress_bar=False))
    assert model.precision == "float32" and (made * expected).sum(axis=1).min() >= 0.99999


def test_a_model_that_single_precision_makes_too_large_is_told(folder: Path) -> None:
    """It is not taken for a batch that is too large, after which there would be no model at all."""
    loads: list[int] = []

    def load() -> Any:
        loads.append(1)
        if len(loads) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        model = loaded(folder)
        with torch.no_grad():
            model[0].auto_model.embeddings.word_embeddings.weight.mul_(1e8)
        return model

    model = GpuModel(load, "cpu", WINDOW, "float16")
    with pytest.raises(MemoryError, match="the model does not load in float32: CUDA out of memory"):
        model.encode(TEXTS)


class SmallMemory(torch.nn.Module):  # type: ignore[misc]
    """A transformer that has no memory for batches of more than so many tokens."""

    def __init__(self, module: Any, tokens: int) -> None:
        super().__init__()
        self.module, self.tokens = module, tokens
        self.auto_model, self.tokenizer = module.auto_model, module.tokenizer
        self.sizes: list[tuple[int, ...]] = []

    def forward(self, features: Any) -> Any:
        size = tuple(features["input_ids"].shape)
        if size[0] * size[1] > self.tokens:
            raise torch.OutOfMemoryError(f"CUDA out of memory. Tried to allocate {size}")
        self.sizes.append(size)
        return self.module(features)


@pytest.mark.parametrize(("tokens", "missing"), [(130, set()), (40, {2})])
def test_a_memory_that_is_too_small(folder: Path, tokens: int, missing: set[int]) -> None:
    """With 130 tokens batches get smaller; with 40, the passage of 50 has no place and is left to the processor."""
    model = loaded(folder)
    model[0] = memory = SmallMemory(model[0], tokens)
    made = GpuModel(lambda: model, "cpu", WINDOW).encode(TEXTS)
    assert set(range(len(TEXTS))) - set(made) == missing and all(a * b <= tokens for a, b in memory.sizes)
    expected = reference(folder)
    for place, vector in made.items():
        assert unit_rows(vector) @ expected[place] >= 0.99999
