"""Connections to catalogs, which may come from anywhere: what SQLite would do for a stranger is refused.

A catalog is data, and a query of ours takes no longer than its size explains. Refused are: a link; a rollback journal,
which SQLite would play back when the catalog is opened for writing, removing a file that it names; tables, indexes,
views and triggers other than those that semsearch makes (sqlite.org/security.html); a statement that takes more steps,
or a query that gives more rows, than a file of this size can hold. Light, as the stat check opens catalogs, too.
"""

import os
import sqlite3

from semsearch.errors import IndexDamagedError, for_shell
from semsearch.store.local.damage import refuse_link, repair_hint

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

# A statement may take this many steps of SQLite's machine, and so many more for each byte of the catalog. The most that
# any takes over 300,000 passages of one letter in 60,000 files, read, examined and deleted: 0.4 a byte.
_STEPS = 10_000_000
_STEPS_PER_BYTE = 16
_LOCK_SECONDS = 60
# Steps after which SQLite asks whether to go on: about a millisecond.
_STEPS_BETWEEN = 100_000
# No row of a table takes less than so many bytes, with its share of indexes.
_BYTES_PER_ROW = 16
_ROWS = 10_000


class ForeignSchemaError(IndexDamagedError):
    """A catalog holds tables, indexes, views or triggers that semsearch does not make, or lacks some that it does."""


class Connection(sqlite3.Connection):
    """A connection whose statements end: one that takes more steps than the catalog has content for is interrupted
    with `sqlite3.OperationalError` (SQLITE_INTERRUPT).
    """

    def __init__(self, database: str, **options: "Any") -> None:
        super().__init__(database, **options)
        self._file = ""
        self._steps = 0

    def limit(self, path: str) -> None:
        """Ends statements by the size of the catalog at `path` from now on."""
        self._file = path
        self.set_progress_handler(self._goes_on_too_long, _STEPS_BETWEEN)

    def execute(self, *arguments: "Any") -> sqlite3.Cursor:
        self._steps = 0
        return super().execute(*arguments)

    def executemany(self, *arguments: "Any") -> sqlite3.Cursor:
        self._steps = 0
        return super().executemany(*arguments)

    def most_rows(self) -> int:
        """No query of one table, or of one table's chunks with their files, gives more rows."""
        return _ROWS + self._bytes() // _BYTES_PER_ROW

    def _goes_on_too_long(self) -> bool:
        self._steps += _STEPS_BETWEEN
        return self._steps > _STEPS and self._steps > _STEPS + _STEPS_PER_BYTE * self._bytes()

    def _bytes(self) -> int:
        """Bytes of the catalog with what was committed and not folded into it yet."""
        size = 0
        for path in (self._file, self._file + "-wal"):
            try:  # noqa: SIM105 - contextlib is not light
                size += os.stat(path).st_size
            except FileNotFoundError:  # folded in, maybe just now
                pass
        return size


def connect(database: str, path: str) -> Connection:
    """A connection to the catalog at `path`; `database`: the same as a URI, or as `path`.

    Raises `sqlite3.Error`, or `IndexDamagedError` for a catalog with a journal, and for one that is a link.
    """
    refuse_journal(path)
    for suffix in ("", "-wal", "-shm"):
        refuse_link(*os.path.split(path + suffix))
    connection: Connection = sqlite3.connect(
        database, uri=database != path, isolation_level=None, timeout=_LOCK_SECONDS, factory=Connection
    )
    connection.limit(path)
    # Functions in the schema may do no more than compute, and nothing changes the schema but statements that do so by
    # name. Python before 3.12 cannot ask for the second.
    connection.execute("PRAGMA trusted_schema = OFF")
    if hasattr(connection, "setconfig"):
        connection.setconfig(sqlite3.SQLITE_DBCONFIG_DEFENSIVE, True)  # type: ignore[attr-defined]
    return connection


def refuse_journal(path: str) -> None:
    """Raises `IndexDamagedError` where the catalog at `path` has a rollback journal.

    semsearch writes catalogs with a write-ahead log and leaves none. SQLite takes the name of a file from it that it
    then removes, if that looks like a journal of several databases (sqlite.org/fileformat2.html, section 3).
    """
    if os.path.lexists(path + "-journal"):
        raise IndexDamagedError(
            f"{path}-journal is not of semsearch, and was not opened", f"remove it: rm {for_shell(path + '-journal')}"
        )


def read_only_uri(path: str) -> str:
    """The URI under which SQLite reads the file `path` and writes nothing to it."""
    # The three characters that mean something in SQLite's URIs (sqlite.org/uri.html, section 3.1).
    quoted = path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")
    return f"file:{quoted}?mode=ro"


def stamp_of(path: str) -> tuple[int, ...]:
    """Size of the write-ahead log of the database at `path`, and its own identity, size and time: equal stamps, equal
    content."""
    try:
        log = os.stat(path + "-wal").st_size
    except FileNotFoundError:
        log = 0
    try:
        stat = os.stat(path)
    except FileNotFoundError:
        return (log,)
    return (log, stat.st_ino, stat.st_size, stat.st_mtime_ns)


def check_schema(connection: sqlite3.Connection, path: str, expected: "Mapping[str, tuple[str, str, str]]") -> None:
    """Raises `ForeignSchemaError` where the database at `path` holds other tables, indexes, views or triggers than
    those `expected`: name -> (type, table, SQL without white space).
    """
    found = {}
    for kind, name, table, text in connection.execute("SELECT type, name, tbl_name, sql FROM main.sqlite_schema"):
        if kind == "index" and text is None and str(name).startswith("sqlite_autoindex_"):
            continue  # of a UNIQUE or PRIMARY KEY of a table
        found[name] = (kind, table, "".join(str(text).split()))
    strange = sorted(str(name) for name in found if found[name] != expected.get(name))
    missing = sorted(name for name in expected if name not in found)
    if strange or missing:
        what = f"{strange[0]} in it is not of semsearch" if strange else f"it has no {missing[0]}"
        raise ForeignSchemaError(f"{path}: {what}", repair_hint(os.path.dirname(path)))
