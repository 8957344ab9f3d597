"""Makes the tables of a new index, and brings those of an older version up to date."""

import contextlib

from semsearch.errors import DatabaseError, IndexDamagedError
from semsearch.store.postgres.connection import Connection
from semsearch.store.postgres.errors import ForeignTablesError
from semsearch.store.postgres.locks import schema_key
from semsearch.store.postgres.schema import FORMAT, MIGRATIONS
from semsearch.store.postgres.state import check_format

_OLDEST_SERVER = 140000
_OLDEST_VECTOR = (0, 7)


def exists(connection: Connection) -> bool:
    """Whether the schema holds the tables of an index, of whatever version."""
    row = connection.row("SELECT to_regclass('{s}.state') IS NOT NULL")
    return row is not None and bool(row[0])


def check_version(connection: Connection) -> None:
    """Raises `SemsearchError` for an index that a newer version of semsearch has made."""
    with contextlib.suppress(ForeignTablesError):
        _format(connection)


def migrate(connection: Connection) -> None:
    """Makes what is missing, in one transaction. Raises `SemsearchError` for what cannot be an index."""
    if exists(connection) and _format(connection) == FORMAT:
        return
    if connection.raw.info.server_version < _OLDEST_SERVER:
        raise DatabaseError(f"{connection.location}: the server is older than PostgreSQL 14", "upgrade the server")
    with connection.transaction(
        f"{connection.writing()}; SELECT pg_advisory_xact_lock({schema_key(connection.address)})"
    ):
        _check_extension(connection)
        version = _format(connection) if exists(connection) else 0
        if not version:
            _check_own(connection)
            _check_empty(connection)
            # Not "IF NOT EXISTS": that needs the right to make one, also where an administrator has made it.
            there = connection.row("SELECT to_regnamespace('{s}') IS NOT NULL")
            if there is None or not there[0]:
                connection.script("CREATE SCHEMA {s}")
        for number in range(version, FORMAT):
            connection.script(MIGRATIONS[number])


def _format(connection: Connection) -> int:
    row = connection.row("SELECT product, format FROM {s}.state")
    if row is None:
        raise IndexDamagedError(f"{connection.location}: the table state is empty", "drop the schema and index again")
    check_format(connection.location, row[0], row[1])
    return int(row[1])


def _check_extension(connection: Connection) -> None:
    found = connection.row("SELECT extversion FROM pg_extension WHERE extname = 'vector'")
    if found is None:
        available = connection.row("SELECT 1 FROM pg_available_extensions WHERE name = 'vector'")
        if available is not None:
            connection.script("CREATE EXTENSION IF NOT EXISTS vector")
        connection.vector_schema()  # says how to get it
        found = connection.row("SELECT extversion FROM pg_extension WHERE extname = 'vector'")
    assert found is not None
    if tuple(int(part) for part in found[0].split(".")[:2]) < _OLDEST_VECTOR:
        raise DatabaseError(
            f"{connection.location}: pgvector {found[0]} is too old", "install 0.7 or later: it has half precision"
        )


def _check_own(connection: Connection) -> None:
    """Raises `DatabaseError` for the schema of everybody: an index is removed with its schema, and that would remove
    all else, too."""
    if connection.address.schema == "public":
        raise DatabaseError(
            f"{connection.location}: an index needs a schema of its own, which public is not",
            "name another with ?schema=NAME, or leave it out",
        )


def _check_empty(connection: Connection) -> None:
    """Raises `DatabaseError` for a schema that holds what somebody else made."""
    row = connection.row(
        "SELECT relname FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace"
        " WHERE nspname = %s AND relkind IN ('r', 'v', 'm', 'p', 'f', 'S') LIMIT 1",
        (connection.address.schema,),
    )
    if row is not None:
        raise DatabaseError(
            f"{connection.location}: the schema {connection.address.schema} holds something else: {row[0]}",
            "name another schema with ?schema=NAME",
        )
