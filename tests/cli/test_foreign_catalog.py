"""A catalog that somebody else made runs nothing, keeps nobody waiting, and removes no file of the one who opens it."""

import os
import shutil
import sqlite3
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from semsearch.indexing import IndexOptions, index_folders
from semsearch.settings import CATALOG_FILE
from tests.support.commands import Completed, one_line_error
from tests.support.folders import NOTES, PROJECT, write
from tests.support.local_index import sql

WRITING = (
    ["index", "-q"],
    ["index", "--rebuild", "-q"],
    ["quantize", "int8"],
    ["tune", "--drop"],
    ["verify", "--repair"],
)
READING = (["search", "bread"], ["status"], ["status", "--files"], ["why", "bread", "a.txt"], ["ask", "bread?"])


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("foreign") / "notes"
    write(folder, NOTES)
    index_folders([str(folder)], None, IndexOptions(model="static"))
    return folder


@pytest.fixture
def index(original: Path, tmp_path: Path) -> Path:
    shutil.copytree(original, tmp_path / "notes")
    return tmp_path / "notes" / ".semsearch"


def run(index: Path, arguments: list[str]) -> Completed:
    done = subprocess.run(
        [sys.executable, "-m", "semsearch", *arguments, "-i", str(index)],
        capture_output=True, text=True, cwd=index.parent, env={**os.environ, "PYTHONPATH": str(PROJECT)},
    )  # fmt: skip
    assert "Traceback" not in done.stderr and "defect" not in done.stderr, done.stderr
    return Completed(done.returncode, done.stdout, done.stderr)


def hot_journal(catalog: Path, named: Path) -> bytes:
    """A rollback journal of no pages, of a commit of several databases that `named` lists (fileformat2.html, 3)."""
    size = catalog.stat().st_size
    page = struct.unpack(">H", catalog.read_bytes()[16:18])[0]
    magic = bytes.fromhex("d9d505f920a163d7")
    header = magic + struct.pack(">5I", 0, 0, size // page, 512, page)
    name = os.fsencode(named)
    lock_page = 0x40000000 // page + 1
    # SQLite's checksum of the name is the sum of its bytes.
    end = struct.pack(">I", lock_page) + name + struct.pack(">2I", len(name), sum(name)) + magic
    return header.ljust(512, b"\0") + end


@pytest.mark.parametrize("arguments", WRITING, ids=" ".join)
def test_a_journal_beside_it_is_not_played_back(index: Path, tmp_path: Path, arguments: list[str]) -> None:
    journal = index / (CATALOG_FILE + "-journal")
    victim = tmp_path / "precious.txt"
    # What SQLite removes is a list of journals, none of which names it any more.
    victim.write_bytes(b"no such journal\0")
    write(index.parent, {"new.txt": "something to write"})
    journal.write_bytes(hot_journal(index / CATALOG_FILE, victim))
    done = run(index, arguments)
    assert victim.exists()
    assert done.code == 2
    assert f"rm {journal}" in one_line_error(done.err)
    journal.unlink()
    assert run(index, ["index", "-q"]).code == 0


@pytest.mark.parametrize("name", [CATALOG_FILE, CATALOG_FILE + "-wal", CATALOG_FILE + "-shm", "segments"])
def test_a_link_in_it_is_not_followed(index: Path, tmp_path: Path, name: str) -> None:
    elsewhere = tmp_path / "elsewhere"
    if (index / name).exists():
        (index / name).rename(elsewhere)
    (index / name).symlink_to(elsewhere)
    write(index.parent, {"new.txt": "something to write"})
    for arguments in (["search", "bread"], ["ask", "bread?"], ["verify", "--repair"], ["index", "-q"]):
        done = run(index, arguments)
        assert done.code == 2, arguments
        assert f"{index / name} is a link" in one_line_error(done.err), arguments
    done = run(index, ["verify"])
    assert done.code == 1 and f"{index / name} is a link" in done.out


def test_the_index_that_is_named_may_be_a_link(index: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(index)
    for arguments in (["search", "bread"], ["verify"], ["index", "-q"]):
        assert run(tmp_path / "link", arguments).code == 0, arguments


FOREIGN = {
    "a trigger that adds": "CREATE TRIGGER t AFTER INSERT ON runs BEGIN INSERT INTO roots VALUES (77, X'2F', 'x'); END",
    "a trigger that drops": "CREATE TRIGGER less AFTER UPDATE ON settings BEGIN DELETE FROM files; END",
    "a view": "CREATE VIEW other AS SELECT * FROM files",
    "a table": "CREATE TABLE other (x)",
    "an index": "CREATE INDEX other ON chunks (text)",
    "a column that is computed": "ALTER TABLE files ADD COLUMN other TEXT AS (hex(zeroblob(100000)))",
}


@pytest.mark.parametrize("statement", FOREIGN.values(), ids=FOREIGN)
def test_what_is_not_of_semsearch_is_refused(index: Path, statement: str) -> None:
    sql(index, statement)
    for arguments in (*READING, ["index", "-q"], ["quantize", "int8"], ["tune", "--drop"]):
        done = run(index, arguments)
        assert done.code == 2, arguments
        assert "is not of semsearch" in one_line_error(done.err)
    assert run(index, ["verify"]).code in (1, 2)


@pytest.mark.parametrize("arguments", [["verify", "--repair"], ["index", "--rebuild", "-q"]], ids=" ".join)
@pytest.mark.parametrize("statement", FOREIGN.values(), ids=FOREIGN)
def test_a_repair_leaves_it_out(index: Path, statement: str, arguments: list[str]) -> None:
    sql(index, statement)
    assert run(index, arguments).code == 0
    with sqlite3.connect(index / CATALOG_FILE) as connection:
        assert connection.execute("SELECT 1 FROM sqlite_schema WHERE sql = ?", (statement,)).fetchone() is None
        assert connection.execute("SELECT 1 FROM roots WHERE id = 77").fetchone() is None
        assert connection.execute("SELECT COUNT(*) FROM files").fetchone()[0] == len(NOTES)
    connection.close()
    assert run(index, ["verify"]).code == 0


ENDLESS = {
    "files": "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x, 1, X'61', 'indexed', '' FROM n",
    "settings": "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT 'k' || x, '1' FROM n",
    "chunks": "SELECT 1 FROM main.parts, main.parts, main.parts, main.parts",
}


@pytest.mark.parametrize("table", ENDLESS)
def test_a_view_that_never_ends_keeps_nobody_waiting(index: Path, table: str) -> None:
    sql(index, f"ALTER TABLE {table} RENAME TO was_{table}")
    sql(index, f"CREATE VIEW {table} AS {ENDLESS[table]}")
    for arguments in (*READING, ["index", "-q"]):
        assert run(index, arguments).code == 2
    run(index, ["verify", "--repair"])


def pages_in_pages(index: Path, table: str) -> None:
    """Makes the pages of `table` lead to one another: few of them, and rows without number."""
    path = index / CATALOG_FILE
    sql(index, f"INSERT INTO {table} {_MANY[table]}")
    sql(index, "PRAGMA wal_checkpoint(TRUNCATE)")
    connection = sqlite3.connect(path)
    (size,) = connection.execute("PRAGMA page_size").fetchone()
    (root,) = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = ?", (table,)).fetchone()
    connection.close()
    data = bytearray(path.read_bytes())
    top = (root - 1) * size
    (cells,) = struct.unpack_from(">H", data, top + 3)
    assert data[top] == 5 and cells > 20, "no interior page of a table"
    leaf = struct.unpack_from(">I", data, top + struct.unpack_from(">H", data, top + 12)[0])[0]
    # Five levels that are copies of the top one, each with all of its children being the next; then one leaf.
    levels = [len(data) // size + 1 + number for number in range(5)]
    page = bytes(data[top : top + size])
    for here, below in zip([root, *levels], [*levels, leaf], strict=True):
        copy = bytearray(page)
        for cell in range(cells):
            (at,) = struct.unpack_from(">H", copy, 12 + 2 * cell)
            struct.pack_into(">I", copy, at, below)
        struct.pack_into(">I", copy, 8, below)
        start = (here - 1) * size
        data[start : start + size] = copy
    struct.pack_into(">I", data, 28, len(data) // size)
    path.write_bytes(data)
    (index / "catalog.crc").unlink(missing_ok=True)


_NUMBERS = "WITH RECURSIVE n(x) AS (SELECT 100000 UNION ALL SELECT x + 1 FROM n WHERE x < 130000) SELECT"
_MANY = {
    "roots": f"{_NUMBERS} x, CAST('/nowhere/' || x AS BLOB), 'label ' || x FROM n",
    "runs": f"{_NUMBERS} x, 1.0, 1.0, '{{}}' FROM n",
}


@pytest.mark.parametrize("table", _MANY)
def test_pages_that_lead_to_one_another_end(index: Path, table: str) -> None:
    pages_in_pages(index, table)
    for arguments in (*READING, ["index", "-q"], ["verify"], ["verify", "--repair"]):
        done = subprocess.run(
            [sys.executable, "-c", _LIMITED, *arguments, "-i", str(index)],
            capture_output=True, text=True, cwd=index.parent, env={**os.environ, "PYTHONPATH": str(PROJECT)},
        )  # fmt: skip
        assert "Traceback" not in done.stderr and "defect" not in done.stderr, (arguments, done.stderr)
        assert done.returncode in (0, 1, 2), (arguments, done.stderr)


# Ended by SIGXCPU after 30 seconds of the processor, where it would have gone on for hours.
_LIMITED = (
    "import resource, sys; resource.setrlimit(resource.RLIMIT_CPU, (30, 30));"
    " resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30));"
    " from semsearch.cli.app import run; sys.exit(run(sys.argv[1:]))"
)
