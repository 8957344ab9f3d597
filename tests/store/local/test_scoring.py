"""The two legs over several segments: which rows are allowed, and what is found of given chunks."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from semsearch.lexical import postings
from semsearch.lexical.bm25 import PostingsBM25
from semsearch.store.local.scoring import allowed_rows, lexical_ranking
from tests.support.corpus import word

SPANS = st.lists(st.tuples(st.integers(0, 30), st.integers(1, 6)), max_size=4)


@given(ids=st.sets(st.integers(0, 40)), dead=st.sets(st.integers(0, 40)), spans=SPANS)
def test_rows_are_allowed_that_are_alive_and_in_a_range(
    ids: set[int], dead: set[int], spans: list[tuple[int, int]]
) -> None:
    rising = np.array(sorted(ids), np.int64)
    alive = np.array([number not in dead for number in sorted(ids)], np.bool_)
    ranges = sorted((first, first + count) for first, count in spans)
    allowed = allowed_rows(rising, alive, ranges)
    assert allowed is not None
    wanted = [number not in dead and any(low <= number < high for low, high in ranges) for number in sorted(ids)]
    assert allowed.tolist() == wanted
    assert allowed_rows(rising, None, None) is None
    assert allowed_rows(rising, alive, None) is alive


@pytest.mark.parametrize("cut", [1, 2, 3, 7])
def test_the_ranking_does_not_depend_on_how_the_index_is_cut(cut: int) -> None:
    texts = [["owl"] * (number % 3) + ["fox"] * (number % 4) + ["x"] * (number % 5) for number in range(30)]
    whole = [postings.build(range(30), texts, ("en",))]
    parts = [
        postings.build(range(low, min(30, low + cut)), texts[low : low + cut], ("en",)) for low in range(0, 30, cut)
    ]
    rankings = [
        lexical_ranking(one, PostingsBM25(one, [None] * len(one)).query([word("owl"), word("fox")]), 30, None)
        for one in (whole, parts)
    ]
    assert rankings[0].ids.tolist() == rankings[1].ids.tolist()
    assert np.allclose(rankings[0].scores, rankings[1].scores, rtol=1e-6)
