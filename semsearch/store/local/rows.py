"""The one place where what a catalog holds becomes typed records. An index may come from anywhere: every value is
checked, and one that no writer can have put there is damage of the index, never an error of the code that reads it.
"""

import json
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from semsearch import settings
from semsearch.chunking.splitter import hash_of
from semsearch.embedding.model_info import ModelInfo
from semsearch.errors import IndexDamagedError, SemsearchError
from semsearch.sources.ignore import compile_globs
from semsearch.sources.walk import WalkRules
from semsearch.store.local.catalog import Catalog
from semsearch.store.local.damage import catalog_damaged
from semsearch.store.records import Chunking, FileRecord, IndexInfo, Passage, Root, RunRecord

# What decoding a value of the wrong type or range raises.
_MALFORMED = (TypeError, KeyError, ValueError, AttributeError, IndexError, OverflowError)
_STATUSES = ("indexed", "skipped", "failed")
# More than any index has.
MOST_CHUNKS = 2**48
Record = TypeVar("Record")

_FILE_COLUMNS = (
    "root_id, path, status, reason, size, mtime_ns, inode, scanned_ns, generation, hash, type, title, language,"
    " metadata, date, id, first_chunk, chunk_count"
)
FILES = f"SELECT {_FILE_COLUMNS} FROM files"
PASSAGES = (
    "SELECT " + ", ".join(f"files.{name.strip()}" for name in _FILE_COLUMNS.split(",")) + ", chunks.id AS chunk_id,"
    " chunks.text, chunks.heading, chunks.page, chunks.line_start, chunks.line_end, chunks.tokens,"
    " chunks.hash AS text_hash FROM chunks JOIN files ON files.id = chunks.file_id"
)


@dataclass(frozen=True)
class Segment:
    """A segment as the catalog records it.

    Its rows are chunks `first_id` to `last_id`, not all of them; `dead`: bitmap of deleted rows, None: all are alive;
    `files`: name -> (size in bytes, checksum).
    """

    id: int
    kind: str
    name: str
    first_id: int
    last_id: int
    rows: int
    dead: bytes | None
    dead_count: int
    files: Mapping[str, tuple[int, str]]

    @property
    def alive_count(self) -> int:
        return self.rows - self.dead_count

    def alive(self) -> NDArray[np.bool_] | None:
        """(rows,) bool, the rows that are not deleted; None: all. Raises `IndexDamagedError`."""
        if self.dead is None:
            return None
        bits = np.frombuffer(self.dead, np.uint8)
        if len(bits) != (self.rows + 7) // 8:
            raise IndexDamagedError(f"the deletions of segment {self.name} do not fit its rows")
        alive: NDArray[np.bool_] = np.unpackbits(bits, count=self.rows, bitorder="little") == 0
        return alive


def decoded(folder: str, make: Callable[[], Record], what: str) -> Record:
    """`make()`, which decodes what the catalog of the index `folder` holds; what it cannot decode is damage."""
    try:
        return make()
    except _MALFORMED as error:
        raise catalog_damaged(folder, f"{what}: {type(error).__name__}: {error}") from None


# -- values ----------------------------------------------------------------------------------------------------------


def of_type(value: Any, kind: type[Record]) -> Record:
    """`value`, which must be of exactly this type: `bool` is no `int` here. Raises `TypeError`."""
    if type(value) is not kind:
        raise TypeError(f"{value!r} is no {kind.__name__}")
    return value


def _whole(value: Any) -> int:
    return of_type(value, int)


def _whole_or_none(value: Any) -> int | None:
    return None if value is None else of_type(value, int)


def _text(value: Any) -> str:
    return of_type(value, str)


def _bytes(value: Any) -> bytes:
    return of_type(value, bytes)


def _mapping(value: Any) -> dict[str, Any]:
    return of_type(value, dict)


# -- rows ------------------------------------------------------------------------------------------------------------


def file_record(folder: str, row: sqlite3.Row, embedded_to: int) -> FileRecord:
    """A row of `FILES` or `PASSAGES`; `embedded_to`: the last chunk that has a vector."""
    return decoded(folder, lambda: _file(row, embedded_to), "a file's row")


def _file(row: sqlite3.Row, embedded_to: int) -> FileRecord:
    status = _text(row["status"])
    if status not in _STATUSES:
        raise ValueError(f"no such status: {status}")
    count = _whole(row["chunk_count"])
    last = _whole(row["first_chunk"]) + count - 1
    digest, date = row["hash"], row["date"]
    return FileRecord(
        root_id=_whole(row["root_id"]),
        path=_bytes(row["path"]),
        status=status,
        size=_whole(row["size"]),
        mtime_ns=_whole(row["mtime_ns"]),
        inode=_whole(row["inode"]),
        scanned_ns=_whole(row["scanned_ns"]),
        generation=_whole(row["generation"]),
        reason=_text(row["reason"]),
        content_hash=b"" if digest is None else _bytes(digest),
        type=_text(row["type"]),
        title=_text(row["title"]),
        language=_text(row["language"]),
        metadata=_mapping(json.loads(row["metadata"])),
        date=None if date is None else float(date),
        id=_whole(row["id"]),
        chunk_count=count,
        pending=min(count, max(0, last - embedded_to)),
    )


def passage(folder: str, row: sqlite3.Row, embedded_to: int) -> Passage:
    """A row of `PASSAGES`; raises `IndexDamagedError` also where the text is not the one that was indexed."""

    def make() -> Passage:
        heading = tuple(_text(name) for name in json.loads(row["heading"]))
        return Passage(
            id=_whole(row["chunk_id"]),
            file=_file(row, embedded_to),
            text=_text(row["text"]),
            heading=heading,
            page=_whole_or_none(row["page"]),
            line_start=_whole_or_none(row["line_start"]),
            line_end=_whole_or_none(row["line_end"]),
            tokens=_whole(row["tokens"]),
            text_hash=_bytes(row["text_hash"]),
        )

    found = decoded(folder, make, "a passage's row")
    if hash_of(found.heading, found.text) != found.text_hash:
        raise chunk_damaged(folder, found.id)
    return found


def chunk_damaged(folder: str, chunk_id: int) -> IndexDamagedError:
    """The error for a chunk that is missing, or is not what was indexed."""
    return IndexDamagedError(
        f"{folder}/{settings.CATALOG_FILE}: chunk {chunk_id} is not what was written",
        "repair it with: semsearch verify --repair",
    )


def segments(catalog: Catalog, kind: str) -> list[Segment]:
    """The segments of `kind` ('lex' or 'vec') in id order."""
    rows = catalog.rows("SELECT * FROM segments WHERE kind = ? ORDER BY first_id", (kind,))
    return decoded(catalog.folder, lambda: [segment(row) for row in rows], "a segment's row")


def segment(row: sqlite3.Row) -> Segment:
    """A row of the table `segments`. Raises `ValueError` or `TypeError` for one that no writer put there."""
    numbers = [_whole(row[name]) for name in ("id", "first_id", "last_id", "rows", "dead_count")]
    if not all(0 <= number <= MOST_CHUNKS for number in numbers):
        raise ValueError("its numbers are out of range")
    files = _mapping(json.loads(row["files"]))
    dead = row["dead"]
    return Segment(
        id=numbers[0],
        kind=_text(row["kind"]),
        name=_text(row["name"]),
        first_id=numbers[1],
        last_id=numbers[2],
        rows=numbers[3],
        dead=None if dead is None else _bytes(dead),
        dead_count=numbers[4],
        files={name: (_whole(size), _text(digest)) for name, (size, digest) in files.items()},
    )


def last_run(catalog: Catalog) -> RunRecord | None:
    """The newest row of the table `runs`."""
    row = catalog.row("SELECT started, seconds, report FROM runs ORDER BY id DESC LIMIT 1")
    if row is None:
        return None
    return decoded(
        catalog.folder,
        lambda: RunRecord(float(row["started"]), float(row["seconds"]), _mapping(json.loads(row["report"]))),
        "the last run",
    )


# -- settings --------------------------------------------------------------------------------------------------------


def index_info(catalog: Catalog) -> IndexInfo:
    """What the table `settings` records, with the roots. Raises `IndexDamagedError` for a value that cannot be."""
    values = catalog.settings()
    info: dict[str, Any] = {}
    for name, decode in SETTINGS.items():
        if name in values:
            info[name] = decoded(catalog.folder, partial(decode, values[name]), f"the setting {name}")
    roots = tuple(Root(*root) for root in catalog.roots())
    return IndexInfo(roots=roots, **info)


def recorded_model(catalog: Catalog) -> ModelInfo | None:
    """The model that made the vectors, without looking at other settings. Raises `IndexDamagedError`."""
    value = catalog.setting("model")
    return decoded(catalog.folder, lambda: _model(value), "the setting model")


def _rules(value: Any) -> WalkRules:
    rules = WalkRules.from_record(_mapping(value))
    try:
        compile_globs([*rules.include, *rules.exclude])
    except SemsearchError as error:
        raise ValueError(error.message) from None
    return rules


def _chunking(value: Any) -> Chunking:
    if set(value) != {"size", "overlap", "tokenizer", "analysis"}:
        raise ValueError("it holds other things")
    return Chunking(
        _whole_or_none(value["size"]),
        _whole_or_none(value["overlap"]),
        None if value["tokenizer"] is None else _text(value["tokenizer"]),
        _whole(value["analysis"]),
    )


def _model(value: Any) -> ModelInfo | None:
    if not value:
        if value is None:
            return None
        raise TypeError("it is no record")
    info = ModelInfo.from_dict(value)
    for name in ("name", "fingerprint", "runtime", "pooling", "query_prefix", "passage_prefix"):
        _text(getattr(info, name))
    _whole(info.window)
    return info


def _adapter(value: Any) -> Mapping[str, Any] | None:
    # What is no adapter is refused by the search that needs one (`Adapter.from_record`): `tune --drop` must be able to
    # read the rest.
    return value if value is None or isinstance(value, dict) else {}


# Setting -> what decodes it, or raises one of `_MALFORMED`.
SETTINGS: dict[str, Callable[[Any], Any]] = {
    "generation": _whole,
    "model_name": _text,
    "dim": _whole_or_none,
    "model": _model,
    "chunking": _chunking,
    "analysis": _whole,
    "rules": _rules,
    "readers": _whole,
    "adapter": _adapter,
}


def is_decodable(name: str, value: Any) -> bool:
    """Whether `value` can be the setting `name`."""
    try:
        SETTINGS[name](value)
    except _MALFORMED:
        return False
    return True
