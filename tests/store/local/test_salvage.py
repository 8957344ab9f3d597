"""What can be read of a catalog whose pages are damaged becomes a new one."""

import os
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from semsearch.settings import CATALOG_FILE
from semsearch.store.local.catalog import Catalog
from semsearch.store.local.salvage import make_anew, put_in_place
from semsearch.store.local.schema import SCHEMA_VERSION
from semsearch.store.records import DocumentProperties
from tests.support.corpus import file_record, part
from tests.support.local_index import small_index, sql


@pytest.fixture
def index(tmp_path: Path) -> Path:
    """An index with a file of several documents among the others."""
    store = small_index(tmp_path / "index")
    letters = [DocumentProperties(f"Letter {number}", {"from": "ada@x.org"}, None, "en") for number in range(300)]
    with store.write() as writer, writer.transaction() as transaction:
        parts = [replace(part(f"text of {one.title}"), document=one) for one in letters]
        transaction.put_file(file_record("a.mbox"), parts)
    store.close()
    return tmp_path / "index"


def rows(index: Path, table: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(index / CATALOG_FILE)
    found = connection.execute(f"SELECT * FROM {table}").fetchall()
    connection.close()
    return found


TABLES = ("settings", "roots", "files", "chunks", "parts", "segments", "runs")


def test_a_healthy_catalog_is_copied_whole(index: Path) -> None:
    before = {table: rows(index, table) for table in TABLES}
    make_anew(str(index))
    put_in_place(str(index))
    assert {table: rows(index, table) for table in TABLES} == before
    assert not os.path.exists(index / (CATALOG_FILE + ".new"))
    Catalog.open_for_writing(str(index)).close()


@pytest.mark.parametrize("table", ["chunks", "parts"])
def test_rows_on_damaged_pages_are_left_out_and_all_others_kept(index: Path, table: str) -> None:
    before = {table: rows(index, table) for table in TABLES}
    connection = sqlite3.connect(index / CATALOG_FILE)
    page = connection.execute("PRAGMA page_size").fetchone()[0]
    leaves = [
        row[0]
        for row in connection.execute("SELECT pageno FROM dbstat WHERE name = ? AND pagetype = 'leaf'", (table,))
    ] if _has_dbstat(connection) else []  # fmt: skip
    connection.close()
    if not leaves:
        pytest.skip("this SQLite does not tell which page holds what")
    data = bytearray((index / CATALOG_FILE).read_bytes())
    start = (leaves[len(leaves) // 2] - 1) * page
    data[start : start + page] = b"\xff" * page
    (index / CATALOG_FILE).write_bytes(data)
    with pytest.raises(sqlite3.DatabaseError):
        rows(index, table)
    make_anew(str(index))
    put_in_place(str(index))
    left = rows(index, table)
    assert 0 < len(left) < len(before[table])
    assert set(left) <= set(before[table])
    # What stands behind the damaged page is read, too.
    assert left[0] == before[table][0] and left[-1] == before[table][-1]
    for other in set(TABLES) - {table}:
        assert rows(index, other) == before[other]


def test_a_catalog_of_an_older_version_becomes_one_of_this(index: Path) -> None:
    before = {table: rows(index, table) for table in TABLES}
    sql(index, "DROP INDEX files_stamps")
    sql(index, "ALTER TABLE chunks DROP COLUMN line_breaks")
    sql(index, "DROP TABLE parts")
    sql(index, "PRAGMA user_version = 1")
    make_anew(str(index))
    put_in_place(str(index))
    assert {table: rows(index, table) for table in TABLES} == {**before, "parts": []}
    catalog = Catalog.open_for_writing(str(index))
    assert catalog.version == SCHEMA_VERSION
    catalog.close()


def _has_dbstat(connection: sqlite3.Connection) -> bool:
    try:
        connection.execute("SELECT 1 FROM dbstat LIMIT 1")
    except sqlite3.OperationalError:
        return False
    return True


def test_values_that_the_tables_do_not_take_are_left_out(index: Path) -> None:
    with sqlite3.connect(index / CATALOG_FILE) as connection:
        connection.execute("PRAGMA ignore_check_constraints = ON")
        connection.execute("UPDATE files SET status = 'odd' WHERE id = 5")
    connection.close()
    make_anew(str(index))
    put_in_place(str(index))
    assert 5 not in [row[0] for row in rows(index, "files")]
    assert len(rows(index, "files")) == 117


def test_without_settings_nothing_can_be_salvaged(index: Path) -> None:
    before = (index / CATALOG_FILE).read_bytes()
    (index / CATALOG_FILE).write_bytes(before[:100] + b"\0" * (len(before) - 100))
    with pytest.raises(sqlite3.DatabaseError):
        make_anew(str(index))
        put_in_place(str(index))
    assert (index / CATALOG_FILE).stat().st_size == len(before)  # the damaged one is still there
