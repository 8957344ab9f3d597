"""Postings of sparse vectors give the vectors back, and the scores that the vectors have."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from semsearch.errors import IndexDamagedError
from semsearch.lexical import impacts, postings
from semsearch.lexical.sparse_vector import SparseVector, as_rows

VOCABULARY = 120
STEP = 1 / 64


def _vector(pairs: dict[int, int]) -> SparseVector:
    tokens = np.array(sorted(pairs), np.int64)
    return SparseVector(tokens, np.array([pairs[int(one)] * STEP for one in tokens], np.float32))


# Weights of whole steps, up to more than a byte holds.
vectors = st.dictionaries(st.integers(0, VOCABULARY - 1), st.integers(1, 700), max_size=30).map(_vector)


@given(st.lists(vectors, min_size=1, max_size=12), vectors)
def test_they_score_as_the_vectors_do_and_give_them_back(held: list[SparseVector], query: SparseVector) -> None:
    ids = np.arange(5, 5 + 3 * len(held), 3)
    part = impacts.build(ids, held, STEP)
    part.check()
    assert part.ids.tolist() == ids.tolist()
    rows, asked = as_rows(held, VOCABULARY), as_rows([query], VOCABULARY)[0]
    np.testing.assert_allclose(impacts.scores(part, query, STEP), rows @ asked, rtol=1e-5)
    share = (rows > 0) @ asked / max(float(asked.sum()), 1e-6)
    np.testing.assert_allclose(impacts.held_weights(part, query), share, rtol=1e-5, atol=1e-6)
    back = impacts.vectors_of(part, np.arange(len(held))[::-1], STEP)
    np.testing.assert_array_equal(as_rows(back[::-1], VOCABULARY), rows)


@given(st.lists(vectors, min_size=2, max_size=12), st.data())
def test_merged_segments_hold_what_was_alive(held: list[SparseVector], data: st.DataObject) -> None:
    cut = data.draw(st.integers(1, len(held) - 1))
    parts = [
        impacts.build(np.arange(1, 1 + cut), held[:cut], STEP),
        impacts.build(np.arange(1 + cut, 1 + len(held)), held[cut:], STEP),
    ]
    alive: list[NDArray[np.bool_]] = [
        np.array(data.draw(st.lists(st.booleans(), min_size=len(part), max_size=len(part)))) for part in parts
    ]
    merged = postings.merge(parts, alive, ())
    kept = np.flatnonzero(np.concatenate(alive))
    assert merged.ids.tolist() == (kept + 1).tolist()
    back = as_rows(impacts.vectors_of(merged, np.arange(len(kept)), STEP), VOCABULARY)
    np.testing.assert_array_equal(back, as_rows(held, VOCABULARY)[kept])


def test_a_weight_below_half_a_step_is_none_and_a_huge_one_is_the_largest() -> None:
    held = SparseVector(np.array([1, 2, 3]), np.array([0.4 * STEP, 0.6 * STEP, 1e6], np.float32))
    (back,) = impacts.vectors_of(impacts.build(np.array([7]), [held], STEP), np.array([0]), STEP)
    assert back.tokens.tolist() == [2, 3]
    assert back.weights.tolist() == [STEP, 65535 * STEP]


def test_terms_that_are_no_tokens_are_damage() -> None:
    part = postings.build([1], [["word"]], ())
    with pytest.raises(IndexDamagedError, match="no token"):
        impacts.vectors_of(part, np.array([0]), STEP)
