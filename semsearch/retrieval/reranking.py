"""Scores the best passages anew with a reranker, with their token vectors where the index keeps them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from semsearch.chunking.chunk import encoded
from semsearch.store.records import Passage

if TYPE_CHECKING:
    from semsearch.embedding.rerankers import Reranker
    from semsearch.store.protocol import Snapshot


def reranked_scores(
    snapshot: "Snapshot", reranker: "Reranker", query: str, passages: Sequence[Passage], notices: list[str]
) -> NDArray[np.float32]:
    """(n,) float32 in [0, 1]: the score of each of `passages`; `notices` hear of token vectors that are damaged."""
    from semsearch.embedding.late_interaction import LateInteraction

    # As they were encoded: under their headings.
    texts = {one.text_hash: encoded(one.heading, one.text) for one in passages}
    if not isinstance(reranker, LateInteraction):
        return reranker.score(query, [texts[one.text_hash] for one in passages])
    kept, damage = snapshot.token_vectors(reranker.info.model, texts.keys())
    if damage:
        notices.append(damage)
    missing = [digest for digest in texts if digest not in kept]
    made = reranker.encode([texts[digest] for digest in missing])
    vectors = {**kept, **dict(zip(missing, made, strict=True))}
    return reranker.score_vectors(query, [vectors[one.text_hash] for one in passages])
