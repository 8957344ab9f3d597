"""`catalog.db`: what the index holds, in SQLite. A change of the index is one transaction here, and nothing else is.

Imports only the standard library: the run of `index` that finds nothing changed reads the catalog and stops.
Row and bitmap conventions: a chunk id is given once and never again; the chunks of a file are contiguous ids;
`dead` of a segment is a bitmap of its rows, least significant bit first (as FAISS reads it), NULL when all are alive.
"""

import os
import sqlite3

from semsearch.errors import IndexDamagedError, SemsearchError
from semsearch.settings import CATALOG_FILE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, TypeVar

    Answer = TypeVar("Answer")

SCHEMA_VERSION = 2
# Older versions that can be read as they are; a writer brings them up to date by `_MIGRATIONS`.
_READABLE = (1, SCHEMA_VERSION)
_APPLICATION_ID = 0x73656D73  # "sems"
_KEPT_RUNS = 100
# What a reader trips over where a catalog holds values that no writer put there; an index may come from anywhere.
NONSENSE = (TypeError, KeyError, ValueError, AttributeError, IndexError, OverflowError)
# What SQLite raises for a damaged file; it quotes the schema in its message, which may be no UTF-8 any more.
_BROKEN = (sqlite3.DatabaseError, UnicodeDecodeError)

_SCHEMA = """
CREATE TABLE settings (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE roots (id INTEGER PRIMARY KEY, path BLOB NOT NULL UNIQUE, label TEXT NOT NULL);
CREATE TABLE files (
    id INTEGER PRIMARY KEY,
    root_id INTEGER NOT NULL REFERENCES roots(id),
    path BLOB NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('indexed', 'skipped', 'failed')),
    reason TEXT NOT NULL DEFAULT '',
    size INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,
    inode INTEGER NOT NULL,
    scanned_ns INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    hash BLOB,
    type TEXT NOT NULL DEFAULT '',
    title TEXT NOT NULL DEFAULT '',
    language TEXT NOT NULL DEFAULT '',
    metadata TEXT NOT NULL DEFAULT '{}',
    date REAL,
    first_chunk INTEGER NOT NULL DEFAULT 0,
    chunk_count INTEGER NOT NULL DEFAULT 0,
    UNIQUE (root_id, path)
);
CREATE INDEX files_status ON files (status, chunk_count);
CREATE INDEX files_stamps ON files (root_id, generation, path, size, mtime_ns, inode, scanned_ns);
CREATE TABLE chunks (
    id INTEGER PRIMARY KEY,
    file_id INTEGER,
    hash BLOB NOT NULL,
    text TEXT NOT NULL,
    heading TEXT NOT NULL,
    page INTEGER,
    line_start INTEGER,
    line_end INTEGER,
    tokens INTEGER NOT NULL
);
CREATE INDEX chunks_hash ON chunks (hash);
CREATE INDEX chunks_dead ON chunks (id) WHERE file_id IS NULL;
CREATE TABLE segments (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL CHECK (kind IN ('lex', 'vec')),
    name TEXT NOT NULL UNIQUE,
    first_id INTEGER NOT NULL,
    last_id INTEGER NOT NULL,
    rows INTEGER NOT NULL,
    dead BLOB,
    dead_count INTEGER NOT NULL DEFAULT 0,
    files TEXT NOT NULL
);
CREATE TABLE runs (id INTEGER PRIMARY KEY, started REAL NOT NULL, seconds REAL NOT NULL, report TEXT NOT NULL);
"""

# version -> what makes a catalog of the next version of it.
_MIGRATIONS = {
    1: ("CREATE INDEX files_stamps ON files (root_id, generation, path, size, mtime_ns, inode, scanned_ns)",),
}


class Catalog:
    """One connection to a catalog; `create` and `open_for_writing` for the writer, `open_for_reading` for readers."""

    def __init__(self, connection: sqlite3.Connection, path: str) -> None:
        self.connection = connection
        self.path = path
        connection.row_factory = sqlite3.Row
        try:
            version = connection.execute("PRAGMA user_version").fetchone()[0]
        except _BROKEN as error:
            connection.close()
            raise _damaged(path, error) from None
        self.version = int(version)
        if version in _READABLE:
            # What an index brings along, such as triggers and views, may call none of SQLite's functions that do more
            # than compute (sqlite.org/security.html).
            connection.execute("PRAGMA trusted_schema = OFF")
            return
        connection.close()
        folder = os.path.dirname(path)
        if version > SCHEMA_VERSION:
            raise SemsearchError(
                f"{folder} was written by a newer semsearch (format {version}, this one reads {SCHEMA_VERSION})",
                "upgrade with: pip install --upgrade semsearch",
                code="newer_index",
            )
        raise IndexDamagedError(f"{path} is not a semsearch catalog", f"remove {folder} and index again")

    @staticmethod
    def create(folder: str) -> "Catalog":
        """Makes the catalog of a new index in `folder`, under another name first, so that none is ever half made."""
        Catalog.create_beside(folder).close()  # the last connection folds the log into the file
        final = os.path.join(folder, CATALOG_FILE)
        os.rename(final + ".new", final)
        return Catalog.open_for_writing(folder)

    @staticmethod
    def create_beside(folder: str) -> sqlite3.Connection:
        """An empty catalog, `catalog.db.new`, that is to be closed and renamed."""
        working = os.path.join(folder, CATALOG_FILE) + ".new"
        for suffix in ("", "-wal", "-shm", "-journal"):
            if os.path.lexists(working + suffix):
                os.unlink(working + suffix)
        connection = sqlite3.connect(working, isolation_level=None)
        connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
        connection.executescript("PRAGMA journal_mode = WAL; BEGIN; " + _SCHEMA + "COMMIT;")
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        return connection

    @staticmethod
    def open_for_writing(folder: str) -> "Catalog":
        path = os.path.join(folder, CATALOG_FILE)
        try:
            connection = sqlite3.connect(path, isolation_level=None, timeout=60)
        except sqlite3.OperationalError as error:
            raise _damaged(path, error) from None
        catalog = Catalog(connection, path)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA foreign_keys = ON")
        except _BROKEN as error:
            connection.close()
            raise _damaged(path, error) from None
        return catalog

    @staticmethod
    def open_for_reading(folder: str) -> "tuple[Catalog, tuple[int, ...] | None]":
        """A catalog that is only read and creates no file, and the stamp to check afterwards with `unchanged`.

        Without a write-ahead log nobody is writing: the file is opened as immutable, which takes no lock and leaves
        nothing behind. The stamp then tells whether a writer came in between. With a log, SQLite reads one snapshot
        of it (stamp None); where it cannot, in a read-only folder, the state before the log is read.
        """
        path = os.path.join(folder, CATALOG_FILE)
        stamp = _stamp(path)
        writing = stamp[0] > 0
        # The three characters that mean something in SQLite's URIs (sqlite.org/uri.html, section 3.1).
        quoted = path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")
        uri = f"file:{quoted}?mode=ro"
        if writing:
            try:
                return Catalog._begin(uri, path), None
            except _BROKEN as error:
                if os.access(folder, os.W_OK) or not isinstance(error, sqlite3.OperationalError):
                    raise _damaged(path, error) from None
        try:
            return Catalog._begin(uri + "&immutable=1", path), stamp
        except _BROKEN as error:
            raise _damaged(path, error) from None

    @staticmethod
    def _begin(uri: str, path: str) -> "Catalog":
        connection = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=60)
        catalog = Catalog(connection, path)
        connection.execute("BEGIN")
        return catalog

    @staticmethod
    def read(folder: str, question: "Callable[[Catalog], Answer]") -> "Answer":
        """The answer of `question` to one committed state, for readers that open no segment."""
        from semsearch.storage.checksum import check_catalog  # nothing the run that finds nothing changed has use for

        while True:
            catalog, stamp = Catalog.open_for_reading(folder)
            try:
                check_catalog(folder, writing=stamp is None)
                answer = question(catalog)
                if catalog.unchanged(stamp):
                    return answer
            except (*_BROKEN, IndexDamagedError, *NONSENSE) as error:
                if catalog.unchanged(stamp):
                    if isinstance(error, IndexDamagedError):
                        raise
                    raise _damaged(catalog.path, error) from None
            finally:
                catalog.close()

    def migrate(self) -> None:
        """Inside a commit: brings a catalog of an older version up to date."""
        for version in range(self.version, SCHEMA_VERSION):
            for statement in _MIGRATIONS[version]:
                self.connection.execute(statement)
            self.connection.execute(f"PRAGMA user_version = {version + 1}")
        self.version = SCHEMA_VERSION

    def fold_log(self) -> None:
        """Brings the write-ahead log into the catalog, which the last connection does not do while a reader is there.

        A reader that stays longer leaves the log to the next writer.
        """
        import contextlib  # 1 ms, which the run that finds nothing changed has no use for

        with contextlib.suppress(sqlite3.OperationalError):
            self.connection.execute("PRAGMA busy_timeout = 1000")
            self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        self.connection.close()

    def unchanged(self, stamp: "tuple[int, ...] | None") -> bool:
        """Whether what was read through an immutable connection can be trusted."""
        return stamp is None or _stamp(self.path) == stamp

    # -- settings ------------------------------------------------------------------------------------------------

    def setting(self, key: str, default: "Any" = None) -> "Any":
        row = self.connection.execute(
            "SELECT json_type(value), json_extract(value, '$') FROM settings WHERE key = ?", (key,)
        ).fetchone()
        if row is None:
            return default
        if row[0] not in ("object", "array"):
            return row[1]
        import json  # takes 8 ms, which the run that finds nothing changed has no use for

        return json.loads(row[1])

    def recorded_rules(self) -> "dict[str, Any]":
        """`setting("rules")`, without importing json where no globs are recorded."""
        rows = self.connection.execute(
            "SELECT each.key, each.type, each.value FROM settings, json_each(settings.value) AS each"
            " WHERE settings.key = 'rules'"
        ).fetchall()
        if any(row["type"] == "array" and row["value"] != "[]" for row in rows):
            rules: dict[str, Any] = self.setting("rules")
            return rules
        values = {"array": (), "true": True, "false": False}
        return {row["key"]: values.get(row["type"], row["value"]) for row in rows}

    def set_setting(self, key: str, value: object) -> None:
        import json

        self.connection.execute(
            "INSERT INTO settings VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            (key, json.dumps(value, ensure_ascii=False)),
        )

    # -- roots ---------------------------------------------------------------------------------------------------

    def roots(self) -> "list[tuple[int, str, str]]":
        """(id, absolute path, label) of each indexed folder. One that holds the index is kept relative to it."""
        folder = os.path.dirname(self.path)
        return [
            (row["id"], os.path.normpath(os.path.join(folder, os.fsdecode(row["path"]))), row["label"])
            for row in self.connection.execute("SELECT * FROM roots ORDER BY id")
        ]

    def add_root(self, path: str) -> int:
        folder = os.path.dirname(self.path)
        inside = folder.startswith(path.rstrip("/") + "/")
        stored = os.path.relpath(path, folder) if inside else path
        labels = {row[0] for row in self.connection.execute("SELECT label FROM roots")}
        name = os.fsencode(os.path.basename(path.rstrip("/")) or "root").decode("utf-8", "replace")
        label, number = name, 2
        while label in labels:
            label, number = f"{name}-{number}", number + 1
        cursor = self.connection.execute("INSERT INTO roots (path, label) VALUES (?, ?)", (os.fsencode(stored), label))
        return int(cursor.lastrowid or 0)

    # -- counts --------------------------------------------------------------------------------------------------

    def counts(self) -> "dict[str, int]":
        """Files by status, `chunks` alive, and `pending`: those not yet gone through by the dense leg."""
        counts = {"indexed": 0, "skipped": 0, "failed": 0, "chunks": 0}
        for row in self.connection.execute(
            "SELECT status, COUNT(*) AS files, SUM(chunk_count) AS chunks FROM files GROUP BY status"
        ):
            counts[row["status"]] = row["files"]
            counts["chunks"] += row["chunks"]
        counts["pending"] = self.connection.execute(
            "SELECT COUNT(*) FROM chunks WHERE id > ? AND file_id IS NOT NULL", (self.setting("embedded_to", 0),)
        ).fetchone()[0]
        return counts

    def segments(self, kind: str) -> "list[sqlite3.Row]":
        """The rows of the segments of `kind` ('lex' or 'vec') in id order."""
        return self.connection.execute("SELECT * FROM segments WHERE kind = ? ORDER BY first_id", (kind,)).fetchall()

    def files(self, root_id: int) -> "Iterator[sqlite3.Row]":
        return iter(self.connection.execute("SELECT * FROM files WHERE root_id = ?", (root_id,)))

    def stamps(self, root_id: int, generation: int, racy_ns: int) -> "dict[bytes, tuple[int, int, int]]":
        """path -> (size, mtime_ns, inode) of the files of a root that are unchanged if these are equal, in the sense of
        `sources.walk.is_unchanged`."""
        cursor = self.connection.cursor()
        cursor.row_factory = None  # a third of the time of 40,000 rows
        rows = cursor.execute(
            "SELECT path, size, mtime_ns, inode FROM files"
            " WHERE root_id = ? AND generation = ? AND mtime_ns < scanned_ns - ?",
            (root_id, generation, racy_ns),
        )
        return {path: (size, mtime_ns, inode) for path, size, mtime_ns, inode in rows}

    def file(self, root_id: int, name: bytes) -> "sqlite3.Row | None":
        row: sqlite3.Row | None = self.connection.execute(
            "SELECT * FROM files WHERE root_id = ? AND path = ?", (root_id, name)
        ).fetchone()
        return row

    def has_text(self, digest: bytes) -> bool:
        """Whether a passage of this hash is there and the dense leg has gone through it."""
        query = "SELECT 1 FROM chunks WHERE hash = ? AND id <= ? LIMIT 1"
        return self.connection.execute(query, (digest, self.setting("embedded_to", 0))).fetchone() is not None

    def pending_tokens(self) -> "tuple[int, int]":
        """(passages, tokens) the dense leg has yet to go through."""
        query = "SELECT COUNT(*), COALESCE(SUM(tokens), 0) FROM chunks WHERE id > ? AND file_id IS NOT NULL"
        chunks, tokens = self.connection.execute(query, (self.setting("embedded_to", 0),)).fetchone()
        return chunks, tokens

    def file_names(self, root_id: int) -> "set[bytes]":
        return {row[0] for row in self.connection.execute("SELECT path FROM files WHERE root_id = ?", (root_id,))}

    def count_files(self, root_id: int) -> int:
        return int(self.connection.execute("SELECT COUNT(*) FROM files WHERE root_id = ?", (root_id,)).fetchone()[0])

    def count_indexed(self, root_id: int) -> int:
        query = "SELECT COUNT(*) FROM files WHERE root_id = ? AND status = 'indexed'"
        return int(self.connection.execute(query, (root_id,)).fetchone()[0])

    def left_out(self, root_id: int) -> "dict[bytes, sqlite3.Row]":
        """The rows of the files of a root that are not indexed, by path."""
        rows = self.connection.execute(
            "SELECT path, status, reason FROM files WHERE root_id = ? AND status != 'indexed'", (root_id,)
        )
        return {row["path"]: row for row in rows}

    def last_run(self) -> "sqlite3.Row | None":
        row: sqlite3.Row | None = self.connection.execute("SELECT * FROM runs ORDER BY id DESC LIMIT 1").fetchone()
        return row

    def add_run(self, started: float, seconds: float, report: "dict[str, Any]") -> None:
        import json

        self.connection.execute(
            "INSERT INTO runs (started, seconds, report) VALUES (?, ?, ?)",
            (started, seconds, json.dumps(report, ensure_ascii=False)),
        )
        self.connection.execute("DELETE FROM runs WHERE id <= (SELECT MAX(id) FROM runs) - ?", (_KEPT_RUNS,))


def _stamp(path: str) -> tuple[int, ...]:
    """Size of the write-ahead log, and identity, size and time of the catalog: equal stamps, equal content."""
    try:
        log = os.stat(path + "-wal").st_size
    except FileNotFoundError:
        log = 0
    try:
        stat = os.stat(path)
    except FileNotFoundError:
        return (log,)
    return (log, stat.st_ino, stat.st_size, stat.st_mtime_ns)


def _damaged(path: str, error: Exception) -> IndexDamagedError:
    return IndexDamagedError(f"{path}: {error}", f"remove {os.path.dirname(path)} and index again")
