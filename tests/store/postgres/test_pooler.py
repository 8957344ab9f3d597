"""Behind a pooler in transaction mode each transaction has another session: nothing relies on what a session knows."""

from pathlib import Path

import pytest

from semsearch.indexing import IndexOptions, index_folders
from semsearch.retrieval.options import SearchOptions
from semsearch.retrieval.searcher import Searcher
from semsearch.store.postgres import maintaining, search
from semsearch.store.postgres.address import Address
from semsearch.store.postgres.connection import Connection
from tests.support.folders import write
from tests.support.made_texts import texts
from tests.support.postgres_machines import Machine, answers, ask, counts, difference, ended, problems
from tests.support.postgres_server import PostgresServer
from tests.support.transaction_pooler import TransactionPooler

_SETTINGS = "SELECT string_agg(name || '=' || setting, ',' ORDER BY name) FROM pg_settings WHERE source = 'session'"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path / "docs", dict(texts(60, 1)))
    return tmp_path / "docs"


@pytest.mark.slow
def test_runs_and_searches_behind_a_pooler(server: PostgresServer, folder: Path, tmp_path: Path) -> None:
    database = server.new_database()
    with TransactionPooler(server, database) as pooler:
        before = pooler.ask_all(_SETTINGS)
        write(tmp_path / "more", dict(texts(40, 2)))
        machines = [Machine("alpha", pooler.url()), Machine("beta", pooler.url())]
        runs = [
            one.start("index", folder, "--model", "static", "--json")
            for one, folder in zip(machines, (folder, tmp_path / "more"), strict=True)
        ]
        done = [ended(run) for run in runs]
        assert [one.code for one in done] == [0, 0], done
        for path in folder.iterdir():
            path.write_text(f"{path.read_text()} It was changed.\n")
        for command in (["index", "-q"], ["search", "boats"], ["ask", "who paints boats"], ["status"], ["index", "-q"]):
            ran = machines[0].run(*command)
            assert ran.code == 0, ran
        assert "alpha: checked" in machines[1].run("status").out
        assert pooler.changes > 20
        assert pooler.ask_all(_SETTINGS) == before
        found = answers(pooler.url())
    direct = server.url(database)
    assert problems(direct) == [] and counts(direct)[0] == 100 and counts(direct)[-1] == 0
    local = Machine("here", str(tmp_path / "index"))
    assert local.run("index", folder, tmp_path / "more", "--model", "static", "-q").code == 0
    assert difference(found, answers(tmp_path / "index")) == ""


def test_locks_hold_behind_a_pooler(server: PostgresServer, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from semsearch.store.opening import open_store

    monkeypatch.setenv("SEMSEARCH_HOST", "alpha")
    with TransactionPooler(server, server.new_database()) as pooler:
        index_folders([folder], pooler.url(), IndexOptions(model="static"))
        store = open_store(pooler.url())
        with store.write(folders=[str(folder)]):
            for _ in range(3):
                done = Machine("alpha", pooler.url()).run("index")
                assert done.code == 75 and "another run is writing" in done.err
        store.close()
        assert Machine("alpha", pooler.url()).run("index", "-q").code == 0


def test_the_index_of_vectors_leaves_nothing_in_other_sessions(
    server: PostgresServer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(maintaining, "INDEXED_FROM", 10)
    monkeypatch.setattr(search, "_EXACT_UP_TO", 10)
    database = server.new_database()
    with TransactionPooler(server, database) as pooler:
        before = pooler.ask_all(_SETTINGS)
        assert not Connection(Address.parse(pooler.url())).has_session()
        index_folders([folder], pooler.url(), IndexOptions(model="static"))
        assert pooler.ask_all(_SETTINGS) == before
        with Searcher(pooler.url(), remember=False) as searcher:
            for filters in (SearchOptions(mode="dense"), SearchOptions(mode="dense", k=3)):
                assert searcher.search("bread at the market", filters).hits
        assert pooler.ask_all(_SETTINGS) == before
    assert Connection(Address.parse(server.url(database))).has_session()
    assert ask(server.url(database), "SELECT indisvalid FROM pg_index WHERE indexrelid = 'vectors_hnsw'::regclass") == [
        (True,)
    ]
