"""What one segment says of one term, where a query's postings are too many to be put together: looked up chunk by
chunk, and read in part. Chunks are told by their offset, which is the id less that of the segment's first chunk."""

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from semsearch.errors import IndexDamagedError
from semsearch.lexical.bm25 import gains_of, length_norms
from semsearch.store.postgres.packed_postings import (
    MOST_LENGTH,
    MOST_TF,
    ONES,
    Held,
    codes_of,
    unpacked,
)
from semsearch.store.postgres.state import SegmentRow

# Codes that lie no further apart are read as one part: so many are in one page of a value (some 2,000 bytes).
_NEAR = 1_000
# A part costs the server about what so many codes cost that are read on end: with more parts all of a value is read.
_PART_COSTS = 2_500

Places = NDArray[np.int64]


class Gains:
    """What a key gives to chunks, `most` at the most (`bm25.most_gain`), where `average` is the average length."""

    def __init__(self, most: np.float32, average: float) -> None:
        self.most = most
        self._average = average

    def of(self, tfs: NDArray[np.uint16], lengths: NDArray[np.int32]) -> NDArray[np.float32]:
        """(n,) what chunks get that have the key `tfs` (n,) times, and `lengths` (n,)."""
        return gains_of(self.most, tfs, length_norms(lengths, self._average))

    @cached_property
    def of_code(self) -> NDArray[np.float32]:
        """(2^16,) what a chunk gets by its code."""
        norms = length_norms(np.arange(MOST_LENGTH + 1, dtype=np.int32), self._average)
        return gains_of(self.most, np.arange(MOST_TF + 1, dtype=np.uint16)[:, None], norms).ravel()


class LooseTerm:
    """A term of few chunks in `segment`, which the table holds as `stored`, with this `data`. Raises
    `IndexDamagedError`."""

    is_read = True

    def __init__(self, segment: SegmentRow, stored: bytes, data: bytes) -> None:
        found = unpacked(None, data)
        self.segment, self.stored = segment.id, stored
        self.count = len(found.ids)
        self._offsets = found.ids - segment.first_id
        self._tfs, self._lengths = found.tfs, found.lengths
        ends = self._offsets[[0, -1]] if self.count else np.zeros(0)
        if (np.diff(self._offsets) <= 0).any() or (ends < 0).any() or (ends > segment.last_id - segment.first_id).any():
            raise _misplaced(segment)

    def offsets(self) -> Places:
        """(n,) the chunks that hold it, rising."""
        return self._offsets

    def find(self, at: Places) -> Places:
        """(m,) the places of the chunks `at` (m,) among those that hold it; -1: it does not."""
        return _found(self._offsets, at)

    def gains(self, gains: Gains, places: Places | None = None) -> NDArray[np.float32]:
        """(n,) what the chunks at these `places` get (None: all), once they are read."""
        if places is None:
            return gains.of(self._tfs, self._lengths)
        return gains.of(self._tfs[places], self._lengths[places])

    def unread(self, places: Places | None) -> list[tuple[int, int]]:
        """(first place, past-last) of the parts to be read for those `places` (n,), rising; None: for all."""
        return []

    def take(self, parts: Sequence[tuple[int, bytes]]) -> None:
        """Is told parts: (first place, codes from there on)."""
        raise AssertionError("all of it is read")


class TightTerm:
    """A term of many chunks in `segment`, which the table holds as `stored`, with `held` and `count` codes, which may
    be in `data` or be read later. Raises `IndexDamagedError`."""

    def __init__(self, segment: SegmentRow, stored: bytes, held: bytes, count: int, data: bytes | None) -> None:
        self.segment, self.stored = segment.id, stored
        self.count = count
        self._held = Held.of(held)
        self._start = self._held.first - segment.first_id
        self._codes: NDArray[np.uint16] | None = None
        # The places whose codes were read, rising, and these.
        self._places = np.empty(0, np.int64)
        self._codes_at = np.empty(0, np.uint16)
        span = segment.last_id - segment.first_id + 1
        bits = self._held.bits
        if bits is not None:  # those behind the last that is set stand for no chunk
            size = 8 * len(bits) - 8 + int(bits[-1]).bit_length() if len(bits) else 0
        else:
            size = int(self._held.gaps.sum(dtype=np.int64)) + 1
        if not count or self._held.count() != count or self._start < 0 or self._start + size > span:
            raise _misplaced(segment)
        if data is not None:
            self.take([(0, data)])

    @property
    def is_read(self) -> bool:
        """Whether all codes are read."""
        return self._codes is not None

    @cached_property
    def _offsets(self) -> Places:
        return self._held.ids() + (self._start - self._held.first)

    @cached_property
    def _before(self) -> Places:
        """(b,) how many bits are set before each byte."""
        assert self._held.bits is not None
        return np.concatenate([[0], np.cumsum(ONES[self._held.bits], dtype=np.int64)[:-1]])

    def offsets(self) -> Places:
        """`LooseTerm.offsets`."""
        return self._offsets

    def find(self, at: Places) -> Places:
        """`LooseTerm.find`."""
        bits = self._held.bits
        if bits is None:
            return _found(self._offsets, at)
        inside = (at >= self._start) & (at < self._start + 8 * len(bits))
        away = np.where(inside, at - self._start, 0)
        byte, bit = bits[away >> 3], np.left_shift(1, away & 7)
        places = self._before[away >> 3] + ONES[byte & (bit - 1)]
        return np.where(inside & (byte & bit > 0), places, -1)

    def gains(self, gains: Gains, places: Places | None = None) -> NDArray[np.float32]:
        """`LooseTerm.gains`. Raises `IndexDamagedError`."""
        codes = self._read(places)
        found = gains.of_code[codes]
        held = self._held
        if len(held.odd_at):
            odd = np.flatnonzero(codes == 0)
            which = _found(held.odd_at, odd if places is None else places[odd])
            if (which < 0).any():
                raise IndexDamagedError("the postings of a term do not fit together")
            found[odd] = gains.of(held.odd_tfs[which], held.odd_lengths[which])
        return found

    def _read(self, places: Places | None) -> NDArray[np.uint16]:
        if self._codes is not None:
            return self._codes if places is None else self._codes[places]
        assert places is not None, "not all of it is read"
        return self._codes_at[np.searchsorted(self._places, places)]

    def unread(self, places: Places | None) -> list[tuple[int, int]]:
        """`LooseTerm.unread`."""
        if self._codes is not None:
            return []
        if places is not None:
            left = places[_found(self._places, places) < 0]
            if not len(left):
                return []
            ends = np.flatnonzero(np.diff(left) > _NEAR)
            firsts, lasts = left[np.concatenate([[0], ends + 1])], left[np.concatenate([ends, [len(left) - 1]])]
            if _PART_COSTS * len(firsts) < self.count:
                return list(zip(firsts.tolist(), (lasts + 1).tolist(), strict=True))
        return [(0, self.count)]

    def take(self, parts: Sequence[tuple[int, bytes]]) -> None:
        """`LooseTerm.take`. Raises `IndexDamagedError`."""
        places, codes = [self._places], [self._codes_at]
        for first, data in parts:
            codes.append(codes_of(data))
            places.append(np.arange(first, first + len(codes[-1])))
            if first + len(codes[-1]) > self.count:
                raise IndexDamagedError("the postings of a term do not fit together")
            if len(codes[-1]) == self.count:
                self._codes = codes[-1]
                return
        self._places, order = np.unique(np.concatenate(places), return_index=True)
        self._codes_at = np.concatenate(codes)[order]


SegmentTerm = LooseTerm | TightTerm


def union(terms: Sequence[SegmentTerm]) -> Places:
    """(n,) the chunks of one segment that hold any of `terms`, rising."""
    if len(terms) == 1:
        return terms[0].offsets()
    return np.unique(np.concatenate([one.offsets() for one in terms])) if terms else np.empty(0, np.int64)


def is_held(terms: Sequence[SegmentTerm], at: Places) -> NDArray[np.bool_]:
    """(m,) which of the chunks `at` (m,) hold any of `terms`."""
    held = np.zeros(len(at), np.bool_)
    for one in terms:
        held |= one.find(at) >= 0
    return held


def _found(rising: Places, wanted: Places) -> Places:
    """(m,) the places of `wanted` (m,) in `rising` (n,); -1: it is not there."""
    if not len(rising):
        return np.full(len(wanted), -1)
    near = np.minimum(np.searchsorted(rising, wanted), len(rising) - 1)
    return np.where(rising[near] == wanted, near, -1)


def _misplaced(segment: SegmentRow) -> IndexDamagedError:
    return IndexDamagedError(f"the postings of segment {segment.id} name chunks that it does not have")
