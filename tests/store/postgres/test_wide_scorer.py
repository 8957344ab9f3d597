"""Queries whose postings are read in part are answered as those whose postings are all put together."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from semsearch.errors import IndexDamagedError
from semsearch.lexical import postings
from semsearch.lexical.bm25 import PostingsBM25, QueryScorer
from semsearch.lexical.query_word import Key, Word
from semsearch.store.allowed import Allowed
from semsearch.store.postgres import packed_postings, segment_terms
from semsearch.store.postgres.packed_postings import Held, of_rows, packed, stored_term, tight, unpacked
from semsearch.store.postgres.segment_terms import LooseTerm, SegmentTerm, TightTerm
from semsearch.store.postgres.state import SegmentRow
from semsearch.store.postgres.wide_scorer import Part, WideScorer
from semsearch.store.ranking import lexical_ranking

# Keys of a few chunks to keys of most.
KEYS = "abcdefg"
# Those at the ends of what a code can tell, and usual ones.
LENGTHS = [1, 20, 20, 60, 4095, 4096, 9000]
FREQUENCIES = [1, 1, 1, 1, 2, 3, 15, 16, 300]


@pytest.fixture(autouse=True, scope="module")
def thresholds() -> Iterator[None]:
    """So low that a few chunks make a long list, of which parts are read."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packed_postings, "TIGHT_FROM", 3)
        patch.setattr(segment_terms, "_NEAR", 2)
        patch.setattr(segment_terms, "_PART_COSTS", 4)
        yield


@dataclass(frozen=True)
class Index:
    """`rows`: those of the table `postings` for each of the `segments`; `ids`, `dead`: rising; `statistics`: of live
    chunks."""

    segments: Sequence[SegmentRow]
    rows: Sequence[Sequence[tuple[bytes, bytes | None, bytes]]]
    ids: NDArray[np.int64]
    dead: NDArray[np.int64]
    statistics: tuple[int, int]


@st.composite
def indexes(draw: st.DrawFn) -> Index:
    """Chunks of random words in segments that follow one another, or do not; some are deleted."""
    chance = np.random.default_rng(draw(st.integers(0, 2**32)))
    size, cuts = draw(st.integers(1, 80)), draw(st.integers(1, 4))
    steps = chance.choice([1, 1, 1, 2, 255, 256, 700] if draw(st.booleans()) else [1], size)
    ids = np.cumsum(steps).astype(np.int64)
    lengths = chance.choice(LENGTHS, size).astype(np.int32)
    of_segment = chance.integers(0, cuts, size)
    if draw(st.booleans()):
        of_segment = np.sort(of_segment)
    texts = [
        [
            key
            for number, key in enumerate(KEYS)
            if chance.random() < 0.8**number
            for _ in range(chance.choice(FREQUENCIES))
        ]
        or ["none"]
        for _ in range(size)
    ]
    made: list[tuple[SegmentRow, list[tuple[bytes, bytes | None, bytes]]]] = []
    for number in np.unique(of_segment).tolist():
        own = np.flatnonzero(of_segment == number)
        part = replace(postings.build(ids[own].tolist(), [texts[one] for one in own], ("en",)), lengths=lengths[own])
        row = SegmentRow(number + 1, int(ids[own[0]]), int(ids[own[-1]]), len(own), 0, ("en",), str(number))
        made.append((row, list(packed(part))))
    made.sort(key=lambda pair: pair[0].first_id)
    is_dead = chance.random(size) < draw(st.sampled_from([0, 0.2, 0.9]))
    statistics = int((~is_dead).sum()), int(lengths[~is_dead].sum())
    return Index([one for one, _ in made], [rows for _, rows in made], ids, ids[is_dead], statistics)


keys = st.builds(Key, st.sampled_from([*KEYS, "nowhere"]), st.sampled_from([1.0, 0.9, 0.7]))
queries = st.lists(
    st.lists(keys, min_size=1, max_size=3, unique_by=lambda key: key.text).map(tuple), min_size=1, max_size=5
)


@st.composite
def filters(draw: st.DrawFn) -> Allowed:
    """Ranges, and ids that are wanted or not, of ids up to some thousands."""
    ranges = draw(st.none() | st.lists(st.integers(0, 3000), max_size=4, unique=True))
    low_high = None if ranges is None else list(zip(*[iter(sorted(ranges)[: len(ranges) // 2 * 2])] * 2, strict=True))
    within, without = (
        draw(st.none() | st.sets(st.integers(0, 100), max_size=60).map(lambda ids: np.array(sorted(ids), np.int64)))
        for _ in range(2)
    )
    return Allowed(low_high, within, without)


def whole(index: Index, words: Sequence[Word]) -> QueryScorer:
    """What scores `words` by all of their postings."""
    part = of_rows([row for rows in index.rows for row in rows], index.dead)
    return PostingsBM25([part], [None], statistics=index.statistics).query(words)


def wide(index: Index, words: Sequence[Word], known: int) -> WideScorer:
    """What scores `words` when codes of more than `known` chunks are not read at first."""
    data_of = {}
    terms: dict[str, list[SegmentTerm]] = {key.text: [] for word in words for key in word}
    for segment, rows in zip(index.segments, index.rows, strict=True):
        for term, held, data in rows:
            data_of[segment.id, term] = data
            for key, found in terms.items():
                if stored_term(key) != term:
                    continue
                if held is None:
                    found.append(LooseTerm(segment, term, data))
                else:
                    count = len(data) // 2
                    found.append(TightTerm(segment, term, held, count, data if count <= known else None))

    def read(parts: Sequence[Part]) -> None:
        for term, first, end in parts:
            assert not term.is_read and 0 <= first < end <= term.count
            term.take([(first, data_of[term.segment, term.stored][2 * first : 2 * end])])

    return WideScorer(words, index.segments, terms, index.dead, index.statistics, read)


@given(indexes(), queries, st.integers(1, 90), filters(), st.sampled_from([0, 8, 20, 1000]))
def test_the_best_are_those_of_all_postings(
    index: Index, words: Sequence[Word], k: int, allowed: Allowed, known: int
) -> None:
    expected = whole(index, words)
    scorer = wide(index, words, known)
    assert scorer.frequencies.tolist() == expected.frequencies.tolist()
    assert np.array_equal(scorer.idf, expected.idf)
    best = lexical_ranking(expected.segments, expected, k, allowed)
    found = scorer.ranking(k, allowed)
    assert found.ids.tolist() == best.ids.tolist()
    assert np.array_equal(found.scores, best.scores)


@given(indexes(), queries, st.sampled_from([0, 8, 1000]), st.randoms(use_true_random=False))
def test_chunks_are_scored_as_by_all_postings(index: Index, words: Sequence[Word], known: int, chance: Random) -> None:
    expected, scorer = whole(index, words), wide(index, words, known)
    ids = np.array(chance.sample([*index.ids.tolist(), 10**6], len(index.ids)), np.int64)
    assert np.array_equal(scorer.held_by(ids), expected.held_by(ids))
    assert scorer.held_by_all().tolist() == expected.held_by_all().tolist()
    scorer._read(scorer.unread(ids))
    assert not scorer.unread(ids)
    assert np.array_equal(scorer.scores_of(ids), expected.scores_of(ids))


@given(
    st.lists(st.sampled_from([1, 1, 1, 2, 254, 255, 256, 510, 65_536, 10**6]), min_size=1, max_size=60),
    st.sampled_from(FREQUENCIES),
    st.sampled_from(LENGTHS),
)
def test_what_is_packed_tightly_comes_back(steps: list[int], tf: int, length: int) -> None:
    ids = np.cumsum(steps).astype(np.int64)
    tfs, lengths = np.full(len(ids), 1, np.uint16), np.full(len(ids), 30, np.int32)
    tfs[len(ids) // 2], lengths[-1] = tf, length
    held, data = tight(ids, tfs, lengths)
    found = unpacked(held, data)
    assert found.ids.tolist() == ids.tolist()
    assert found.tfs.tolist() == tfs.tolist() and found.lengths.tolist() == lengths.tolist()
    assert Held.of(held).count() == len(ids)
    segment = SegmentRow(1, 1, int(ids[-1]), len(ids), 0, (), "")
    for cut in {*range(min(len(held), 40)), len(held) - 1}:
        with pytest.raises(IndexDamagedError):
            TightTerm(segment, b"owl", held[:cut], len(ids), data)
    for cut in (1, 2):
        with pytest.raises(IndexDamagedError):
            unpacked(held, data[:-cut])


def test_rare_words_spare_the_codes_of_common_ones() -> None:
    texts = [["common"] + ["rare"] * (number % 40 == 0) for number in range(4000)]
    part = postings.build(range(1, 4001), texts, ("en",))
    segment = SegmentRow(1, 1, 4000, 4000, 0, ("en",), "")
    index = Index([segment], [list(packed(part))], part.ids, np.empty(0, np.int64), (4000, 4100))
    asked: list[int] = []
    words = [(Key("rare"),), (Key("common"),)]
    scorer = wide(index, words, 1000)
    read = scorer._read

    def noted(parts: Sequence[Part]) -> None:
        asked.extend(end - first for _, first, end in parts)
        read(parts)

    scorer._read = noted
    found = scorer.ranking(10, Allowed())
    expected = whole(index, words)
    best = lexical_ranking(expected.segments, expected, 10, Allowed())
    assert found.ids.tolist() == best.ids.tolist() and np.array_equal(found.scores, best.scores)
    assert 0 < sum(asked) <= 100
