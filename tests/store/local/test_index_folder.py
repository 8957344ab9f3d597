"""What may be an index folder, and what is refused before anything is written in it."""

import os
import shutil
from pathlib import Path

import pytest

from semsearch.errors import IndexDamagedError, SemsearchError
from semsearch.settings import CATALOG_FILE
from semsearch.store.local.store import LocalStore
from semsearch.store.local.writer import IndexWriter
from tests.support.corpus import filled


def test_a_new_index_says_what_it_is_to_other_programs(tmp_path: Path) -> None:
    with LocalStore(str(tmp_path / "deep" / "index")).write():
        pass
    assert (tmp_path / "deep" / "index" / ".gitignore").read_text() == "*\n"
    assert (tmp_path / "deep" / "index" / "CACHEDIR.TAG").read_text().startswith("Signature: 8a477f597d28d172789f06886")


def test_a_folder_with_other_things_in_it_is_no_index(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    with pytest.raises(SemsearchError, match="is a folder with other things in it") as raised:
        LocalStore(str(tmp_path)).write()
    assert raised.value.code == "not_an_index"
    assert os.listdir(tmp_path) == ["mine"]


def test_a_file_cannot_be_an_index(tmp_path: Path) -> None:
    (tmp_path / "index").write_text("mine")
    with pytest.raises(SemsearchError, match="cannot write the index") as raised:
        LocalStore(str(tmp_path / "index")).write()
    assert raised.value.code == "not_writable"


@pytest.mark.parametrize("name", ["lock", CATALOG_FILE, CATALOG_FILE + "-wal", "segments"])
def test_a_link_in_an_index_is_not_followed(tmp_path: Path, name: str) -> None:
    index = tmp_path / "index"
    filled(LocalStore(str(index)), {"a.md": ["one"]})
    target = tmp_path / "elsewhere"
    if (index / name).exists():
        (index / name).rename(target)
    (index / name).symlink_to(target)
    with pytest.raises(IndexDamagedError, match="is a link"):
        LocalStore(str(index)).write()


@pytest.mark.parametrize("name", ["lock", CATALOG_FILE])
def test_a_folder_in_the_place_of_a_file_is_damage(tmp_path: Path, name: str) -> None:
    index = tmp_path / "index"
    filled(LocalStore(str(index)), {"a.md": ["one"]})
    (index / name).unlink()
    (index / name).mkdir()
    with pytest.raises(IndexDamagedError, match=r"is no (file|folder)"):
        LocalStore(str(index)).write()


def test_a_writer_removes_what_a_killed_one_left_and_nothing_else(tmp_path: Path) -> None:
    store = filled(LocalStore(str(tmp_path)), {"a.md": ["one"]})
    segments = tmp_path / "segments"
    (segments / "lex-000077").mkdir()
    (segments / ".vec-000078.new").mkdir()
    (segments / "vec-000079").symlink_to(tmp_path / "lock")
    (segments / "notes.txt").write_text("mine")
    with store.write():
        pass
    assert sorted(os.listdir(segments)) == ["lex-000001", "notes.txt"]
    assert (tmp_path / "lock").exists()


def test_a_damaged_index_is_written_by_one_who_will_mend_it_only(tmp_path: Path) -> None:
    store = filled(LocalStore(str(tmp_path / "index")), {"a.md": ["one"]})
    checksum = tmp_path / "index" / "catalog.crc"
    checksum.write_text("damaged\n")
    with pytest.raises(IndexDamagedError):
        store.write()
    with store.write(rebuild=True) as writer, writer.transaction() as transaction:
        transaction.drop_damaged()
    assert checksum.read_text() == "damaged\n"  # the rebuild was not said to have come to its end
    with store.write(rebuild=True) as writer:
        writer.rebuilt()
    assert store.read(lambda snapshot: snapshot.counts().chunks) == 1


def test_a_rebuild_drops_the_segments_that_are_damaged(tmp_path: Path) -> None:
    store = filled(LocalStore(str(tmp_path / "index")), {"a.md": ["one"]})
    path = tmp_path / "index" / "segments" / "lex-000001" / "bm25.bin"
    path.write_bytes(b"x" * path.stat().st_size)
    with store.write(rebuild=True) as writer, writer.transaction() as transaction:
        transaction.drop_damaged()
    with pytest.raises(IndexDamagedError):  # until the rebuild has come to its end
        store.read(lambda snapshot: snapshot.counts())
    with IndexWriter(store.location, trust=True) as index:
        assert index.suspect
        assert index.segments("lex") == []
        index.clear_suspicion()
    assert store.read(lambda snapshot: snapshot.counts().chunks) == 1


_LEFT = (".gitignore", "CACHEDIR.TAG", "lock", CATALOG_FILE + ".new", CATALOG_FILE + ".new-journal")


@pytest.mark.parametrize("empty", [False, True])
@pytest.mark.parametrize("count", range(1, len(_LEFT) + 1))
def test_a_run_that_was_killed_while_it_made_the_folder_is_gone_on_with(
    tmp_path: Path, count: int, empty: bool
) -> None:
    """`empty`: it was killed before it wrote what it had opened last."""
    with LocalStore(str(tmp_path / "whole")).write():
        pass
    index = tmp_path / "index"
    index.mkdir()
    for number, name in enumerate(_LEFT[:count], 1):
        source = tmp_path / "whole" / name
        content = source.read_bytes() if source.exists() else b"half of it"
        (index / name).write_bytes(b"" if empty and number == count else content)
    filled(LocalStore(str(index)), {"a.md": ["one"]})
    for name in (".gitignore", "CACHEDIR.TAG"):
        assert (index / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert not (index / (CATALOG_FILE + ".new")).exists()


def test_an_index_that_was_copied_without_its_times_is_used(tmp_path: Path) -> None:
    filled(LocalStore(str(tmp_path / "index")), {"a.md": ["one"]})
    shutil.copytree(tmp_path / "index", tmp_path / "copy", copy_function=shutil.copyfile)
    for path in (tmp_path / "copy").rglob("*"):
        os.utime(path, (0, 0))
    store = LocalStore(str(tmp_path / "copy"))
    assert store.read(lambda snapshot: snapshot.info().roots)
    with store.write() as writer:
        assert writer.notices == []
