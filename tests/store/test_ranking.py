"""The two legs over several segments."""

import numpy as np
import pytest

from semsearch.lexical import postings
from semsearch.lexical.bm25 import PostingsBM25
from semsearch.store.allowed import Allowed
from semsearch.store.ranking import lexical_ranking
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
