"""Copies an index from one store to another, of the same kind or not, without reading or encoding a document again.

Chunks keep their ids, so that what searches have saved stays true. A copy that was cut off goes on where it stopped.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from semsearch.chunking.chunk import Chunk
from semsearch.errors import IndexDamagedError, SemsearchError
from semsearch.lexical.bm25 import locate
from semsearch.lexical.postings import Postings
from semsearch.store.protocol import Snapshot, Store, Writer
from semsearch.store.records import DocumentProperties, FileRecord, IndexInfo, Passage, Root

# Chunks of one commit of text, and of one of vectors.
_COMMIT_CHUNKS = 8192
_COMMIT_VECTORS = 4096
_READ_AT_ONCE = 2000

Told = Callable[[int, int], None]


@dataclass(frozen=True)
class _Part:
    """Chunks of one document as a store takes them in."""

    chunks: Sequence[Chunk]
    terms: Sequence[list[str]]
    language: str
    reason: str = ""
    document: DocumentProperties | None = None


def copy_to(snapshot: Snapshot, target: Store, told: Told = lambda done, total: None) -> None:
    """Makes `target` hold what `snapshot` holds; `told` hears how many chunks of how many are there.

    Raises `SemsearchError` where `target` holds something else, or is in the end not what was copied.
    """
    info = _placed(snapshot.info(), target.host)
    with target.write() as writer:
        copied = _begin(writer, snapshot, info, target.location)
        _copy_files(writer, snapshot, copied, told)
        _copy_vectors(writer, snapshot)
        writer.forget_deleted()
        run = snapshot.last_run()
        if run is not None and writer.snapshot().last_run() != run:
            with writer.transaction() as transaction:
                transaction.record_run(run)
        writer.maintain()
    target.read(lambda there: _compare(snapshot, there, target.location))


def _placed(info: IndexInfo, host: str) -> IndexInfo:
    """`info` with its folders as those of the machine `host`; "": of one machine, those of others under their name."""

    def placed(root: Root) -> Root:
        if host:
            return replace(root, host=root.host or host)
        return replace(root, host="", path=root.path if root.is_here else f"//{root.host}{root.path}")

    return replace(info, roots=tuple(map(placed, info.roots)), vectors_at=None)


def _begin(writer: Writer, snapshot: Snapshot, info: IndexInfo, location: str) -> NDArray[np.int64]:
    """The ids of the chunks that are there already. Raises `SemsearchError` where those are of another index."""
    there = writer.snapshot()
    if not there.info().roots:
        with writer.transaction() as transaction:
            # The model comes with the vectors.
            transaction.update(replace(info, model=None))
        return np.empty(0, np.int64)
    copied, ids = there.holding(()), snapshot.holding(())
    same = replace(there.info(), model=None) == replace(info, model=None) and len(copied) <= len(ids)
    if same and len(copied):
        same = bool((copied == ids[: len(copied)]).all())
        last = [int(copied[-1])]
        same = same and there.passages(last)[0].text_hash == snapshot.passages(last)[0].text_hash
    if not same:
        raise SemsearchError(
            f"{location} holds another index", "name an empty place, or another schema", code="not_empty"
        )
    return copied


def _copy_files(writer: Writer, snapshot: Snapshot, copied: NDArray[np.int64], told: Told) -> None:
    ids = snapshot.holding(())
    total, done = len(ids), len(copied)
    there = {(file.root_id, file.path) for file in writer.snapshot().files()} if done else set()
    terms = _TermsOfChunks(snapshot.postings())
    batch: list[tuple[FileRecord, list[Passage]]] = []
    size = 0
    for file in _files(snapshot, ids[done:], there):
        batch.append(file)
        size += len(file[1])
        if size >= _COMMIT_CHUNKS:
            _commit(writer, batch, terms)
            done += size
            told(done, total)
            batch, size = [], 0
    _commit(writer, batch, terms)
    told(done + size, total)


def _files(
    snapshot: Snapshot, ids: NDArray[np.int64], there: set[tuple[int, bytes]]
) -> Iterator[tuple[FileRecord, list[Passage]]]:
    """The files that are not `there`, each with its chunks, in the order of their chunks `ids`; those without last."""
    records = {file.id: file for file in snapshot.files() if (file.root_id, file.path) not in there}
    held: list[Passage] = []
    for start in range(0, len(ids), _READ_AT_ONCE):
        for passage in snapshot.passages(ids[start : start + _READ_AT_ONCE].tolist()):
            if held and held[0].file.id != passage.file.id:
                yield records.pop(held[0].file.id), held
                held = []
            held.append(passage)
    if held:
        yield records.pop(held[0].file.id), held
    yield from ((file, []) for file in records.values())


def _commit(writer: Writer, files: Sequence[tuple[FileRecord, list[Passage]]], terms: "_TermsOfChunks") -> None:
    if not files:
        return
    with writer.transaction() as transaction:
        for file, passages in files:
            first = passages[0].id if passages else None
            transaction.put_file(file, list(_parts(file, passages, terms)), first)


def _parts(file: FileRecord, passages: Sequence[Passage], terms: "_TermsOfChunks") -> Iterator[_Part]:
    """The `passages` of `file`, a part each document."""
    begins = [number for number, passage in enumerate(passages) if passage.is_first or not number]
    for begin, end in zip(begins, [*begins[1:], len(passages)], strict=True):
        held = passages[begin:end]
        own = held[0].file
        properties = DocumentProperties(own.title, own.metadata, own.date, own.language)
        differs = properties != DocumentProperties(file.title, file.metadata, file.date, file.language)
        document = properties if differs or (len(begins) > 1 and held[0].is_first) else None
        yield _Part(list(map(_chunk, held)), [terms.of(one.id) for one in held], own.language, "", document)


def _chunk(passage: Passage) -> Chunk:
    return Chunk(
        passage.text, passage.heading, passage.page, passage.line_start, passage.line_end, passage.tokens,
        passage.line_breaks,
    )  # fmt: skip


class _TermsOfChunks:
    """The terms of chunks that are asked for by rising id, from postings, whose parts may be large and come late."""

    def __init__(self, parts: Iterable[Postings]) -> None:
        self._parts = iter(parts)
        self._open: list[_Transposed] = []

    def of(self, chunk: int) -> list[str]:
        """The terms of `chunk`, each as often as it has it. Raises `IndexDamagedError` where none are known."""
        self._open = [one for one in self._open if one.last >= chunk]
        for part in self._open:
            if (found := part.of(chunk)) is not None:
                return found
        for postings in self._parts:
            if len(postings) and postings.ids[-1] >= chunk:
                self._open.append(_Transposed(postings))
                if (found := self._open[-1].of(chunk)) is not None:
                    return found
        raise IndexDamagedError(f"the index knows no words of chunk {chunk}", "look with: semsearch verify")


class _Transposed:
    """`postings` by row: which terms each row has. `last`: the last chunk."""

    def __init__(self, postings: Postings) -> None:
        self._ids = postings.ids
        self.last = int(postings.ids[-1])
        sizes = np.diff(postings.indptr)
        order = np.argsort(postings.rows, kind="stable")
        self._terms = np.repeat(np.arange(len(sizes)), sizes)[order]
        self._tfs = postings.tfs[order]
        self._begin = np.concatenate([[0], np.cumsum(np.bincount(postings.rows, minlength=len(postings)))])
        self._texts = [postings.text(number) for number in range(len(sizes))]

    def of(self, chunk: int) -> list[str] | None:
        """The terms of `chunk`; None: it is not among the rows."""
        _, rows = locate(np.array([chunk]), self._ids)
        if not len(rows):
            return None
        span = slice(int(self._begin[rows[0]]), int(self._begin[rows[0] + 1]))
        pairs = zip(self._terms[span].tolist(), self._tfs[span].tolist(), strict=True)
        return [self._texts[term] for term, count in pairs for _ in range(count)]


def _copy_vectors(writer: Writer, snapshot: Snapshot) -> None:
    """Copies vectors up to the first chunk that has none; the next run of `index` encodes from there."""
    model = snapshot.info().model
    if model is None:
        return
    while pending := writer.claim(_COMMIT_VECTORS):
        ids = np.array([one.id for one in pending], np.int64)
        vectors = snapshot.vectors(ids)
        missing = np.flatnonzero(np.isnan(vectors).any(axis=1)) if vectors.shape[1] else np.arange(len(ids))
        end = int(missing[0]) if len(missing) else len(ids)
        if end:
            with writer.transaction() as transaction:
                transaction.put_vectors(ids[:end], vectors[:end], model)
        if end < len(ids):
            return


def _compare(snapshot: Snapshot, there: Snapshot, location: str) -> None:
    """Raises `IndexDamagedError` where `there` does not hold what `snapshot` does."""
    ids = snapshot.holding(())
    same = np.array_equal(ids, there.holding(()))
    one, other = snapshot.counts(), there.counts()
    same = same and (one.indexed, one.skipped, one.failed) == (other.indexed, other.skipped, other.failed)
    encoded = there.encoded_ids() if same else ids[:0]
    for start in range(0, len(encoded), _COMMIT_VECTORS):
        batch = encoded[start : start + _COMMIT_VECTORS]
        same = same and np.array_equal(snapshot.vectors(batch), there.vectors(batch))
    if not same:
        raise IndexDamagedError(f"{location} is not what was copied", "copy again, into an empty place")
