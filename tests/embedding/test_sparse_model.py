"""Sparse models give the weights of their libraries, and say what is wrong with a model."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from semsearch.embedding import kept_models
from semsearch.embedding.embedder import unit_rows
from semsearch.embedding.export import sparse_export
from semsearch.embedding.export.onnx_model import OnnxVariant, onnx_variants
from semsearch.embedding.resolve import packaged
from semsearch.embedding.sparse_head import head_of
from semsearch.embedding.sparse_info import SparseInfo
from semsearch.embedding.sparse_model import SparseModel, open_recorded_sparse, open_sparse
from semsearch.errors import ModelError
from semsearch.lexical.sparse_vector import SparseVector, as_rows
from tests.support.tiny_models import make_model
from tests.support.tiny_sparse_models import make_bge_m3, make_inference_free, make_splade, make_two_sided

pytestmark = pytest.mark.slow

TEXTS = ["the old pump runs and stops", "water in the valve of a house, 24 tides!", "tide", "Ein Haus am Meer. " * 30]
ENCODERS = {
    "splade": make_splade,
    "splade sum": lambda folder: make_splade(folder, pooling="sum"),
    "splade v3": lambda folder: make_splade(folder, activation="log1p_relu"),
    "inference-free": make_inference_free,
    "two-sided": make_two_sided,
}


@pytest.fixture
def fp32(monkeypatch: pytest.MonkeyPatch) -> None:
    """No export in int8 is good enough."""

    def variants(*arguments: Any) -> list[OnnxVariant]:
        return [
            replace(one, least_agreement=2.0) if "int8" in one.runtime else one for one in onnx_variants(*arguments)
        ]

    monkeypatch.setattr(sparse_export, "onnx_variants", variants)


def exported(folder: Path, working: Path) -> SparseModel:
    """The sparse model in `folder`, exported into `working`."""
    working.mkdir()
    record = sparse_export.export_sparse("tiny", str(folder), "0" * 64, str(working), False)
    return SparseModel(SparseInfo.from_dict(json.loads(json.dumps(record["info"]))), str(working))


def rows_of(vectors: list[SparseVector], model: SparseModel) -> NDArray[np.float32]:
    return as_rows(vectors, model.info.vocabulary)


def agree(ours: NDArray[np.float32], theirs: NDArray[np.float32], least: float) -> None:
    none = ~theirs.any(axis=1)
    assert not ours[none].any() and not none.all()
    cosines = (unit_rows(ours) * unit_rows(theirs)).sum(axis=1)
    assert cosines[~none].min() >= least


@pytest.mark.parametrize("kind", ENCODERS)
def test_weights_are_those_of_sentence_transformers(kind: str, tmp_path: Path, fp32: None) -> None:
    from sentence_transformers import SparseEncoder

    folder = ENCODERS[kind](tmp_path / "made")
    assert head_of(str(folder)) == "sparse-encoder"
    model = exported(folder, tmp_path / "working")
    assert model.info.runtime == "onnx-fp32"
    reference = SparseEncoder(str(folder), device="cpu")
    wanted = {"convert_to_sparse_tensor": False, "show_progress_bar": False}
    ours = rows_of(model.encode_whole(TEXTS), model)
    agree(ours, np.asarray(reference.encode_document(TEXTS, **wanted)), 0.9999)
    queries = rows_of([model.encode_whole_query(text) for text in TEXTS], model)
    agree(queries, np.asarray(reference.encode_query(TEXTS, **wanted)), 0.9999)
    assert all(0 < len(one.tokens) <= 256 for one in model.encode(TEXTS))


def test_prompts_are_put_before_texts_once(tmp_path: Path, fp32: None) -> None:
    from sentence_transformers import SparseEncoder

    folder = make_splade(tmp_path / "made")
    settings = folder / "config_sentence_transformers.json"
    for names, default in ({"query", "document"}, None), ({"corpus"}, "other"):
        kept = {**dict.fromkeys(names, "old water "), "other": "the tide "}
        settings.write_text(
            json.dumps({**json.loads(settings.read_text()), "prompts": kept, "default_prompt_name": default})
        )
        model = exported(folder, tmp_path / "-".join(sorted(names)))
        reference = SparseEncoder(str(folder), device="cpu")
        wanted = {"convert_to_sparse_tensor": False, "show_progress_bar": False}
        ours = rows_of(model.encode_whole(TEXTS), model)
        agree(ours, np.asarray(reference.encode_document(TEXTS, **wanted)), 0.9999)
        queries = rows_of([model.encode_whole_query(text) for text in TEXTS], model)
        agree(queries, np.asarray(reference.encode_query(TEXTS, **wanted)), 0.9999)


def test_weights_are_those_of_the_head_of_bge_m3(tmp_path: Path, fp32: None) -> None:
    import torch
    from transformers import AutoModel, AutoTokenizer

    folder = make_bge_m3(tmp_path / "made")
    assert head_of(str(folder)) == "bge-m3"
    model = exported(folder, tmp_path / "working")
    # As FlagEmbedding does it (BGE_M3 `sparse_embedding` and `_process_token_weights`).
    transformer, tokenizer = AutoModel.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)
    head = torch.nn.Linear(48, 1)
    head.load_state_dict(torch.load(folder / "sparse_linear.pt", weights_only=True))
    wanted = np.zeros((len(TEXTS), model.info.vocabulary), np.float32)
    for row, text in zip(wanted, TEXTS, strict=True):
        ids = tokenizer(text, return_tensors="pt", truncation=True, max_length=64)
        with torch.no_grad():
            weights = torch.relu(head(transformer(**ids).last_hidden_state))[0, :, 0]
        for token, weight in zip(ids["input_ids"][0].tolist(), weights.tolist(), strict=True):
            if token not in (tokenizer.cls_token_id, tokenizer.pad_token_id, tokenizer.unk_token_id):
                row[token] = max(row[token], weight)
    agree(rows_of(model.encode_whole(TEXTS), model), wanted, 0.9999)
    agree(rows_of([model.encode_whole_query(text) for text in TEXTS], model), wanted, 0.9999)


def test_a_prepared_model_is_near_to_it_in_int8_and_kept(splade: Path) -> None:
    told: list[str] = []
    model = open_sparse(str(splade), False, told.append)
    again = open_sparse(str(splade), False, told.append)
    assert len(told) <= 1
    assert again.info == model.info
    assert open_recorded_sparse(replace(model.info, name="as an index calls it")).info.same_vectors(model.info)


def test_a_query_is_encoded_once(splade: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = open_sparse(str(splade), False, lambda message: None)
    asked: list[str] = []
    whole = SparseModel.encode_whole_query
    monkeypatch.setattr(SparseModel, "encode_whole_query", lambda self, text: asked.append(text) or whole(self, text))
    first = model.encode_query("the tide")
    assert model.encode_query("the tide") is first and model.encode_query("a pump") is not first
    assert asked == ["the tide", "a pump"]


def test_one_that_is_kept_open_is_not_opened_again(splade: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str]] = []
    monkeypatch.setattr(kept_models, "on_open", lambda *model: asked.append(model))
    info = open_sparse(str(splade), False, lambda message: None).info
    assert len(asked) == 1, "who keeps models open hears of it"
    kept_models.keep(*asked[0])
    try:
        model = open_recorded_sparse(info)
        assert open_recorded_sparse(info) is model and len(asked) == 1
        assert model.encode_query("the tide").tokens.tolist()
    finally:
        kept_models.let_go()
    assert open_recorded_sparse(info) is not model


def remake(folder: Path, change: Callable[[Path], None], target: Path) -> Path:
    shutil.copytree(folder, target)
    change(target)
    return target


def test_a_model_without_a_head_is_refused_before_anything_is_prepared(tmp_path: Path) -> None:
    plain = make_model(tmp_path / "plain")
    for name in ("all-MiniLM-L6-v2", str(plain), "static", "openai:text-embedding-3-small"):
        with pytest.raises(ModelError, match="makes no sparse vectors") as caught:
            open_sparse(name, False, lambda message: pytest.fail(message))
        assert "SPLADE" in caught.value.hint
    assert head_of(packaged()) is None


def test_a_head_of_other_dimensions_is_refused_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEMSEARCH_CACHE", str(tmp_path / "cache"))
    folder = make_bge_m3(tmp_path / "made", hidden=32)
    with pytest.raises(ModelError, match=r"sparse_linear\.pt is no head of this model") as caught:
        open_sparse(str(folder), False, lambda message: None)
    assert "\n" not in caught.value.message


def test_a_head_that_holds_code_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setenv("SEMSEARCH_CACHE", str(tmp_path / "cache"))
    folder = make_bge_m3(tmp_path / "made")

    class Code:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "was run",))

    torch.save({"weight": Code()}, folder / "sparse_linear.pt")
    with pytest.raises(ModelError, match="cannot be prepared"):
        open_sparse(str(folder), False, lambda message: None)
    assert not (tmp_path / "was run").exists()


def test_what_an_index_names_is_not_prepared_and_must_be_the_same(splade: Path) -> None:
    info = open_sparse(str(splade), False, lambda message: None).info
    with pytest.raises(ModelError, match="was not prepared on this machine") as caught:
        open_recorded_sparse(replace(info, fingerprint="ab" * 32))
    assert caught.value.code == "model_not_prepared"
    with pytest.raises(ModelError, match="no valid fingerprint"):
        open_recorded_sparse(replace(info, fingerprint="../../x"))
    with pytest.raises(ModelError, match="were made by"):
        open_recorded_sparse(replace(info, vocabulary=info.vocabulary + 1))


@pytest.mark.parametrize(
    "change",
    [
        {"vocabulary": 0},
        {"vocabulary": 1 << 40},
        {"step": 0.0},
        {"step": float("nan")},
        {"step": 1e308},
        {"step": 1e-300},
        {"window": "64"},
        {"dropped": [-1]},
        {"name": 3},
        {"calibration": {"background": "x", "fertility": {}}},
        {"more": 1},
    ],
)
def test_a_damaged_record_is_no_model(splade: Path, change: dict[str, Any]) -> None:
    record = open_sparse(str(splade), False, lambda message: None).info.as_dict()
    assert SparseInfo.from_dict(record).as_dict() == record
    with pytest.raises((ValueError, TypeError, KeyError)):
        SparseInfo.from_dict({**record, **change})
