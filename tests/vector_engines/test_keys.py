"""Keys come as files and variables hold them; those that cannot be sent are refused, and none is ever told."""

from pathlib import Path

import pytest

from semsearch.errors import UsageError
from semsearch.vector_engines.keys import VARIABLES
from semsearch.vector_engines.opening import ENGINES, open_engine, recordable
from tests.support.chroma_server import ChromaServer
from tests.support.commands import Command, one_line_error
from tests.support.qdrant_server import QdrantServer

URLS = {
    "chroma": "chroma://127.0.0.1:1/docs",
    "milvus": "milvus://root@127.0.0.1:1/docs",
    "pinecone": "pinecone://docs",
    "qdrant": "qdrant://127.0.0.1:1/docs",
    "weaviate": "weaviate://127.0.0.1:1/Docs",
}


def test_every_engine_with_a_key_is_named() -> None:
    # The password of PostgreSQL is a matter of libpq.
    assert set(VARIABLES) == set(URLS) == set(ENGINES) - {"pgvector"}


@pytest.mark.parametrize("name", URLS)
@pytest.mark.parametrize("key", ["sek\rret\r", "sekret\0x", "sek\x7fret", "sekr\u00e9t"])
def test_a_key_that_cannot_be_sent_is_refused_without_it(name: str, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if "\0" in key and name not in ("chroma", "qdrant"):
        pytest.skip("no variable holds it, and no URL of this engine")
    url = URLS[name]
    if "\0" in key:
        url = url.replace("://", "://:sekret%00x@")
    else:
        monkeypatch.setenv(VARIABLES[name], key)
    if name == "milvus" and key.isprintable():
        open_engine(url)  # which sends it as base64
        return
    with pytest.raises(UsageError) as refused:
        open_engine(url)
    for text in (refused.value.message, refused.value.hint):
        assert "sek" not in text and text.isprintable()
    assert VARIABLES[name] in refused.value.hint


@pytest.mark.parametrize("server", [QdrantServer(key="s3cr3t"), ChromaServer(token="s3cr3t")], ids=["qdrant", "chroma"])
def test_a_key_from_a_file_is_sent_without_the_end_of_its_line(
    server: QdrantServer | ChromaServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    scheme = "qdrant" if isinstance(server, QdrantServer) else "chroma"
    monkeypatch.setenv(VARIABLES[scheme], "s3cr3t\r\n")
    with server:
        engine = open_engine(f"{scheme}://{server.at}/docs")
        assert not engine.exists()
        engine.close()


@pytest.mark.parametrize("name", sorted(set(URLS) - {"milvus"}))
def test_a_key_in_the_place_of_a_user_is_refused_without_it(name: str) -> None:
    for url in (
        URLS[name].replace("://", "://sekret@"),
        URLS[name].replace("docs", "%24").replace("://", "://sekret@"),
    ):
        for call in (open_engine, recordable):
            with pytest.raises(UsageError) as refused:
                call(url)
            assert "sekret" not in refused.value.message + refused.value.hint
            assert VARIABLES[name] in refused.value.hint


def test_the_command_does_not_tell_such_a_key(semsearch: Command, tmp_path: Path) -> None:
    done = semsearch("index", tmp_path, "--model", "static", "--vectors", "qdrant://sekret@127.0.0.1:1/docs")
    assert done.code == 2 and "sekret" not in done.out + done.err
    assert "QDRANT_API_KEY" in one_line_error(done.err)
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and b"sekret" in path.read_bytes()]
