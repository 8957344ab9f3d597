"""One committed state of an index in PostgreSQL, as `protocol.Snapshot`."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import partial
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semsearch.chunking.chunk import encoded
from semsearch.embedding.embedder import Vectors
from semsearch.embedding.late_interaction import TokenModel
from semsearch.errors import IndexDamagedError
from semsearch.lexical.document_terms import DocumentTerms
from semsearch.lexical.postings import Postings, build
from semsearch.lexical.query_word import Word
from semsearch.sources.stamps import Stamp
from semsearch.store.allowed import Allowed, ChunkSelection, Ids, allowed_by, ranges_after
from semsearch.store.filtering import FileRow, matching_files
from semsearch.store.postgres import rows
from semsearch.store.postgres.connection import Connection, Row
from semsearch.store.postgres.engine_search import COUNTED, EngineSearch
from semsearch.store.postgres.packed_postings import stored_term
from semsearch.store.postgres.search import DatabaseSearch, Question
from semsearch.store.postgres.state import STATE, State
from semsearch.store.protocol import Selection, Snapshot
from semsearch.store.records import (
    DEFAULT_VECTORS,
    Counts,
    DocumentName,
    FileRecord,
    Filters,
    IndexInfo,
    Passage,
    Position,
    Ranking,
    RunRecord,
    Scores,
    StorageInfo,
)

# Rows that are read at once where all of a table are gone through.
_AT_ONCE = 2_000
# Whether a run holds the lock of its row in `writers`; a replica cannot tell. The key of an advisory lock is shown in
# two halves (postgresql.org/docs/current/view-pg-locks).
_GOES_ON = (
    "(pg_is_in_recovery() OR EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    " AND classid::bigint = lock_key >> 32 AND objid::bigint = (lock_key & 4294967295)))"
)
_FILTERED = (
    "SELECT root_id, path, type, title, language, metadata, coalesce(date, mtime_ns / 1e9)::float8, first_chunk,"
    " chunk_count FROM {s}.files WHERE status = 'indexed' AND NOT EXISTS (SELECT FROM {s}.parts WHERE file_id = id)"
    " UNION ALL SELECT files.root_id, files.path, files.type, parts.title, parts.language, parts.metadata,"
    " coalesce(parts.date, files.date, files.mtime_ns / 1e9)::float8, parts.first_chunk, parts.chunk_count"
    " FROM {s}.parts JOIN {s}.files ON files.id = parts.file_id WHERE files.status = 'indexed' ORDER BY first_chunk"
)


class DatabaseSnapshot:
    """The state of the index that `connection` sees; the `state`, where it was read already, is of the same moment."""

    def __init__(self, connection: Connection, state: State | None = None) -> None:
        self.connection = connection
        self.location = connection.location
        self._state = state
        self._search: DatabaseSearch | None = None
        # Chunk -> what was read of it while candidates were scored.
        self._passages_read: dict[int, Passage] = {}
        self._names_read: dict[int, DocumentName] = {}

    @property
    def state(self) -> State:
        """Counters, settings, roots and segments."""
        if self._state is None:
            self._state = State.of(self.location, self.connection.script(STATE))
        return self._state

    @property
    def search(self) -> DatabaseSearch:
        """What searches this state."""
        if self._search is None:
            kind = DatabaseSearch if self.info().vectors_at is None else EngineSearch
            self._search = kind(self.connection, self.state, self._about_candidates)
        return self._search

    def _rows(self, query: str, parameters: Sequence[object] = ()) -> list[Row]:
        return self.connection.rows(query, parameters)

    # -- about the index -----------------------------------------------------------------------------------------

    def info(self) -> IndexInfo:
        return self.state.info

    def counts(self) -> Counts:
        return self.state.counts

    def position(self) -> Position:
        last, pending = self.state.last_chunk, self.state.first_pending
        # A chunk counts as new until it can be found by its meaning, too; before any can, by its words.
        if pending is not None and self.info().model is not None:
            last = min(last, pending - 1)
        return Position(last, self.info().generation)

    def last_given(self) -> int:
        return self.state.last_chunk

    def languages(self) -> frozenset[str]:
        return frozenset(code for one in self.state.segments for code in one.languages)

    def storage(self) -> StorageInfo:
        size, vectors = self._rows(
            "SELECT (SELECT sum(pg_total_relation_size(pg_class.oid)) FROM pg_class WHERE relkind = 'r'"
            " AND relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = '{s}.state'::regclass))::bigint,"
            " (SELECT count(*) FROM pg_indexes WHERE indexname = 'vectors_hnsw' AND"
            " schemaname = (SELECT nspname FROM pg_namespace JOIN pg_class ON relnamespace = pg_namespace.oid"
            " WHERE pg_class.oid = '{s}.state'::regclass))"
        )[0]
        ann = {"ann": "hnsw" if vectors else "auto"}
        held = self.info().model is not None and self.info().vectors_at is None
        return StorageInfo(
            segments={"lex": len(self.state.segments), "vec": int(held)},
            size=size or 0,
            checked=max(self.state.checked.values(), default=0.0),
            vectors={**DEFAULT_VECTORS, **ann},
            machines=tuple(self._machines()),
        )

    def _machines(self) -> list[dict[str, Any]]:
        """The machines that have folders in the index, or write it now."""
        found = self._rows(
            "SELECT host, pid, extract(epoch FROM started)::float8, extract(epoch FROM seen)::float8,"
            " (SELECT count(*) FROM {s}.encode_queue WHERE claimed_by = writers.id AND claimed_until > now())"
            f" FROM {{s}}.writers WHERE {_GOES_ON} ORDER BY id"
        )
        writers = rows.decoded(self.location, lambda: list(map(rows.running, found)), "a row of the table writers")
        checked: dict[str, float] = {}
        for root in self.state.roots:
            checked[root.host] = max(checked.get(root.host, 0.0), self.state.checked[root.id])
        hosts = sorted({*checked, *(row[0] for row in writers)})
        return [
            {
                "host": host,
                "folders": [root.path for root in self.state.roots if root.host == host],
                "checked": checked.get(host, 0.0),
                "runs": [
                    {"pid": pid, "started": started, "seen": seen, "encoding": claimed}
                    for name, pid, started, seen, claimed in writers
                    if name == host
                ],
            }
            for host in hosts
        ]

    def token_vectors(
        self, model: TokenModel, hashes: Collection[bytes]
    ) -> tuple[Mapping[bytes, NDArray[np.float32]], str]:
        return {}, ""

    def last_run(self) -> RunRecord | None:
        found = self._rows("SELECT started, seconds, report FROM {s}.runs ORDER BY id DESC LIMIT 1")
        if not found:
            return None
        return rows.decoded(self.location, partial(rows.run_record, found[0]), "the last run")

    # -- searching -----------------------------------------------------------------------------------------------

    def warm_up(self) -> None:
        pass  # vectors are searched by the server

    def will_ask(self, words: Sequence[Word], vector: Vectors | None, k: int) -> None:
        self.search.will_ask(words, vector, k)

    def _about_candidates(self, named: set[int], read: set[int]) -> list[Question]:
        """What asks for the names of the documents of the chunks `named`, and for the passages `read`."""

        def names(found: list[Row]) -> None:
            self._names_read.update(map(rows.document_name, found))

        def passages(found: list[Row]) -> None:
            self._passages_read.update((one.id, one) for one in rows.passages(self.location, found))

        return [
            Question(f"{query} WHERE chunks.id = ANY(%s::bigint[])", (sorted(wanted),), told)
            for query, wanted, told in ((rows.NAMES, named, names), (rows.PASSAGES, read, passages))
            if wanted
        ]

    def select(
        self, filters: Filters, prefix: str = "", within: Ids | None = None, without: Ids | None = None
    ) -> Selection | None:
        if not filters and within is None and without is None:
            return None
        if not filters:
            return ChunkSelection(Allowed(None, within, without))
        roots, decoded = {root.id for root in self.info().roots}, partial(rows.decoded, self.location)
        files = [FileRow(row, roots, decoded) for row in self._rows(_FILTERED)]
        chosen, unmatched = matching_files(files, filters, self.info().roots, prefix)
        ranges = ranges_after([row.span for row in chosen], filters.after)
        return ChunkSelection(Allowed(_joined(ranges), within, without), unmatched, not chosen)

    def holding(self, words: Sequence[Word]) -> Ids:
        return self.search.holding(words)

    def frequencies(self, words: Sequence[Word]) -> Ids:
        return self.search.scorer(words).frequencies

    def completions(self, beginnings: Sequence[str], limit: int | None) -> list[str]:
        return self.search.completions(beginnings, limit)

    def similar(self, keys: Sequence[str], distance: int, limit: int) -> list[str]:
        return self.search.similar(keys, distance, limit)

    def texts(self, ids: Ids) -> Iterator[tuple[int, str, str]]:
        for batch in _batches(ids.tolist()):
            unread = [number for number in batch if number not in self._passages_read]
            known = (self._passages_read[number] for number in batch if number in self._passages_read)
            for one in known:
                yield one.id, one.file.type, encoded(one.heading, one.text)
            if not unread:
                continue
            query = (
                "SELECT chunks.id, files.type, heading, text, nuls FROM {s}.chunks"
                " JOIN {s}.files ON files.id = file_id WHERE chunks.id = ANY(%s::bigint[])"
            )
            found = self._rows(query, (unread,))
            self._refuse_missing(unread, {row[0] for row in found})
            for row in found:
                number, kind, heading, text = rows.decoded(
                    self.location, partial(rows.encoded_row, row), "the text of a passage"
                )
                yield number, kind, encoded(heading, text)

    def names(self, ids: Ids) -> list[DocumentName]:
        wanted = ids.tolist()
        unread = [number for number in wanted if number not in self._names_read]
        if unread:
            query = rows.NAMES + " WHERE chunks.id = ANY(%s::bigint[])"
            self._names_read.update(map(rows.document_name, self._rows(query, (unread,))))
        self._refuse_missing(wanted, self._names_read)
        return [self._names_read[number] for number in wanted]

    def lexical(self, words: Sequence[Word], k: int, selection: Selection | None) -> Ranking:
        return self.search.lexical(words, k, allowed_by(selection))

    def dense(self, vector: Vectors, k: int, selection: Selection | None) -> Ranking:
        return self.search.dense(vector, k, allowed_by(selection))

    def sparse_leg(self) -> None:
        return None

    def sparse_pending(self) -> int:
        return 0

    def score(self, ids: Ids, words: Sequence[Word], vectors: Vectors | None) -> Scores:
        return self.search.score(ids, words, vectors)

    def idf(self, words: Sequence[Word]) -> NDArray[np.float32]:
        return self.search.scorer(words).idf

    def as_stored(self, vectors: Vectors) -> Vectors:
        return vectors

    def adapted(self, vector: Vectors) -> Vectors:
        return self.search.adapted(vector)

    def postings(self) -> Iterator[Postings]:
        # Segments do not know of chunks without a term.
        bare = self._rows("SELECT id FROM {s}.chunks WHERE terms = 0 ORDER BY id")
        if bare:
            yield build([row[0] for row in bare], [[] for _ in bare], ())
        for one in self.state.segments:
            yield self.search.postings_of(one, self._long_term)

    def _long_term(self, stored: bytes, chunk: int) -> bytes:
        """The term that `chunk` has and the table holds as `stored`, a hash of it, in UTF-8."""
        (passage,) = self.passages([chunk])
        for term in DocumentTerms.of_indexed(passage.file).of(passage.heading, passage.text, passage.is_first):
            if stored_term(term) == stored:
                return term.encode("utf-8", "surrogatepass")
        raise IndexDamagedError(
            f"{self.location}: a term of chunk {chunk} cannot be made from its text", "look with: semsearch verify"
        )

    # -- chunks --------------------------------------------------------------------------------------------------

    def passages(self, ids: Sequence[int]) -> list[Passage]:
        wanted = [int(number) for number in ids]
        found = {number: self._passages_read[number] for number in wanted if number in self._passages_read}
        for batch in _batches([number for number in wanted if number not in found]):
            query = rows.PASSAGES + " WHERE chunks.id = ANY(%s::bigint[])"
            found.update((one.id, one) for one in self._passages(query, (batch,)))
        self._refuse_missing(wanted, found)
        return [found[number] for number in wanted]

    def neighbours(self, chunk_id: int, count: int) -> list[Passage]:
        query = rows.PASSAGES + (
            " WHERE chunks.id BETWEEN %s AND %s"
            " AND chunks.file_id = (SELECT file_id FROM {s}.chunks WHERE id = %s) ORDER BY chunks.id"
        )
        return self._passages(query, (chunk_id - count, chunk_id + count, chunk_id))

    def passages_of(self, file_id: int) -> list[Passage]:
        return self._passages(rows.PASSAGES + " WHERE chunks.file_id = %s ORDER BY chunks.id", (file_id,))

    def file_ids(self, ids: Ids) -> Ids:
        wanted = ids.tolist()
        query = "SELECT id, file_id FROM {s}.chunks WHERE id = ANY(%s::bigint[])"
        by_id: dict[int, int] = dict(self._rows(query, (wanted,)))
        self._refuse_missing(wanted, by_id)
        return np.array([by_id[number] for number in wanted], np.int64)

    def shuffled(self, chance: Random) -> Iterator[Passage]:
        ids = self.encoded_ids()
        numbers = (ids if len(ids) else self.holding(())).tolist()
        chance.shuffle(numbers)
        for start in range(0, len(numbers), 64):
            yield from self.passages(numbers[start : start + 64])

    def _passages(self, query: str, parameters: Sequence[object]) -> list[Passage]:
        return rows.passages(self.location, self._rows(query, parameters))

    def _refuse_missing(self, wanted: Sequence[int], found: Collection[int]) -> None:
        for number in wanted:
            if number not in found:
                raise IndexDamagedError(f"{self.location}: chunk {number} is not there", "look with: semsearch verify")

    # -- files ---------------------------------------------------------------------------------------------------

    def files(self, root_id: int | None = None) -> Iterator[FileRecord]:
        where, parameters = ("", ()) if root_id is None else (" WHERE root_id = %s", (root_id,))
        return (rows.file_record(self.location, row) for row in self._rows(rows.FILES + where, parameters))

    def file(self, root_id: int, path: bytes) -> FileRecord | None:
        found = self._rows(rows.FILES + " WHERE root_id = %s AND path = %s", (root_id, path))
        return rows.file_record(self.location, found[0]) if found else None

    def stamps(self, root_id: int, generation: int, racy_ns: int) -> dict[bytes, Stamp]:
        query = (
            "SELECT path, size, mtime_ns, inode FROM {s}.files"
            " WHERE root_id = %s AND generation = %s AND mtime_ns < scanned_ns - %s"
        )
        found = self._rows(query, (root_id, generation, racy_ns))
        return {bytes(path): (size, mtime_ns, inode) for path, size, mtime_ns, inode in found}

    def left_out(self, root_id: int) -> dict[bytes, tuple[str, str]]:
        query = "SELECT path, status, reason FROM {s}.files WHERE root_id = %s AND status <> 'indexed'"
        return {bytes(path): (status, reason) for path, status, reason in self._rows(query, (root_id,))}

    def paths(self, root_id: int) -> set[bytes]:
        return {bytes(row[0]) for row in self._rows("SELECT path FROM {s}.files WHERE root_id = %s", (root_id,))}

    # -- vectors -------------------------------------------------------------------------------------------------

    def encoded_ids(self) -> Ids:
        return self.search.encoded_ids()

    def vectors(self, ids: Ids) -> Vectors:
        return self.search.vectors(ids)

    def keeps_model_vectors(self) -> bool:
        return True

    def pending(self, limit: int) -> list[Passage]:
        queue = self._rows("SELECT chunk_id FROM {s}.encode_queue ORDER BY chunk_id LIMIT %s", (limit,))
        return self.passages([row[0] for row in queue])

    def pending_tokens(self) -> int:
        return int(self._rows("SELECT coalesce(sum(tokens), 0)::bigint FROM {s}.encode_queue")[0][0])

    def encoded_hashes(self, hashes: Collection[bytes]) -> set[bytes]:
        if self.info().vectors_at is not None:
            return set(encoded_chunks(self.connection, hashes))
        return {digest for digest, _ in encoded_rows(self.connection, hashes, "NULL")}


def encoded_rows(connection: Connection, hashes: Collection[bytes], value: str) -> list[tuple[bytes, Any]]:
    """(hash, `value`) of each of `hashes` for which a vector is kept, of a deleted chunk or of one that is there;
    `value`: an expression on the column `embedding`."""
    query = (
        f"SELECT DISTINCT ON (hash) hash, {value} FROM {{s}}.chunks JOIN {{s}}.vectors ON chunk_id = id"
        " WHERE hash = ANY(%s::bytea[])"
        f" UNION ALL SELECT hash, {value} FROM {{s}}.kept_vectors WHERE hash = ANY(%s::bytea[])"
    )
    wanted = list(hashes)
    return [(bytes(row[0]), row[1]) for row in connection.rows(query, (wanted, wanted))] if wanted else []


def encoded_chunks(connection: Connection, hashes: Collection[bytes]) -> dict[bytes, int]:
    """Hash -> a chunk with that text whose vector a vector database keeps, for those of `hashes` that have one; of a
    deleted chunk only where there is no other."""
    wanted = list(hashes)
    query = (
        "SELECT hash, chunk_id, false AS is_live FROM {s}.vectors_untold WHERE hash = ANY(%s::bytea[])"
        f" UNION ALL SELECT hash, id, true FROM {{s}}.chunks WHERE hash = ANY(%s::bytea[]) AND {COUNTED}"
        " ORDER BY is_live"  # the last one of a hash is the one that is taken
    )
    found = connection.rows(query, (wanted, wanted)) if wanted else []
    return {bytes(row[0]): row[1] for row in found}


def _joined(ranges: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """`ranges`, rising, those that follow one another as one."""
    found: list[tuple[int, int]] = []
    for first, end in ranges:
        if found and found[-1][1] == first:
            found[-1] = found[-1][0], end
        else:
            found.append((first, end))
    return found


def _batches(ids: list[int]) -> Iterator[list[int]]:
    return (ids[start : start + _AT_ONCE] for start in range(0, len(ids), _AT_ONCE))


def _is_a_snapshot(snapshot: DatabaseSnapshot) -> Snapshot:
    return snapshot  # for the type checker alone
