"""The one place where what a catalog holds becomes typed records. An index may come from anywhere: every value is
checked, and one that no writer can have put there is damage of the index, never an error of the code that reads it.
"""

import json
import sqlite3
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from semsearch import settings
from semsearch.chunking.chunk import encoded, hash_of
from semsearch.embedding.model_info import ModelInfo
from semsearch.errors import IndexDamagedError
from semsearch.sources.lines import LineStarts
from semsearch.store import checked_values as checked
from semsearch.store.local.catalog import STATUSES, Catalog
from semsearch.store.local.damage import catalog_damaged, repair_hint
from semsearch.store.recorded_info import FIELDS, model
from semsearch.store.records import (
    DEFAULT_VECTORS,
    DocumentName,
    DocumentProperties,
    FileRecord,
    IndexInfo,
    Passage,
    Root,
    RunRecord,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Record = TypeVar("Record")

_FILE_COLUMNS = (
    "root_id, path, status, reason, size, mtime_ns, inode, scanned_ns, generation, hash, type, title, language,"
    " metadata, date, id, first_chunk, chunk_count"
)
FILES = f"SELECT {_FILE_COLUMNS} FROM files"
_CHUNK_COLUMNS = (
    "chunks.id AS chunk_id, chunks.text, chunks.heading, chunks.page, chunks.line_start, chunks.line_end,"
    " chunks.line_breaks, chunks.tokens, chunks.hash AS text_hash"
)
CHUNKS = f"SELECT file_id, {_CHUNK_COLUMNS} FROM chunks ORDER BY id"
_PART_COLUMNS = (
    "parts.id AS part_id, parts.first_chunk AS part_first, parts.title AS part_title, parts.metadata AS part_metadata,"
    " parts.date AS part_date, parts.language AS part_language"
)
# Of a file that is not there `file_first` and `file_end` are NULL.
PARTS = (
    "SELECT parts.file_id, parts.first_chunk, parts.chunk_count, files.first_chunk AS file_first,"
    f" files.first_chunk + files.chunk_count AS file_end, {_PART_COLUMNS}"
    " FROM parts LEFT JOIN files ON files.id = parts.file_id ORDER BY parts.file_id, parts.first_chunk"
)
# Looked up for each chunk in the index `parts_file`: a join by ranges would go through all documents of the file.
_WITH_DOCUMENTS = (
    " FROM chunks JOIN files ON files.id = chunks.file_id"
    " LEFT JOIN parts ON parts.id = (SELECT near.id FROM parts AS near WHERE near.file_id = chunks.file_id"
    " AND near.first_chunk <= chunks.id ORDER BY near.first_chunk DESC LIMIT 1)"
    " AND chunks.id < parts.first_chunk + parts.chunk_count"
)
PASSAGES = (
    "SELECT " + ", ".join(f"files.{name.strip()}" for name in _FILE_COLUMNS.split(",")) + f", {_CHUNK_COLUMNS},"
    f" {_PART_COLUMNS}{_WITH_DOCUMENTS}"
)
NAMES = (
    "SELECT chunks.id, files.path, files.title, files.language, parts.title AS part_title,"
    f" parts.language AS part_language{_WITH_DOCUMENTS}"
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

    def alive(self) -> "NDArray[np.bool_] | None":
        """(rows,) bool, the rows that are not deleted; None: all. Raises `IndexDamagedError`."""
        if self.dead is None:
            return None
        import numpy as np

        bits = np.frombuffer(self.dead, np.uint8)
        if len(bits) != (self.rows + 7) // 8:
            raise IndexDamagedError(f"the deletions of segment {self.name} do not fit its rows")
        alive: NDArray[np.bool_] = np.unpackbits(bits, count=self.rows, bitorder="little") == 0
        return alive


def decoded(folder: str, make: Callable[[], Record], what: str) -> Record:
    """`make()`, which decodes what the catalog of the index `folder` holds; what it cannot decode is damage."""
    try:
        return make()
    except checked.MALFORMED as error:
        raise catalog_damaged(folder, f"{what}: {type(error).__name__}: {error}") from None


# -- rows ------------------------------------------------------------------------------------------------------------


def file_record(folder: str, row: sqlite3.Row, embedded_to: int, roots: Collection[int]) -> FileRecord:
    """A row of `FILES` or `PASSAGES`; `embedded_to`: the last chunk that has a vector; `roots`: the ids there are."""
    return decoded(folder, lambda: _file(row, embedded_to, roots), "a file's row")


def span(row: sqlite3.Row) -> tuple[int, int]:
    """(first chunk id, past-last id) of the file or document of `row`. Raises `ValueError` or `TypeError`."""
    first, count = checked.count(row["first_chunk"]), checked.count(row["chunk_count"])
    return first, first + count


def _file(row: sqlite3.Row, embedded_to: int, roots: Collection[int]) -> FileRecord:
    status, root_id = checked.text(row["status"]), checked.whole(row["root_id"])
    if status not in STATUSES:
        raise ValueError(f"no such status: {status}")
    if root_id not in roots:
        raise ValueError(f"it is in no indexed folder: {root_id}")
    first, end = span(row)
    digest, date = row["hash"], row["date"]
    return FileRecord(
        root_id=root_id,
        path=checked.byte_string(row["path"]),
        status=status,
        size=checked.whole(row["size"]),
        mtime_ns=checked.whole(row["mtime_ns"]),
        inode=checked.whole(row["inode"]),
        scanned_ns=checked.whole(row["scanned_ns"]),
        generation=checked.whole(row["generation"]),
        reason=checked.text(row["reason"]),
        content_hash=b"" if digest is None else checked.byte_string(digest),
        type=checked.text(row["type"]),
        title=checked.text(row["title"]),
        language=checked.text(row["language"]),
        metadata=checked.mapping(json.loads(row["metadata"])),
        date=None if date is None else checked.finite(date),
        id=checked.whole(row["id"]),
        chunk_count=end - first,
        pending=min(end - first, max(0, end - 1 - embedded_to)),
    )


def passages(folder: str, chunk_rows: Iterable[sqlite3.Row], embedded_to: int, roots: Collection[int]) -> list[Passage]:
    """Rows of `PASSAGES`; a file or document is decoded once for all of its chunks. Raises `IndexDamagedError`."""
    files: dict[Any, FileRecord] = {}
    decoded_rows = []
    for row in chunk_rows:
        number = row["id"], row["part_id"]
        if number not in files:
            file = file_record(folder, row, embedded_to, roots)
            if row["part_id"] is not None:
                file = decoded(folder, partial(document_properties, row), "a document of a file").of_file(file)
            files[number] = file
        decoded_rows.append(_passage(folder, row, files[number]))
    return decoded_rows


def _passage(folder: str, row: sqlite3.Row, file: FileRecord) -> Passage:
    first = row["first_chunk"] if row["part_id"] is None else row["part_first"]
    is_first = row["chunk_id"] == first
    passage = Passage(file=file, is_first=is_first, **decoded(folder, lambda: _chunk(row), "a passage's row"))
    if not _is_what_was_indexed(passage.heading, passage.text, passage.text_hash):
        raise chunk_damaged(folder, passage.id)
    return passage


def is_sound_chunk(row: sqlite3.Row) -> bool:
    """Whether a row of `CHUNKS` decodes, and its text is the one that was indexed."""
    try:
        values = _chunk(row)
        return _is_what_was_indexed(values["heading"], values["text"], values["text_hash"])
    except checked.MALFORMED:
        return False


def _chunk(row: sqlite3.Row) -> dict[str, Any]:
    """The fields of a `Passage` that the table `chunks` holds. Raises one of `checked.MALFORMED`."""
    text = checked.text(row["text"])
    return {
        "id": checked.count(row["chunk_id"]),
        "text": text,
        "heading": tuple(checked.text(name) for name in json.loads(row["heading"])),
        "page": checked.whole_or_none(row["page"]),
        "line_start": checked.whole_or_none(row["line_start"]),
        "line_end": checked.whole_or_none(row["line_end"]),
        "line_breaks": _line_breaks(row["line_breaks"], text),
        "tokens": checked.whole(row["tokens"]),
        "text_hash": checked.byte_string(row["text_hash"]),
    }


def _line_breaks(value: object, text: str) -> LineStarts:
    """What `sources.lines.breaks_in` can have found in `text`: offsets inside it, none before the last, and lines."""
    if value is None:
        return ()
    numbers = [checked.whole(number) for number in checked.of_type(json.loads(checked.text(value)), list)]
    offsets, lines = numbers[::2], numbers[1::2]
    if len(offsets) != len(lines) or offsets != sorted(offsets) or min(lines, default=1) < 1:
        raise ValueError("no pairs of offset and line")
    if offsets and not 0 < offsets[0] <= offsets[-1] < len(text):
        raise ValueError("offsets that are not in the text")
    return tuple(zip(offsets, lines, strict=True))


def document_properties(row: sqlite3.Row) -> DocumentProperties:
    """A row with the columns of `parts`. Raises one of `checked.MALFORMED`."""
    date = row["part_date"]
    return DocumentProperties(
        title=checked.text(row["part_title"]),
        metadata=checked.mapping(json.loads(row["part_metadata"])),
        date=None if date is None else checked.finite(date),
        language=checked.text(row["part_language"]),
    )


def is_sound_part(row: sqlite3.Row) -> bool:
    """Whether a row of `PARTS` decodes and has chunks."""
    try:
        document_properties(row)
        first, end = span(row)
        return first < end
    except checked.MALFORMED:
        return False


def encoded_text(row: sqlite3.Row) -> tuple[int, str, str]:
    """(id, type name, text with its headings) of a row of `chunks` with its file. Raises one of `checked.MALFORMED`."""
    heading = tuple(checked.text(name) for name in json.loads(row["heading"]))
    return checked.count(row["id"]), checked.text(row["type"]), encoded(heading, checked.text(row["text"]))


def document_name(row: sqlite3.Row) -> tuple[int, DocumentName]:
    """(chunk id, name of its document) of a row of `NAMES`. Raises one of `checked.MALFORMED`."""
    own = row["part_title"] is not None
    title, language = (row["part_title"], row["part_language"]) if own else (row["title"], row["language"])
    return checked.count(row["id"]), DocumentName(
        checked.byte_string(row["path"]), checked.text(title), checked.text(language)
    )


def _is_what_was_indexed(heading: tuple[str, ...], text: str, digest: bytes) -> bool:
    return hash_of(heading, text) == digest


def chunk_damaged(folder: str, chunk_id: int) -> IndexDamagedError:
    """The error for a chunk that is missing, or is not what was indexed."""
    return IndexDamagedError(
        f"{folder}/{settings.CATALOG_FILE}: chunk {chunk_id} is not what was written", repair_hint(folder)
    )


def segments(catalog: Catalog, kind: str) -> list[Segment]:
    """The segments of `kind` ('lex' or 'vec') in id order."""
    rows = catalog.rows("SELECT * FROM segments WHERE kind = ? ORDER BY first_id", (kind,))
    return decoded(catalog.folder, lambda: [segment(row) for row in rows], "a segment's row")


def segment(row: sqlite3.Row) -> Segment:
    """A row of the table `segments`. Raises `ValueError` or `TypeError` for one that no writer put there."""
    numbers = [checked.count(row[name]) for name in ("id", "first_id", "last_id", "rows", "dead_count")]
    files = checked.mapping(json.loads(row["files"]))
    dead = row["dead"]
    return Segment(
        id=numbers[0],
        kind=checked.text(row["kind"]),
        name=checked.text(row["name"]),
        first_id=numbers[1],
        last_id=numbers[2],
        rows=numbers[3],
        dead=None if dead is None else checked.byte_string(dead),
        dead_count=numbers[4],
        files={name: (checked.whole(size), checked.text(digest)) for name, (size, digest) in files.items()},
    )


def last_run(catalog: Catalog) -> RunRecord | None:
    """The newest row of the table `runs`."""
    row = catalog.row("SELECT started, seconds, report FROM runs ORDER BY id DESC LIMIT 1")
    if row is None:
        return None

    def make() -> RunRecord:
        started, seconds = checked.moment(row["started"]), checked.finite(row["seconds"])
        return RunRecord(started, seconds, checked.mapping(json.loads(row["report"])))

    return decoded(catalog.folder, make, "the last run")


# -- settings --------------------------------------------------------------------------------------------------------


def index_info(catalog: Catalog) -> IndexInfo:
    """What the table `settings` records, with the roots. Raises `IndexDamagedError` for a value that cannot be."""
    values = catalog.settings(FIELDS)
    info: dict[str, Any] = {}
    for name, decode in FIELDS.items():
        if name in values:
            info[name] = decoded(catalog.folder, partial(decode, values[name]), f"the setting {name}")
    return IndexInfo(roots=tuple(_root(*root) for root in catalog.roots()), **info)


def _root(number: int, path: str, label: str) -> Root:
    """An indexed folder; that of another machine, in the copy of an index of several, has the path `//HOST/PATH`."""
    host, _, inside = path[2:].partition("/") if path.startswith("//") else ("", "", "")
    return Root(number, "/" + inside, label, host) if host else Root(number, path, label)


def root_path(root: Root) -> str:
    """The path of `root` as a catalog holds it."""
    return f"//{root.host}{root.path}" if root.host else root.path


def recorded_model(catalog: Catalog) -> ModelInfo | None:
    """The model that made the vectors, without looking at other settings. Raises `IndexDamagedError`."""
    value = catalog.setting("model")
    return decoded(catalog.folder, lambda: model(value), "the setting model")


def vectors_summary(catalog: Catalog) -> dict[str, Any]:
    """How the vectors are kept, as `StorageInfo.vectors`: the setting `vectors`, without what was learnt."""
    record = catalog.setting("vectors")
    if record is None:
        return dict(DEFAULT_VECTORS)

    def make() -> dict[str, Any]:
        codes, projection = record["codes"], record["projection"]
        return {
            "kind": checked.text(codes or record["store"]),
            "original": checked.text(record["store"]) if codes else None,
            "dim": projection and checked.whole(projection["dim"]),
            "ann": checked.text(record["ann"]),
            "loss": float(record["loss"]),
        }

    return decoded(catalog.folder, make, "the setting vectors")
