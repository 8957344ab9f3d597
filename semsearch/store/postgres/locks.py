"""Who may write an index that several machines share: advisory locks of the database, and the table `writers`.

A run locks the folders that it works on, and shares a lock on the index with runs on other folders; one that changes
all of an index locks it alone. The locks belong to a transaction that stays open on a connection of its own, so that
they are free as soon as that connection ends, whatever becomes of the machine, and hold behind a pooler, too. As that
connection may be lost before the one that commits, each commit asks whether the run is still in `writers`
(`transaction.Work`): who takes over its locks takes its row out. What a run claims to encode is free for others as soon
as it does not hold the lock of its row.
"""

import contextlib
import os
import secrets
from collections.abc import Sequence
from hashlib import blake2b

from semsearch import settings
from semsearch.errors import LockedError
from semsearch.store.postgres.address import Address
from semsearch.store.postgres.connection import Connection
from semsearch.store.postgres.errors import ConnectionLostError

# Rows of runs that ended without a word are kept so long at the most.
_FORGOTTEN = "1 day"


class WriterLocks:
    """The locks of one run, taken when it is made, and its row in `writers`, with the number `writer`.

    `folders`: those of this machine that it works on; None: all of the index. Raises `LockedError`.
    """

    def __init__(self, address: Address, connection: Connection, folders: Sequence[str] | None) -> None:
        self._address = address
        self._connection = connection
        # In one order, so that of two runs that want the same ones, one gets them all.
        self._folders = None if folders is None else sorted(set(folders))
        self._lock_key = secrets.randbits(63)
        self._locking = Connection(address)
        self.writer = 0
        try:
            self._take()
            self.writer = self._register()
        except BaseException:
            self._locking.close()
            raise

    def are_held(self) -> bool:
        """Whether the connection that holds the locks is still there."""
        try:
            self._end_snapshot()
        except ConnectionLostError:
            return False
        return True

    def take_again(self) -> None:
        """After the connection was lost: takes the locks again. Raises `LockedError` where another run has them."""
        self._locking.close()
        self._locking = Connection(self._address)
        try:
            self._take()
        except BaseException:
            self._locking.close()
            raise

    def release(self) -> None:
        """Takes the run out of `writers`, frees its locks and what it has claimed."""
        with contextlib.suppress(ConnectionLostError):  # then they are free
            self._connection.rows("DELETE FROM {s}.writers WHERE id = %s RETURNING id", (self.writer,))
            free_claims(self._connection)
        with contextlib.suppress(ConnectionLostError):
            self._locking.script("ROLLBACK")  # a server that is busy notices late that a connection has ended
        self._locking.close()

    def _take(self) -> None:
        self._locking.script(self._locking.writing())
        shared = "" if self._folders is None else "_shared"
        if not self._try(f"pg_try_advisory_xact_lock{shared}", "index"):
            self._refuse()
        for folder in self._folders or ():
            if not self._try("pg_try_advisory_xact_lock", "folder", settings.host_name(), folder):
                self._refuse()
        # Held by somebody who looks whether it is held, for a moment.
        self._locking.rows("SELECT pg_advisory_xact_lock(%s::bigint)", (self._lock_key,))
        self._end_snapshot()

    def take_vectors(self) -> bool:
        """Takes the lock of who makes or drops the index of the vectors, until the run ends; whether it was free."""
        taken = self._try("pg_try_advisory_xact_lock", "vectors")
        self._end_snapshot()
        return taken

    def _end_snapshot(self) -> None:
        """What asked last keeps its snapshot until something else is asked, unless it was a simple query; and a
        snapshot that is kept keeps VACUUM and CREATE INDEX CONCURRENTLY waiting, for as long as the run goes on."""
        self._locking.script("SELECT 1")

    def _try(self, function: str, *names: str) -> bool:
        row = self._locking.row(f"SELECT {function}(%s::bigint)", (_key(self._address.schema, *names),))
        return row is not None and bool(row[0])

    def _register(self) -> int:
        host, folders = settings.host_name(), [os.fsencode(one) for one in self._folders or ()]
        # Whose locks these are now is no run any more; those that hold no folder are found by their age.
        gone = "true"
        if self._folders is not None:
            gone = (
                "alone OR (host = %s AND folders && %s::bytea[])"
                f" OR (seen < now() - interval '{_FORGOTTEN}' AND pg_try_advisory_xact_lock(lock_key))"
            )
        parameters = () if self._folders is None else (host, folders)
        self._connection.rows(f"DELETE FROM {{s}}.writers WHERE {gone} RETURNING id", parameters)
        free_claims(self._connection)
        row = self._connection.row(
            "INSERT INTO {s}.writers (host, pid, folders, alone, lock_key) VALUES (%s, %s, %s::bytea[], %s, %s)"
            " RETURNING id",
            (host, os.getpid(), folders, self._folders is None, self._lock_key),
        )
        assert row is not None
        return int(row[0])

    def _refuse(self) -> None:
        others = self._connection.rows(
            "SELECT host, pid, date_trunc('second', now() - started)::text FROM {s}.writers"
            " WHERE (%s OR alone OR (host = %s AND folders && %s::bytea[])) AND NOT pg_try_advisory_xact_lock(lock_key)"
            " ORDER BY id LIMIT 3",
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
        " AND claimed_by NOT IN (SELECT id FROM {s}.writers WHERE NOT pg_try_advisory_xact_lock(lock_key))"
        " RETURNING chunk_id"
    )


def _key(*names: str) -> int:
    """The key of an advisory lock, which are of a whole database: a hash of what it stands for."""
    digest = blake2b("\0".join(("semsearch", *names)).encode("utf-8", "surrogateescape"), digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True)


def telling_key(address: Address) -> int:
    """The key of the lock of who tells a vector database what changed."""
    return _key(address.schema, "telling")


def schema_key(address: Address) -> int:
    """The key of the lock of who makes or changes the tables."""
    return _key(address.schema, "schema")
