"""What can still be read of a catalog whose pages are damaged, as a new one: a repair's last resort."""

import os
import sqlite3
from collections.abc import Iterable, Iterator

from semsearch.settings import CATALOG_FILE
from semsearch.storage.catalog import Catalog

# In the order in which rows refer to one another; `settings` has no row numbers and is read whole.
_NUMBERED = ("roots", "files", "chunks", "segments", "runs")
_MOST_ROWS = 2**40

Rows = Iterable[tuple[object, ...]]


def salvage(folder: str) -> None:
    """Puts a new catalog into the place of the damaged one of the index `folder`, with all rows that can be read.

    What is lost is then found by comparing what is left. Nobody else may be writing. Raises `sqlite3.DatabaseError`
    when not even the settings can be read.
    """
    path = os.path.join(folder, CATALOG_FILE)
    damaged = sqlite3.connect(path, isolation_level=None)
    try:
        fresh = Catalog.create_beside(folder)
        try:
            fresh.execute("BEGIN")
            for table in ("settings", *_NUMBERED):
                names = ", ".join(row[1] for row in fresh.execute(f"PRAGMA table_info({table})"))
                query = f"SELECT {names} FROM {table} NOT INDEXED"
                _insert(fresh, table, _readable(damaged, query) if table in _NUMBERED else damaged.execute(query))
            fresh.execute("COMMIT")
        finally:
            fresh.close()
    finally:
        damaged.close()
    for suffix in ("-wal", "-shm"):  # left where the last connection could not fold the log
        if os.path.lexists(path + suffix):
            os.unlink(path + suffix)
    os.rename(path + ".new", path)


def _insert(fresh: sqlite3.Connection, table: str, rows: Rows) -> None:
    for row in rows:
        try:
            fresh.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})", row)
        except sqlite3.IntegrityError:
            continue  # no index ever held such values


def _readable(damaged: sqlite3.Connection, query: str) -> Iterator[tuple[object, ...]]:
    """The rows of `query`, whose first column is the row number, but for those on pages that cannot be read."""
    query += " WHERE id > ? ORDER BY id"
    last: int | None = 0
    while last is not None:
        try:
            for row in damaged.execute(query, (last,)):
                last = row[0]
                yield row
            return
        except sqlite3.DatabaseError:
            last = _next_readable(damaged, query, last)


def _next_readable(damaged: sqlite3.Connection, query: str, last: int) -> int | None:
    """The lowest number behind which rows can be read again, above `last`, where they cannot; None: there is none."""

    def reads(number: int) -> bool:
        try:
            damaged.execute(query + " LIMIT 1", (number,)).fetchone()
        except sqlite3.DatabaseError:
            return False
        return True

    step = 1
    while not reads(last + step):
        step *= 2
        if step > _MOST_ROWS:
            return None
    low, high = last + step // 2, last + step
    while low + 1 < high:
        middle = (low + high) // 2
        low, high = (low, middle) if reads(middle) else (middle, high)
    return high
