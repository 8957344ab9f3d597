"""Two lists of scores -> one: pure functions over aligned arrays.

Convex combination of normalised scores (Bruch, Gai & Ingber 2023, "An Analysis of Fusion Functions for Hybrid
Retrieval"), or reciprocal rank fusion (Cormack, Clarke & Buettcher 2009). nDCG@10 here, convex v RRF (k = 60):
Cranfield 0.437 v 0.433, XQuAD-en 0.978 v 0.967, XQuAD-de 0.941 v 0.872 (`benchmarks/retrieval_quality.py`).
"""

import numpy as np
from numpy.typing import NDArray

from semsearch.embedding.model_info import Calibration

Scores = NDArray[np.float32]

# The weight of the dense leg for a query in a language the model was made for; measured on Cranfield and XQuAD-en,
# where 0.5 to 0.7 differ by less than 0.002.
ALPHA = 0.6
LOWEST_ALPHA = 0.15
# Loss of weight per subword token per word above what the model is used to, and how much above is still usual.
_SLOPE = 0.45
_MARGIN = 0.35
RRF_K = 60


def adaptive_alpha(fertility: float, script: str, calibration: Calibration) -> float:
    """The weight of the dense leg for a query of `fertility` in `script`: less, the less the model knows its words.

    A script in which the model was found blind has the lowest weight; one that was not measured is judged by the
    fertility the model is used to.
    """
    usual = calibration.fertility.get(script)
    if usual is None:
        if script in _MEASURED_SCRIPTS or not calibration.fertility:
            return LOWEST_ALPHA
        usual = max(calibration.fertility.values())
    return float(np.clip(ALPHA - _SLOPE * (fertility - usual - _MARGIN), LOWEST_ALPHA, ALPHA))


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
