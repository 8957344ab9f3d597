"""What a run that writes an index in PostgreSQL changes in the vector database that keeps its vectors.

Vectors are put there inside of the transaction that takes their passages out of `encode_queue`: killed before its end,
they do not count, and are put again. Of two runs that have encoded a passage, the second waits for the row of the queue
until the first has committed. What is deleted, or is told otherwise now, is noted in `vectors_untold` by the
transaction that changes it, and told after that: by the same run, or by the next one. Vectors are moved in one
transaction of a run that has the index for itself.
"""

import contextlib
import json
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from typing import Any

import numpy as np

from semsearch.embedding.embedder import Vectors
from semsearch.embedding.model_info import ModelInfo
from semsearch.errors import SemsearchError
from semsearch.store.checked_values import of_type, text
from semsearch.store.engine_vectors import EngineVectors, Ids
from semsearch.store.postgres import rows
from semsearch.store.postgres.connection import Connection
from semsearch.store.postgres.locks import telling_key
from semsearch.store.postgres.packed_vectors import rows_to_copy
from semsearch.store.postgres.snapshot import DatabaseSnapshot
from semsearch.store.postgres.state import roots_of, set_setting
from semsearch.store.recorded_info import FIELDS
from semsearch.store.records import IndexInfo
from semsearch.vector_engines.opening import is_same_place, tells_text

_MOVED_AT_ONCE = 4_096
# Passages that are told again in one transaction.
_TOLD_AT_ONCE = 1_024
# Seconds: a transaction of this run that has the row itself would be waited for without end.
_LOCK_SECONDS = 60


def place(connection: Connection) -> str | None:
    """The URL of the vector database that keeps the vectors; None: this database does."""
    row = connection.row("SELECT value FROM {s}.settings WHERE name = 'vectors_at'")
    return None if row is None else decoded_place(connection, row[0])


def decoded_place(connection: Connection, value: str) -> str | None:
    """The setting `vectors_at` as JSON text. Raises `IndexDamagedError`."""
    url: str | None = rows.decoded(
        connection.location, lambda: FIELDS["vectors_at"](json.loads(value)), "the setting vectors_at"
    )
    return url


def lock_place(connection: Connection) -> None:
    """Inside a transaction: nobody puts vectors until it ends."""
    # A row that is not there cannot be locked.
    connection.execute("INSERT INTO {s}.settings VALUES ('vectors_at', 'null') ON CONFLICT DO NOTHING")
    connection.rows("SELECT value FROM {s}.settings WHERE name = 'vectors_at' FOR UPDATE")


def filled_places(connection: Connection) -> list[str]:
    """The collections that this index began to fill, and may empty. Raises `IndexDamagedError`."""
    row = connection.row("SELECT value FROM {s}.settings WHERE name = 'vectors_filled'")
    return [] if row is None else rows.decoded(connection.location, partial(_listed, row[0]), "vectors_filled")


def _listed(value: str) -> list[str]:
    return [text(one) for one in of_type(json.loads(value), list)]


def begin_filling(connection: Connection, engine: EngineVectors) -> None:
    """Says that this index fills the collection of `engine`, in a commit of its own before anything is put there.

    Raises `SemsearchError` for one that holds something, unless the index said so already.
    """
    if engine.url in filled_places(connection):
        return
    with _filling(connection) as other:
        filled = filled_places(other)
        if engine.url not in filled:
            engine.begin()
            set_setting(other, "vectors_filled", json.dumps([*filled, engine.url]))


@contextlib.contextmanager
def _filling(connection: Connection) -> Iterator[Connection]:
    """Another connection, in a transaction of its own that alone says which collections this index fills."""
    with (
        closing(Connection(connection.address)) as other,
        other.transaction(f"{other.writing()}; SET LOCAL lock_timeout = '{_LOCK_SECONDS}s'"),
    ):
        other.execute("INSERT INTO {s}.settings VALUES ('vectors_filled', '[]') ON CONFLICT DO NOTHING")
        other.rows("SELECT value FROM {s}.settings WHERE name = 'vectors_filled' FOR UPDATE")
        yield other


def put(connection: Connection, url: str, ids: Ids, vectors: Vectors, model: ModelInfo, is_first: bool) -> None:
    """Inside a transaction that has taken the chunks `ids` (n,) out of the queue: puts their `vectors` (n, d) there.
    `is_first`: no chunk has a vector yet."""
    engine = connection.engines.at(url)
    if is_first:
        # Whatever is there this index put there: before a rebuild, or in a run that was cut off.
        begin_filling(connection, engine)
        engine.begin_again(model.dim)
    if len(ids):
        engine.put(DatabaseSnapshot(connection).passages(ids.tolist()), vectors, _folders(connection))


def tell(connection: Connection) -> bool:
    """Inside a transaction: tells some of what is still to be told; whether there may be more of it."""
    # One after the other: what was told later was read later.
    connection.rows("SELECT pg_advisory_xact_lock(%s::bigint)", (telling_key(connection.address),))
    # A chunk that waits for a vector may get it right now, with what was known of it before.
    taken = connection.rows(
        "WITH told AS (SELECT id FROM {s}.vectors_untold AS one WHERE CASE"
        " WHEN EXISTS (SELECT FROM {s}.chunks WHERE chunks.id = one.chunk_id)"
        " THEN NOT EXISTS (SELECT FROM {s}.encode_queue AS queue WHERE queue.chunk_id = one.chunk_id)"
        " ELSE hash IS NULL OR NOT EXISTS (SELECT FROM {s}.encode_queue) END ORDER BY id LIMIT %s)"
        " DELETE FROM {s}.vectors_untold AS one USING told WHERE one.id = told.id RETURNING chunk_id",
        (_TOLD_AT_ONCE,),
    )
    url = place(connection)
    if taken and url is not None:
        engine = connection.engines.at(url)
        ids = np.unique(np.array([row[0] for row in taken], np.int64))
        found = connection.rows(rows.PASSAGES + " WHERE chunks.id = ANY(%s::bigint[])", (ids.tolist(),))
        there = rows.passages(connection.location, found)
        engine.tell_again(there, _folders(connection))
        engine.delete(np.setdiff1d(ids, [one.id for one in there]))
    return len(taken) == _TOLD_AT_ONCE


def _folders(connection: Connection) -> IndexInfo:
    """The folders of the index, by which paths are told, and nothing else of it."""
    return IndexInfo(roots=roots_of(connection.rows("SELECT id, host, path, label FROM {s}.roots ORDER BY id")))


def has_untold(connection: Connection) -> bool:
    """Whether something is still to be told."""
    row = connection.row("SELECT EXISTS (SELECT FROM {s}.vectors_untold)")
    return row is not None and bool(row[0])


def move(connection: Connection, url: str | None) -> str | None:
    """Inside a transaction of a run that has the index for itself: takes the vectors to where `url` says (None: into
    this database). Returns the URL of the collection that is to go once that is committed, if any.

    Raises `SemsearchError` where that place holds something, or vectors are lost.
    """
    snapshot = DatabaseSnapshot(connection)
    info = snapshot.info()
    target = None if url is None else connection.engines.at(url)
    left: str | None = None
    filled: list[str] = []
    if info.model is not None:
        left = info.vectors_at
        filled = [one for one in (url, left) if one is not None]
        if target is None:
            connection.execute("DROP INDEX IF EXISTS {s}.vectors_hnsw")  # quicker built anew than added to
            connection.execute("DELETE FROM {s}.vectors")
        else:
            begin_filling(connection, target)
        try:
            if target is not None:
                target.begin_again(info.model.dim)
            _copy(connection, snapshot, target)
        except SemsearchError:
            if target is not None:
                _give_up(connection, target)
            raise
    elif target is not None and target.url not in filled_places(connection):
        target.begin()  # there is nothing to put yet: it is looked at again
    if target is not None:
        connection.execute("DELETE FROM {s}.vectors")
        connection.execute("DELETE FROM {s}.kept_vectors")
    connection.execute("DELETE FROM {s}.vectors_untold")
    set_setting(connection, "vectors_at", json.dumps(url))
    set_setting(connection, "vectors_filled", json.dumps(filled))
    return left


def _give_up(connection: Connection, target: EngineVectors) -> None:
    """Takes back what was put to `target`: from then on it is not this index's."""
    # Where the database does not answer, what was put there stays, and is refused as another's the next time.
    with contextlib.suppress(SemsearchError):
        target.engine.drop()
    with _filling(connection) as other:
        filled = [one for one in filled_places(other) if one != target.url]
        set_setting(other, "vectors_filled", json.dumps(filled))


def spell_again(connection: Connection, stored: str, url: str | None) -> bool:
    """Inside a transaction that has `lock_place`: whether `url` is the collection recorded as `stored`, in JSON. It is
    called so from now on, and told of the texts again where that is another choice."""
    before = decoded_place(connection, stored)
    if before is None or url is None or not is_same_place(before, url):
        return False
    filled = [url if one == before else one for one in filled_places(connection)]
    set_setting(connection, "vectors_filled", json.dumps(filled))
    set_setting(connection, "vectors_at", json.dumps(url))
    if tells_text(before) != tells_text(url):
        connection.execute("INSERT INTO {s}.vectors_untold (chunk_id) SELECT id FROM {s}.chunks")
    return True


def _copy(connection: Connection, snapshot: DatabaseSnapshot, target: EngineVectors | None) -> None:
    """Puts all vectors of `snapshot` to `target`, None: into this database."""
    info = snapshot.info()
    ids = snapshot.encoded_ids()
    for start in range(0, len(ids), _MOVED_AT_ONCE):
        batch = ids[start : start + _MOVED_AT_ONCE]
        vectors = snapshot.vectors(batch)
        if target is None:
            connection.copy_bytes("vectors", ("chunk_id", "embedding"), rows_to_copy(batch, vectors))
        else:
            target.put(snapshot.passages(batch.tolist()), vectors, info)


def remove_left(connection: Connection, url: str) -> None:
    """After the commit of `move`: removes the collection at `url`, where the vectors were."""
    engine = connection.engines.at(url)
    engine.has_grown = False
    engine.engine.drop()
    connection.rows(
        "UPDATE {s}.settings SET value = (SELECT CASE value WHEN 'null' THEN '[]' ELSE '[' || value || ']' END"
        " FROM {s}.settings WHERE name = 'vectors_at') WHERE name = 'vectors_filled' RETURNING name"
    )


def known_vectors(connection: Connection, url: str, chunks: dict[bytes, int]) -> dict[bytes, Any]:
    """Hash -> the vector (d,) of the chunk that `chunks` names for it, of those that are there."""
    if not chunks:
        return {}
    found = connection.engines.at(url).engine.vectors(np.array(list(chunks.values()), np.int64))
    return {digest: vector for digest, vector in zip(chunks, found, strict=True) if not np.isnan(vector).any()}
