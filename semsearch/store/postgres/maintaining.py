"""What many small changes leave is put in order: segments are merged, vectors get their index, tables are analysed."""

import contextlib
import heapq
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from operator import itemgetter

import numpy as np
from numpy.typing import NDArray

from semsearch.lexical.bm25 import is_among
from semsearch.store.postgres.connection import Connection, Row
from semsearch.store.postgres.errors import about_index
from semsearch.store.postgres.packed_postings import of_rows
from semsearch.store.postgres.search import INDEXED_FROM
from semsearch.store.postgres.state import STATE, SegmentRow, State, dead_ids
from semsearch.store.postgres.transaction import copy_postings, insert_segment

# A query looks its words up in each segment: 20 words in 24 segments take some 2 ms.
_MOST_SEGMENTS = 24
_MERGED = 8
# A merge is one transaction, which writes some 5 kB a chunk: larger segments are not made, and those that there are are
# only written anew where much of them is deleted.
_LARGE = 500_000
# Terms of a segment that a merge reads at once, and bytes of postings that it reads of each, and packs anew of all:
# what it holds in memory grows with these and with the longest posting, not with the segments: 500,000 chunks take
# 170 MB (`benchmarks/engines/postgres_merge.py`).
_TERMS_READ = 2_000
_BYTES_READ = 1_000_000
_BYTES_PACKED = 4_000_000
# The share of deleted chunks from which a segment is written anew.
_MUCH_DEAD = 0.25
_BUILD_MEMORY = "1GB"
# pgvector indexes no longer vectors of half precision: they are all compared.
_LONGEST_INDEXED = 4000
# From so many vectors that are to be added, and this share of all, on.
_MANY_PENDING = 20_000
_MUCH_PENDING = 0.1
# The server does the same by itself at a share of 0.2.
_MUCH_VACUUMED = 0.1
_ANALYSED = ("files", "chunks", "postings", "vectors", "encode_queue", "segments")


def maintain(connection: Connection, stopping: Callable[[], bool], alone: Callable[[], bool]) -> None:
    """`protocol.Writer.maintain`. `alone`: whether no other run makes or drops the index of the vectors; asked before
    this one does."""
    while True:
        state = State.of(connection.location, connection.script(STATE))
        group = _to_merge(state.segments)
        if not group:
            break
        _merge(connection, group)
        if stopping():
            return
    _analyse(connection)
    if not stopping():
        _index_vectors(connection, alone)
    if not stopping():
        _vacuum(connection)


def _to_merge(segments: Sequence[SegmentRow]) -> list[SegmentRow]:
    """The segments to write as one next: one with much deleted, or neighbours that are small where there are many."""
    for one in segments:
        if one.dead > _MUCH_DEAD * one.chunks:
            return [one]
    small = [one for one in segments if one.chunks < _LARGE]
    if len(small) <= _MOST_SEGMENTS:
        return []
    starts = range(len(small) - _MERGED + 1)
    best = min(starts, key=lambda start: sum(one.chunks for one in small[start : start + _MERGED]))
    group = list(small[best : best + _MERGED])
    while len(group) > 2 and sum(one.chunks for one in group) > _LARGE:
        group.pop()
    return group if sum(one.chunks for one in group) <= _LARGE else []


def _merge(connection: Connection, group: Sequence[SegmentRow]) -> None:
    """Writes one segment in the place of `group`, without deleted chunks; nothing where another run was first."""
    ids = [one.id for one in group]
    row = connection.row("UPDATE {s}.state SET next_segment = next_segment + 1 RETURNING next_segment - 1")
    assert row is not None
    with contextlib.suppress(_OvertakenError), connection.transaction(connection.writing()):
        dead = _dead(connection, ids)
        held, total = np.empty(0, np.int64), 0
        for rows in _in_order(connection, ids):
            with about_index(connection.location):
                part = of_rows(rows, dead)
            total = (total + copy_postings(connection, row[0], part)) % 2**62
            if not is_among(part.ids, held).all():
                held = np.union1d(held, part.ids)
        # From here on commits wait, as this one waited for those that went on. Chunks may have been deleted since.
        connection.rows("SELECT 1 FROM {s}.state FOR UPDATE")
        later = np.setdiff1d(_dead(connection, ids), dead)
        gone = connection.rows("DELETE FROM {s}.segments WHERE id = ANY(%s) RETURNING id", (ids,))
        if len(gone) != len(ids):  # another run was first
            raise _OvertakenError
        connection.execute("DELETE FROM {s}.postings WHERE segment_id = ANY(%s)", (ids,))
        if len(held):
            languages = sorted({code for one in group for code in one.languages})
            insert_segment(connection, row[0], held, languages, total, later.astype("<u4").tobytes())


class _OvertakenError(Exception):
    """Another run has merged the segments meanwhile."""


def _in_order(connection: Connection, segments: Sequence[int]) -> Iterator[list[tuple[bytes, bytes | None, bytes]]]:
    """(term, held, data) of all rows of the postings of `segments`, by rising term, some megabytes at a time, those of
    a term together."""
    batch: list[tuple[bytes, bytes | None, bytes]] = []
    size = 0
    by_term = heapq.merge(*(_postings_of(connection, number) for number in segments), key=itemgetter(0))
    for _, rows in groupby(by_term, itemgetter(0)):
        if size > _BYTES_PACKED:
            yield batch
            batch, size = [], 0
        for term, held, data in rows:
            batch.append((term, held, data))
            size += len(held or b"") + len(data)
    if batch:
        yield batch


def _postings_of(connection: Connection, segment: int) -> Iterator[Row]:
    """(term, held, data) of the rows of a segment, by rising term, read a megabyte at a time, one row at least."""
    query = (
        "SELECT term, held, data FROM (SELECT term, held, data, sum(size) OVER (ORDER BY term) - size AS before"
        " FROM (SELECT term, held, data, coalesce(length(held), 0) + length(data) AS size"
        " FROM {s}.postings WHERE segment_id = %s AND term > %s ORDER BY term LIMIT %s)"
        " AS near) AS summed WHERE before < %s ORDER BY term"
    )
    after = b""
    while rows := connection.rows(query, (segment, after, _TERMS_READ, _BYTES_READ)):
        yield from rows
        after = rows[-1][0]


def _dead(connection: Connection, segments: Sequence[int]) -> NDArray[np.int64]:
    rows = connection.rows("SELECT dead FROM {s}.segments WHERE id = ANY(%s)", (list(segments),))
    with about_index(connection.location):
        return dead_ids(b"".join(row[0] for row in rows))


def prepare_for(connection: Connection, pending: int, alone: Callable[[], bool]) -> None:
    """Before `pending` vectors are added: takes away the index of the vectors where it is quicker to build it again.

    A vector is put into an HNSW index at a tenth of the rate at which one is built of all of them. Until `maintain`
    does that, searches compare all vectors. `alone`: as in `maintain`.
    """
    if pending < _MANY_PENDING or not _is_owner(connection):
        return
    row = connection.row("SELECT chunks FROM {s}.state")
    if row is not None and pending > _MUCH_PENDING * row[0] and alone():
        with connection.without_limits():
            connection.once("DROP INDEX CONCURRENTLY IF EXISTS {s}.vectors_hnsw")


def _is_owner(connection: Connection) -> bool:
    """Whether this role may make and drop an index of the vectors."""
    query = "SELECT pg_has_role(relowner, 'USAGE') FROM pg_class WHERE oid = '{s}.vectors'::regclass"
    row = connection.row(query)
    return row is not None and bool(row[0])


def _vacuum(connection: Connection) -> None:
    """Lets the index of the vectors forget deleted ones, which its searches go through until then."""
    row = connection.row("SELECT n_dead_tup, n_live_tup FROM pg_stat_all_tables WHERE relid = '{s}.vectors'::regclass")
    if row is not None and row[0] > 1000 + _MUCH_VACUUMED * row[1]:
        with connection.without_limits():
            connection.script("VACUUM {s}.vectors")


def _analyse(connection: Connection) -> None:
    """Lets the planner know how large the tables are, where they grew much since it was last told."""
    stale = connection.rows(
        "SELECT relname FROM pg_stat_all_tables WHERE relid IN (SELECT oid FROM pg_class WHERE relnamespace ="
        " (SELECT relnamespace FROM pg_class WHERE oid = '{s}.state'::regclass))"
        " AND n_mod_since_analyze > 1000 + 0.2 * n_live_tup"
    )
    if stale:
        with connection.without_limits():
            for (name,) in stale:
                if name in _ANALYSED:
                    connection.script(f"ANALYZE {{s}}.{name}")


def _index_vectors(connection: Connection, alone: Callable[[], bool]) -> None:
    """Builds the HNSW index where there are enough vectors for one; searches and other runs go on meanwhile."""
    state = State.of(connection.location, connection.script(STATE))
    found = connection.row("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('{s}.vectors_hnsw')")
    if state.info.vectors_at is not None:  # the vectors were taken to a vector database
        if found is not None and _is_owner(connection) and alone():
            connection.once("DROP INDEX CONCURRENTLY IF EXISTS {s}.vectors_hnsw")
        return
    if state.info.model is None or state.chunks - state.pending <= INDEXED_FROM or (found is not None and found[0]):
        return
    if not _is_owner(connection):
        return  # a role that may only write rows: the next run of the owner builds it
    dim = state.info.model.dim
    if dim > _LONGEST_INDEXED or not alone():
        return
    with connection.without_limits(maintenance_work_mem=f"'{_BUILD_MEMORY}'"):
        # One that was cut off is not used, and cannot be finished.
        connection.once("DROP INDEX CONCURRENTLY IF EXISTS {s}.vectors_hnsw")
        connection.once(
            "CREATE INDEX CONCURRENTLY vectors_hnsw ON {s}.vectors"
            f" USING hnsw ((embedding::{{v}}.halfvec({dim})) {{v}}.halfvec_ip_ops)"
        )
