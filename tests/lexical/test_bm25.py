import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rank_bm25 import BM25Okapi

from semsearch.lexical import postings
from semsearch.lexical.bm25 import PostingsBM25
from semsearch.lexical.query_word import Key

CORPUS = st.lists(st.lists(st.sampled_from("abcdefgh"), max_size=12), min_size=1, max_size=12)
QUERY = st.lists(st.sampled_from("abcdefghxyz"), max_size=5)


def reference(corpus: list[list[str]], query: list[str]) -> np.ndarray:
    """rank_bm25's own scores, with the idf replaced as the DESIGN of both says."""
    model = BM25Okapi(corpus, k1=1.2, b=0.75)
    frequencies = {term: sum(term in document for document in corpus) for term in "abcdefgh"}
    model.idf = {
        term: math.log(1 + (len(corpus) - count + 0.5) / (count + 0.5)) for term, count in frequencies.items() if count
    }
    return model.get_scores(query)


@given(CORPUS, QUERY)
def test_scores_are_those_of_rank_bm25(corpus: list[list[str]], query: list[str]) -> None:
    if not any(corpus):
        return
    ours = PostingsBM25([postings.build(range(len(corpus)), corpus, ())], [None]).get_scores(query)
    np.testing.assert_allclose(ours, reference(corpus, query), rtol=1e-4, atol=1e-6)


@given(CORPUS, QUERY, st.integers(0, 12))
def test_segments_add_up(corpus: list[list[str]], query: list[str], cut: int) -> None:
    cut = min(cut, len(corpus))
    parts = [
        postings.build(range(cut), corpus[:cut], ()),
        postings.build(range(cut, len(corpus)), corpus[cut:], ()),
    ]
    whole = PostingsBM25([postings.build(range(len(corpus)), corpus, ())], [None]).get_scores(query)
    np.testing.assert_allclose(PostingsBM25(parts, [None, None]).get_scores(query), whole, rtol=1e-5)
    merged = postings.merge(parts, [None, None], ())
    np.testing.assert_allclose(PostingsBM25([merged], [None]).get_scores(query), whole, rtol=1e-5)


@given(CORPUS, QUERY, st.data())
def test_deleted_rows_count_nowhere(corpus: list[list[str]], query: list[str], data: st.DataObject) -> None:
    alive = np.array(data.draw(st.lists(st.booleans(), min_size=len(corpus), max_size=len(corpus))), np.bool_)
    kept = [document for document, keep in zip(corpus, alive, strict=True) if keep]
    full = postings.build(range(len(corpus)), corpus, ())
    scores = PostingsBM25([full], [alive]).get_scores(query)
    expected = PostingsBM25([postings.build(range(len(kept)), kept, ())], [None]).get_scores(query)
    np.testing.assert_allclose(scores[alive], expected, rtol=1e-5)
    assert not scores[~alive].any()
    compacted = postings.merge([full], [alive], ())
    np.testing.assert_array_equal(compacted.ids, np.flatnonzero(alive))
    np.testing.assert_allclose(PostingsBM25([compacted], [None]).get_scores(query), expected, rtol=1e-5)


def test_the_smallest_corpora() -> None:
    empty = PostingsBM25([], [])
    assert empty.get_scores(["a"]).shape == (0,)
    one = PostingsBM25([postings.build([1], [["a", "b"]], ())], [None])
    assert one.get_scores(["a"])[0] > 0
    assert one.get_scores(["z"])[0] == 0


def test_keys_of_one_word_share_their_frequency() -> None:
    corpus = [["en:run"], ["en:run"], ["de:run"], ["en:walk"]]
    model = PostingsBM25([postings.build(range(4), corpus, ())], [None])
    scores = model.get_scores([(Key("en:run"), Key("de:run"))])
    assert scores[0] == pytest.approx(scores[2])


def test_of_several_keys_that_a_row_holds_the_best_counts() -> None:
    corpus = [["cafe"], ["café", "~cafe"], ["café", "cafe"], ["tea"]]
    model = PostingsBM25([postings.build(range(4), corpus, ())], [None])
    word = (Key("cafe"), Key("~cafe", 0.7))
    scores = model.get_scores([word])
    assert scores[0] > scores[1] > 0
    assert scores[3] == 0
    assert model.query([word]).idf[0] == pytest.approx(np.log(1 + 1.5 / 3.5))
    assert model.query([word]).held_ids(0).tolist() == [0, 1, 2]


def test_terms_are_found_whatever_they_are_made_of() -> None:
    words = ["a", "ab", "b", "水", "水道", "\x1fx", "é", "z" * 64, "\ud800"]
    built = postings.build([7, 9], [words, words[:3]], ())
    for word in words:
        rows, tfs = built.find(word)
        assert rows.tolist() == ([0, 1] if word in words[:3] else [0])
        assert set(tfs.tolist()) == {1}
    assert len(built.find("missing")[0]) == 0
    assert len(built.find("")[0]) == 0
