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
    with pytest.raises(
        SemsearchError, match=r"/w is a folder of this machine, .* this user has not named it"
    ) as raised:
        named_folders.check("postgresql://a/b", ["/x", "/w"])
    assert raised.value.code == "not_trusted"
    for other in ("postgresql://a/c", "postgresql://a/b?schema=s", "postgresql://c/b"):
        with pytest.raises(SemsearchError):
            named_folders.check(other, ["/x"])


def test_an_index_may_be_spelled_otherwise() -> None:
    named_folders.remember("postgresql://ada@A.example:5432/b", ["/x"])
    for same in ("postgres://a.example/b", "postgresql://eve@a.example/b/?sslmode=require&schema=semsearch"):
        named_folders.check(same, ["/x"])


def test_what_another_machine_has_is_not_named_by_what_this_one_has(monkeypatch: pytest.MonkeyPatch) -> None:
    named_folders.remember("postgresql://a/b", ["/x"])
    monkeypatch.setenv("SEMSEARCH_HOST", "another")
    with pytest.raises(SemsearchError, match="this machine, called another"):
        named_folders.check("postgresql://a/b", ["/x"])


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


def test_a_state_folder_that_cannot_be_made_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/proc/nowhere")
    with pytest.raises(SemsearchError, match="cannot note in /proc/nowhere/semsearch") as raised:
        named_folders.remember("postgresql://a/b", ["/x"])
    assert "XDG_STATE_HOME" in raised.value.hint
