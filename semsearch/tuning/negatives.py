"""Hard negatives: passages that look like an answer to a question and are none, as the index ranks them."""

import random
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import chain, zip_longest

import numpy as np
from numpy.typing import NDArray

from semsearch.embedding.embedder import Vectors
from semsearch.lexical.analyzer import analyze_query
from semsearch.lexical.bm25 import PostingsBM25
from semsearch.retrieval.passages import resemble, shingles
from semsearch.storage.catalog import Catalog
from semsearch.storage.snapshot import Snapshot
from semsearch.tuning.lesson import Lesson
from semsearch.tuning.pairs import Pair

# How deep each ranking is searched for them.
_DEPTH = 50
# A passage that scores more than this share of what the right one scores may be an answer that nobody marked
# (Moreira et al. 2024, "NV-Retriever", TopK-PercPos, section 4.1: 95 %).
_MOST_OF_POSITIVE = 0.95


def mine(
    snapshot: Snapshot,
    lesson: Lesson,
    pairs: Sequence[Pair],
    positives: Vectors,
    count: int,
    done: Callable[[int, int], None],
    guard: bool = True,
    seed: int = 1,
) -> list[list[int]]:
    """For each of `pairs` `count` chunk ids, in turn from the dense and the BM25 ranking, the best first.

    `positives` (n, dim): of the texts that are learnt. Kept out: what answers, what says the same as the right passage,
    and, with `guard`, what the model scores nearly as high as the text that is learnt. Where that leaves too few,
    passages are drawn by lot, and there may be fewer.
    """
    chance = random.Random(seed)
    ids = lesson.ids
    languages = frozenset(code for part in snapshot.lexical() for code in part.languages)
    bm25 = PostingsBM25(snapshot.lexical(), snapshot.alive("lex"))
    lexical_ids = np.concatenate([part.ids for part in snapshot.lexical()])
    marks = _Marks(snapshot.catalog)

    @lru_cache(maxsize=1)  # pairs of one question follow one another
    def ranked(query: str) -> tuple[Vectors, Vectors, list[int]]:
        """The query's vector, its cosines with the passages, and the best chunks of both rankings in turn."""
        vector = lesson.embedder.encode_query(query)
        cosines = lesson.passages @ vector
        scores = np.concatenate(bm25.segment_scores(analyze_query(query, languages)))
        by_words = lexical_ids[[row for row in _best(scores) if scores[row] > 0]]
        return vector, cosines, _in_turn(ids[_best(cosines)].tolist(), by_words.tolist())

    found = []
    for number, pair in enumerate(pairs):
        vector, cosines, candidates = ranked(pair.query)
        wanted = float(positives[number] @ vector)
        limit = wanted - (1 - _MOST_OF_POSITIVE) * abs(wanted) if guard else np.inf
        own = marks.of(pair.chunk)
        chosen: list[int] = []
        for chunk in candidates:
            if len(chosen) == count:
                break
            row = int(np.searchsorted(ids, chunk))
            if row == len(ids) or ids[row] != chunk or chunk in pair.answering or chunk in chosen:
                continue
            if cosines[row] < limit and not resemble(marks.of(chunk), own):
                chosen.append(chunk)
        for _ in range(20 * (count - len(chosen))):
            chunk = int(ids[chance.randrange(len(ids))])
            if len(chosen) == count or chunk in pair.answering or chunk in chosen:
                continue
            if not resemble(marks.of(chunk), own):
                chosen.append(chunk)
        found.append(chosen)
        done(number + 1, len(pairs))
    return found


class _Marks:
    """By what copies of a passage are known, of each chunk that is asked for."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._known: dict[int, frozenset[int]] = {}

    def of(self, chunk: int) -> frozenset[int]:
        if chunk not in self._known:
            row = self._catalog.connection.execute("SELECT text FROM chunks WHERE id = ?", (chunk,)).fetchone()
            self._known[chunk] = shingles(row["text"])
        return self._known[chunk]


def _best(scores: NDArray[np.float32]) -> NDArray[np.int64]:
    """Rows of the highest `_DEPTH` scores, best first."""
    rows = np.argpartition(-scores, _DEPTH)[:_DEPTH] if len(scores) > _DEPTH else np.arange(len(scores))
    best: NDArray[np.int64] = rows[np.argsort(-scores[rows], kind="stable")]
    return best


def _in_turn(first: list[int], second: list[int]) -> list[int]:
    return [chunk for chunk in chain.from_iterable(zip_longest(first, second)) if chunk is not None]
