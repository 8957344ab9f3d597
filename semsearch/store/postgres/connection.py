"""A connection to the database of an index, made when it is first needed.

No setting of a session is relied on, and no statement is prepared on the server: a pooler may give each transaction
another session (PgBouncer in transaction mode).
"""

import re
import select
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg import sql
from psycopg.rows import TupleRow

from semsearch.errors import DatabaseError
from semsearch.psycopg_messages import silence_aftermath
from semsearch.store.engine_vectors import Engines
from semsearch.store.postgres.address import Address
from semsearch.store.postgres.errors import ConnectionLostError, TryAgainError, about_index, lost

# Seconds until a server that does not answer counts as unreachable, and a statement as stuck.
_CONNECT_SECONDS = 20
READING_SECONDS = 120
WRITING_SECONDS = 3600
# A machine that vanished without a word is noticed after about a minute, not after two hours.
_KEEPALIVES = {"keepalives": "1", "keepalives_idle": "20", "keepalives_interval": "10", "keepalives_count": "4"}
# So does the server, which else would keep what a vanished machine has locked for two hours.
_WRITING = {
    "lock_timeout": "0", "tcp_keepalives_idle": "20", "tcp_keepalives_interval": "10", "tcp_keepalives_count": "4",
}  # fmt: skip
# What an administrator may have set -> the first version of the server that has it. It must not end a snapshot in
# which a model is loaded before the next statement, a commit that waits for others, or a run that holds its locks,
_OF_TRANSACTIONS = {"idle_in_transaction_session_timeout": 0, "transaction_timeout": 170000}
# nor what takes long and cannot be done within a transaction.
_OF_STATEMENTS = {"statement_timeout": 0, "lock_timeout": 0, "transaction_timeout": 170000}
# How often a statement is tried that does not get through.
ATTEMPTS = 5
_NAMES = re.compile(r"'\{s\}|\{s\}|\{v\}")

Row = TupleRow
Answer = TypeVar("Answer")

silence_aftermath()


class Connection:
    """One connection to the server of `address`; `reading`: to its replica, where one is named."""

    def __init__(self, address: Address, reading: bool = False) -> None:
        self.address = address
        self.location = address.location
        self._url = address.replica or address.url if reading else address.url
        self._connection: psycopg.Connection[Row] | None = None
        self._schema = ""
        self._vector_schema = ""
        # Gets the connection back that was lost outside of a transaction; None: that is an error.
        self.recover: Callable[[], None] | None = None
        # How often the server was waited for.
        self.round_trips = 0
        # The vector databases that keep the vectors of the index; whoever owns this connection closes them.
        self.engines = Engines(self.location)
        # State of a segment (`state.SegmentRow.version`) -> the ids of its deleted chunks, rising.
        self.deleted: dict[str, NDArray[np.int64]] = {}
        self._is_ending = False

    @property
    def raw(self) -> psycopg.Connection[Row]:
        """The connection of psycopg, in autocommit mode. Raises `SemsearchError`, also for one that was lost: what was
        begun in it does not go on in another."""
        if self.is_lost:
            raise lost(self.location, "the connection to the server is lost")
        if self._connection is None:
            extra: dict[str, Any] = dict(_KEEPALIVES)
            extra.update(self.address.secrets)
            with about_index(self.location):
                self._connection = psycopg.connect(
                    self._url,
                    autocommit=True,
                    prepare_threshold=None,
                    connect_timeout=_CONNECT_SECONDS,
                    application_name="semsearch",
                    client_encoding="UTF8",
                    **extra,
                )
            self._is_ending = False
        if self._is_ending:
            self._is_ending = False
            self._wait_for_end(self._connection)
        return self._connection

    def _wait_for_end(self, connection: psycopg.Connection[Row]) -> None:
        """Takes the answer to the COMMIT that `_end_reading` sent: nothing was written, so that it does not matter."""
        with about_index(self.location):
            while True:
                # What waits inside of libpq keeps all other threads waiting, too.
                while connection.pgconn.is_busy():
                    waiting = select.poll()  # takes any descriptor, unlike `select.select`
                    waiting.register(connection.pgconn.socket, select.POLLIN)
                    waiting.poll()
                    connection.pgconn.consume_input()
                if connection.pgconn.get_result() is None:
                    return

    def close(self) -> None:
        """Ends the connection, and with it what it locked."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @property
    def is_lost(self) -> bool:
        """Whether a connection was made and is no more."""
        return self._connection is not None and (self._connection.closed or self._connection.broken)

    @property
    def is_idle(self) -> bool:
        """Whether no transaction is open."""
        connection = self._connection
        return (
            connection is None
            or self._is_ending
            or connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
        )

    def has_session(self) -> bool:
        """Whether what is set holds for the next statement: no pooler gives it to another session of the server."""
        row = self.row("SELECT pg_backend_pid()")
        return row is not None and row[0] == self.raw.info.backend_pid

    # -- statements ----------------------------------------------------------------------------------------------

    def sql(self, statement: str, has_parameters: bool = False) -> bytes:
        """`statement` with the schema of the index for `{s}`, also at the beginning of a text in quotes, and that of
        pgvector for `{v}`."""
        if not self._schema:
            self._schema = sql.Identifier(self.address.schema).as_string(self.raw)

        def name(match: re.Match[str]) -> str:
            if match[0] == "{v}":
                found = self.vector_schema()
            else:
                found = self._schema if match[0] == "{s}" else "'" + self._schema.replace("'", "''")
            return found.replace("%", "%%") if has_parameters else found

        return _NAMES.sub(name, statement).encode()

    def snapshot(self, seconds: int = READING_SECONDS) -> str:
        """The statements that begin a transaction in which all see one state, also of a replica; each may take so many
        `seconds`."""
        return self._begin("REPEATABLE READ READ ONLY", seconds, {})

    def writing(self) -> str:
        """The statements that begin a transaction that writes."""
        return self._begin("READ COMMITTED", WRITING_SECONDS, _WRITING)

    def _begin(self, level: str, seconds: int, values: dict[str, str]) -> str:
        values = {"statement_timeout": f"'{seconds}s'", **dict.fromkeys(self._known(_OF_TRANSACTIONS), "0"), **values}
        return "; ".join([f"BEGIN ISOLATION LEVEL {level}", *(f"SET LOCAL {name} = {values[name]}" for name in values)])

    def _known(self, names: dict[str, int]) -> list[str]:
        """Those of `names` (-> the first version that has it) that the server has."""
        with about_index(self.location):
            version = self.raw.info.server_version
        return [name for name, first in names.items() if version >= first]

    @contextmanager
    def without_limits(self, **more: str) -> Iterator[None]:
        """Within it, limits of time that an administrator set end no statement, and `more` settings have these values.

        For what cannot be done within a transaction. Behind a pooler, which gives each statement another session,
        nothing is set.
        """
        if not self.has_session():
            yield
            return
        values = {**dict.fromkeys(self._known(_OF_STATEMENTS), "0"), **more}
        self.script("; ".join(f"SET {name} = {value}" for name, value in values.items()))
        try:
            yield
        finally:
            if not self.is_lost:
                self.script("; ".join(f"RESET {name}" for name in values))

    def _unbroken(self, ask: Callable[[], Answer]) -> Answer:
        """`ask()`, which runs a statement; again where that was in vain and no transaction is lost by it."""
        for left in reversed(range(ATTEMPTS)):
            idle = self.is_idle
            try:
                with about_index(self.location):
                    return ask()
            except TryAgainError as error:
                is_lost = isinstance(error, ConnectionLostError)
                if not idle or not left or (is_lost and self.recover is None):
                    raise
                if is_lost and self.recover is not None:
                    self.recover()
        raise AssertionError("unreachable")

    def vector_schema(self) -> str:
        """The schema of pgvector, quoted. Raises `DatabaseError` where the database does not have it."""
        if not self._vector_schema:
            found = self.raw.execute(
                "SELECT nspname FROM pg_extension JOIN pg_namespace ON pg_namespace.oid = extnamespace"
                " WHERE extname = 'vector'"
            ).fetchone()
            if found is None:
                raise DatabaseError(
                    f"{self.location}: the database has no extension called vector",
                    f"install pgvector on the server (apt install postgresql-{self._major()}-pgvector), then let an"
                    " administrator of the database run: CREATE EXTENSION vector",
                )
            self._vector_schema = sql.Identifier(found[0]).as_string(self.raw)
        return self._vector_schema

    def _major(self) -> int:
        return self.raw.info.server_version // 10_000

    def execute(self, statement: str, parameters: Sequence[object] = (), binary: bool = True) -> psycopg.Cursor[Row]:
        """Runs `statement`; `binary`: how its rows come back. Raises `SemsearchError`."""

        def ask() -> psycopg.Cursor[Row]:
            self.round_trips += 1
            cursor = self.raw.cursor(binary=binary)
            return cursor.execute(self.sql(statement, bool(parameters)), parameters or None)

        return self._unbroken(ask)

    def rows(self, statement: str, parameters: Sequence[object] = ()) -> list[Row]:
        """All rows of `statement`. Raises `SemsearchError`."""
        cursor = self.execute(statement, parameters)
        with about_index(self.location):
            return cursor.fetchall()

    def row(self, statement: str, parameters: Sequence[object] = ()) -> Row | None:
        """The first row of `statement`, None where there is none. Raises `SemsearchError`."""
        cursor = self.execute(statement, parameters)
        with about_index(self.location):
            return cursor.fetchone()

    def script(self, statements: str) -> list[list[Row]]:
        """The rows of each of `statements`, which take no parameters, in one round trip. Raises `SemsearchError`."""

        def ask() -> list[list[Row]]:
            self.round_trips += 1
            cursor = self.raw.execute(self.sql(statements))
            results = []
            while True:
                if cursor.description is not None:
                    results.append(cursor.fetchall())
                if not cursor.nextset():
                    return results

        return self._unbroken(ask)

    def pipeline(self, statements: Sequence[tuple[str, Sequence[object]]]) -> list[list[Row]]:
        """The rows of each of `statements`, which all have some, with its parameters, in one round trip.

        Raises `SemsearchError`.
        """

        def ask() -> list[list[Row]]:
            self.round_trips += 1
            prepared = [(self.sql(statement, bool(parameters)), parameters) for statement, parameters in statements]
            with self.raw.pipeline():
                cursors = [
                    self.raw.cursor(binary=True).execute(statement, parameters or None)
                    for statement, parameters in prepared
                ]
                return [cursor.fetchall() for cursor in cursors]

        return self._unbroken(ask)

    def once(self, statement: str) -> None:
        """Runs `statement`, which takes no parameters and is not to be tried again where it did not get through."""
        self.round_trips += 1
        with about_index(self.location):
            self.raw.execute(self.sql(statement))

    def copy(self, table: str, columns: Sequence[tuple[str, str]], rows: Iterator[Sequence[object]]) -> None:
        """Adds `rows` to `table`; `columns`: (name, type) of each value. Raises `SemsearchError`."""
        names = ", ".join(name for name, _ in columns)
        with about_index(self.location), self.raw.cursor() as cursor:
            statement = self.sql(f"COPY {{s}}.{table} ({names}) FROM STDIN (FORMAT BINARY)")
            with cursor.copy(statement) as copy:
                copy.set_types([kind for _, kind in columns])
                for row in rows:
                    copy.write_row(row)

    def copy_bytes(self, table: str, columns: Sequence[str], data: bytes) -> None:
        """Adds rows to `table` that `data` holds as PostgreSQL's binary format has them, without head and end."""
        with about_index(self.location), self.raw.cursor() as cursor:
            statement = self.sql(f"COPY {{s}}.{table} ({', '.join(columns)}) FROM STDIN (FORMAT BINARY)")
            with cursor.copy(statement) as copy:
                copy.write(b"PGCOPY\n\xff\r\n\0" + bytes(8) + data + b"\xff\xff")

    @contextmanager
    def transaction(self, begin: str) -> Iterator[list[list[Row]]]:
        """A transaction that the statements `begin` open, whose rows are handed out; all of it, or nothing."""
        try:
            yield self.script(begin)
            self.script("COMMIT")
        except BaseException:
            self._roll_back()
            raise

    @contextmanager
    def reading(self, begin: str) -> Iterator[list[list[Row]]]:
        """`transaction` for what only reads."""
        try:
            yield self.script(begin)
            self._end_reading()
        except BaseException:
            self._roll_back()
            raise

    def _end_reading(self) -> None:
        """Ends a transaction that has only read, without waiting for the answer."""
        connection = self.raw
        connection.pgconn.send_query(b"COMMIT")
        connection.pgconn.flush()
        self._is_ending = True

    def _roll_back(self) -> None:
        """Ends a transaction that failed; of a connection that cannot even do that nothing is left."""
        if self._connection is not None and not self._connection.closed:
            try:
                self._connection.execute("ROLLBACK")
            except psycopg.Error:
                self._connection.close()
