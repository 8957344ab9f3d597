"""Scores are comparable: in [0, 1], in ranking order, low where nothing answers."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from semsearch.embedding.model_info import Calibration
from semsearch.retrieval.confidence import absolute_scores, confidence, dense_confidence
from semsearch.retrieval.options import MIN_SCORE

MODEL = Calibration(background=0.05, fertility={"latin": 1.0}, related=0.5)
UNIT = st.floats(0, 1, width=32)


def sure(cosine: float, coverage: float, reliability: float = 1.0) -> float:
    return float(confidence(np.array([cosine], np.float32), np.array([coverage], np.float32), reliability, MODEL)[0])


def test_what_is_near_or_holds_the_words_is_believed_and_what_does_neither_is_not() -> None:
    assert sure(0.5, 0.2) > 0.9
    assert sure(0.1, 0.1) < MIN_SCORE
    assert sure(0.1, 1.0) >= 0.5, "every word of the query is there"
    assert sure(float("nan"), 0.5) > 0.9, "not encoded: judged by its words"
    assert sure(0.9, 0.0, reliability=0.0) < MIN_SCORE, "the model does not know these words"
    assert dense_confidence(np.array([0.5], np.float32), MODEL)[0] > 0.9
    assert dense_confidence(np.array([0.1], np.float32), MODEL)[0] < MIN_SCORE


@given(st.lists(st.tuples(UNIT, UNIT), max_size=30))
def test_scores_keep_the_ranking_and_the_first_is_the_best_confidence(pairs: list[tuple[float, float]]) -> None:
    ranked = sorted(pairs, key=lambda pair: -pair[0])
    relative = np.array([pair[0] for pair in ranked], np.float32)
    confidences = np.array([pair[1] for pair in ranked], np.float32)
    scores = absolute_scores(confidences, relative)
    assert ((scores >= 0) & (scores <= 1)).all()
    assert (np.diff(scores) <= 0).all()
    if len(relative) and relative[0] > 0:
        assert scores[0] == confidences.max()


@given(UNIT, UNIT, UNIT, UNIT)
def test_more_words_and_nearer_never_lower_the_confidence(
    one: float, other: float, cosine: float, trust: float
) -> None:
    low, high = sorted((one, other))
    assert sure(cosine, low, trust) <= sure(cosine, high, trust) + 1e-6
    assert sure(low, cosine, trust) <= sure(high, cosine, trust) + 1e-6
