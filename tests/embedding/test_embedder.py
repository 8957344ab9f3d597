"""What a runtime makes of numbers that are no vector."""

import warnings
from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from semsearch.embedding.embedder import unit_rows
from semsearch.embedding.onnx_runtime import OnnxEmbedder
from semsearch.errors import ModelError
from tests.support.corpus import DIM, MODEL

WHOLE = np.full(DIM, 0.5, np.float32)
ODD: dict[str, Any] = {
    "nan": np.nan,
    "infinite": np.inf,
    "minus infinite": -np.inf,
    "too large for its length": 1e30,
    "too large for single precision": 1e300,
}


@pytest.mark.parametrize("name", ODD)
def test_a_row_without_a_direction_is_zero(name: str) -> None:
    rows = np.tile(WHOLE.astype(np.float64), (3, 1))
    rows[1, 2] = ODD[name]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        units = unit_rows(rows)
        assert not unit_rows(rows[1]).any()
    assert units.dtype == np.float32 and not units[1].any()
    np.testing.assert_allclose(np.linalg.norm(units[[0, 2]], axis=1), 1, rtol=1e-6)


def onnx(output: "Sequence[float] | np.ndarray") -> OnnxEmbedder:
    """The runtime over a model file whose output for each text is this."""
    embedder = object.__new__(OnnxEmbedder)
    embedder.info = replace(MODEL, name="odd one")
    embedder.tokenizer = SimpleNamespace(ids=lambda text, window: np.zeros(3, np.int64))  # type: ignore[assignment]
    embedder._session = SimpleNamespace(run=lambda names, inputs: [np.array([output], np.float32)])
    embedder._inputs = ["input_ids", "attention_mask"]
    return embedder


def test_a_broken_model_file_makes_no_vectors() -> None:
    good, broken = onnx(WHOLE), onnx(np.full(DIM, np.nan))
    assert good.encode(["a"]).any() and good.encode_query("a").any()
    assert not broken.encode(["a", "b"]).any() and not broken.encode_query("a").any()


@pytest.mark.parametrize("dim", [1, DIM - 1, DIM + 1])
def test_vectors_of_another_length_are_told(dim: int) -> None:
    other = onnx(np.ones(dim))
    for call in (lambda: other.encode(["a"]), lambda: other.encode_query("a")):
        with pytest.raises(ModelError, match=f"odd one makes vectors of {dim} numbers, not {DIM}") as told:
            call()
        assert told.value.hint
