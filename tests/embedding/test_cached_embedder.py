"""A cached embedder opens its model only for what it must compute, and says the same a second time."""

from pathlib import Path

import numpy as np
import pytest

from semsearch.embedding.cached_embedder import CachedEmbedder
from semsearch.embedding.calibration import fertility
from semsearch.embedding.embedder import Embedder
from semsearch.embedding.open import open_model
from semsearch.embedding.resolve import resolve
from semsearch.store.vector_cache import VectorCache

TEXTS = ["The anemometer stands on the pier head.", "Kreuzworträtsel und Zwischenspeicher.", "Two cats."]


def test_the_fertility_of_passages_needs_no_open_model_and_stays_the_same(tmp_path: Path) -> None:
    model = open_model(resolve("static"), print)

    def refuse() -> Embedder:
        raise AssertionError("the model was opened")

    cache = VectorCache(str(tmp_path / "queries.db"), 100, np.float32, print)
    closed = CachedEmbedder(model.info, refuse, cache)
    first = closed.passage_fertility(TEXTS)
    assert first == closed.passage_fertility(TEXTS)
    own = [fertility(text, model.tokenizer.tokens(text)) for text in TEXTS]
    assert first == pytest.approx(np.mean(own))


def test_a_query_is_encoded_once_without_a_cache_too() -> None:
    model = open_model(resolve("static"), print)
    asked: list[str] = []

    class Counting:
        info, tokenizer, encode = model.info, model.tokenizer, model.encode

        def encode_query(self, text: str) -> np.ndarray:
            asked.append(text)
            return model.encode_query(text)

    embedder = CachedEmbedder(model.info, Counting, VectorCache("", 0, np.float32, print))
    for text in ("one", "two", "one"):
        assert embedder.fertility(text) > 0
        np.testing.assert_array_equal(embedder.encode_query(text), model.encode_query(text))
    assert asked == ["one", "two", "one"]


def test_what_is_no_vector_is_not_kept(tmp_path: Path) -> None:
    model = open_model(resolve("static"), print)
    sound = False

    class Mended:
        info, tokenizer = model.info, model.tokenizer

        def encode(self, texts: list[str], done: object = None) -> np.ndarray:
            return model.encode(texts) if sound else np.zeros((len(texts), model.info.dim), np.float32)

    cache = VectorCache(str(tmp_path / "passages.db"), 100, np.float16, print)
    embedder = CachedEmbedder(model.info, Mended, cache)  # type: ignore[arg-type]
    assert not embedder.encode(TEXTS).any()
    for none in (0, np.nan, np.inf):  # as earlier versions kept it
        cache.keep({embedder._key("passage", TEXTS[0]): np.full(model.info.dim, none, np.float32)})
        sound = False
        assert not embedder.encode(TEXTS).any()
    sound = True
    np.testing.assert_allclose(embedder.encode(TEXTS), model.encode(TEXTS), atol=1e-3)
