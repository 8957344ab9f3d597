"""What only Chroma has: metadata that is added to, a document a row, and a client that waits for ever."""

from collections.abc import Iterator
from pathlib import Path

import chromadb
import numpy as np
import pytest

from semsearch.errors import VectorEngineError
from semsearch.vector_engines import chroma
from semsearch.vector_engines.opening import open_engine
from tests.support.chroma_server import ChromaServer
from tests.vector_engines.conftest import parameter
from tests.vector_engines.test_conformance import DIM, filled, payloads, unit_vectors

both = pytest.mark.parametrize("engine_name", [parameter("chroma"), parameter("chroma-real")], indirect=True)


@pytest.fixture
def server() -> Iterator[ChromaServer]:
    server = ChromaServer(token="s3cr3t")
    with server:
        yield server


@both
def test_chromas_own_client_reads_the_collection(url: str) -> None:
    engine = open_engine(url)
    engine.ensure(DIM)
    ids = np.array([7])
    engine.upsert(ids, unit_vectors(1), payloads(ids))
    host, _, port = url.split("/")[2].partition(":")
    collection = chromadb.HttpClient(host, int(port)).get_collection(url.split("/")[3], embedding_function=None)
    row = collection.get(ids=["7"])
    assert row["documents"] == ["text 7"]
    assert row["metadatas"] == [{"path": "7.txt", "lines": 7, "tags": ["a"], "chunk_id": 7}]

    # Nothing is left of a row that another is put in place of.
    engine.upsert(ids, unit_vectors(1), [{"path": "8.txt", "tags": []}])
    row = collection.get(ids=["7"])
    assert row["documents"] == [""] and row["metadatas"] == [{"path": "8.txt", "chunk_id": 7}]


@both
def test_wide_and_narrow_ranges_together(url: str) -> None:
    engine = open_engine(url)
    ids = np.array([*range(0, 40, 2), 5_000, 50_000, 60_001])
    filled(engine, ids)
    narrow = [(begin, begin + 1) for begin in range(40_000)]
    ranges = [*narrow, (45_000, 60_001), (60_002, 90_000)]
    found, _ = engine.nearest(unit_vectors(1)[0], 100, ranges)
    assert sorted(found.tolist()) == [*range(0, 40, 2), 5_000, 50_000]


def test_the_token_is_sent_and_never_told(server: ChromaServer, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = open_engine(f"chroma://:s3cr3t@{server.at}/docs")
    assert engine.location == f"chroma://{server.at}/docs" and not engine.exists()
    monkeypatch.setenv("CHROMA_API_KEY", "wr0ng")
    with pytest.raises(VectorEngineError) as told:
        open_engine(f"chroma://{server.at}/docs").ensure(DIM)
    assert server.headers[-1]["x-chroma-token"] == "wr0ng"
    assert "wr0ng" not in told.value.message and "CHROMA_API_KEY" in told.value.hint


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("chroma://host.invalid/docs", "http://host.invalid:8000/"),
        ("chroma://:key@host.invalid/docs", "https://host.invalid:8000/"),
        ("chroma://:key@host.invalid/docs?tls=0", "http://host.invalid:8000/"),
        ("chroma://:key@localhost:1/docs", "http://localhost:1/"),
    ],
)
def test_a_key_is_sent_in_clear_to_this_machine_alone(url: str, server: str) -> None:
    with pytest.raises(VectorEngineError) as told:
        open_engine(url).exists()
    assert f"{server}api/v2/heartbeat" in told.value.hint
    assert ("?tls=0" in told.value.hint) == ("https://" in server)


def test_a_server_that_does_not_answer_is_given_up(server: ChromaServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chroma, "REQUEST_SECONDS", 1)
    server.silent.set()
    with pytest.raises(VectorEngineError, match=r"does not answer at .*timed out"):
        open_engine(f"chroma://{server.at}/docs").exists()


def test_a_file_of_the_working_folder_changes_nothing(
    server: ChromaServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text("CHROMA_SERVER_HOST=host.invalid\nCHROMA_CLIENT_AUTH_PROVIDER=os.system\n")
    monkeypatch.chdir(tmp_path)
    assert not open_engine(f"chroma://:s3cr3t@{server.at}/docs").exists()


def test_a_collection_of_another_metric_is_refused(server: ChromaServer) -> None:
    headers = {"x-chroma-token": "s3cr3t"}
    host, _, port = server.at.partition(":")
    client = chromadb.HttpClient(host, int(port), headers=headers)
    client.create_collection("docs", configuration={"hnsw": {"space": "l2"}}, embedding_function=None)
    with pytest.raises(VectorEngineError, match=f"compared by l2, not of {DIM}, by cosine"):
        open_engine(f"chroma://:s3cr3t@{server.at}/docs").ensure(DIM)


def test_a_name_that_chroma_does_not_take_is_told(server: ChromaServer) -> None:
    with pytest.raises(VectorEngineError, match="3-512 characters"):
        open_engine(f"chroma://:s3cr3t@{server.at}/x").ensure(DIM)
