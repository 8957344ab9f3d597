"""A reader of a replica waits for what a run wrote, and never answers from before it."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from semsearch.errors import DatabaseError
from semsearch.retrieval.searcher import Searcher
from semsearch.store.postgres import store as store_module
from tests.support.commands import one_line_error
from tests.support.folders import write
from tests.support.postgres_machines import Machine
from tests.support.postgres_server import PostgresServer


@pytest.fixture(scope="module")
def replica(server: PostgresServer) -> Iterator[PostgresServer]:
    with server.replica() as running:
        yield running


@pytest.fixture
def url(server: PostgresServer, replica: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of a new database that is read from the replica."""
    monkeypatch.setenv("PGPASSWORD", server.password)
    bare = server.url(server.new_database()).replace(f":{server.password}@", "@")
    return f"{bare}?replica=127.0.0.1:{replica.port}"


def _pause(replica: PostgresServer, paused: bool) -> None:
    with replica.superuser() as connection:
        connection.execute(b"SELECT pg_wal_replay_pause()" if paused else b"SELECT pg_wal_replay_resume()")


def test_a_reader_waits_for_what_was_written(
    url: str, replica: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, machine = tmp_path / "docs", Machine("alpha", url)
    write(folder, {"a.txt": "Emeralds are green.\n"})
    token = machine.run("index", folder, "--model", "static", "--json").json["token"]
    assert machine.run("search", "emeralds", "-l", "--after", token).out.endswith("/a.txt\n")
    assert machine.run("ask", "which colour do emeralds have", "--after", token).code == 0
    assert machine.run("why", "emeralds", "a.txt", "--after", token).code == 0
    _pause(replica, True)
    try:
        write(folder, {"b.txt": "Rubies are red.\n"})
        token = machine.run("index", "--json").json["token"]
        # Without the token it is answered from before.
        assert machine.run("search", "rubies", "-l", "--mode", "lexical").code == 1
        waiting = [machine.start("search", "rubies", "-l", "--mode", "lexical", "--after", token),
                   machine.start("why", "rubies", "b.txt", "--after", token)]  # fmt: skip
        monkeypatch.setattr(store_module, "_REPLICA_SECONDS", 0.5)
        with Searcher(url, after=token) as searcher, pytest.raises(DatabaseError, match="has not reached") as raised:
            searcher.search("rubies")
        assert "ask again later" in raised.value.hint
        assert [one.poll() for one in waiting] == [None, None]
    finally:
        _pause(replica, False)
    outs = [one.communicate(timeout=240) for one in waiting]
    assert outs[0][0].endswith("b.txt\n") and outs[0][1] == "" and outs[1][0].startswith("b.txt: found"), outs


def test_no_reader_is_behind_a_writer(url: str, tmp_path: Path) -> None:
    folder, machine = tmp_path / "docs", Machine("alpha", url)
    for number in range(5):
        write(folder, {f"{number}.txt": f"Stone number{number} is polished.\n"})
        token = machine.run("index", folder, "--model", "static", "--json").json["token"]
        with Searcher(url, after=token, remember=False) as searcher:
            assert [hit.path for hit in searcher.search(f"number{number}").hits][:1] == [f"{number}.txt"]


def test_a_replica_is_only_read(url: str, replica: PostgresServer, tmp_path: Path) -> None:
    write(tmp_path / "docs", {"a.txt": "Emeralds are green.\n"})
    token = Machine("alpha", url).run("index", tmp_path / "docs", "--model", "static", "--json").json["token"]
    with Searcher(url, after=token) as searcher:
        assert len(searcher.search("emeralds").hits) == 1
    # A URL that names the replica as the server itself.
    port = url.rpartition(":")[2]
    there = Machine("alpha", f"postgresql://postgres@127.0.0.1:{port}/{url.partition('?')[0].rpartition('/')[2]}")
    assert there.run("status").code == 0
    done = there.run("index", tmp_path / "docs")
    assert done.code == 2 and "name the primary server" in one_line_error(done.err)


@pytest.mark.parametrize("token", ["x", "0/", "/0", "0/1/2", "0/123456789", "-1/0"])
def test_what_is_no_token_is_refused(url: str, token: str) -> None:
    done = Machine("alpha", url).run("search", "x", f"--after={token}")
    assert done.code == 2 and f"--after {token} is no state of an index" in one_line_error(done.err)


def test_a_token_is_not_for_a_local_index(notes: Path) -> None:
    machine = Machine("here", str(notes / ".semsearch"))
    assert machine.run("index", notes, "--model", "static", "-q", "--no-embed").code == 0
    for command in (["search", "x"], ["ask", "x"], ["why", "x", "garden.md"]):
        done = machine.run(*command, "--after", "0/1")
        assert done.code == 2 and "--after is about an index in PostgreSQL" in one_line_error(done.err)


def test_a_server_that_is_no_replica_has_every_state(url: str, tmp_path: Path) -> None:
    write(tmp_path / "docs", {"a.txt": "Emeralds are green.\n"})
    primary = Machine("alpha", url.partition("?")[0])
    token = primary.run("index", tmp_path / "docs", "--model", "static", "--json").json["token"]
    assert primary.run("search", "emeralds", "-l", "--after", token).out.endswith("/a.txt\n")


def test_waiting_readers_see_the_replay(url: str, replica: PostgresServer, tmp_path: Path) -> None:
    """One that waits in this process answers as soon as the replica goes on."""
    folder, machine = tmp_path / "docs", Machine("alpha", url)
    write(folder, {"a.txt": "Emeralds are green.\n"})
    assert machine.run("index", folder, "--model", "static", "-q").code == 0
    _pause(replica, True)
    try:
        write(folder, {"b.txt": "Rubies are red.\n"})
        token = machine.run("index", "--json").json["token"]
        resume = threading.Timer(0.5, _pause, (replica, False))
        resume.start()
        with Searcher(url, after=token) as searcher:
            assert [hit.path for hit in searcher.search("rubies").hits][:1] == ["b.txt"]
        resume.join()
    finally:
        _pause(replica, False)
