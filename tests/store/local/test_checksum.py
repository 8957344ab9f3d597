"""`catalog.crc`: there while nobody writes, and it tells of every changed byte."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from semsearch.errors import IndexDamagedError
from semsearch.settings import CATALOG_FILE
from semsearch.store.local import checksum
from semsearch.store.local.checksum import CHECKSUM_FILE, check_catalog, mark_damaged, remove_checksum, write_checksum
from tests.support.local_index import flip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / CATALOG_FILE).write_bytes(bytes(range(256)) * 20)
    return tmp_path


def test_what_is_written_is_checked(folder: Path) -> None:
    check_catalog(str(folder))  # nothing is recorded, nothing is checked
    write_checksum(str(folder))
    check_catalog(str(folder))
    flip(folder / CATALOG_FILE)
    with pytest.raises(IndexDamagedError, match="is not what was written") as raised:
        check_catalog(str(folder))
    assert raised.value.hint == f"repair it with: semsearch verify --repair --index {folder}"
    check_catalog(str(folder), writing=True)  # a writer is at it: what it was counts no more
    assert remove_checksum(str(folder))
    assert not remove_checksum(str(folder))
    check_catalog(str(folder))


def test_the_mark_of_damage_stays_until_it_is_taken_away(folder: Path) -> None:
    mark_damaged(str(folder))
    for writing in (False, True):
        with pytest.raises(IndexDamagedError):
            check_catalog(str(folder), writing)
    write_checksum(str(folder))
    check_catalog(str(folder))


def test_a_large_catalog_or_one_with_a_log_has_none(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_checksum(str(folder))
    log = folder / (CATALOG_FILE + "-wal")
    log.write_bytes(b"")
    write_checksum(str(folder))
    assert (folder / CHECKSUM_FILE).exists()
    log.write_bytes(b"something")
    write_checksum(str(folder))
    assert not (folder / CHECKSUM_FILE).exists()
    log.unlink()
    monkeypatch.setattr(checksum, "_LARGEST", 100)
    write_checksum(str(folder))
    assert not (folder / CHECKSUM_FILE).exists()


def test_an_empty_catalog_has_a_checksum_too(folder: Path) -> None:
    (folder / CATALOG_FILE).write_bytes(b"")
    write_checksum(str(folder))
    check_catalog(str(folder))


STANDING: dict[str, Callable[[Path], None]] = {
    "a folder": lambda path: (path / "x").mkdir(parents=True),
    "a pipe": os.mkfifo,
    "a link": lambda path: path.symlink_to(path.parent / CATALOG_FILE),
}


@pytest.mark.parametrize("what", STANDING)
def test_what_stands_in_its_place_is_damage_and_is_replaced(folder: Path, what: str) -> None:
    STANDING[what](folder / CHECKSUM_FILE)
    before = (folder / CATALOG_FILE).read_bytes()
    with pytest.raises(IndexDamagedError):
        check_catalog(str(folder))
    write_checksum(str(folder))
    check_catalog(str(folder))
    assert (folder / CATALOG_FILE).read_bytes() == before
