"""The nearest vectors by their index, which may end before enough are found, and without it."""

import numpy as np
import pytest

from semsearch.store.allowed import Allowed, ChunkSelection
from semsearch.store.opening import open_store
from semsearch.store.postgres import maintaining, search
from semsearch.store.postgres.snapshot import DatabaseSnapshot
from semsearch.store.postgres.state import State
from semsearch.store.protocol import Snapshot
from tests.support.corpus import VECTORS, encode, filled
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
