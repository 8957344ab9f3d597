"""An index folder to damage, mend and look into, without a model."""

import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

from semsearch.settings import CATALOG_FILE
from semsearch.store.local.checksum import CHECKSUM_FILE
from semsearch.store.local.reader import OpenSnapshot
from semsearch.store.local.rows import Segment, segments
from semsearch.store.local.segment_folder import SEGMENTS_FOLDER
from semsearch.store.local.store import LocalStore
from semsearch.store.local.writer import IndexWriter
from tests.support.corpus import VECTORS, encode, file_id, filled, put


def small_index(index: Path) -> LocalStore:
    """Three commits of 40 files of two chunks; the first file of each commit was deleted, all chunks have vectors."""
    store = LocalStore(str(index))
    filled(store, {})
    for commit in range(3):
        with store.write() as writer, writer.transaction() as transaction:
            for number in range(40):
                put(
                    transaction,
                    f"{commit}/{number}.md",
                    f"word{number} commit{commit}",
                    f"common text {commit} {number}",
                )
        encode(store, VECTORS[80 * commit : 80 * (commit + 1)])
    with store.write() as writer, writer.transaction() as transaction:
        transaction.delete_files([file_id(store, f"{commit}/0.md") for commit in range(3)])
    return store


def sql(index: Path, statement: str, *values: object, checksum: bool = False) -> None:
    """Changes the catalog behind the back of everybody; `checksum`: what it was is still recorded."""
    with sqlite3.connect(index / CATALOG_FILE) as connection:
        connection.execute(statement, values)
    connection.close()
    if not checksum:
        (index / CHECKSUM_FILE).unlink(missing_ok=True)


def lose_page(index: Path, name: str) -> None:
    """Overwrites the first page of a table of the catalog, or of an index of one."""
    connection = sqlite3.connect(index / CATALOG_FILE)
    (root,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (name,)).fetchone()
    (size,) = connection.execute("PRAGMA page_size").fetchone()
    connection.close()
    data = bytearray((index / CATALOG_FILE).read_bytes())
    data[(root - 1) * size : root * size] = b"\xff" * size
    (index / CATALOG_FILE).write_bytes(data)


def flip(path: Path, place: float = 0.5) -> None:
    """Changes one byte of a file."""
    data = bytearray(path.read_bytes())
    data[int(len(data) * place)] ^= 0x41
    path.write_bytes(data)


def folders(index: Path, kind: str) -> list[Path]:
    """The folders of the segments of `kind`, 'lex' or 'vec'."""
    return sorted((index / SEGMENTS_FOLDER).glob(f"{kind}-*"))


def terms_of(index: Path) -> dict[int, Counter[str]]:
    """chunk id -> how often each term of it is indexed, of all chunks that are alive."""
    found: dict[int, Counter[str]] = {}
    with closing(OpenSnapshot(str(index))) as snapshot:
        for one, held in zip(segments(snapshot.catalog, "lex"), snapshot.postings(), strict=True):
            alive = one.alive()
            found |= {number: Counter() for number in (held.ids if alive is None else held.ids[alive]).tolist()}
            for position in range(len(held.indptr) - 1):
                for row, count in zip(*held.find(held.text(position)), strict=True):
                    if held.ids[row] in found:
                        found[int(held.ids[row])][held.text(position)] = int(count)
    return found


def segments_of(index: Path, kind: str) -> list[Segment]:
    with IndexWriter(str(index), trust=True) as writer:
        return segments(writer.catalog, kind)
