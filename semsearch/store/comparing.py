"""Whether two indexes hold the same: files, texts, words, vectors."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from semsearch.callbacks import Advance
from semsearch.errors import IndexDamagedError
from semsearch.lexical.bm25 import locate
from semsearch.lexical.postings import Postings
from semsearch.store.protocol import Snapshot
from semsearch.store.records import FileRecord, IndexInfo, Passage

FloatArray = NDArray[np.float32]

_AT_ONCE = 2000
# Postings that are hashed at a time.
_POSTINGS_AT_ONCE = 4_000_000
# Odd, so that a product with it tells apart all numbers of 64 bits (the golden ratio, as in Fibonacci hashing).
_LENGTH_WEIGHT = np.uint64(0x9E3779B97F4A7C15)


def check_same(
    snapshot: Snapshot, there: Snapshot, info: IndexInfo, encoded: NDArray[np.int64], location: str, advance: Advance
) -> None:
    """Raises `IndexDamagedError` where `there`, of the index at `location`, does not hold what `snapshot` does: `info`,
    and vectors of the chunks `encoded` (n,)."""
    for what, same in _compared(snapshot, there, info, encoded, advance):
        if not same:
            raise IndexDamagedError(
                f"{location} is not what was copied: {what}", "remove it, and copy again into an empty place"
            )


def _compared(
    snapshot: Snapshot, there: Snapshot, info: IndexInfo, encoded: NDArray[np.int64], advance: Advance
) -> Iterator[tuple[str, bool]]:
    """(what was compared, whether it is the same)."""
    ids = snapshot.holding(())
    yield "its settings differ", there.info() == info
    yield "it has other passages", np.array_equal(ids, there.holding(()))
    yield "the last id that was given differs", snapshot.last_given() == there.last_given()
    yield "the last run differs", snapshot.last_run() == there.last_run()
    yield "it has other files", digests(snapshot) == digests(there)
    for start in range(0, len(ids), _AT_ONCE):
        advance("comparing", start, len(ids))
        batch = ids[start : start + _AT_ONCE].tolist()
        one, other = snapshot.passages(batch), there.passages(batch)
        yield "its passages differ", list(map(_comparable, one)) == list(map(_comparable, other))
    yield "its words differ", np.array_equal(_words(snapshot, ids), _words(there, ids))
    yield "it has other vectors", np.array_equal(encoded, there.encoded_ids())
    for start in range(0, len(encoded), _AT_ONCE):
        batch_ids = encoded[start : start + _AT_ONCE]
        one_vectors, other_vectors = snapshot.vectors(batch_ids), there.vectors(batch_ids)
        yield "its vectors differ", _is_rounded(one_vectors, other_vectors)
    advance("comparing", len(ids), len(ids))


def _is_rounded(vectors: FloatArray, kept: FloatArray) -> bool:
    """Whether `kept` (n, d) is `vectors` (n, d) in half precision, or finer: what lies in the middle of two halves is
    rounded up by some libraries, and down by others."""
    return vectors.shape == kept.shape and np.allclose(vectors, kept, rtol=2**-11, atol=2**-25, equal_nan=True)


def digests(snapshot: Snapshot) -> Mapping[tuple[int, bytes], bytes]:
    """(root, path) -> a hash of what is known of each file."""

    def digest(file: FileRecord) -> bytes:
        plain = _plain(file)
        known = repr(replace(plain, metadata={})) + json.dumps(dict(plain.metadata), sort_keys=True)
        return blake2b(known.encode("utf-8", "surrogatepass"), digest_size=16).digest()

    return {(file.root_id, file.path): digest(file) for file in snapshot.files()}


def _plain(file: FileRecord) -> FileRecord:
    """`file` without what differs between stores: its number, and NUL characters, which some cannot hold."""
    told = {name: getattr(file, name).replace("\0", "\ufffd") for name in ("reason", "type", "title", "language")}
    return replace(file, id=0, pending=0, **told)


def _comparable(passage: Passage) -> Passage:
    return replace(passage, file=_plain(passage.file))


def _words(snapshot: Snapshot, ids: NDArray[np.int64]) -> NDArray[np.uint64]:
    """(n,) a number that tells apart the terms of the chunks `ids` (n,), and how often each has them."""
    sums = np.zeros(len(ids), np.uint64)
    for part in snapshot.postings():
        positions, rows = locate(ids, part.ids)
        own = _row_sums(part) + part.lengths.astype(np.uint64) * _LENGTH_WEIGHT
        sums[positions] += own[rows]
    return sums


def _row_sums(part: Postings) -> NDArray[np.uint64]:
    """(rows,) for each row of `part` the sum of the hashes of its terms, each as often as it has it, modulo 2^64."""
    count = len(part.indptr) - 1
    digests = b"".join(blake2b(part.term(number), digest_size=8).digest() for number in range(count))
    hashes, sums = np.frombuffer(digests, "<u8"), np.zeros(len(part), np.uint64)
    part.check()
    begin = 0
    while begin < count:
        end = int(np.searchsorted(part.indptr, part.indptr[begin] + _POSTINGS_AT_ONCE, side="right")) - 1
        end = min(max(end, begin + 1), count)
        span = slice(int(part.indptr[begin]), int(part.indptr[end]))
        weights = np.repeat(hashes[begin:end], np.diff(part.indptr[begin : end + 1]))
        np.add.at(sums, part.rows[span], weights * part.tfs[span].astype(np.uint64))
        begin = end
    return sums
