"""MaxSim, the score of late interaction: for each token of the query the best cosine with a token of the passage.

Khattab and Zaharia 2020, "ColBERT: Efficient and Effective Passage Search via Contextualized Late Interaction over
BERT", section 3.3; divided by the number of the query's tokens, so that queries of any length have scores alike.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from semsearch.embedding.embedder import Vectors


def mean_max_similarity(query: Vectors, passages: Sequence[Vectors]) -> NDArray[np.float32]:
    """(p,) float32 in [-1, 1]: the score of each of `passages`, (tokens, dim) each, for `query` (tokens, dim), all
    unit rows. A passage, or a query, without tokens has the lowest."""
    scores = np.full(len(passages), -1, np.float32)
    for number, vectors in enumerate(passages):
        if len(vectors) and len(query):
            scores[number] = (vectors @ query.T).max(axis=0).mean()
    return np.clip(scores, -1, 1)
