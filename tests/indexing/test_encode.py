"""Chunks without vectors are encoded in order, each text once, and what was encoded is kept whatever happens next."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from semsearch.chunking.chunk import encoded
from semsearch.embedding.cached_embedder import CachedEmbedder
from semsearch.embedding.embedder import Embedder, NoVectorError, Vectors
from semsearch.embedding.open import open_model
from semsearch.embedding.resolve import resolve
from semsearch.errors import ModelError
from semsearch.index_report import IndexReport
from semsearch.indexing import IndexOptions, Progress, index_folders
from semsearch.indexing.encode import encode_lost, encode_pending, next_limit, next_step
from semsearch.store.opening import open_store
from semsearch.store.protocol import Store
from semsearch.store.vector_cache import VectorCache
from tests.support.folders import write
from tests.support.made_texts import texts


@pytest.fixture(scope="module")
def static() -> Embedder:
    return open_model(resolve("static"), print)


@pytest.fixture
def words(tmp_path: Path) -> Store:
    """An index of 150 files, two of them alike, without vectors."""
    write(tmp_path / "many", {**texts(148, 1), "same-1.txt": "The same text.\n", "same-2.txt": "The same text.\n"})
    options = IndexOptions(model="static", embed=False)
    index_folders([str(tmp_path / "many")], str(tmp_path / "words"), options)
    return open_store(str(tmp_path / "words"))


class Failing:
    """The static model, which fails after so many calls."""

    def __init__(self, model: Embedder, calls: int) -> None:
        self.info, self.tokenizer, self._model, self._left = model.info, model.tokenizer, model, calls

    def encode(self, passages: list[str], progress: Callable[[int], None] | None = None) -> Vectors:
        self._left -= 1
        if self._left < 0:
            raise MemoryError("no more")
        return self._model.encode(passages)

    def encode_query(self, query: str) -> Vectors:
        raise NotImplementedError

    def fertility(self, query: str) -> float:
        raise NotImplementedError


def test_each_text_is_encoded_once(words: Store, static: Embedder) -> None:
    report, told = IndexReport("/i"), []
    with words.write() as writer:
        progress = Progress(
            encoding=lambda total: told.append(("of", total)), encoded=lambda n: told.append(("did", n))
        )
        assert encode_pending(writer, lambda: static, report, progress)
        assert (report.chunks["encoded"], report.chunks["reused"]) == (149, 1)
        assert told[0] == ("of", 150) and sum(count for what, count in told if what == "did") == 150
        snapshot = writer.snapshot()
        assert snapshot.counts().pending == 0 and len(snapshot.encoded_ids()) == 150
        passage = snapshot.passages([3])[0]
        expected = snapshot.as_stored(static.encode([passage.text]))
        np.testing.assert_allclose(snapshot.vectors(np.array([3])), expected, atol=2e-3)
        assert not encode_pending(writer, lambda: static, report, progress), "nothing is left"


def test_what_was_encoded_before_a_failure_is_kept(words: Store, static: Embedder) -> None:
    report = IndexReport("/i")
    with words.write() as writer:
        with pytest.raises(MemoryError):
            encode_pending(writer, lambda: Failing(static, 1), report, Progress())
        assert report.chunks["encoded"] == 64 and writer.snapshot().counts().pending == 86
        encode_pending(writer, lambda: static, report, Progress())
        assert report.chunks["encoded"] == 149 and writer.snapshot().counts().pending == 0


def test_a_run_that_is_to_end_encodes_something_unless_it_read(words: Store, static: Embedder) -> None:
    stop = Progress(stopping=lambda: True)
    with words.write() as writer:
        report = IndexReport("/i")
        report.files["added"] = 1
        encode_pending(writer, lambda: static, report, stop)
        assert report.chunks["encoded"] == 0
        encode_pending(writer, lambda: static, IndexReport("/i"), stop)
        assert writer.snapshot().counts().pending == 86


def test_what_a_provider_is_sent_is_announced_with_its_price(words: Store, static: Embedder) -> None:
    """A stand-in for a model behind an API: the real clients are tested in `tests/embedding`."""
    paid = Failing(static, 100)
    paid.info = replace(static.info, runtime="api-openai", name="text-embedding-3-small")
    told: list[str] = []
    with words.write() as writer:
        encode_pending(writer, lambda: paid, IndexReport("/i"), Progress(announce=told.append))
    assert len(told) == 1 and told[0].startswith("sending 150 passages to be encoded: about ") and "about $" in told[0]


def test_lost_vectors_are_made_again(words: Store, static: Embedder) -> None:
    report = IndexReport("/i")
    with words.write() as writer:
        encode_pending(writer, lambda: static, report, Progress())
    with words.write() as writer:
        ids = writer.snapshot().encoded_ids()
        before = writer.snapshot().vectors(ids)
        with writer.transaction() as transaction:
            transaction.drop_vectors()
        encode_lost(writer, static, ids, report, Progress(stopping=lambda: True))
        assert writer.snapshot().counts().pending == 150
        encode_lost(writer, static, ids, report, Progress())
        np.testing.assert_array_equal(writer.snapshot().vectors(ids), before)


class Unsound:
    """The static model as one that makes no vector of texts with any of `words`: "": of none at all. `raises`: as a
    provider's model does, whose whole answer is of no use then."""

    def __init__(self, model: Embedder, words: tuple[str, ...], raises: bool) -> None:
        self.info = replace(model.info, runtime="api-openai" if raises else "onnx-fp32", name="odd one")
        self.tokenizer, self._model, self._words, self._raises = model.tokenizer, model, words, raises
        self.asked = 0

    def encode(self, passages: Sequence[str], progress: Callable[[int], None] | None = None) -> Vectors:
        self.asked += 1
        vectors = self._model.encode(passages)
        bad = [any(word in text for word in self._words) for text in passages]
        if self._raises and any(bad):
            raise NoVectorError("it sent vectors that are none")
        vectors[np.array(bad, np.bool_)] = 0
        return vectors

    def encode_query(self, query: str) -> Vectors:
        raise NotImplementedError


@pytest.mark.parametrize("raises", [False, True])
def test_passages_of_which_the_model_makes_no_vector_do_not_keep_others_waiting(
    words: Store, static: Embedder, raises: bool
) -> None:
    with words.write() as writer:
        bad = [writer.snapshot().passages([number])[0] for number in (1, 2, 77, 150)]
        model = Unsound(static, tuple(one.text for one in bad), raises)
        told: list[str] = []
        encode_pending(writer, lambda: model, IndexReport("/i"), Progress(announce=told.append))
        snapshot = writer.snapshot()
        assert snapshot.counts().pending == 0 and model.asked < 80
        lengths = np.linalg.norm(snapshot.vectors(np.arange(1, 151)), axis=1)
        without = [one.id for one in snapshot.passages(range(1, 151)) if one.text in {other.text for other in bad}]
        assert np.flatnonzero(lengths < 0.9).tolist() == [number - 1 for number in without]
        assert {*lengths[[number - 1 for number in without]].tolist()} == {0.0}
    told = [line for line in told if not line.startswith("sending")]
    assert len(told) == 4 and told[-1] == f"nor of {len(bad) - 3} more passage"
    for line, one in zip(told[:3], bad[:3], strict=True):
        assert line.startswith(f"the model odd one makes no vector of {one.file.path.decode()}:1: it is found by")


@pytest.mark.parametrize("raises", [False, True])
def test_a_model_that_makes_no_vectors_ends_the_run_and_takes_nothing(
    words: Store, static: Embedder, raises: bool
) -> None:
    with words.write() as writer:
        model = Unsound(static, ("",), raises)
        with pytest.raises(ModelError, match=r"no vectors: of .*txt:1|none"):
            encode_pending(writer, lambda: model, IndexReport("/i"), Progress())
        assert writer.snapshot().counts().pending == 150 and model.asked == 2
        encode_pending(writer, lambda: static, IndexReport("/i"), Progress())
        assert writer.snapshot().counts().pending == 0


def test_a_commit_holds_what_takes_seconds() -> None:
    assert next_limit(512, 512, 0.05) == 1024, "twice as many at the most"
    assert next_limit(8192, 8192, 0.5) == 8192
    assert next_limit(1024, 1024, 6.0) == 512
    assert next_limit(512, 300, 60.0) == 64
    assert next_limit(512, 0, 0.01) == 512, "what is reused says nothing about the model"


def test_quick_steps_grow(tmp_path: Path, static: Embedder) -> None:
    """So that a GPU gets as much as it can use at once; a step that takes its time stays as it is."""
    write(tmp_path / "many", texts(500, 1))
    index_folders([str(tmp_path / "many")], str(tmp_path / "i"), IndexOptions(model="static", embed=False))
    sizes: list[int] = []
    with open_store(str(tmp_path / "i")).write() as writer:
        encode_pending(writer, lambda: static, IndexReport("/i"), Progress(encoded=sizes.append))
    assert sum(sizes) == 500 and sizes[0] == 64 and max(sizes) > 64, sizes


def test_the_next_step_is_as_large_as_the_model_is_quick() -> None:
    assert next_step(64, 64, 0.1) == 128 and next_step(64, 33, 0.1) == 128
    assert next_step(2048, 2048, 0.1) == 2048
    assert next_step(64, 64, 0.5) == 64 and next_step(64, 64, 5) == 64
    assert next_step(1024, 1024, 1.5) == 512, "as where a GPU has failed"
    assert next_step(64, 10, 0.01) == 64, "what is reused, or in the cache, says nothing about the model"


class Sizes:
    """`model`, which notes how many texts it is asked for at once."""

    def __init__(self, model: Embedder) -> None:
        self.info, self.tokenizer, self._model = model.info, model.tokenizer, model
        self.sizes: list[int] = []

    def encode(self, passages: Sequence[str], progress: Callable[[int], None] | None = None) -> Vectors:
        self.sizes.append(len(passages))
        return self._model.encode(passages)

    def encode_query(self, query: str) -> Vectors:
        raise NotImplementedError


def test_passages_in_the_cache_make_no_large_steps_of_a_slow_model(tmp_path: Path, static: Embedder) -> None:
    """A run is to see soon that its time is over, or that it is interrupted."""
    write(tmp_path / "many", texts(450, 1))
    index_folders([str(tmp_path / "many")], str(tmp_path / "i"), IndexOptions(model="static", embed=False))
    model = Sizes(static)
    embedder = CachedEmbedder(static.info, lambda: model, VectorCache(str(tmp_path / "c/c.db"), 999, "f4", print))
    with open_store(str(tmp_path / "i")).write() as writer:
        known = writer.snapshot().passages(range(1, 301))
        embedder.encode([encoded(one.heading, one.text) for one in known])
        model.sizes.clear()
        embedder.computed = 0
        encode_pending(writer, lambda: embedder, IndexReport("/i"), Progress())
    assert sum(model.sizes) == embedder.computed == 150 and model.sizes[0] == 20
