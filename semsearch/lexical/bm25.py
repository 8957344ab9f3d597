"""BM25 over segments of postings.

The score of a row is the sum over the query's words of idf * tf (k1 + 1) / (tf + k1 (1 - b + b length / avgdl))
(Robertson and Zaragoza 2009), with idf = ln(1 + (N - n + 0.5) / (n + 0.5)); the 1, as in Lucene, keeps it from being
negative. N: live rows; n: live rows with the word; tf: how often the row has it; length: terms of the row; avgdl: the
average length. A word has several keys (`query_word.Word`): n counts rows with any of them, and what a row gets for a
word is the most that one of its keys gives, times the weight of that key.

`PostingsBM25` is a `rank_bm25.BM25Okapi` with the same parameters k1 and b and the same `get_scores`. It differs in the
idf, and in that it reads mapped postings of many segments instead of one dict for each document.
"""

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from rank_bm25 import BM25Okapi

from semsearch.lexical.postings import Postings
from semsearch.lexical.query_word import Key, Word

# Weight of a key, its rows (p,) int32, its frequencies (p,) uint16.
_WeightedPostings = tuple[float, NDArray[np.int32], NDArray[np.uint16]]

K1 = 1.2
B = 0.75


class PostingsBM25(BM25Okapi):  # type: ignore[misc]  # rank_bm25 has no types
    """Scores queries over `segments`; `alive`: for each the rows that are not deleted, (n,) bool, None: all.

    Deleted rows count nowhere: not in N, not in n, not in the average length. So an index that was edited gives the
    same scores as one that was built anew. `statistics`: (live rows, terms of them all), where `segments` have only the
    rows of some words; None: counted.
    """

    def __init__(
        self,
        segments: Sequence[Postings],
        alive: Sequence[NDArray[np.bool_] | None],
        k1: float = K1,
        b: float = B,
        statistics: tuple[int, int] | None = None,
    ) -> None:
        # BM25Okapi.__init__ is not called: it would count the terms of a corpus, which the postings hold already.
        self.k1 = k1
        self.b = b
        self.segments = segments
        self.alive = alive
        self.corpus_size, total = statistics or _statistics(segments, alive)
        self.avgdl = average_length(self.corpus_size, total)
        self.norms = [length_norms(part.lengths, self.avgdl, k1, b) for part in segments]

    def get_scores(self, query: Sequence[str | Word]) -> NDArray[np.float32]:
        """(rows of all segments,) float32 scores. A word of `query` is a term key, or a `Word`."""
        words = [(Key(word),) if isinstance(word, str) else word for word in query]
        scores = self.query(words).segment_scores()
        return np.concatenate(scores) if scores else np.empty(0, np.float32)

    def query(self, words: Sequence[Word]) -> "QueryScorer":
        """A scorer for `words`."""
        return QueryScorer(self, words)


def average_length(size: int, total: int) -> float:
    """The average length of `size` rows with `total` terms."""
    return total / size if total else 1.0


def idf_of(size: int, held: int) -> float:
    """The idf of a word that `held` of `size` live rows hold."""
    return math.log(1 + (size - held + 0.5) / (held + 0.5))


def length_norms(lengths: NDArray[np.int32], average: float, k1: float = K1, b: float = B) -> NDArray[np.float32]:
    """(n,) what is added to the frequency below the line, for rows with these `lengths` (n,)."""
    return (k1 * (1 - b + b * lengths / average)).astype(np.float32)


def most_gain(weight: float, idf: float, k1: float = K1) -> np.float32:
    """What a key with this `weight`, of a word with this `idf`, gives to a row at the most."""
    return np.float32(weight * idf * (k1 + 1))


def gains_of(most: np.float32, tfs: NDArray[np.uint16], norms: NDArray[np.float32]) -> NDArray[np.float32]:
    """(n,) what a key gives to rows that have it `tfs` (n,) times; `most`: `most_gain`; `norms`: `length_norms`."""
    tf = tfs.astype(np.float32)
    gains: NDArray[np.float32] = most * tf / (tf + norms)
    return gains


def _statistics(segments: Sequence[Postings], alive: Sequence[NDArray[np.bool_] | None]) -> tuple[int, int]:
    """(live rows, terms of them all)."""
    pairs = list(zip(segments, alive, strict=True))
    rows = sum(len(part) if keep is None else int(keep.sum()) for part, keep in pairs)
    lengths = (part.lengths if keep is None else part.lengths[keep] for part, keep in pairs)
    return rows, sum(int(one.sum(dtype=np.int64)) for one in lengths)


class QueryScorer:
    """Scores one query over the segments of `bm25`. The postings of its words are looked up once, here.

    `idf` (words,) float32: the weight of each word; the highest for a word that occurs nowhere. `frequencies` (words,):
    how many live rows hold each; `segments`: those of `bm25`.
    """

    def __init__(self, bm25: PostingsBM25, words: Sequence[Word]) -> None:
        self._bm25 = bm25
        self.segments = bm25.segments
        self._postings: list[list[list[_WeightedPostings]]] = [
            [_postings_of(word, part) for part in bm25.segments] for word in words
        ]
        self.frequencies: NDArray[np.int64] = np.array([self._frequency_of(one) for one in self._postings], np.int64)
        self._idf = [idf_of(bm25.corpus_size, held) for held in self.frequencies.tolist()]
        self.idf: NDArray[np.float32] = np.array(self._idf, np.float32)
        self._scores: list[NDArray[np.float32]] | None = None

    def segment_scores(self) -> list[NDArray[np.float32]]:
        """For each segment the scores of its rows, (n,) float32; 0 for deleted rows.

        The arrays are computed once and shared: callers must not change them.
        """
        if self._scores is None:
            bm25 = self._bm25
            self._scores = [np.zeros(len(part), np.float32) for part in bm25.segments]
            for of_word, idf in zip(self._postings, self._idf, strict=True):
                for of_segment, score, norm in zip(of_word, self._scores, bm25.norms, strict=True):
                    self._add(score, of_segment, norm, idf)
            for score, keep in zip(self._scores, bm25.alive, strict=True):
                if keep is not None:
                    score[~keep] = 0
        return self._scores

    def _add(
        self, score: NDArray[np.float32], of_segment: Sequence[_WeightedPostings], norm: NDArray[np.float32], idf: float
    ) -> None:
        """Adds to `score` (n,) what one word with weight `idf` gives; of several keys in a row, the one that gives
        most."""
        gains = []
        for weight, rows, tfs in of_segment:
            gains.append(gains_of(most_gain(weight, idf, self._bm25.k1), tfs, norm[rows]))
        if len(gains) == 1:
            # A row occurs once in a term's postings, so that indexed addition counts it once.
            score[of_segment[0][1]] += gains[0]
        elif gains:
            best = np.zeros(len(score), np.float32)
            for (_, rows, _), gain in zip(of_segment, gains, strict=True):
                best[rows] = np.maximum(best[rows], gain)
            score += best

    def scores_of(self, ids: NDArray[np.int64]) -> NDArray[np.float32]:
        """(n,) float32: the scores of the chunks `ids` (n,) int64; 0 for a chunk that no segment has."""
        scores = np.zeros(len(ids), np.float32)
        for part, of_segment in zip(self._bm25.segments, self.segment_scores(), strict=True):
            positions, rows = locate(ids, part.ids)
            scores[positions] = of_segment[rows]
        return scores

    def held_by(self, ids: NDArray[np.int64]) -> NDArray[np.bool_]:
        """(words, n) bool: which of the query's words the chunks `ids` (n,) int64 contain."""
        held = np.zeros((len(self._postings), len(ids)), np.bool_)
        for number, part in enumerate(self._bm25.segments):
            positions, chunk_rows = locate(ids, part.ids)
            for word, of_word in enumerate(self._postings):
                for _, rows, _ in of_word[number]:
                    near = np.minimum(np.searchsorted(rows, chunk_rows), len(rows) - 1)
                    held[word, positions[rows[near] == chunk_rows]] = True
        return held

    def held_ids(self, word: int) -> NDArray[np.int64]:
        """(n,) int64: the ids of the live chunks that contain the query's word number `word`, rising."""
        ids = []
        for number, (part, keep) in enumerate(zip(self._bm25.segments, self._bm25.alive, strict=True)):
            rows = _rows_of(self._postings[word][number])
            ids.append(part.ids[rows if keep is None else rows[keep[rows]]])
        # A live chunk is in one segment, and segments mostly follow one another.
        ids = [part for part in ids if len(part)]
        joined = np.concatenate(ids) if ids else np.empty(0, np.int64)
        rising = all(one[-1] < other[0] for one, other in pairwise(ids))
        return joined if rising else np.sort(joined, kind="stable")

    def held_by_all(self) -> NDArray[np.int64]:
        """(n,) int64: the ids of the live chunks that contain every word of the query, rising."""
        # The rarest first, so that what is compared with the others is short.
        order = np.argsort(self.frequencies, kind="stable").tolist()
        held = self.held_ids(order[0])
        for number in order[1:]:
            if not len(held):
                break
            held = held[is_among(held, self.held_ids(number))]
        return held

    def _frequency_of(self, of_word: list[list[_WeightedPostings]]) -> int:
        """How many live rows hold one word; `of_word`: for each segment the postings of its keys."""
        frequency = 0
        for of_segment, keep in zip(of_word, self._bm25.alive, strict=True):
            rows = _rows_of(of_segment)
            frequency += len(rows) if keep is None else int(np.count_nonzero(keep[rows]))
        return frequency


def _postings_of(word: Word, segment: Postings) -> list[_WeightedPostings]:
    """The postings in `segment` of the keys of `word` that occur there."""
    found = [(key.weight, *segment.find(key.text)) for key in word]
    return [one for one in found if len(one[1])]


def _rows_of(postings: Sequence[_WeightedPostings]) -> NDArray[np.int32]:
    """(n,) int32: the rows of any of `postings`, each once."""
    if len(postings) == 1:
        return postings[0][1]
    if not postings:
        return np.empty(0, np.int32)
    # A tenth of the time of `np.unique`.
    held = np.zeros(max(int(rows[-1]) for _, rows, _ in postings) + 1, np.bool_)
    for _, rows, _ in postings:
        held[rows] = True
    return np.flatnonzero(held).astype(np.int32)


def is_among(ids: NDArray[np.int64], others: NDArray[np.int64]) -> NDArray[np.bool_]:
    """(n,) bool: which of `ids` (n,), in any order, are in `others` (m,), rising."""
    if not len(others):
        return np.zeros(len(ids), np.bool_)
    found: NDArray[np.bool_] = others[np.minimum(np.searchsorted(others, ids), len(others) - 1)] == ids
    return found


def locate(ids: NDArray[np.int64], segment_ids: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(positions in `ids`, rows in the segment), both (m,) int64, of the chunks that a segment holds.

    `ids` (n,) int64: chunk ids in any order; `segment_ids` (rows,) int64: those of the segment, rising.
    """
    if not len(segment_ids):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    rows = np.minimum(np.searchsorted(segment_ids, ids), len(segment_ids) - 1)
    positions = np.flatnonzero(segment_ids[rows] == ids)
    return positions, rows[positions]
