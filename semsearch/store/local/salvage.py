"""What can still be read of a catalog whose pages are damaged, as a new one: a repair's last resort.

The damaged one stays what it is until the new one is whole and on the disk.
"""

import contextlib
import os
import sqlite3
from collections.abc import Iterable, Iterator

from semsearch.errors import SemsearchError
from semsearch.settings import CATALOG_FILE
from semsearch.shortage import free_bytes
from semsearch.sources.walk import format_size
from semsearch.store.local.catalog import Catalog
from semsearch.store.local.connection import connect
from semsearch.store.local.segment_folder import sync_folder

# In the order in which rows refer to one another; `settings` has no row numbers and is read whole.
_NUMBERED = ("roots", "files", "chunks", "parts", "segments", "runs")
# Numbers without a row that can be read, one after the other, after which there are none left.
_LONGEST_GAP = 200_000

Rows = Iterable[tuple[object, ...]]


def make_anew(folder: str) -> None:
    """Makes `catalog.db.new` beside the catalog of the index `folder`, with all rows of it that can be read.

    What is lost is then found by comparing what is left. Nobody else may be writing. Raises `sqlite3.DatabaseError`
    when not even the settings can be read, `SemsearchError` where there is no room.
    """
    path = os.path.join(folder, CATALOG_FILE)
    check_room(folder)
    damaged = connect(path, path)
    try:
        _copy_readable(damaged, folder)
    finally:
        damaged.close()


def put_in_place(folder: str) -> None:
    """Puts what `make_anew` made into the place of the catalog, which nobody may have open."""
    path = os.path.join(folder, CATALOG_FILE)
    for suffix in ("-wal", "-shm"):  # left where the last connection could not fold the log
        if os.path.lexists(path + suffix):
            os.unlink(path + suffix)
    os.rename(path + ".new", path)
    sync_folder(folder)


def check_room(folder: str) -> None:
    """Raises `SemsearchError` where the disk has no room for the new catalog of the index `folder`."""
    path = os.path.join(folder, CATALOG_FILE)
    needed = sum(os.stat(path + suffix).st_size for suffix in ("", "-wal") if os.path.exists(path + suffix))
    free = free_bytes(folder)
    if free < needed:
        raise SemsearchError(
            f"there is no room to make the catalog of {folder} anew: {format_size(needed)} are needed,"
            f" {format_size(free)} are free",
            "free some space and run again; nothing was changed",
            code="no_space",
        )


def _copy_readable(damaged: sqlite3.Connection, folder: str) -> None:
    """Makes `catalog.db.new` of the index `folder` with what can be read of `damaged`; it is on the disk afterwards."""
    damaged.text_factory = lambda data: data.decode("utf-8", "replace")
    fresh = Catalog.create_beside(folder)
    try:
        fresh.execute("BEGIN")
        for table in ("settings", *_NUMBERED):
            known = _columns(fresh, table)
            names = [name for name in _columns(damaged, table) if name in known]  # an older version has fewer
            if names:
                query = f"SELECT {', '.join(names)} FROM {table} NOT INDEXED"
                found = _readable(damaged, query) if table in _NUMBERED else damaged.execute(query)
                _insert(fresh, f"{table} ({', '.join(names)})", found)
        fresh.execute("COMMIT")
    except BaseException:
        fresh.close()
        raise
    Catalog.finish_beside(fresh, folder)


def _columns(connection: sqlite3.Connection, table: str) -> list[str]:
    """The columns of `table` that hold what was written; none where it is a view, or not stored as a table is."""
    kind = "SELECT 1 FROM main.sqlite_schema WHERE type = 'table' AND name = ? AND sql LIKE 'CREATE TABLE%'"
    if connection.execute(kind, (table,)).fetchone() is None:
        return []
    # The last field tells of columns that are hidden, or computed from others.
    return [row[1] for row in connection.execute(f"PRAGMA main.table_xinfo({table})") if row[6] == 0]


def _insert(fresh: sqlite3.Connection, target: str, rows: Rows) -> None:
    """Inserts `rows` into `target`, a table with its columns."""
    for row in rows:
        try:
            fresh.execute(f"INSERT INTO {target} VALUES ({', '.join('?' * len(row))})", row)
        except sqlite3.IntegrityError:
            continue  # no index ever held such values


def _readable(damaged: sqlite3.Connection, query: str) -> Iterator[tuple[object, ...]]:
    """The rows of `query`, whose first column is the row number, but for those on pages that cannot be read.

    The numbers rise, so that pages which lead back to one another end, too.
    """
    first = 0
    while True:
        try:
            for row in damaged.execute(query + " WHERE id >= ? ORDER BY id", (first,)):
                if type(row[0]) is not int or row[0] < first:
                    break
                first = row[0] + 1
                yield row
            else:
                return
        except sqlite3.DatabaseError:
            pass  # what follows is looked up
        readable = _next(damaged, query, first)
        if readable is None:
            return
        number, row = readable
        first = number + 1
        yield row


def _next(damaged: sqlite3.Connection, query: str, first: int) -> tuple[int, tuple[object, ...]] | None:
    """The next row from number `first` on that can be read, looked up one by one; None: there is none near."""
    for number in range(first, first + _LONGEST_GAP):
        with contextlib.suppress(sqlite3.DatabaseError):
            row: tuple[object, ...] | None = damaged.execute(query + " WHERE id = ?", (number,)).fetchone()
            if row is not None:
                return number, row
    return None
