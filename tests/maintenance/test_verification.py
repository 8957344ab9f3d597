"""`verify` finds what is not as it was written, and `--repair` brings back an index that answers as before."""

import json
import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from semsearch.errors import IndexDamagedError, ModelError, SemsearchError
from semsearch.indexing import IndexOptions, index_folders
from semsearch.maintenance import verification
from semsearch.maintenance.quantization import QuantizeOptions, quantize
from semsearch.maintenance.verification import VerifyReport, verify
from semsearch.store.local import repair, rows
from semsearch.store.local.catalog import Catalog
from semsearch.store.local.checksum import CHECKSUM_FILE, write_checksum
from semsearch.store.local.reader import OpenSnapshot
from semsearch.store.local.salvage import make_anew, put_in_place
from semsearch.store.local.writer import IndexWriter
from tests.support.commands import Command
from tests.support.dense_hits import hits
from tests.support.folders import write
from tests.support.found import Found
from tests.support.local_index import lose_page, terms_of
from tests.support.made_texts import texts
from tests.support.named_folder import make_named_folder


def check(index: Path, repair: bool = False) -> VerifyReport:
    return verify(str(index), repair, False, lambda message: None)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 120 files, indexed in three runs, with deletions; its vectors are kept as int8 before float16."""
    base = tmp_path_factory.mktemp("verify")
    for seed in (1, 2, 3):
        write(base / "folder", texts(40, seed))  # type: ignore[arg-type]
        index_folders([str(base / "folder")], None, IndexOptions(model="static" if seed == 1 else None))
    for number in range(0, 40, 8):
        (base / "folder" / f"1-{number}.txt").unlink()
    index_folders([str(base / "folder")], None, IndexOptions())
    quantize(str(base / "folder" / ".semsearch"), QuantizeOptions("int8", queries=20))
    return base


@pytest.fixture
def index(original: Path, tmp_path: Path) -> Path:
    shutil.copytree(original, tmp_path / "copy")
    return tmp_path / "copy" / "folder" / ".semsearch"


def answers(index: Path) -> Found:
    return Found([*hits(index, "hybrid"), *hits(index, "lexical"), *hits(index)])


def flip(path: Path, place: float = 0.5) -> None:
    data = bytearray(path.read_bytes())
    data[int(len(data) * place)] ^= 0x41
    path.write_bytes(data)


def sql(index: Path, statement: str) -> None:
    with sqlite3.connect(index / "catalog.db") as connection:
        connection.execute(statement)
    connection.close()


def setting(index: Path, key: str, value: str) -> None:
    sql(index, f"UPDATE settings SET value = '{value}' WHERE key = '{key}'")


def titles(index: Path) -> dict[bytes, str]:
    """path -> title of every file."""
    query = "SELECT path, title FROM files"
    return dict(Catalog.read(str(index), lambda catalog: [tuple(row) for row in catalog.rows(query)]))


def write_vectors_again(index: Path) -> None:
    with IndexWriter(str(index)) as writer:
        segment, dim = writer.segments("vec")[0], writer.model_dim()
        held = writer.dense_segment(segment, writer.vector_format(dim))
        name, files = writer.write_dense(held.ids, held.vectors.vectors(np.arange(segment.rows)), dim)
        with writer.commit():
            writer.add_segment("vec", name, held.ids, files)
            writer.mark_rows_dead("vec", [(int(held.ids[0]), int(held.ids[0]) + 1)])


def replace_checksum(index: Path, make: Callable[[Path], None]) -> None:
    (index / CHECKSUM_FILE).unlink()
    make(index / CHECKSUM_FILE)


def segment(index: Path, kind: str) -> Path:
    return sorted((index / "segments").glob(f"{kind}-*"))[0]


DAMAGES: dict[str, tuple[Callable[[Path], None], str]] = {
    "a byte of postings": (lambda index: flip(segment(index, "lex") / "bm25.bin"), "bm25.bin is not what was written"),
    "a byte of vectors": (lambda index: flip(segment(index, "vec") / "index.faiss"), "index.faiss is not what was"),
    "a byte of codes": (lambda index: flip(segment(index, "vec") / "int8.faiss"), "int8.faiss is not what was written"),
    "a byte of ids": (lambda index: flip(segment(index, "vec") / "ids.bin"), "ids.bin is not what was written"),
    "a cut file": (lambda index: os.truncate(segment(index, "vec") / "int8.faiss", 100), "int8.faiss has 100 bytes"),
    "a missing file": (lambda index: (segment(index, "lex") / "bm25.pkl").unlink(), "bm25.pkl is missing"),
    "a missing segment": (lambda index: shutil.rmtree(segment(index, "vec")), "is missing"),
    "deletions that came back": (
        lambda index: sql(index, "UPDATE segments SET dead = NULL, dead_count = 0"), "passages that are gone have",
    ),
    "deletions too many": (
        lambda index: sql(index, "UPDATE segments SET dead = zeroblob((rows + 7) / 8), dead_count = 1"), "do not fit",
    ),
    "a forgotten segment": (lambda index: sql(index, "DELETE FROM segments WHERE kind = 'vec'"), "have no vectors"),
    "another form": (lambda index: sql(index, "UPDATE settings SET value = '[]' WHERE key = 'vectors'"), "record"),
    "another text": (lambda index: sql(index, "UPDATE chunks SET text = text || '!' WHERE id = 60"), "a passage is"),
    "a lost passage": (lambda index: sql(index, "DELETE FROM chunks WHERE id = 60"), "its passages do not fit it"),
    "a passage number given already": (lambda index: setting(index, "next_chunk", "3"), "number of the next passage"),
    "no passage number": (lambda index: setting(index, "next_chunk", '"x"'), "number of the next passage"),
    "vectors not counted": (lambda index: setting(index, "embedded_to", "3"), "up to which passage it has vectors"),
    "vectors counted too many": (lambda index: setting(index, "embedded_to", "99999"), "up to which passage it has"),
    "no generation": (lambda index: setting(index, "generation", "null"), "by which rules files were read"),
    "vectors twice": (lambda index: write_vectors_again(index), "passages are in two segments"),
    "a file of no folder": (lambda index: sql(index, "UPDATE files SET root_id = 9 WHERE id = 50"), "in no folder"),
    "a checksum that is a folder": (lambda index: replace_checksum(index, os.mkdir), "it is not what was written"),
    "a checksum that is a pipe": (lambda index: replace_checksum(index, os.mkfifo), "it is not what was written"),
    "a byte that is no UTF-8": (
        lambda index: sql(index, "UPDATE chunks SET text = CAST(X'80' AS TEXT) || text WHERE id = 60"), "a passage",
    ),
    "rules that are none": (lambda index: setting(index, "rules", "null"), "what it records as rules"),
    "settings that are no JSON": (lambda index: setting(index, "chunking", "{"), "what it records as chunking"),
    "a model name that is none": (lambda index: setting(index, "model_name", "7"), "what it records as model_name"),
    "a model nobody knows": (lambda index: setting(index, "model", "null"), "nobody knows the model of its vectors"),
    "a segment's number far off": (
        lambda index: sql(index, "UPDATE segments SET last_id = 1 << 60 WHERE kind = 'vec'"), "its row in the catalog",
    ),
    "a segment's number that is none": (
        lambda index: sql(index, "UPDATE segments SET first_id = 'x' WHERE kind = 'lex'"), "its row in the",
    ),
    "a generation far off": (
        lambda index: sql(index, "UPDATE files SET generation = 1 << 62 WHERE id = 50"), "or its row is damaged",
    ),
    "a folder in the way of the checksum": (
        lambda index: ((index / "catalog.crc.new").mkdir(), flip(index / "catalog.db", 0.97))[1], "",
    ),
    "another title": (lambda index: sql(index, "UPDATE files SET title = 'x' WHERE id = 50"), "it is not what was"),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_named_and_repaired(index: Path, damage: str) -> None:
    before = answers(index)
    assert not check(index).problems
    harm, says = DAMAGES[damage]
    harm(index)
    report = check(index)
    assert any(says in problem.what for problem in report.problems), report.problems
    assert check(index).problems == report.problems, "to look is not to touch"
    repaired = check(index, repair=True)
    assert not repaired.problems and repaired.repaired
    index_folders([], str(index), IndexOptions())  # reads again what repair took out
    assert answers(index) == before
    assert not check(index).problems


@pytest.mark.slow
def test_only_what_is_lost_is_encoded_again(index: Path, semsearch: Command) -> None:
    for _ in range(2):
        flip(segment(index, "vec") / "index.faiss")
    flip(segment(index, "vec") / "index.faiss", 0.7)
    done = semsearch("verify", "-i", index)
    assert done.code == 1 and "passages again)" in done.out and "damaged: " in done.out
    done = semsearch("verify", "-i", index, "--repair", "--wait", "--json")
    record = done.json
    assert done.code == 0 and record["schema"] == "semsearch.verify/1" and record["good"]
    assert record["repaired"][0]["part"].startswith("segments/vec-")
    done = semsearch("verify", "-i", index)
    assert done.code == 0 and done.out.startswith("good: 115 files")


def test_a_small_damaged_index_is_refused_by_search_not_misread(index: Path) -> None:
    for path in (segment(index, "lex") / "bm25.bin", segment(index, "vec") / "int8.faiss", index / "catalog.db"):
        data = path.read_bytes()
        flip(path, 0.9)
        with pytest.raises(IndexDamagedError):
            answers(index)
        path.write_bytes(data)
    assert answers(index)


def test_what_a_killed_run_left_is_no_problem(index: Path) -> None:
    (index / "segments" / ".vec-000099.new").mkdir()
    report = check(index)
    assert not report.problems and not any("vec-000099" in notice for notice in report.notices)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_pages_of_the_catalog_that_cannot_be_read_cost_only_what_was_on_them(index: Path, seed: int) -> None:
    before = answers(index)
    path = index / "catalog.db"
    data = bytearray(path.read_bytes())
    with sqlite3.connect(path) as connection:
        tables = "SELECT rootpage FROM sqlite_master WHERE name IN ('chunks', 'files')"
        roots = [row[0] for row in connection.execute(tables)]
    connection.close()
    # Inside of the tables: pointers to the pages below become nonsense, and so do some pages' contents.
    for page in (*roots[:1], 3 + seed, 12 + 4 * seed, 20 + seed):
        start = (page - 1) * 4096
        data[start + 8 + seed : start + 60] = bytes(52 - seed)
    path.write_bytes(data)
    assert check(index).problems
    repaired = check(index, repair=True)
    assert not repaired.problems, repaired.problems
    index_folders([str(index.parent)], str(index), IndexOptions(prune=True))
    assert answers(index) == before
    assert not check(index).problems


def test_a_catalog_that_is_no_database_is_a_problem_without_a_repair(index: Path, semsearch: Command) -> None:
    (index / "catalog.db").write_bytes(b"x" * 5000)
    for flags in ((), ("--repair",)):
        done = semsearch("verify", "-i", index, *flags, "--json")
        assert done.code in (1, 2)
        text = done.out or done.err
        assert "catalog" in text and json.loads(text)


def test_the_checksum_is_there_while_nobody_writes(index: Path) -> None:
    assert (index / CHECKSUM_FILE).exists()
    (index / CHECKSUM_FILE).unlink()  # an index without one is as good, and gets one by the next change
    assert answers(index) and not check(index).problems
    write(index.parent, {"added.txt": "The ferry leaves at ten.\n"})
    index_folders([], str(index), IndexOptions())
    assert (index / CHECKSUM_FILE).exists()
    (index / CHECKSUM_FILE).write_text("")
    with pytest.raises(IndexDamagedError, match="not what was written"):
        answers(index)
    assert not check(index, repair=True).problems


def test_damage_is_not_forgotten_by_a_run_that_is_refused(index: Path) -> None:
    sql(index, "UPDATE files SET title = 'x' WHERE id = 50")
    for path in list(index.parent.glob("*.txt"))[:80]:
        path.rename(index.parent.parent / path.name)
    with pytest.raises(SemsearchError, match="are gone or now ignored"):
        index_folders([], str(index), IndexOptions(rebuild=True))
    with pytest.raises(IndexDamagedError, match="is not what was written"):
        answers(index)
    assert check(index).problems
    for path in index.parent.parent.glob("*.txt"):
        path.rename(index.parent / path.name)
    index_folders([], str(index), IndexOptions(rebuild=True))
    assert not check(index).problems and answers(index)


@pytest.fixture
def named(tmp_path: Path) -> Path:
    """The index of a folder with a mailbox, whose documents are found by their names; without a checksum."""
    folder = make_named_folder(tmp_path / "named")
    index_folders([str(folder)], None, IndexOptions(model="static", chunk_size=64))
    (folder / ".semsearch" / CHECKSUM_FILE).unlink()
    return folder / ".semsearch"


def test_words_made_anew_are_those_that_were_indexed(named: Path) -> None:
    before = terms_of(named)
    with closing(OpenSnapshot(str(named))) as snapshot:
        languages = snapshot.languages()
    for folder in (named / "segments").glob("lex-*"):
        shutil.rmtree(folder)
    assert not check(named, repair=True).problems
    assert terms_of(named) == before and len(before) > 10
    with closing(OpenSnapshot(str(named))) as snapshot:
        assert snapshot.languages() == languages == {"en", "de"}


def documents(index: Path) -> list[tuple[object, ...]]:
    """Of every passage what it is found and told by, in the order of their texts."""
    with closing(OpenSnapshot(str(index))) as snapshot:
        passages = [one for file in snapshot.files() for one in snapshot.passages_of(file.id)]
    return sorted(
        (one.text, one.is_first, one.file.title, str(one.file.metadata), one.file.date, one.file.language)
        for one in passages
    )


SECOND = "(SELECT MIN(id) + 1 FROM parts)"
DOCUMENTS = {
    "metadata that is no JSON": "UPDATE parts SET metadata = 'x{'",
    "metadata that is a list": "UPDATE parts SET metadata = '[]'",
    "a date that is none": f"UPDATE parts SET date = 'abc' WHERE id = {SECOND}",
    "a date that never comes": f"UPDATE parts SET date = 9e999 WHERE id = {SECOND}",
    "a title of bytes": f"UPDATE parts SET title = x'80' WHERE id = {SECOND}",
    "a title that is no UTF-8": f"UPDATE parts SET title = CAST(x'80' AS TEXT) WHERE id = {SECOND}",
    "a language of bytes": f"UPDATE parts SET language = x'80' WHERE id = {SECOND}",
    "a gap": f"DELETE FROM parts WHERE id = {SECOND}",
    "no beginning": f"DELETE FROM parts WHERE id = {SECOND} - 1",
    "no end": f"DELETE FROM parts WHERE id = {SECOND} + 1",
    "documents that overlap": f"UPDATE parts SET first_chunk = first_chunk - 1 WHERE id = {SECOND}",
    "more passages than there are": "UPDATE parts SET first_chunk = 1, chunk_count = 1000",
    "a document without passages": f"UPDATE parts SET chunk_count = 0 WHERE id = {SECOND}",
    "a count that is none": f"UPDATE parts SET chunk_count = 'x' WHERE id = {SECOND}",
    "a document of another file": f"UPDATE parts SET file_id = 1 + (file_id = 1) WHERE id = {SECOND}",
    "a document of no file": f"UPDATE parts SET file_id = 99 WHERE id = {SECOND}",
    "another document of no file": (
        "INSERT INTO parts SELECT id + 9, 99, first_chunk, chunk_count, title, metadata, date, language FROM parts"
    ),
    "a title of a file that is no UTF-8": "UPDATE files SET title = CAST(x'80' AS TEXT) WHERE title = 'Garden notes'",
}


@pytest.mark.parametrize("damage", DOCUMENTS)
def test_a_document_in_a_file_that_is_damaged_is_read_again(named: Path, damage: str) -> None:
    before = documents(named)
    sql(named, DOCUMENTS[damage])
    assert any("the next index reads it again" in problem.repair for problem in check(named).problems)
    assert not check(named, repair=True).problems
    assert set(documents(named)) <= set(before)
    index_folders([], str(named), IndexOptions())
    assert documents(named) == before
    assert not check(named).problems


@pytest.mark.parametrize("page", ["parts", "parts_file", "chunks"])
def test_documents_on_a_lost_page_are_read_again(named: Path, page: str) -> None:
    before = documents(named)
    lose_page(named, page)
    assert check(named).problems
    assert not check(named, repair=True).problems
    index_folders([], str(named), IndexOptions())
    assert documents(named) == before
    assert not check(named).problems


def test_damage_of_an_older_version_is_not_forgotten(index: Path) -> None:
    sql(index, "DROP INDEX files_stamps")
    sql(index, "ALTER TABLE chunks DROP COLUMN line_breaks")
    sql(index, "DROP TABLE parts")
    sql(index, "PRAGMA user_version = 1")
    write_checksum(str(index))
    before = titles(index)
    sql(index, "UPDATE files SET title = 'x' WHERE id = 50")
    with pytest.raises(IndexDamagedError, match="is not what was written"):
        index_folders([], str(index), IndexOptions())
    assert not check(index, repair=True).problems
    index_folders([], str(index), IndexOptions())
    assert titles(index) == before


@pytest.mark.slow
def test_what_a_repair_made_merges_with_its_neighbours(index: Path) -> None:
    """What lay in several segments comes back in one that spans those between."""
    for kind in ("lex", "vec"):
        names = sorted((index / "segments").glob(f"{kind}-*"))
        for name in names[::2]:
            shutil.rmtree(name)
    before = check(index)
    assert len(before.problems) >= 2
    assert not check(index, repair=True).problems
    expected = answers(index)
    for number in range(9):
        write(index.parent, {f"9-{number}.txt": f"Extra {number} of the lighthouse.\n"})
        index_folders([], str(index), IndexOptions())
    assert not check(index).problems
    for number in range(9):
        (index.parent / f"9-{number}.txt").unlink()
    index_folders([], str(index), IndexOptions())
    assert not check(index).problems and answers(index) == expected


@pytest.mark.slow
@pytest.mark.parametrize("step", ["index_words", "encode_lost", "examine"])
def test_a_repair_that_is_cut_off_leaves_no_silent_gap(index: Path, step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = answers(index)
    shutil.rmtree(segment(index, "lex"))
    flip(segment(index, "vec") / "index.faiss")
    (index / CHECKSUM_FILE).unlink()
    module = verification if step == "encode_lost" else repair
    original, calls = getattr(module, step), 0

    def cut_off(*arguments: object) -> object:
        nonlocal calls
        calls += 1
        if calls > 0:
            raise KeyboardInterrupt
        return original(*arguments)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(module, step, cut_off)
        check(index, repair=True)
    with pytest.raises(IndexDamagedError):
        answers(index)
    assert check(index).problems
    assert not check(index, repair=True).problems
    index_folders([], str(index), IndexOptions())
    assert answers(index) == before


def test_a_rebuild_that_is_cut_off_leaves_no_silent_gap(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = answers(index)
    flip(segment(index, "lex") / "bm25.bin")

    def cut_off(*arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr("semsearch.indexing.pipeline._ComparedRun.read", cut_off)
        index_folders([], str(index), IndexOptions(rebuild=True))
    with pytest.raises(IndexDamagedError):
        answers(index)
    index_folders([], str(index), IndexOptions(rebuild=True))
    assert answers(index) == before and not check(index).problems


@pytest.mark.slow
def test_a_salvage_loses_only_rows_that_cannot_be_read(tmp_path: Path) -> None:
    write(tmp_path / "folder", texts(400, 1))  # type: ignore[arg-type]
    index_folders([str(tmp_path / "folder")], str(tmp_path / "index"), IndexOptions(model="static"))
    path = tmp_path / "index" / "catalog.db"
    connection = sqlite3.connect(path)
    query = "SELECT pageno FROM dbstat WHERE name = 'chunks' AND pagetype = 'leaf' ORDER BY pageno"
    try:
        leaves = [row[0] for row in connection.execute(query)]
    except sqlite3.OperationalError:
        pytest.skip("this SQLite has no dbstat")
    finally:
        connection.close()
    data = bytearray(path.read_bytes())
    for page in leaves[3::5]:
        data[(page - 1) * 4096 : page * 4096] = b"\xff" * 4096
    path.write_bytes(data)
    make_anew(str(tmp_path / "index"))
    put_in_place(str(tmp_path / "index"))
    connection = sqlite3.connect(path)
    kept = connection.execute("SELECT COUNT(*) FROM chunks").fetchone()[0]
    connection.close()
    share = len(leaves[3::5]) / len(leaves)
    assert kept >= 400 * (1 - share) - 400 / len(leaves)


@pytest.mark.skipif(not os.path.exists("/proc/locks"), reason="shows who holds which lock")
def test_the_writer_keeps_its_locks_on_the_catalog(index: Path) -> None:
    with IndexWriter(str(index)) as writer:
        with writer.commit():
            writer.catalog.set_setting("x", 1)
        inode = str((index / "catalog.db").stat().st_ino)
        locks = Path("/proc/locks").read_text().splitlines()
        assert any(f":{inode} " in line and f" {os.getpid()} " in line for line in locks)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["segments/lex-000099", "segments/.lex-000099.new", "segments/vec-000001"])
def test_files_where_folders_should_be_are_cleared_away(index: Path, name: str) -> None:
    before = answers(index)
    if (index / name).is_dir():
        shutil.rmtree(index / name)
    next_name = name.replace("99", f"{Catalog.read(str(index), lambda c: rows.segments(c, 'lex'))[-1].id + 1:02}")
    (index / next_name).write_text("x")
    write(index.parent, {"added.txt": "The ferry leaves at ten.\n"})
    index_folders([], str(index), IndexOptions(rebuild=name.endswith("01"), prune=True))
    (index.parent / "added.txt").unlink()
    index_folders([], str(index), IndexOptions())
    assert not check(index).problems and answers(index) == before


def test_nothing_is_dropped_when_no_model_can_make_it_anew(index: Path) -> None:
    flip(segment(index, "vec") / "index.faiss")
    sql(
        index,
        "UPDATE settings SET value = json_replace(value, '$.fingerprint', '" + "a" * 64 + "') WHERE key = 'model'",
    )
    (index / CHECKSUM_FILE).unlink()
    before = sorted((index / "segments").iterdir())
    with pytest.raises(ModelError, match="the index was made with"):
        check(index, repair=True)
    assert sorted((index / "segments").iterdir()) == before and check(index).problems


def test_drift_is_measured(index: Path) -> None:
    (notice,) = check(index).notices
    assert notice.startswith("vectors lose 0.") and "when they were quantized" in notice
