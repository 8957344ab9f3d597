"""An examination names what is damaged, and a repair brings back an index that answers as before."""

import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from semsearch.dense.codec import Codec
from semsearch.dense.vector_format import VectorFormat
from semsearch.errors import IndexDamagedError
from semsearch.settings import CATALOG_FILE
from semsearch.store.local.catalog import Catalog
from semsearch.store.local.checksum import CHECKSUM_FILE
from semsearch.store.local.examination import examine
from semsearch.store.local.merging import rewrite_vectors
from semsearch.store.local.problems import Examination
from semsearch.store.local.repair import EncodeLost, repair
from semsearch.store.local.store import LocalStore
from semsearch.store.local.writer import IndexWriter
from semsearch.store.protocol import Snapshot
from tests.support.corpus import DIM, MODEL, VECTORS, word
from tests.support.local_index import flip, folders, lose_page, small_index, sql

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index whose words are those that the analyzer makes, with codes of eight bits."""
    index = tmp_path_factory.mktemp("repair") / "index"
    store = small_index(index)
    codec = Codec.train("int8", np.stack(VECTORS[:100]))
    with IndexWriter(store.location) as writer:
        form = VectorFormat(DIM, codes="int8").with_trained("codes", codec, 100)
        rewrite_vectors(writer, VectorFormat(DIM), form)
        everything = examine(writer.index, writer.catalog, False)
        assert everything.problems == []
        with writer.commit():
            connection = writer.catalog.connection
            connection.execute("DELETE FROM segments WHERE kind = 'lex'")
        lost = examine(writer.index, writer.catalog, False)
        repair(writer, lost, no_encoder, lambda message: None)
    return index


@pytest.fixture
def index(original: Path, tmp_path: Path) -> Path:
    shutil.copytree(original, tmp_path / "index")
    return tmp_path / "index"


def no_encoder() -> EncodeLost:
    raise AssertionError("nothing is to be encoded")


def found_in(index: Path) -> Examination:
    catalog, _ = Catalog.open_for_reading(str(index))
    try:
        return examine(str(index), catalog)
    finally:
        catalog.close()


def mend(index: Path) -> list[int]:
    """Repairs what is found; returns the ids of the chunks that were encoded again."""
    encoded: list[int] = []
    with IndexWriter(str(index), trust=True) as writer:

        def encode(ids: NDArray[np.int64]) -> None:
            encoded.extend(ids.tolist())
            name, files = writer.write_dense(ids, np.stack([VECTORS[number - 1] for number in ids]), MODEL.dim)
            with writer.commit():
                writer.add_segment("vec", name, ids, files)

        found = examine(writer.index, writer.catalog, writer.suspect)
        repair(writer, found, lambda: encode, lambda message: None)
    return encoded


def answers(snapshot: Snapshot) -> list[object]:
    words = [word("en\x1fcommon"), word("word7"), word("en\x1ftext")]
    return [
        snapshot.counts(), snapshot.lexical(words, 300, None).ids.tolist(),
        snapshot.dense(VECTORS[9], 10, None).scores.tolist(), snapshot.encoded_ids().tolist(),
    ]  # fmt: skip


def ask(index: Path) -> list[object]:
    store = LocalStore(str(index))
    try:
        return store.read(answers)
    finally:
        store.close()


def setting(index: Path, key: str, value: str) -> None:
    sql(index, "UPDATE settings SET value = ? WHERE key = ?", value, key)


def replace_checksum(index: Path, make: Callable[[Path], None]) -> None:
    (index / CHECKSUM_FILE).unlink()
    make(index / CHECKSUM_FILE)


# name -> (what is done, what is said of it, how many chunks are encoded again).
MENDED: dict[str, tuple[Callable[[Path], object], str, int]] = {
    "a byte of postings": (lambda index: flip(folders(index, "lex")[0] / "bm25.bin"), "bm25.bin is not what was", 0),
    "lost postings": (lambda index: shutil.rmtree(folders(index, "lex")[0]), "bm25.pkl is missing", 0),
    "a byte of codes": (lambda index: flip(folders(index, "vec")[0] / "int8.faiss"), "int8.faiss is not what was", 0),
    "codes cut short": (lambda index: os.truncate(folders(index, "vec")[0] / "int8.faiss", 9), "has 9 bytes", 0),
    "a byte of vectors": (lambda index: flip(folders(index, "vec")[1] / "index.faiss"), "index.faiss is not what", 78),
    "a byte of ids": (lambda index: flip(folders(index, "vec")[1] / "ids.bin"), "ids.bin is not what was written", 78),
    "a forgotten segment": (
        lambda index: sql(index, "DELETE FROM segments WHERE kind = 'vec' AND first_id = 1"), "have no vectors", 78,
    ),
    "forgotten words": (lambda index: sql(index, "DELETE FROM segments WHERE kind = 'lex'"), "have no words", 0),
    "deletions that came back": (
        lambda index: sql(index, "UPDATE segments SET dead = NULL, dead_count = 0"), "passages that are gone have", 0,
    ),
    "deletions that do not fit": (
        lambda index: sql(index, "UPDATE segments SET dead = zeroblob((rows + 7) / 8), dead_count = 1"
                                 " WHERE kind = 'vec'"),
        "their deletions do not fit", 0,
    ),
    "a bitmap of another size": (lambda index: sql(index, "UPDATE segments SET dead = X'00' WHERE kind = 'vec'"),
                                 "do not fit its rows", 0),
    "a segment's number far off": (lambda index: sql(index, "UPDATE segments SET rows = -1 WHERE kind = 'lex'"),
                                   "its row in the catalog is damaged", 0),
    "another first passage": (lambda index: sql(index, "UPDATE segments SET first_id = 2 WHERE first_id = 1"),
                              "other passages than the catalog says", 0),
    "a passage number given already": (lambda index: setting(index, "next_chunk", "3"), "number of the next passage",
                                       0),
    "no passage number": (lambda index: setting(index, "next_chunk", '"x"'), "number of the next passage", 0),
    "vectors not counted": (lambda index: setting(index, "embedded_to", "3"), "up to which passage it has vectors", 0),
    "vectors counted too many": (lambda index: setting(index, "embedded_to", "99999"), "up to which passage", 0),
    "no generation": (lambda index: setting(index, "generation", "null"), "by which rules files were read", 0),
    "rules that are none": (lambda index: setting(index, "rules", "null"), "what it records as rules", 0),
    "a model name that is none": (lambda index: setting(index, "model_name", "7"), "records as model_name", 0),
    "a run that is none": (
        lambda index: sql(index, "INSERT INTO runs (started, seconds, report) VALUES (1, 2, '[')"), "last run", 0,
    ),
    "a segment without its ids": (
        lambda index: sql(index, "UPDATE segments SET files = json_remove(files, '$.\"ids.bin\"')"
                                 " WHERE kind = 'vec' AND first_id > 1"),
        "not a folder with the files of a segment", 156,
    ),
    "a checksum that is a folder": (lambda index: replace_checksum(index, os.mkdir), "it is not what was written", 0),
    "an index of a table": (lambda index: damage_page(index, "files_stamps"), "", 0),
}  # fmt: skip


def damage_page(index: Path, name: str) -> None:
    """Overwrites the root page of an index of a table."""
    connection = sqlite3.connect(index / CATALOG_FILE)
    (root,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (name,)).fetchone()
    (page,) = connection.execute("PRAGMA page_size").fetchone()
    connection.close()
    data = bytearray((index / CATALOG_FILE).read_bytes())
    data[(root - 1) * page + 8 : root * page] = b"\0" * (page - 8)
    (index / CATALOG_FILE).write_bytes(data)


def test_a_healthy_index_has_no_problems(index: Path) -> None:
    found = found_in(index)
    assert (found.problems, found.notices, found.broken) == ([], [], False)
    assert (found.files, found.chunks) == (117, 234)


@pytest.mark.parametrize("damage", MENDED)
def test_what_is_damaged_is_found_and_mended(index: Path, damage: str) -> None:
    before = ask(index)
    make, said, encoded_again = MENDED[damage]
    make(index)
    found = found_in(index)
    assert any(said in problem.what for problem in found.problems), found.problems
    assert all(problem.part and problem.as_dict()["problem"] == problem.what for problem in found.problems)
    assert len(mend(index)) == encoded_again
    assert found_in(index).problems == []
    assert ask(index) == before


# name -> (what is done, what is said); the next run reads these files again.
TAKEN_OUT: dict[str, tuple[Callable[[Path], object], str]] = {
    "another text": (
        lambda index: sql(index, "UPDATE chunks SET text = text || '!' WHERE id = 60"),
        "a passage is not",
    ),
    "a heading that is none": (lambda index: sql(index, "UPDATE chunks SET heading = 7 WHERE id = 60"), "a passage is"),
    "a page that is none": (lambda index: sql(index, "UPDATE chunks SET page = 'x' WHERE id = 60"), "a passage is"),
    "lines that fall back": (
        lambda index: sql(index, "UPDATE chunks SET line_breaks = '[9,1,3,7]' WHERE id = 60"),
        "a passage is",
    ),
    "tokens that are none": (lambda index: sql(index, "UPDATE chunks SET tokens = 'x' WHERE id = 60"), "a passage is"),
    "no text": (lambda index: sql(index, "UPDATE chunks SET text = X'80' WHERE id = 60"), "a passage is not what"),
    "a lost passage": (lambda index: sql(index, "DELETE FROM chunks WHERE id = 60"), "its passages do not fit it"),
    "passages of no file": (lambda index: sql(index, "DELETE FROM files WHERE id = 30"), "its passages do not fit it"),
    "a file of no folder": (lambda index: sql(index, "UPDATE files SET root_id = 9 WHERE id = 30"), "in no folder"),
    "a path that is text": (
        lambda index: sql(index, "UPDATE files SET path = 'x' WHERE id = 30"),
        "its row is damaged",
    ),
    "metadata that is none": (
        lambda index: sql(index, "UPDATE files SET metadata = '[' WHERE id = 30"),
        "row is damaged",
    ),
}


@pytest.mark.parametrize("damage", TAKEN_OUT)
def test_a_damaged_file_is_taken_out_to_be_read_again(index: Path, damage: str) -> None:
    make, said = TAKEN_OUT[damage]
    make(index)
    assert any(said in problem.what for problem in found_in(index).problems)
    assert mend(index) == []
    assert found_in(index).problems == []
    counts = LocalStore(str(index)).read(lambda snapshot: snapshot.counts())
    assert (counts.indexed, counts.chunks, counts.pending) == (116, 232, 0)


def test_vectors_of_which_nobody_knows_the_form_are_dropped(index: Path) -> None:
    setting(index, "vectors", "[]")
    assert found_in(index).vectors_unknown
    mend(index)
    assert found_in(index).problems == []
    assert LocalStore(str(index)).read(lambda snapshot: snapshot.counts().pending) == 234


@pytest.mark.parametrize("model", ["7", "json_set(value, '$.dim', json('true'))"], ids=["no record", "no number"])
def test_a_model_that_nobody_knows_is_forgotten(index: Path, model: str) -> None:
    sql(index, f"UPDATE settings SET value = {model} WHERE key = 'model'")
    found = found_in(index)
    assert found.forget == ["model"] and found.vectors_unknown
    mend(index)
    assert found_in(index).problems == []


@pytest.mark.parametrize(
    ("key", "value"),
    [("vectors_at", "5"), ("vectors_to", "{}"), ("vectors_filled", "7"), ("vectors_untold", '"x"')],
)
def test_what_it_records_of_a_vector_database_and_cannot_be_is_forgotten(index: Path, key: str, value: str) -> None:
    sql(index, "INSERT OR REPLACE INTO settings VALUES (?, ?)", key, value)
    assert found_in(index).forget == [key]
    mend(index)
    assert found_in(index).problems == []


def test_a_model_that_cannot_be_opened_leaves_the_index_as_it_is(index: Path) -> None:
    flip(folders(index, "vec")[1] / "index.faiss")
    before = [problem.as_dict() for problem in found_in(index).problems]

    def unavailable() -> EncodeLost:
        raise IndexDamagedError("no such model")

    with IndexWriter(str(index), trust=True) as writer, pytest.raises(IndexDamagedError, match="no such model"):
        repair(writer, examine(writer.index, writer.catalog, False), unavailable, lambda message: None)
    assert [problem.as_dict() for problem in found_in(index).problems] == before


def test_a_repair_that_is_cut_off_leaves_an_index_that_counts_as_damaged(index: Path) -> None:
    flip(folders(index, "vec")[1] / "index.faiss")

    def cut_off() -> EncodeLost:
        def encode(ids: NDArray[np.int64]) -> None:
            raise KeyboardInterrupt

        return encode

    with pytest.raises(KeyboardInterrupt), IndexWriter(str(index), trust=True) as writer:
        repair(writer, examine(writer.index, writer.catalog, False), cut_off, lambda message: None)
    with pytest.raises(IndexDamagedError):
        ask(index)
    assert len(mend(index)) == 78
    assert found_in(index).problems == []


def test_a_catalog_with_lost_pages_is_made_anew_from_the_rest(index: Path) -> None:
    lose_page(index, "runs")
    assert found_in(index).broken
    mend(index)
    assert found_in(index).problems == []
    assert LocalStore(str(index)).read(lambda snapshot: snapshot.counts().chunks) == 234


def test_what_a_run_has_not_named_yet_is_not_told_and_removed_by_the_next(index: Path) -> None:
    for name in ("lex-90", "vec-91", ".lex-92.new"):  # of one that goes on, or was killed
        (index / "segments" / name).mkdir()
    assert found_in(index).notices == found_in(index).problems == []
    with IndexWriter(str(index)):
        pass
    assert not [one.name for one in (index / "segments").iterdir() if "-9" in one.name]


def test_what_others_put_among_the_segments_is_noticed(index: Path) -> None:
    for number in range(7):
        (index / "segments" / f"backup-{number}").mkdir()
    (notice,) = found_in(index).notices
    assert "segments/backup-0, " in notice and ", ..." in notice
    with IndexWriter(str(index)):
        pass
    assert len(found_in(index).notices) == 1
