"""`verify`: whether an index is what was written and fits together, and its repair from what is left of it.

What can be made again is: postings from the passages in the catalog, vectors by encoding the passages that lost theirs.
Passages that are damaged themselves are taken out, and their files read again by the next `index`.
"""

import contextlib
import json
import os
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semsearch import settings
from semsearch.chunking.splitter import encoded, hash_of
from semsearch.dense.form import VectorForm
from semsearch.embedding.embedder import Embedder
from semsearch.embedding.model_info import ModelInfo
from semsearch.errors import IndexDamagedError, SemsearchError
from semsearch.lexical import analyzer, postings
from semsearch.report import IndexReport
from semsearch.sources.ignore import compile_globs
from semsearch.sources.walk import WalkRules
from semsearch.storage.catalog import NONSENSE, Catalog
from semsearch.storage.checksum import check_catalog
from semsearch.storage.segments import (
    SEGMENTS_FOLDER,
    DenseSegment,
    check_content,
    open_lexical,
    stored_vectors,
)
from semsearch.storage.snapshot import Snapshot, alive_rows, moved_on
from semsearch.storage.writer import IndexWriter

_TRIES = 8
_LEXICAL_BATCH = 65_536
# The loss of quantized vectors is named when it has grown by this much, of the ten nearest.
_DRIFT = 0.02
_SHOWN = 5
_ANEW = "make it anew from what can be read of it"
# More than any index has: what is above it was not counted.
_MOST_CHUNKS = 2**48

Announce = Callable[[str], None]


@dataclass(frozen=True)
class Problem:
    """Something that is not as it was written. `repair`: what `--repair` does about it; "": nothing can be done."""

    part: str
    what: str
    repair: str

    def as_dict(self) -> dict[str, str]:
        return {"part": self.part, "problem": self.what, "repair": self.repair}


@dataclass(frozen=True)
class VerifyReport:
    """`problems` are there now, `repaired` were there before `--repair`."""

    index: str
    files: int
    chunks: int
    segments: int
    problems: tuple[Problem, ...]
    repaired: tuple[Problem, ...]
    notices: tuple[str, ...]
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        return {
            "schema": "semsearch.verify/1",
            "index": self.index,
            "good": not self.problems,
            "files": self.files,
            "chunks": self.chunks,
            "segments": self.segments,
            "problems": [problem.as_dict() for problem in self.problems],
            "repaired": [problem.as_dict() for problem in self.repaired],
            "notices": list(self.notices),
            "seconds": round(self.seconds, 3),
        }


def verify(index: str | None, repair: bool, wait: bool, announce: Announce) -> VerifyReport:
    """Reads all of the index and, with `repair`, mends it. Raises `SemsearchError` where it cannot be looked at."""
    clock = time.perf_counter()
    path = settings.index_for_reading(index)
    found = _examined(path)
    repaired: list[Problem] = []
    if repair and found.problems:
        with IndexWriter(path, wait, trust=True) as writer:
            found = _examine(path, writer.catalog, writer.untrue)
            repaired = list(found.problems)
            _repair(writer, found, announce)
        found = _examined(path)
    if not found.problems:
        found.notices += _drift(path, found, announce)
    left = {(problem.part, problem.what) for problem in found.problems}
    return VerifyReport(
        path, found.files, found.chunks, found.segments, tuple(found.problems),
        tuple(problem for problem in repaired if (problem.part, problem.what) not in left), tuple(found.notices),
        time.perf_counter() - clock,
    )  # fmt: skip


@dataclass
class _Found:
    """What there is and what of it is not as it should be.

    `broken`: SQLite itself finds the catalog damaged. `untrue`: the catalog is not what was written, and nobody knows
    where. `damaged`: rows of segments that are to go. `coded_anew`: those of them whose stored vectors are good.
    `missing`: kind -> chunk ids no segment has; `extra`: kind -> chunk ids that are deleted. `rotten`: ids of files
    whose passages are damaged. `forgotten`: nobody knows how the vectors are kept. `settings`: what numbers that
    cannot be are to be instead; `forget`: other settings that cannot be.
    """

    files: int = 0
    chunks: int = 0
    segments: int = 0
    problems: list[Problem] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    broken: bool = False
    untrue: bool = False
    damaged: list[sqlite3.Row] = field(default_factory=list)
    coded_anew: list[sqlite3.Row] = field(default_factory=list)
    missing: dict[str, NDArray[np.int64]] = field(default_factory=dict)
    extra: dict[str, NDArray[np.int64]] = field(default_factory=dict)
    rotten: list[int] = field(default_factory=list)
    forgotten: bool = False
    settings: dict[str, int] = field(default_factory=dict)
    forget: list[str] = field(default_factory=list)


def _examined(path: str) -> _Found:
    """What is found in one committed state."""
    for attempt in range(_TRIES):
        try:
            snapshot = Snapshot(path)
        except IndexDamagedError as error:
            found = _Found(broken=True)
            found.problems.append(Problem(settings.CATALOG_FILE, error.message, ""))
            return found
        try:
            found = _examine(path, snapshot.catalog)
            if not found.problems or attempt == _TRIES - 1 or not moved_on(snapshot):
                return found
        finally:
            snapshot.close()
    raise AssertionError("unreachable")


def _examine(path: str, catalog: Catalog, untrue: bool | None = None) -> _Found:
    """What is found; `untrue`: whether the catalog is what was written, None: its checksum is asked.

    Who has the catalog open for writing must not ask: closing the file would drop SQLite's locks.
    """
    found = _Found()
    # A changed byte may leave text that is no UTF-8: it is then another text, not an error of the whole table.
    catalog.connection.text_factory = lambda data: data.decode("utf-8", "surrogateescape")
    try:
        said = [str(row[0]) for row in catalog.connection.execute("PRAGMA integrity_check(20)")]
        if said != ["ok"]:
            found.broken = True
            for text in said[:_SHOWN]:
                found.problems.append(Problem(settings.CATALOG_FILE, text, _ANEW))
            return found
        _examine_checksum(found, path, untrue)
        _examine_settings(found, catalog)
        alive = _examine_chunks(found, catalog)
        _examine_segments(found, path, catalog, alive)
        if not catalog.roots():
            found.notices.append(f"it knows no folder: name them anew with: semsearch index FOLDER --index {path}")
    except (sqlite3.DatabaseError, *NONSENSE) as error:
        found.broken = True
        found.problems.append(
            Problem(
                settings.CATALOG_FILE, f"{type(error).__name__}: {error}", "make it anew from what can be read of it"
            )
        )
    return found


def _examine_checksum(found: _Found, path: str, untrue: bool | None) -> None:
    if untrue is None:
        try:
            check_catalog(path)
            untrue = False
        except IndexDamagedError:
            untrue = True
    if untrue:
        found.untrue = True
        found.problems.append(
            Problem(settings.CATALOG_FILE, "it is not what was written", "the next index reads every file again")
        )


def _setting(catalog: Catalog, key: str, default: Any = None) -> Any:
    """A setting; one that cannot be read is a `_Nonsense`."""
    try:
        return catalog.setting(key, default)
    except (sqlite3.DatabaseError, *NONSENSE):
        return _NONSENSE


_NONSENSE, _ABSENT = object(), object()


def _is_rules(value: Any) -> bool:
    try:
        rules = WalkRules(**value)
        compile_globs([*rules.include, *rules.exclude])
    except (SemsearchError, *NONSENSE):
        return False
    return isinstance(rules.max_file_size, int) and all(
        isinstance(getattr(rules, name), bool) for name in ("hidden", "no_ignore", "follow")
    )


def _is_chunking(value: Any) -> bool:
    if not isinstance(value, dict) or set(value) != {"size", "overlap", "tokenizer", "analysis"}:
        return False
    numbers = all(value[key] is None or isinstance(value[key], int) for key in ("size", "overlap", "analysis"))
    return numbers and (value["tokenizer"] is None or isinstance(value["tokenizer"], str))


def _is_model(value: Any) -> bool:
    if value is None:
        return True
    try:
        ModelInfo.from_dict(value)
    except NONSENSE:
        return False
    return all(isinstance(value[key], str) for key in ("name", "fingerprint", "runtime"))


# Settings that an index goes on without, by its defaults: key -> whether a value can be one.
_SETTINGS: dict[str, Callable[[Any], bool]] = {
    "rules": _is_rules,
    "chunking": _is_chunking,
    "model_name": lambda value: isinstance(value, str),
    "model": _is_model,
    "dim": lambda value: value is None or isinstance(value, int),
    "readers": lambda value: isinstance(value, int),
    "analysis": lambda value: isinstance(value, int),
}


def _examine_settings(found: _Found, catalog: Catalog) -> None:
    """Whether the numbers that new passages, vectors and files are counted by fit what there is."""

    for key, can_be in _SETTINGS.items():
        value = _setting(catalog, key, _ABSENT)
        if value is not _ABSENT and not can_be(value):
            found.forget.append(key)
            what = f"what it records as {key} is damaged"
            again = "forget it: the next index goes by its flags and defaults, and reads every file again"
            found.problems.append(Problem(settings.CATALOG_FILE, what, again))

    def most(column: str, table: str) -> int:
        query = f"SELECT MAX({column}) FROM {table} AND typeof({column}) = 'integer' AND {column} < {_MOST_CHUNKS}"
        value = catalog.connection.execute(query).fetchone()[0]
        return value or 0

    encoded_to = most("last_id", "segments WHERE kind = 'vec'")
    given = max(most("id", "chunks WHERE id > 0"), most("last_id", "segments WHERE kind IN ('lex', 'vec')"))
    next_chunk = _setting(catalog, "next_chunk", 1)
    if not _between(next_chunk, given + 1, _MOST_CHUNKS):
        next_chunk = found.settings["next_chunk"] = given + 1
        found.problems.append(
            Problem(settings.CATALOG_FILE, "it does not know the number of the next passage", "count anew")
        )
    if not _between(_setting(catalog, "embedded_to", 0), encoded_to, next_chunk - 1):
        found.settings["embedded_to"] = encoded_to
        what = "it does not know up to which passage it has vectors"
        found.problems.append(Problem(settings.CATALOG_FILE, what, "count anew"))
    generation = most("generation", "files WHERE id > 0")
    if not _between(_setting(catalog, "generation", 1), max(1, generation), _MOST_CHUNKS):
        found.settings["generation"] = max(1, generation) + 1
        what = "it does not know by which rules files were read"
        found.problems.append(Problem(settings.CATALOG_FILE, what, "the next index reads every file again"))


def _between(value: Any, low: int, high: int) -> bool:
    return isinstance(value, int) and low <= value <= high


def _examine_chunks(found: _Found, catalog: Catalog) -> NDArray[np.int64]:
    """The ids of all chunks that are alive, rising."""
    ids, rotten = [], set()
    for row in catalog.connection.execute("SELECT id, file_id, hash, heading, text FROM chunks ORDER BY id"):
        if row["file_id"] is not None:
            ids.append(row["id"])
            try:
                good = hash_of(tuple(json.loads(row["heading"])), row["text"]) == row["hash"]
            except NONSENSE:
                good = False
            if not good:
                rotten.add(row["file_id"])
    homeless = {
        row[0]
        for row in catalog.connection.execute(
            "SELECT id FROM files WHERE root_id NOT IN (SELECT id FROM roots WHERE typeof(path) = 'blob' AND"
            " typeof(label) = 'text') OR status NOT IN ('indexed', 'skipped', 'failed') OR typeof(path) != 'blob'"
            f" OR typeof(generation) != 'integer' OR generation > {_MOST_CHUNKS}"
            f" OR id IN (SELECT file_id FROM chunks WHERE id > {_MOST_CHUNKS})"
        )
    }
    astray = {
        row[0]
        for row in catalog.connection.execute(
            "SELECT files.id FROM files LEFT JOIN (SELECT file_id, COUNT(*) AS n, MIN(id) AS low, MAX(id) AS high"
            " FROM chunks WHERE file_id IS NOT NULL GROUP BY file_id) AS own ON own.file_id = files.id"
            " WHERE files.chunk_count != COALESCE(n, 0)"
            " OR (n > 0 AND (low != files.first_chunk OR high != files.first_chunk + n - 1))"
        )
    } | {
        row[0]
        for row in catalog.connection.execute(
            "SELECT DISTINCT file_id FROM chunks WHERE file_id IS NOT NULL AND file_id NOT IN (SELECT id FROM files)"
        )
    }
    names = dict(catalog.connection.execute("SELECT id, path FROM files"))
    for files, what in (
        (rotten, "a passage is not what was written"),
        (astray - rotten, "its passages do not fit it"),
        (homeless - rotten - astray, "it is in no folder of the index, or its row is damaged"),
    ):
        for number in sorted(files):
            name = names.get(number)
            shown = os.fsdecode(name) if isinstance(name, bytes) else "?"
            found.problems.append(Problem(f"{settings.CATALOG_FILE}: {shown}", what, "the next index reads it again"))
    found.rotten = sorted(rotten | astray | homeless)
    found.files, found.chunks = len(names), len(ids)
    return np.array(ids, np.int64)


def _examine_segments(found: _Found, path: str, catalog: Catalog, alive: NDArray[np.int64]) -> None:
    form = _form(found, catalog)
    embedded_to = found.settings.get("embedded_to", _setting(catalog, "embedded_to", 0))
    wanted_vectors = alive[alive <= embedded_to]
    named = set()
    for kind, wanted in (("lex", alive), ("vec", wanted_vectors)):
        held: list[NDArray[np.int64]] = []
        before = len(found.damaged)
        for row in catalog.segments(kind):
            named.add(row["name"])
            found.segments += 1
            if kind == "vec" and form is None:
                continue
            try:
                held.append(_alive_ids(path, kind, row, form))
                _check_new(held)
            except (IndexDamagedError, OSError, *NONSENSE) as error:
                held = held[:-1] if isinstance(error, _InTwoSegmentsError) else held
                _add_damaged(found, path, kind, row, form, error)
        covered = np.sort(np.concatenate(held)) if held else np.empty(0, np.int64)
        found.missing[kind] = np.setdiff1d(wanted, covered)
        found.extra[kind] = np.setdiff1d(covered, alive)
        if kind == "vec" and form is None:
            continue
        what = "words" if kind == "lex" else "vectors"
        again = "index their words again" if kind == "lex" else "encode them again"
        if len(found.missing[kind]) and len(found.damaged) == before:
            text = f"{len(found.missing[kind]):,} passages have no {what}"
            found.problems.append(Problem(SEGMENTS_FOLDER, text, again))
        if len(found.extra[kind]):
            text = f"{len(found.extra[kind]):,} passages that are gone have {what}"
            found.problems.append(Problem(SEGMENTS_FOLDER, text, "take them out"))
    folder = os.path.join(path, SEGMENTS_FOLDER)
    left_over = sorted(set(os.listdir(folder)) - named) if os.path.isdir(folder) else []
    if left_over:
        shown = ", ".join(left_over[:_SHOWN]) + ("" if len(left_over) <= _SHOWN else ", ...")
        found.notices.append(f"no part of the index: {SEGMENTS_FOLDER}/{shown} (the next index removes what it left)")


class _InTwoSegmentsError(IndexDamagedError):
    """A segment is whole, and holds passages that another one holds, too."""


def _check_new(held: list[NDArray[np.int64]]) -> None:
    if any(len(np.intersect1d(other, held[-1], assume_unique=True)) for other in held[:-1]):
        raise _InTwoSegmentsError("passages are in two segments")


def _form(found: _Found, catalog: Catalog) -> VectorForm | None:
    """How vectors are kept; None: there are none, or nobody knows."""
    record = _setting(catalog, "model")
    if not record and not catalog.segments("vec"):
        return None
    try:
        form = VectorForm.from_record(_setting(catalog, "vectors"), ModelInfo.from_dict(record).dim)
        form.check()
    except (IndexDamagedError, *NONSENSE) as error:
        found.forgotten = True
        what = str(error) if record else "nobody knows the model of its vectors"
        found.problems.append(Problem(settings.CATALOG_FILE, what, "drop all vectors; index encodes anew"))
        return None
    return form


def _alive_ids(path: str, kind: str, row: sqlite3.Row, form: VectorForm | None) -> NDArray[np.int64]:
    """The ids a segment holds and the bitmap leaves alive. Raises `IndexDamagedError`."""
    if not _counted(row):
        raise IndexDamagedError("its row in the catalog is damaged")
    files = json.loads(row["files"])
    check_content(path, row["name"], files)
    if kind == "lex":
        ids = open_lexical(path, row["name"], row["rows"], files).ids
    else:
        assert form is not None
        ids = DenseSegment(path, row["name"], row["rows"], form, files).ids
    keep = alive_rows(row)
    dead = 0 if keep is None else int((~keep).sum())
    if dead != row["dead_count"] or (np.diff(ids) <= 0).any():
        raise IndexDamagedError("the rows of the segment and their deletions do not fit")
    if len(ids) and (ids[0], ids[-1]) != (row["first_id"], row["last_id"]):
        raise IndexDamagedError("the segment holds other passages than the catalog says")
    return ids if keep is None else ids[keep]


def _counted(row: sqlite3.Row) -> bool:
    return all(_between(row[key], 0, _MOST_CHUNKS) for key in ("first_id", "last_id", "rows", "dead_count"))


def _add_damaged(
    found: _Found, path: str, kind: str, row: sqlite3.Row, form: VectorForm | None, error: Exception
) -> None:
    found.damaged.append(row)
    repair = "index its words again"
    if kind == "vec":
        assert form is not None
        try:
            if isinstance(error, _InTwoSegmentsError) or not _counted(row):
                raise error  # its vectors stand in the other segment, too; or nobody knows which they are
            stored_vectors(path, row["name"], row["rows"], form, json.loads(row["files"]))
            found.coded_anew.append(row)
            repair = "make its codes anew"
        except (IndexDamagedError, OSError, *NONSENSE):
            repair = (
                f"encode its {row['rows'] - row['dead_count']:,} passages again" if _counted(row) else "encode anew"
            )
    what = error.message if isinstance(error, SemsearchError) else f"{type(error).__name__}: {error}"
    found.problems.append(Problem(f"{SEGMENTS_FOLDER}/{row['name']}", what.split(" is damaged: ")[-1], repair))


# -- repair ----------------------------------------------------------------------------------------------------------


def _repair(writer: IndexWriter, found: _Found, announce: Announce) -> None:
    """Mends what `found` in the state of `writer`. Each commit leaves an index that answers."""
    catalog = writer.catalog
    if found.broken:
        with contextlib.suppress(sqlite3.DatabaseError):  # often only the indexes of tables are damaged
            catalog.connection.execute("REINDEX")
        found = _examine(writer.index, catalog, writer.untrue)
        if found.broken:
            announce("the catalog cannot be read whole: making it anew from what can be read")
            writer.distrust()
            writer.salvage_catalog()
            catalog = writer.catalog
            found = _examine(writer.index, catalog, True)
            if found.broken:
                return
    # What is damaged is still there when no model can be opened that makes it anew.
    lost = found.missing.get("vec", np.empty(0, np.int64))
    for row in found.coded_anew:
        lost = lost[(lost < row["first_id"]) | (lost > row["last_id"])]
    embedder = _recorded_embedder(catalog, announce) if len(lost) and not found.forgotten else None
    # From here on passages may lack words or vectors: until all is there again, whatever becomes of this process, the
    # index counts as damaged.
    reread = found.untrue or bool(found.forget)
    writer.distrust()
    with writer.commit() as connection:
        connection.executemany("DELETE FROM settings WHERE key = ?", [(key,) for key in found.forget])
        if "model_name" in found.forget and "model" not in found.forget and (model := catalog.setting("model")):
            catalog.set_setting("model_name", model["name"])
        if found.forgotten:
            writer.drop_segments("vec")
            catalog.set_setting("embedded_to", 0)
            catalog.set_setting("model", None)
        _code_anew(writer, found)
        connection.executemany("DELETE FROM segments WHERE id = ?", [(row["id"],) for row in found.damaged])
        for kind, ids in found.extra.items():
            writer.mark_rows_dead(kind, [(int(number), int(number) + 1) for number in ids])
        for number in found.rotten:
            _take_out(writer, number)
        connection.execute("DELETE FROM roots WHERE typeof(path) != 'blob' OR typeof(label) != 'text'")
    # Counted anew only now, without the numbers of what was damaged.
    found = _examine(writer.index, catalog, False)
    with writer.commit():
        for key, value in found.settings.items():
            catalog.set_setting(key, value)
        if reread and "generation" not in found.settings:
            catalog.set_setting("generation", catalog.setting("generation", 1) + 1)
    _index_words(writer, found.missing.get("lex", np.empty(0, np.int64)))
    lost = found.missing.get("vec", np.empty(0, np.int64))
    if len(lost):
        from semsearch.indexing.encode import encode_lost
        from semsearch.indexing.options import Progress

        announce(f"encoding {len(lost):,} passages again")
        embedder = embedder or _recorded_embedder(catalog, announce)
        encode_lost(writer, embedder, lost, IndexReport(writer.index), Progress(announce=announce))
    writer.mended()
    writer.merge()
    writer.remove_unreferenced()


def _recorded_embedder(catalog: Catalog, announce: Announce) -> Embedder:
    from semsearch.embedding.open import open_recorded

    return open_recorded(ModelInfo.from_dict(catalog.setting("model")), announce)


def _code_anew(writer: IndexWriter, found: _Found) -> None:
    """Inside a commit: writes the segments whose codes alone are damaged anew from their vectors."""
    model = writer.catalog.setting("model")
    for row in found.coded_anew:
        form = writer.form(model["dim"])
        ids, vectors = stored_vectors(writer.index, row["name"], row["rows"], form, json.loads(row["files"]))
        alive = writer.catalog.connection.execute(
            "SELECT id FROM chunks WHERE file_id IS NOT NULL AND id BETWEEN ? AND ?", (int(ids[0]), int(ids[-1]))
        )
        # Not by the bitmap, which may be what is damaged.
        chosen = np.flatnonzero(np.isin(ids, [row[0] for row in alive]))
        if len(chosen):
            name, files = writer.write_dense(ids[chosen], vectors[chosen], model["dim"])
            writer.add_segment("vec", name, ids[chosen], files)


def _take_out(writer: IndexWriter, number: int) -> None:
    """Inside a commit: deletes a file whose passages are damaged; the next `index` finds it new."""
    connection = writer.catalog.connection
    chunks = [row[0] for row in connection.execute("SELECT id FROM chunks WHERE file_id = ?", (number,))]
    writer.mark_dead([(chunk, 1) for chunk in chunks])
    # Not kept for their vectors: their texts are not what was encoded.
    connection.executemany("DELETE FROM chunks WHERE id = ?", [(chunk,) for chunk in chunks])
    connection.execute("DELETE FROM files WHERE id = ?", (number,))


def _index_words(writer: IndexWriter, missing: NDArray[np.int64]) -> None:
    for start in range(0, len(missing), _LEXICAL_BATCH):
        rows = writer.catalog.connection.execute(
            "SELECT chunks.id, chunks.text, chunks.heading, files.language FROM chunks JOIN files"
            " ON files.id = chunks.file_id WHERE chunks.id IN (SELECT value FROM json_each(?)) ORDER BY chunks.id",
            (json.dumps(missing[start : start + _LEXICAL_BATCH].tolist()),),
        ).fetchall()
        terms = [
            analyzer.analyze(encoded(tuple(json.loads(row["heading"])), row["text"]), row["language"]) for row in rows
        ]
        if rows:
            languages = tuple(sorted({row["language"] for row in rows}))
            built = postings.build([row["id"] for row in rows], terms, languages)
            name, files = writer.write_lexical(built)
            with writer.commit():
                writer.add_segment("lex", name, built.ids, files)


# -- drift -----------------------------------------------------------------------------------------------------------


def _drift(path: str, found: _Found, announce: Announce) -> list[str]:
    """Measures whether quantized vectors lose more by now than when they were chosen."""
    from semsearch.quantization import present_loss

    try:
        measured = present_loss(path, announce)
    except SemsearchError as error:
        return [f"the loss of the vectors was not measured: {error.message}"]
    if measured is None:
        return []
    recorded, now = measured
    if now > recorded + _DRIFT:
        what = f"{now:.2%} of the ten nearest are lost by now, {recorded:.2%} when the vectors were quantized"
        found.problems.append(Problem("vectors", what, ""))
        return [f"make them anew with: semsearch quantize --index {path}"]
    return [f"vectors lose {now:.2%} of the ten nearest, {recorded:.2%} when they were quantized"]
