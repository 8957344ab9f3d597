"""Postings of one id range as arrays: raw term frequencies and lengths, so that ranges add up and merge.

Compressed sparse rows: term t occurs in rows `rows[indptr[t]:indptr[t+1]]`, that often. Terms are sorted UTF-8 in one
byte array and found by bisection, so that opening a segment reads none of them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from semsearch.errors import IndexDamagedError

_LARGEST_TF = 65535


@dataclass(frozen=True)
class Postings:
    """All arrays of one segment; n rows (chunks), t terms, p postings.

    ids (n,) int64 rising chunk ids; lengths (n,) int32 terms per row; languages: codes its terms are in;
    term_bytes (b,) uint8 and term_offsets (t+1,) int64: the terms; indptr (t+1,) int64; rows (p,) int32, rising
    within a term; tfs (p,) uint16.
    """

    ids: NDArray[np.int64]
    lengths: NDArray[np.int32]
    term_bytes: NDArray[np.uint8]
    term_offsets: NDArray[np.int64]
    indptr: NDArray[np.int64]
    rows: NDArray[np.int32]
    tfs: NDArray[np.uint16]
    languages: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.ids)

    def term(self, position: int) -> bytes:
        return self.term_bytes[self.term_offsets[position] : self.term_offsets[position + 1]].tobytes()

    def find(self, term: str) -> tuple[NDArray[np.int32], NDArray[np.uint16]]:
        """(rows, tfs) of `term`; empty arrays when it does not occur.

        Raises `IndexDamagedError` for rows that the segment does not have: it may come from anywhere.
        """
        wanted = term.encode("utf-8", "surrogatepass")
        low, high = 0, len(self.term_offsets) - 1
        while low < high:
            middle = (low + high) // 2
            if self.term(middle) < wanted:
                low = middle + 1
            else:
                high = middle
        if low == len(self.term_offsets) - 1 or self.term(low) != wanted:
            return self.rows[:0], self.tfs[:0]
        span = slice(int(self.indptr[low]), int(self.indptr[low + 1]))
        rows, tfs = self.rows[span], self.tfs[span]
        self._check_rows(rows)
        return rows, tfs

    def check(self) -> None:
        """Raises `IndexDamagedError` where the arrays cannot be gone through as a whole."""
        self._check_rows(self.rows)
        if self.indptr[0] != 0 or (np.diff(self.indptr) < 0).any():
            raise IndexDamagedError("the postings of a segment do not follow one another")

    def _check_rows(self, rows: NDArray[np.int32]) -> None:
        if len(rows) and not 0 <= rows.min() <= rows.max() < len(self.ids):
            raise IndexDamagedError("the postings of a segment name rows that it does not have")

    def arrays(self) -> dict[str, np.ndarray]:
        return {field.name: getattr(self, field.name) for field in fields(self) if field.name != "languages"}


def build(ids: Sequence[int], texts: Iterable[list[str]], languages: tuple[str, ...]) -> Postings:
    """Postings of chunks `ids` (rising) whose terms are `texts`, row by row."""
    numbers: dict[str, int] = {}
    lengths: list[int] = []
    terms: list[int] = []
    for words in texts:
        lengths.append(len(words))
        terms += [numbers.setdefault(word, len(numbers)) for word in words]
    row_of = np.repeat(np.arange(len(lengths), dtype=np.int64), lengths)
    keys, counts = np.unique(np.array(terms, np.int64) * max(1, len(lengths)) + row_of, return_counts=True)
    encoded = sorted((word.encode("utf-8", "surrogatepass"), number) for word, number in numbers.items())
    rank = np.empty(len(encoded), np.int64)
    rank[[number for _, number in encoded]] = np.arange(len(encoded))
    return _assemble(
        np.array(ids, np.int64),
        np.array(lengths, np.int32),
        [word for word, _ in encoded],
        rank[keys // max(1, len(lengths))],
        keys % max(1, len(lengths)),
        counts,
        languages,
    )


def merge(parts: Sequence[Postings], alive: Sequence[NDArray[np.bool_] | None], languages: tuple[str, ...]) -> Postings:
    """One Postings, by rising ids, of all rows of `parts` that `alive` keeps; None keeps all rows.

    Raises `IndexDamagedError` for parts that name rows they do not have.
    """
    for part in parts:
        part.check()
    all_terms = sorted({part.term(number) for part in parts for number in range(len(part.indptr) - 1)})
    position = {term: number for number, term in enumerate(all_terms)}
    ids, lengths, terms, rows, tfs = [], [], [], [], []
    base = 0
    for part, keep in zip(parts, alive, strict=True):
        kept = np.ones(len(part), np.bool_) if keep is None else keep
        new_row = base + np.cumsum(kept) - 1
        of_term = np.array([position[part.term(number)] for number in range(len(part.indptr) - 1)], np.int64)
        term = np.repeat(of_term, np.diff(part.indptr))
        chosen = kept[part.rows]
        ids.append(part.ids[kept])
        lengths.append(part.lengths[kept])
        terms.append(term[chosen])
        rows.append(new_row[part.rows[chosen]])
        tfs.append(part.tfs[chosen])
        base += int(kept.sum())
    used, term = np.unique(np.concatenate(terms), return_inverse=True)
    merged = np.concatenate(ids)
    order = np.argsort(merged)  # what a repair made again lies between others
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    return _assemble(
        merged[order],
        np.concatenate(lengths)[order],
        [all_terms[number] for number in used],
        term,
        place[np.concatenate(rows)],
        np.concatenate(tfs),
        languages,
    )


def _assemble(
    ids: NDArray[np.int64],
    lengths: NDArray[np.int32],
    sorted_terms: list[bytes],
    term: NDArray[np.int64],
    row: NDArray[np.int64],
    tf: np.ndarray,
    languages: tuple[str, ...],
) -> Postings:
    order = np.lexsort((row, term))
    sizes = np.bincount(term, minlength=len(sorted_terms)) if len(term) else np.zeros(len(sorted_terms), np.int64)
    return Postings(
        ids=ids,
        lengths=lengths.astype(np.int32),
        term_bytes=np.frombuffer(b"".join(sorted_terms), np.uint8),
        term_offsets=np.cumsum([0, *map(len, sorted_terms)], dtype=np.int64),
        indptr=np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
        rows=row[order].astype(np.int32),
        tfs=np.minimum(tf[order], _LARGEST_TF).astype(np.uint16),
        languages=languages,
    )
