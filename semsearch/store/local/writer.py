"""The one writer of an index folder: its lock, its commits, the marks of damage, and what a commit may change.

The order of a commit is the promise: segment files are complete on disk first, then one SQLite transaction makes them
part of the index. Killed anywhere, the index is what the last transaction said.
"""

import json
import os
import sqlite3
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from semsearch.dense.codec import Codec
from semsearch.dense.vector_format import VectorFormat
from semsearch.embedding.embedder import Vectors
from semsearch.errors import IndexDamagedError
from semsearch.file_lock import WriterLock
from semsearch.lexical.postings import Postings
from semsearch.private_files import share_all
from semsearch.settings import CATALOG_FILE
from semsearch.store.engine_vectors import EngineVectors
from semsearch.store.local import rows
from semsearch.store.local.catalog import Catalog
from semsearch.store.local.checksum import check_catalog, mark_damaged, remove_checksum, write_checksum
from semsearch.store.local.connection import ForeignSchemaError
from semsearch.store.local.damage import name_index
from semsearch.store.local.dense_segment import DenseSegment, open_dense, open_ids, write_dense
from semsearch.store.local.index_folder import make_folder
from semsearch.store.local.lexical_segment import open_lexical, write_lexical
from semsearch.store.local.rows import Segment
from semsearch.store.local.salvage import make_anew, put_in_place
from semsearch.store.local.schema import SCHEMA_VERSION
from semsearch.store.local.segment_folder import FileList, check_content, remove_unreferenced, sync_folder
from semsearch.store.local.sparse_segments import SPARSE_SEGMENTS, SparseSegments, damaged_segments


class IndexWriter:
    """The writer of one index folder; made with its lock held, creating the folder when there is none."""

    def __init__(self, index: str, wait: bool = False, trust: bool = False, shared: str | None = None) -> None:
        """`trust`: a catalog that is not what was written is opened, too, by one who will mend it. `shared`: the group
        that may use the index from now on.
        """
        self.index = index
        self._vector_format: VectorFormat | None = None
        self._engine: EngineVectors | None = None
        self._committed = False
        # The catalog is known not to be what was written, and that must not be forgotten before `clear_suspicion`.
        self._suspect = False
        # What the user is to be told before anything is done.
        self.notices = make_folder(index)
        self._lock = WriterLock(os.path.join(index, "lock"), wait)
        try:
            if shared is not None:
                share_all(index, shared)
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
                self._suspect = True
            self.catalog = self._open_catalog(trust) if exists else Catalog.create(index)
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
                self._suspect, self._names = True, set()
        except BaseException:
            self._lock.__exit__(None, None, None)
            raise

    def _open_catalog(self, trust: bool) -> Catalog:
        """The catalog that is there; with `trust` one with tables of its own is made anew from what can be read."""
        try:
            return Catalog.open_for_writing(self.index)
        except ForeignSchemaError:
            if not trust:
                raise
        self.mark_suspect()
        make_anew(self.index)
        put_in_place(self.index)
        self._committed = True
        return Catalog.open_for_writing(self.index)

    def close(self) -> None:
        if self._engine is not None:
            self._engine.close()
        try:
            try:
                self.catalog.fold_log()
            finally:
                self.catalog.close()
            if self._committed and not self._suspect:
                with suppress(OSError):  # no space for it: what is there is good, and goes unchecked until the next run
                    write_checksum(self.index)
        finally:
            self._lock.__exit__(None, None, None)

    def compared(self) -> None:
        """Notes that the folders were compared with the index now."""
        self._lock.stamp()

    @property
    def suspect(self) -> bool:
        """Whether the catalog is known not to be what was written."""
        return self._suspect

    def mark_suspect(self) -> None:
        """Until `clear_suspicion` is called the index counts as damaged, whatever becomes of this process."""
        mark_damaged(self.index)
        sync_folder(self.index)
        self._suspect = True

    def clear_suspicion(self) -> None:
        """After the commits that make good, or every file be read again: what was known to be damaged is dealt with."""
        self._suspect = False
        self._committed = True
        remove_checksum(self.index)
        sync_folder(self.index)

    def salvage_catalog(self) -> None:
        """Goes on with a new catalog that holds what can be read of a damaged one. Raises `IndexDamagedError`."""
        try:
            make_anew(self.index)
        except sqlite3.DatabaseError as error:
            if "full" in str(error):  # there is no room for the new one
                raise
            raise IndexDamagedError(
                f"{self.catalog.path} cannot be repaired: {error}", f"remove {self.index} and index again"
            ) from None
        self.catalog.close()
        put_in_place(self.index)
        self.catalog = Catalog.open_for_writing(self.index)
        self._committed = self._suspect = True
        self._names = self.remove_unreferenced()

    def __enter__(self) -> "IndexWriter":
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        name_index(error, self.index)
        self.close()

    @contextmanager
    def commit(self) -> Iterator[sqlite3.Connection]:
        """One transaction: all of what is done inside, or nothing."""
        connection = self.catalog.connection
        if not self._committed:
            self._committed = True
            if not self._suspect and remove_checksum(self.index):
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
        with suppress(IndexDamagedError):  # what a setting names that is none, nobody can read
            names |= {segment.name for segment in SparseSegments.of(self.catalog).segments}
        remove_unreferenced(self.index, names)
        return names

    # -- segments ------------------------------------------------------------------------------------------------

    def segments(self, kind: str) -> list[Segment]:
        """The segments of `kind` ('lex' or 'vec') in id order."""
        return rows.segments(self.catalog, kind)

    def model_dim(self) -> int:
        """Numbers of the vectors of the model that made the index's. Raises `IndexDamagedError` where none is known."""
        model = rows.recorded_model(self.catalog)
        if model is None:
            raise IndexDamagedError("nobody knows the model of its vectors")
        return model.dim

    def write_lexical(self, postings: Postings) -> tuple[str, FileList]:
        """Writes a segment's files; they become part of the index by `add_segment` in a commit."""
        name = self.new_name("lex")
        return name, write_lexical(self.index, name, postings)

    def write_dense(self, ids: NDArray[np.int64], vectors: Vectors, full_dim: int) -> tuple[str, FileList]:
        """Writes `vectors` (n, store_dim of the format) of chunks `ids`; `full_dim`: numbers of the model's vectors."""
        name = self.new_name("vec")
        vector_format = self.vector_format(full_dim)
        codec = vector_format.first_stage(len(ids))
        if codec is not None and not codec.trained:
            trained = Codec.train(codec.kind, vector_format.coded(vectors))
            vector_format = self._vector_format = vector_format.with_trained("codes", trained, len(vectors))
        return name, write_dense(self.index, name, ids, vectors, vector_format)

    def vector_format(self, full_dim: int) -> VectorFormat:
        """How vectors are kept."""
        if self._vector_format is None:
            self._vector_format = VectorFormat.from_record(self.catalog.setting("vectors"), full_dim)
        return self._vector_format

    def set_vector_format(self, vector_format: VectorFormat | None) -> None:
        """Inside a commit: how vectors are kept from now on; None: as in a new index."""
        self._vector_format = vector_format
        self.catalog.set_setting("vectors", vector_format and vector_format.as_record())

    def engine_vectors(self) -> EngineVectors | None:
        """What keeps the vectors of this index elsewhere; None: it keeps them itself."""
        url = self.catalog.setting("vectors_at")
        if url is None:
            return None
        if self._engine is None or self._engine.url != url:
            self._engine = EngineVectors(url, self.index)
        return self._engine

    def begin_engine(self, engine: EngineVectors) -> None:
        """Inside a commit: says that this index fills the collection of `engine`, which must be empty, unless it says
        so already."""
        filled = self.catalog.listed("vectors_filled")
        if engine.url not in filled:
            engine.begin()
            self.catalog.set_setting("vectors_filled", [*filled, engine.url])

    def give_up_engine(self, url: str) -> None:
        """Inside a commit: takes back what `begin_engine` said of the collection at `url`."""
        filled = [one for one in self.catalog.listed("vectors_filled") if one != url]
        self.catalog.set_setting("vectors_filled", filled)

    def dense_segment(self, segment: Segment, vector_format: VectorFormat) -> DenseSegment:
        """The vectors of `segment`."""
        return open_dense(self.index, segment.name, segment.rows, segment.files, vector_format)

    def replace_segment(self, segment: Segment, name: str, files: FileList) -> None:
        """Inside a commit: another folder holds what `segment` held, row for row."""
        # Not updated: each row has a number of its own, and so no name is ever given again.
        self.catalog.connection.execute(
            "INSERT INTO segments (kind, name, first_id, last_id, rows, dead, dead_count, files)"
            " SELECT kind, ?, first_id, last_id, rows, dead, dead_count, ? FROM segments WHERE id = ?",
            (name, json.dumps(files), segment.id),
        )
        self.delete_segments([segment])

    def add_segment(self, kind: str, name: str, ids: NDArray[np.int64], files: FileList) -> None:
        """Inside a commit: makes a written segment part of the index."""
        self.catalog.connection.execute(
            "INSERT INTO segments (kind, name, first_id, last_id, rows, files) VALUES (?, ?, ?, ?, ?, ?)",
            (kind, name, int(ids[0]), int(ids[-1]), len(ids), json.dumps(files)),
        )
        if kind == "vec" and self._vector_format is not None and self._vector_format.trained:
            # What was learnt for this segment.
            self.catalog.set_setting("vectors", self._vector_format.as_record())

    def delete_segments(self, segments: Sequence[Segment]) -> None:
        """Inside a commit: takes `segments` out of the index; the next writer removes their files."""
        self.catalog.connection.executemany("DELETE FROM segments WHERE id = ?", [(one.id,) for one in segments])

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
        for segment in self.segments(kind):
            touched = [(a, b) for a, b in spans if b > segment.first_id and a <= segment.last_id]
            if not touched:
                continue
            where = (self.index, segment.name, segment.rows, segment.files)
            ids = open_lexical(*where).ids if kind == "lex" else open_ids(*where)
            alive = segment.alive()
            dead = np.zeros(segment.rows, np.bool_) if alive is None else ~alive
            for low, high in np.searchsorted(ids, touched):
                dead[low:high] = True
            self.catalog.connection.execute(
                "UPDATE segments SET dead = ?, dead_count = ? WHERE id = ?",
                (np.packbits(dead, bitorder="little").tobytes(), int(dead.sum()), segment.id),
            )

    def drop_vectors(self) -> None:
        """Inside a commit: takes out all vectors, and what was learnt of them; all chunks are pending again."""
        self.catalog.connection.execute("DELETE FROM segments WHERE kind = 'vec'")
        self.set_vector_format(None)
        for key, value in (("adapter", None), ("fusion", None), ("embedded_to", 0), ("model", None)):
            self.catalog.set_setting(key, value)

    def drop_damaged_segments(self) -> None:
        """Inside a commit: takes out what is not byte for byte what was written; a rebuild makes its content anew."""
        for kind in ("lex", "vec"):
            for segment in self.segments(kind):
                try:
                    check_content(self.index, segment.name, segment.files)
                    if kind == "lex":
                        open_lexical(self.index, segment.name, segment.rows, segment.files)
                    else:
                        self.dense_segment(segment, self.vector_format(self.model_dim()))
                except IndexDamagedError:
                    self.mark_suspect()  # until the rebuild has come to its end
                    self.delete_segments([segment])
        try:
            self.take_out_sparse({segment.name for segment, _ in damaged_segments(self.catalog)})
        except IndexDamagedError:
            self.drop_sparse()

    def take_out_sparse(self, names: Collection[str], lost_from: int | None = None) -> None:
        """Inside a commit: takes the sparse segments called `names` out of the index; the next run encodes their chunks
        again, and those from `lost_from` on that have no sparse vectors."""
        if names or lost_from is not None:
            held = SparseSegments.of(self.catalog)
            kept = tuple(segment for segment in held.segments if segment.name not in names)
            # What comes before them has its vectors, and counts in searches until the next run.
            firsts = [segment.first_id for segment in held.segments if segment.name in names]
            first = min([*firsts, *([] if lost_from is None else [lost_from])])
            to = max(0, min(held.to, first - 1))
            self.catalog.set_setting(SPARSE_SEGMENTS, replace(held, to=to, segments=kept).as_setting())

    def drop_sparse(self) -> None:
        """Inside a commit: takes all sparse vectors out of the index."""
        held = SparseSegments()
        with suppress(IndexDamagedError):  # of a setting that is none, nothing is kept
            held = SparseSegments.of(self.catalog)
        self.catalog.set_setting(SPARSE_SEGMENTS, SparseSegments(next=held.next).as_setting())

    def new_name(self, kind: str) -> str:
        """A name no segment had since this writer began, nor has in the catalog."""
        row = self.catalog.connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'segments'").fetchone()
        number = (row[0] if row else 0) + 1
        while (name := f"{kind}-{number:06}") in self._names:
            number += 1
        self._names.add(name)
        return name
