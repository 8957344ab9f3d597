"""Two lists of scores -> one: pure functions over aligned arrays.

Convex combination of normalised scores (Bruch, Gai & Ingber 2023, "An Analysis of Fusion Functions for Hybrid
Retrieval"), or reciprocal rank fusion (Cormack, Clarke & Buettcher 2009). nDCG@10 here, convex v RRF (k = 60):
Cranfield 0.437 v 0.433, XQuAD-en 0.978 v 0.967, XQuAD-de 0.941 v 0.872 (`benchmarks/retrieval_quality.py`).
"""

import numpy as np
from numpy.typing import NDArray

from semsearch.embedding.model_info import Calibration

Scores = NDArray[np.float32]

# The weight of the dense leg by fertility, as a multiple of that which the model is used to. Under MiniLM English texts
# have 1.1 to 1.3, German 2.3, Hindi 2.8, Turkish 3.0, Arabic 4.7.
ALPHA = 0.6
_STRANGENESS = (1.4, 1.8, 3.0, 4.0)
_ALPHAS = (ALPHA, 0.3, 0.3, 0.1)
# A model that tells answers apart less well than MiniLM (5.8 standard deviations) weighs less. The static one (3.5) has
# nDCG@10 0.383 on Cranfield with the same weight, and 0.406 with this one.
_STRONG = 5.8
_LEAST_STRENGTH = 0.5
# A near passage tells that the model knows what is asked: how much the weight grows with the cosine of the best one, on
# the scale from unrelated (0) to a question and its answer (1), and how far.
_NEAR = 1.24
_PER_NEARNESS = 0.97
_NEARNESS_LIMITS = (0.58, 1.25)
RRF_K = 60


def language_alpha(fertility: float, script: str, calibration: Calibration) -> float:
    """The weight of the dense leg where passages have `fertility` and the query is in `script`: less, the less the
    model knows their language. A script in which the model was found blind has the lowest weight.
    """
    usual = usual_fertility(script, calibration)
    by_language = _ALPHAS[-1] if usual is None else float(np.interp(fertility / usual, _STRANGENESS, _ALPHAS))
    return by_language * strength(calibration)


def sparse_share(fertility: float, script: str, calibration: Calibration) -> float:
    """How much of the lexical leg learned sparse vectors decide, beside BM25: half of it where their model, of this
    `calibration`, knows the language of passages with this `fertility` as well as MiniLM knows English, else less.
    """
    return 0.5 * language_alpha(fertility, script, calibration) / ALPHA


def strength(calibration: Calibration) -> float:
    """How well a model tells answers from other texts, at most 1: as well as MiniLM."""
    return float(np.clip(calibration.separation / _STRONG, _LEAST_STRENGTH, 1))


def usual_fertility(script: str, calibration: Calibration) -> float | None:
    """The fertility that the model is used to in `script`; None where it was found blind.

    A script that was not measured is judged by what the model is used to elsewhere.
    """
    if script in calibration.fertility or script in _MEASURED_SCRIPTS:
        return calibration.fertility.get(script)
    return max(calibration.fertility.values(), default=None)


def nearness_factor(nearest: float, calibration: Calibration) -> float:
    """What the weight of the dense leg is multiplied by for a query whose nearest passage has the cosine `nearest`."""
    scaled = (nearest - calibration.background) / max(calibration.related - calibration.background, 1e-3)
    return float(np.clip(1 + _PER_NEARNESS * (scaled - _NEAR), *_NEARNESS_LIMITS))


_MEASURED_SCRIPTS = frozenset({"latin", "cyrillic", "cjk", "hangul"})


def normalise_dense(cosines: Scores, background: float) -> Scores:
    """Cosines (n,) on the scale 0 (`background`: what unrelated texts have under this model) to 1 (the best one).

    A floor that belongs to the model keeps scores independent of how many candidates were looked at.
    """
    best = float(cosines.max(initial=background))
    if best <= background:
        return np.zeros_like(cosines)
    scaled: Scores = np.maximum(cosines - np.float32(background), 0) / np.float32(best - background)
    return scaled


def normalise_lexical(scores: Scores) -> Scores:
    """BM25 scores (n,), never negative, on the scale 0 (no word occurs) to 1 (the best one)."""
    best = float(scores.max(initial=0.0))
    return scores / np.float32(best) if best > 0 else np.zeros_like(scores)


def convex(dense: Scores, lexical: Scores, alpha: float) -> Scores:
    """alpha dense + (1 - alpha) lexical, of normalised scores (n,)."""
    return np.float32(alpha) * dense + np.float32(1 - alpha) * lexical


def reciprocal_ranks(dense: Scores, lexical: Scores) -> Scores:
    """Sum over the legs of 1 / (60 + rank), scaled so that first in both is 1; a score of 0 has no rank."""
    total = np.zeros(len(dense), np.float32)
    for leg in (dense, lexical):
        position = np.flatnonzero(leg > 0)
        order = position[np.argsort(-leg[position], kind="stable")]
        total[order] += (RRF_K + 1) / (2 * (RRF_K + np.arange(1, len(order) + 1)))
    return total
