"""Postings as the table `postings` holds them: one row a term and segment, its chunks packed in one value.

n chunks take 10 n bytes: their ids (uint32), how often each has the term (uint16) and their lengths (int32), each an
array of its own, least significant byte first. The ids are those of chunks, not rows of a segment: what several
segments say of a term can be put together without knowing the segments.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from semsearch.errors import IndexDamagedError
from semsearch.lexical.bm25 import is_among
from semsearch.lexical.postings import Postings

_POSTING_BYTES = 10
# SQL about the column `data`: how many chunks it has, and the part of it with their ids (`ids_in`).
COUNTED = f"(length(data) / {_POSTING_BYTES})"
NAMED = f"substring(data FROM 1 FOR 4 * {COUNTED})"
# An index cannot give out more chunk ids.
MOST_IDS = 2**32 - 1
# A row of a B-tree may have 2,704 bytes (postgresql.org/docs/current/btree.html): for a term of more bytes than this
# stands a hash, after a byte that no UTF-8 begins with.
_LONGEST_TERM = 1000
_HASHED = b"\xff"
# Ids that are further apart than this many times their number are compared by sorting, not by a table.
_SPREAD = 64


@dataclass(frozen=True, eq=False)  # arrays are not compared
class TermPostings:
    """The chunks that hold one term: `ids` (n,) int64, `tfs` (n,) uint16, `lengths` (n,) int32."""

    ids: NDArray[np.int64]
    tfs: NDArray[np.uint16]
    lengths: NDArray[np.int32]


NO_POSTINGS = TermPostings(np.empty(0, np.int64), np.empty(0, np.uint16), np.empty(0, np.int32))


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


def ids_in(named: bytes) -> NDArray[np.int64]:
    """(n,) the ids in what `NAMED` gives."""
    return np.frombuffer(named, "<u4").astype(np.int64)


def packed(postings: Postings) -> Iterator[tuple[bytes, bytes]]:
    """(term, data) of each term of `postings`, in the order of the terms."""
    ids = postings.ids.astype("<u4")[postings.rows]
    tfs = postings.tfs.astype("<u2")
    lengths = postings.lengths.astype("<i4")[postings.rows]
    bounds = postings.indptr.tolist()
    for number in range(len(bounds) - 1):
        span = slice(bounds[number], bounds[number + 1])
        yield _stored(postings.term(number)), ids[span].tobytes() + tfs[span].tobytes() + lengths[span].tobytes()


def checksum(term: bytes, data: bytes) -> int:
    """A number of 62 bits that tells whether a row of `postings` is what was written; those of a segment are added."""
    return int.from_bytes(blake2b(data, key=term[-64:], digest_size=8).digest(), "little") >> 2


def unpacked(data: bytes) -> TermPostings:
    """The chunks in `data`. Raises `IndexDamagedError`."""
    count, rest = divmod(len(data), _POSTING_BYTES)
    if rest:
        raise IndexDamagedError("the postings of a term are cut off")
    return TermPostings(
        np.frombuffer(data, "<u4", count).astype(np.int64),
        np.frombuffer(data, "<u2", count, 4 * count),
        np.frombuffer(data, "<i4", count, 6 * count),
    )


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


def of_rows(rows: Sequence[tuple[bytes, bytes]], dead: NDArray[np.int64]) -> Postings:
    """The postings of (term, data) `rows` of any segments, in any order, as those of one segment, without chunks that
    are `dead` (m,), rising. Raises `IndexDamagedError`."""
    # By the first chunk where a term has several rows: it is the first number of the data.
    ordered = sorted(rows, key=lambda row: (row[0], row[1][3::-1]))
    counts = [len(data) // _POSTING_BYTES for _, data in ordered]
    if any(len(data) != _POSTING_BYTES * count for (_, data), count in zip(ordered, counts, strict=True)):
        raise IndexDamagedError("the postings of a term are cut off")
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
