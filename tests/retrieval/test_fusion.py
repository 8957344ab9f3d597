from dataclasses import replace

import numpy as np
import pytest

from semsearch.embedding.model_info import Calibration
from semsearch.retrieval import fusion

MINILM = Calibration(background=0.05, fertility={"latin": 1.01})
MULTILINGUAL = Calibration(background=0.2, fertility={"latin": 1.7, "cyrillic": 1.9, "cjk": 9.0})


def scores(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


def test_normalised_scores_have_a_floor_of_their_own() -> None:
    np.testing.assert_allclose(fusion.normalise_dense(scores(0.55, 0.3, -0.2), 0.05), [1, 0.5, 0])
    np.testing.assert_allclose(fusion.normalise_lexical(scores(8, 0, 2)), [1, 0, 0.25])
    # Nothing relevant stays nothing; it is not blown up to 1.
    assert not fusion.normalise_dense(scores(0.01, -0.3), 0.05).any()
    assert not fusion.normalise_lexical(scores(0, 0)).any()
    assert fusion.normalise_dense(scores(), 0.1).shape == (0,)


def test_the_fused_order_is_that_of_the_weighted_sum() -> None:
    dense, lexical = scores(1.0, 0.8, 0.0, 0.5), scores(0.0, 0.9, 1.0, 0.5)
    assert np.argsort(-fusion.convex(dense, lexical, 0.6)).tolist() == [1, 0, 3, 2]
    assert np.argsort(-fusion.convex(dense, lexical, 0.1)).tolist() == [2, 1, 3, 0]
    np.testing.assert_allclose(fusion.convex(dense, lexical, 1.0), dense)


def test_reciprocal_ranks() -> None:
    fused = fusion.reciprocal_ranks(scores(0.9, 0.5, 0.0), scores(3.0, 9.0, 0.0))
    expected = (1 / 61 + 1 / 62) * 61 / 2
    np.testing.assert_allclose(fused, [expected, expected, 0.0], rtol=1e-6)
    assert fusion.reciprocal_ranks(scores(1.0), scores(1.0))[0] == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("calibration", "fertility", "script", "alpha"),
    [
        (MINILM, 1.0, "latin", 0.6),
        (MINILM, 1.4, "latin", 0.6),
        (MINILM, 2.3, "latin", 0.3),
        (MINILM, 6.0, "latin", 0.1),
        (MINILM, 1.0, "cyrillic", 0.1),
        (MINILM, 1.0, "cjk", 0.1),
        (MINILM, 1.0, "", 0.6),
        (MULTILINGUAL, 2.3, "latin", 0.6),
        (MULTILINGUAL, 12.0, "cjk", 0.6),
        (MULTILINGUAL, 3.0, "hangul", 0.1),
        (MULTILINGUAL, 3.0, "thai", 0.6),
        (Calibration(0.0, {}), 1.0, "latin", 0.1),
        (replace(MINILM, separation=3.48), 1.0, "latin", 0.36),
        (replace(MINILM, separation=0.1), 1.0, "latin", 0.3),
        (replace(MINILM, separation=9.0), 1.0, "latin", 0.6),
    ],
)
def test_the_weight_of_meaning_follows_what_the_model_knows(
    calibration: Calibration, fertility: float, script: str, alpha: float
) -> None:
    assert fusion.language_alpha(fertility, script, calibration) == pytest.approx(alpha, abs=0.01)


def test_the_weight_of_meaning_grows_with_the_nearest_passage() -> None:
    model = Calibration(background=0.0, fertility={"latin": 1.0}, related=0.5)
    factors = [fusion.nearness_factor(cosine, model) for cosine in (-0.2, 0.3, 0.62, 0.7, 1.0)]
    assert factors == sorted(factors)
    assert factors[0] == 0.58 and factors[2] == pytest.approx(1.0) and factors[-1] == 1.25
    assert fusion.nearness_factor(0.5, Calibration(0.5, {}, related=0.5)) <= 1.25, "a model that tells nothing apart"
