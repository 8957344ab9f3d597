"""Copies an index from one store to another, of the same kind or not, without reading or encoding a document again.

Chunks keep their ids, so that what searches have saved stays true. Files are copied in the order of their chunks, so
that a copy that was cut off goes on where it stopped.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain, groupby

import numpy as np
from numpy.typing import NDArray

from semsearch.callbacks import Advance, Announce
from semsearch.chunking.chunk import Chunk
from semsearch.errors import IndexDamagedError, SemsearchError, for_shell
from semsearch.lexical.bm25 import locate
from semsearch.lexical.postings import Postings
from semsearch.store.comparing import check_same, digests
from semsearch.store.protocol import Snapshot, Store, Writer
from semsearch.store.records import DocumentPart, DocumentProperties, FileRecord, IndexInfo, Passage, Root

# Chunks of one commit of text, and of one of vectors.
_COMMIT_CHUNKS = 8192
_COMMIT_VECTORS = 4096
_READ_AT_ONCE = 2000
# Chunks whose terms are in memory at a time: some 60 MB.
_TRANSPOSED_ROWS = 65_536


def copy_to(
    snapshot: Snapshot,
    target: Store,
    advance: Advance = lambda name, done, total: None,
    wait: bool = False,
    announce: Announce = lambda message: None,
) -> None:
    """Makes `target` hold what `snapshot` holds, and compares both. `wait`: for another run that writes there;
    `announce` hears what else is waited for.

    The snapshot is of an index that keeps the vectors of its model (`Snapshot.keeps_model_vectors`).

    Raises `SemsearchError` where `target` holds something else, or is in the end not what was copied, and
    `LockedError`.
    """
    info = _placed(snapshot.info(), target.host)
    if (sparse := snapshot.info().sparse) is not None:
        announce(
            "its sparse vectors are not copied; a copy in a folder gets its own with: "
            f"semsearch index --sparse {for_shell(sparse.name)}"
        )
    # All is opened now: who writes the source meanwhile may remove files.
    snapshot.warm_up()
    terms = _TermsOfChunks(snapshot.postings())
    with target.write(wait, announce=announce) as writer:
        copied = _begin(writer, snapshot, info, target.location)
        _copy_files(writer, snapshot, copied, terms, advance)
        encoded = _copyable(snapshot, target)
        _copy_vectors(writer, snapshot, encoded, advance)
        _finish(writer, snapshot, info)
        check_same(snapshot, writer.snapshot(), info, encoded, target.location, advance)


def _placed(info: IndexInfo, host: str) -> IndexInfo:
    """`info` with its folders for an index of the machine `host`; "": for one in a folder."""
    roots = tuple(_placed_root(root, host) for root in info.roots)
    # Each machine has readers of its own.
    has_own = not host or any(root.is_here for root in roots)
    return replace(info, roots=roots, readers=info.readers if has_own else 0, vectors_at=None, sparse=None)


def _placed_root(root: Root, host: str) -> Root:
    if not host:
        return replace(root, host="") if root.is_here else root
    return root if root.host else replace(root, host=host)


def _begin(writer: Writer, snapshot: Snapshot, info: IndexInfo, location: str) -> NDArray[np.int64]:
    """The ids of the chunks that are there already. Raises `SemsearchError` where those are of another index."""
    there = writer.snapshot()
    if not there.last_given() and not there.info().roots:
        with writer.transaction() as transaction:
            # The model comes with the vectors.
            transaction.update(replace(info, model=None))
        return np.empty(0, np.int64)
    copied, ids = there.holding(()), snapshot.holding(())
    same = replace(there.info(), model=None) == replace(info, model=None)
    same = same and np.array_equal(copied, ids[: len(copied)]) and there.last_given() <= snapshot.last_given()
    same = same and digests(there).items() <= digests(snapshot).items()
    if not same:
        raise SemsearchError(
            f"{location} holds another index, or an earlier state of this one",
            "remove it, or name an empty place: another folder, or another schema with ?schema=NAME",
            code="not_empty",
        )
    return copied


# -- files and chunks ------------------------------------------------------------------------------------------------


def _copy_files(
    writer: Writer, snapshot: Snapshot, copied: NDArray[np.int64], terms: "_TermsOfChunks", advance: Advance
) -> None:
    ids = snapshot.holding(())
    done = len(copied)
    there = {(file.root_id, file.path) for file in writer.snapshot().files()}
    files = _files(snapshot, ids[done:], there, terms)
    advance("copying passages", done, len(ids))
    while (one := next(files, None)) is not None:
        size = 0
        with writer.transaction() as transaction:
            while one is not None:
                file, first, parts = one
                size += transaction.put_file(file, parts, first)
                one = None if size >= _COMMIT_CHUNKS else next(files, None)
        done += size
        advance("copying passages", done, len(ids))


def _files(
    snapshot: Snapshot, ids: NDArray[np.int64], there: set[tuple[int, bytes]], terms: "_TermsOfChunks"
) -> Iterator[tuple[FileRecord, int | None, Iterator[DocumentPart] | Sequence[DocumentPart]]]:
    """(file, its first chunk, its parts) of those that are not `there`, in the order of their chunks `ids`; those
    without chunks last. The parts are to be gone through before the next file is asked for."""
    records = {file.id: file for file in snapshot.files() if (file.root_id, file.path) not in there}
    for number, own in groupby(_passages(snapshot, ids), lambda passage: passage.file.id):
        file = records.pop(number, None)
        if file is None:
            raise IndexDamagedError(f"the passages of file {number} do not fit it", "look with: semsearch verify")
        passages = iter(own)
        first = next(passages)
        parts = _parts(file, chain([first], passages), terms)
        yield file, first.id, list(parts) if file.chunk_count <= _COMMIT_CHUNKS else parts
    yield from ((file, None, ()) for file in records.values())


def _passages(snapshot: Snapshot, ids: NDArray[np.int64]) -> Iterator[Passage]:
    for start in range(0, len(ids), _READ_AT_ONCE):
        yield from snapshot.passages(ids[start : start + _READ_AT_ONCE].tolist())


def _parts(file: FileRecord, passages: Iterable[Passage], terms: "_TermsOfChunks") -> Iterator[DocumentPart]:
    """The `passages` of `file` in parts of one document each."""
    whole = _properties(file)
    next_id = None
    for _, run in groupby(passages, _DocumentOf()):
        held = list(run)
        if next_id not in (None, held[0].id) or held[-1].id - held[0].id + 1 != len(held):
            raise IndexDamagedError(f"the passages of file {file.id} do not fit it", "look with: semsearch verify")
        own = _properties(held[0].file)
        # What is said of the only document of a file is the same as what is said of the file.
        begins = held[0].is_first and (next_id is not None or own != whole or len(held) < file.chunk_count)
        next_id = held[-1].id + 1
        yield DocumentPart(
            list(map(_chunk, held)), [terms.of(one.id) for one in held], own.language, "", own if begins else None
        )


class _DocumentOf:
    """Numbers documents, and runs of `_READ_AT_ONCE` passages of a long one."""

    def __init__(self) -> None:
        self._number = self._size = 0

    def __call__(self, passage: Passage) -> int:
        if passage.is_first or self._size == _READ_AT_ONCE:
            self._number, self._size = self._number + 1, 0
        self._size += 1
        return self._number


def _properties(file: FileRecord) -> DocumentProperties:
    return DocumentProperties(file.title, file.metadata, file.date, file.language)


def _chunk(passage: Passage) -> Chunk:
    return Chunk(
        passage.text, passage.heading, passage.page, passage.line_start, passage.line_end, passage.tokens,
        passage.line_breaks,
    )  # fmt: skip


class _TermsOfChunks:
    """The terms of chunks that are asked for by rising id, from postings. Parts may be large: one is read ahead."""

    def __init__(self, parts: Iterable[Postings]) -> None:
        self._parts = (part for part in parts if len(part))
        self._next = next(self._parts, None)
        self._open: list[_Transposed] = []

    def of(self, chunk: int) -> list[str]:
        """The terms of `chunk`, each as often as it has it. Raises `IndexDamagedError` where none are known."""
        self._open = [one for one in self._open if one.last >= chunk]
        while self._next is not None and self._next.ids[0] <= chunk:
            self._open_next(self._next)
        known = [found for part in self._open if (found := part.of(chunk)) is not None]
        while not known and self._next is not None:  # those before have lost their first chunks
            found = self._open_next(self._next).of(chunk)
            known += [] if found is None else [found]
        if not known:
            raise IndexDamagedError(f"the index knows no words of chunk {chunk}", "look with: semsearch verify")
        return [term for found in known for term in found]

    def _open_next(self, part: Postings) -> "_Transposed":
        self._open.append(_Transposed(part))
        self._next = next(self._parts, None)
        return self._open[-1]


class _Transposed:
    """`postings` by row: which terms each row has, of `_TRANSPOSED_ROWS` rows at a time. `last`: the last chunk."""

    def __init__(self, postings: Postings) -> None:
        self._postings = postings
        self.last = int(postings.ids[-1])
        self._block = -1
        self._begins: list[int] = []
        self._terms: list[int] = []
        self._tfs: list[int] = []
        self._texts: dict[int, str] = {}

    def of(self, chunk: int) -> list[str] | None:
        """The terms of `chunk`; None: it is not among the rows."""
        _, rows = locate(np.array([chunk]), self._postings.ids)
        if not len(rows):
            return None
        block, row = divmod(int(rows[0]), _TRANSPOSED_ROWS)
        if block != self._block:
            self._transpose(block)
        span = slice(self._begins[row], self._begins[row + 1])
        return [
            self._texts[term] for term, tf in zip(self._terms[span], self._tfs[span], strict=True) for _ in range(tf)
        ]

    def _transpose(self, block: int) -> None:
        rows = self._postings.rows
        low = block * _TRANSPOSED_ROWS
        inside = np.flatnonzero((rows >= low) & (rows < low + _TRANSPOSED_ROWS))
        order = inside[np.argsort(rows[inside], kind="stable")]
        terms = np.searchsorted(self._postings.indptr, order, side="right") - 1
        counts = np.bincount(rows[order] - low, minlength=_TRANSPOSED_ROWS)
        self._begins = np.concatenate([[0], np.cumsum(counts)]).tolist()
        self._terms, self._tfs = terms.tolist(), self._postings.tfs[order].tolist()
        self._texts = {term: self._postings.text(term) for term in np.unique(terms).tolist()}
        self._block = block


# -- vectors ---------------------------------------------------------------------------------------------------------


def _copyable(snapshot: Snapshot, target: Store) -> NDArray[np.int64]:
    """(n,) the ids of the chunks whose vectors `target` can take, rising.

    A store that several machines write knows of each chunk whether it has a vector. Others know up to which chunk all
    have one: there, what comes after the first that has none is encoded by the next run of `index`.
    """
    encoded = snapshot.encoded_ids()
    if "machines" in target.capabilities:
        return encoded
    missing = np.setdiff1d(snapshot.holding(()), encoded)
    return encoded if not len(missing) else encoded[encoded < missing[0]]


def _copy_vectors(writer: Writer, snapshot: Snapshot, encoded: NDArray[np.int64], advance: Advance) -> None:
    model = snapshot.info().model
    there = writer.snapshot()
    ids = np.setdiff1d(encoded, there.encoded_ids())
    if model is None or not len(ids):
        return
    done = len(encoded) - len(ids)
    for start in range(0, len(ids), _COMMIT_VECTORS):
        advance("copying vectors", done + start, len(encoded))
        batch = ids[start : start + _COMMIT_VECTORS]
        vectors = snapshot.vectors(batch)
        lacking = batch[~np.isfinite(vectors).all(axis=1)]
        if len(lacking):
            raise IndexDamagedError(
                f"the vector of chunk {lacking[0]} holds what is no number", "make it anew: semsearch index --rebuild"
            )
        with writer.transaction() as transaction:
            transaction.put_vectors(batch, vectors, model)
    advance("copying vectors", len(encoded), len(encoded))


def _finish(writer: Writer, snapshot: Snapshot, info: IndexInfo) -> None:
    """Brings over what is known of the whole index."""
    there, run = writer.snapshot(), snapshot.last_run()
    last = snapshot.last_given()
    if there.info() != info or there.last_given() != last or there.last_run() != run:
        with writer.transaction() as transaction:
            transaction.update(info)
            # Ids of chunks that were deleted may stand in saved searches.
            transaction.give_up_to(last)
            if run is not None and there.last_run() != run:
                transaction.record_run(run)
    writer.forget_deleted()
