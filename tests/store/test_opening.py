"""The way in: what a location names, and what only some stores can do."""

import os
from pathlib import Path

import pytest

from semsearch.errors import IndexNotFoundError, SemsearchError, UsageError
from semsearch.settings import index_for_reading, index_for_writing
from semsearch.store.local.store import LocalStore
from semsearch.store.opening import open_store, require
from semsearch.vector_engines.opening import recordable
from tests.support.commands import Command
from tests.support.memory_store import MemoryStore


@pytest.mark.parametrize("location", ["mysql://host/db", "S3://bucket/x", "x+y.z-1://"])
def test_a_url_of_no_engine_is_refused(location: str) -> None:
    with pytest.raises(UsageError, match="there is no engine for"):
        open_store(location)
    assert index_for_writing(location, []) == index_for_reading(location) == location


def test_a_vector_database_is_told_apart_from_an_index() -> None:
    with pytest.raises(UsageError, match="qdrant:// names a vector database") as raised:
        open_store("qdrant://host/notes")
    assert "index --vectors URL" in raised.value.hint
    with pytest.raises(UsageError) as raised:
        recordable("postgresql://host/notes")
    assert "pgvector://HOST/DATABASE" in raised.value.hint


@pytest.mark.parametrize("name", ["index", "a:b", "://", "1x://y", "C:/x", "über", "über://x", "a b://c"])
def test_everything_else_is_a_folder(tmp_path: Path, name: str) -> None:
    store = open_store(str(tmp_path / name))
    assert isinstance(store, LocalStore)
    assert store.location == str(tmp_path / name)
    assert not store.exists()  # nothing is made by looking
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["mirror/http://example.org", "://zz", "1x://y"])
def test_a_folder_may_be_called_much_like_a_url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    assert index_for_writing(name, []) == os.path.abspath(name)
    with pytest.raises(IndexNotFoundError):
        index_for_reading(name)


def test_what_a_store_cannot_do_is_said() -> None:
    require(LocalStore("x"), "quantize", "quantize")
    with pytest.raises(SemsearchError, match="quantize is for an index in a folder, not for mem") as raised:
        require(MemoryStore("mem"), "quantize", "quantize")
    assert raised.value.code == "not_supported"


@pytest.mark.parametrize("command", [("search", "x"), ("index", "."), ("status",), ("verify",), ("quantize", "int8")])
def test_every_command_says_that_no_engine_is_called_so(semsearch: Command, command: tuple[str, ...]) -> None:
    done = semsearch(*command, "-i", "mysql://user@host/db")
    assert done.code == 2 and "there is no engine for mysql://" in done.err
