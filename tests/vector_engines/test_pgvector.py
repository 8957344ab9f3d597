"""What only pgvector has: a table that a DBA reads, roles, an HNSW index that is built once it pays."""

import signal
import threading
from collections.abc import Iterator
from urllib.parse import quote

import numpy as np
import psycopg
import pytest

from semsearch.errors import UsageError, VectorEngineError
from semsearch.vector_engines import pgvector
from semsearch.vector_engines.opening import open_engine
from tests.support.postgres_server import PostgresServer
from tests.support.waiting import wait_until
from tests.vector_engines.test_conformance import DIM, filled, nearest_of, payloads, unit_vectors


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with PostgresServer() as server:
        yield server


@pytest.fixture
def database(server: PostgresServer) -> str:
    return server.new_database(extensions=())


@pytest.fixture
def url(server: PostgresServer, database: str) -> str:
    return url_for(server, database)


def url_for(server: PostgresServer, database: str, *login: str) -> str:
    return server.url(database, *login).replace("postgresql://", "pgvector://")


def test_the_table_is_read_with_sql(server: PostgresServer, database: str, url: str) -> None:
    engine = open_engine(url + "?schema=team&table=docs")
    engine.ensure(DIM)
    ids = np.array([7, 8])
    engine.upsert(ids, unit_vectors(2), [payloads(ids)[0], {"page": 3, "date": 1.5}])
    with server.superuser(database) as connection:
        rows = connection.execute("SELECT chunk_id, path, title, text, payload FROM team.docs ORDER BY 1").fetchall()
        kind = connection.execute("SELECT pg_typeof(embedding)::text FROM team.docs").fetchone()
    assert rows == [
        (7, "7.txt", None, "text 7", {"lines": 7, "tags": ["a"]}),
        (8, None, None, None, {"page": 3, "date": 1.5}),
    ]
    assert kind == ("halfvec",)


@pytest.mark.parametrize(
    ("password", "hint"), [("wrong", "check the user and the password"), ("", "put the password in a file that")]
)
def test_a_password_that_is_wrong_or_missing_is_told(
    url: str, server: PostgresServer, monkeypatch: pytest.MonkeyPatch, password: str, hint: str
) -> None:
    monkeypatch.setenv("PGPASSWORD", password)
    with pytest.raises(VectorEngineError) as refused:
        open_engine(url.replace(f":{server.password}@", "@")).ensure(DIM)
    assert "reached" not in refused.value.message and "password" in refused.value.message
    assert refused.value.hint is not None and hint in refused.value.hint and "PGPASSFILE" in refused.value.hint


def test_the_schema_of_an_index_is_refused(server: PostgresServer, database: str, url: str) -> None:
    with server.superuser(database) as connection:
        connection.execute("CREATE SCHEMA notes CREATE TABLE state (product text)")
    with pytest.raises(VectorEngineError, match=r"the schema notes .* is that of an index"):
        open_engine(f"{url}?schema=notes").ensure(DIM)
    open_engine(f"{url}?schema=vectors").ensure(DIM)


@pytest.mark.parametrize("name", ['x"; DROP TABLE kept; --', "Größe {table}", "select"])
def test_names_are_no_sql(server: PostgresServer, database: str, url: str, name: str) -> None:
    with server.superuser(database) as connection:
        connection.execute("CREATE TABLE kept ()")
    engine = open_engine(f"{url}?schema={quote(name)}&table={quote(name)}")
    vectors = filled(engine, np.arange(3))
    assert engine.nearest(vectors[1], 1, [(0, 3)])[0].tolist() == [1]
    assert engine.count() == 3 and engine.vectors(np.arange(3)).shape == (3, DIM)
    engine.drop()
    with server.superuser(database) as connection:
        assert connection.execute("SELECT count(*) FROM kept").fetchone() == (0,)


@pytest.mark.parametrize(("name", "told"), [("x" * 64, "longer name"), ("100%25", "has a % in it")])
def test_a_name_that_cannot_be_used_is_refused(url: str, name: str, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        open_engine(f"{url}?table={name}")


def test_the_extension_may_be_in_any_schema(server: PostgresServer, database: str, url: str) -> None:
    with server.superuser(database) as connection:
        connection.execute("CREATE SCHEMA elsewhere")
        connection.execute("CREATE EXTENSION vector SCHEMA elsewhere")
    engine = open_engine(url)
    vectors = filled(engine, np.arange(9))
    assert engine.nearest(vectors[4], 1, None)[0].tolist() == [4]


def test_a_role_that_may_only_read_searches(server: PostgresServer, database: str, url: str) -> None:
    vectors = filled(open_engine(url), np.arange(9))
    with server.superuser(database) as connection:
        connection.execute("CREATE ROLE reader LOGIN PASSWORD 'pw'")
        connection.execute("GRANT SELECT ON semsearch_vectors TO reader")
    engine = open_engine(url_for(server, database, "reader", "pw"))
    engine.ensure(DIM)
    assert engine.nearest(vectors[4], 1, [(0, 5)])[0].tolist() == [4] and engine.count() == 9
    with pytest.raises(VectorEngineError, match="permission denied") as told:
        engine.upsert(np.array([1]), vectors[:1], [{}])
    assert "GRANT" in told.value.hint


def test_a_role_that_may_not_switch_pgvector_on_is_told_what_to_run(server: PostgresServer, database: str) -> None:
    with server.superuser(database) as connection:
        connection.execute("CREATE ROLE writer LOGIN PASSWORD 'pw'")
        connection.execute("GRANT CREATE ON SCHEMA public TO writer")
    with pytest.raises(VectorEngineError, match="not switched on") as told:
        open_engine(url_for(server, database, "writer", "pw")).ensure(DIM)
    assert "CREATE EXTENSION vector" in told.value.hint


def test_a_table_of_somebody_else_is_left_alone(server: PostgresServer, database: str, url: str) -> None:
    with server.superuser(database) as connection:
        connection.execute("CREATE TABLE mine AS SELECT 1 AS id")
    engine = open_engine(url + "?table=mine")
    with pytest.raises(VectorEngineError, match="holds something else"):
        engine.ensure(DIM)
    with server.superuser(database) as connection:
        assert connection.execute("SELECT id FROM mine").fetchall() == [(1,)]


def test_a_wrong_password_is_not_told(server: PostgresServer, database: str) -> None:
    with pytest.raises(VectorEngineError, match="password authentication failed") as told:
        open_engine(url_for(server, database, "postgres", "wr0ng")).exists()
    assert "wr0ng" not in told.value.message + told.value.hint


def test_the_password_may_come_from_the_environment(
    server: PostgresServer, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPASSWORD", server.password)
    monkeypatch.setenv("PGHOST", "127.0.0.1")
    monkeypatch.setenv("PGPORT", str(server.port))
    assert not open_engine(f"pgvector://postgres@/{database}").exists()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_work_goes_on_after_a_restart_of_the_server(
    server: PostgresServer, database: str, url: str, how: signal.Signals
) -> None:
    engine = open_engine(url)
    filled(engine, np.arange(9))
    server.restart(how)
    engine.upsert(np.array([9]), unit_vectors(1), [{}])
    server.restart(how)
    assert engine.count() == 10


def test_a_statement_without_an_end_is_ended(
    server: PostgresServer, database: str, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = open_engine(url)
    filled(engine, np.arange(9))
    monkeypatch.setattr(pgvector, "REQUEST_SECONDS", 1)
    with psycopg.connect(server.url(database)) as other:
        other.execute("LOCK TABLE semsearch_vectors")
        with pytest.raises(VectorEngineError, match="did not answer within 1 s"):
            engine.count()
        waiting = "SELECT pg_stat_clear_snapshot(), count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        # Nor does it go on in the server, which hears of it a moment later.
        wait_until(lambda: (other.execute(waiting).fetchone() or ("", 1))[1] == 0)
    assert engine.count() == 9


def test_two_processes_may_make_the_table(url: str) -> None:
    raised: list[BaseException] = []

    def make() -> None:
        try:
            open_engine(url + "?schema=team").ensure(DIM)
        except BaseException as error:
            raised.append(error)

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not raised and open_engine(url + "?schema=team").count() == 0


def scans(server: PostgresServer, database: str) -> int:
    """How often the HNSW index was read, by sessions that have ended: they tell at their end."""
    sessions = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'semsearch' AND datname = %s"
    read = "SELECT coalesce(sum(idx_scan), 0)::int FROM pg_stat_user_indexes WHERE indexrelname LIKE '%%embedding%%'"
    with server.superuser(database) as connection:
        wait_until(lambda: connection.execute(sessions, (database,)).fetchone() == (0,))
        row = connection.execute(read, ()).fetchone()
    assert row is not None
    return int(row[0])


def test_the_graph_is_built_once_it_pays_and_loses_nothing(
    server: PostgresServer, database: str, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pgvector, "_HNSW_ROWS", 2_500)
    engine = open_engine(url)
    ids = np.arange(4_000)
    vectors = filled(engine, ids[:2_499])
    engine.maintain()
    assert not engine._layout.indexed  # type: ignore[attr-defined]
    vectors = filled(engine, ids)
    engine.maintain()
    engine.maintain()
    assert engine._layout.indexed  # type: ignore[attr-defined]
    engine.close()
    reader = open_engine(url)
    for ranges, reads_graph in ((None, True), ([(0, 3_900)], True), ([(i, i + 3) for i in range(0, 4_000, 4)], True),
                                ([(100, 2_500)], False)):  # fmt: skip
        before = scans(server, database)
        found = []
        for query in unit_vectors(20, seed=9):
            got, cosines = reader.nearest(query, 10, ranges)
            assert len(got) == 10 and np.all(np.diff(cosines) <= 0)
            found += np.isin(nearest_of(ids, vectors, query, 10, ranges), got).tolist()
        assert np.mean(found) >= 0.99
        reader.close()
        assert (scans(server, database) > before) == reads_graph


def test_rows_go_into_a_graph_in_requests_that_end_in_time(
    server: PostgresServer, database: str, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pgvector, "_MAX_BATCH", 300)
    engine = open_engine(url)
    engine.ensure(DIM)
    with server.superuser(database) as connection:
        connection.execute("CREATE TABLE puts (rows int)")
        connection.execute(
            "CREATE FUNCTION told() RETURNS trigger LANGUAGE plpgsql AS "
            "'BEGIN INSERT INTO puts SELECT count(*) FROM added; RETURN NULL; END'"
        )
        connection.execute(
            "CREATE TRIGGER told AFTER INSERT ON semsearch_vectors REFERENCING NEW TABLE AS added "
            "FOR EACH STATEMENT EXECUTE FUNCTION told()"
        )
    ids = np.arange(700)
    vectors = filled(engine, ids)
    with server.superuser(database) as connection:
        assert connection.execute("SELECT rows FROM puts").fetchall() == [(250,), (250,), (200,)]
    assert np.allclose(engine.vectors(ids), vectors, atol=1e-3)
    engine.delete(ids[:650])
    assert engine.count() == 50
    engine.close()


def test_a_graph_whose_building_was_cut_off_is_built_anew(
    server: PostgresServer, database: str, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pgvector, "_HNSW_ROWS", 10)
    engine = open_engine(url)
    filled(engine, np.arange(50))
    with server.superuser(database) as connection:
        connection.execute("CREATE INDEX ON semsearch_vectors USING hnsw (embedding halfvec_cosine_ops)")
        connection.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = "
                           "'semsearch_vectors_embedding_idx'::regclass")  # fmt: skip
    engine.maintain()
    with server.superuser(database) as connection:
        valid = connection.execute(
            "SELECT indisvalid FROM pg_index WHERE indrelid = 'semsearch_vectors'::regclass AND NOT indisprimary"
        ).fetchall()
    assert valid == [(True,)]
