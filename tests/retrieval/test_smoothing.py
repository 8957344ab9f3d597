import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from semsearch.embedding.embedder import unit_rows
from semsearch.retrieval.smoothing import smoothed


def vectors(*rows: list[float]) -> np.ndarray:
    return unit_rows(np.array(rows, np.float32))


FLAT = np.linspace(1.0, 0.8, 12).astype(np.float32)
STEEP = np.array([1.0, *[0.3] * 11], np.float32)


def test_a_passage_rises_with_those_that_are_like_it() -> None:
    # The first is alone; all others are alike.
    alike = vectors([0, 1], *[[1, -0.01 * number] for number in range(11)])
    result = smoothed(FLAT, alike, 1.0)
    assert result[0] == FLAT[0], "nothing is near to the first"
    assert abs(result[1:].mean() - FLAT[1:].mean()) < 0.01
    assert np.ptp(result[1:]) < np.ptp(FLAT[1:])


def test_one_that_is_alone_keeps_its_score_however_its_vector_is_rounded() -> None:
    apart = vectors([1, 0, 0], [1e-3, 1, 0], [0, 1e-3, 1])
    np.testing.assert_array_equal(smoothed(FLAT[:3], apart, 1.0), FLAT[:3])


def test_one_that_stands_out_stays() -> None:
    np.testing.assert_array_equal(smoothed(STEEP, vectors([0, 1], *[[1, 0]] * 11), 1.0), STEEP)


def test_vectors_that_tell_nothing_change_nothing() -> None:
    alike = vectors([0, 1], *[[1, 0]] * 11)
    np.testing.assert_array_equal(smoothed(FLAT, alike, 0.0), FLAT)
    np.testing.assert_array_equal(smoothed(FLAT, np.full((12, 2), np.nan, np.float32), 1.0), FLAT)
    half = alike.copy()
    half[6:] = np.nan
    np.testing.assert_array_equal(smoothed(FLAT, half, 1.0)[6:], FLAT[6:])


@given(st.integers(0, 40), st.integers(0, 2**32 - 1), st.floats(0, 1))
def test_scores_stay_between_the_lowest_and_the_highest(count: int, seed: int, weight: float) -> None:
    chance = np.random.default_rng(seed)
    scores = np.sort(chance.random(count).astype(np.float32))[::-1].copy()
    result = smoothed(scores, unit_rows(chance.normal(size=(count, 8)).astype(np.float32)), weight)
    assert result.shape == scores.shape and result.dtype == np.float32
    if count:
        assert result.min() >= scores.min() - 1e-6 and result.max() <= scores.max() + 1e-6
