"""What can still be read of a catalog whose pages are damaged, as a new one: a repair's last resort."""

import contextlib
import os
import sqlite3
from collections.abc import Iterable, Iterator

from semsearch.settings import CATALOG_FILE
from semsearch.store.local.catalog import Catalog

# In the order in which rows refer to one another; `settings` has no row numbers and is read whole.
_NUMBERED = ("roots", "files", "chunks", "parts", "segments", "runs")
# Numbers without a row that can be read, one after the other, after which there are none left.
_LONGEST_GAP = 200_000

Rows = Iterable[tuple[object, ...]]


def salvage(folder: str) -> None:
    """Puts a new catalog into the place of the damaged one of the index `folder`, with all rows that can be read.

    What is lost is then found by comparing what is left. Nobody else may be writing. Raises `sqlite3.DatabaseError`
    when not even the settings can be read.
    """
    path = os.path.join(folder, CATALOG_FILE)
    damaged = sqlite3.connect(path, isolation_level=None)
    damaged.text_factory = lambda data: data.decode("utf-8", "replace")
    try:
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
        finally:
            fresh.close()
    finally:
        damaged.close()
    for suffix in ("-wal", "-shm"):  # left where the last connection could not fold the log
        if os.path.lexists(path + suffix):
            os.unlink(path + suffix)
    os.rename(path + ".new", path)


def _columns(connection: sqlite3.Connection, table: str) -> list[str]:
    return [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]


def _insert(fresh: sqlite3.Connection, target: str, rows: Rows) -> None:
    """Inserts `rows` into `target`, a table with its columns."""
    for row in rows:
        try:
            fresh.execute(f"INSERT INTO {target} VALUES ({', '.join('?' * len(row))})", row)
        except sqlite3.IntegrityError:
            continue  # no index ever held such values


def _readable(damaged: sqlite3.Connection, query: str) -> Iterator[tuple[object, ...]]:
    """The rows of `query`, whose first column is the row number, but for those on pages that cannot be read."""
    first: int | None = 0
    while first is not None:
        try:
            for row in damaged.execute(query + " WHERE id >= ? ORDER BY id", (first,)):
                first = row[0] + 1
                yield row
            return
        except sqlite3.DatabaseError:
            readable = _next(damaged, query, first)
            first = None if readable is None else int(str(readable[0])) + 1
            if readable is not None:
                yield readable


def _next(damaged: sqlite3.Connection, query: str, first: int) -> tuple[object, ...] | None:
    """The next row from number `first` on that can be read, looked up one by one; None: there is none near."""
    for number in range(first, first + _LONGEST_GAP):
        with contextlib.suppress(sqlite3.DatabaseError):
            row: tuple[object, ...] | None = damaged.execute(query + " WHERE id = ?", (number,)).fetchone()
            if row is not None:
                return row
    return None
