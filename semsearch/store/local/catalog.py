"""`catalog.db`: what the index holds, in SQLite. A change of the index is one transaction here, and nothing else is.

Imports only the standard library and is light: the run of `index` that finds nothing changed reads the catalog and
stops. What its rows hold is decoded and checked by `rows`.
"""

import errno
import os
import sqlite3

from semsearch.errors import IndexDamagedError, SemsearchError
from semsearch.settings import CATALOG_FILE
from semsearch.store.local.connection import Connection, check_schema, connect, read_only_uri, stamp_of
from semsearch.store.local.damage import catalog_damaged
from semsearch.store.local.schema import APPLICATION_ID, MIGRATIONS, SCHEMA, SCHEMA_VERSION, statements

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import Any, TypeVar

    Answer = TypeVar("Answer")

# Older versions that can be read as they are; a writer brings them up to date (`schema.MIGRATIONS`).
_READABLE_VERSIONS = (1, 2, SCHEMA_VERSION)
# What stands for tables in catalogs of a version that lacks them, or a column of them, until they are migrated.
_MISSING = {
    "chunks": "SELECT *, NULL AS line_breaks FROM main.chunks",
    "parts": "SELECT 0 AS id, 0 AS file_id, 0 AS first_chunk, 0 AS chunk_count, '' AS title, '{}' AS metadata,"
    " NULL AS date, '' AS language WHERE 0",
}
_KEPT_RUNS = 100
# Rows that are taken at once.
_FETCHED = 10_000

MOST_CHUNKS = 2**48  # as in `store.checked_values`, which is not light
STATUSES = ("indexed", "skipped", "failed")
# What SQLite raises for a damaged file; it quotes the schema in its message, which may be no UTF-8 any more.
_BROKEN = (sqlite3.DatabaseError, UnicodeDecodeError)
# Result codes for what the disk refused, which is no fault of the catalog.
_OF_THE_DISK = (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY)


class Catalog:
    """One connection to a catalog; `create` and `open_for_writing` for the writer, `open_for_reading` for readers.

    What SQLite raises while a reader asks is damage of the index; the writer sees SQLite's own errors.
    """

    def __init__(self, connection: Connection, path: str, reading: bool = False) -> None:
        self.connection = connection
        self.path = path
        self.folder = os.path.dirname(path)
        self._reading = reading
        self._closed = False
        connection.row_factory = sqlite3.Row
        try:
            version = connection.execute("PRAGMA user_version").fetchone()[0]
        except _BROKEN as error:
            connection.close()
            raise _not_a_catalog(path, error) from None
        self.version = int(version)
        if version in _READABLE_VERSIONS:
            try:
                check_schema(connection, path, statements(self.version))
            except (IndexDamagedError, *_BROKEN) as error:
                connection.close()
                raise error if isinstance(error, IndexDamagedError) else _not_a_catalog(path, error) from None
            if self.version < SCHEMA_VERSION:
                for name, query in _MISSING.items():
                    connection.execute(f"CREATE TEMP VIEW {name} AS {query}")
            return
        connection.close()
        if version > SCHEMA_VERSION:
            raise SemsearchError(
                f"{self.folder} was written by a newer semsearch (format {version}, this one reads {SCHEMA_VERSION})",
                "upgrade with: pip install --upgrade semsearch",
                code="newer_index",
            )
        raise IndexDamagedError(f"{path} is not a semsearch catalog", f"remove {self.folder} and index again")

    @staticmethod
    def create(folder: str) -> "Catalog":
        """Makes the catalog of a new index in `folder`, under another name first, so that none is ever half made."""
        Catalog.finish_beside(Catalog.create_beside(folder), folder)
        final = os.path.join(folder, CATALOG_FILE)
        os.rename(final + ".new", final)
        return Catalog.open_for_writing(folder)

    @staticmethod
    def create_beside(folder: str) -> sqlite3.Connection:
        """An empty catalog, `catalog.db.new`, that is to be filled, finished with `finish_beside` and renamed."""
        working = os.path.join(folder, CATALOG_FILE) + ".new"
        for suffix in ("", "-wal", "-shm", "-journal"):
            if os.path.lexists(working + suffix):
                os.unlink(working + suffix)
        from semsearch.private_files import create

        os.close(create(working))  # SQLite gives its log and the like the mode of the catalog
        connection = sqlite3.connect(working, isolation_level=None)
        # Without a log: what is committed is in the file itself. No journal either, for nothing was there before.
        connection.execute("PRAGMA journal_mode = OFF")
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.executescript("BEGIN; " + SCHEMA + "COMMIT;")
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        return connection

    @staticmethod
    def finish_beside(connection: sqlite3.Connection, folder: str) -> None:
        """Closes what `create_beside` gave; `catalog.db.new` is then whole and on the disk. Raises `sqlite3.Error`."""
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            if connection.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
                raise sqlite3.DatabaseError("the new catalog is not what was written to it")
        finally:
            connection.close()
        path = os.path.join(folder, CATALOG_FILE) + ".new"
        if os.path.exists(path + "-wal"):  # the last connection could not fold it into the file
            raise sqlite3.OperationalError("database or disk is full")
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    @staticmethod
    def open_for_writing(folder: str) -> "Catalog":
        path = os.path.join(folder, CATALOG_FILE)
        try:
            connection = connect(path, path)
        except sqlite3.OperationalError as error:
            raise _not_a_catalog(path, error) from None
        catalog = Catalog(connection, path)
        try:
            if connection.execute("PRAGMA journal_mode = WAL").fetchone()[0] != "wal":
                connection.close()
                raise SemsearchError(
                    f"cannot write {path}: its file system cannot share memory between processes, as a log needs",
                    "put the index on a disk of this machine with: --index PATH",
                    code="not_writable",
                )
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA foreign_keys = ON")
        except _BROKEN as error:
            connection.close()
            raise _not_a_catalog(path, error) from None
        return catalog

    @staticmethod
    def open_for_reading(folder: str) -> "tuple[Catalog, tuple[int, ...] | None]":
        """A catalog that is only read and creates no file, and the stamp to check afterwards with `unchanged`.

        Without a write-ahead log nobody is writing: the file is opened as immutable, which takes no lock and leaves
        nothing behind. The stamp then tells whether a writer came in between. With a log, SQLite reads one snapshot
        of it (stamp None); where it cannot, in a read-only folder, the state before the log is read.
        """
        path = os.path.join(folder, CATALOG_FILE)
        stamp = stamp_of(path)
        writing = stamp[0] > 0
        uri = read_only_uri(path)
        if writing:
            try:
                return Catalog._begin(uri, path), None
            except _BROKEN as error:
                if os.access(folder, os.W_OK) or not isinstance(error, sqlite3.OperationalError):
                    raise _not_a_catalog(path, error) from None
        try:
            return Catalog._begin(uri + "&immutable=1", path), stamp
        except _BROKEN as error:
            raise _not_a_catalog(path, error) from None

    @staticmethod
    def _begin(uri: str, path: str) -> "Catalog":
        connection = connect(uri, path)
        catalog = Catalog(connection, path, reading=True)
        connection.execute("BEGIN")
        return catalog

    @staticmethod
    def read(folder: str, question: "Callable[[Catalog], Answer]") -> "Answer":
        """The answer of `question` to one committed state, for readers that open no segment."""
        from semsearch.store.local.checksum import check_catalog  # nothing the stat check has use for

        while True:
            catalog, stamp = Catalog.open_for_reading(folder)
            try:
                check_catalog(folder, writing=stamp is None)
                answer = question(catalog)
                if catalog.unchanged(stamp):
                    return answer
            except IndexDamagedError:
                if catalog.unchanged(stamp):
                    raise
            finally:
                catalog.close()

    def migrate(self) -> None:
        """Inside a commit: brings a catalog of an older version up to date."""
        if self.version < SCHEMA_VERSION:
            for name in _MISSING:
                self.connection.execute(f"DROP VIEW IF EXISTS temp.{name}")
        for version in range(self.version, SCHEMA_VERSION):
            for statement in MIGRATIONS[version]:
                self.connection.execute(statement)
            self.connection.execute(f"PRAGMA user_version = {version + 1}")
        self.version = SCHEMA_VERSION

    def fold_log(self) -> None:
        """Brings the write-ahead log into the catalog, which the last connection does not do while a reader is there.

        A reader that stays longer leaves the log to the next writer.
        """
        import contextlib  # 1 ms, which the run that finds nothing changed has no use for

        if self._closed:
            return
        with contextlib.suppress(sqlite3.OperationalError):
            self.connection.execute("PRAGMA busy_timeout = 1000")
            self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def copy_to(self, target: sqlite3.Connection) -> None:
        """Makes `target` hold what this catalog holds. Raises `IndexDamagedError` for a reader."""
        try:
            self.connection.backup(target)
        except _BROKEN as error:
            raise self._damage(error) from None

    def close(self) -> None:
        self._closed = True
        self.connection.close()

    def unchanged(self, stamp: "tuple[int, ...] | None") -> bool:
        """Whether what was read through an immutable connection can be trusted."""
        return stamp is None or stamp_of(self.path) == stamp

    # -- asking --------------------------------------------------------------------------------------------------

    def rows(self, query: str, parameters: "Sequence[object]" = ()) -> "list[sqlite3.Row]":
        """All rows of `query`. Raises `IndexDamagedError` for a reader where SQLite cannot read them."""
        return list(self.each(query, parameters))

    def row(self, query: str, parameters: "Sequence[object]" = ()) -> "sqlite3.Row | None":
        """The first row of `query`, None where there is none."""
        try:
            row: sqlite3.Row | None = self.connection.execute(query, parameters).fetchone()
        except _BROKEN as error:
            raise self._damage(error) from None
        return row

    def each(self, query: str, parameters: "Sequence[object]" = ()) -> "Iterator[sqlite3.Row]":
        """The rows of `query`, one after the other."""
        try:
            cursor = self.connection.execute(query, parameters)
            count = 0
            while found := cursor.fetchmany(_FETCHED):
                yield from found
                count += len(found)
                if count > _FETCHED and count > self.connection.most_rows():
                    raise catalog_damaged(self.folder, "a table gives more rows than there is room for in it")
        except _BROKEN as error:
            raise self._damage(error) from None

    def _damage(self, error: Exception) -> Exception:
        misused = isinstance(error, sqlite3.ProgrammingError)
        if _code(error) == sqlite3.SQLITE_CANTOPEN:
            from semsearch.shortage import refuse_few_descriptors

            refuse_few_descriptors(self.folder)
        return catalog_damaged(self.folder, error) if self._reading and not misused else error

    # -- settings ------------------------------------------------------------------------------------------------

    def setting(self, key: str, default: "Any" = None) -> "Any":
        """The value stored under `key`, as it is: whoever needs it to be of a type checks that (`rows.index_info`)."""
        row = self.row("SELECT json_type(value), json_extract(value, '$') FROM settings WHERE key = ?", (key,))
        if row is None:
            return default
        if row[0] not in ("object", "array"):
            return row[1]
        import json  # takes 8 ms, which the run that finds nothing changed has no use for

        try:
            return json.loads(row[1])
        except (ValueError, RecursionError) as error:
            raise catalog_damaged(self.folder, f"the setting {key} is no JSON: {error}") from None

    def number(self, key: str, default: int = 0) -> int:
        """A setting that counts something. Raises `IndexDamagedError` for anything else."""
        value = self.setting(key, default)
        if type(value) is not int or not 0 <= value <= MOST_CHUNKS:
            raise catalog_damaged(self.folder, f"the setting {key} is no number")
        return value

    def listed(self, key: str) -> "list[Any]":
        """A setting that lists something; empty where there is none. Raises `IndexDamagedError` for anything else."""
        value = self.setting(key)
        if value is not None and not isinstance(value, list):
            raise catalog_damaged(self.folder, f"the setting {key} is no list")
        return value or []

    def settings(self, keys: "Iterable[str]") -> "dict[str, Any]":
        """Those of the settings `keys` that there are, as they are. Raises `IndexDamagedError` for one that is no
        JSON.
        """
        import json

        query = "SELECT key, value FROM settings WHERE key IN (SELECT value FROM json_each(?))"
        try:
            return {row[0]: json.loads(row[1]) for row in self.rows(query, (json.dumps(list(keys)),))}
        except (ValueError, TypeError, RecursionError) as error:
            raise catalog_damaged(self.folder, f"a setting is no JSON: {error}") from None

    def recorded_rules(self) -> "dict[str, Any]":
        """`setting("rules")`, without importing json where no globs are recorded."""
        rows = self.rows(
            "SELECT each.key, each.type, each.value FROM settings, json_each(settings.value) AS each"
            " WHERE settings.key = 'rules'"
        )
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
        roots = []
        for root_id, path, label in self.rows("SELECT id, path, label FROM roots ORDER BY id"):
            if not (type(root_id) is int and type(path) is bytes and type(label) is str):
                raise catalog_damaged(self.folder, f"indexed folder {root_id} has no path or no label")
            roots.append((root_id, os.path.normpath(os.path.join(self.folder, os.fsdecode(path))), label))
        return roots

    def insert_root(self, root_id: int, path: str, label: str) -> None:
        """Inside a commit: records an indexed folder."""
        inside = self.folder.startswith(path.rstrip("/") + "/")
        stored = os.path.relpath(path, self.folder) if inside else path
        self.connection.execute("INSERT INTO roots VALUES (?, ?, ?)", (root_id, os.fsencode(stored), label))

    # -- counts --------------------------------------------------------------------------------------------------

    def counts(self) -> "dict[str, int]":
        """Files by status, `chunks` alive, and `pending`: those not yet gone through by the dense leg."""
        counts = {"indexed": 0, "skipped": 0, "failed": 0, "chunks": 0}
        for status, files, chunks in self.rows("SELECT status, COUNT(*), SUM(chunk_count) FROM files GROUP BY status"):
            if status not in STATUSES or type(chunks) is not int:
                raise catalog_damaged(self.folder, "the status of a file, or its number of chunks, is none")
            counts[status] = files
            counts["chunks"] += chunks
        pending = "SELECT COUNT(*) FROM chunks WHERE id > ? AND file_id IS NOT NULL"
        counts["pending"] = self.rows(pending, (self.number("embedded_to"),))[0][0]
        return counts

    # -- files, as the stat check needs them ---------------------------------------------------------------------

    def stamps(self, root_id: int, generation: int, racy_ns: int) -> "dict[bytes, tuple[int, int, int]]":
        """`Snapshot.stamps`."""
        cursor = self.connection.cursor()
        cursor.row_factory = None  # a third of the time of 40,000 rows
        try:
            rows = cursor.execute(
                "SELECT path, size, mtime_ns, inode FROM files"
                " WHERE root_id = ? AND generation = ? AND mtime_ns < scanned_ns - ?",
                (root_id, generation, racy_ns),
            )
            return {path: (size, mtime_ns, inode) for path, size, mtime_ns, inode in rows}
        except _BROKEN as error:
            raise self._damage(error) from None

    def file_names(self, root_id: int) -> "set[bytes]":
        return {self._name(row[0]) for row in self.rows("SELECT path FROM files WHERE root_id = ?", (root_id,))}

    def count_files(self, root_id: int) -> int:
        return int(self.rows("SELECT COUNT(*) FROM files WHERE root_id = ?", (root_id,))[0][0])

    def left_out(self, root_id: int) -> "dict[bytes, tuple[str, str]]":
        """`Snapshot.left_out`."""
        rows = self.rows("SELECT path, status, reason FROM files WHERE root_id = ? AND status != 'indexed'", (root_id,))
        return {self._name(path): (str(status), str(reason)) for path, status, reason in rows}

    def _name(self, path: object) -> bytes:
        if type(path) is not bytes:
            raise catalog_damaged(self.folder, "the path of a file is no path")
        return path

    # -- runs ----------------------------------------------------------------------------------------------------

    def add_run(self, started: float, seconds: float, report: "dict[str, Any]") -> None:
        """Inside a commit: records a run, and forgets all but the latest ones."""
        import json

        self.connection.execute(
            "INSERT INTO runs (started, seconds, report) VALUES (?, ?, ?)",
            (started, seconds, json.dumps(report, ensure_ascii=False)),
        )
        self.connection.execute("DELETE FROM runs WHERE id <= (SELECT MAX(id) FROM runs) - ?", (_KEPT_RUNS,))


def _code(error: Exception) -> int:
    """SQLite's primary result code; 0 for an error of Python's, such as text that is no UTF-8."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _not_a_catalog(path: str, error: Exception) -> Exception:
    """What to raise where SQLite cannot open the catalog at `path`: it tells damage from little else."""
    if os.path.exists(path) and not os.access(path, os.R_OK):
        return PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
    if _code(error) == sqlite3.SQLITE_CANTOPEN and os.path.exists(path):
        from semsearch.shortage import refuse_few_descriptors

        refuse_few_descriptors(path)
        return error  # what is there may be good: the log beside it could not be opened or made
    if _code(error) in _OF_THE_DISK:
        free = os.statvfs(os.path.dirname(path)).f_bavail
        return error if free else OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
    return IndexDamagedError(f"{path}: {error}", f"remove {os.path.dirname(path)} and index again")
