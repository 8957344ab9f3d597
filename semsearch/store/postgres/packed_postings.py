"""Postings as the table `postings` holds them: one row a term and segment, its chunks packed in two values.

`held` is null where few chunks have the term, and `data` then takes 10 bytes a chunk: their ids (uint32), how often
each has the term (uint16) and their lengths (int32), each an array of its own, least significant byte first.

Of a term of many chunks `held` says which they are, and `data` has two bytes for each of them (`tight`): a search
that looks for rarer words, too, reads `held` and of `data` what it needs. Either way the ids are those of chunks, not
rows of a segment: what several segments say of a term can be put together without knowing the segments.
"""

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from semsearch.errors import IndexDamagedError
from semsearch.lexical.bm25 import is_among
from semsearch.lexical.postings import Postings

_POSTING_BYTES = 10
# SQL: the part of the column `data` that says which chunks have the term, where `held` does not (`ids_in`).
NAMED = f"substring(data FROM 1 FOR length(data) / {_POSTING_BYTES} * 4)"
# An index cannot give out more chunk ids.
MOST_IDS = 2**32 - 1
# A row of a B-tree may have 2,704 bytes (postgresql.org/docs/current/btree.html): for a term of more bytes than this
# stands a hash, after a byte that no UTF-8 begins with.
_LONGEST_TERM = 1000
_HASHED = b"\xff"
# Ids that are further apart than this many times their number are compared by sorting, not by a table.
_SPREAD = 64
# From so many chunks on a segment packs a term tightly.
TIGHT_FROM = 1_000
# What `held` begins with: whether bits follow, not gaps; the first id; how many chunks are odd.
_HEAD = struct.Struct("<BII")
_ODD_BYTES = 10
# A code is the frequency in 4 bits above the length in 12; 0: the chunk is odd.
LENGTH_BITS = 12
MOST_LENGTH = 2**LENGTH_BITS - 1
MOST_TF = 15
_LARGEST_STEP = 255
# How many bits of each byte are set; `np.bitwise_count` came with NumPy 2.
ONES = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1).sum(axis=1, dtype=np.uint8)


@dataclass(frozen=True, eq=False)  # arrays are not compared
class TermPostings:
    """The chunks that hold one term: `ids` (n,) int64, `tfs` (n,) uint16, `lengths` (n,) int32."""

    ids: NDArray[np.int64]
    tfs: NDArray[np.uint16]
    lengths: NDArray[np.int32]


NO_POSTINGS = TermPostings(np.empty(0, np.int64), np.empty(0, np.uint16), np.empty(0, np.int32))


@dataclass(frozen=True, eq=False)  # arrays are not compared
class Held:
    """Which chunks hold a term that a segment packs tightly.

    `first`: the first of them. `bits` (b,) uint8: a bit for each id from there on, lowest first; None: `gaps` (g,)
    uint8 are the distances from one to the next, each as many times 255 as go into it, and what is left. `odd_at` (m,)
    int64: the places, rising, of chunks that no code can tell of; `odd_tfs` (m,) uint16, `odd_lengths` (m,) int32.
    """

    first: int
    bits: NDArray[np.uint8] | None
    gaps: NDArray[np.uint8]
    odd_at: NDArray[np.int64]
    odd_tfs: NDArray[np.uint16]
    odd_lengths: NDArray[np.int32]

    @staticmethod
    def of(data: bytes) -> "Held":
        """What a value of the column `held` says. Raises `IndexDamagedError`."""
        if len(data) < _HEAD.size:
            raise _cut_off()
        is_bits, first, odd = _HEAD.unpack_from(data)
        begin = _HEAD.size + _ODD_BYTES * odd
        if len(data) < begin:
            raise _cut_off()
        body = np.frombuffer(data, np.uint8, offset=begin)
        return Held(
            first,
            body if is_bits else None,
            body[:0] if is_bits else body,
            np.frombuffer(data, "<u4", odd, _HEAD.size).astype(np.int64),
            np.frombuffer(data, "<u2", odd, _HEAD.size + 4 * odd),
            np.frombuffer(data, "<i4", odd, _HEAD.size + 6 * odd),
        )

    def count(self) -> int:
        """How many chunks there are."""
        if self.bits is not None:
            return int(ONES[self.bits].sum(dtype=np.int64))
        return 1 + int(np.count_nonzero(self.gaps != _LARGEST_STEP))

    def ids(self) -> NDArray[np.int64]:
        """(n,) the ids of the chunks, rising."""
        if self.bits is not None:
            return np.flatnonzero(np.unpackbits(self.bits, bitorder="little").view(np.bool_)) + self.first
        ends = np.cumsum(self.gaps, dtype=np.int64)[self.gaps != _LARGEST_STEP]
        return np.concatenate([[0], ends]) + self.first


def tight(ids: NDArray[np.int64], tfs: NDArray[np.uint16], lengths: NDArray[np.int32]) -> tuple[bytes, bytes]:
    """(held, data) of the chunks `ids` (n,), rising, that hold a term `tfs` (n,) times and have `lengths` (n,)."""
    is_odd = (tfs == 0) | (tfs > MOST_TF) | (lengths < 0) | (lengths > MOST_LENGTH)
    codes = np.where(is_odd, 0, (tfs.astype(np.int64) << LENGTH_BITS) | lengths).astype("<u2")
    steps, rest = np.divmod(np.diff(ids), _LARGEST_STEP)
    span, size = int(ids[-1] - ids[0]) + 1, len(steps) + int(steps.sum())
    is_bits = 8 * size > span
    if is_bits:
        there = np.zeros(span, np.bool_)
        there[ids - ids[0]] = True
        body = np.packbits(there, bitorder="little")
    else:
        body = np.full(size, _LARGEST_STEP, np.uint8)
        body[np.cumsum(steps + 1) - 1] = rest
    odd = np.flatnonzero(is_odd)
    parts = (odd.astype("<u4"), tfs[odd].astype("<u2"), lengths[odd].astype("<i4"), body)
    head = _HEAD.pack(is_bits, int(ids[0]), len(odd))
    return head + b"".join(one.tobytes() for one in parts), codes.tobytes()


def stored_term(term: str) -> bytes:
    """The term key `term` as the table holds it."""
    return _stored(term.encode("utf-8", "surrogatepass"))


def _stored(term: bytes) -> bytes:
    return term if len(term) <= _LONGEST_TERM else _HASHED + blake2b(term, digest_size=16).digest()


def is_whole(term: bytes) -> bool:
    """Whether a term of the table is the term itself, not a hash of it."""
    return not term.startswith(_HASHED)


def term_key(term: bytes) -> str:
    """The term key that the table holds as `term`, which is whole. Raises `IndexDamagedError`."""
    try:
        return bytes(term).decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        raise IndexDamagedError("a term of a segment is no UTF-8") from None


def packed(postings: Postings) -> Iterator[tuple[bytes, bytes | None, bytes]]:
    """(term, held, data) of each term of `postings`, in the order of the terms."""
    ids = postings.ids.astype("<u4")[postings.rows]
    tfs = postings.tfs.astype("<u2")
    lengths = postings.lengths.astype("<i4")[postings.rows]
    bounds = postings.indptr.tolist()
    for number in range(len(bounds) - 1):
        span = slice(bounds[number], bounds[number + 1])
        count, term = span.stop - span.start, _stored(postings.term(number))
        if count >= TIGHT_FROM:
            held, data = tight(ids[span].astype(np.int64), tfs[span], lengths[span])
            if len(held) + len(data) < _POSTING_BYTES * count:
                yield term, held, data
                continue
        yield term, None, ids[span].tobytes() + tfs[span].tobytes() + lengths[span].tobytes()


def checksum(term: bytes, held: bytes | None, data: bytes) -> int:
    """A number of 62 bits that tells whether a row of `postings` is what was written; those of a segment are added."""
    digest = blake2b(held or b"", key=term[-64:], digest_size=8)
    digest.update(data)
    return int.from_bytes(digest.digest(), "little") >> 2


def unpacked(held: bytes | None, data: bytes) -> TermPostings:
    """The chunks of a row. Raises `IndexDamagedError`."""
    if held is not None:
        return _loosened(Held.of(held), codes_of(data))
    count, rest = divmod(len(data), _POSTING_BYTES)
    if rest:
        raise _cut_off()
    return TermPostings(
        np.frombuffer(data, "<u4", count).astype(np.int64),
        np.frombuffer(data, "<u2", count, 4 * count),
        np.frombuffer(data, "<i4", count, 6 * count),
    )


def ids_in(held: bytes | None, named: bytes | None) -> NDArray[np.int64]:
    """(n,) the ids of the chunks of a row, whose `data` is not needed for it: of `held`, or what `NAMED` gives. Raises
    `IndexDamagedError`."""
    return np.frombuffer(named or b"", "<u4").astype(np.int64) if held is None else Held.of(held).ids()


def codes_of(data: bytes) -> NDArray[np.uint16]:
    """(n,) the codes in the `data` of a row with `held`, or in a part of it. Raises `IndexDamagedError`."""
    if len(data) % 2:
        raise _cut_off()
    return np.frombuffer(data, "<u2")


def _loosened(held: Held, codes: NDArray[np.uint16]) -> TermPostings:
    ids = held.ids()
    if len(ids) != len(codes) or (len(held.odd_at) and int(held.odd_at.max()) >= len(ids)):
        raise _cut_off()
    tfs = (codes >> LENGTH_BITS).astype(np.uint16)
    lengths = (codes & MOST_LENGTH).astype(np.int32)
    tfs[held.odd_at], lengths[held.odd_at] = held.odd_tfs, held.odd_lengths
    return TermPostings(ids, tfs, lengths)


def _cut_off() -> IndexDamagedError:
    return IndexDamagedError("the postings of a term are cut off")


def _plain(postings: TermPostings) -> bytes:
    """`data` of a row without `held`."""
    return postings.ids.astype("<u4").tobytes() + postings.tfs.tobytes() + postings.lengths.tobytes()


def joined(parts: Sequence[TermPostings], dead: NDArray[np.int64]) -> TermPostings:
    """The chunks of all `parts`, rising, without those that are `dead` (m,), rising."""
    if not parts:
        return NO_POSTINGS
    whole = parts[0]
    if len(parts) > 1:
        whole = TermPostings(
            np.concatenate([one.ids for one in parts]),
            np.concatenate([one.tfs for one in parts]),
            np.concatenate([one.lengths for one in parts]),
        )
    if len(whole.ids) > 1 and not (np.diff(whole.ids) > 0).all():
        order = np.argsort(whole.ids, kind="stable")
        whole = TermPostings(whole.ids[order], whole.tfs[order], whole.lengths[order])
    if len(dead) and len(whole.ids):
        kept = ~is_among(whole.ids, dead)
        if not kept.all():
            whole = TermPostings(whole.ids[kept], whole.tfs[kept], whole.lengths[kept])
    return whole


def of_terms(terms: Mapping[bytes, TermPostings]) -> Postings:
    """The postings of `terms` (in UTF-8) as those of one segment that has the chunks of these terms and no others."""
    ordered = sorted(term for term, one in terms.items() if len(one.ids))
    held = [terms[term] for term in ordered] or [NO_POSTINGS]
    counts = np.array([len(terms[term].ids) for term in ordered], np.int64)
    ids, tfs, lengths = (np.concatenate([getattr(one, name) for one in held]) for name in ("ids", "tfs", "lengths"))
    return _assembled(ordered, counts, ids, tfs, lengths)


def of_rows(rows: Sequence[tuple[bytes, bytes | None, bytes]], dead: NDArray[np.int64]) -> Postings:
    """The postings of (term, held, data) `rows` of any segments, in any order, as those of one segment, without chunks
    that are `dead` (m,), rising. Raises `IndexDamagedError`."""
    plain = [(term, data if held is None else _plain(unpacked(held, data))) for term, held, data in rows]
    # By the first chunk where a term has several rows: it is the first number of the data.
    ordered = sorted(plain, key=lambda row: (row[0], row[1][3::-1]))
    counts = [len(data) // _POSTING_BYTES for _, data in ordered]
    if any(len(data) != _POSTING_BYTES * count for (_, data), count in zip(ordered, counts, strict=True)):
        raise _cut_off()
    pairs = [(data, count) for (_, data), count in zip(ordered, counts, strict=True)]
    ids = np.frombuffer(b"".join(data[: 4 * count] for data, count in pairs), "<u4").astype(np.int64)
    tfs = np.frombuffer(b"".join(data[4 * count : 6 * count] for data, count in pairs), "<u2")
    lengths = np.frombuffer(b"".join(data[6 * count :] for data, count in pairs), "<i4")
    terms: list[bytes] = []
    numbers = np.empty(len(ordered), np.int64)
    for place, (term, _) in enumerate(ordered):
        if not terms or terms[-1] != term:
            terms.append(term)
        numbers[place] = len(terms) - 1
    term_of = np.repeat(numbers, counts)
    if len(dead) and len(ids):
        kept = ~is_among(ids, dead)
        ids, tfs, lengths, term_of = ids[kept], tfs[kept], lengths[kept], term_of[kept]
    if ((np.diff(ids) <= 0) & (np.diff(term_of) == 0)).any():  # segments whose chunks do not follow one another
        order = np.lexsort((ids, term_of))
        ids, tfs, lengths, term_of = ids[order], tfs[order], lengths[order], term_of[order]
    held = np.bincount(term_of, minlength=len(terms))
    used = [one for one, count in zip(terms, held.tolist(), strict=True) if count]
    return _assembled(used, held[held > 0], ids, tfs, lengths)


def _assembled(
    terms: Sequence[bytes],
    counts: NDArray[np.int64],
    ids: NDArray[np.int64],
    tfs: NDArray[np.uint16],
    lengths: NDArray[np.int32],
) -> Postings:
    """The postings of `terms`, sorted, with so many `counts` (t,) of chunks each, whose `ids`, `tfs` and `lengths` (p,)
    follow one another."""
    chunks, rows = _numbered(ids)
    lengths_of = np.zeros(len(chunks), np.int32)
    lengths_of[rows] = lengths
    return Postings(
        ids=chunks,
        lengths=lengths_of,
        term_bytes=np.frombuffer(b"".join(terms), np.uint8),
        term_offsets=np.cumsum([0, *map(len, terms)], dtype=np.int64),
        indptr=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        rows=rows.astype(np.int32),
        tfs=tfs,
        languages=(),
    )


def _numbered(ids: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(the different `ids` (n,), rising; the place of each of `ids` among them (n,))."""
    if not len(ids) or int(ids.max()) - int(ids.min()) > _SPREAD * len(ids):
        union, at = np.unique(ids, return_inverse=True)
        return union, at
    low = int(ids.min())
    held = np.zeros(int(ids.max()) + 1 - low, np.bool_)
    held[ids - low] = True
    return np.flatnonzero(held) + low, (np.cumsum(held, dtype=np.int64) - 1)[ids - low]
