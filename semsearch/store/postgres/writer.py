"""A run that writes an index in PostgreSQL, as `protocol.Writer`."""

import os
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semsearch import settings
from semsearch.errors import LockedError
from semsearch.store.postgres import engine_writing, locks, maintaining, packed_vectors, rows
from semsearch.store.postgres.address import Address
from semsearch.store.postgres.connection import ATTEMPTS, Connection
from semsearch.store.postgres.errors import ConnectionLostError, TryAgainError, about_index
from semsearch.store.postgres.examination import DatabaseFindings, examine
from semsearch.store.postgres.migrating import migrate
from semsearch.store.postgres.repair import repair
from semsearch.store.postgres.snapshot import DatabaseSnapshot, encoded_chunks, encoded_rows
from semsearch.store.postgres.state import STATE, State
from semsearch.store.postgres.transaction import DatabaseTransaction, Seen, Work
from semsearch.store.protocol import Transaction, Writer
from semsearch.store.records import Passage

# For how long a run claims chunks: others take over what it has not encoded by then.
_LEASE = "10 minutes"
# How long a run waits for a server that went away: a restart with recovery, or a replica that takes over.
_PATIENCE_SECONDS = 120.0
_WAIT_SECONDS = 0.5


class DatabaseWriter:
    """The run that works on the `folders` of this machine (None: on all of the index) at `address`.

    `announce` hears when a server that went away is waited for. Raises `LockedError` unless `wait`.
    """

    notices: Sequence[str] = ()

    def __init__(
        self,
        address: Address,
        wait: bool,
        folders: Sequence[str] | None,
        announce: Callable[[str], None] = lambda message: None,
    ) -> None:
        self._connection = Connection(address)
        self._alone = folders is None
        self._folders = folders
        self._announce = announce
        # What the run has seen of settings and folders; None: it has not looked.
        self._seen: Seen | None = None
        self._changing: DatabaseTransaction | None = None
        self._has_claimed = False
        try:
            migrate(self._connection)
            while True:
                try:
                    self._locks = locks.WriterLocks(address, self._connection, folders)
                    break
                except LockedError:
                    if not wait:
                        raise
                time.sleep(_WAIT_SECONDS)
        except BaseException:
            self._connection.close()
            raise
        self._connection.recover = self._reconnect

    def __enter__(self) -> "DatabaseWriter":
        return self

    def __exit__(self, *details: object) -> None:
        self.close()

    def close(self) -> None:
        self._connection.recover = None  # what is not freed is free when the connection has ended
        try:
            if self._changing is not None:
                self._changing.roll_back()
            self._locks.release()
        finally:
            self._connection.engines.close()
            self._connection.close()

    # -- reading -------------------------------------------------------------------------------------------------

    def snapshot(self) -> DatabaseSnapshot:
        if self._changing is not None:
            self._changing.flush()
            return DatabaseSnapshot(self._connection)
        state = State.of(self._connection.location, self._connection.script(STATE))
        self._seen = Seen(state.values, frozenset(root.id for root in state.roots))
        return DatabaseSnapshot(self._connection, state)

    def known_vectors(self, hashes: Collection[bytes]) -> Mapping[bytes, NDArray[np.float32]]:
        if (url := engine_writing.place(self._connection)) is not None:
            chunks = encoded_chunks(self._connection, hashes)
            return engine_writing.known_vectors(self._connection, url, chunks)
        found = dict(encoded_rows(self._connection, hashes, "embedding"))
        if not found:
            return {}
        dim = (len(next(iter(found.values()))) - 4) // 2
        with about_index(self._connection.location):
            return dict(zip(found, packed_vectors.vectors_of(list(found.values()), dim), strict=True))

    def is_current(self, stamp: Any) -> bool:
        return False  # nothing makes stamps

    def token_vectors(self) -> None:
        return None

    def token(self) -> str:
        row = self._connection.row("SELECT pg_current_wal_insert_lsn()::text")
        return "" if row is None else str(row[0])

    # -- writing -------------------------------------------------------------------------------------------------

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        with self._transaction() as transaction:
            yield transaction
        if transaction.left is not None:
            engine_writing.remove_left(self._connection, transaction.left)

    @contextmanager
    def _transaction(self) -> Iterator[DatabaseTransaction]:
        self._keep_locks()
        transaction = self._changing = DatabaseTransaction(
            self._connection, self._locks.writer, self._seen, self._alone
        )
        try:
            yield transaction
            if transaction.is_open:
                transaction.commit()
            else:
                self._again(transaction.attempt)
        except BaseException:
            transaction.roll_back()
            raise
        finally:
            transaction.close()
            self._changing = None
        self._seen = transaction.seen

    def repair(self, announce: Callable[[str], None]) -> DatabaseFindings:
        """Examines the index and mends what is found; returns what that was. Commits all of it, or nothing."""
        findings = examine(self._connection)
        if findings.problems:
            work = Work(self._connection, self._locks.writer)
            try:
                repair(self._connection, work, findings, announce)
                work.commit()
            except BaseException:
                work.roll_back()
                raise
            self.maintain()
        return findings

    def _again(self, work: Callable[[], object]) -> None:
        """Does `work()`, from its beginning where the connection is lost meanwhile, or others are in the way."""
        recover, self._connection.recover = self._connection.recover, None
        try:
            for left in reversed(range(ATTEMPTS)):
                try:
                    work()
                    return
                except TryAgainError as error:
                    if not left or (recover is None and isinstance(error, ConnectionLostError)):
                        raise
                    if isinstance(error, ConnectionLostError):
                        self._reconnect()
        finally:
            self._connection.recover = recover

    def _reconnect(self) -> None:
        """Waits for the server and takes the locks again. Raises `ConnectionLostError` where it does not come back:
        then it is not waited for another time."""
        end = time.monotonic() + _PATIENCE_SECONDS
        self._connection.recover = None
        said = False
        while True:
            self._connection.close()
            try:
                self._locks.take_again()
                break
            except (ConnectionLostError, LockedError) as error:
                # The server may not have noticed yet that the connection with the locks is gone.
                if time.monotonic() > end or (isinstance(error, LockedError) and self._is_taken_over()):
                    raise
            if not said:
                said = True
                self._announce(
                    f"{self._connection.location}: the connection to the server is lost; waiting for it, up to"
                    f" {_PATIENCE_SECONDS:.0f} seconds"
                )
            time.sleep(_WAIT_SECONDS)
        self._connection.recover = self._reconnect

    def _is_taken_over(self) -> bool:
        """Whether another run is known to hold what this one held."""
        try:
            return self._connection.row("SELECT 1 FROM {s}.writers WHERE id = %s", (self._locks.writer,)) is None
        except ConnectionLostError:
            return False

    def _keep_locks(self) -> None:
        """Takes the locks again where their connection was lost, and nobody has noticed."""
        if not self._locks.are_held() and self._connection.recover is not None:
            self._reconnect()

    def new_root_id(self) -> int:
        query = "UPDATE {s}.state SET next_root = next_root + 1 RETURNING next_root - 1"
        row = self._connection.row(query)
        assert row is not None
        return int(row[0])

    def claim(self, limit: int) -> list[Passage]:
        self._keep_locks()
        if not self._has_claimed:
            self._has_claimed = True
            self._prepare_to_encode()
        query = rows.PASSAGES + " WHERE chunks.id = ANY(%s::bigint[]) ORDER BY chunks.id"
        while True:
            ids = self._claimed(limit)
            if not ids:
                locks.free_claims(self._connection)
                ids = self._claimed(limit)
            found = self._connection.rows(query, (ids,)) if ids else []
            if found or not ids:
                return rows.passages(self._connection.location, found)
            # All of them were deleted meanwhile, and with them their places in the queue, which may be damaged, too.
            self._connection.rows(
                "DELETE FROM {s}.encode_queue WHERE chunk_id = ANY(%s::bigint[])"
                " AND NOT EXISTS (SELECT FROM {s}.chunks WHERE id = chunk_id) RETURNING 1",
                (ids,),
            )

    def _prepare_to_encode(self) -> None:
        row = self._connection.row("SELECT count(*) FROM {s}.encode_queue")
        pending = 0 if row is None else int(row[0])
        url = engine_writing.place(self._connection)
        if url is None:
            maintaining.prepare_for(self._connection, pending, self._locks.take_vectors)
        elif pending:
            engine = self._connection.engines.at(url)
            engine_writing.begin_filling(self._connection, engine)
            # Whoever pays for vectors is told before that where to put them is not to be had. Where somebody removed
            # an empty collection, it is made again; of one that is lost `verify` tells.
            if not engine.engine.exists() and (model := DatabaseSnapshot(self._connection).info().model) is not None:
                engine.engine.ensure(model.dim)

    def _claimed(self, limit: int) -> list[int]:
        query = (
            "WITH free AS (SELECT chunk_id FROM {s}.encode_queue WHERE claimed_by IS NULL OR claimed_by = %s"
            " OR claimed_until < now() ORDER BY claimed_by IS NOT NULL, chunk_id LIMIT %s FOR UPDATE SKIP LOCKED)"
            f" UPDATE {{s}}.encode_queue AS queue SET claimed_by = %s, claimed_until = now() + interval '{_LEASE}'"
            " FROM free WHERE queue.chunk_id = free.chunk_id RETURNING queue.chunk_id"
        )
        writer = self._locks.writer
        parameters = (writer, limit, writer)
        return sorted(row[0] for row in self._connection.rows(query, parameters))

    def forget_deleted(self) -> None:
        self._connection.rows(
            "DELETE FROM {s}.kept_vectors WHERE NOT EXISTS (SELECT FROM {s}.encode_queue) RETURNING 1"
        )
        while engine_writing.has_untold(self._connection) and self._tell_some():
            pass

    def _tell_some(self) -> bool:
        """Tells a vector database some of what changed; whether there may be more."""
        more: list[bool] = []
        with self._transaction() as transaction:
            transaction.ask(lambda work: more.append(engine_writing.tell(self._connection)))
        return more[-1]

    def maintain(self, stopping: Callable[[], bool] = lambda: False) -> None:
        self._again(lambda: maintaining.maintain(self._connection, stopping, self._locks.take_vectors))
        url = engine_writing.place(self._connection)
        if url is not None and (engine := self._connection.engines.at(url)).has_grown and not stopping():
            engine.engine.maintain()

    def sparse_leg(self) -> None:
        return None

    def compared(self) -> None:
        self._connection.rows(
            "UPDATE {s}.roots SET checked = now() WHERE host IN ('', %s) AND (%s OR path = ANY(%s::bytea[]))"
            " RETURNING id",
            (settings.host_name(), self._folders is None, [os.fsencode(one) for one in self._folders or ()]),
        )

    def rebuilt(self) -> None:
        pass  # nothing was known to be damaged


def _is_a_writer(writer: DatabaseWriter) -> Writer:
    return writer  # for the type checker alone
