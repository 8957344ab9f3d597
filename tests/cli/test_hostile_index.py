"""An index that may come from anywhere: what no writer put there is damage to every command, with the way to repair."""

import json
import os
import pickle
import shutil
import sqlite3
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path

import pytest

from semsearch.cli import unchanged
from semsearch.cli.app import run
from semsearch.indexing import IndexOptions, index_folders
from semsearch.lexical import postings
from semsearch.settings import CATALOG_FILE
from semsearch.store.local.catalog import Catalog
from semsearch.store.local.lexical_segment import open_lexical, write_lexical
from semsearch.store.local.rows import segments
from semsearch.store.local.segment_folder import SEGMENTS_FOLDER
from tests.support.folders import NOTES, write
from tests.support.mail import mailbox, message

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hostile") / "notes"
    write(folder, {**NOTES, "letters.mbox": mailbox(message("Bread", "Does sourdough need a rest?"))})
    index_folders([str(folder)], None, IndexOptions(model="static"))
    return folder


@pytest.fixture
def index(original: Path, tmp_path: Path) -> Path:
    """The index of a folder, up to date, without the checksum that would tell of any change."""
    shutil.copytree(original, tmp_path / "notes")
    index_folders([str(tmp_path / "notes")], None, IndexOptions())
    (tmp_path / "notes" / ".semsearch" / "catalog.crc").unlink()
    return tmp_path / "notes" / ".semsearch"


def sql(index: Path, statement: str, *values: object) -> None:
    with sqlite3.connect(index / CATALOG_FILE) as connection:
        connection.execute(statement, values)
    connection.close()


def segment_file(index: Path, kind: str, name: str) -> Path:
    return next((index / SEGMENTS_FOLDER).glob(f"{kind}-*/{name}"))


def replaced(index: Path, kind: str, name: str, content: bytes) -> None:
    """Another content of a segment's file, which the catalog says is what was written."""
    path = segment_file(index, kind, name)
    path.write_bytes(content)
    entry = [len(content), blake2b(content, digest_size=16).hexdigest()]
    sql(index, "UPDATE segments SET files = json_set(files, '$.\"' || ? || '\"', json(?)) WHERE kind = ?",
        name, json.dumps(entry), kind)  # fmt: skip


def rows_out_of_range(index: Path) -> None:
    catalog, _ = Catalog.open_for_reading(str(index))
    one = segments(catalog, "lex")[0]
    catalog.close()
    held = open_lexical(str(index), one.name, one.rows, one.files)
    far = postings.Postings(**{**held.arrays(), "rows": held.rows + 10_000}, languages=held.languages)
    shutil.rmtree(index / SEGMENTS_FOLDER / one.name)
    files = write_lexical(str(index), one.name, far)
    sql(index, "UPDATE segments SET files = ? WHERE kind = 'lex'", json.dumps(files))


SEARCH, LEXICAL, PHRASE = "search", "lexical", "phrase"
INDEX, QUICK, DRY = "index", "quick", "dry"
STATUS, FILES, WHY = "status", "files", "why"
EVERY = [SEARCH, LEXICAL, INDEX, STATUS, FILES, WHY, DRY]
# name -> (what is done to the index, the commands that must say it is damaged; the others may not need to look).
DAMAGES: dict[str, tuple[Callable[[Path], object], list[str]]] = {
    "a setting that is no JSON": (lambda index: sql(index, "UPDATE settings SET value = '{'"), EVERY),
    "rules of another type": (
        lambda index: sql(index, "UPDATE settings SET value = '{\"hidden\": 7}' WHERE key = 'rules'"), EVERY,
    ),
    "a model without a dimension": (
        lambda index: sql(index, "UPDATE settings SET value = json_set(value, '$.dim', 'x') WHERE key = 'model'"),
        EVERY,
    ),
    "a model that was not measured": (
        lambda index: sql(
            index, "UPDATE settings SET value = json_set(value, '$.calibration.background', 'x') WHERE key = 'model'"
        ),
        EVERY,
    ),
    "a counter that is too large": (
        lambda index: sql(index, "UPDATE settings SET value = '1' || value || '000000000000000000' "
                                 "WHERE key = 'embedded_to'"),
        [SEARCH, LEXICAL, INDEX, STATUS, FILES, WHY, DRY],
    ),
    "metadata that is no JSON": (lambda index: sql(index, "UPDATE files SET metadata = '['"),
                                 [SEARCH, LEXICAL, FILES, WHY]),
    "metadata of a message that is no JSON": (lambda index: sql(index, "UPDATE parts SET metadata = 'x{'"),
                                              [SEARCH, LEXICAL]),
    "a path that is text": (lambda index: sql(index, "UPDATE files SET path = 'x' WHERE id = 1"),
                            [FILES, WHY]),
    "files of no folder": (lambda index: sql(index, "UPDATE files SET root_id = 9"), [SEARCH, LEXICAL]),
    "chunks of another text": (lambda index: sql(index, "UPDATE chunks SET text = 'x'"), [SEARCH, LEXICAL, WHY]),
    "chunks without a number": (lambda index: sql(index, "UPDATE chunks SET tokens = 'x'"), [SEARCH, LEXICAL, WHY]),
    "chunks that are gone": (lambda index: sql(index, "DELETE FROM chunks"), [SEARCH, LEXICAL, PHRASE, WHY]),
    "a segment without files": (lambda index: sql(index, "UPDATE segments SET files = '{}'"), [SEARCH, LEXICAL, WHY]),
    "a segment of another folder": (
        lambda index: sql(index, "UPDATE segments SET name = '../' || name"), [SEARCH, LEXICAL, WHY],
    ),
    "deletions that do not fit": (lambda index: sql(index, "UPDATE segments SET dead = X'00000000'"),
                                  [SEARCH, LEXICAL, WHY]),
    "a run that began at no time": (lambda index: sql(index, "UPDATE runs SET started = 9e99"), [STATUS]),
    "postings of rows that are not there": (rows_out_of_range, [SEARCH, LEXICAL, WHY]),
    "postings of nothing": (lambda index: replaced(index, "lex", "bm25.pkl", b""), [SEARCH, LEXICAL, WHY]),
    "postings that are another pickle": (
        lambda index: replaced(index, "lex", "bm25.pkl", pickle.dumps({"sizes": []}) * 2), [SEARCH, LEXICAL, WHY],
    ),
    "no bytes of postings": (lambda index: replaced(index, "lex", "bm25.bin", b""), [SEARCH, LEXICAL, WHY]),
    "ids of an odd length": (lambda index: replaced(index, "vec", "ids.bin", b"\1" * 13), [SEARCH, WHY]),
    "no ids": (lambda index: replaced(index, "vec", "ids.bin", b""), [SEARCH, WHY]),
    "no vectors": (lambda index: replaced(index, "vec", "index.faiss", b""), [SEARCH, WHY]),
    "vectors of something else": (lambda index: replaced(index, "vec", "index.faiss", b"IxSQ" * 99), [SEARCH, WHY]),
    "a file cut short": (lambda index: os.truncate(segment_file(index, "lex", "bm25.bin"), 9), [SEARCH, LEXICAL, WHY]),
    "an empty catalog": (lambda index: (index / CATALOG_FILE).write_bytes(b""), EVERY),
    "a catalog that is none": (lambda index: (index / CATALOG_FILE).write_bytes(b"x" * 5000), EVERY),
}  # fmt: skip


def commands(index: Path) -> dict[str, list[str]]:
    return {
        SEARCH: ["search", "sourdough rest", "-i", str(index)],
        LEXICAL: ["search", "sourdough rest", "--mode", "lexical", "--where", "title=*", "-i", str(index)],
        PHRASE: ["search", '"twelve hours of rest"', "--mode", "lexical", "-i", str(index)],
        STATUS: ["status", "-i", str(index)],
        FILES: ["status", "--files", "-i", str(index)],
        WHY: ["why", "sourdough", "kitchen/bread.txt", "-i", str(index)],
        DRY: ["index", str(index.parent), "--dry-run"],
        INDEX: ["index", str(index.parent), "-q"],
    }


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_no_writer_put_there_is_damage(
    index: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], damage: str
) -> None:
    monkeypatch.delenv("SEMSEARCH_DEBUG", raising=False)
    make, finding = DAMAGES[damage]
    make(index)
    (index / "catalog.crc").unlink(missing_ok=True)
    # The quick look does not raise: what it cannot decide is for the full command to say.
    unchanged.answer([str(index.parent), "-q"])
    for name, arguments in commands(index).items():
        capfd.readouterr()
        code, said = run(arguments), capfd.readouterr().err
        assert "unexpected" not in said, name
        if name in finding:
            assert (code, "semsearch: " in said) == (2, True), (name, said)
            assert "verify --repair" in said or f"remove {index} and index again" in said, (name, said)
