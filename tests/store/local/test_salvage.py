"""What can be read of a catalog whose pages are damaged becomes a new one."""

import os
import sqlite3
from pathlib import Path

import pytest

from semsearch.settings import CATALOG_FILE
from semsearch.store.local.catalog import Catalog
from semsearch.store.local.salvage import salvage
from tests.support.local_index import small_index


@pytest.fixture
def index(tmp_path: Path) -> Path:
    small_index(tmp_path / "index").close()
    return tmp_path / "index"


def rows(index: Path, table: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(index / CATALOG_FILE)
    found = connection.execute(f"SELECT * FROM {table}").fetchall()
    connection.close()
    return found


TABLES = ("settings", "roots", "files", "chunks", "segments", "runs")


def test_a_healthy_catalog_is_copied_whole(index: Path) -> None:
    before = {table: rows(index, table) for table in TABLES}
    salvage(str(index))
    assert {table: rows(index, table) for table in TABLES} == before
    assert not os.path.exists(index / (CATALOG_FILE + ".new"))
    Catalog.open_for_writing(str(index)).close()


def test_rows_on_damaged_pages_are_left_out_and_all_others_kept(index: Path) -> None:
    before = {table: rows(index, table) for table in TABLES}
    connection = sqlite3.connect(index / CATALOG_FILE)
    page = connection.execute("PRAGMA page_size").fetchone()[0]
    leaves = [
        row[0] for row in connection.execute("SELECT pageno FROM dbstat WHERE name = 'chunks' AND pagetype = 'leaf'")
    ] if _has_dbstat(connection) else []  # fmt: skip
    connection.close()
    if not leaves:
        pytest.skip("this SQLite does not tell which page holds what")
    data = bytearray((index / CATALOG_FILE).read_bytes())
    start = (leaves[len(leaves) // 2] - 1) * page
    data[start : start + page] = b"\xff" * page
    (index / CATALOG_FILE).write_bytes(data)
    with pytest.raises(sqlite3.DatabaseError):
        rows(index, "chunks")
    salvage(str(index))
    left = rows(index, "chunks")
    assert 0 < len(left) < len(before["chunks"])
    assert set(left) <= set(before["chunks"])
    # What stands behind the damaged page is read, too.
    assert left[0] == before["chunks"][0] and left[-1] == before["chunks"][-1]
    for table in ("settings", "roots", "files", "segments", "runs"):
        assert rows(index, table) == before[table]


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
    salvage(str(index))
    assert 5 not in [row[0] for row in rows(index, "files")]
    assert len(rows(index, "files")) == 116


def test_without_settings_nothing_can_be_salvaged(index: Path) -> None:
    before = (index / CATALOG_FILE).read_bytes()
    (index / CATALOG_FILE).write_bytes(before[:100] + b"\0" * (len(before) - 100))
    with pytest.raises(sqlite3.DatabaseError):
        salvage(str(index))
    assert (index / CATALOG_FILE).stat().st_size == len(before)  # the damaged one is still there
