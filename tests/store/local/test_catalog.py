"""The catalog: which files are one, which version, and what readers leave behind."""

import os
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from semsearch.errors import IndexDamagedError, SemsearchError
from semsearch.settings import CATALOG_FILE
from semsearch.store.local.catalog import Catalog
from semsearch.store.local.schema import SCHEMA_VERSION
from semsearch.store.local.store import LocalStore
from semsearch.store.records import Root, RunRecord
from tests.support.corpus import INFO, NOTES, filled, put
from tests.support.local_index import sql


@pytest.fixture
def index(tmp_path: Path) -> Path:
    filled(LocalStore(str(tmp_path / "index")), {"a.md": ["one two", "three"]})
    return tmp_path / "index"


def test_a_newer_format_is_named(index: Path) -> None:
    sql(index, f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    store = LocalStore(str(index))
    for ask in (lambda: store.read(lambda snapshot: snapshot.counts()), store.write):
        with pytest.raises(SemsearchError, match="written by a newer semsearch") as raised:
            ask()
        assert raised.value.code == "newer_index"


def schema(index: Path) -> dict[str, list[tuple[object, ...]]]:
    """The columns of each table and of each index."""
    connection = sqlite3.connect(index / CATALOG_FILE)
    tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    indexes = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'index'")]
    found = {name: connection.execute(f"PRAGMA table_info({name})").fetchall() for name in tables}
    found |= {name: connection.execute(f"PRAGMA index_info({name})").fetchall() for name in indexes}
    connection.close()
    return found


def test_an_older_format_is_read_and_brought_up_to_date_by_a_writer(index: Path) -> None:
    newest = schema(index)
    sql(index, "DROP INDEX files_stamps")
    sql(index, "ALTER TABLE chunks DROP COLUMN line_breaks")
    sql(index, "DROP TABLE parts")
    sql(index, "PRAGMA user_version = 1")
    store = LocalStore(str(index))
    assert store.read(lambda snapshot: snapshot.counts().chunks) == 2
    with store.write():
        pass
    assert store.read(lambda snapshot: snapshot.counts().chunks) == 2
    version, _ = Catalog.open_for_reading(str(index))
    assert version.version == SCHEMA_VERSION
    version.close()
    assert schema(index) == newest


@pytest.mark.parametrize("content", [b"", b"x" * 4096, b"SQLite format 3\0" + b"\xff" * 200])
def test_another_file_is_no_catalog(index: Path, content: bytes) -> None:
    (index / CATALOG_FILE).write_bytes(content)
    (index / "catalog.crc").unlink()
    store = LocalStore(str(index))
    for ask in (lambda: store.read(lambda snapshot: snapshot.counts()), store.write):
        with pytest.raises(IndexDamagedError) as raised:
            ask()
        assert raised.value.hint == f"remove {index} and index again"


def test_reading_leaves_nothing_behind(index: Path) -> None:
    before = sorted(os.listdir(index))
    store = LocalStore(str(index))
    store.read(lambda snapshot: [*snapshot.files(), snapshot.languages()])
    store.close()
    assert sorted(os.listdir(index)) == before


def test_a_name_that_means_something_in_a_uri_is_a_name(tmp_path: Path) -> None:
    for name in ("50%", "a?b", "x#y", "%41?mode=rw#"):
        store = LocalStore(str(tmp_path / name / "index"))
        filled(store, {"a.md": ["one"]})
        assert store.read(lambda snapshot: snapshot.counts().chunks) == 1


def test_readers_that_open_no_segment_see_one_state_too(index: Path) -> None:
    asked = []

    def question(catalog: Catalog) -> tuple[int, int]:
        before = catalog.counts()["chunks"]
        asked.append(before)
        if len(asked) == 1:
            with LocalStore(str(index)).write() as writer, writer.transaction() as transaction:
                put(transaction, "b.md", "four")
        return before, catalog.counts()["chunks"]

    assert Catalog.read(str(index), question) == (3, 3)
    assert asked == [2, 3]
    sql(index, "UPDATE settings SET value = '{'")
    with pytest.raises(IndexDamagedError):
        Catalog.read(str(index), lambda catalog: catalog.settings(["rules"]))


def test_a_reader_that_stays_does_not_hold_up_a_writer(index: Path) -> None:
    """The log is then left to the next writer, and readers see what it holds."""
    store = LocalStore(str(index))
    with store.write() as writer:
        with writer.transaction() as transaction:
            put(transaction, "b.md", "four")
        reader, _ = Catalog.open_for_reading(str(index))
        reader.counts()
        with writer.transaction() as transaction:
            put(transaction, "c.md", "five")
    assert store.read(lambda snapshot: snapshot.counts().chunks) == 4
    assert reader.counts()["chunks"] == 3
    reader.close()
    with store.write():
        pass
    assert not os.path.exists(index / (CATALOG_FILE + "-wal"))


def test_a_question_that_makes_no_sense_is_a_defect_not_damage(index: Path) -> None:
    catalog, _ = Catalog.open_for_reading(str(index))
    with pytest.raises(sqlite3.ProgrammingError):
        catalog.rows("SELECT ?", (1, 2))
    catalog.close()


def test_a_root_that_holds_the_index_is_kept_relative_to_it(tmp_path: Path) -> None:
    folder = tmp_path / "notes"
    store = LocalStore(str(folder / ".semsearch"))
    filled(store, {}, replace(INFO, roots=(Root(1, str(folder), "notes"), Root(2, "/elsewhere", "elsewhere"))))
    store.close()
    (tmp_path / "notes").rename(tmp_path / "moved")
    moved = LocalStore(str(tmp_path / "moved" / ".semsearch"))
    roots = moved.read(lambda snapshot: snapshot.info().roots)
    assert [root.path for root in roots] == [str(tmp_path / "moved"), "/elsewhere"]


def test_rules_are_told_alike_with_and_without_json(index: Path) -> None:
    catalog, _ = Catalog.open_for_reading(str(index))
    assert catalog.recorded_rules() == catalog.setting("rules")  # has globs
    catalog.close()
    sql(index, "UPDATE settings SET value = json_set(value, '$.exclude', json('[]')) WHERE key = 'rules'")
    catalog, _ = Catalog.open_for_reading(str(index))
    quick, whole = catalog.recorded_rules(), catalog.setting("rules")
    catalog.close()
    assert {key: list(value) if isinstance(value, tuple) else value for key, value in quick.items()} == whole


def test_a_full_index_of_a_hundred_runs_forgets_the_oldest(index: Path) -> None:
    with LocalStore(str(index)).write() as writer:
        for number in range(105):
            with writer.transaction() as transaction:
                transaction.record_run(RunRecord(float(number), 1.0, {}))
    catalog, _ = Catalog.open_for_reading(str(index))
    assert catalog.rows("SELECT COUNT(*), MIN(started) FROM runs")[0][:] == (100, 5.0)
    assert catalog.count_files(NOTES.id) == 1
    catalog.close()


@pytest.mark.parametrize("key", ["generation", "analysis"])
def test_a_setting_that_is_no_unicode_is_damage(index: Path, key: str) -> None:
    sql(index, "UPDATE settings SET value = ? WHERE key = ?", '"\\ud800"', key)
    catalog, _ = Catalog.open_for_reading(str(index))
    with pytest.raises(IndexDamagedError):
        catalog.setting(key)
    catalog.close()
