"""Hard negatives: passages that look like an answer to a question and are none, as the index ranks them."""

import random
from collections.abc import Callable, Sequence
from itertools import chain, zip_longest

import numpy as np
from numpy.typing import NDArray

from semsearch.embedding.embedder import Embedder, Vectors
from semsearch.lexical.analyzer import analyze_query
from semsearch.lexical.bm25 import PostingsBM25
from semsearch.storage.snapshot import Snapshot
from semsearch.tuning.pairs import Pair

# How deep each ranking is searched for them.
_DEPTH = 50
# A passage that scores more than this share of what the right one scores may be an answer that nobody marked
# (Moreira et al. 2024, "NV-Retriever", TopK-PercPos, section 4.1: 95 %).
_MOST_OF_POSITIVE = 0.95
# A passage this near to the right one says the same.
_COPY = 0.95


def mine(
    snapshot: Snapshot,
    embedder: Embedder,
    ids: NDArray[np.int64],
    passages: Vectors,
    pairs: Sequence[Pair],
    count: int,
    done: Callable[[int, int], None],
    guard: bool = True,
    seed: int = 1,
) -> list[list[int]]:
    """For each of `pairs` `count` chunk ids, in turn from the dense and the BM25 ranking, the best first.

    `ids` (m,), rising, of the `passages` (m, dim). Kept out: what answers, what says the same as the right passage,
    and, with `guard`, what the model scores nearly as high as it. Where that leaves too few, passages are drawn by lot.
    """
    chance = random.Random(seed)
    languages = frozenset(code for part in snapshot.lexical() for code in part.languages)
    bm25 = PostingsBM25(snapshot.lexical(), snapshot.alive("lex"))
    lexical_ids = np.concatenate([part.ids for part in snapshot.lexical()])
    found = []
    for number, pair in enumerate(pairs):
        cosines = passages @ embedder.encode_query(pair.query)
        right = int(np.searchsorted(ids, pair.chunk))
        limit = _MOST_OF_POSITIVE * float(cosines[right]) if guard else np.inf
        scores = np.concatenate(bm25.segment_scores(analyze_query(pair.query, languages)))
        by_words = lexical_ids[[row for row in _best(scores) if scores[row] > 0]]
        chosen: list[int] = []
        for chunk in _in_turn(ids[_best(cosines)].tolist(), by_words.tolist()):
            if len(chosen) == count:
                break
            row = int(np.searchsorted(ids, chunk))
            known = row < len(ids) and ids[row] == chunk
            if (
                known
                and chunk not in pair.answering
                and chunk not in chosen
                and cosines[row] < limit
                and float(passages[row] @ passages[right]) < _COPY
            ):
                chosen.append(chunk)
        found.append(chosen + _by_lot(chance, ids, pair, count - len(chosen)))
        done(number + 1, len(pairs))
    return found


def _best(scores: NDArray[np.float32]) -> NDArray[np.int64]:
    """Rows of the highest `_DEPTH` scores, best first."""
    rows = np.argpartition(-scores, _DEPTH)[:_DEPTH] if len(scores) > _DEPTH else np.arange(len(scores))
    best: NDArray[np.int64] = rows[np.argsort(-scores[rows], kind="stable")]
    return best


def _in_turn(first: list[int], second: list[int]) -> list[int]:
    return [chunk for chunk in chain.from_iterable(zip_longest(first, second)) if chunk is not None]


def _by_lot(chance: random.Random, ids: NDArray[np.int64], pair: Pair, count: int) -> list[int]:
    drawn: list[int] = []
    for _ in range(20 * count):
        chunk = int(ids[chance.randrange(len(ids))])
        if len(drawn) < count and chunk not in pair.answering and chunk not in drawn:
            drawn.append(chunk)
    return drawn
