"""The two legs over several segments."""

import numpy as np
import pytest

from semsearch.lexical import postings
from semsearch.lexical.bm25 import PostingsBM25
from semsearch.store.allowed import Allowed
from semsearch.store.ranking import cosines_of, lexical_ranking
from tests.support.corpus import word


@pytest.mark.parametrize("cut", [1, 2, 3, 7])
@pytest.mark.parametrize("k", [1, 4, 9, 30])
def test_the_ranking_does_not_depend_on_how_the_index_is_cut(cut: int, k: int) -> None:
    texts = [["owl"] * (number % 3) + ["fox"] * (number % 4) + ["x"] * (number % 5) for number in range(30)]
    whole = [postings.build(range(30), texts, ("en",))]
    parts = [
        postings.build(range(low, min(30, low + cut)), texts[low : low + cut], ("en",)) for low in range(0, 30, cut)
    ]
    rankings = [
        lexical_ranking(one, PostingsBM25(one, [None] * len(one)).query([word("owl"), word("fox")]), k, Allowed())
        for one in (whole, parts)
    ]
    assert len(rankings[0].ids) == min(k, 27)
    assert rankings[0].ids.tolist() == rankings[1].ids.tolist()
    assert np.allclose(rankings[0].scores, rankings[1].scores, rtol=1e-6)


@pytest.mark.parametrize("dim", [8, 256, 384, 1000])
def test_a_cosine_depends_on_its_two_vectors_alone(dim: int) -> None:
    """Not on where they stand among others: equal passages would come in an order of chance."""
    chance = np.random.default_rng(dim)
    held = chance.normal(size=(67, dim)).astype(np.float32)
    vectors = chance.normal(size=(2, dim)).astype(np.float32)
    held[40] = held[66] = held[3]
    whole = cosines_of(vectors, np.arange(67), lambda ids: held[ids])
    assert np.array_equal(whole[:, 3], whole[:, 40]) and np.array_equal(whole[:, 3], whole[:, 66])
    np.testing.assert_allclose(whole, vectors @ held.T, rtol=1e-4, atol=1e-4)
    for ids in (np.arange(3, 67), np.array([3]), np.array([66, 5, 3]), np.arange(67)[::-1]):
        assert np.array_equal(cosines_of(vectors, ids, lambda ids: held[ids]), whole[:, ids])


def test_chunks_without_a_vector_have_no_cosine() -> None:
    held = np.full((2, 3), np.nan, np.float32)
    held[1] = [1, 0, 0]
    vector = np.array([[0.5, 1, 1]], np.float32)
    assert np.array_equal(cosines_of(vector, np.arange(2), lambda ids: held[ids]), [[np.nan, 0.5]], equal_nan=True)
    none = cosines_of(vector, np.arange(2), lambda ids: np.empty((2, 0), np.float32))
    assert none.shape == (1, 2) and np.isnan(none).all()
    assert cosines_of(None, np.arange(2), lambda ids: held[ids]).shape == (0, 2)
