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
        self._segments = segments
        self._alive = alive
        self.corpus_size = sum(
            len(part) if keep is None else int(keep.sum()) for part, keep in zip(segments, alive, strict=True)
        )
        total = sum(
            int((part.lengths if keep is None else part.lengths[keep]).sum(dtype=np.int64))
            for part, keep in zip(segments, alive, strict=True)
        )
        self.avgdl = total / self.corpus_size if total else 1.0
        self._norms = [(k1 * (1 - b + b * part.lengths / self.avgdl)).astype(np.float32) for part in segments]

    def get_scores(self, query: Sequence[str | tuple[str, ...]]) -> NDArray[np.float32]:
        """(rows of all segments,) float32. A query word is a term key, or a tuple of keys that count as one word."""
        scores = self.segment_scores([(word,) if isinstance(word, str) else word for word in query])
        return np.concatenate(scores) if scores else np.empty(0, np.float32)

    def segment_scores(self, query: Sequence[tuple[str, ...]]) -> list[NDArray[np.float32]]:
        """For each segment its rows' scores, (n,) float32; dead rows score 0."""
        scores = [np.zeros(len(part), np.float32) for part in self._segments]
        for word in query:
            found = [[part.find(key) for key in word] for part in self._segments]
            idf = self._idf(found)
            for of_segment, score, norm in zip(found, scores, self._norms, strict=True):
                for rows, tfs in of_segment:
                    tf = tfs.astype(np.float32)
                    # A row occurs once in a term's postings, so plain indexing adds up.
                    score[rows] += np.float32(idf * (self.k1 + 1)) * tf / (tf + norm[rows])
        for score, keep in zip(scores, self._alive, strict=True):
            if keep is not None:
                score[~keep] = 0
        return scores

    def weights(self, query: Sequence[tuple[str, ...]]) -> list[float]:
        """The idf of each word of `query`; a word that occurs nowhere has the highest."""
        return [self._idf([[part.find(key) for key in word] for part in self._segments]) for word in query]

    def occurrences(self, query: Sequence[tuple[str, ...]], ids: NDArray[np.int64]) -> NDArray[np.bool_]:
        """(words, n) bool: which words of `query` the chunks `ids` (n,) hold."""
        held = np.zeros((len(query), len(ids)), np.bool_)
        for part in self._segments:
            wanted, at = places(ids, part.ids)
            for number, word in enumerate(query):
                for key in word:
                    rows = part.find(key)[0]
                    if len(rows):
                        near = np.minimum(np.searchsorted(rows, at), len(rows) - 1)
                        held[number, wanted[rows[near] == at]] = True
        return held

    def _idf(self, found: list[list[tuple[NDArray[np.int32], NDArray[np.uint16]]]]) -> float:
        """idf of a word from its postings in each segment, under each of its keys."""
        frequency = sum(
            len(rows) if keep is None else int(np.count_nonzero(keep[rows]))
            for of_segment, keep in zip(found, self._alive, strict=True)
            for rows, _ in of_segment
        )
        return math.log(1 + (self.corpus_size - frequency + 0.5) / (frequency + 0.5))


def places(wanted: NDArray[np.int64], ids: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Positions in `wanted` of the chunk ids that a segment with rising `ids` holds, and their rows there."""
    if not len(ids):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    at = np.minimum(np.searchsorted(ids, wanted), len(ids) - 1)
    there = np.flatnonzero(ids[at] == wanted)
    return there, at[there]
