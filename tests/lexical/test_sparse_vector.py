"""What of a sparse vector is kept."""

import numpy as np

from semsearch.lexical.sparse_vector import SparseVector, as_rows, pruned_passage, pruned_query


def vector(*weights: float) -> SparseVector:
    """The tokens 0, 1, 2 ... with these weights."""
    return SparseVector.of_array(np.array(weights, np.float32))


def test_only_finite_weights_above_zero_are_weights() -> None:
    held = vector(0.0, 2.0, -1.0, float("nan"), 0.5, float("inf"))
    assert held.tokens.tolist() == [1, 4]
    assert held.weights.tolist() == [2.0, 0.5]
    assert as_rows([held, vector(0, 0)], 6).tolist() == [[0, 2.0, 0, 0, 0.5, 0], [0] * 6]


def test_others_bring_the_tokens_that_it_lacks() -> None:
    both = vector(0, 2.0, 0, 1.0).with_others(vector(4.0, 4.0, 2.0), 0.5)
    assert both.tokens.tolist() == [0, 1, 2, 3]
    assert both.weights.tolist() == [2.0, 2.0, 1.0, 1.0]


def test_of_a_passage_what_is_small_beside_the_largest_goes_and_the_largest_256_stay() -> None:
    assert pruned_passage(vector(1.0, 0.09, 0.11, 0.5)).tokens.tolist() == [0, 2, 3]
    weights = np.linspace(1, 2, 300, dtype=np.float32)
    kept = pruned_passage(SparseVector.of_array(weights))
    assert kept.tokens.tolist() == list(range(44, 300)), "in the order of tokens"
    assert not len(pruned_passage(vector(0.0)).tokens)


def test_of_a_query_the_largest_64_are_asked_for() -> None:
    weights = np.linspace(0.001, 2, 100, dtype=np.float32)
    assert pruned_query(SparseVector.of_array(weights)).tokens.tolist() == list(range(36, 100))
