"""The look at names and stamps that a run with nothing to do ends with."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from semsearch.errors import IndexDamagedError
from semsearch.settings import ANALYSIS_VERSION
from semsearch.sources.differences import StatCheck
from semsearch.sources.grammars import readers_version
from semsearch.sources.walk_rules import WalkRules
from semsearch.store.local.stat_check import stat_check
from semsearch.store.local.store import LocalStore
from semsearch.store.records import Root
from tests.support.corpus import INFO, MODEL, VECTORS, file_record, part
from tests.support.local_index import sql


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of two files that are indexed and a third one that is left out, with the index in it."""
    folder = tmp_path / "notes"
    folder.mkdir()
    root = Root(1, str(folder), "notes")
    with LocalStore(str(folder / ".semsearch")).write() as writer:
        with writer.transaction() as transaction:
            info = replace(INFO, roots=(root,), rules=WalkRules(), readers=readers_version(), analysis=ANALYSIS_VERSION)
            transaction.update(info)
            for name, status in (("a.md", "indexed"), ("b.md", "indexed"), ("c.md", "failed")):
                path = folder / name
                path.write_text("text")
                os.utime(path, (1000, 1000))
                stat = path.stat()
                stamp = {"size": stat.st_size, "mtime_ns": stat.st_mtime_ns, "inode": stat.st_ino}
                record = file_record(name, root, status, reason="" if status == "indexed" else "broken", **stamp)
                transaction.put_file(record, [part("one", "two")] if status == "indexed" else ())
        with writer.transaction() as transaction:
            transaction.put_vectors(np.arange(1, 5), np.stack(VECTORS[:4]), MODEL)
    return folder


def index_of(folder: Path) -> Path:
    return folder / ".semsearch"


def check(folder: Path, folders: list[str] | None = None) -> StatCheck | None:
    return stat_check(str(index_of(folder)), [str(folder)] if folders is None else folders)


@pytest.mark.parametrize("named", [True, False])
def test_nothing_changed(folder: Path, named: bool) -> None:
    seen = check(folder, None if named else [])
    assert seen is not None and seen.nothing_changed()
    assert seen.report.indexed == seen.report.files["unchanged"] == 2
    assert seen.report.chunks["total"] == 4
    assert seen.report.failed == [("c.md", "broken")]
    with LocalStore(str(index_of(folder))).write() as writer:
        assert writer.is_current(seen.stamp)
        with writer.transaction() as transaction:
            transaction.rename(1, 1, b"z.md", (1, 1, 1), 1)
        assert not writer.is_current(seen.stamp)


CHANGES: dict[str, Callable[[Path], object]] = {
    "a new file": lambda folder: (folder / "new.md").write_text("new"),
    "another text": lambda folder: (folder / "a.md").write_text("longer text"),
    "another time": lambda folder: os.utime(folder / "a.md", (2000, 2000)),
    "a file that is gone": lambda folder: (folder / "b.md").unlink(),
    "another name": lambda folder: (folder / "a.md").rename(folder / "z.md"),
    "left out before, changed now": lambda folder: os.utime(folder / "c.md", (2000, 2000)),
}


@pytest.mark.parametrize("change", CHANGES)
def test_something_changed(folder: Path, change: str) -> None:
    CHANGES[change](folder)
    seen = check(folder)
    assert seen is not None and not seen.nothing_changed()


FOR_A_FULL_RUN: dict[str, Callable[[Path], object]] = {
    "older readers": lambda folder: sql(index_of(folder), "UPDATE settings SET value = '9' WHERE key = 'readers'"),
    "readers that are none": lambda folder: sql(
        index_of(folder), "UPDATE settings SET value = '[7]' WHERE key = 'readers'"
    ),
    "another analysis": lambda folder: sql(index_of(folder), "UPDATE settings SET value = '99' WHERE key = 'analysis'"),
    "pending chunks": lambda folder: sql(index_of(folder), "UPDATE settings SET value = '3' WHERE key = 'embedded_to'"),
    "rules that are none": lambda folder: sql(
        index_of(folder), "UPDATE settings SET value = '[7]' WHERE key = 'rules'"
    ),
    "no folders": lambda folder: sql(index_of(folder), "DELETE FROM roots"),
}


@pytest.mark.parametrize("what", FOR_A_FULL_RUN)
def test_a_full_run_must_decide(folder: Path, what: str) -> None:
    FOR_A_FULL_RUN[what](folder)
    assert check(folder) is None


def test_a_folder_that_is_not_indexed_or_is_gone_is_for_a_full_run(folder: Path, tmp_path: Path) -> None:
    assert check(folder, [str(tmp_path)]) is None
    index_of(folder).rename(tmp_path / "index")
    with LocalStore(str(tmp_path / "index")).write() as writer, writer.transaction() as transaction:
        info = writer.snapshot().info()
        transaction.update(replace(info, roots=(*info.roots, Root(2, str(tmp_path / "gone"), "gone"))))
    assert stat_check(str(tmp_path / "index"), []) is None


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_cannot_be_read_is_for_a_full_run(folder: Path) -> None:
    (folder / "closed").mkdir(mode=0)
    assert check(folder) is None


@pytest.mark.parametrize("damage", [
    "UPDATE settings SET value = 'null' WHERE key = 'generation'", "UPDATE files SET path = 'x' WHERE id = 3",
    "UPDATE roots SET label = X'07'", "UPDATE files SET chunk_count = 'x'", "UPDATE roots SET path = 'x'",
    "DROP TABLE files", "UPDATE settings SET value = '{' WHERE key = 'analysis'",
])  # fmt: skip
def test_damage_is_told(folder: Path, damage: str) -> None:
    sql(index_of(folder), damage)
    with pytest.raises(IndexDamagedError):
        check(folder)


def test_a_catalog_that_is_not_what_was_written_is_told(folder: Path) -> None:
    sql(index_of(folder), "UPDATE files SET title = 'other'", checksum=True)
    with pytest.raises(IndexDamagedError, match="is not what was written"):
        check(folder)
