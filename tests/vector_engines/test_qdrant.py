"""What only Qdrant has: half precision, an index of ids, keys, TLS."""

from collections.abc import Iterator

import numpy as np
import pytest
from qdrant_client import QdrantClient, models

from semsearch.errors import VectorEngineError
from semsearch.vector_engines import qdrant
from semsearch.vector_engines.opening import open_engine
from tests.support.qdrant_server import QdrantServer
from tests.vector_engines.test_conformance import DIM, filled, payloads, unit_vectors


@pytest.fixture
def server() -> Iterator[QdrantServer]:
    server = QdrantServer(key="s3cr3t")
    with server:
        yield server


def own_client(server: QdrantServer) -> QdrantClient:
    return QdrantClient(url=f"http://{server.at}", headers={"api-key": "s3cr3t"}, check_compatibility=False)


def test_qdrants_own_client_reads_the_collection(server: QdrantServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QDRANT_API_KEY", "s3cr3t")
    engine = open_engine(f"qdrant://{server.at}/docs")
    engine.ensure(DIM)
    engine.upsert(np.array([7]), unit_vectors(1), payloads(np.array([7])))
    collection = server.collections["docs"]
    assert collection.params.datatype == models.Datatype.FLOAT16 and collection.indexes["chunk_id"].range
    client = own_client(server)
    [point] = client.retrieve("docs", [7])
    assert point.payload == {"path": "7.txt", "text": "text 7", "lines": 7, "tags": ["a"], "chunk_id": 7}
    engine.close()


def test_the_key_is_sent_and_never_told(server: QdrantServer) -> None:
    engine = open_engine(f"qdrant://:s3cr3t@{server.at}/docs")
    assert engine.location == f"qdrant://{server.at}/docs" and not engine.exists()
    assert server.headers[-1]["api-key"] == "s3cr3t"
    with pytest.raises(VectorEngineError, match="Invalid API key") as told:
        open_engine(f"qdrant://:wr0ng@{server.at}/docs").ensure(DIM)
    assert "wr0ng" not in told.value.message and "QDRANT_API_KEY" in told.value.hint


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("qdrant://host.invalid/docs", "http://host.invalid:6333/"),
        ("qdrant://:key@host.invalid/docs", "https://host.invalid:6333/"),
        ("qdrant://:key@host.invalid/docs?tls=0", "http://host.invalid:6333/"),
        ("qdrant://host.invalid:1/docs?tls=1", "https://host.invalid:1/"),
        ("qdrant://:key@localhost:1/docs", "http://localhost:1/"),
        ("qdrant://:key@[::1]:1/docs", "http://[::1]:1/"),
    ],
)
def test_a_key_is_sent_in_clear_to_this_machine_alone(url: str, server: str) -> None:
    with pytest.raises(VectorEngineError) as told:
        open_engine(url).exists()
    assert f"{server}healthz" in told.value.hint
    assert ("?tls=0" in told.value.hint) == ("https://" in server and "?" not in url)


def test_a_server_that_does_not_answer_is_given_up(server: QdrantServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(qdrant, "REQUEST_SECONDS", 1)
    engine = open_engine(f"qdrant://:s3cr3t@{server.at}/docs")
    server.silent.set()
    with pytest.raises(VectorEngineError, match=r"does not answer at .*timed out"):
        engine.exists()


def test_a_collection_of_another_kind_is_refused(server: QdrantServer) -> None:
    client = own_client(server)
    client.create_collection("docs", models.VectorParams(size=DIM, distance=models.Distance.DOT))
    with pytest.raises(VectorEngineError, match=f"{DIM} numbers, compared by Dot, not of {DIM}, by Cosine"):
        open_engine(f"qdrant://:s3cr3t@{server.at}/docs").ensure(DIM)


def test_a_collection_whose_making_was_cut_off_gets_its_index(server: QdrantServer) -> None:
    client = own_client(server)
    client.create_collection("docs", models.VectorParams(size=DIM, distance=models.Distance.COSINE))
    open_engine(f"qdrant://:s3cr3t@{server.at}/docs").ensure(DIM)
    assert server.collections["docs"].indexes["chunk_id"].range


def test_few_that_a_filter_lets_in_are_compared_one_by_one(server: QdrantServer) -> None:
    engine = open_engine(f"qdrant://:s3cr3t@{server.at}/docs")
    filled(engine, np.arange(9))
    for ranges in ([(0, 3), (5, 9)], [(0, 3), (5, 10**6)], None):
        engine.nearest(unit_vectors(1)[0], 3, ranges)
    assert [search.exact for search in server.searches] == [True, False, False]
    assert [search.hnsw_ef for search in server.searches] == [None, 512, 512]
