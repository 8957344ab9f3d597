"""Scores that mean the same in every query: how likely a passage answers the query at all.

The fused score of a hybrid search is relative: the best passage has a high one even when nothing in the index has to do
with the query. The confidence looks at what is absolute instead: the cosine, on the scale from unrelated sentences (0)
to a question and its answer (1) under this model, and the coverage, the share of the query's words that the passage
holds, weighed by idf. How far the cosine can be believed follows from how well the model knows the query's words.

Logistic regression (Platt 1999) on the questions of five collections in three languages, each put to its own collection
(answered) and to the others (not answered). At a score of 0.1 it turns away nine of ten foreign English questions, and
at most 2 % of the own ones; fitted without a collection it does as well on it. Where the model is blind, words alone
tell, and fewer are turned away. `python -m benchmarks.score_calibration` fits and measures it anew.
"""

import numpy as np
from numpy.typing import NDArray

from semsearch.embedding.model_info import Calibration
from semsearch.retrieval.fusion import strength, usual_fertility

Scores = NDArray[np.float32]

# intercept, cosine, coverage
KNOWN = (-18.56, 21.46, 14.36)  # a query whose words the model knows
BLIND = (-4.29, 0.0, 29.87)  # one whose words it does not know: cosines tell nothing
DENSE = (-13.15, 19.35, 0.0)  # meaning alone
# A passage that holds every word of the query is an answer to whoever looks for these words.
_ALL_WORDS = 0.5
# Subword tokens per word above what the model is used to that are no sign of strange words yet.
_STILL_USUAL = 0.35


def reliability(fertility: float, script: str, calibration: Calibration) -> float:
    """How well the model knows the words of a query of `fertility` in `script`: 1 well, 0 not at all."""
    usual = usual_fertility(script, calibration)
    return 0.0 if usual is None else float(np.clip(1 - (fertility - usual - _STILL_USUAL), 0, 1))


def confidence(cosines: Scores, coverage: Scores, reliability: float | Scores, calibration: Calibration) -> Scores:
    """(n,) float32 in [0, 1] from cosines (n,; nan: not encoded) and coverages (n,) in [0, 1].

    `reliability`, of all or (n,): 1 where the model knows the words of the query, 0 where it is blind to them.
    """
    scaled = _scaled(cosines, calibration)
    believed = np.where(np.isnan(cosines), 0.0, reliability)
    known = KNOWN[0] + KNOWN[1] * scaled + KNOWN[2] * coverage
    blind = BLIND[0] + BLIND[2] * coverage
    probable = _logistic(believed * known + (1 - believed) * blind)
    scores: Scores = np.where(coverage > 0.999, np.maximum(probable, _ALL_WORDS), probable).astype(np.float32)
    return scores


def dense_confidence(cosines: Scores, calibration: Calibration) -> Scores:
    """(n,) float32 in [0, 1] from cosines alone."""
    return _logistic(DENSE[0] + DENSE[1] * _scaled(cosines, calibration))


def absolute_scores(confidences: Scores, relative: Scores) -> Scores:
    """The scores of hits in ranking order, (n,) never rising, from their confidences and their relative scores.

    The first is the confidence of the search, the best one among its hits; each other is what those from it on are
    worth, in proportion to its relative score. So the order is that of the ranking.
    """
    if not len(relative):
        return np.zeros(0, np.float32)
    worth = np.maximum.accumulate(confidences[::-1])[::-1]
    best = float(relative[0])
    share = np.maximum(relative, 0) / best if best > 0 else np.zeros_like(relative)
    scores: Scores = (worth * share).astype(np.float32)
    return scores


def _scaled(cosines: Scores, calibration: Calibration) -> Scores:
    """Cosines from unrelated (0) to a question and its answer (1). The best of thousands of unrelated texts is a number
    of standard deviations above their mean, not a share of the way to 1: of a weak model that is further up."""
    span = max(calibration.related - calibration.background, 1e-3)
    scaled: Scores = (np.nan_to_num(cosines, nan=calibration.background) - calibration.background) / span
    return scaled * np.float32(strength(calibration))


def _logistic(value: NDArray[np.floating]) -> Scores:
    result: Scores = (1 / (1 + np.exp(-np.clip(value, -60, 60)))).astype(np.float32)
    return result
