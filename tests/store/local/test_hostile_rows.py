"""An index may come from anywhere: whatever its catalog holds, asking it gives an answer or says that it is damaged."""

import base64
import contextlib
import json
import re
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from semsearch.dense.query_adapter import Adapter
from semsearch.errors import IndexDamagedError
from semsearch.settings import CATALOG_FILE
from semsearch.store.local.store import LocalStore
from semsearch.store.protocol import Snapshot
from semsearch.store.records import DocumentProperties, Filters, RunRecord
from tests.support.corpus import DIM, INFO, NOTES, VECTORS, encode, file_record, filled, part, put, word

pytestmark = pytest.mark.slow

TABLES = {
    "roots": ["id", "path", "label"],
    "files": [
        "id", "root_id", "path", "status", "reason", "size", "mtime_ns", "inode", "scanned_ns", "generation", "hash",
        "type", "title", "language", "metadata", "date", "first_chunk", "chunk_count",
    ],
    "chunks": [
        "id", "file_id", "hash", "text", "heading", "page", "line_start", "line_end", "tokens", "line_breaks",
    ],
    "parts": ["id", "file_id", "first_chunk", "chunk_count", "title", "metadata", "date", "language"],
    "segments": ["id", "kind", "name", "first_id", "last_id", "rows", "dead", "dead_count", "files"],
    "runs": ["id", "started", "seconds", "report"],
}  # fmt: skip
COLUMNS = [(table, column) for table, columns in TABLES.items() for column in columns]
EVIL = [None, -1, 0, 2**48 + 1, 2**63 - 1, -(2**63), 1.5, float("inf"), "", "x", "a\0b", b"", b"\xff", b"a\0b", "[]",
        "{}", "[[", "null", "NaN", '{"bm25.pkl": [1, "x"]}', "[" * 900 + "]" * 900]  # fmt: skip


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index without the checksum that would tell."""
    index = tmp_path_factory.mktemp("hostile") / "index"
    store = LocalStore(str(index))
    filled(store, {"a.md": ["red fox", "blue fox"], "b.md": ["green hare"]})
    encode(store, VECTORS[:2])
    with store.write() as writer, writer.transaction() as transaction:
        put(transaction, "c.md", "grey owl", "owl")
        own = DocumentProperties("Letter", {"from": "ada@x.org"}, 1e9, "en")
        transaction.put_file(file_record("d.mbox"), [replace(part("tawny owl"), document=own)])
        transaction.delete_files([1])
        adapter = Adapter(np.eye(DIM, dtype=np.float32)).as_record()
        transaction.update(replace(writer.snapshot().info(), adapter={**adapter, "questions": 3}))
        transaction.record_run(RunRecord(1.0, 2.0, {"files": {}}))
    (index / "catalog.crc").unlink()
    return index


@pytest.fixture(scope="module")
def scratch(original: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy whose catalog is replaced for each example."""
    folder = tmp_path_factory.mktemp("scratch") / "index"
    shutil.copytree(original, folder)
    return folder


def changed(original: Path, scratch: Path, statement: str, *values: object) -> LocalStore:
    """The index `scratch` with the catalog of `original` after `statement`."""
    for name in (CATALOG_FILE + "-wal", CATALOG_FILE + "-shm"):
        (scratch / name).unlink(missing_ok=True)
    shutil.copyfile(original / CATALOG_FILE, scratch / CATALOG_FILE)
    with (
        unconstrained(scratch / CATALOG_FILE),
        closing(sqlite3.connect(scratch / CATALOG_FILE)) as connection,
        connection,
        contextlib.suppress(sqlite3.IntegrityError),  # of the number of a row
    ):
        connection.execute(statement, values)
    return LocalStore(str(scratch))


@contextlib.contextmanager
def unconstrained(catalog: Path) -> Iterator[None]:
    """While it is open, columns take any value, as a file that SQLite did not write may hold."""
    with closing(sqlite3.connect(catalog)) as connection:
        texts = dict(connection.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'table'"))
    free = r" (INTEGER(?! PRIMARY)|TEXT(?! PRIMARY)|REAL|BLOB)( NOT NULL)?|CHECK \([^)]*\)+"
    _set_schema(catalog, {name: re.sub(free, "", text) for name, text in texts.items() if name in TABLES})
    try:
        yield
    finally:
        _set_schema(catalog, {name: texts[name] for name in TABLES})


def _set_schema(catalog: Path, texts: dict[str, str]) -> None:
    with closing(sqlite3.connect(catalog)) as connection, connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.executemany("UPDATE sqlite_schema SET sql = ? WHERE name = ?", [(b, a) for a, b in texts.items()])


QUESTIONS = {
    "info": lambda one: one.info(),
    "counts": lambda one: one.counts(),
    "position": lambda one: one.position(),
    "languages": lambda one: one.languages(),
    "storage": lambda one: one.storage(),
    "last_run": lambda one: one.last_run(),
    "lexical": lambda one: one.passages(one.lexical([word("owl"), word("hare")], 9, None).ids.tolist()),
    "dense": lambda one: one.passages(one.dense(VECTORS[1], 9, None).ids.tolist()),
    "score": lambda one: one.score(np.array([1, 3, 4], np.int64), [word("owl")], np.stack(VECTORS[:1])),
    "paths": lambda one: one.select(Filters(paths=("*.md",))),
    "dates": lambda one: one.lexical([word("owl")], 9, one.select(Filters(since=0.0, before=1e12, after=1))),
    "where": lambda one: one.select(Filters(where=(("title", "*"),), types=("md",))),
    "included": lambda one: one.select(Filters(after=1)).among(np.array([1, 3, 4], np.int64)),
    "adapted": lambda one: one.adapted(VECTORS[0]),
    "stored": lambda one: one.as_stored(np.stack(VECTORS[:1])),
    "keeps": lambda one: one.keeps_model_vectors(),
    "neighbours": lambda one: [one.neighbours(passage.id, 5) for passage in one.pending(9)],
    "passages_of": lambda one: [one.passages_of(file.id) for file in one.files()],
    "file": lambda one: one.file(NOTES.id, b"b.md"),
    "file_ids": lambda one: one.file_ids(np.array([3, 4], np.int64)),
    "stamps": lambda one: [one.stamps(1, 2, 0), one.left_out(1), one.paths(1)],
    "shuffled": lambda one: list(one.shuffled(Random(1))),
    "vectors": lambda one: one.vectors(one.encoded_ids()),
    "pending_tokens": lambda one: one.pending_tokens(),
    "encoded_hashes": lambda one: one.encoded_hashes([b"x" * 16]),
}  # fmt: skip


def assert_answers_or_damage(store: LocalStore) -> None:
    for question in QUESTIONS.values():
        try:
            store.read(question)
        except IndexDamagedError as error:
            assert error.message and error.hint
    store.close()


def test_the_healthy_index_answers_every_question(original: Path, scratch: Path) -> None:
    store = changed(original, scratch, "SELECT 1")
    for name, question in QUESTIONS.items():
        assert store.read(question) is not None, name


@pytest.mark.parametrize(("table", "column"), COLUMNS)
def test_a_column_of_any_values_is_an_answer_or_damage(original: Path, scratch: Path, table: str, column: str) -> None:
    for value in EVIL:
        assert_answers_or_damage(changed(original, scratch, f"UPDATE {table} SET {column} = ?", value))


# Any JSON, and numbers that no index counts to.
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
PLACES = st.lists(st.integers(0, 20), min_size=1, max_size=4)


def mutated(value: Any, places: list[int], new: Any) -> Any:
    """`value` with `new` in the place that `places` lead to, as deep as it goes."""
    if isinstance(value, dict) and value and places:
        key = sorted(value)[places[0] % len(value)]
        return {**value, key: mutated(value[key], places[1:], new)}
    if isinstance(value, list) and value and places:
        position = places[0] % len(value)
        return [*value[:position], mutated(value[position], places[1:], new), *value[position + 1 :]]
    return new


def settings_of(index: Path) -> dict[str, Any]:
    connection = sqlite3.connect(index / CATALOG_FILE)
    found = {key: json.loads(value) for key, value in connection.execute("SELECT key, value FROM settings")}
    connection.close()
    return found


def _vectors_record() -> dict[str, Any]:
    numbers = base64.b64encode(np.ones(DIM * 2, "<f4").tobytes()).decode()
    return {
        "full_dim": DIM, "store": "float16", "codes": "int8", "ann": "auto", "loss": 0.0, "learnt_from": 9,
        "projection": {"dim": 2, "directions": numbers}, "trained": {"codes": {"ranges": numbers}},
    }  # fmt: skip


@settings(max_examples=100)
@given(key=st.integers(0, 20), places=PLACES, new=JSON)
@example(key=0, places=[0], new="[")
def test_a_setting_of_any_value_is_an_answer_or_damage(
    original: Path, scratch: Path, key: int, places: list[int], new: Any
) -> None:
    recorded = {**settings_of(original), "vectors": _vectors_record()}
    name = sorted(recorded)[key % len(recorded)]
    value = json.dumps(mutated(recorded[name], places, new))
    statement = "INSERT INTO settings VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
    assert_answers_or_damage(changed(original, scratch, statement, name, value))


@pytest.mark.parametrize("value", ["", "{", "NaN", "[" * 100_000, b"\xff", None, 7, '{"size": 1e999}', '"\\ud800"'])
@pytest.mark.parametrize("key", [*sorted(set(INFO.__dataclass_fields__) - {"roots"}), "embedded_to", "next_chunk"])
def test_a_setting_that_is_no_json_is_an_answer_or_damage(
    original: Path, scratch: Path, key: str, value: object
) -> None:
    with sqlite3.connect(original / CATALOG_FILE) as connection:
        has = connection.execute("SELECT 1 FROM settings WHERE key = ?", (key,)).fetchone()
    connection.close()
    if has and value is not None:  # the table of settings takes no NULL
        store = changed(original, scratch, "UPDATE settings SET value = ? WHERE key = ?", value, key)
        assert_answers_or_damage(store)


def _write_all(store: LocalStore) -> None:
    def files(snapshot: Snapshot) -> list[int]:
        return [file.id for file in snapshot.files()]

    with store.write() as writer:
        snapshot = writer.snapshot()
        writer.known_vectors([passage.text_hash for passage in snapshot.pending(9)])
        with writer.transaction() as transaction:
            transaction.delete_files(files(snapshot))
        writer.forget_deleted()
        writer.maintain()


@pytest.mark.parametrize("column", TABLES["files"])
def test_deleting_files_with_any_values_is_done_or_damage(original: Path, scratch: Path, column: str) -> None:
    for value in EVIL:
        store = changed(original, scratch, f"UPDATE files SET {column} = ?", value)
        # A writer sees SQLite's own errors.
        with contextlib.suppress(IndexDamagedError, sqlite3.DatabaseError):
            _write_all(store)
