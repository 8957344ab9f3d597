"""What PostgreSQL refuses, in one line each: what happened, to which index, and what to do next."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import errors

from semsearch.errors import DatabaseError, IndexDamagedError, IndexNotFoundError, SemsearchError
from semsearch.psycopg_messages import password_hint
from semsearch.store.postgres.address import Address
from semsearch.store.postgres.schema import TABLES

# SQLSTATE classes and codes of a connection that is lost or not to be had (postgresql.org/docs/current/errcodes).
_LOST = ("08", "57P01", "57P02", "57P03")
# Limits that end the connection, by their codes.
_LIMITS = {
    "25P03": "idle_in_transaction_session_timeout",
    "25P04": "transaction_timeout",
    "57P05": "idle_session_timeout",
}
_UNREACHABLE = "check that the server runs and can be reached, then run the same command again"
_NO_ROOM = "make room on the server; what was committed is kept, and the next run goes on"
REPAIR = "mend it with: semsearch verify --repair"
# What libpq says where trying again is in vain -> what to do. It gives no code.
_REFUSED = (
    ('database ".*" does not exist', "create it with: createdb NAME"),
    ('role ".*" does not exist', "name another user: postgresql://USER@HOST/DATABASE"),
    ("permission denied for database", "let its owner run: GRANT CONNECT ON DATABASE ... TO ..."),
    ("no pg_hba.conf entry", "let the administrator of the server allow this user and machine in pg_hba.conf"),
    ("definition of service|service file", "check the service file (PGSERVICEFILE, or ~/.pg_service.conf)"),
    ("No space left on device", _NO_ROOM),
    ("certificate|not support SSL|private key", "check sslmode, sslrootcert, sslcert and sslkey in the URL"),
)


class TryAgainError(DatabaseError):
    """What was asked has failed for now, and changed nothing: others were in the way."""


class ConnectionLostError(TryAgainError):
    """The connection to the server is lost; a new one may be had."""


class ForeignTablesError(DatabaseError):
    """The schema holds tables that this version of semsearch did not make."""


@contextmanager
def about_index(location: str) -> Iterator[None]:
    """Turns errors of psycopg into those that say what to do about the index at `location`; damage that is found in
    bytes, which do not know of which index they are, is told as damage of this one."""
    try:
        yield
    except psycopg.Error as error:
        raise translated(location, error) from None
    except IndexDamagedError as error:
        if error.hint or error.message.startswith(f"{location}: "):  # it knows of which index it is
            raise
        raise IndexDamagedError(f"{location}: {error.message}", REPAIR) from None


def translated(location: str, error: psycopg.Error) -> SemsearchError:
    """`error` as one line about the index at `location`."""
    said = _first_line(error)
    state = error.sqlstate or ""
    if isinstance(error, errors.UndefinedTable | errors.InvalidSchemaName):
        # Whatever language the server speaks, it tells the table.
        named = re.findall(rf"\.({'|'.join(TABLES)})\b", said)[-1:]
        return no_index(location) if named in ([], ["state"]) else table_missing(location, named[0])
    if isinstance(error, errors.UndefinedColumn):
        return ForeignTablesError(
            f"{location}: the schema holds tables of another program: {said}", "name another schema with ?schema=NAME"
        )
    if not state and isinstance(error, psycopg.OperationalError):
        return _not_connected(location, said)
    if not state:
        return _told(location, said, "write it like postgresql://USER@HOST/DATABASE?schema=NAME")
    if state in _LIMITS:
        return lost(location, said, f"run it again, or raise {_LIMITS[state]} of the role")
    if state.startswith(_LOST):
        return lost(location, said)
    if isinstance(error, errors.SerializationFailure | errors.DeadlockDetected):
        return TryAgainError(f"{location}: {said}", "run the same command again")
    hints = {
        errors.InsufficientPrivilege: "ask the owner of the schema for the right: docs/engines.md lists what a reader"
        " and a writer need",
        errors.QueryCanceled: "it took too long or was cancelled: run it again, or raise statement_timeout of the role",
        errors.DiskFull: _NO_ROOM,
        errors.ConfigurationLimitExceeded: "raise that limit on the server; what was committed is kept",
        errors.LockNotAvailable: "run it again, or raise lock_timeout of the role",
        errors.ReadOnlySqlTransaction: "name the primary server: this one only answers searches",
        errors.UndefinedFunction: "install a newer pgvector on the server (0.7 or later)",
        errors.OutOfMemory: "give the server more memory, or lower its work_mem",
        errors.TooManyConnections: "run it again later, or raise max_connections of the server",
    }
    hint = next((hint for kind, hint in hints.items() if isinstance(error, kind)), "see the log of the server")
    if "create extension" in said:
        hint = "let an administrator of the database run: CREATE EXTENSION vector"
    if "permission denied for database" in said:  # to make the schema in it
        hint = "let the owner of the database run: GRANT CREATE ON DATABASE ... TO ..., or make the schema for you"
    return _told(location, said, hint)


def no_index(location: str) -> IndexNotFoundError:
    """The error for a database without an index in the schema that `location` names."""
    from semsearch.errors import for_shell

    return IndexNotFoundError(
        f"no index at {location}", f"make one with: semsearch index FOLDER --index {for_shell(location)}"
    )


def table_missing(location: str, table: str) -> IndexDamagedError:
    """The error for an index whose `table` somebody dropped; a repair needs all of them."""
    schema = Address.parse(location).schema.replace('"', '""')
    return IndexDamagedError(
        f"{location}: the table {table} is missing",
        f'restore the database from a backup; or run in it DROP SCHEMA "{schema}" CASCADE, and index all folders again',
    )


def lost(location: str, said: str, hint: str = _UNREACHABLE) -> ConnectionLostError:
    """The error for a connection that is lost, or not to be had now."""
    return ConnectionLostError(f"{location}: {said}", hint)


def _not_connected(location: str, said: str) -> DatabaseError:
    """The error for what libpq says where it cannot connect, or is not connected any more."""
    if hint := password_hint(said):
        return _told(location, said, hint)
    for pattern, hint in _REFUSED:
        if re.search(pattern, said):
            return _told(location, said, hint)
    if "too many" in said or "connection slots" in said:
        return lost(location, said, "run it again later, or raise max_connections of the server")
    return lost(location, said)


def _told(location: str, said: str, hint: str) -> DatabaseError:
    return DatabaseError(f"{location}: {said}", hint)


def _first_line(error: psycopg.Error) -> str:
    """What the server says of `error`, in one line; psycopg adds where in the statement it was."""
    said = error.diag.message_primary or str(error)
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
