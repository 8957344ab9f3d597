"""What is made of private documents is private from the first byte, whatever the umask."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from semsearch.indexing import IndexOptions, index_folders
from semsearch.private_files import SHARED, create, make_folder, make_folders, narrow
from semsearch.settings import cache_folder
from semsearch.store.vector_cache import VectorCache
from tests.support.commands import Command
from tests.support.folders import NOTES, PROJECT, write


def folder_of(path: Path, files: dict[str, str | bytes]) -> Path:
    write(path, files)
    return path


def open_to_others(folder: Path) -> list[str]:
    """What below `folder`, itself included, others can read."""
    return [str(path) for path in (folder, *folder.rglob("*")) if path.stat().st_mode & 0o077]


@pytest.mark.parametrize("umask", [0o022, 0o000, 0o077])
def test_an_index_is_its_owners_alone(tmp_path: Path, umask: int) -> None:
    folder = folder_of(tmp_path / "docs", NOTES)
    before = os.umask(umask)
    try:
        for change in ({}, {"new.txt": "More of it."}):
            write(folder, change)
            index_folders([str(folder)], None, IndexOptions(model="static"))
            assert open_to_others(folder / ".semsearch") == []
    finally:
        os.umask(before)


def test_its_files_are_private_while_they_are_written(tmp_path: Path) -> None:
    """Every file is looked at when the next system call of Python's is made."""
    folder = folder_of(tmp_path / "docs", NOTES)
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.watched_modes", str(folder / ".semsearch"), "index", str(folder),
         "--model", "static"],
        capture_output=True, text=True, cwd=PROJECT,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"


def test_an_open_one_is_narrowed_and_that_is_said_once(tmp_path: Path, semsearch: Command) -> None:
    folder = folder_of(tmp_path / "docs", NOTES)
    assert semsearch("index", str(folder), "--model", "static").code == 0
    index = folder / ".semsearch"
    for unchanged in (True, False):
        index.chmod(0o755)
        write(folder, {} if unchanged else {"new.txt": "More of it."})
        first, second = semsearch("index", str(folder)), semsearch("index", str(folder))
        assert (first.code, second.code) == (0, 0)
        assert first.err.count(f"{index} could be read by other users") == 1
        assert second.err == ""
        assert stat.S_IMODE(index.stat().st_mode) == 0o700
    index.chmod(0o750)
    assert "could be read" in semsearch("quantize", "int8", "-i", str(index)).err


def test_one_that_is_shared_stays_so(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "docs", NOTES)
    index_folders([str(folder)], None, IndexOptions(model="static"))
    (folder / ".semsearch").chmod(SHARED)
    write(folder, {"new.txt": "More of it."})
    index_folders([str(folder)], None, IndexOptions())
    assert stat.S_IMODE((folder / ".semsearch").stat().st_mode) == SHARED


def test_the_files_of_a_new_cache_are_private(tmp_path: Path, semsearch: Command) -> None:
    folder, cache = folder_of(tmp_path / "docs", NOTES), tmp_path / "cache"
    cache.mkdir(0o700)
    prepared = list(Path(cache_folder()).glob("static-*"))  # preparing it takes half a minute
    for model in prepared:
        (cache / model.name).symlink_to(model)
    before = os.umask(0)
    try:
        assert semsearch("index", folder, "--model", "static", env={"SEMSEARCH_CACHE": str(cache)}).code == 0
        assert semsearch("search", "bread", "-i", folder, env={"SEMSEARCH_CACHE": str(cache)}).code == 0
    finally:
        os.umask(before)
    made = [path for path in cache.rglob("*") if not path.is_symlink()]
    assert {path.name.split("-")[0] for path in made} >= {"language", "classes", "fingerprints", "queries.db"}
    assert open_to_others(cache) == []


@pytest.mark.slow
def test_the_cache_is_private(tmp_path: Path, semsearch: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = tmp_path / "above" / "cache"
    monkeypatch.setenv("SEMSEARCH_CACHE", str(cache))
    folder = folder_of(tmp_path / "docs", NOTES)
    before = os.umask(0)
    try:
        assert semsearch("index", str(folder), "--model", "static").code == 0
        VectorCache(str(cache / "passages.db"), 10, np.float16, print).keep({b"key": np.ones(4, np.float32)})
    finally:
        os.umask(before)
    assert stat.S_IMODE(cache.stat().st_mode) == 0o700
    private = list(cache.rglob("*"))
    assert {path.name.split("-")[0] for path in private} >= {"passages.db", "static", "language", "classes"}
    assert [path for path in private if path.stat().st_mode & 0o077] == []
    cache.chmod(0o755)
    VectorCache(str(cache / "passages.db"), 10, np.float16, print).close()
    assert stat.S_IMODE(cache.stat().st_mode) == 0o700


def test_a_folder_that_is_more_than_the_cache_stays_as_it_is(
    tmp_path: Path, semsearch: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, cache = folder_of(tmp_path / "docs", NOTES), folder_of(tmp_path / "tmp", {"other.txt": "Not of semsearch."})
    cache.chmod(0o1777)
    (cache / "queries.db").touch(0o644)
    monkeypatch.setenv("SEMSEARCH_CACHE", str(cache))
    assert semsearch("index", str(folder), "--model", "static").code == 0
    assert semsearch("search", "bread", "-i", str(folder)).code == 0
    assert stat.S_IMODE(cache.stat().st_mode) == 0o1777
    made = [path for path in cache.iterdir() if path.name != "other.txt"]
    assert len(made) > 2
    assert [path for path in made if path.stat().st_mode & 0o077] == []


def test_what_is_made_in_a_shared_folder_is_shared(tmp_path: Path) -> None:
    make_folders(str(tmp_path / "top"), "a/b")
    assert stat.S_IMODE((tmp_path / "top" / "a" / "b").stat().st_mode) == 0o700
    (tmp_path / "top").chmod(SHARED)
    make_folder(str(tmp_path / "top" / "c"))
    os.close(create(str(tmp_path / "top" / "d")))
    assert stat.S_IMODE((tmp_path / "top" / "c").stat().st_mode) == SHARED
    assert stat.S_IMODE((tmp_path / "top" / "d").stat().st_mode) == 0o660
    with pytest.raises(FileExistsError):
        create(str(tmp_path / "top" / "d"))


def test_a_file_is_never_made_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError):
        create(str(tmp_path / "link"), 0)
    assert not (tmp_path / "elsewhere").exists()


def test_a_folder_that_keeps_no_modes_is_left(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    monkeypatch.setattr(os, "chmod", lambda *given, **named: None)
    assert narrow(str(tmp_path)) == ""
