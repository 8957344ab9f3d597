"""Scores one query whose postings are too many to be all read: those of its rarer words first, and then those of its
common words of the chunks that these can lift among the best.

The scores are those of `bm25.QueryScorer`, to the last bit: the same numbers are added in the same order. A chunk is
left out only where what it has for certain and the most that its common words can give (`bm25.most_gain`) stay below
what the k-th best has for certain: MaxScore (Turtle and Flood, Query Evaluation: Strategies and Optimizations, 1995).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from semsearch.lexical.bm25 import average_length, idf_of, is_among, most_gain
from semsearch.lexical.query_word import Word
from semsearch.store.allowed import Allowed
from semsearch.store.postgres.segment_terms import Gains, Places, SegmentTerm, is_held, union
from semsearch.store.postgres.state import SegmentRow
from semsearch.store.ranking import best_rows, ranking
from semsearch.store.records import Ranking

# Of sums in single precision: those of 100 words are off by 6e-6, in whatever order they are made.
_ROUNDING = 1e-5

# A segment whose ids are spread over more than this many times its chunks is not gone through id by id.
_SPREAD = 64

# A term, and the places of its codes that are to be read: first, past-last.
Part = tuple[SegmentTerm, int, int]
# The terms of one word in one segment with what a key gives.
_Held = Sequence[tuple[Gains, SegmentTerm]]


@dataclass(frozen=True, eq=False)  # arrays are not compared
class _Look:
    """A first look at a segment. `at` (n,): the allowed chunks, rising, that hold a word all of whose codes are read,
    and `scores` (n,) what these words give. `most`: word -> what it gives at the most, of the others."""

    at: Places
    scores: NDArray[np.float32]
    most: Mapping[int, np.float32]


class WideScorer:
    """Scores `words` over `segments`.

    `terms`: what the segments say of each key; `dead` (n,): the ids of deleted chunks, rising; `statistics`: (live
    chunks, terms of them all); `read`: reads codes of terms, and hands them to these. `idf`, `frequencies`: as those of
    `QueryScorer`.
    """

    def __init__(
        self,
        words: Sequence[Word],
        segments: Sequence[SegmentRow],
        terms: Mapping[str, Sequence[SegmentTerm]],
        dead: NDArray[np.int64],
        statistics: tuple[int, int],
        read: Callable[[Sequence[Part]], None],
    ) -> None:
        self._segments = segments
        self._words = range(len(words))
        self._dead = dead
        self._read = read
        number_of = {one.id: number for number, one in enumerate(segments)}
        of_words: list[list[list[tuple[float, SegmentTerm]]]] = [[[] for _ in segments] for _ in words]
        for word, of_segment in zip(words, of_words, strict=True):
            for key in word:
                for one in terms[key.text]:
                    of_segment[number_of[one.segment]].append((key.weight, one))
        self.frequencies: NDArray[np.int64] = np.array(
            [
                sum(
                    self._live([one for _, one in held], segment)
                    for held, segment in zip(of_word, segments, strict=True)
                )
                for of_word in of_words
            ],
            np.int64,
        )
        size, average = statistics[0], average_length(*statistics)
        idf = [idf_of(size, held) for held in self.frequencies.tolist()]
        self.idf: NDArray[np.float32] = np.array(idf, np.float32)
        made: dict[tuple[float, float], Gains] = {}
        # For each segment, for each word.
        self._held: list[list[_Held]] = [[] for _ in segments]
        for of_word, own in zip(of_words, idf, strict=True):
            for by_word, weighed in zip(self._held, of_word, strict=True):
                for weight, _ in weighed:
                    if (weight, own) not in made:
                        made[weight, own] = Gains(most_gain(weight, own), average)
                by_word.append([(made[weight, own], one) for weight, one in weighed])

    def _live(self, terms: Sequence[SegmentTerm], segment: SegmentRow) -> int:
        """How many live chunks of `segment` hold any of `terms`."""
        if not terms:
            return 0
        longest, *rest = sorted(terms, key=lambda one: -one.count)
        dead = self._dead_of(segment)
        at = union(rest)
        # Those of the longest are not gone through.
        others = ~is_held([longest], at) & ~is_among(at, dead)
        return longest.count - int(is_held([longest], dead).sum()) + int(others.sum())

    def _dead_of(self, segment: SegmentRow) -> Places:
        """(n,) the deleted chunks of a segment, rising."""
        low, high = np.searchsorted(self._dead, [segment.first_id, segment.last_id + 1])
        return self._dead[low:high] - segment.first_id

    # -- the best ------------------------------------------------------------------------------------------------

    def ranking(self, k: int, allowed: Allowed) -> Ranking:
        """The `k` best chunks that are `allowed` that hold a word."""
        looks = [self._first_look(number, k, allowed) for number in range(len(self._segments))]
        known = np.concatenate([np.empty(0, np.float32), *(one.scores for one in looks)])
        least = float(np.partition(known, -k)[-k]) * (1 - _ROUNDING) if 0 < k <= len(known) else 0.0
        # None: any chunk may be among the best.
        chosen = [self._chosen(number, look, least, allowed) for number, look in enumerate(looks)]
        self._read(_each(self._unread(number, at) for number, at in enumerate(chosen)))
        best: list[tuple[float, int]] = []
        for number, (look, at) in enumerate(zip(looks, chosen, strict=True)):
            if at is None:
                # Of what others have more of, nothing is put in order.
                enough = -best[-1][0] if len(best) == k > 0 else 0.0
                at, scores = self._all_scores(number, self._words, allowed, enough)
            elif look.most:
                scores = self._scores_at(number, at, self._words)
                at, scores = at[scores > 0], scores[scores > 0]
            else:
                scores = look.scores[np.searchsorted(look.at, at)]
            kept = best_rows(np.arange(len(at)), scores, k)
            ids = at[kept] + self._segments[number].first_id
            best = sorted([*best, *zip((-scores[kept]).tolist(), ids.tolist(), strict=True)])[:k]
        return ranking(best, k)

    def _first_look(self, number: int, k: int, allowed: Allowed) -> _Look:
        """A look at segment `number` for the `k` best."""
        held = self._held[number]
        most = {
            word: max(gains.most for gains, _ in terms)
            for word, terms in enumerate(held)
            if not all(one.is_read for _, one in terms)
        }
        at, scores = self._all_scores(number, [word for word in range(len(held)) if word not in most], allowed)
        if not most:
            kept = best_rows(np.arange(len(at)), scores, k)
            at, scores = at[kept], scores[kept]
        return _Look(at, scores, most)

    def _chosen(self, number: int, look: _Look, least: float, allowed: Allowed) -> Places | None:
        """(n,) the chunks of segment `number`, rising, whose scores may be `least` or more; None: all that are
        `allowed` may be."""
        if not look.most:
            return look.at[look.scores >= least]
        most_of_all = sum(map(float, look.most.values()))
        if most_of_all >= least:
            return self._named(number, allowed)
        near = look.scores >= least - most_of_all
        at, bounds = look.at[near], look.scores[near].astype(np.float64)
        for word, most in look.most.items():
            bounds += float(most) * is_held([one for _, one in self._held[number][word]], at)
        return at[bounds >= least]

    def _named(self, number: int, allowed: Allowed) -> Places | None:
        """(n,) the live chunks of segment `number` that are `allowed`, rising; None: they are not named one by one."""
        if allowed.within is None:
            return None
        segment = self._segments[number]
        low, high = np.searchsorted(allowed.within, [segment.first_id, segment.last_id + 1])
        ids = allowed.within[low:high]
        let_in = Allowed(allowed.ranges, None, allowed.without).rows(ids, ~is_among(ids, self._dead))
        assert let_in is not None
        return ids[let_in] - segment.first_id

    def _all_scores(
        self, number: int, words: Sequence[int], allowed: Allowed, enough: float = 0.0
    ) -> tuple[Places, NDArray[np.float32]]:
        """((n,) the live and allowed chunks of segment `number` that hold any of `words`, rising; (n,) what these
        give); those that get `enough`, at least."""
        segment, dead = self._segments[number], self._dead_of(self._segments[number])
        span = segment.last_id - segment.first_id + 1
        if span > _SPREAD * segment.chunks:
            at = union([one for word in words for _, one in self._held[number][word]])
            at = at[~is_among(at, dead)]
            scores = self._scores_at(number, at, words)
        else:
            of_all = self._dense_scores(number, span, words)
            of_all[dead] = 0
            at = np.flatnonzero(of_all >= np.float32(enough) if enough > 0 else of_all > 0)
            scores = of_all[at]
        let_in = allowed.rows(at + segment.first_id, None)
        return (at, scores) if let_in is None else (at[let_in], scores[let_in])

    def _dense_scores(self, number: int, span: int, words: Sequence[int]) -> NDArray[np.float32]:
        """(span,) what `words` give to each chunk of segment `number`."""
        scores = np.zeros(span, np.float32)
        for word in words:
            held = self._held[number][word]
            if len(held) == 1:
                gains, term = held[0]
                scores[term.offsets()] += term.gains(gains)
            elif held:
                best = np.zeros(span, np.float32)
                for gains, term in held:
                    at = term.offsets()
                    best[at] = np.maximum(best[at], term.gains(gains))
                scores += best
        return scores

    def _scores_at(self, number: int, at: Places, words: Sequence[int]) -> NDArray[np.float32]:
        """(n,) what `words` give to the chunks `at` (n,) of segment `number`."""
        scores = np.zeros(len(at), np.float32)
        for word in words:
            held = self._held[number][word]
            best = np.zeros(len(at), np.float32)
            for gains, term in held:
                places = term.find(at)
                has = places >= 0
                best[has] = np.maximum(best[has], term.gains(gains, places[has]))
            scores += best
        return scores

    def _unread(self, number: int, at: Places | None) -> list[Part]:
        """What is to be read to score the chunks `at` (n,), rising, of segment `number`; None: all."""
        parts: list[Part] = []
        for held in self._held[number]:
            for _, term in held:
                if not term.is_read:
                    places = None if at is None else term.find(at)
                    parts += [(term, *one) for one in term.unread(None if places is None else places[places >= 0])]
        return parts

    # -- certain chunks ------------------------------------------------------------------------------------------

    def unread(self, ids: NDArray[np.int64]) -> list[Part]:
        """What is to be read before `scores_of(ids)`."""
        ids = np.unique(ids)
        return _each(self._unread(number, at) for number, _, at in self._located(ids))

    def scores_of(self, ids: NDArray[np.int64]) -> NDArray[np.float32]:
        """`QueryScorer.scores_of`."""
        scores = np.zeros(len(ids), np.float32)
        for number, positions, at in self._located(ids):
            scores[positions] += self._scores_at(number, at, self._words)
        return scores

    def held_by(self, ids: NDArray[np.int64]) -> NDArray[np.bool_]:
        """`QueryScorer.held_by`."""
        found = np.zeros((len(self._words), len(ids)), np.bool_)
        for number, positions, at in self._located(ids):
            for word, held in enumerate(self._held[number]):
                found[word, positions] |= is_held([one for _, one in held], at)
        return found

    def held_by_all(self) -> NDArray[np.int64]:
        """`QueryScorer.held_by_all`."""
        order = np.argsort(self.frequencies, kind="stable").tolist()
        ids = [np.empty(0, np.int64)]
        for segment, held in zip(self._segments, self._held, strict=True):
            at = union([one for _, one in held[order[0]]])
            for word in order[1:]:
                at = at[is_held([one for _, one in held[word]], at)]
            ids.append(at[~is_among(at, self._dead_of(segment))] + segment.first_id)
        return np.sort(np.concatenate(ids), kind="stable")

    def _located(self, ids: NDArray[np.int64]) -> list[tuple[int, Places, Places]]:
        """(number of a segment, (n,) positions in `ids` of live chunks that it may have, (n,) these chunks)."""
        alive = ~is_among(ids, self._dead)
        found = []
        for number, one in enumerate(self._segments):
            positions = np.flatnonzero(alive & (ids >= one.first_id) & (ids <= one.last_id))
            if len(positions):
                found.append((number, positions, ids[positions] - one.first_id))
        return found


def _each(parts: Iterable[list[Part]]) -> list[Part]:
    """All `parts`, each once: two words may have the same key."""
    return list(dict.fromkeys(chain.from_iterable(parts)))
