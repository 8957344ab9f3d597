"""`token_vectors.db`: what it consists of, how it is opened, and whether it holds all that it should.

An SQLite file beside the catalog, which can be made again: it is written by who holds the lock of the index, and read
by searches, which do without it where it is damaged. Light, as the stat check asks whether it is complete.
"""

import os
import sqlite3
import stat

from semsearch.errors import IndexDamagedError
from semsearch.store.local.connection import Connection, check_schema, connect, read_only_uri, stamp_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from semsearch.store.local.catalog import Catalog

TOKEN_VECTORS_FILE = "token_vectors.db"
_APPLICATION_ID = 0x53535456
_VERSION = 1
# `model` has one row. `complete`: the state of the catalog (`state_of`) all of whose passages have rows; "": none is
# known. `codebook`: NULL while vectors are kept as they are. `digest`: of the other fields but `complete`.
_STATEMENTS = (
    "CREATE TABLE model (name TEXT NOT NULL, fingerprint TEXT NOT NULL, dim INTEGER NOT NULL, codebook BLOB,"
    " digest BLOB NOT NULL, complete TEXT NOT NULL)",
    "CREATE TABLE passages (hash BLOB PRIMARY KEY, tokens INTEGER NOT NULL, data BLOB NOT NULL)",
)
_EXPECTED = {
    name: ("table", name, "".join(statement.split()))
    for name, statement in zip(("model", "passages"), _STATEMENTS, strict=True)
}
_SUFFIXES = ("", "-wal", "-shm", "-journal")
# A file that is being made.
_NEW = ".new"
# What SQLite raises for a damaged file; it quotes text in its message, which may be no UTF-8.
BROKEN = (sqlite3.DatabaseError, UnicodeDecodeError)


def path_of(folder: str) -> str:
    return os.path.join(folder, TOKEN_VECTORS_FILE)


def is_there(folder: str) -> bool:
    """Whether the index `folder` keeps token vectors, or has something else in their place."""
    return os.path.lexists(path_of(folder))


def remove(folder: str) -> None:
    """Removes the file of the index `folder`, or what is in its place. Raises `OSError`."""
    path = path_of(folder)
    _remove([path, path + _NEW])


def _remove(files: "list[str]") -> None:
    """Removes `files`, with what SQLite keeps beside each."""
    for path in (file + suffix for file in files for suffix in _SUFFIXES):
        if os.path.isdir(path) and not os.path.islink(path):
            import shutil  # nothing that is ever there

            shutil.rmtree(path)
        elif os.path.lexists(path):
            os.unlink(path)


def create(folder: str, model: "tuple[Any, ...]") -> Connection:
    """Makes the file of the index `folder` with this row `model`, in the place of what is there. Raises `OSError`,
    `sqlite3.Error`."""
    from semsearch import private_files

    path = path_of(folder)
    _remove([path + _NEW])
    os.close(private_files.create(path + _NEW))  # SQLite gives its log and the like the mode of the file
    connection = _connect(path + _NEW)
    try:
        connection.execute("BEGIN")
        connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {_VERSION}")
        for statement in _STATEMENTS:
            connection.execute(statement)
        connection.execute("INSERT INTO model VALUES (?, ?, ?, ?, ?, ?)", model)
        connection.execute("COMMIT")
    finally:
        connection.close()
    _remove([path])  # with the log of another file, which would be read into this one
    os.rename(path + _NEW, path)  # whole at once: searches may look at it
    return _connect(path)


def open_for_writing(folder: str) -> Connection:
    """Raises `IndexDamagedError` for a file that semsearch did not make, `sqlite3.Error`."""
    _refuse_odd(folder)
    connection = _connect(path_of(folder))
    try:
        _check(connection, path_of(folder))
    except BaseException:
        connection.close()
        raise
    return connection


def _connect(path: str) -> Connection:
    connection = connect(path, path)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")  # what a power failure takes back is made again
    return connection


def open_for_reading(folder: str) -> tuple[Connection, tuple[int, ...] | None]:
    """A connection that only reads and makes no file, and the stamp that it is good for, None: for as long as it is
    open. As `Catalog.open_for_reading`.

    Raises `IndexDamagedError` for a file that semsearch did not make, `sqlite3.Error`.
    """
    path = path_of(folder)
    _refuse_odd(folder)
    stamp = stamp_of(path)
    # Without the right to write beside it, a log cannot be read: the state before it is.
    writing = stamp[0] > 0 and os.access(folder, os.W_OK)
    connection = connect(read_only_uri(path) + ("" if writing else "&immutable=1"), path)
    try:
        _check(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection, None if writing else stamp


def _refuse_odd(folder: str) -> None:
    """Raises `IndexDamagedError` for what is no file: a pipe would keep the reader waiting."""
    if not stat.S_ISREG(os.lstat(path_of(folder)).st_mode):
        raise IndexDamagedError(f"{path_of(folder)} is no file")


def _check(connection: Connection, path: str) -> None:
    found = [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version")]
    if found != [_APPLICATION_ID, _VERSION]:
        raise IndexDamagedError(f"{path} is not of this version of semsearch")
    check_schema(connection, path, _EXPECTED)


def summary(catalog: "Catalog") -> "dict[str, Any] | None":
    """What `status` tells of the token vectors of the index of `catalog`: `model`, `dim`, `passages` that have some, of
    so many `texts`, and `bytes`; None: it keeps none. Of a damaged file `damaged` alone, which says how."""
    folder = catalog.folder
    if not is_there(folder):
        return None
    try:
        connection, _ = open_for_reading(folder)
        try:
            name, dim = connection.execute("SELECT name, dim FROM model").fetchone()
            passages = int(connection.execute("SELECT COUNT(*) FROM passages").fetchone()[0])
        finally:
            connection.close()
        if not (isinstance(name, str) and type(dim) is int):
            raise IndexDamagedError("it records no model")
        size = sum(os.path.getsize(path_of(folder) + suffix) for suffix in _SUFFIXES if _is_file(folder, suffix))
    except (OSError, TypeError, IndexDamagedError, *BROKEN) as error:
        return {"damaged": told(error)}
    texts = catalog.rows("SELECT COUNT(DISTINCT hash) FROM chunks WHERE file_id IS NOT NULL")[0][0]
    return {"model": name, "dim": dim, "passages": passages, "texts": texts, "bytes": size}


def _is_file(folder: str, suffix: str) -> bool:
    return os.path.isfile(path_of(folder) + suffix)


def told(error: BaseException) -> str:
    """What `error` says, in one line."""
    text = error.message if isinstance(error, IndexDamagedError) else str(error)
    return (text.splitlines() or [type(error).__name__])[0]


def state_of(catalog: "Catalog") -> str:
    """Another text whenever `catalog` has other passages."""
    return f"{catalog.number('next_chunk', 1)} {catalog.counts()['chunks']}"


def lacks_some(catalog: "Catalog") -> bool:
    """Whether the index of `catalog` keeps token vectors and has not those of all passages, or damaged ones."""
    if not is_there(catalog.folder):
        return False
    try:
        connection, _ = open_for_reading(catalog.folder)
        try:
            row = connection.execute("SELECT complete FROM model").fetchone()
        finally:
            connection.close()
    except (OSError, IndexDamagedError, *BROKEN):
        return True
    return row is None or row[0] != state_of(catalog)
