"""Every engine ranks and scores as the reference does, which counts in plain loops."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semsearch.dense.query_adapter import Adapter
from semsearch.errors import UsageError
from semsearch.lexical.query_word import Key, Word
from semsearch.store.protocol import Selection, Snapshot, Store
from semsearch.store.records import Filters, Ranking
from tests.support.corpus import (
    DIM,
    INFO,
    MAIL,
    VECTORS,
    encode,
    file_id,
    file_record,
    filled,
    ids_of,
    part,
    put,
    word,
)
from tests.support.memory_store import MemoryStore

Engine = Callable[[], Callable[[], Store]]
WORDS = ["ant", "bee", "cow", "dog", "水", "x" * 300]


@dataclass(frozen=True)
class Corpus:
    """What is done to a store: `files` (the words of each chunk) are put, half of them in a second commit; as many
    chunks as `encoded` get vectors; the files numbered `deleted` go; then `late` comes, unless it is empty."""

    files: list[list[list[str]]]
    encoded: int
    deleted: set[int]
    late: list[list[str]]
    maintained: bool
    seed: int

    def fill(self, store: Store) -> Store:
        half = len(self.files) // 2
        filled(store, {})
        for start, files in ((0, self.files[:half]), (half, self.files[half:])):
            with store.write() as writer, writer.transaction() as transaction:
                for number, chunks in enumerate(files, start):
                    put(transaction, f"{number % 2}/{number}.md", *map(" ".join, chunks))
        chance = Random(self.seed)
        for _ in range(2):
            vectors = [chance.choice(VECTORS) for _ in range(self.encoded)]
            if store.read(lambda snapshot: snapshot.pending(1)) and vectors:
                encode(store, vectors)
        deleted = [number for number in self.deleted if number < len(self.files)]
        with store.write() as writer:
            with writer.transaction() as transaction:
                transaction.delete_files([file_id(store, f"{number % 2}/{number}.md") for number in deleted])
                if self.late:
                    put(transaction, "0/late.md", *map(" ".join, self.late))
            if self.maintained:
                writer.forget_deleted()
                writer.maintain()
        return store


def _corpora() -> st.SearchStrategy[Corpus]:
    chunks = st.lists(st.lists(st.sampled_from(WORDS), max_size=6), max_size=4)
    return st.builds(
        Corpus,
        st.lists(chunks, max_size=5),
        st.integers(0, 6),
        st.sets(st.integers(0, 4), max_size=3),
        chunks,
        st.booleans(),
        st.integers(0, 9999),
    )


QUERIES: list[list[Word]] = [
    [],
    [word("ant")],
    [word("bee"), word("水"), word("none")],
    [word("cow", "dog")],
    [(Key("cow"), Key("dog", 0.7), Key("ant", 0.5)), word("bee")],
    [word("ant"), word("ant")],
]
FILTERS = [Filters(), Filters(paths=("0/",)), Filters(paths=("1/*.md",), after=3), Filters(types=("pdf",))]


def assert_same_ranking(got: Ranking, every: Ranking, k: int) -> None:
    """`got` are `k` best of `every`, the whole ranking: of chunks that tie with the last one any may be left out."""
    assert len(got.ids) == len(set(got.ids.tolist())) == min(k, len(every.ids))
    assert got.ids.dtype == np.int64 and got.scores.dtype == np.float32
    assert np.allclose(got.scores, every.scores[:k], rtol=1e-5, atol=1e-6)
    scores = dict(zip(every.ids.tolist(), every.scores.tolist(), strict=True))
    assert np.allclose(got.scores, [scores[number] for number in got.ids.tolist()], rtol=1e-5, atol=1e-6)
    order = [(-score, number) for number, score in zip(got.ids.tolist(), got.scores.tolist(), strict=True)]
    assert order == sorted(order)


@settings(max_examples=25)
@given(corpus=_corpora())
def test_an_engine_answers_as_the_reference_does(engine: Engine, corpus: Corpus) -> None:
    store, reference = corpus.fill(engine()()), corpus.fill(MemoryStore())
    expected = reference.read(lambda snapshot: snapshot)  # a state in memory stays as it is

    def compare(snapshot: Snapshot) -> None:
        alive = np.array(sorted(one.id for file in expected.files() for one in expected.passages_of(file.id)), np.int64)
        assert snapshot.counts() == expected.counts()
        assert snapshot.encoded_ids().tolist() == expected.encoded_ids().tolist()
        assert [one.id for one in snapshot.pending(99)] == [one.id for one in expected.pending(99)]
        assert snapshot.pending_tokens() == expected.pending_tokens()
        assert np.array_equal(snapshot.vectors(alive), expected.vectors(alive), equal_nan=True)
        vectors = np.stack(VECTORS[:2])
        for words in QUERIES:
            assert np.allclose(snapshot.idf(words), expected.idf(words), rtol=1e-5)
            got, want = snapshot.score(alive, words, vectors), expected.score(alive, words, vectors)
            assert np.allclose(got.bm25, want.bm25, rtol=1e-5, atol=1e-6)
            assert np.allclose(got.cosines, want.cosines, atol=1e-5, equal_nan=True)
            assert np.array_equal(got.held, want.held)
            assert np.allclose(got.idf, want.idf, rtol=1e-5)
            assert (got.bm25.shape, got.cosines.shape) == ((len(alive),), (2, len(alive)))
            assert snapshot.holding(words).tolist() == expected.holding(words).tolist()
            assert snapshot.frequencies(words).tolist() == expected.frequencies(words).tolist()
        for beginnings in (["a"], ["b", "x"], ["水", "none"], [""]):
            assert snapshot.completions(beginnings, 3) == expected.completions(beginnings, 3)
        for keys in (["bat"], ["amt", "dig"], ["水道"], ["x" * 299]):
            assert snapshot.similar(keys, 1, 9) == expected.similar(keys, 1, 9)
        assert sorted(snapshot.texts(alive)) == sorted(expected.texts(alive))
        some, others = alive[::2], alive[::3]
        for filters, within, without in [*((one, None, None) for one in FILTERS), (FILTERS[1], some, others),
                                         (FILTERS[0], some, None), (FILTERS[0], None, others)]:  # fmt: skip
            selections = snapshot.select(filters, "", within, without), expected.select(filters, "", within, without)
            for k in (1, 3, 100):
                for words in QUERIES:
                    every = expected.lexical(words, 10**6, selections[1])
                    assert_same_ranking(snapshot.lexical(words, k, selections[0]), every, k)
                every = expected.dense(VECTORS[5], 10**6, selections[1])
                assert_same_ranking(snapshot.dense(VECTORS[5], k, selections[0]), every, k)

    store.read(compare)


def test_equal_scores_stand_by_rising_id(store: Store) -> None:
    filled(store, {f"{number}.md": ["same words", "same words"] for number in range(20)})
    encode(store, [VECTORS[0]] * 15)
    encode(store, [VECTORS[0]] * 25)
    ids = list(range(1, 41))
    assert store.read(lambda snapshot: snapshot.lexical([word("same")], 40, None).ids.tolist()) == ids
    assert store.read(lambda snapshot: snapshot.dense(VECTORS[0], 40, None).ids.tolist()) == ids


def test_an_empty_index_finds_nothing(store: Store) -> None:
    filled(store, {})
    for k in (1, 10):
        assert store.read(lambda snapshot: snapshot.lexical([word("a")], k, None).ids.tolist()) == []  # noqa: B023
        assert store.read(lambda snapshot: snapshot.dense(VECTORS[0], k, None).ids.tolist()) == []  # noqa: B023
    scores = store.read(lambda snapshot: snapshot.score(np.empty(0, np.int64), [word("a")], np.stack(VECTORS[:1])))
    assert (scores.bm25.shape, scores.cosines.shape, scores.held.shape) == ((0,), (1, 0), (1, 0))
    assert store.read(lambda snapshot: snapshot.languages()) == frozenset()


def test_scores_without_vectors_have_no_cosines(store: Store) -> None:
    filled(store, {"a.md": ["one two"]})
    scores = store.read(lambda snapshot: snapshot.score(np.array([1], np.int64), [word("one"), word("none")], None))
    assert scores.cosines.shape == (0, 1)
    assert scores.held.tolist() == [[True], [False]]
    assert scores.bm25[0] > 0
    # A word that occurs nowhere has the highest weight.
    assert scores.idf[1] > scores.idf[0] > 0


def test_vectors_are_adapted_and_stored_as_the_index_says(store: Store) -> None:
    filled(store, {"a.md": ["one"]})
    encode(store, VECTORS[:1])
    assert np.array_equal(store.read(lambda snapshot: snapshot.adapted(VECTORS[3])), VECTORS[3])
    stored = store.read(lambda snapshot: snapshot.as_stored(np.stack(VECTORS[:3])))
    assert np.array_equal(stored, np.stack(VECTORS[:3]))
    assert store.read(lambda snapshot: snapshot.keeps_model_vectors())
    adapter = Adapter(np.eye(DIM, k=1, dtype=np.float32))
    with store.write() as writer, writer.transaction() as transaction:
        transaction.update(replace(writer.snapshot().info(), adapter={**adapter.as_record(), "questions": 3}))
    moved = store.read(lambda snapshot: snapshot.adapted(VECTORS[3]))
    assert np.allclose(moved, adapter(VECTORS[3]), atol=1e-6)
    store.read(lambda snapshot: snapshot.warm_up())


# -- filters ---------------------------------------------------------------------------------------------------------

DAY = 86_400.0


@pytest.fixture
def library(store: Store) -> Store:
    """Four files in two folders; each chunk holds the word `common`."""
    with store.write() as writer, writer.transaction() as transaction:
        transaction.update(INFO)
        for record in (
            file_record("cats/a.md", metadata={"tags": ["Pets", "home"], "year": 1999}, date=1 * DAY),
            file_record("dogs/b.pdf", type="pdf", language="de", date=2 * DAY),
            file_record("cats/c.txt", MAIL, type="text", metadata={"Author": "Ada"}, date=3 * DAY),
            file_record("d.md", MAIL, title="Owls", mtime_ns=int(4 * DAY) * 10**9, metadata={"tags": "pets"}),
        ):
            transaction.put_file(record, [part("common one", "common two")])
        transaction.put_file(file_record("cats/skipped.md", status="skipped"), ())
    return store


LET_IN: list[tuple[Filters, str, Sequence[int]]] = [
    (Filters(paths=("notes/",)), "", [1, 2, 3, 4]),
    (Filters(paths=("cats/",)), "", [1, 2, 5, 6]),
    (Filters(paths=("*.pdf", "mail/d.*")), "", [3, 4, 7, 8]),
    (Filters(paths=("./notes/cats/*",)), "", [1, 2]),
    (Filters(paths=("/data/mail/d.md",)), "", [7, 8]),
    (Filters(paths=("here/notes/dogs/",)), "here/", [3, 4]),
    (Filters(types=("pdf",)), "", [3, 4]),
    (Filters(types=("md", "text")), "", [1, 2, 5, 6, 7, 8]),
    (Filters(since=2 * DAY), "", [3, 4, 5, 6, 7, 8]),
    (Filters(before=2 * DAY), "", [1, 2]),
    (Filters(since=2 * DAY, before=4 * DAY), "", [3, 4, 5, 6]),
    (Filters(where=(("tags", "pets"),)), "", [1, 2, 7, 8]),
    (Filters(where=(("tags", "home"), ("tags", "nothing"))), "", [1, 2]),
    (Filters(where=(("tags", "pets"), ("year", "19*"))), "", [1, 2]),
    (Filters(where=(("Author", "A?a"),)), "", [5, 6]),
    (Filters(where=(("title", "owls"),)), "", [7, 8]),
    (Filters(where=(("language", "de"), ("type", "pdf"))), "", [3, 4]),
    (Filters(after=5), "", [6, 7, 8]),
    (Filters(types=("md",), after=1), "", [2, 7, 8]),
    (Filters(types=("html",)), "", []),
]


@pytest.mark.parametrize(("filters", "prefix", "ids"), LET_IN)
def test_filters_let_in_what_they_say(library: Store, filters: Filters, prefix: str, ids: Sequence[int]) -> None:
    encode(library, VECTORS[:8])

    def found(snapshot: Snapshot) -> list[list[int]]:
        selection = snapshot.select(filters, prefix)
        rankings = snapshot.lexical([word("common")], 99, selection), snapshot.dense(VECTORS[0], 99, selection)
        return [sorted(one.ids.tolist()) for one in rankings]

    assert library.read(found) == [list(ids), list(ids)]


def test_a_selection_says_which_globs_match_nothing_and_which_files_are_in(library: Store) -> None:
    def selected(snapshot: Snapshot, filters: Filters) -> Selection:
        selection = snapshot.select(filters)
        assert selection is not None
        return selection

    def ask(snapshot: Snapshot) -> None:
        cats = selected(snapshot, Filters(paths=("none/", "cats/", "*.xyz"), after=1))
        assert cats.unmatched == ("none/", "*.xyz")
        # Of the first file one chunk is left out.
        assert cats.among(np.arange(1, 9)).tolist() == [2, 5, 6] and not cats.has_no_file
        assert selected(snapshot, Filters(where=(("color", "red"),))).has_no_file
        assert not selected(snapshot, Filters(after=99)).has_no_file
        assert snapshot.select(Filters()) is None

    library.read(ask)


def test_a_type_that_does_not_exist_is_an_error_of_the_user(library: Store) -> None:
    with pytest.raises(UsageError, match="no document type called nonsense"):
        library.read(lambda snapshot: snapshot.select(Filters(types=("nonsense",))))


def test_filters_decide_before_the_ranking(store: Store) -> None:
    filled(store, {"many.md": ["word"] * 50, "one.md": ["word and many other words that make it weaker"]})
    encode(store, [VECTORS[0]] * 50 + [-VECTORS[0]])
    one = Filters(paths=("one.md",))
    wanted = store.read(lambda snapshot: ids_of(snapshot, "one.md"))
    for rank in (
        lambda snapshot: snapshot.lexical([word("word")], 1, snapshot.select(one)),
        lambda snapshot: snapshot.dense(VECTORS[0], 1, snapshot.select(one)),
    ):
        assert store.read(rank).ids.tolist() == wanted
