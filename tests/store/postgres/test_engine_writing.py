"""Runs that share an index in PostgreSQL whose vectors a vector database holds: whatever they do at the same moment,
both databases fit in the end."""

import json
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import numpy as np
import psycopg
import pytest

from semsearch.errors import IndexDamagedError, SemsearchError
from semsearch.indexing import IndexOptions, index_folders
from semsearch.maintenance.verification import verify
from semsearch.retrieval.options import SearchOptions
from semsearch.retrieval.searcher import Searcher
from semsearch.store.opening import open_store
from semsearch.store.postgres import schema
from semsearch.store.postgres import store as store_module
from semsearch.store.postgres.address import Address
from semsearch.store.postgres.transaction import Work
from semsearch.store.postgres.writer import DatabaseWriter
from semsearch.store.protocol import Snapshot
from semsearch.store.records import Root
from semsearch.vector_engines.opening import open_engine, remember
from tests.support import corpus
from tests.support.commands import one_line_error
from tests.support.folders import write
from tests.support.made_texts import texts
from tests.support.postgres_machines import Machine, answers, as_of_the_first_format, ask, counts, difference, ended
from tests.support.postgres_server import PostgresServer
from tests.support.qdrant_server import QdrantServer
from tests.support.waiting import wait_until

DENSE = SearchOptions(mode="dense", k=100, min_score=0)


class Collection:
    """A table of pgvector in a database of its own; `url`: that of it, without the password."""

    def __init__(self, server: PostgresServer) -> None:
        self._database = server.url(server.new_database())
        self.url = self._database.replace("postgresql://", "pgvector://").replace(f":{server.password}@", "@")
        remember(self.url)

    def rows(self) -> list[tuple[int, str]]:
        """(chunk id, path) of what it holds, by rising id."""
        with psycopg.connect(self._database) as connection:
            found = connection.execute("SELECT to_regclass('semsearch_vectors') IS NOT NULL").fetchone()
            if not (found and found[0]):
                return []
            return connection.execute("SELECT chunk_id, path FROM semsearch_vectors ORDER BY chunk_id").fetchall()


@pytest.fixture
def collection(bare: str, server: PostgresServer) -> Collection:
    return Collection(server)


@pytest.fixture
def bare(url: str, server: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of a new database without the password, which is in the environment."""
    monkeypatch.setenv("PGPASSWORD", server.password)
    return url.replace(f":{server.password}@", "@")


def check(url: str, collection: Collection) -> None:
    """All passages have a vector, both databases fit, and nothing is left to be told."""
    assert verify(url, False, False, lambda message: None).problems == ()
    shown = ask(url, "SELECT id, convert_from(path, 'UTF8') FROM chunks JOIN (SELECT id AS f, path FROM files) AS own"
                " ON f = file_id ORDER BY id")  # fmt: skip
    assert [row[0] for row in collection.rows()] == [row[0] for row in shown]
    if len(ask(url, "SELECT id FROM roots")) == 1:
        assert collection.rows() == shown
    assert ask(url, "SELECT count(*) FROM vectors_untold") == ask(url, "SELECT count(*) FROM vectors") == [(0,)]


# -- several processes


def test_machines_that_begin_at_once_fill_one_collection(bare: str, collection: Collection, tmp_path: Path) -> None:
    names = ("alpha", "beta", "gamma")
    machines = {name: Machine(name, bare) for name in names}
    for number, name in enumerate(names):
        write(tmp_path / name, dict(texts(60, number)))
    command = ("--model", "static", "--vectors", collection.url)
    runs = [machine.start("index", tmp_path / name, *command) for name, machine in machines.items()]
    assert [ended(run).code for run in runs] == [0, 0, 0]
    # Who told of the second folder may have ended before the third had its vectors.
    assert machines["gamma"].run("index", "--encode-only", "-q").code == 0
    assert counts(bare)[0] == 180 and counts(bare)[-1] == 0
    check(bare, collection)
    assert {path.partition("/")[0] for _, path in collection.rows()} == set(names)
    local = Machine("here", str(tmp_path / "index"))
    assert local.run("index", *(tmp_path / name for name in names), "--model", "static", "-q").code == 0
    assert difference(answers(bare), answers(tmp_path / "index")) == ""
    status = machines["beta"].run("status", "--json").json
    assert status["vectors"]["at"] == collection.url and status["segments"]["vec"] == 0
    # A machine that sees no folder encodes for others.
    write(tmp_path / "alpha", {"late.txt": "Herons nest in the reeds.\n"})
    assert machines["alpha"].run("index", tmp_path / "alpha", "--no-embed", "-q").code == 0
    assert Machine("delta", bare).run("index", "--encode-only", "--json").json["chunks"]["encoded"] == 1
    check(bare, collection)


def test_a_move_wants_the_index_for_itself(
    bare: str, collection: Collection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alpha = Machine("alpha", bare)
    write(tmp_path / "a", dict(texts(5, 1)))
    assert alpha.run("index", tmp_path / "a", "--model", "static", "-q").code == 0
    monkeypatch.setenv("SEMSEARCH_HOST", "beta")
    with DatabaseWriter(Address.parse(bare), False, ["/b"]) as other:
        monkeypatch.delenv("SEMSEARCH_HOST")
        refused = alpha.run("index", tmp_path / "a", "--vectors", collection.url)
        assert refused.code == 75 and "on beta" in one_line_error(refused.err)
        waiting = alpha.start("index", tmp_path / "a", "--vectors", collection.url, "--wait")
        # One who did not know that there are vectors takes none elsewhere.
        info = replace(other.snapshot().info(), vectors_at=collection.url)
        with pytest.raises(SemsearchError, match="changed the vectors"), other.transaction() as transaction:
            transaction.update(info)
        assert waiting.poll() is None and collection.rows() == []
    assert ended(waiting).code == 0
    check(bare, collection)
    # Named again it moves nothing, and others may go on.
    with DatabaseWriter(Address.parse(bare), False, ["/b"]):
        assert alpha.run("index", tmp_path / "a", "--vectors", collection.url).code == 0


# -- two runs of this process


@contextmanager
def two_runs(url: str, place: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[DatabaseWriter, DatabaseWriter]]:
    """Runs on two folders of one machine; the first has put three files of five passages each."""
    monkeypatch.setenv("SEMSEARCH_HOST", "alpha")
    address = Address.parse(url)
    with DatabaseWriter(address, False, ["/a"]) as one, DatabaseWriter(address, False, ["/b"]) as other:
        root = Root(one.new_root_id(), "/a", "a", "alpha")
        info = replace(corpus.INFO, roots=(root,), vectors_at=place)
        with one.transaction() as transaction:
            transaction.update(info)
            for number in range(3):
                record = corpus.file_record(f"{number}.md", root)
                transaction.put_file(record, [corpus.part(*(f"word{number} {k}" for k in range(5)))])
        yield one, other


def put(writer: DatabaseWriter, ids: np.ndarray) -> Work:
    """The open transaction of `writer` that has put vectors of `ids`."""
    work = Work(writer._connection, writer._locks.writer)
    work.put_vectors(ids, np.stack(corpus.VECTORS[: len(ids)]), corpus.MODEL)
    return work


def waits_for_a_lock(url: str) -> bool:
    return bool(ask(url, "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"))


def claimed(writer: DatabaseWriter, limit: int = 100) -> np.ndarray:
    return np.array([one.id for one in writer.claim(limit)], np.int64)


def test_of_two_that_put_the_first_vectors_none_empties_what_the_other_put(
    bare: str, collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    with two_runs(bare, collection.url, monkeypatch) as (one, other):
        mine, theirs = claimed(one, 5), claimed(other)
        work = put(one, mine)

        def second() -> None:
            with other.transaction() as transaction:
                transaction.put_vectors(theirs, np.stack(corpus.VECTORS[5:15]), corpus.MODEL)

        putting = threading.Thread(target=second)
        putting.start()
        wait_until(lambda: waits_for_a_lock(bare))
        work.commit()
        putting.join()
        check(bare, collection)


def test_the_first_that_fails_leaves_the_collection_to_the_next(
    bare: str, collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    with two_runs(bare, collection.url, monkeypatch) as (one, other):
        put(one, claimed(one)[:5]).roll_back()
        assert len(collection.rows()) == 5 and counts(bare)[-1] == 15
        one._locks._locking.close()  # as a machine that vanished
        wait_until(lambda: len(other.claim(100)) == 15)
        put(other, np.arange(1, 16)).commit()
        check(bare, collection)


def test_vectors_that_are_committed_while_their_file_is_deleted_go_with_it(
    bare: str, collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    with two_runs(bare, collection.url, monkeypatch) as (one, other):
        work = put(other, claimed(other))

        def delete() -> None:
            with one.transaction() as transaction:
                transaction.delete_files([1, 2])

        deleting = threading.Thread(target=delete)
        deleting.start()
        wait_until(lambda: waits_for_a_lock(bare))
        work.commit()
        deleting.join()
        # Their vectors serve until nothing is pending.
        assert len(collection.rows()) == 15
        digest = corpus.chunk("word0 1").hash()
        assert np.array_equal(one.known_vectors([digest])[digest], corpus.VECTORS[1])
        one.forget_deleted()
        check(bare, collection)
        assert len(collection.rows()) == 5 and not one.known_vectors([digest])


def test_a_file_that_is_renamed_while_its_vectors_are_put_is_told_with_its_new_name(
    bare: str, collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    with two_runs(bare, collection.url, monkeypatch) as (one, other):
        work = put(other, claimed(other))
        with one.transaction() as transaction:
            transaction.rename(1, 1, b"new.md", (100, 5, 6), 7)
        one.forget_deleted()  # it cannot be told yet
        work.commit()
        assert collection.rows()[0] == (1, "0.md")
        other.forget_deleted()
        assert collection.rows()[0] == (1, "new.md")
        check(bare, collection)


def test_what_a_run_put_whose_claims_others_took_over_is_told_again(
    bare: str, collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    with two_runs(bare, collection.url, monkeypatch) as (one, other):
        late = claimed(one)
        one._locks._locking.close()
        wait_until(lambda: len(other.claim(100)) == 15)
        put(other, late).commit()
        with other.transaction() as transaction:
            transaction.delete_files([1])
        other.forget_deleted()
        check(bare, collection)
        # What the first puts now is of passages that are gone, or encoded.
        other._connection.engines.at(collection.url).engine.upsert(late[:1], np.stack(corpus.VECTORS[:1]), [{}])
        with one.transaction() as transaction:
            transaction.put_vectors(late, np.stack(corpus.VECTORS[20:35]), corpus.MODEL)
        one.forget_deleted()
        check(bare, collection)
        found = open_store(bare).read(lambda snapshot: snapshot.vectors(np.arange(6, 16)))
        assert np.array_equal(found, np.stack(corpus.VECTORS[5:15]))


# -- readers


def deleted_beside(url: str, snapshot: Snapshot) -> None:
    with DatabaseWriter(Address.parse(url), False, None) as writer:
        with writer.transaction() as transaction:
            transaction.delete_files([1])
        writer.forget_deleted()


def test_a_search_is_asked_again_where_vectors_went_meanwhile(
    bare: str, collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    with two_runs(bare, collection.url, monkeypatch) as (one, _):
        put(one, claimed(one)).commit()
    asked = []

    def question(snapshot: Snapshot) -> list[int]:
        asked.append(snapshot.info())
        if len(asked) == 1:
            deleted_beside(bare, snapshot)
        return [int(number) for number in snapshot.dense(corpus.VECTORS[0], 100, None).ids]

    with closing(open_store(bare)) as store:
        assert sorted(store.read(question)) == list(range(6, 16)) and len(asked) == 2


def test_words_are_found_without_the_vector_database(bare: str, tmp_path: Path) -> None:
    write(tmp_path / "docs", {"a.txt": "Emeralds are green.\n"})
    with QdrantServer() as qdrant:
        index_folders([str(tmp_path / "docs")], bare, IndexOptions(model="static", vectors=f"qdrant://{qdrant.at}/x"))
    machine = Machine("alpha", bare)
    assert machine.run("search", "emeralds", "-l", "--mode", "lexical").out.endswith("a.txt\n")
    done = machine.run("search", "emeralds", "-l")
    assert done.code == 2 and "by words alone: --mode lexical" in one_line_error(done.err)
    assert machine.run("status").code == 0
    # Words are committed; the next run goes on.
    write(tmp_path / "docs", {"b.txt": "Rubies are red.\n"})
    done = Machine("here", bare).run("index", tmp_path / "docs")
    assert done.code == 2 and "Qdrant does not answer" in one_line_error(done.err)
    assert machine.run("search", "rubies", "-l", "--mode", "lexical").code == 0


def test_a_reader_role_searches(bare: str, collection: Collection, server: PostgresServer, tmp_path: Path) -> None:
    write(tmp_path / "docs", {"a.txt": "Emeralds are green.\n"})
    index_folders([str(tmp_path / "docs")], bare, IndexOptions(model="static", vectors=collection.url))
    user = f"reader_{uuid4().hex[:8]}"
    with server.superuser(bare.rpartition("/")[2]) as connection:
        connection.execute(f"CREATE ROLE {user} LOGIN PASSWORD '{server.password}'".encode())
        connection.execute(f"GRANT USAGE ON SCHEMA semsearch TO {user}".encode())
        connection.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA semsearch TO {user}".encode())
    url = bare.replace("postgres@", f"{user}@")
    with Searcher(url) as searcher:
        assert [hit.path for hit in searcher.search("emeralds", DENSE).hits] == ["a.txt"]
    assert verify(url, False, False, lambda message: None).problems == ()


def test_a_replica_that_is_behind_is_waited_for(
    bare: str, collection: Collection, server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with two_runs(bare, collection.url, monkeypatch) as (one, _), server.replica() as replica:
        put(one, claimed(one)).commit()
        token = one.token()
        url = f"{bare}?replica=127.0.0.1:{replica.port}"

        def replay(paused: bool) -> None:
            with replica.superuser() as connection:
                connection.execute(b"SELECT pg_wal_replay_pause()" if paused else b"SELECT pg_wal_replay_resume()")

        def search() -> list[int]:
            with closing(open_store(url, token)) as store:
                found = store.read(lambda snapshot: snapshot.dense(corpus.VECTORS[0], 100, None))
                return sorted(int(number) for number in found.ids)

        assert search() == list(range(1, 16))
        replay(True)
        try:
            with one.transaction() as transaction:
                transaction.delete_files([1])
            one.forget_deleted()
            monkeypatch.setattr(store_module, "_BEHIND_SECONDS", 0.0)
            with pytest.raises(IndexDamagedError, match="lacks the vector"):
                search()
            monkeypatch.setattr(store_module, "_BEHIND_SECONDS", 60.0)
            marks, looked = store_module._marks, []

            def resumed(state: store_module.State) -> tuple[object, ...]:
                looked.append(state)
                if len(looked) == 3:
                    replay(False)
                return marks(state)

            monkeypatch.setattr(store_module, "_marks", resumed)
            assert search() == list(range(6, 16))
        finally:
            replay(False)


# -- an index of before


def test_an_index_of_the_first_version_is_read_as_it_is_and_migrated_by_a_run(
    bare: str, collection: Collection, server: PostgresServer, tmp_path: Path
) -> None:
    write(tmp_path / "docs", {"a.txt": "Emeralds are green.\n"})
    owner = Machine("alpha", bare)
    assert owner.run("index", tmp_path / "docs", "--model", "static", "-q").code == 0
    reader, writer = f"reader_{uuid4().hex[:8]}", f"writer_{uuid4().hex[:8]}"
    with server.superuser(bare.rpartition("/")[2]) as connection:
        for user, rights in ((reader, "SELECT"), (writer, "SELECT, INSERT, UPDATE, DELETE")):
            connection.execute(f"CREATE ROLE {user} LOGIN PASSWORD '{server.password}'".encode())
            connection.execute(f"GRANT USAGE ON SCHEMA semsearch TO {user}".encode())
            connection.execute(f"GRANT {rights} ON ALL TABLES IN SCHEMA semsearch TO {user}".encode())
    as_of_the_first_format(bare)
    reading = Machine("alpha", bare.replace("postgres@", f"{reader}@"))
    for _ in range(2):
        for mode in ("lexical", "dense", "hybrid"):
            assert reading.run("search", "emeralds", "-l", "--mode", mode).out.endswith("a.txt\n")
        for command in (
            ["status"],
            ["verify"],
            ["why", "emeralds", "a.txt"],
            ["index", tmp_path / "docs", "--dry-run"],
        ):
            done = reading.run(*command)
            assert done.code == 0, done.err
        # Whoever owns the tables brings them up to date; what others may do stays as it was.
        assert owner.run("index", tmp_path / "docs", "-q").code == 0
        assert ask(bare, "SELECT format FROM state") == [(schema.FORMAT,)]
    write(tmp_path / "docs", {"b.txt": "Rubies are red.\n"})
    (tmp_path / "docs" / "a.txt").unlink()
    done = Machine("alpha", bare.replace("postgres@", f"{writer}@")).run("index", tmp_path / "docs", "-q", "--prune")
    assert done.code == 0, done.err
    assert owner.run("index", tmp_path / "docs", "-q", "--vectors", collection.url).code == 0
    check(bare, collection)


def test_settings_that_are_damaged_are_told_and_forgotten(bare: str, collection: Collection, tmp_path: Path) -> None:
    write(tmp_path / "docs", dict(texts(5, 1)))
    options = IndexOptions(model="static", vectors=collection.url)
    index_folders([str(tmp_path / "docs")], bare, options)
    for name, value in (("vectors_filled", "7"), ("vectors_filled", '["x"'), ("model", "null"), ("vectors_at", "7")):
        ask(bare, "UPDATE settings SET value = %s WHERE name = %s", value, name)
        (problem,) = verify(bare, False, False, lambda message: None).problems
        assert name in problem.what or name == "model"
        assert verify(bare, True, False, lambda message: None).problems == ()
        index_folders([str(tmp_path / "docs")], bare, IndexOptions(model="static"))
        assert verify(bare, False, False, lambda message: None).problems == ()
        assert counts(bare)[-1] == 0
    # Nobody knows any more where the vectors were: they are made anew, here.
    assert ask(bare, "SELECT count(*) FROM vectors") == [(5,)]
    # The collection is its own, and may be filled again.
    index_folders([str(tmp_path / "docs")], bare, options)
    check(bare, collection)


# -- other spellings, and a collection that was removed


def test_another_spelling_is_recorded_and_nothing_is_moved(bare: str, collection: Collection, tmp_path: Path) -> None:
    write(tmp_path / "docs", {"a.txt": "Emeralds are green.\n"})
    alpha = Machine("alpha", bare)
    assert alpha.run("index", tmp_path / "docs", "--model", "static", "-q", "--vectors", collection.url).code == 0
    spelled = f"{collection.url}?schema=public&text=0"
    for rows in (collection.rows(), []):
        done = alpha.run("index", tmp_path / "docs", "-q", "--vectors", spelled, *(["--prune"] if not rows else []))
        assert done.code == 0, done.err
        assert ask(bare, "SELECT value FROM settings WHERE name = 'vectors_at'") == [(json.dumps(spelled),)]
        assert collection.rows() == rows
        (tmp_path / "docs" / "a.txt").unlink(missing_ok=True)
        write(tmp_path / "docs", {"empty.txt": ""})
        spelled = collection.url
    check(bare, collection)


def test_an_empty_collection_that_somebody_removed_is_made_again(
    bare: str, collection: Collection, tmp_path: Path
) -> None:
    alpha = Machine("alpha", bare)
    write(tmp_path / "docs", {"a.txt": "Emeralds are green.\n"})
    assert alpha.run("index", tmp_path / "docs", "--model", "static", "-q", "--vectors", collection.url).code == 0
    (tmp_path / "docs" / "a.txt").unlink()
    write(tmp_path / "docs", {"empty.txt": ""})
    assert alpha.run("index", tmp_path / "docs", "-q", "--prune").code == 0
    engine = open_engine(collection.url)
    engine.drop()
    engine.close()
    write(tmp_path / "docs", {"b.txt": "Rubies are red.\n"})
    done = alpha.run("index", tmp_path / "docs", "-q")
    assert done.code == 0, done.err
    check(bare, collection)
