"""What two runs do at the same moment: neither undoes what the other has done, and nothing is left half."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest

from semsearch.errors import LockedError, SemsearchError
from semsearch.store.opening import open_store
from semsearch.store.postgres import locks, maintaining
from semsearch.store.postgres.address import Address
from semsearch.store.postgres.connection import Connection
from semsearch.store.postgres.transaction import Work
from semsearch.store.postgres.writer import DatabaseWriter
from semsearch.store.records import IndexInfo, Root
from tests.support import corpus
from tests.support.postgres_machines import ask, problems
from tests.support.waiting import wait_until


@contextmanager
def two_runs(url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[DatabaseWriter, DatabaseWriter]]:
    """Runs on two folders of one machine."""
    monkeypatch.setenv("SEMSEARCH_HOST", "alpha")
    address = Address.parse(url)
    with DatabaseWriter(address, False, ["/a"]) as one, DatabaseWriter(address, False, ["/b"]) as other:
        yield one, other


def root(number: int, path: str) -> Root:
    return Root(number, path, path[1:], "alpha")


def info_with(writer: DatabaseWriter, path: str) -> IndexInfo:
    info = writer.snapshot().info()
    settings = replace(corpus.INFO, roots=(*info.roots, root(writer.new_root_id(), path)))
    return replace(settings, model=info.model)


def test_a_folder_that_another_run_of_the_machine_added_stays(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with two_runs(url, monkeypatch) as (one, other):
        first, second = info_with(one, "/a"), info_with(other, "/b")
        for writer, info in ((one, first), (other, second), (one, first)):
            with writer.transaction() as transaction:
                transaction.update(info)
        assert ask(url, "SELECT path FROM roots ORDER BY path") == [(b"/a",), (b"/b",)]
        # One that it has seen goes where it says so.
        seen = other.snapshot().info()
        with other.transaction() as transaction:
            transaction.update(replace(seen, roots=tuple(one for one in seen.roots if one.path != "/a")))
        assert ask(url, "SELECT path FROM roots") == [(b"/b",)]


def test_the_model_that_another_run_began_with_stays(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with two_runs(url, monkeypatch) as (one, other):
        first, second = info_with(one, "/a"), info_with(other, "/b")
        assert second.model is None
        with one.transaction() as transaction:
            transaction.update(first)
            transaction.put_file(corpus.file_record("a.md", first.roots[-1]), [corpus.part("one two")])
        (passage,) = one.claim(10)
        with one.transaction() as transaction:
            transaction.put_vectors(np.array([passage.id]), np.stack(corpus.VECTORS[:1]), corpus.MODEL)
        for _ in range(2):
            with other.transaction() as transaction:
                transaction.update(second)
        assert other.snapshot().info().model == corpus.MODEL
        # What both change otherwise is told.
        mine = replace(one.snapshot().info(), dim=5)
        theirs = replace(other.snapshot().info(), dim=7)
        with one.transaction() as transaction:
            transaction.update(mine)
        with pytest.raises(SemsearchError, match="changed the settings"), other.transaction() as transaction:
            transaction.update(theirs)


def test_vectors_that_are_committed_while_their_file_is_deleted_go_with_it(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with two_runs(url, monkeypatch) as (one, other):
        info = info_with(one, "/a")
        with one.transaction() as transaction:
            transaction.update(info)
            for number in range(3):
                record = corpus.file_record(f"{number}.md", info.roots[-1])
                transaction.put_file(record, [corpus.part(*(f"word{number} {k}" for k in range(5)))])
        passages = other.claim(100)
        ids = np.array([passage.id for passage in passages])
        # The commit of the vectors is open when the files are deleted.
        work = Work(other._connection, other._locks.writer)
        work.put_vectors(ids, np.stack(corpus.VECTORS[: len(ids)]), corpus.MODEL)

        def delete() -> None:
            with one.transaction() as transaction:
                transaction.delete_files([1, 2])

        deleting = threading.Thread(target=delete)
        deleting.start()
        wait_until(lambda: ask(url, "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"))
        work.commit()
        deleting.join()
        assert ask(url, "SELECT count(*) FROM vectors") == [(5,)] and problems(url) == []


def test_segments_that_another_run_merged_in_part_are_not_lost(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with two_runs(url, monkeypatch) as (one, other):
        info = info_with(one, "/a")
        for number in range(4):
            with one.transaction() as transaction:
                transaction.update(info)
                record = corpus.file_record(f"{number}.md", info.roots[-1])
                transaction.put_file(record, [corpus.part(f"word{number}")])
        segments = list(other.snapshot().state.segments)
        maintaining._merge(one._connection, segments[:3])
        maintaining._merge(other._connection, segments[1:])  # two of these are no more
        assert problems(url) == [] and ask(url, "SELECT sum(chunks) FROM segments") == [(4,)]


def test_a_run_that_registers_is_not_taken_for_a_dead_one(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whenever its row can be seen, its lock is held."""
    monkeypatch.setenv("SEMSEARCH_HOST", "alpha")
    address = Address.parse(url)
    DatabaseWriter(address, False, ["/x"]).close()
    looking, free, done = Connection(address), [], threading.Event()

    def look() -> None:
        while not done.is_set():
            found = looking.rows("SELECT id FROM {s}.writers WHERE pg_try_advisory_xact_lock(lock_key)")
            # One that has ended since has no row any more.
            numbers = [row[0] for row in found]
            free.extend(looking.rows("SELECT id FROM {s}.writers WHERE id = ANY(%s::bigint[])", (numbers,)))

    watcher = threading.Thread(target=look)
    watcher.start()
    for number in range(30):
        writer = DatabaseWriter(address, False, [f"/{number}"])
        assert ask(url, "SELECT count(*) FROM writers") == [(1,)]
        locks.free_claims(writer._connection)
        writer._connection.rows("SELECT 1")
        writer.close()
    done.set()
    watcher.join()
    looking.close()
    assert free == []


def test_a_run_whose_locks_another_got_commits_nothing(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEMSEARCH_HOST", "alpha")
    monkeypatch.setattr("semsearch.store.postgres.writer._PATIENCE_SECONDS", 20.0)
    address = Address.parse(url)
    with DatabaseWriter(address, False, ["/a"]) as first:
        first._locks._locking.close()
        with DatabaseWriter(address, False, ["/a"]) as second, pytest.raises(LockedError, match="another run"):
            with first.transaction() as transaction:
                transaction.update(corpus.INFO)
            second.close()
    assert ask(url, "SELECT count(*) FROM settings") == [(0,)]


def test_two_runs_that_want_the_same_folders_are_not_both_refused(url: str) -> None:
    address = Address.parse(url)
    with DatabaseWriter(address, False, ["/b", "/a"]):
        for _ in range(3):
            with pytest.raises(LockedError):
                DatabaseWriter(address, False, ["/a", "/b"])


def test_claims_of_a_run_that_ended_without_a_word_are_free_at_once(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with two_runs(url, monkeypatch) as (one, other):
        info = info_with(one, "/a")
        with one.transaction() as transaction:
            transaction.update(info)
            record = corpus.file_record("a.md", info.roots[-1])
            transaction.put_file(record, [corpus.part(*(f"word {k}" for k in range(5)))])
        assert len(one.claim(100)) == 5
        assert other.claim(100) == []
        one._locks._locking.close()  # as a machine that vanished
        wait_until(lambda: len(other.claim(100)) == 5)
        # It has vanished for a moment only: the first of both to commit is the one whose vectors are kept.
        ids = np.arange(1, 6)
        for run, vectors in ((one, corpus.VECTORS[:5]), (other, corpus.VECTORS[5:10])):
            with run.transaction() as transaction:
                transaction.put_vectors(ids, np.stack(vectors), corpus.MODEL)
            assert np.array_equal(other.snapshot().vectors(ids), np.stack(corpus.VECTORS[:5]))
        assert ask(url, "SELECT count(*) FROM vectors") == [(5,)] and problems(url) == []


def test_the_store_is_opened_again_by_its_bare_url(url: str) -> None:
    store = open_store(url)
    assert not store.exists() and "@127.0.0.1" in store.location and url != store.location
    store.close()
    assert not open_store(store.location).exists()
