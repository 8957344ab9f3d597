"""Passages that are about the same have the same claim: the scores of a ranking, smoothed over nearest neighbours.

The cluster hypothesis (van Rijsbergen 1979, chapter 3; Diaz 2005, "Regularizing Ad Hoc Retrieval Scores"). It helps
where many passages answer, and the ranking is flat; where one stands out, its neighbours would
only draw it down. A neighbour counts by the fourth power of its cosine.
"""

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float32]

# The best so many are smoothed; each by so many of them that are nearest to it.
SMOOTHED = 100
_NEIGHBOURS = 10
# The mean score of the ranks 2 to 10, as a share of the first: from which on it is smoothed, and from which on wholly.
_STEEP, _FLAT = 0.5, 0.7
_FLATNESS_RANKS = 10
# The fourth powers of the cosines of the neighbours of a passage that is alone, together at most.
_ALONE = 1e-9


def smoothed(scores: Scores, vectors: NDArray[np.float32], share: float) -> Scores:
    """(n,) float32: `scores` (n,), falling and never negative, of passages with the unit `vectors` (n, d), nan where
    there is none. `share`, in [0, 1]: how much of a score in a flat ranking the neighbours decide.
    """
    known = ~np.isnan(vectors[:, 0])
    share = share * _flatness(scores)
    if share <= 0 or known.sum() < 2:
        return scores
    own = vectors[known]
    # Not by BLAS, whose threads take longer to start than this takes.
    near = np.clip(np.einsum("id,jd->ij", own, own), 0, None)
    near = np.square(np.square(near))
    np.fill_diagonal(near, 0)
    count = min(_NEIGHBOURS, len(own) - 1)
    neighbours = np.argpartition(-near, count - 1, axis=1)[:, :count]
    weights = np.take_along_axis(near, neighbours, 1)
    total = weights.sum(1)
    mean = (weights * scores[known][neighbours]).sum(1) / np.maximum(total, _ALONE)
    result = scores.copy()
    # One that nothing is near to keeps its score.
    result[known] += np.where(total > _ALONE, np.float32(share) * (mean - result[known]), 0)
    return result


def _flatness(scores: Scores) -> float:
    """0 for a ranking in which one stands out, 1 for one in which many are as good."""
    others = scores[1:_FLATNESS_RANKS]
    if not len(others) or scores[0] <= 0:
        return 0.0
    return float(np.clip((others.mean() / scores[0] - _STEEP) / (_FLAT - _STEEP), 0, 1))
