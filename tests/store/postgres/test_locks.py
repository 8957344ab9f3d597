"""The connection that holds a run's locks keeps nobody waiting."""

from semsearch.store.opening import open_store
from tests.support.postgres_server import shared_server


def test_a_run_holds_no_old_snapshot() -> None:
    """CREATE INDEX CONCURRENTLY waits for every snapshot that is older, also for one of its own run."""
    server = shared_server()
    name = server.new_database()
    store = open_store(server.url(name))
    query = "SELECT backend_xmin FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle%'"
    with store.write(), server.superuser(name) as connection:
        held = [row[0] for row in connection.execute(query)]
    assert len(held) == 2 and held == [None, None]
    store.close()


def test_locks_are_free_before_the_server_notices_that_their_connection_has_ended(url: str) -> None:
    store = open_store(url)
    with store.write() as writing:
        locking = writing._locks._locking  # type: ignore[attr-defined]
        close, locking.close = locking.close, lambda: None
    with store.write():
        pass
    close()
    store.close()
