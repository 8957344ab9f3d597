"""BM25 over segments of postings.

The class is a `rank_bm25.BM25Okapi`: same constructor parameters k1 and b, same `get_scores`, same formula. What
differs is where the numbers come from (mapped postings of many segments instead of one dict per document) and the
idf: `ln(1 + (N - n + 0.5) / (n + 0.5))` (Robertson & Zaragoza 2009 with the +1 of Lucene), which is never negative.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from rank_bm25 import BM25Okapi

from semsearch.lexical.postings import Postings

# (rows, tfs) of one term in one segment (`Postings.find`).
Found = tuple[NDArray[np.int32], NDArray[np.uint16]]

K1 = 1.2
B = 0.75


class PostingsBM25(BM25Okapi):  # type: ignore[misc]  # rank_bm25 has no types
    """Scores queries over `segments`, of which `alive` (None: all) tells the rows that count.

    Dead rows count nowhere: not in N, not in n, not in the average length. So the scores of an index that was edited
    equal those of one built anew.
    """

    def __init__(
        self,
        segments: Sequence[Postings],
        alive: Sequence[NDArray[np.bool_] | None],
        k1: float = K1,
        b: float = B,
    ) -> None:
        # BM25Okapi.__init__ counts a corpus; here the counting is done, so it is not called.
        self.k1 = k1
        self.b = b
        self.segments = segments
        self.alive = alive
        self.corpus_size = sum(
            len(part) if keep is None else int(keep.sum()) for part, keep in zip(segments, alive, strict=True)
        )
        total = sum(
            int((part.lengths if keep is None else part.lengths[keep]).sum(dtype=np.int64))
            for part, keep in zip(segments, alive, strict=True)
        )
        self.avgdl = total / self.corpus_size if total else 1.0
        self.norms = [(k1 * (1 - b + b * part.lengths / self.avgdl)).astype(np.float32) for part in segments]

    def get_scores(self, query: Sequence[str | tuple[str, ...]]) -> NDArray[np.float32]:
        """(rows of all segments,) float32. A query word is a term key, or a tuple of keys that count as one word."""
        words = [(word,) if isinstance(word, str) else word for word in query]
        scores = self.query(words).segment_scores()
        return np.concatenate(scores) if scores else np.empty(0, np.float32)

    def query(self, words: Sequence[tuple[str, ...]]) -> "QueryScorer":
        """What scores the chunks for `words`, each a tuple of term keys that count as one word."""
        return QueryScorer(self, words)


class QueryScorer:
    """One query over the segments of `bm25`: the postings of its words are looked up once, when it is made.

    `idf` (words,) float32: the weight of each word; a word that occurs nowhere has the highest.
    """

    def __init__(self, bm25: PostingsBM25, words: Sequence[tuple[str, ...]]) -> None:
        self._bm25 = bm25
        self._found: list[list[list[Found]]] = [
            [[part.find(key) for key in word] for part in bm25.segments] for word in words
        ]
        self._idf = [self._idf_of(found) for found in self._found]
        self.idf: NDArray[np.float32] = np.array(self._idf, np.float32)
        self._scores: list[NDArray[np.float32]] | None = None

    def segment_scores(self) -> list[NDArray[np.float32]]:
        """For each segment its rows' scores, (n,) float32, not to be changed; dead rows score 0."""
        if self._scores is None:
            bm25 = self._bm25
            self._scores = [np.zeros(len(part), np.float32) for part in bm25.segments]
            for of_word, idf in zip(self._found, self._idf, strict=True):
                for of_segment, score, norm in zip(of_word, self._scores, bm25.norms, strict=True):
                    for rows, tfs in of_segment:
                        tf = tfs.astype(np.float32)
                        # A row occurs once in a term's postings, so plain indexing adds up.
                        score[rows] += np.float32(idf * (bm25.k1 + 1)) * tf / (tf + norm[rows])
            for score, keep in zip(self._scores, bm25.alive, strict=True):
                if keep is not None:
                    score[~keep] = 0
        return self._scores

    def scores_of(self, ids: NDArray[np.int64]) -> NDArray[np.float32]:
        """(n,) the scores of the chunks `ids` (n,); 0 for one that no segment has."""
        scores = np.zeros(len(ids), np.float32)
        for part, of_segment in zip(self._bm25.segments, self.segment_scores(), strict=True):
            wanted, rows = places(ids, part.ids)
            scores[wanted] = of_segment[rows]
        return scores

    def held_by(self, ids: NDArray[np.int64]) -> NDArray[np.bool_]:
        """(words, n) bool: which words the chunks `ids` (n,) hold."""
        held = np.zeros((len(self._found), len(ids)), np.bool_)
        for number, part in enumerate(self._bm25.segments):
            wanted, at = places(ids, part.ids)
            for word, of_word in enumerate(self._found):
                for rows, _ in of_word[number]:
                    if len(rows):
                        near = np.minimum(np.searchsorted(rows, at), len(rows) - 1)
                        held[word, wanted[rows[near] == at]] = True
        return held

    def _idf_of(self, of_word: list[list[Found]]) -> float:
        """idf of a word from its postings in each segment, under each of its keys."""
        frequency = sum(
            len(rows) if keep is None else int(np.count_nonzero(keep[rows]))
            for of_segment, keep in zip(of_word, self._bm25.alive, strict=True)
            for rows, _ in of_segment
        )
        return math.log(1 + (self._bm25.corpus_size - frequency + 0.5) / (frequency + 0.5))


def places(wanted: NDArray[np.int64], ids: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Positions in `wanted` of the chunk ids that a segment with rising `ids` holds, and their rows there."""
    if not len(ids):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    at = np.minimum(np.searchsorted(ids, wanted), len(ids) - 1)
    there = np.flatnonzero(ids[at] == wanted)
    return there, at[there]
