"""Changes of an index: the one writer, its lock, commits, deletes and merges.

The order of a commit is the promise: segment files are complete on disk first, then one SQLite transaction makes them
part of the index. Killed anywhere, the index is what the last transaction said.
"""

import json
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

import numpy as np
from numpy.typing import NDArray

from semsearch.dense.codec import Codec
from semsearch.dense.form import VectorForm
from semsearch.embedding.embedder import Vectors
from semsearch.errors import IndexDamagedError, SemsearchError
from semsearch.lexical import postings as postings_module
from semsearch.lexical.postings import Postings
from semsearch.settings import CATALOG_FILE, INDEX_FOLDER
from semsearch.storage.catalog import NONSENSE, SCHEMA_VERSION, Catalog
from semsearch.storage.checksum import check_catalog, mark_damaged, remove_checksum, write_checksum
from semsearch.storage.lock import WriterLock
from semsearch.storage.salvage import salvage
from semsearch.storage.segments import (
    LEARNT_FROM,
    SEGMENTS_FOLDER,
    DenseSegment,
    FileList,
    check_content,
    open_ids,
    open_lexical,
    remove_unreferenced,
    rewrite_dense,
    sync_folder,
    training_vectors,
    write_dense,
    write_lexical,
)
from semsearch.storage.snapshot import alive_rows

# Merge when this many neighbours are of one size class; classes grow by this factor.
_MERGE_FACTOR = 8
_SMALLEST_CLASS = 1024
# No merge writes more than this many rows (200 MB of vectors at 384 dimensions): scans are linear anyway.
_LARGEST_MERGE = 262_144

# Codes are learnt again when there are so many times the vectors.
_LEARN_AGAIN = 4

# file name -> content of the two files every index folder holds for other programs' sake.
_MARKERS = {
    ".gitignore": "*\n",
    "CACHEDIR.TAG": "Signature: 8a477f597d28d172789f06886806bc55\n"
    "# This folder is a semsearch index; it can be made again.\n# https://bford.info/cachedir/\n",
}


class IndexWriter:
    """The writer of one index folder; made with its lock held, creating the folder when there is none."""

    def __init__(self, index: str, wait: bool = False, trust: bool = False) -> None:
        """`trust`: a catalog that is not what was written is opened, too, by one who will mend it."""
        self.index = index
        self._form: VectorForm | None = None
        self._committed = False
        # The catalog is known not to be what was written, and that must not be forgotten before `mended`.
        self._untrue = False
        _make_folder(index)
        self._lock = WriterLock(os.path.join(index, "lock"), wait)
        try:
            exists = os.path.exists(os.path.join(index, CATALOG_FILE))
            if not exists:
                remove_checksum(index)  # of one that is gone
            try:
                # Before SQLite opens it: closing any descriptor of a file drops all locks this process has on it
                # (sqlite.org/howtocorrupt.html, section 2.2).
                check_catalog(index)
            except IndexDamagedError:
                if not trust:
                    Catalog.open_for_writing(index).close()  # one of a newer version says so
                    raise
                self._untrue = True
            self.catalog = Catalog.open_for_writing(index) if exists else Catalog.create(index)
            if not exists:
                sync_folder(index)
            try:
                if self.catalog.version < SCHEMA_VERSION:
                    with self.commit():
                        self.catalog.migrate()
                self._names = self.remove_unreferenced()
            except sqlite3.DatabaseError:
                if not trust:
                    raise
                self._untrue, self._names = True, set()
        except BaseException:
            self._lock.__exit__(None, None, None)
            raise

    def close(self) -> None:
        try:
            try:
                self.catalog.fold_log()
            finally:
                self.catalog.close()
            if self._committed and not self._untrue:
                with suppress(OSError):  # no space for it: what is there is good, and goes unchecked until the next run
                    write_checksum(self.index)
        finally:
            self._lock.__exit__(None, None, None)

    def checked(self) -> None:
        """Notes that the folders were compared with the index now."""
        self._lock.stamp()

    @property
    def untrue(self) -> bool:
        """Whether the catalog is known not to be what was written."""
        return self._untrue

    def distrust(self) -> None:
        """Until `mended` is called the index counts as damaged, whatever becomes of this process."""
        mark_damaged(self.index)
        sync_folder(self.index)
        self._untrue = True

    def mended(self) -> None:
        """After the commits that make good, or every file be read again: what was known to be damaged is dealt with."""
        self._untrue = False
        self._committed = True
        remove_checksum(self.index)
        sync_folder(self.index)

    def salvage_catalog(self) -> None:
        """Goes on with a new catalog that holds what can be read of a damaged one. Raises `IndexDamagedError`."""
        self.catalog.close()
        try:
            salvage(self.index)
            sync_folder(self.index)
        except sqlite3.DatabaseError as error:
            if "full" in str(error):  # there is no room for the new one
                raise
            raise IndexDamagedError(
                f"{self.catalog.path} cannot be repaired: {error}", f"remove {self.index} and index again"
            ) from None
        finally:
            self.catalog = Catalog.open_for_writing(self.index)
        self._committed = self._untrue = True
        self._names = self.remove_unreferenced()

    def __enter__(self) -> "IndexWriter":
        return self

    def __exit__(self, *details: object) -> None:
        self.close()

    @contextmanager
    def commit(self) -> Iterator[sqlite3.Connection]:
        """One transaction: all of what is done inside, or nothing."""
        connection = self.catalog.connection
        if not self._committed:
            self._committed = True
            if not self._untrue and remove_checksum(self.index):
                sync_folder(self.index)
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:  # SQLite has rolled back already when the disk is full
                connection.execute("ROLLBACK")
            raise

    def remove_unreferenced(self) -> set[str]:
        """Removes the folders of segments that the catalog does not name; returns the names it does."""
        names = {row[0] for row in self.catalog.connection.execute("SELECT name FROM segments")}
        remove_unreferenced(self.index, names)
        return names

    # -- segments ------------------------------------------------------------------------------------------------

    def write_lexical(self, postings: Postings) -> tuple[str, FileList]:
        """Writes a segment's files; they become part of the index by `add_segment` in a commit."""
        name = self._new_name("lex")
        return name, write_lexical(self.index, name, postings)

    def write_dense(self, ids: NDArray[np.int64], vectors: Vectors, full_dim: int) -> tuple[str, FileList]:
        """Writes `vectors` (n, store_dim of the form) of chunks `ids`; `full_dim`: numbers of the model's vectors."""
        name = self._new_name("vec")
        form = self.form(full_dim)
        codec = form.first_stage(len(ids))
        if codec is not None and not codec.trained:
            trained = Codec.train(codec.kind, form.coded(vectors))
            form = self._form = form.with_trained("codes", trained, len(vectors))
        return name, write_dense(self.index, name, ids, vectors, form)

    def form(self, full_dim: int) -> VectorForm:
        """In which form vectors are kept."""
        if self._form is None:
            self._form = VectorForm.from_record(self.catalog.setting("vectors"), full_dim)
        return self._form

    def set_form(self, form: VectorForm | None) -> None:
        """Inside a commit: how vectors are kept from now on; None: as in a new index."""
        self._form = form
        self.catalog.set_setting("vectors", form and form.as_record())

    def dense_segment(self, row: sqlite3.Row, form: VectorForm) -> DenseSegment:
        """The vectors of a segment's row of the catalog."""
        return DenseSegment(self.index, row["name"], row["rows"], form, json.loads(row["files"]))

    def reform(self, row: sqlite3.Row, old: VectorForm, new: VectorForm) -> tuple[str, FileList]:
        """Writes a segment with the vectors of `row`, kept as `old` says, in the form `new`."""
        name = self._new_name("vec")
        segment = self.dense_segment(row, old)
        vectors = segment.vectors.vectors(np.arange(row["rows"], dtype=np.int64))
        if new.same_store(old):
            return name, rewrite_dense(self.index, name, row["name"], json.loads(row["files"]), vectors, new)
        vectors = vectors if old.shortened else new.stored(vectors)
        return name, write_dense(self.index, name, segment.ids, vectors, new)

    def rewrite_vectors(self, old: VectorForm, new: VectorForm) -> None:
        """Writes every segment in the form `new` and commits that; what an error leaves behind is removed."""
        rows = self.catalog.segments("vec")
        try:
            written = [self.reform(row, old, new) for row in rows]
            for row, (name, files) in zip(rows, written, strict=True):
                DenseSegment(self.index, name, row["rows"], new, files)  # what cannot be opened is not committed
            with self.commit():
                self.set_form(new)
                for row, (name, files) in zip(rows, written, strict=True):
                    self.replace_segment(row, name, files)
        finally:
            # The old form's files, or those of a new one that was not committed; searches that have them open go on.
            self.remove_unreferenced()

    def learn_codes_again(self) -> None:
        """Makes the codes of all segments anew where there are four times the vectors that they were learnt from.

        What was learnt from few vectors loses more of later ones; what is compared at last is kept, or it stays so.
        """
        model = self.catalog.setting("model")
        form = self.form(model["dim"]) if model else None
        rows = self.catalog.segments("vec")
        count = sum(row["rows"] - row["dead_count"] for row in rows)
        if form is None or form.codes is None or min(count, LEARNT_FROM) < _LEARN_AGAIN * max(1, form.learnt_from):
            return
        segments = [self.dense_segment(row, form) for row in rows]
        sample = form.coded(training_vectors(segments, [alive_rows(row) for row in rows]))
        codec = Codec.train(form.codes, sample)
        self.rewrite_vectors(form, form.with_trained("codes", codec, len(sample)))

    def replace_segment(self, row: sqlite3.Row, name: str, files: FileList) -> None:
        """Inside a commit: another folder holds what the segment of `row` held, row for row."""
        # Not updated: each row has a number of its own, and so no name is ever given again.
        self.catalog.connection.execute(
            "INSERT INTO segments (kind, name, first_id, last_id, rows, dead, dead_count, files)"
            " SELECT kind, ?, first_id, last_id, rows, dead, dead_count, ? FROM segments WHERE id = ?",
            (name, json.dumps(files), row["id"]),
        )
        self.catalog.connection.execute("DELETE FROM segments WHERE id = ?", (row["id"],))

    def add_segment(self, kind: str, name: str, ids: NDArray[np.int64], files: FileList) -> None:
        """Inside a commit: makes a written segment part of the index."""
        self.catalog.connection.execute(
            "INSERT INTO segments (kind, name, first_id, last_id, rows, files) VALUES (?, ?, ?, ?, ?, ?)",
            (kind, name, int(ids[0]), int(ids[-1]), len(ids), json.dumps(files)),
        )
        if kind == "vec" and self._form is not None and self._form.trained:
            self.catalog.set_setting("vectors", self._form.as_record())  # what was learnt for this segment

    def mark_dead(self, ranges: Sequence[tuple[int, int]]) -> None:
        """Inside a commit: deletes the chunks of `ranges` (first id, count) from every segment's live rows."""
        spans = [(first, first + count) for first, count in ranges if count]
        if not spans:
            return
        self.catalog.connection.executemany("UPDATE chunks SET file_id = NULL WHERE id >= ? AND id < ?", spans)
        for kind in ("lex", "vec"):
            self.mark_rows_dead(kind, spans)

    def mark_rows_dead(self, kind: str, spans: Sequence[tuple[int, int]]) -> None:
        """Inside a commit: takes chunks of `spans` (first id, id after the last) out of the segments of `kind`."""
        for row in self.catalog.segments(kind):
            touched = [(a, b) for a, b in spans if b > row["first_id"] and a <= row["last_id"]]
            if not touched:
                continue
            ids = open_ids(self.index, kind, row["name"], row["rows"], json.loads(row["files"]))
            alive = alive_rows(row)
            dead = np.zeros(row["rows"], np.bool_) if alive is None else ~alive
            for low, high in np.searchsorted(ids, touched):
                dead[low:high] = True
            self.catalog.connection.execute(
                "UPDATE segments SET dead = ?, dead_count = ? WHERE id = ?",
                (np.packbits(dead, bitorder="little").tobytes(), int(dead.sum()), row["id"]),
            )

    def drop_segments(self, kind: str) -> None:
        """Inside a commit: takes all segments of `kind` out of the index; the next writer removes their files."""
        self.catalog.connection.execute("DELETE FROM segments WHERE kind = ?", (kind,))
        if kind == "vec":
            self.set_form(None)  # what was learnt of other vectors
            self.catalog.set_setting("adapter", None)

    def drop_damaged_segments(self) -> None:
        """Inside a commit: takes out what is not byte for byte what was written; a rebuild makes its content anew."""
        for kind in ("lex", "vec"):
            for row in self.catalog.segments(kind):
                files = json.loads(row["files"])
                try:
                    check_content(self.index, row["name"], files)
                    if kind == "lex":
                        open_lexical(self.index, row["name"], row["rows"], files)
                    else:
                        self.dense_segment(row, self.form(self.catalog.setting("model")["dim"]))
                except (IndexDamagedError, OSError, *NONSENSE):
                    self.distrust()  # until the rebuild has come to its end
                    self.catalog.connection.execute("DELETE FROM segments WHERE id = ?", (row["id"],))

    def merge(self) -> None:
        """Merges neighbours of one size class and rewrites segments of which a third is dead, each in a commit.

        The merged files replace the old ones in one transaction; searches that use the old ones go on. Their files are
        removed by the next writer.
        """
        for kind in ("lex", "vec"):
            while group := _mergeable(self.catalog.segments(kind)):
                self._merge_group(kind, group)

    def _merge_group(self, kind: str, group: list[sqlite3.Row]) -> None:
        alive = [alive_rows(row) for row in group]
        kept = sum(row["rows"] - row["dead_count"] for row in group)
        written: tuple[str, FileList] | None = None
        ids = np.empty(0, np.int64)
        if kept and kind == "lex":
            parts = [open_lexical(self.index, row["name"], row["rows"], json.loads(row["files"])) for row in group]
            languages = tuple(sorted({code for part in parts for code in part.languages}))
            merged = postings_module.merge(parts, alive, languages)
            ids = merged.ids
            written = self.write_lexical(merged)
        elif kept:
            dim = self.catalog.setting("model")["dim"]
            segments = [self.dense_segment(row, self.form(dim)) for row in group]
            rows = [
                np.arange(len(segment.ids)) if keep is None else np.flatnonzero(keep)
                for segment, keep in zip(segments, alive, strict=True)
            ]
            ids = np.concatenate([segment.ids[chosen] for segment, chosen in zip(segments, rows, strict=True)])
            vectors = np.concatenate(
                [segment.vectors.vectors(chosen) for segment, chosen in zip(segments, rows, strict=True)]
            )
            order = np.argsort(ids)
            ids = ids[order]
            written = self.write_dense(ids, vectors[order], dim)
        with self.commit() as connection:
            connection.executemany("DELETE FROM segments WHERE id = ?", [(row["id"],) for row in group])
            if written:
                self.add_segment(kind, written[0], ids, written[1])

    def _new_name(self, kind: str) -> str:
        """A name no segment had since this writer began, nor has in the catalog."""
        row = self.catalog.connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'segments'").fetchone()
        number = (row[0] if row else 0) + 1
        while (name := f"{kind}-{number:06}") in self._names:
            number += 1
        self._names.add(name)
        return name


def _mergeable(segments: list[sqlite3.Row]) -> list[sqlite3.Row]:
    """The next segments to be merged into one, neighbours in id order; empty when all is well."""
    for row in segments:
        if row["dead_count"] * 3 >= row["rows"]:
            return [row]
    run: list[sqlite3.Row] = []
    for row in reversed(segments):
        if run and _size_class(row) != _size_class(run[-1]):
            run = []
        run.append(row)
        if len(run) == _MERGE_FACTOR:
            if sum(part["rows"] for part in run) <= _LARGEST_MERGE:
                return run[::-1]
            run = []
    return []


def _size_class(row: sqlite3.Row) -> int:
    size, rows = 0, row["rows"]
    while rows > _SMALLEST_CLASS:
        rows //= _MERGE_FACTOR
        size += 1
    return size


def _make_folder(index: str) -> None:
    if os.path.isdir(index) and not {CATALOG_FILE, "CACHEDIR.TAG"} & set(names := os.listdir(index)) and names:
        raise SemsearchError(
            f"{index} is a folder with other things in it",
            f"name a new one, such as: --index {os.path.join(index, INDEX_FOLDER)}",
            code="not_an_index",
        )
    for name in (CATALOG_FILE, CATALOG_FILE + "-wal", CATALOG_FILE + "-shm", CATALOG_FILE + "-journal", "lock",
                 SEGMENTS_FOLDER):  # fmt: skip
        # An index may come from anywhere; what is written and removed in it must not lie elsewhere.
        path = os.path.join(index, name)
        right = os.path.isdir(path) if name == SEGMENTS_FOLDER else os.path.isfile(path)
        if os.path.lexists(path) and (os.path.islink(path) or not right):
            what = "a link" if os.path.islink(path) else "not what it should be"
            raise IndexDamagedError(f"{path} is {what}", f"remove the index and make it anew: {index}")
    try:
        os.makedirs(index, exist_ok=True)
        for name, content in _MARKERS.items():
            path = os.path.join(index, name)
            if not os.path.lexists(path):
                with open(path, "x", encoding="ascii") as file:
                    file.write(content)
    except OSError as error:
        raise SemsearchError(
            f"cannot write the index {index}: {error.strerror}",
            "put the index somewhere else with: --index PATH",
            code="not_writable",
        ) from None
