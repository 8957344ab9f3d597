"""MaxSim agrees with sentence-transformers, for passages of any length."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from semsearch.embedding.embedder import Vectors, unit_rows
from semsearch.embedding.max_similarity import mean_max_similarity


def vectors(chance: np.random.Generator, count: int) -> Vectors:
    return unit_rows(chance.standard_normal((count, 16)).astype(np.float32))


@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.lists(st.integers(0, 20), max_size=8))
def test_it_is_the_mean_of_the_best_cosines(seed: int, query_tokens: int, lengths: list[int]) -> None:
    chance = np.random.default_rng(seed)
    query, passages = vectors(chance, query_tokens), [vectors(chance, length) for length in lengths]
    scores = mean_max_similarity(query, passages)
    assert scores.shape == (len(lengths),) and scores.dtype == np.float32
    for score, passage in zip(scores, passages, strict=True):
        assert score == pytest.approx((query @ passage.T).max(axis=1).mean() if len(passage) else -1, abs=1e-5)


def test_it_is_that_of_sentence_transformers() -> None:
    from sentence_transformers.util.similarity import mean_maxsim

    chance = np.random.default_rng(7)
    query, passages = vectors(chance, 5), [vectors(chance, length) for length in (1, 9, 30)]
    theirs = mean_maxsim([query], passages).numpy()[0]
    np.testing.assert_allclose(mean_max_similarity(query, passages), theirs, atol=1e-6)


def test_without_tokens_the_score_is_the_lowest() -> None:
    chance = np.random.default_rng(7)
    assert mean_max_similarity(vectors(chance, 0), [vectors(chance, 3)]).tolist() == [-1]
    assert mean_max_similarity(vectors(chance, 3), []).shape == (0,)
