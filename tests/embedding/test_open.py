"""Models are found, prepared once, and give the vectors that sentence-transformers gives."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from semsearch.embedding.cache import cache_path
from semsearch.embedding.calibration import sample_texts
from semsearch.embedding.embedder import Embedder, unit_rows
from semsearch.embedding.open import open_model, open_recorded, prepared_tokenizer
from semsearch.embedding.resolve import resolve
from semsearch.errors import ModelError
from tests.support.tiny_models import make_family, make_model, make_static_model


def open_named(name: str) -> Embedder:
    return open_model(resolve(name), lambda message: None)


@pytest.fixture(scope="module")
def packaged() -> Embedder:
    return open_named("all-MiniLM-L6-v2")


def reference(folder: str, texts: list[str]) -> np.ndarray:
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(folder, device="cpu", local_files_only=True)
    return unit_rows(model.encode(texts, prompt="", show_progress_bar=False))


@pytest.mark.slow
def test_the_packaged_model_agrees_with_sentence_transformers(packaged: Embedder) -> None:
    texts = sample_texts()
    ours = packaged.encode(texts)
    cosines = (ours * reference(resolve("all-MiniLM-L6-v2").folder, texts)).sum(axis=1)
    assert packaged.info.runtime == "onnx-int8"
    assert packaged.info.dim == ours.shape[1] == 384
    assert cosines.mean() >= 0.985
    assert cosines.min() >= 0.95
    np.testing.assert_allclose(np.linalg.norm(ours, axis=1), 1, rtol=1e-5)


def test_a_vector_depends_on_its_own_text_alone(packaged: Embedder) -> None:
    texts = sample_texts()[:20]
    together = packaged.encode(texts)
    np.testing.assert_array_equal(together, np.stack([packaged.encode([text])[0] for text in texts]))
    np.testing.assert_array_equal(together[3], packaged.encode_query(texts[3]))


def test_text_beyond_the_window_is_cut_as_sentence_transformers_cuts_it(packaged: Embedder) -> None:
    text = " ".join(f"word{number}" for number in range(400))
    expected = reference(resolve("all-MiniLM-L6-v2").folder, [text])[0]
    assert float(packaged.encode_query(text) @ expected) >= 0.97


def test_what_the_packaged_model_knows(packaged: Embedder) -> None:
    calibration = packaged.info.calibration
    assert set(calibration.fertility) == {"latin"}
    assert calibration.fertility["latin"] < 1.3
    assert -0.1 < calibration.background < 0.3


def test_the_static_tier_is_made_from_the_packaged_model_and_tells_meanings_apart() -> None:
    static = open_named("static")
    assert (static.info.runtime, static.info.dim) == ("static", 256)
    query = static.encode_query("repair the boat engine")
    near, far = static.encode(["fixing a motor of a ship", "a recipe for apple cake"])
    assert query @ near > query @ far + 0.1
    np.testing.assert_array_equal(static.encode([""])[0], np.zeros(256, np.float32))


@pytest.mark.slow
@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_a_local_folder_runs_on_onnx_with_its_own_prompts(tmp_path: Path, pooling: str) -> None:
    folder = make_model(tmp_path, pooling=pooling, prompts={"query": "the ", "document": "a "})
    embedder = open_named(str(folder))
    info = embedder.info
    assert info.runtime in ("onnx-int8", "onnx-fp32")
    assert (info.pooling, info.window, info.query_prefix, info.passage_prefix) == (pooling, 64, "the ", "a ")
    texts = ["the old pump runs", "water in the valve", "z"]
    expected = reference(str(folder), ["a " + text for text in texts])
    assert (embedder.encode(texts) * expected).sum(axis=1).min() >= 0.98
    shutil.rmtree(resolve(str(folder)).cache_path())


@pytest.mark.slow
def test_a_model_that_does_not_export_is_run_by_sentence_transformers(tmp_path: Path) -> None:
    folder = make_family(tmp_path, "fnet")
    embedder = open_named(str(folder))
    assert embedder.info.runtime == "torch-fp32"
    texts = ["the old pump runs", "water in the valve"]
    np.testing.assert_allclose(embedder.encode(texts), reference(str(folder), texts), atol=1e-5)
    shutil.rmtree(resolve(str(folder)).cache_path())


@pytest.mark.slow
def test_a_model_of_token_vectors_is_run_as_such(tmp_path: Path) -> None:
    folder = make_static_model(tmp_path)
    embedder = open_named(str(folder))
    assert (embedder.info.runtime, embedder.info.dim, embedder.info.window) == ("static", 32, 512)
    texts = ["the old pump runs", "water in the valve", "Wasser im Ventil " * 400]
    np.testing.assert_allclose(embedder.encode(texts), reference(str(folder), texts), atol=1e-5)
    shutil.rmtree(folder)
    again = open_recorded(embedder.info, print)  # it is prepared, so its folder is not needed
    np.testing.assert_array_equal(again.encode(texts), embedder.encode(texts))
    tokenizer = prepared_tokenizer(embedder.info)
    assert tokenizer is not None and tokenizer.tokens("the pump") == ["the", "pump"]
    shutil.rmtree(cache_path("model", embedder.info.fingerprint))


def test_a_cached_hub_name_is_found_without_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_model(tmp_path / "made")
    snapshot = tmp_path / "hub" / "models--maker--tiny" / "snapshots" / "0123456789abcdef0123456789abcdef01234567"
    shutil.copytree(folder, snapshot)
    refs = snapshot.parents[1] / "refs"
    refs.mkdir()
    (refs / "main").write_text(snapshot.name)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    assert os.path.samefile(resolve("maker/tiny").folder, snapshot)


@pytest.mark.slow
def test_names_that_lead_nowhere_say_where_was_looked(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no model called no-such-model on this machine") as caught:
        resolve("no-such-model")
    assert caught.value.code == "model_not_found"
    with pytest.raises(ModelError, match="is not a model folder"):
        resolve(str(tmp_path))
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ModelError, match="holds no weights"):
        resolve(str(tmp_path))
    (tmp_path / "model.safetensors").write_bytes(b"nonsense")
    with pytest.raises(ModelError, match="cannot be prepared"):
        open_named(str(tmp_path))


def test_a_changed_weight_changes_the_fingerprint(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(b"one")
    first = resolve(str(tmp_path)).fingerprint
    weights.write_bytes(b"two!")
    assert resolve(str(tmp_path)).fingerprint != first


def test_a_damaged_cache_names_the_folder_to_remove(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = resolve("all-MiniLM-L6-v2")
    monkeypatch.setenv("SEMSEARCH_CACHE", str(tmp_path))
    copy = Path(source.cache_path())
    copy.mkdir(parents=True)
    (copy / "model.json").write_text("{ not json")
    with pytest.raises(ModelError, match="is damaged") as caught:
        open_model(source, lambda message: None)
    assert str(copy) in caught.value.hint
