"""Folders that somebody else has put into an index that machines share are not indexed from here."""

import os
from pathlib import Path

import pytest

from semsearch.errors import SemsearchError
from semsearch.indexing import named_folders


@pytest.fixture(autouse=True)
def state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state"


def test_what_was_named_may_be_indexed_again() -> None:
    named_folders.check("postgresql://a/b", [])
    named_folders.remember("postgresql://a/b", ["/x", "/y"])
    named_folders.remember("postgresql://a/b", ["/y", "/z"])
    named_folders.check("postgresql://a/b", ["/z", "/x", "/y"])
    with pytest.raises(SemsearchError, match="/w is one of its folders") as raised:
        named_folders.check("postgresql://a/b", ["/x", "/w"])
    assert raised.value.code == "not_trusted"
    with pytest.raises(SemsearchError):
        named_folders.check("postgresql://a/c", ["/x"])


@pytest.mark.parametrize("text", ["", "[]", '{"postgresql://a/b": "/w"}', "{"])
def test_a_list_that_is_none_names_nothing(state: Path, text: str) -> None:
    named_folders.remember("postgresql://a/b", ["/x"])
    (path,) = state.rglob("folders.json")
    assert os.stat(path).st_mode & 0o077 == 0
    path.write_text(text)
    with pytest.raises(SemsearchError):
        named_folders.check("postgresql://a/b", ["/w"])
    named_folders.remember("postgresql://a/b", ["/w"])
    named_folders.check("postgresql://a/b", ["/w"])
