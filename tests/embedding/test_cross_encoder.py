"""The reranker agrees with sentence-transformers, tells what it learnt, and says what is wrong with a model."""

import random
from pathlib import Path

import numpy as np
import pytest

from semsearch.embedding.cross_encoder import CrossEncoder, open_cross_encoder
from semsearch.errors import ModelError
from tests.support.tiny_models import make_model, word_pair

pytestmark = pytest.mark.slow


@pytest.fixture
def folder(cross_encoder: Path) -> Path:
    return cross_encoder


@pytest.fixture
def reranker(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CrossEncoder:
    monkeypatch.setenv("SEMSEARCH_CACHE", str(folder.parent / "cache"))
    return open_cross_encoder(str(folder), lambda message: None)


def test_it_gives_the_scores_of_sentence_transformers_and_has_learnt(folder: Path, reranker: CrossEncoder) -> None:
    import torch
    from sentence_transformers import CrossEncoder

    chance = random.Random(99)
    pairs = [word_pair(chance) for _ in range(200)]
    texts = [(query, passage) for query, passage, _ in pairs]
    ours = reranker.logits(texts)
    model = CrossEncoder(str(folder), device="cpu")
    theirs = model.predict(texts, activation_fn=torch.nn.Identity(), show_progress_bar=False).ravel()
    if reranker.runtime == "onnx-fp32":
        np.testing.assert_allclose(ours, theirs, atol=1e-3)
    assert np.corrcoef(ours, theirs)[0, 1] > 0.98
    right = [(score > 0) == held for score, (_, _, held) in zip(ours, pairs, strict=True)]
    assert np.mean(right) > 0.95


def test_each_pair_is_scored_by_itself_in_order(reranker: CrossEncoder) -> None:
    passages = ["the pump runs", "water", "the tide " * 500, "", "\x00\x1b[31m [/red] 東京 " * 40]
    together = reranker.score("pump", passages)
    assert together.shape == (5,) and together.dtype == np.float32
    assert ((together >= 0) & (together <= 1)).all()
    alone = [float(reranker.score("pump", [passage])[0]) for passage in passages]
    assert together.tolist() == alone
    assert reranker.score("pump", []).shape == (0,)


def test_a_long_pair_is_cut_as_sentence_transformers_cuts_it(folder: Path, reranker: CrossEncoder) -> None:
    import torch
    from sentence_transformers import CrossEncoder

    pairs = [("pump the " * 40, "valve water " * 200), ("pump", "the old house " * 100)]
    model = CrossEncoder(str(folder), device="cpu")
    theirs = model.predict(pairs, activation_fn=torch.nn.Identity(), show_progress_bar=False).ravel()
    tolerance = 1e-3 if reranker.runtime == "onnx-fp32" else 1.0  # processors without VNNI saturate
    np.testing.assert_allclose(reranker.logits(pairs), theirs, atol=tolerance)


def test_models_that_are_no_rerankers_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEMSEARCH_CACHE", str(tmp_path / "cache"))
    with pytest.raises(ModelError, match="no reranker called cross-encoder/ms-marco-MiniLM-L-12-v2") as missing:
        open_cross_encoder("cross-encoder/ms-marco-MiniLM-L-12-v2", print)
    assert "SEMSEARCH_DOWNLOAD=1" in missing.value.hint
    monkeypatch.setenv("SEMSEARCH_DOWNLOAD", "1")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ModelError, match="HF_HUB_OFFLINE is set") as offline:
        open_cross_encoder("cross-encoder/ms-marco-MiniLM-L-12-v2", print)
    assert "SEMSEARCH_DOWNLOAD" not in offline.value.hint
    with pytest.raises(ModelError, match="not a cross-encoder"):
        open_cross_encoder(str(make_model(tmp_path / "bi")), print)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelError, match="not a model folder"):
        open_cross_encoder(str(tmp_path / "empty"), print)
    assert not list((tmp_path / "cache").glob("cross-encoder-*"))
