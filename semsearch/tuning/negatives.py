"""Mines hard negatives: passages that the index ranks high for a question and that do not answer it."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest

import numpy as np
from numpy.typing import NDArray

from semsearch.embedding.embedder import Vectors
from semsearch.lexical.analyzer import analyze_query
from semsearch.retrieval.deduplication import resemble, shingles
from semsearch.store.protocol import Snapshot
from semsearch.tuning.pairs import Pair
from semsearch.tuning.training_set import TrainingSet

# How many passages of each ranking are looked at.
_DEPTH = 50
# Random draws for each negative that the rankings lack.
_DRAWS = 20
# A passage that scores more than this share of the right one's score may be an answer that nobody marked
# (Moreira et al. 2024, "NV-Retriever", TopK-PercPos, section 4.1: 95 %).
_MOST_OF_POSITIVE = 0.95


@dataclass(frozen=True)
class MiningOptions:
    """How negatives are chosen: `count` for each pair.

    `exclude_likely_answers`: passages that score nearly as high as the right one are not taken, for they may answer,
    too. `seed`: of the passages that are drawn at random.
    """

    count: int
    exclude_likely_answers: bool = True
    seed: int = 1


def mine_negatives(
    snapshot: Snapshot,
    training_set: TrainingSet,
    pairs: Sequence[Pair],
    positives: Vectors,
    options: MiningOptions,
    done: Callable[[int, int], None],
) -> list[list[int]]:
    """For each of `pairs` the chunk ids of its hard negatives, taken in turn from the dense and the BM25 ranking.

    `positives` (n, dim): the vectors of the pairs' positive texts. Never taken: what answers the question, and copies
    of the right passage. Where the rankings hold too few, passages are drawn at random, and there may be fewer still.
    `done(pairs, of all)` is called for each pair.
    """
    chance = random.Random(options.seed)
    ids = training_set.ids
    rankings = _Rankings(snapshot, training_set)
    shingles_of = _Shingles(snapshot)
    mined = []
    for number, pair in enumerate(pairs):
        vector, cosines, candidates = rankings.of(pair.query)
        right = float(positives[number] @ vector)
        limit = right - (1 - _MOST_OF_POSITIVE) * abs(right) if options.exclude_likely_answers else np.inf
        own = shingles_of.chunk(pair.chunk)
        chosen: list[int] = []
        for chunk in candidates:
            if len(chosen) == options.count:
                break
            row = int(np.searchsorted(ids, chunk))
            if row == len(ids) or ids[row] != chunk or chunk in pair.answering or chunk in chosen:
                continue
            if cosines[row] < limit and not resemble(shingles_of.chunk(chunk), own):
                chosen.append(chunk)
        for _ in range(_DRAWS * (options.count - len(chosen))):
            chunk = int(ids[chance.randrange(len(ids))])
            if len(chosen) == options.count or chunk in pair.answering or chunk in chosen:
                continue
            if not resemble(shingles_of.chunk(chunk), own):
                chosen.append(chunk)
        mined.append(chosen)
        done(number + 1, len(pairs))
    return mined


class _Rankings:
    """Ranks the passages of an index for a question, by meaning and by words."""

    def __init__(self, snapshot: Snapshot, training_set: TrainingSet) -> None:
        self._snapshot = snapshot
        self._training_set = training_set
        # Pairs of one question follow one another: it is ranked once for all of them.
        self._last: tuple[str, tuple[Vectors, Vectors, list[int]]] | None = None

    def of(self, query: str) -> tuple[Vectors, Vectors, list[int]]:
        """(vector of `query` (dim,), its cosines with the passages (m,), best chunk ids of both rankings in turn)."""
        if self._last is None or self._last[0] != query:
            vector = self._training_set.embedder.encode_query(query)
            cosines = self._training_set.passages @ vector
            words = analyze_query(query, self._snapshot.languages())
            by_words = self._snapshot.lexical(words, _DEPTH, None).ids
            by_meaning = self._training_set.ids[_best(cosines)]
            self._last = query, (vector, cosines, _in_turn(by_meaning.tolist(), by_words.tolist()))
        return self._last[1]


class _Shingles:
    """The shingles of chunks, by which copies are recognised; read from the index once each."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._known: dict[int, frozenset[int]] = {}

    def chunk(self, chunk: int) -> frozenset[int]:
        """The shingles of the chunk with the id `chunk`."""
        if chunk not in self._known:
            self._known[chunk] = shingles(self._snapshot.passages([chunk])[0].text)
        return self._known[chunk]


def _best(scores: NDArray[np.float32]) -> NDArray[np.int64]:
    """Rows of the `_DEPTH` highest `scores` (n,), best first."""
    rows = np.argpartition(-scores, _DEPTH)[:_DEPTH] if len(scores) > _DEPTH else np.arange(len(scores))
    best: NDArray[np.int64] = rows[np.argsort(-scores[rows], kind="stable")]
    return best


def _in_turn(first: list[int], second: list[int]) -> list[int]:
    """The items of both lists, alternating; may hold an item twice."""
    return [chunk for chunk in chain.from_iterable(zip_longest(first, second)) if chunk is not None]
