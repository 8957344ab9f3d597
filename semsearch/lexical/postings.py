"""The postings of one segment as arrays: which rows (chunks) each term occurs in, and how often.

They are a matrix in compressed sparse row form: term t occurs in the rows `rows[indptr[t]:indptr[t + 1]]`, with the
frequencies `tfs` of the same range. Frequencies and lengths are raw counts, not scores, so that segments can be merged
and BM25 computed over several. Terms are sorted UTF-8 in one byte array and found by bisection, so that opening a
segment reads none of them.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from semsearch.errors import IndexDamagedError
from semsearch.lexical.term_key import WRITTEN, parted

_LARGEST_TF = 65535


Position = TypeVar("Position")


def _near(term: str, distance: int, choices: Mapping[Position, str]) -> dict[Position, int]:
    """Position -> edits of those of `choices` that are at most `distance` edits from `term`."""
    from rapidfuzz.distance import OSA
    from rapidfuzz.process import extract

    found = extract(term, choices, scorer=OSA.distance, score_cutoff=distance, limit=None)
    return {position: int(edits) for _, edits, position in found}


def near_terms(term: str, distance: int, terms: Iterable[str]) -> dict[str, int]:
    """Term -> edits of those of `terms` that are at most `distance` edits (`Postings.similar_to`) from `term`."""
    return _near(term, distance, {one: one for one in terms})


@dataclass(frozen=True)
class Postings:
    """The arrays of one segment with n rows, t terms and p postings.

    `ids` (n,) int64: the chunk id of each row, rising.
    `lengths` (n,) int32: how many terms each row has, repetitions included, but not those of words as written.
    `term_bytes` (b,) uint8, `term_offsets` (t + 1,) int64: the terms in UTF-8, sorted; term i is
    term_bytes[term_offsets[i]:term_offsets[i + 1]].
    `indptr` (t + 1,) int64, `rows` (p,) int32, rising within a term, `tfs` (p,) uint16: the postings.
    `languages`: the codes of the languages of its terms.
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
        """The term at `position` in sorted order, in UTF-8."""
        return self.term_bytes[self.term_offsets[position] : self.term_offsets[position + 1]].tobytes()

    def beginning_with(self, text: str) -> range:
        """The positions of the terms that begin with `text`."""
        begin = text.encode("utf-8", "surrogatepass")
        return range(self._position(begin), self._position(begin + b"\xff"))

    def similar_to(self, term: str, distance: int) -> dict[int, int]:
        """position -> edits of the terms at most `distance` edits from `term` with its language and its first letter.

        Edits: optimal string alignment (`rapidfuzz.distance.OSA`).
        """
        mark, word = parted(term)
        alike = self.beginning_with(mark + word[:1])
        sizes = np.diff(self.term_offsets[alike.start : alike.stop + 1])
        size = len(term.encode("utf-8", "surrogatepass"))
        # A letter has at most four bytes.
        near = np.flatnonzero(np.abs(sizes - size) <= 4 * distance) + alike.start
        return _near(term, distance, {position: self.text(position) for position in near.tolist()})

    def text(self, position: int) -> str:
        """The term at `position`. Raises `IndexDamagedError` where it is no text."""
        try:
            return self.term(position).decode("utf-8", "surrogatepass")
        except UnicodeDecodeError:
            raise IndexDamagedError("a term of a segment is no UTF-8") from None

    def rows_of(self, position: int) -> NDArray[np.int32]:
        """The rows (m,) int32 of the term at `position`. Raises `IndexDamagedError` as `find` does."""
        rows = self.rows[int(self.indptr[position]) : int(self.indptr[position + 1])]
        self._check_rows(rows)
        return rows

    def _position(self, key: bytes) -> int:
        """The position of the first term that is not less than `key`."""
        low, high = 0, len(self.term_offsets) - 1
        while low < high:
            middle = (low + high) // 2
            if self.term(middle) < key:
                low = middle + 1
            else:
                high = middle
        return low

    def find(self, term: str) -> tuple[NDArray[np.int32], NDArray[np.uint16]]:
        """(rows (m,) int32, term frequencies (m,) uint16) of `term`; empty arrays when it does not occur.

        Raises `IndexDamagedError` for rows that the segment does not have: its files may be damaged or hostile.
        """
        key = term.encode("utf-8", "surrogatepass")
        low = self._position(key)
        if low == len(self.term_offsets) - 1 or self.term(low) != key:
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
        """The arrays by name, as they are written to files."""
        return {field.name: getattr(self, field.name) for field in fields(self) if field.name != "languages"}


def build(ids: Sequence[int], texts: Iterable[list[str]], languages: tuple[str, ...]) -> Postings:
    """The postings of the chunks `ids` (rising); `texts`: the term keys of each chunk, in the same order."""
    numbers: dict[str, int] = {}
    lengths: list[int] = []
    terms: list[int] = []
    for words in texts:
        lengths.append(len(words))
        terms += [numbers.setdefault(word, len(numbers)) for word in words]
    row_of = np.repeat(np.arange(len(lengths), dtype=np.int64), lengths)
    keys, counts = np.unique(np.array(terms, np.int64) * max(1, len(lengths)) + row_of, return_counts=True)
    is_written = np.array([word.startswith(WRITTEN) for word in numbers], np.bool_)
    uncounted = np.bincount(row_of[is_written[terms]], minlength=len(lengths)) if terms else 0
    encoded = sorted((word.encode("utf-8", "surrogatepass"), number) for word, number in numbers.items())
    rank = np.empty(len(encoded), np.int64)
    rank[[number for _, number in encoded]] = np.arange(len(encoded))
    return assemble(
        np.array(ids, np.int64),
        np.array(lengths, np.int32) - uncounted,
        [word for word, _ in encoded],
        rank[keys // max(1, len(lengths))],
        keys % max(1, len(lengths)),
        counts,
        languages,
    )


def merge(parts: Sequence[Postings], alive: Sequence[NDArray[np.bool_] | None], languages: tuple[str, ...]) -> Postings:
    """The postings of the live rows of all `parts`, sorted by chunk id.

    `alive`: for each part the rows that are kept, (n,) bool, None: all. Raises `IndexDamagedError` for a part that
    names rows it does not have.
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
        new_terms = np.array([position[part.term(number)] for number in range(len(part.indptr) - 1)], np.int64)
        term = np.repeat(new_terms, np.diff(part.indptr))
        is_kept = kept[part.rows]
        ids.append(part.ids[kept])
        lengths.append(part.lengths[kept])
        terms.append(term[is_kept])
        rows.append(new_row[part.rows[is_kept]])
        tfs.append(part.tfs[is_kept])
        base += int(kept.sum())
    used, term = np.unique(np.concatenate(terms), return_inverse=True)
    merged_ids = np.concatenate(ids)
    # The ids of a part need not follow those of the part before it: a repair builds chunks of the middle again.
    order = np.argsort(merged_ids)
    new_rows = np.empty_like(order)
    new_rows[order] = np.arange(len(order))
    return assemble(
        merged_ids[order],
        np.concatenate(lengths)[order],
        [all_terms[number] for number in used],
        term,
        new_rows[np.concatenate(rows)],
        np.concatenate(tfs),
        languages,
    )


def assemble(
    ids: NDArray[np.int64],
    lengths: NDArray[np.int32],
    sorted_terms: list[bytes],
    term: NDArray[np.int64],
    row: NDArray[np.int64],
    tf: np.ndarray,
    languages: tuple[str, ...],
) -> Postings:
    """`Postings` of rows sorted by id, from unsorted triples (`term`, `row`, `tf`), (p,) each; `term` is a position in
    `sorted_terms`."""
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
