"""What PostgreSQL refuses, in one line each: what happened, to which index, and what to do next."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import errors

from semsearch.errors import DatabaseError, IndexNotFoundError, SemsearchError

# SQLSTATE classes and codes of a connection that is lost or not to be had (postgresql.org/docs/current/errcodes).
_LOST = ("08", "57P01", "57P02", "57P03", "57P05", "25P03", "25P04")


class ConnectionLostError(DatabaseError):
    """The connection to the server is lost; a new one may be had."""


@contextmanager
def about_index(location: str) -> Iterator[None]:
    """Turns errors of psycopg into those that say what to do about the index at `location`."""
    try:
        yield
    except psycopg.Error as error:
        raise translated(location, error) from None


def translated(location: str, error: psycopg.Error) -> SemsearchError:
    """`error` as one line about the index at `location`."""
    said = _first_line(error)
    state = error.sqlstate or ""
    if isinstance(error, errors.UndefinedTable | errors.InvalidSchemaName):
        return no_index(location)
    if state.startswith(_LOST) or (isinstance(error, psycopg.OperationalError) and not state):
        if ("password" in said and "authentication" in said) or "no password supplied" in said:
            return _told(location, said, "put the password in a file that PGPASSFILE names, or in PGPASSWORD")
        if "does not exist" in said and "database" in said:
            return _told(location, said, "create it with: createdb NAME")
        lost = "check that the server runs and can be reached, then run the same command again"
        return ConnectionLostError(f"{location}: {said}", lost)
    hints = {
        errors.InsufficientPrivilege: "ask for the right: docs/engines.md lists what a reader and a writer need",
        errors.QueryCanceled: "it took too long or was cancelled: run it again, or raise statement_timeout of the role",
        errors.DiskFull: "make room on the server; what was committed is kept, and the next run goes on",
        errors.ReadOnlySqlTransaction: "name the primary server: this one only answers reads",
        errors.UndefinedFunction: "install a newer pgvector on the server (0.7 or later)",
        errors.OutOfMemory: "give the server more memory, or lower its work_mem",
        errors.TooManyConnections: "wait, or raise max_connections of the server",
    }
    hint = next((hint for kind, hint in hints.items() if isinstance(error, kind)), "see the log of the server")
    return _told(location, said, hint)


def no_index(location: str) -> IndexNotFoundError:
    """The error for a database without an index in the schema that `location` names."""
    from semsearch.errors import for_shell

    return IndexNotFoundError(
        f"no index at {location}", f"make one with: semsearch index FOLDER --index {for_shell(location)}"
    )


def _told(location: str, said: str, hint: str) -> DatabaseError:
    return DatabaseError(f"{location}: {said}", hint)


def _first_line(error: psycopg.Error) -> str:
    """What the server says of `error`, in one line; psycopg adds where in the statement it was."""
    said = error.diag.message_primary or str(error)
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
