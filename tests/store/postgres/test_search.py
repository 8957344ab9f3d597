"""The nearest vectors by their index, which may end before enough are found, and without it; deleted chunks."""

from collections.abc import Sequence

import numpy as np
import pytest

from semsearch.store.allowed import Allowed, ChunkSelection
from semsearch.store.opening import open_store
from semsearch.store.postgres import maintaining, search
from semsearch.store.postgres.connection import Connection, Row
from semsearch.store.postgres.snapshot import DatabaseSnapshot
from semsearch.store.postgres.state import State
from semsearch.store.protocol import Snapshot, Store
from tests.support.corpus import VECTORS, encode, file_id, filled, word
from tests.support.postgres_machines import ask
from tests.support.postgres_server import PostgresServer

CHUNKS = 1100


@pytest.fixture
def url(server: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> str:
    """An index whose vectors have an index, which searches use from 50 chunks on."""
    monkeypatch.setattr(maintaining, "INDEXED_FROM", 50)
    monkeypatch.setattr(search, "INDEXED_FROM", 50)
    monkeypatch.setattr(search, "_EXACT_UP_TO", 50)
    location = server.url(server.new_database())
    store = filled(open_store(location), {f"{number}.md": ["same words"] for number in range(CHUNKS)})
    encode(store, VECTORS[:CHUNKS])
    with store.write() as writer:
        writer.maintain()
    store.close()
    return location


@pytest.mark.parametrize("allowed", [Allowed(), Allowed([(1, 101), (301, 801)]), Allowed(None, None, np.arange(1, 90))])
@pytest.mark.parametrize("k", [5, 60, CHUNKS])
@pytest.mark.parametrize("scans_on", [True, False])
def test_as_many_are_found_as_there_are(
    url: str, allowed: Allowed, k: int, scans_on: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    # So few that the index alone would find fewer than are asked for.
    monkeypatch.setattr(search, "EF_SEARCH", 10)
    monkeypatch.setattr(search, "_MOST_EF_SEARCH", 10)
    rows = allowed.rows(np.arange(1, CHUNKS + 1), None)
    inside = np.ones(CHUNKS, np.bool_) if rows is None else rows
    cosines = np.where(inside, np.stack(VECTORS[:CHUNKS]) @ VECTORS[3], -2)
    best = np.sort(cosines[inside])[::-1][:k]

    def ask(snapshot: Snapshot) -> None:
        assert isinstance(snapshot, DatabaseSnapshot)
        assert snapshot.state.has_vector_index and snapshot.state.can_scan_on
        object.__setattr__(snapshot.state, "can_scan_on", scans_on)
        found = snapshot.dense(VECTORS[3], k, ChunkSelection(allowed))
        assert len(found.ids) == len(best)
        assert inside[found.ids - 1].all()
        assert np.array_equal(found.scores, cosines[found.ids - 1].astype(np.float32))
        if k > 60:  # everything
            assert np.array_equal(found.scores, best.astype(np.float32))

    store = open_store(url)
    store.read(ask)
    store.close()


def test_the_version_of_pgvector_is_read(url: str) -> None:
    store = open_store(url)
    state = store.read(lambda snapshot: snapshot.state)  # type: ignore[attr-defined]
    assert isinstance(state, State) and state.can_scan_on
    store.close()


def owls(snapshot: Snapshot) -> list[str]:
    """The texts of the passages with this word."""
    found = snapshot.lexical([word("owl")], 9, None).ids.tolist()
    return sorted(one.text for one in snapshot.passages(found))


def delete(store: Store, *paths: str) -> None:
    ids = [file_id(store, path) for path in paths]
    with store.write() as writer, writer.transaction() as transaction:
        transaction.delete_files(ids)


def test_what_was_deleted_of_an_index_is_not_missed_in_another_one(server: PostgresServer) -> None:
    """A searcher goes on while the index is dropped and made anew: its segments have the same numbers."""
    location = server.url(server.new_database())
    reader = open_store(location)
    for gone, left in (("a.md", "owl b"), ("b.md", "owl a")):
        store = filled(open_store(location), {"a.md": ["owl a"], "b.md": ["owl b"]})
        delete(store, gone)
        store.close()
        assert reader.read(owls) == [left]
        ask(location, "DROP SCHEMA semsearch CASCADE")
    reader.close()


def test_a_list_of_deleted_chunks_that_was_mended_is_read_again(server: PostgresServer) -> None:
    location = server.url(server.new_database())
    store = filled(open_store(location), {"a.md": ["owl a"], "b.md": ["owl b"], "c.md": ["owl c"]})
    for gone, left in ((1, ["owl b", "owl c"]), (3, ["owl a", "owl b"])):
        ask(location, "UPDATE segments SET dead = %s", np.array([gone], "<u4").tobytes())
        assert store.read(owls) == left
    assert len(store._reading.deleted) == 1  # no other is kept
    store.close()


def test_terms_are_counted_without_reading_all_of_their_postings(
    server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "_POSTINGS_AT_ONCE", 700)
    store = open_store(server.url(server.new_database()))
    for name in ("a", "b"):
        filled(store, {f"{name}{number}.md": [f"owl w{number % 9}"] for number in range(900)})
    delete(store, "b4.md")
    read: list[int] = []
    rows = Connection.rows

    def counting(self: Connection, statement: str, parameters: Sequence[object] = ()) -> list[Row]:
        found = rows(self, statement, parameters)
        read.append(sum(len(value) for row in found for value in row if isinstance(value, bytes)))
        return found

    monkeypatch.setattr(Connection, "rows", counting)
    terms = store.read(lambda snapshot: snapshot.completions(["w", "o"], None))
    assert terms == ["owl", *(f"w{number}" for number in (0, 1, 2, 3, 5, 6, 7, 8)), "w4"]
    # The ids of one segment, four bytes each, and terms; never more at once than two terms have.
    assert sum(read) < 4 * 1800 + 400 and max(read) < 4 * (900 + 700) + 100
    assert store.read(lambda snapshot: snapshot.similar(["w4x"], 1, 9)) == ["w4"]
    store.close()
