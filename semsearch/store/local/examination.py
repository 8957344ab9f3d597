"""Reads all of an index folder and names what is not as it was written, or does not fit together."""

import contextlib
import json
import os
import sqlite3
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semsearch import settings
from semsearch.errors import IndexDamagedError, SemsearchError, for_shell
from semsearch.sources.document import storable
from semsearch.sources.ignore import compile_globs
from semsearch.store.local import rows
from semsearch.store.local.catalog import MOST_CHUNKS, Catalog
from semsearch.store.local.checksum import check_catalog
from semsearch.store.local.engine_examination import LISTS
from semsearch.store.local.problems import SHOWN, Examination
from semsearch.store.local.reader import OpenSnapshot, moved_on
from semsearch.store.local.segment_examination import examine_segments
from semsearch.store.local.sparse_segments import SPARSE_SEGMENTS, SparseSegments
from semsearch.store.local.token_vector_file import TOKEN_VECTORS_FILE
from semsearch.store.local.token_vectors import examined
from semsearch.store.recorded_info import is_decodable

_TRIES = 8
_ANEW = "make it anew from what can be read of it"


def examine_folder(folder: str) -> Examination:
    """What is wrong with one committed state of the index folder."""
    for attempt in range(_TRIES):
        try:
            snapshot = OpenSnapshot(folder)
        except IndexDamagedError as error:
            findings = Examination(broken=True)
            findings.add(error.message, "")
            return findings
        try:
            findings = examine(folder, snapshot.catalog)
            if not findings.problems or attempt == _TRIES - 1 or not moved_on(snapshot):
                return findings
        finally:
            snapshot.close()
    raise AssertionError("unreachable")


def examine(folder: str, catalog: Catalog, suspect: bool | None = None) -> Examination:
    """What is wrong with the index folder; `suspect`: whether the catalog is known not to be what was written, None:
    its checksum is asked.

    Who has the catalog open for writing must not ask: closing the file would drop SQLite's locks.
    """
    findings = Examination()
    # A changed byte may leave text that is no UTF-8: it is then another text, not an error of the whole table.
    catalog.connection.text_factory = lambda data: data.decode("utf-8", "surrogateescape")
    try:
        said = [str(row[0]) for row in catalog.connection.execute("PRAGMA integrity_check(20)")]
        if said != ["ok"]:
            findings.broken = True
            for text in said[:SHOWN]:
                findings.add(text, _ANEW)
            return findings
        _examine_checksum(findings, folder, suspect)
        _examine_settings(findings, catalog)
        _examine_last_run(findings, catalog)
        alive = _examine_chunks(findings, catalog)
        embedded_to = findings.counters.get("embedded_to", _counter(catalog, "embedded_to", 0))
        examine_segments(findings, folder, catalog, alive, embedded_to)
        if damage := examined(folder):
            findings.token_vectors_damaged = True
            remedy = "remove it; index --token-vectors MODEL makes it anew"
            findings.add(damage, remedy, part=TOKEN_VECTORS_FILE)
        if not catalog.row("SELECT 1 FROM roots"):
            findings.notices.append(
                f"it knows no folder: name them anew with: semsearch index FOLDER --index {for_shell(folder)}"
            )
    except (sqlite3.DatabaseError, IndexDamagedError) as error:
        findings.broken = True
        findings.add(f"{type(error).__name__}: {error}", _ANEW)
    return findings


def _examine_checksum(findings: Examination, folder: str, suspect: bool | None) -> None:
    if suspect is None:
        try:
            check_catalog(folder)
            suspect = False
        except IndexDamagedError:
            suspect = True
    if suspect:
        findings.suspect = True
        findings.add("it is not what was written", "the next index reads every file again")


# -- settings --------------------------------------------------------------------------------------------------------

_ABSENT, _UNREADABLE = object(), object()
# Settings that an index goes on without, by its defaults.
_FORGETTABLE = ("rules", "chunking", "model_name", "model", "dim", "readers", "analysis", "vectors_at", "sparse")


def raw_setting(catalog: Catalog, key: str) -> Any:
    """A setting as it is; `_UNREADABLE` where it is no JSON, `_ABSENT` where there is none."""
    row = catalog.row("SELECT value FROM settings WHERE key = ?", (key,))
    if row is None:
        return _ABSENT
    with contextlib.suppress(ValueError, TypeError, RecursionError):
        return json.loads(row[0])
    return _UNREADABLE


def _examine_settings(findings: Examination, catalog: Catalog) -> None:
    """Whether the numbers that new passages, vectors and files are counted by fit what there is."""
    for key in _FORGETTABLE:
        value = raw_setting(catalog, key)
        if value is not _ABSENT and not (is_decodable(key, value) and _has_good_globs(key, value)):
            findings.forget.append(key)
            again = "forget it: the next index goes by its flags and defaults, and reads every file again"
            findings.add(f"what it records as {key} is damaged", again)

    for key in LISTS:
        if not isinstance(raw_setting(catalog, key), list | None) and raw_setting(catalog, key) is not _ABSENT:
            findings.forget.append(key)
            findings.add(f"what it records as {key} is damaged", "forget it")

    def most(column: str, table: str) -> int:
        query = f"SELECT MAX({column}) FROM {table} AND typeof({column}) = 'integer' AND {column} < {MOST_CHUNKS}"
        return catalog.rows(query)[0][0] or 0

    encoded_to = most("last_id", "segments WHERE kind = 'vec'")
    given = max(most("id", "chunks WHERE id > 0"), most("last_id", "segments WHERE kind IN ('lex', 'vec')"))
    next_chunk = _counter(catalog, "next_chunk", 1)
    if not _between(next_chunk, given + 1, MOST_CHUNKS):
        next_chunk = findings.counters["next_chunk"] = given + 1
        findings.add("it does not know the number of the next passage", "count anew")
    try:
        known = SparseSegments.of(catalog).end < next_chunk
    except IndexDamagedError:
        known = False
    if not known:  # of passages that there never were, too: the next ones would be taken for encoded
        findings.forget.append(SPARSE_SEGMENTS)
        findings.add(f"what it records as {SPARSE_SEGMENTS} is damaged", "the next index makes its sparse vectors anew")
    if not _between(_counter(catalog, "embedded_to", 0), encoded_to, next_chunk - 1):
        findings.counters["embedded_to"] = encoded_to
        findings.add("it does not know up to which passage it has vectors", "count anew")
    generation = most("generation", "files WHERE id > 0")
    if not _between(_counter(catalog, "generation", 1), max(1, generation), MOST_CHUNKS):
        findings.counters["generation"] = max(1, generation) + 1
        findings.add("it does not know by which rules files were read", "the next index reads every file again")


def _examine_last_run(findings: Examination, catalog: Catalog) -> None:
    try:
        rows.last_run(catalog)
    except IndexDamagedError:
        findings.last_run_damaged = True
        findings.add("what it records of its last run is damaged", "forget it")


def _has_good_globs(key: str, value: Any) -> bool:
    """Whether the globs of the walk's rules can be compiled; other settings have none."""
    if key != "rules":
        return True
    try:
        compile_globs([*value.get("include", ()), *value.get("exclude", ())])
    except SemsearchError:
        return False
    return True


def _counter(catalog: Catalog, key: str, default: int) -> Any:
    value = raw_setting(catalog, key)
    return default if value is _ABSENT else value


def _between(value: Any, low: int, high: int) -> bool:
    return type(value) is int and low <= value <= high


# -- files and chunks ------------------------------------------------------------------------------------------------


def _examine_chunks(findings: Examination, catalog: Catalog) -> NDArray[np.int64]:
    """The ids of all chunks that are alive, (n,) rising."""
    ids, malformed = [], set()
    for row in catalog.each(rows.CHUNKS):
        if row["file_id"] is not None:
            ids.append(row["chunk_id"])
            if not rows.is_sound_chunk(row):
                malformed.add(row["file_id"])
    orphaned = _ids(
        catalog,
        "SELECT id FROM files WHERE root_id NOT IN (SELECT id FROM roots WHERE typeof(path) = 'blob' AND"
        " typeof(label) = 'text') OR status NOT IN ('indexed', 'skipped', 'failed') OR typeof(path) != 'blob'"
        f" OR typeof(generation) != 'integer' OR generation > {MOST_CHUNKS}"
        f" OR id IN (SELECT file_id FROM chunks WHERE id > {MOST_CHUNKS})",
    ) | _undecodable(catalog)
    mismatched = _ids(
        catalog,
        "SELECT files.id FROM files LEFT JOIN (SELECT file_id, COUNT(*) AS n, MIN(id) AS low, MAX(id) AS high"
        " FROM chunks WHERE file_id IS NOT NULL GROUP BY file_id) AS own ON own.file_id = files.id"
        " WHERE files.chunk_count != COALESCE(n, 0)"
        " OR (n > 0 AND (low != files.first_chunk OR high != files.first_chunk + n - 1))",
    ) | _ids(
        catalog,
        "SELECT DISTINCT file_id FROM chunks WHERE file_id IS NOT NULL AND file_id NOT IN (SELECT id FROM files)",
    )
    names = {row[0]: row[1] for row in catalog.rows("SELECT id, path FROM files")}
    indexed = catalog.rows("SELECT COUNT(*) FROM files WHERE status = 'indexed'")[0][0]
    unreadable: set[int] = set()
    for files, what in (
        (malformed, "a passage is not what was written"),
        (mismatched, "its passages do not fit it"),
        (orphaned, "it is in no folder of the index, or its row is damaged"),
        (_misdivided(catalog), "the documents in it do not fit it, or are damaged"),
    ):
        for number in sorted(files - unreadable, key=str):
            name = names.get(number)
            shown = os.fsdecode(name) if isinstance(name, bytes) else "?"
            findings.add(what, "the next index reads it again", f"{settings.CATALOG_FILE}: {shown}")
        unreadable |= files
    findings.unreadable_files = sorted(unreadable, key=str)
    findings.files, findings.chunks = indexed, len(ids)
    return np.array(ids, np.int64)


def _ids(catalog: Catalog, query: str) -> set[int]:
    return {row[0] for row in catalog.rows(query)}


def _undecodable(catalog: Catalog) -> set[int]:
    """The ids of files whose rows no writer can have put there."""
    undecodable, roots = set(), _ids(catalog, "SELECT id FROM roots")
    for row in catalog.each(rows.FILES):
        try:
            rows.file_record(catalog.folder, row, 0, roots)
            sound = _is_utf8(row)
        except IndexDamagedError:
            sound = False
        if not sound:
            undecodable.add(row["id"])
    return undecodable


def _misdivided(catalog: Catalog) -> set[int]:
    """The ids of files whose documents cannot be decoded, or do not divide all of their passages among them."""
    misdivided = set()
    for number, own in groupby(catalog.each(rows.PARTS), key=lambda row: row["file_id"]):
        parts = list(own)
        if all(rows.is_sound_part(row) and _is_utf8(row) for row in parts):
            begins, ends = zip(*map(rows.span, parts), strict=True)
            # Each begins where the one before ends, the first and the last where their file does.
            if (parts[0]["file_first"], *ends) == (*begins, parts[0]["file_end"]):
                continue
        misdivided.add(number)
    return misdivided


def _is_utf8(row: sqlite3.Row) -> bool:
    """Whether all texts of `row` are UTF-8, as who searches must read them; other bytes were escaped (`examine`)."""
    return all(storable(value) is value for value in row if type(value) is str)
