"""A server that restarts, crashes, stays away, cuts off, fills up or only reads, in the middle of a run or a search."""

import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from semsearch.errors import DatabaseError
from semsearch.indexing import IndexOptions, index_folders
from semsearch.retrieval.searcher import Searcher
from semsearch.store.opening import open_store
from semsearch.store.postgres import examination, writer
from semsearch.store.postgres.address import Address
from semsearch.store.postgres.connection import Connection
from semsearch.store.postgres.errors import ConnectionLostError
from semsearch.store.protocol import Snapshot
from tests.support import corpus
from tests.support.commands import one_line_error
from tests.support.folders import write
from tests.support.made_texts import texts
from tests.support.postgres_machines import Machine, answers, ask, counts, difference, ended, problems
from tests.support.postgres_server import PostgresServer
from tests.support.users import NOBODY, as_root
from tests.support.waiting import wait_until


@pytest.fixture(scope="module")
def own() -> Iterator[PostgresServer]:
    """A server that tests may stop."""
    with PostgresServer() as running:
        yield running


@pytest.fixture
def url(own: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("PGPASSWORD", own.password)
    return own.url(own.new_database()).replace(f":{own.password}@", "@")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path / "docs", dict(texts(60, 1)))
    return tmp_path / "docs"


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT])
def test_a_run_goes_on_after_the_server_was_away_at_any_point(
    own: PostgresServer, url: str, folder: Path, tmp_path: Path, how: signal.Signals
) -> None:
    machine = Machine("alpha", url)
    points = ("tests.support.statement_points", "0", "-")
    first = ended(machine.start("index", folder, "--model", "static", "-q", module=points))
    total, reached = int(first.err.split("points: ")[1]), tmp_path / "reached"
    for round_, place in enumerate(range(3, 12), 1):
        for path in folder.iterdir():
            path.write_text(f"{path.read_text()} It was written {round_} times.\n")
        points = ("tests.support.statement_points", str(total * place // 14), str(reached))
        run = machine.start("index", "--json", module=points)
        wait_until(reached.exists, run)
        own.restart(how)
        reached.unlink()
        done = ended(run)
        assert done.code == 0, (place, done.err)
        assert problems(url) == [], place
        # Once and no more.
        assert done.json["files"]["changed"] == done.json["chunks"]["encoded"] == 60, place
        assert counts(url)[0] == 60 and counts(url)[-1] == 0, place
    assert Machine("here", str(tmp_path / "index")).run("index", folder, "--model", "static", "-q").code == 0
    assert difference(answers(url), answers(tmp_path / "index")) == ""


def test_a_commit_whose_answer_was_lost_is_not_made_twice(url: str, own: PostgresServer) -> None:
    """The server goes away after COMMIT arrived: the number of the commit tells that it was made."""
    store = open_store(url)
    with store.write(folders=[]) as writing:
        connection = writing._connection  # type: ignore[attr-defined]
        script = connection.script
        lost = []

        def commit(statements: str) -> list[list[tuple[object, ...]]]:
            found = script(statements)
            if statements == "COMMIT" and not lost:
                lost.append(True)
                own.restart(signal.SIGQUIT)
                raise ConnectionLostError("the answer was lost")
            return found

        connection.script = commit
        with writing.transaction() as transaction:
            transaction.update(corpus.INFO)
            transaction.put_file(corpus.file_record("a.md"), [corpus.part("one two")])
        assert lost
        del connection.script
        with writing.transaction() as transaction:
            transaction.put_file(corpus.file_record("b.md"), [corpus.part("two three")])
    assert ask(url, "SELECT path FROM files ORDER BY id") == [(b"a.md",), (b"b.md",)]
    assert ask(url, "SELECT chunks FROM state") == [(2,)]
    store.close()


def test_a_server_that_stays_away_is_told_within_the_patience(
    own: PostgresServer, url: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "_PATIENCE_SECONDS", 3.0)
    index_folders([folder], url, IndexOptions(model="static", embed=False))
    store = open_store(url)
    begun = threading.Event()

    def stop() -> None:
        begun.wait()
        own.stop()

    stopping = threading.Thread(target=stop)
    stopping.start()
    try:
        with pytest.raises(DatabaseError, match="refused") as raised, store.write(folders=[str(folder)]) as writing:
            begun.set()
            stopping.join()
            started = time.monotonic()
            with writing.transaction() as transaction:
                transaction.update(corpus.INFO)
        assert 3 <= time.monotonic() - started < 30
        assert "can be reached" in raised.value.hint
        store.close()
        for command in (["search", "boats"], ["ask", "boats"], ["status"], ["index"], ["why", "boats", "x"]):
            done = Machine("alpha", url).run(*command)
            assert done.code == 2 and "refused" in one_line_error(done.err), command
    finally:
        own.start()


def test_a_search_goes_on_in_a_new_connection(own: PostgresServer, url: str, folder: Path) -> None:
    index_folders([folder], url, IndexOptions(model="static"))
    with Searcher(url, remember=False) as searcher:
        before = [hit.path for hit in searcher.search("bread at the market").hits]
        own.restart()
        assert [hit.path for hit in searcher.search("bread at the market").hits] == before
        ask(url, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
            " AND application_name = 'semsearch'")  # fmt: skip
        assert [hit.path for hit in searcher.search("bread at the market").hits] == before


@pytest.mark.parametrize("which", ["state = 'idle'", "state = 'idle in transaction'", "true"])
def test_a_run_goes_on_after_its_connections_were_ended(url: str, folder: Path, tmp_path: Path, which: str) -> None:
    reached = tmp_path / "reached"
    points = ("tests.support.statement_points", "150", str(reached))
    run = Machine("alpha", url).start("index", folder, "--model", "static", "--json", module=points)
    wait_until(reached.exists, run)
    ended_now = ask(url, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
                    f" AND application_name = 'semsearch' AND {which}")  # fmt: skip
    assert ended_now
    reached.unlink()
    done = ended(run)
    assert done.code == 0, done.err
    assert done.json["files"]["added"] == 60 and problems(url) == [] and counts(url)[-1] == 0


def test_timeouts_of_an_administrator_do_not_end_a_run(url: str, folder: Path) -> None:
    database = url.rpartition("/")[2]
    for name in ("idle_in_transaction_session_timeout", "transaction_timeout", "lock_timeout", "idle_session_timeout"):
        ask(url, f"ALTER DATABASE {database} SET {name} = '300ms'")
    machine = Machine("alpha", url)
    done = machine.run("index", folder, "--model", "static", "--json")
    assert done.code == 0 and done.json["chunks"]["encoded"] == 60, done.err
    # The model is loaded while a snapshot is held.
    assert machine.run("search", "bread at the market").code == 0
    ask(url, f"ALTER DATABASE {database} SET default_transaction_isolation = 'serializable'")
    for path in folder.iterdir():
        path.write_text(f"{path.read_text()} Once more.\n")
    assert machine.run("index", "-q").code == 0
    assert problems(url) == [] and counts(url)[-1] == 0


def test_a_limit_of_transactions_ends_no_snapshot(url: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model may be loaded between two statements, and an examination thinks about what it has read."""
    index_folders([folder], url, IndexOptions(model="static"))
    for name in ("transaction_timeout", "idle_in_transaction_session_timeout"):
        ask(url, f"ALTER DATABASE {url.rpartition('/')[2]} SET {name} = '400ms'")
    asked: list[str] = []

    def slowly(snapshot: Snapshot) -> int:
        asked.append("counts")
        time.sleep(0.6)
        return len(snapshot.holding(()))

    store = open_store(url)
    assert store.read(slowly) == 60 and asked == ["counts"]
    examine_parts = examination._Examination._examine_parts

    def examined(self: examination._Examination) -> None:
        time.sleep(0.6)
        examine_parts(self)

    monkeypatch.setattr(examination._Examination, "_examine_parts", examined)
    assert store.examine().problems == []  # type: ignore[attr-defined]
    store.close()


def test_a_limit_that_ends_a_connection_is_named(url: str) -> None:
    ask(url, f"ALTER DATABASE {url.rpartition('/')[2]} SET transaction_timeout = '300ms'")
    connection = Connection(Address.parse(url))
    with pytest.raises(DatabaseError, match="transaction timeout") as told:
        connection.rows("SELECT pg_sleep(5)")
    assert told.value.message.startswith(url) and told.value.hint.endswith("raise transaction_timeout of the role")
    connection.close()
    # What cannot be done within a transaction has no limit.
    connection = Connection(Address.parse(url))
    with connection.without_limits(work_mem="'5MB'"):
        assert connection.rows("SELECT pg_sleep(0.6), current_setting('work_mem')")[0][1] == "5MB"
    names = ("transaction_timeout", "statement_timeout", "lock_timeout", "work_mem")
    rows = connection.rows("SELECT name FROM pg_settings WHERE source = 'session' AND name = ANY(%s)", (list(names),))
    assert rows == []
    connection.close()


def test_a_statement_that_takes_too_long_is_told(url: str, folder: Path) -> None:
    assert Machine("alpha", url).run("index", folder, "--model", "static", "-q").code == 0
    ask(url, f"ALTER DATABASE {url.rpartition('/')[2]} SET statement_timeout = '1ms'")
    with open_store(url).write(folders=[]) as writing, pytest.raises(DatabaseError, match="statement timeout") as told:
        list(writing.snapshot().shuffled(__import__("random").Random(1)))
        writing._connection.rows("SELECT pg_sleep(1)")  # type: ignore[attr-defined]
    assert "raise statement_timeout of the role" in told.value.hint
    # What is read and committed has limits of its own.
    assert Machine("alpha", url).run("search", "bread at the market").code == 0


def test_a_server_that_only_reads_answers_and_is_not_written(own: PostgresServer, url: str, folder: Path) -> None:
    machine = Machine("alpha", url)
    assert machine.run("index", folder, "--model", "static", "-q").code == 0
    ask(url, f"ALTER DATABASE {url.rpartition('/')[2]} SET default_transaction_read_only = on")
    assert machine.run("search", "bread at the market").code == 0
    assert machine.run("status").code == 0
    for arguments in (["index"], ["index", "--encode-only"], ["index", "--rebuild"]):
        done = machine.run(*arguments)
        assert done.code == 2 and "name the primary server" in one_line_error(done.err)


@pytest.mark.slow
@as_root
def test_a_full_disk_of_the_server_is_told_and_the_next_run_goes_on(
    own: PostgresServer, url: str, folder: Path, tmp_path: Path
) -> None:
    """The database lies in a tablespace on a small file system of its own."""
    place = own.folder / "small"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m,mode=700", "tmpfs", str(place)])
    if mounted.returncode:
        pytest.skip("nothing can be mounted here")
    try:
        subprocess.run(["chown", f"{NOBODY}:{NOBODY}", str(place)], check=True)
        database = url.rpartition("/")[2]
        with own.superuser() as connection:
            connection.execute(f"CREATE TABLESPACE small LOCATION '{place}'".encode())
            connection.execute(f"ALTER DATABASE {database} SET TABLESPACE small".encode())
        machine = Machine("alpha", url)
        assert machine.run("index", folder, "--model", "static", "-q").code == 0
        filler = place / "filler"
        with open(filler, "wb") as file:
            try:
                while True:
                    file.write(bytes(1 << 16))
                    file.flush()
            except OSError:
                pass
        write(folder, {f"more-{name}": text * 200 for name, text in texts(60, 2).items()})
        done = machine.run("index")
        assert done.code == 2 and "make room on the server" in one_line_error(done.err)
        # What was there still answers, unless the server has no room to note what a new connection reads at its start.
        asked = machine.run("search", "bread at the market")
        assert asked.code == 0 or "make room on the server" in one_line_error(asked.err)
        filler.unlink()
        assert machine.run("index", "-q").code == 0
        assert problems(url) == [] and counts(url)[0] == 120
    finally:
        with own.superuser() as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{url.rpartition("/")[2]}" WITH (FORCE)'.encode())
            connection.execute(b"DROP TABLESPACE IF EXISTS small")
        subprocess.run(["umount", str(place)], check=True)
