"""An index in a schema of a PostgreSQL database, as `protocol.Store`."""

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import TypeVar

from semsearch import settings
from semsearch.errors import DatabaseError, IndexDamagedError, VectorEngineError
from semsearch.store.postgres.address import Address, check_token
from semsearch.store.postgres.connection import ATTEMPTS, Connection
from semsearch.store.postgres.errors import ConnectionLostError, ForeignTablesError, TryAgainError, about_index
from semsearch.store.postgres.migrating import check_version, exists
from semsearch.store.postgres.snapshot import DatabaseSnapshot
from semsearch.store.postgres.state import STATE, State
from semsearch.store.postgres.writer import DatabaseWriter
from semsearch.store.problems import Findings
from semsearch.store.protocol import OpenEncoder, Snapshot, Store, Verifiable, Writer

Answer = TypeVar("Answer")

# How long a reader waits until a replica has what a writer committed.
_REPLICA_SECONDS = 30.0
_REPLICA_ASKED_SECONDS = 0.01
# How long a replica may be behind the vector database that keeps the vectors: then what is missing there is lost.
_BEHIND_SECONDS = 5.0


class PostgresStore:
    """The index at the URL `location` (`address.Address`), which need not be there before the first `write`.

    `after`: what it is read from has at least the state of this token (`Writer.token`); "": whatever it has. Raises
    `UsageError`.
    """

    capabilities = frozenset({"machines", "verify", "repair"})

    def __init__(self, location: str, after: str = "") -> None:
        self._address = Address.parse(location)
        if after:
            check_token(after)
        self._after = after
        self.location = self._address.location
        self.host = settings.host_name()
        self._reading = Connection(self._address, reading=True)
        # The state that was last read.
        self._state: State | None = None

    @property
    def round_trips(self) -> int:
        """How often a reader waited for the server."""
        return self._reading.round_trips

    def exists(self) -> bool:
        return exists(self._reading)

    def read(self, question: Callable[[Snapshot], Answer]) -> Answer:
        for left in reversed(range(ATTEMPTS)):
            try:
                return self._read(question)
            except ForeignTablesError:
                check_version(self._reading)  # another version has other columns
                raise
            except TryAgainError as error:
                # A connection that was never there is told at once.
                if not left or (isinstance(error, ConnectionLostError) and not self._reading.is_lost):
                    raise
                self._reading.close()
            except (IndexDamagedError, VectorEngineError):
                # A run may have let go of vectors meanwhile, or taken them elsewhere.
                if not left or not self._has_moved_on():
                    raise
        raise AssertionError("unreachable")

    def _read(self, question: Callable[[Snapshot], Answer]) -> Answer:
        if self._after:
            self._wait_for(self._after)
        with self._reading.reading(f"{self._reading.snapshot()}; {STATE}") as results:
            self._state = State.of(self.location, results)
            with about_index(self.location):  # what is damaged does not know where it is
                return question(DatabaseSnapshot(self._reading, self._state))

    def _has_moved_on(self) -> bool:
        """Whether an index whose vectors a vector database keeps has changed since it was last read: then what was
        missing there proves nothing. A replica may hear of it later than that database."""
        if self._state is None or self._state.values.get("vectors_at", "null") == "null":
            return False
        before, end = _marks(self._state), time.monotonic() + _BEHIND_SECONDS
        while True:
            (is_replica,), *results = self._reading.script("SELECT pg_is_in_recovery();" + STATE)
            if _marks(State.of(self.location, results)) != before:
                return True
            if not is_replica[0] or time.monotonic() > end:
                return False
            time.sleep(_REPLICA_ASKED_SECONDS)

    def _wait_for(self, token: str) -> None:
        """Waits until the server has the state `token`. Raises `DatabaseError`."""
        query = "SELECT NOT pg_is_in_recovery() OR pg_last_wal_replay_lsn() >= %s::pg_lsn"
        end = time.monotonic() + _REPLICA_SECONDS
        while True:
            row = self._reading.row(query, (token,))
            if row is not None and row[0]:
                return
            if time.monotonic() > end:
                raise DatabaseError(
                    f"{self.location}: the replica has not reached {token} in {_REPLICA_SECONDS:g} seconds",
                    "ask again later, or leave out ?replica= to ask the primary",
                )
            time.sleep(_REPLICA_ASKED_SECONDS)

    def write(
        self,
        wait: bool = False,
        rebuild: bool = False,
        shared: str | None = None,
        folders: Sequence[str] | None = None,
        announce: Callable[[str], None] = lambda message: None,
    ) -> AbstractContextManager[Writer]:
        return DatabaseWriter(self._address, wait, None if rebuild else folders, announce)

    def clone(self, target: str) -> Store:
        from semsearch.store.copying import copy_to
        from semsearch.store.local.store import LocalStore

        local = LocalStore(target)
        self.read(lambda snapshot: copy_to(snapshot, local))
        return local

    def examine(self) -> Findings:
        """`protocol.Verifiable.examine`."""
        from semsearch.store.postgres.examination import examine

        return examine(self._reading)

    def repair(self, wait: bool, open_encoder: OpenEncoder, announce: Callable[[str], None]) -> Findings:
        """`protocol.Verifiable.repair`; the next run encodes what has no vector."""
        with DatabaseWriter(self._address, wait, None, announce) as writer:
            return writer.repair(announce)

    def close(self) -> None:
        self._reading.engines.close()
        self._reading.close()


def _marks(state: State) -> tuple[object, ...]:
    """What differs between two states where a vector of the first may be gone."""
    return state.last_chunk, state.chunks, state.values.get("vectors_at"), state.values.get("model")


def _is_a_store(store: PostgresStore) -> Verifiable:
    return store  # for the type checker alone
