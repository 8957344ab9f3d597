"""Changes of an index in PostgreSQL, as `protocol.Transaction`.

A transaction here notes what is asked of it, and does it at its end, in one transaction of the database: the index is
locked for as long as that takes, not for as long as files are read. So it can be done again where the connection is
lost. Only where its changes are looked at before its end, it is begun earlier.
"""

import contextlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from semsearch import settings
from semsearch.embedding.embedder import Vectors
from semsearch.embedding.model_info import ModelInfo
from semsearch.errors import DatabaseError, IndexDamagedError, LockedError, SemsearchError
from semsearch.lexical import postings
from semsearch.sources.document import storable
from semsearch.sources.stamps import Stamp
from semsearch.store.postgres import engine_writing
from semsearch.store.postgres.connection import Connection
from semsearch.store.postgres.errors import ConnectionLostError
from semsearch.store.postgres.packed_postings import MOST_IDS, checksum, packed
from semsearch.store.postgres.packed_vectors import rows_to_copy
from semsearch.store.postgres.rows import without_nuls
from semsearch.store.postgres.snapshot import DatabaseSnapshot
from semsearch.store.postgres.spool import Spool
from semsearch.store.postgres.state import ELSEWHERE, set_setting
from semsearch.store.protocol import AnalysedPart, AnalysedParts
from semsearch.store.recorded_info import as_values
from semsearch.store.records import DocumentPart, DocumentProperties, FileRecord, IndexInfo, RunRecord, joined_reasons

if TYPE_CHECKING:
    from semsearch.chunking.chunk import Chunk

# Chunks of one segment, at the most.
_SEGMENT_CHUNKS = 8192
_KEPT_RUNS = 1000
_FILES = (
    ("id", "int8"), ("root_id", "int4"), ("path", "bytea"), ("status", "text"), ("reason", "text"), ("size", "int8"),
    ("mtime_ns", "int8"), ("inode", "int8"), ("scanned_ns", "int8"), ("generation", "int8"), ("hash", "bytea"),
    ("type", "text"), ("title", "text"), ("language", "text"), ("metadata", "text"), ("date", "float8"),
    ("first_chunk", "int8"), ("chunk_count", "int8"),
)  # fmt: skip
_CHUNKS = (
    ("id", "int8"), ("file_id", "int8"), ("hash", "bytea"), ("text", "text"), ("nuls", "int4[]"), ("heading", "text"),
    ("page", "int4"), ("line_start", "int8"), ("line_end", "int8"), ("line_breaks", "text"), ("tokens", "int4"),
    ("terms", "int4"),
)  # fmt: skip
_PARTS = (
    ("file_id", "int8"), ("first_chunk", "int8"), ("chunk_count", "int8"), ("title", "text"), ("metadata", "text"),
    ("date", "float8"), ("language", "text"),
)  # fmt: skip
_QUEUE = (("chunk_id", "int8"), ("tokens", "int4"))
_POSTINGS = (("segment_id", "int8"), ("term", "bytea"), ("held", "bytea"), ("data", "bytea"))
_COUNTERS = (
    "next_chunk", "next_file", "next_segment", "chunks", "terms", "indexed", "skipped", "failed",
)  # fmt: skip


@dataclass(frozen=True)
class Seen:
    """What a run has seen of an index: what others change meanwhile is not overwritten, nor taken out.

    `values`: the settings as JSON text; `roots`: the ids of the folders.
    """

    values: Mapping[str, str]
    roots: frozenset[int]

    @staticmethod
    def of(info: IndexInfo) -> "Seen":
        """What a run knows that records `info`."""
        return Seen(_texts(info), frozenset(root.id for root in info.roots))

    def is_changed(self, name: str, text: str) -> bool:
        """Whether `text` is another value of the setting `name`."""
        return not _is_same(self.values.get(name), text)


@dataclass(frozen=True)
class _Kept:
    """The chunks of one file: `parts`, which may be gone through again, with how many `chunks` they have."""

    parts: Sequence[AnalysedPart] | Spool
    chunks: int
    reasons: Sequence[str]

    @staticmethod
    def of(parts: AnalysedParts) -> "_Kept":
        if isinstance(parts, Sequence):
            return _Kept(parts, sum(len(part.chunks) for part in parts), [part.reason for part in parts])
        spool = Spool(parts)
        return _Kept(spool, spool.chunks, spool.reasons)


class DatabaseTransaction:
    """Changes that the run `writer` makes through `connection`.

    `seen`: what the run has seen when what it changes was decided, and after `update` what it then knows; None: it has
    not looked. `alone`: no other run writes the index. `left`: the URL of the collection that is to go once the
    transaction is committed, as its vectors were taken elsewhere.
    """

    def __init__(self, connection: Connection, writer: int, seen: Seen | None, alone: bool = False) -> None:
        self._connection = connection
        self._writer = writer
        self._alone = alone
        self.seen = seen
        self.left: str | None = None
        self._changes: list[Callable[[Work], object]] = []
        self._spools: list[Spool] = []
        self._work: Work | None = None
        # Of the last attempt to commit; 0: none got so far.
        self.number = 0

    # -- what is asked -------------------------------------------------------------------------------------------

    def ask(self, change: Callable[["Work"], object]) -> None:
        """Does `change`, too."""
        self._changes.append(change)

    def update(self, info: IndexInfo) -> None:
        seen, self.seen = self.seen, Seen.of(info)
        self._changes.append(lambda work: work.update(info, seen))

    def put_file(self, file: FileRecord, parts: AnalysedParts, first_chunk: int | None = None) -> int:
        kept = _Kept.of(parts)
        if isinstance(kept.parts, Spool):
            self._spools.append(kept.parts)
        told = replace(file, reason=storable(joined_reasons([file.reason, *kept.reasons])))
        self._changes.append(lambda work: work.put_file(told, kept, first_chunk))
        return kept.chunks

    def delete_files(self, ids: Sequence[int]) -> int:
        if not ids:
            return 0
        wanted = list(ids)
        if self._work is not None:
            self.flush()
        found: dict[int, int] = dict(
            self._connection.rows(
                "SELECT file_id, count(*) FROM {s}.chunks WHERE file_id = ANY(%s::bigint[]) GROUP BY file_id"
                " UNION ALL SELECT id, 0 FROM {s}.files WHERE id = ANY(%s::bigint[]) ORDER BY 2",
                (wanted, wanted),
            )
        )
        for number in wanted:
            if number not in found:
                raise IndexDamagedError(f"{self._connection.location}: file {number} is not there")
        self._changes.append(lambda work: work.delete_files(wanted))
        return sum(found.values())

    def give_up_to(self, chunk_id: int) -> None:
        self._changes.append(lambda work: work.give_up_to(chunk_id))

    def rename(self, file_id: int, root_id: int, path: bytes, stamp: Stamp, scanned_ns: int) -> None:
        self._changes.append(lambda work: work.rename(file_id, root_id, path, stamp, scanned_ns))

    def put_vectors(self, ids: NDArray[np.int64], vectors: Vectors, model: ModelInfo) -> None:
        self._changes.append(lambda work: work.put_vectors(ids, vectors, model))

    def drop_vectors(self) -> None:
        self._changes.append(lambda work: work.drop_vectors())

    def drop_damaged(self) -> None:
        pass  # every file is read again, and all that is held of it made anew

    def replace_passages(self, changed: "Sequence[tuple[int, Chunk, list[str]]]") -> list[int]:
        return self.flush().replace_passages(changed)

    def record_run(self, run: RunRecord) -> None:
        self._changes.append(lambda work: work.record_run(run))

    # -- doing it ------------------------------------------------------------------------------------------------

    @property
    def is_open(self) -> bool:
        """Whether the transaction of the database was begun."""
        return self._work is not None

    def flush(self) -> "Work":
        """Does what was asked so far, in the transaction of the database, which is begun."""
        if self._work is None:
            self._work = Work(self._connection, self._writer, self._alone)
        while self._changes:
            self._changes.pop(0)(self._work)
        self._work.flush()
        return self._work

    def commit(self) -> None:
        """Ends the transaction that `flush` began."""
        work = self.flush()
        self.left = work.left
        work.commit()
        self._work = None

    def attempt(self) -> None:
        """Does all that was asked, and commits it; may be called again where that raises."""
        work = Work(self._connection, self._writer, self._alone)
        if self.number and work.number != self.number:  # the last attempt was committed, and only its answer lost
            work.roll_back()
            return
        self.number = work.number
        try:
            for change in self._changes:
                change(work)
            work.flush()
            self.left = work.left
            work.commit()
        except BaseException:
            work.roll_back()
            raise

    def roll_back(self) -> None:
        """Does nothing of what was asked."""
        if self._work is not None:
            self._work.roll_back()
            self._work = None

    def close(self) -> None:
        """Lets go of what was kept."""
        for spool in self._spools:
            spool.close()


class Work:
    """An open transaction of the database, in which changes are made. `number`: that of the commit, for its run;
    `alone`, `left`: as in `DatabaseTransaction`."""

    def __init__(self, connection: Connection, writer: int, alone: bool = False) -> None:
        self._connection = connection
        self._writer = writer
        self._alone = alone
        self.left: str | None = None
        self._counters: dict[str, int] | None = None
        self._files: list[tuple[Any, ...]] = []
        self._parts: list[tuple[Any, ...]] = []
        self._chunks: list[tuple[Any, ...]] = []
        self._terms: list[list[str]] = []
        self._languages: set[str] = set()
        connection.script(connection.writing())
        row = connection.row(
            "UPDATE {s}.writers SET commits = commits + 1, seen = clock_timestamp() WHERE id = %s RETURNING commits",
            (writer,),
        )
        if row is None:
            self.roll_back()
            raise LockedError(
                f"another run has taken over the folders of this one in {connection.location}", "run it again"
            )
        self.number = int(row[0])

    def commit(self) -> None:
        if self._counters is not None:
            values = ", ".join(f"{name} = %s" for name in _COUNTERS)
            self._connection.execute(f"UPDATE {{s}}.state SET {values}", list(self._counters.values()))
        self._connection.script("COMMIT")

    def roll_back(self) -> None:
        with contextlib.suppress(ConnectionLostError):  # then there is nothing to be undone
            if not self._connection.is_lost:
                self._connection.script("ROLLBACK")

    @property
    def counters(self) -> dict[str, int]:
        """The numbers of the table `state`, from the first look at them on those of this transaction alone: commits
        that give out ids come one after the other, so that a later one has higher ids."""
        if self._counters is None:
            row = self._connection.row(f"SELECT {', '.join(_COUNTERS)} FROM {{s}}.state FOR UPDATE")
            if row is None:
                raise IndexDamagedError(f"{self._connection.location}: the table state is empty")
            self._counters = dict(zip(_COUNTERS, row, strict=True))
        return self._counters

    # -- settings and folders ------------------------------------------------------------------------------------

    def update(self, info: IndexInfo, seen: Seen | None) -> None:
        """`protocol.Transaction.update`. Raises `SemsearchError` where another run changed the same meanwhile."""
        _ = self.counters  # one after the other
        texts = _texts(info)
        stored = self._stored()
        if not _is_same(stored.get("vectors_at"), texts["vectors_at"]):
            engine_writing.lock_place(self._connection)
            stored = self._stored()
        moves = False
        for name, text in texts.items():
            if _is_same(stored.get(name), text) or (seen is not None and not seen.is_changed(name, text)):
                continue
            if seen is not None and name in stored and seen.is_changed(name, stored[name]):
                self._refuse(f"the settings of {self._connection.location} meanwhile: {name}")
            if name == "vectors_at":
                moves = not engine_writing.spell_again(self._connection, stored.get(name, "null"), info.vectors_at)
            else:
                self._set(name, text)
        self._update_roots(info, None if seen is None else seen.roots)
        if moves:
            if not self._alone and not _is_same(stored.get("model"), "null"):
                self._refuse(f"the vectors of {self._connection.location} meanwhile")
            self.left = engine_writing.move(self._connection, info.vectors_at)

    def _stored(self) -> dict[str, str]:
        """The settings as JSON text."""
        return dict(self._connection.rows("SELECT name, value FROM {s}.settings"))

    def _refuse(self, what: str) -> NoReturn:
        raise SemsearchError(f"another run changed {what}", "run the same command again", code="changed_meanwhile")

    def _set(self, name: str, text: str) -> None:
        set_setting(self._connection, name, text)

    def _update_roots(self, info: IndexInfo, seen: frozenset[int] | None) -> None:
        host = settings.host_name()
        rows = self._connection.rows("SELECT id, host, path, label FROM {s}.roots")
        known = {row[0] for row in rows}
        labels = {row[3] for row in rows}
        kept = {root.id for root in info.roots}
        # Other machines look after their own, and so do other runs that began later on this one.
        gone = [row[0] for row in rows if row[1] in ("", host) and row[0] not in kept]
        gone = gone if seen is None else [number for number in gone if number in seen]
        self._connection.execute("DELETE FROM {s}.roots WHERE id = ANY(%s::int[])", (gone,))
        for root in info.roots:
            if root.id not in known:
                label, number = root.label, 2
                while label in labels:
                    label, number = f"{root.label}-{number}", number + 1
                labels.add(label)
                self._connection.execute(
                    "INSERT INTO {s}.roots (id, host, path, label) VALUES (%s, %s, %s, %s)",
                    (root.id, root.host, os.fsencode(root.path), label),
                )
        total = len(known) - len(gone) + sum(root.id not in known for root in info.roots)
        if known and (len(known) > 1) != (total > 1):  # with or without the names of folders, paths are shown otherwise
            self._connection.execute(
                f"INSERT INTO {{s}}.vectors_untold (chunk_id) SELECT id FROM {{s}}.chunks WHERE {ELSEWHERE}"
            )
        highest = max((root.id for root in info.roots), default=0)
        self._connection.execute("UPDATE {s}.state SET next_root = greatest(next_root, %s)", (highest + 1,))
        self._connection.execute(
            "UPDATE {s}.roots SET readers = %s WHERE host IN ('', %s) AND id = ANY(%s::int[])",
            (info.readers, host, sorted(kept)),
        )

    def record_run(self, run: RunRecord) -> None:
        self._connection.execute(
            "INSERT INTO {s}.runs (host, started, seconds, report) VALUES (%s, %s, %s, %s)",
            (settings.host_name(), run.started, run.seconds, json.dumps(dict(run.report))),
        )
        self._connection.execute(f"DELETE FROM {{s}}.runs WHERE id <= (SELECT max(id) FROM {{s}}.runs) - {_KEPT_RUNS}")

    # -- files ---------------------------------------------------------------------------------------------------

    def put_file(self, file: FileRecord, kept: _Kept, first_chunk: int | None) -> None:
        counters = self.counters
        if first_chunk is not None and first_chunk != counters["next_chunk"]:
            self.flush()  # the chunks of a segment follow one another
            counters["next_chunk"] = first_chunk
        first, file_id = counters["next_chunk"], counters["next_file"]
        if first + kept.chunks > MOST_IDS:
            raise DatabaseError(f"{self._connection.location} has no more chunk ids to give", "index into a new schema")
        counters["next_file"] += 1
        counters[file.status] += 1
        self._files.append((
            file_id, file.root_id, file.path, file.status, _text(file.reason), file.size, file.mtime_ns, file.inode,
            file.scanned_ns, file.generation, file.content_hash, _text(file.type), _text(file.title),
            _text(file.language), json.dumps(dict(file.metadata)), file.date,
            first if file.status == "indexed" else 0, kept.chunks,
        ))  # fmt: skip
        document, begin = None, first  # what the chunks from `begin` on are of
        for part in kept.parts:
            if part.document is not None:
                self._put_document(document, file_id, begin)
                document, begin = part.document, counters["next_chunk"]
            self._put_chunks(part, file_id)
            if len(self._chunks) >= _SEGMENT_CHUNKS:
                self.flush()
        self._put_document(document, file_id, begin)

    def _put_document(self, document: DocumentProperties | None, file_id: int, first: int) -> None:
        """Says that the chunks from `first` on are those of `document`, where there are any."""
        count = self.counters["next_chunk"] - first
        if document is not None and count:
            metadata = json.dumps(dict(document.metadata))
            self._parts.append(
                (file_id, first, count, _text(document.title), metadata, document.date, _text(document.language))
            )

    def _put_chunks(self, part: AnalysedPart, file_id: int) -> None:
        number = self.counters["next_chunk"]
        for chunk in part.chunks:
            text, nuls = without_nuls(storable(chunk.text))
            breaks = json.dumps([one for pair in chunk.line_breaks for one in pair]) if chunk.line_breaks else None
            self._chunks.append((
                number, file_id, chunk.hash(), text, nuls, json.dumps(chunk.heading), chunk.page, chunk.line_start,
                chunk.line_end, breaks, chunk.tokens,
            ))  # fmt: skip
            number += 1
        self.counters["next_chunk"] = number
        self._terms += part.terms
        if part.chunks:
            self._languages.add(part.language)

    def flush(self) -> None:
        """Writes the rows that were collected."""
        if self._files:
            self._connection.copy("files", _FILES, iter(self._files))
            self._files = []
        if self._parts:
            self._connection.copy("parts", _PARTS, iter(self._parts))
            self._parts = []
        if not self._chunks:
            return
        counters, rows = self.counters, self._chunks
        built = postings.build([row[0] for row in rows], self._terms, tuple(sorted(self._languages)))
        lengths = built.lengths.tolist()
        self._connection.copy("chunks", _CHUNKS, ((*row, length) for row, length in zip(rows, lengths, strict=True)))
        self._connection.copy("encode_queue", _QUEUE, ((row[0], row[10]) for row in rows))
        add_segment(self._connection, counters["next_segment"], built)
        counters["next_segment"] += 1
        counters["chunks"] += len(rows)
        counters["terms"] += sum(lengths)
        self._chunks, self._terms, self._languages = [], [], set()

    def delete_files(self, ids: Sequence[int]) -> None:
        self.flush()  # what was put in this transaction can be deleted, too
        counters = self.counters
        for (status,) in self._connection.rows(
            "DELETE FROM {s}.files WHERE id = ANY(%s::bigint[]) RETURNING status", (list(ids),)
        ):
            counters[status] -= 1
        self._connection.execute("DELETE FROM {s}.parts WHERE file_id = ANY(%s::bigint[])", (list(ids),))
        self._delete_chunks("file_id", ids)

    def _delete_chunks(self, column: str, values: Sequence[int]) -> int:
        """Deletes the chunks with one of `values` in `column`; their vectors serve until nothing is pending."""
        # Another run may be about to commit vectors of them: the next statement sees those.
        self._connection.rows(
            "SELECT FROM {s}.encode_queue WHERE chunk_id IN"
            f" (SELECT id FROM {{s}}.chunks WHERE {column} = ANY(%s::bigint[])) FOR UPDATE",
            (list(values),),
        )
        gone = self._connection.rows(
            f"WITH gone AS (DELETE FROM {{s}}.chunks WHERE {column} = ANY(%s::bigint[]) RETURNING id, hash, terms),"
            " freed AS (DELETE FROM {s}.vectors USING gone WHERE chunk_id = id RETURNING hash, embedding),"
            " kept AS (INSERT INTO {s}.kept_vectors SELECT DISTINCT ON (hash) hash, embedding FROM freed"
            " ON CONFLICT DO NOTHING),"
            " untold AS (INSERT INTO {s}.vectors_untold (chunk_id, hash) SELECT id, CASE WHEN NOT EXISTS"
            " (SELECT FROM {s}.encode_queue AS queue WHERE queue.chunk_id = gone.id) THEN hash END"
            f" FROM gone WHERE {ELSEWHERE}),"
            " unqueued AS (DELETE FROM {s}.encode_queue USING gone WHERE chunk_id = id)"
            " SELECT id, terms FROM gone ORDER BY id",
            (list(values),),
        )
        self.counters["chunks"] -= len(gone)
        self.counters["terms"] -= sum(row[1] for row in gone)
        dead = np.array([row[0] for row in gone], np.int64)
        segments = self._connection.rows("SELECT id, first_id, last_id FROM {s}.segments") if len(dead) else []
        for number, first_id, last_id in segments:
            low, high = np.searchsorted(dead, [first_id, last_id + 1])
            if high > low:
                self._connection.execute(
                    "UPDATE {s}.segments SET dead = dead || %s WHERE id = %s",
                    (dead[low:high].astype("<u4").tobytes(), number),
                )
        return len(gone)

    def give_up_to(self, chunk_id: int) -> None:
        self.flush()
        self.counters["next_chunk"] = max(self.counters["next_chunk"], chunk_id + 1)

    def rename(self, file_id: int, root_id: int, path: bytes, stamp: Stamp, scanned_ns: int) -> None:
        self.flush()
        self._connection.execute(
            "WITH untold AS (INSERT INTO {s}.vectors_untold (chunk_id) SELECT chunks.id FROM {s}.chunks"
            " JOIN {s}.files ON files.id = file_id WHERE file_id = %s"
            f" AND (root_id, path, mtime_ns) IS DISTINCT FROM (%s, %s::bytea, %s) AND {ELSEWHERE})"
            " UPDATE {s}.files SET root_id = %s, path = %s, size = %s, mtime_ns = %s, inode = %s, scanned_ns = %s"
            " WHERE id = %s",
            (file_id, root_id, path, stamp[1], root_id, path, *stamp, scanned_ns, file_id),
        )

    def replace_passages(self, changed: "Sequence[tuple[int, Chunk, list[str]]]") -> list[int]:
        replaced = DatabaseSnapshot(self._connection).passages([number for number, _, _ in changed])
        first = self.counters["next_chunk"]
        for old, (_, chunk, terms) in zip(replaced, changed, strict=True):
            self._put_chunks(DocumentPart([chunk], [terms], old.file.language), old.file.id)
        self.flush()
        self._delete_chunks("id", [number for number, _, _ in changed])
        return list(range(first, first + len(changed)))

    # -- vectors -------------------------------------------------------------------------------------------------

    def put_vectors(self, ids: NDArray[np.int64], vectors: Vectors, model: ModelInfo) -> None:
        """`protocol.Transaction.put_vectors`: those that the queue still has. Of two runs that have encoded a chunk,
        the first to commit takes it out of the queue, whoever has claimed it."""
        self.flush()
        url, is_first = self._begin_vectors(model)
        wanted = self._connection.rows(
            "DELETE FROM {s}.encode_queue WHERE chunk_id = ANY(%s::bigint[]) RETURNING chunk_id", (ids.tolist(),)
        )
        kept = np.isin(ids, [row[0] for row in wanted])
        if url is not None:
            engine_writing.put(self._connection, url, ids[kept], vectors[kept], model, is_first)
            # An earlier attempt of this run may have put those that others have encoded or deleted meanwhile.
            self._connection.execute(
                "INSERT INTO {s}.vectors_untold (chunk_id) SELECT unnest(%s::bigint[])", (ids[~kept].tolist(),)
            )
        elif kept.any():
            data = rows_to_copy(ids[kept], vectors[kept])
            self._connection.copy_bytes("vectors", ("chunk_id", "embedding"), data)

    def _begin_vectors(self, model: ModelInfo) -> tuple[str | None, bool]:
        """(where vectors of `model` are to be put, whether they are the first ones), which stays so until the end.

        Raises `SemsearchError` where those that there are were made by another model.
        """
        place_and_model = (
            "SELECT name, value FROM {s}.settings WHERE name = 'vectors_at' OR (name = 'model' AND value <> 'null')"
            " FOR SHARE"
        )
        stored: dict[str, str] = dict(self._connection.rows(place_and_model))
        if "vectors_at" not in stored:  # a row that is not there cannot be locked
            self._connection.execute("INSERT INTO {s}.settings VALUES ('vectors_at', 'null') ON CONFLICT DO NOTHING")
            stored = dict(self._connection.rows(place_and_model))
        is_first = False
        if "model" not in stored:
            # Of several that are to be the first, all but one wait here.
            self._connection.execute("INSERT INTO {s}.settings VALUES ('model', 'null') ON CONFLICT DO NOTHING")
            row = self._connection.row("SELECT value FROM {s}.settings WHERE name = 'model' FOR UPDATE")
            assert row is not None
            is_first = row[0] == "null"
            stored["model"] = json.dumps(model.as_dict()) if is_first else row[0]
            if is_first:
                self._set("model", stored["model"])
        # Changed nowhere else without the vectors being dropped, so that those of two models never meet.
        if json.loads(stored["model"])["fingerprint"] != model.fingerprint:
            self._refuse(f"the model of {self._connection.location} meanwhile")
        return engine_writing.decoded_place(self._connection, stored["vectors_at"]), is_first

    def drop_vectors(self) -> None:
        self.flush()
        for statement in (
            "DROP INDEX IF EXISTS {s}.vectors_hnsw",  # it has the length of the vectors
            "DELETE FROM {s}.vectors",
            "DELETE FROM {s}.kept_vectors",
            "DELETE FROM {s}.vectors_untold",
            "DELETE FROM {s}.encode_queue",
            "INSERT INTO {s}.encode_queue (chunk_id, tokens) SELECT id, tokens FROM {s}.chunks",
            "UPDATE {s}.settings SET value = 'null' WHERE name IN ('model', 'adapter', 'fusion')",
        ):
            self._connection.execute(statement)


def add_segment(connection: Connection, number: int, built: postings.Postings) -> None:
    """Writes `built` as segment `number`."""
    total = copy_postings(connection, number, built)
    insert_segment(connection, number, built.ids, built.languages, total)


def copy_postings(connection: Connection, number: int, built: postings.Postings) -> int:
    """Writes the postings of segment `number`; returns their checksum."""
    total = 0

    def rows() -> Iterator[tuple[int, bytes, bytes | None, bytes]]:
        nonlocal total
        for term, held, data in packed(built):
            total = (total + checksum(term, held, data)) % 2**62
            yield number, term, held, data

    connection.copy("postings", _POSTINGS, rows())
    return total


def insert_segment(
    connection: Connection,
    number: int,
    ids: NDArray[np.int64],
    languages: Sequence[str],
    checksum: int,
    dead: bytes = b"",
) -> None:
    """Makes the postings of segment `number`, which name the chunks `ids` (n,), rising, part of the index; `dead`:
    those of them that are deleted already (`segments.dead`)."""
    connection.execute(
        "INSERT INTO {s}.segments (id, first_id, last_id, chunks, dead, checksum, languages)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s::text[])",
        (number, int(ids[0]), int(ids[-1]), len(ids), dead, checksum, list(languages)),
    )


def _texts(info: IndexInfo) -> dict[str, str]:
    """The settings in `info` as JSON text; each machine has `readers` of its own."""
    values = as_values(info)
    del values["readers"]
    return {name: json.dumps(value, ensure_ascii=True) for name, value in values.items()}


def _is_same(text: str | None, other: str) -> bool:
    """Whether two settings are equal; one that is not there is null."""
    return bool(json.loads(text or "null") == json.loads(other))


def _text(text: str) -> str:
    """`text` without NUL characters, which PostgreSQL cannot hold, and unpaired surrogates."""
    return storable(text).replace("\0", "\ufffd")
