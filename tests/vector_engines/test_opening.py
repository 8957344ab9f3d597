"""An engine is opened by its scheme, and without its client."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from semsearch.errors import SemsearchError, UsageError, VectorEngineError, for_shell
from semsearch.vector_engines import opening
from semsearch.vector_engines.opening import (
    is_same_place,
    open_engine,
    open_recorded,
    recordable,
    remember,
    tells_text,
)
from tests.support.folders import PROJECT

CLIENTS = {
    "milvus://127.0.0.1/docs": ("pymilvus", "milvus"),
    "pinecone://docs": ("pinecone", "pinecone"),
    "weaviate://127.0.0.1/Docs": ("weaviate", "weaviate"),
}


@pytest.mark.parametrize(("url", "client"), CLIENTS.items())
def test_a_client_that_is_not_installed_is_told_with_what_installs_it(
    url: str, client: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    package, extra = client
    monkeypatch.setenv("PINECONE_API_KEY", "pcsk_test")
    for name in list(sys.modules):
        if name.partition(".")[0] == package:
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    engine = open_engine(url)
    for call in (
        engine.exists,
        lambda: engine.ensure(3),
        lambda: engine.delete(np.array([1], np.int64)),
        lambda: engine.nearest(np.ones(3, np.float32), 3, None),
    ):
        with pytest.raises(VectorEngineError, match="is not installed") as told:
            call()
        assert told.value.hint == f"pip install 'semsearch[{extra}]'"


def test_no_client_is_imported_before_it_is_needed() -> None:
    clients = sorted({package for package, _ in CLIENTS.values()} | {"grpc"})
    code = f"""
import sys
from semsearch.vector_engines.opening import is_same_place, open_engine, open_recorded, recordable, tells_text
for url in {list(CLIENTS)}:
    open_engine(url).close()
print([name for name in {clients} if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=PROJECT, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("url", ["redis://127.0.0.1/docs", "milvus", "", "/a/b", "MILVUSS://x:geheim@y/z"])
def test_what_no_engine_is_called_is_refused(url: str) -> None:
    with pytest.raises(UsageError) as refused:
        open_engine(url)
    assert "milvus://, " in refused.value.hint and "geheim" not in refused.value.message


SAME = [
    ("qdrant://Host/notes/", "QDRANT://host:6333/notes?tls=0"),
    ("qdrant:///notes", "qdrant://127.0.0.1/notes"),
    ("chroma://host/notes", "chroma://host:8000/notes?tenant=default_tenant&text=0"),
    ("milvus://host/notes", "milvus://ada@host:19530/notes/?db=default"),
    ("weaviate://host:8080/Notes", "weaviate://HOST/Notes?tls=0"),
    ("pinecone://docs", "pinecone://docs?cloud=aws"),
    ("pgvector://ada@host/db?table=t", "pgvector://Host:5432/db/?table=t&schema=public&sslmode=require"),
    ("pgvector:///db", "pgvector:///db?table=semsearch_vectors"),
    ("pgvector://ada@host/ada", "pgvector://ada@host"),
]
OTHERS = [
    ("qdrant://host/notes", "qdrant://host:6334/notes"),
    ("qdrant://localhost/notes", "qdrant://127.0.0.1/notes"),  # may be [::1], where another server listens
    ("qdrant://host/notes", "chroma://host/notes"),
    ("chroma://host/notes", "chroma://host/notes?database=other"),
    ("milvus://host/notes", "milvus://host/notes?db=other"),
    ("weaviate://host/Notes", "weaviate://host/Other"),
    ("pinecone://docs", "pinecone://docs?namespace=other"),
    ("pgvector://host/db", "pgvector://host/db?schema=other"),
    ("pgvector://host/db", "pgvector://other/db"),
    ("pgvector://ada@host", "pgvector://eve@host"),
    ("pgvector://host/db", "pgvector://host/db?service=other"),
]


@pytest.mark.parametrize(
    ("one", "other", "same"), [(*pair, True) for pair in SAME] + [(*pair, False) for pair in OTHERS]
)
def test_a_place_is_the_same_however_it_is_spelled(
    one: str, other: str, same: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PGHOST", "PGPORT", "PGDATABASE", "PGSERVICE"):
        monkeypatch.delenv(name, raising=False)
    assert is_same_place(recordable(one), recordable(other)) is same


@pytest.mark.parametrize(
    ("option", "told"), [("", True), ("?text=1", True), ("?text=0", False), ("?tls=0&text=0", False)]
)
def test_texts_are_told_but_where_the_url_says_otherwise(option: str, told: bool) -> None:
    url = recordable(f"qdrant://127.0.0.1:1/docs{option}")
    assert tells_text(url) is told
    open_recorded(url, "/my notes").close()


@pytest.mark.parametrize("value", ["text=false", "text=no", "text=", "text", "text=0&text=1", "Text=0"])
def test_what_does_not_say_whether_texts_are_told_is_refused(value: str) -> None:
    with pytest.raises(UsageError, match=r"(?i)text") as refused:
        recordable(f"qdrant://127.0.0.1:1/docs?{value}")
    assert refused.value.hint


def test_a_database_that_only_an_index_names_is_not_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr(opening, "_given", {})
    url, other = "qdrant://127.0.0.1:1/docs", "qdrant://127.0.0.1:1/docs?tls=0"
    for one in (url, other):
        with pytest.raises(SemsearchError, match="which you have not named on this machine") as refused:
            open_recorded(one, "/my notes")
        assert refused.value.code == "not_trusted"
        assert f"semsearch index --index '/my notes' --vectors {for_shell(one)}" in refused.value.hint
    remember(url)
    open_recorded(url, "/my notes").close()
    with pytest.raises(SemsearchError, match="have not named"):
        open_recorded(other, "/my notes")
    monkeypatch.setenv("SEMSEARCH_VECTORS", f"chroma://127.0.0.1/x {other}")
    open_recorded(other, "/my notes").close()
