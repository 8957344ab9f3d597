"""Token vectors agree with sentence-transformers for every layout of a folder, and what is wrong with one is said."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from semsearch.embedding.embedder import Vectors
from semsearch.embedding.export.late_interaction_export import _described, _export_token_vectors, _loaded
from semsearch.embedding.export.onnx_model import exporting, onnx_variants, save_tokenizer
from semsearch.embedding.late_interaction import LateInteraction, TokenModel, open_late_interaction, open_prepared
from semsearch.errors import ModelError
from tests.support.tiny_models import LATE_LAYOUTS, make_late_interaction

pytestmark = pytest.mark.slow

QUERIES = ["pump", "the old house runs water in a tide and the valve stops the pump of the house", "", "東京 [MASK]"]
PASSAGES = [
    "the pump runs.",
    "Water, tide! (old) house: valve; " * 9,
    "",
    "[Q] the [unused1] pump [SEP] valve",
    "\x00é",
]


@pytest.fixture(scope="module", params=LATE_LAYOUTS)
def folder(request: pytest.FixtureRequest, made_once: Callable[[str, Callable[[Path], Path]], Path]) -> Path:
    name = str(request.param)
    return made_once(f"late {name}", lambda content: make_late_interaction(content, name))


def in_full_precision(folder: Path, working: Path) -> LateInteraction:
    """The model in `folder`, exported without quantisation."""
    model, is_bge = _loaded(str(folder))
    model.eval()
    working.mkdir()
    save_tokenizer(model, 0, str(working))
    with exporting(str(working)):
        for variant in onnx_variants(lambda path: _export_token_vectors(model, path), str(working)):
            variant.write()
    info = replace(_described(model, str(folder), "0" * 64), skips_first=is_bge, runtime="onnx-fp32")
    return LateInteraction(info, str(working))


def test_token_vectors_are_those_of_the_reference(folder: Path, tmp_path: Path) -> None:
    ours = in_full_precision(folder, tmp_path / "working")
    queries, passages = reference(folder)
    assert (ours.info.filled_to > 0) == (folder.name == "late")
    for text, theirs in zip(QUERIES, queries, strict=True):
        check_alike(text, ours.encode_query(text), theirs)
    for text, mine, theirs in zip(PASSAGES, ours.encode(PASSAGES), passages, strict=True):
        check_alike(text, mine, theirs)


def check_alike(text: str, ours: Vectors, theirs: Vectors) -> None:
    assert ours.shape == theirs.shape and ours.dtype == np.float32, text
    assert ((ours * theirs).sum(axis=1) >= 0.9999).all(), text


def reference(folder: Path) -> tuple[list[Vectors], list[Vectors]]:
    """The vectors of `QUERIES` and `PASSAGES` by sentence-transformers; of BGE-M3, as its own library computes them."""
    if (folder / "colbert_linear.pt").exists():
        return [bge(folder, text) for text in QUERIES], [bge(folder, text) for text in PASSAGES]
    from sentence_transformers import MultiVectorEncoder

    model = MultiVectorEncoder(str(folder), device="cpu", local_files_only=True)
    return (
        model.encode_query(QUERIES, convert_to_numpy=True, batch_size=2),
        model.encode_document(PASSAGES, convert_to_numpy=True, batch_size=2),
    )


def bge(folder: Path, text: str) -> Vectors:
    import torch
    from transformers import AutoModel, AutoTokenizer

    tokens = AutoTokenizer.from_pretrained(folder)(text, truncation=True, max_length=64, return_tensors="pt")
    head = torch.load(folder / "colbert_linear.pt", weights_only=True)
    with torch.no_grad():
        hidden = AutoModel.from_pretrained(folder).eval()(**tokens).last_hidden_state[0, 1:]
        vectors: Vectors = torch.nn.functional.normalize(hidden @ head["weight"].T + head["bias"], dim=-1).numpy()
    return vectors


def test_the_prepared_model_scores_by_max_sim(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEMSEARCH_CACHE", str(folder.parent / "cache"))
    heard: list[str] = []
    model = open_late_interaction(str(folder), heard.append)
    scores = model.score("pump", PASSAGES)
    assert scores.dtype == np.float32 and ((scores >= 0) & (scores <= 1)).all()
    query = model.encode_query("pump")
    for score, vectors in zip(scores, model.encode(PASSAGES), strict=True):
        expected = max(0, (query @ vectors.T).max(axis=1).mean()) if len(vectors) else 0
        assert score == pytest.approx(expected, abs=1e-5)
    alone = [float(model.score("pump", [passage])[0]) for passage in PASSAGES]
    np.testing.assert_allclose(scores, alone, atol=1e-6)
    assert model.score("pump", []).shape == (0,)
    counted: list[int] = []
    model.encode(PASSAGES, counted.append)
    assert sum(counted) == len(PASSAGES)
    record = json.loads(next((folder.parent / "cache").glob("late-interaction-*/model.json")).read_text())
    assert min(record["agreement_with_reference"][model.runtime].values()) >= 0.985
    # By what an index records of it, without its folder.
    again = open_prepared(model.info.model)
    assert again is not None and again.info == model.info
    monkeypatch.setenv("SEMSEARCH_CACHE", str(tmp_path / "other"))
    assert open_prepared(model.info.model) is None
    assert open_prepared(TokenModel("x", "../../x", 16)) is None


def test_what_a_query_is_filled_with_is_seen_only_where_the_model_attends(tmp_path: Path) -> None:
    """The mask is an input of the graph: the same tokens, looked at or not, have other vectors."""
    model = in_full_precision(make_late_interaction(tmp_path / "made", "native"), tmp_path / "working")
    ids, mask = model.query_tokens("pump")
    assert mask.tolist() == [1] * 3 + [0] * 9 and (ids[3:] == model.info.filler).all()
    everything = np.ones(len(ids), np.bool_)
    unseen = model._vectors(ids, mask, everything)
    seen = model._vectors(ids, np.ones_like(mask), everything)
    assert ((unseen * seen).sum(axis=1) < 0.999).all()


def damaged(folder: Path, layout: str, change: Callable[[Path], None]) -> Path:
    made = make_late_interaction(folder, layout)
    change(made)
    return made


def without_dense(folder: Path) -> None:
    modules = json.loads((folder / "modules.json").read_text())
    (folder / "modules.json").write_text(json.dumps(modules[:1]))


def narrower_dense(folder: Path) -> None:
    import torch
    from safetensors.torch import save_file

    path = folder / "1_Dense" / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "in_features": 40}))
    save_file({"linear.weight": torch.ones(16, 40)}, folder / "1_Dense" / "model.safetensors")


def without_linear(folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file(folder / "model.safetensors")
    del weights["linear.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def narrower_head(folder: Path) -> None:
    import torch

    torch.save(torch.nn.Linear(40, 16).state_dict(), folder / "colbert_linear.pt")


def nameless_head(folder: Path) -> None:
    import torch

    torch.save({"x": torch.ones(3)}, folder / "colbert_linear.pt")


def head_with_code(folder: Path) -> None:
    import pickle

    (folder / "colbert_linear.pt").write_bytes(pickle.dumps(Path))


@pytest.mark.parametrize(
    ("layout", "change", "reason"),
    [
        ("pylate", without_dense, "no head for token vectors: its modules.json names no Dense"),
        ("pylate", narrower_dense, "its head takes vectors of 40 numbers, and the model gives 48"),
        ("stanford", without_linear, "no head for token vectors: its weights hold no linear.weight"),
        ("bge-m3", narrower_head, "its head takes vectors of 40 numbers, and the model gives 48"),
        ("bge-m3", nameless_head, "colbert_linear.pt holds no weight and bias"),
        ("bge-m3", head_with_code, "cannot be prepared"),
    ],
)
def test_a_head_that_is_missing_or_does_not_fit_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, layout: str, change: Callable[[Path], None], reason: str
) -> None:
    monkeypatch.setenv("SEMSEARCH_CACHE", str(tmp_path / "cache"))
    made = damaged(tmp_path / "made", layout, change)
    with pytest.raises(ModelError, match="cannot be prepared") as refused:
        open_late_interaction(str(made), print)
    assert reason in refused.value.message and "\n" not in refused.value.message
    assert not list((tmp_path / "cache").glob("late-interaction-*"))


def test_a_text_without_any_token_has_no_vectors(
    made_once: Callable[[str, Callable[[Path], Path]], Path], tmp_path: Path
) -> None:
    """A tokenizer may add no tokens of its own, and know none of a text."""
    folder = made_once("late native", lambda content: make_late_interaction(content, "native"))
    usual = in_full_precision(folder, tmp_path / "working")
    path = tmp_path / "working" / "tokenizer.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "post_processor": None}))
    bare = LateInteraction(replace(usual.info, query_prefix="", passage_prefix="", filled_to=0), str(path.parent))
    assert bare.encode_query(" ").shape == (0, 16)
    assert [len(vectors) for vectors in bare.encode(["\u200b", "the pump"])] == [0, 2]
    assert bare.score("", ["the pump"]).tolist() == [0] and bare.score("pump", ["", "pump"])[0] == 0
