"""Who may write an index that several machines share: advisory locks of the database, and the table `writers`.

A run locks the folders that it works on, and shares a lock on the index with runs on other folders; one that changes
all of an index locks it alone. The locks belong to a transaction that stays open on a connection of its own, so that
they are free as soon as that connection ends, whatever becomes of the machine, and hold behind a pooler, too. As that
connection may be lost before the one that commits, each commit asks whether the run is still in `writers`
(`transaction.Work`): who takes over its locks takes its row out.
"""

import contextlib
import os
from collections.abc import Sequence
from hashlib import blake2b

from semsearch import settings
from semsearch.errors import LockedError
from semsearch.store.postgres.address import Address
from semsearch.store.postgres.connection import Connection
from semsearch.store.postgres.errors import ConnectionLostError

_NO_TIMEOUT_FROM = 170000  # the version of the server that has transaction_timeout


class WriterLocks:
    """The locks of one run, taken when it is made, and its row in `writers`, with the number `writer`.

    `folders`: those of this machine that it works on; None: all of the index. Raises `LockedError`.
    """

    def __init__(self, address: Address, connection: Connection, folders: Sequence[str] | None) -> None:
        self._address = address
        self._connection = connection
        self._folders = folders
        self._locking = Connection(address)
        self.writer = 0
        try:
            self._take()
            self.writer = self._register()
            self._lock_alive()
        except BaseException:
            self._locking.close()
            raise

    def take_again(self) -> None:
        """After the connection was lost: takes the locks again. Raises `LockedError` where another run has them."""
        self._locking.close()
        self._locking = Connection(self._address)
        self._take()
        self._lock_alive()

    def release(self) -> None:
        """Takes the run out of `writers`, frees its locks and what it has claimed."""
        with contextlib.suppress(ConnectionLostError):  # then they are free
            self._connection.rows("DELETE FROM {s}.writers WHERE id = %s RETURNING id", (self.writer,))
            free_claims(self._connection)
        self._locking.close()

    def _take(self) -> None:
        self._locking.script(
            "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL idle_in_transaction_session_timeout = 0;"
            " SET LOCAL tcp_keepalives_idle = 20;"
            " SET LOCAL tcp_keepalives_interval = 10; SET LOCAL tcp_keepalives_count = 4"
        )
        if self._locking.raw.info.server_version >= _NO_TIMEOUT_FROM:
            self._locking.script("SET LOCAL transaction_timeout = 0")
        shared = "" if self._folders is None else "_shared"
        if not self._try(f"pg_try_advisory_xact_lock{shared}", "index"):
            self._refuse()
        for folder in self._folders or ():
            if not self._try("pg_try_advisory_xact_lock", "folder", settings.host_name(), folder):
                self._refuse()

    def _try(self, function: str, *names: str) -> bool:
        row = self._locking.row(f"SELECT {function}(%s::bigint)", (_key(self._address.schema, *names),))
        return row is not None and bool(row[0])

    def _lock_alive(self) -> None:
        # As a simple query: another leaves its portal open, and with it a snapshot that CREATE INDEX CONCURRENTLY of
        # this very run, and every VACUUM, would wait for.
        self._locking.script(f"SELECT pg_advisory_xact_lock({alive_key(self._address, self.writer)})")

    def _register(self) -> int:
        host, folders = settings.host_name(), [os.fsencode(one) for one in self._folders or ()]
        # Whose locks these are now is no run any more.
        gone = "true" if self._folders is None else "alone OR (host = %s AND folders && %s::bytea[])"
        self._connection.rows(
            f"DELETE FROM {{s}}.writers WHERE {gone} RETURNING id", () if self._folders is None else (host, folders)
        )
        free_claims(self._connection)
        row = self._connection.row(
            "INSERT INTO {s}.writers (host, pid, folders, alone) VALUES (%s, %s, %s::bytea[], %s) RETURNING id",
            (host, os.getpid(), folders, self._folders is None),
        )
        assert row is not None
        return int(row[0])

    def _refuse(self) -> None:
        others = self._connection.rows(
            "SELECT host, pid, date_trunc('second', now() - started)::text FROM {s}.writers"
            " WHERE %s OR alone OR (host = %s AND folders && %s::bytea[]) ORDER BY id LIMIT 3",
            (self._folders is None, settings.host_name(), [os.fsencode(one) for one in self._folders or ()]),
        )
        named = ", ".join(f"process {pid} on {host} for {age}" for host, pid, age in others)
        raise LockedError(
            f"another run is writing {self._address.location}{named and f': {named}'}", "wait for it with: --wait"
        )


def free_claims(connection: Connection) -> None:
    """Frees what runs that are no more have claimed of the queue."""
    connection.rows(
        "UPDATE {s}.encode_queue SET claimed_by = NULL, claimed_until = NULL WHERE claimed_by IS NOT NULL"
        " AND NOT EXISTS (SELECT FROM {s}.writers WHERE writers.id = claimed_by) RETURNING chunk_id"
    )


def remove_dead_writers(connection: Connection) -> None:
    """Takes runs out of `writers` that ended without a word, and frees what they claimed."""
    dead = []
    for (writer,) in connection.rows("SELECT id FROM {s}.writers"):
        # Taken for this statement alone.
        row = connection.row("SELECT pg_try_advisory_xact_lock(%s::bigint)", (alive_key(connection.address, writer),))
        if row is not None and row[0]:
            dead.append(writer)
    if dead:
        connection.rows("DELETE FROM {s}.writers WHERE id = ANY(%s) RETURNING id", (dead,))
        free_claims(connection)


def alive_key(address: Address, writer: int) -> int:
    """The key of the lock that a run holds as long as it is there."""
    return _key(address.schema, "writer", str(writer))


def _key(*names: str) -> int:
    """The key of an advisory lock, which are of a whole database: a hash of what it stands for."""
    digest = blake2b("\0".join(("semsearch", *names)).encode("utf-8", "surrogateescape"), digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True)


def schema_key(address: Address) -> int:
    """The key of the lock of who makes or changes the tables."""
    return _key(address.schema, "schema")
