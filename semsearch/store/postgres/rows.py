"""Rows of the tables as records. The columns have types, so that only JSON and the text of a passage are checked."""

import json
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

from semsearch.chunking.chunk import hash_of
from semsearch.errors import IndexDamagedError
from semsearch.sources.lines import LineStarts
from semsearch.store.checked_values import MALFORMED, finite, moment, of_type, text, whole
from semsearch.store.postgres.errors import REPAIR
from semsearch.store.records import DocumentName, DocumentProperties, FileRecord, Passage, RunRecord

Record = TypeVar("Record")

_FILE = (
    "id", "root_id", "path", "status", "reason", "size", "mtime_ns", "inode", "scanned_ns", "generation", "hash",
    "type", "title", "language", "metadata", "date", "first_chunk", "chunk_count",
)  # fmt: skip
# How many chunks of a file wait for a vector.
_PENDING = (
    "(SELECT count(*) FROM {s}.encode_queue AS queue WHERE queue.chunk_id >= files.first_chunk"
    " AND queue.chunk_id < files.first_chunk + files.chunk_count)"
)
_HAS_ROOT = "EXISTS (SELECT FROM {s}.roots WHERE roots.id = files.root_id)"
FILE_COLUMNS = ", ".join(f"files.{name}" for name in _FILE) + f", {_PENDING}, {_HAS_ROOT}"
FILES = f"SELECT {FILE_COLUMNS} FROM {{s}}.files"
_CHUNK = (
    "chunks.id, chunks.text, chunks.nuls, chunks.heading, chunks.page, chunks.line_start, chunks.line_end,"
    " chunks.line_breaks, chunks.tokens, chunks.hash"
)
_PART = "parts.first_chunk, parts.title, parts.metadata, parts.date, parts.language"
# The document that a chunk is of, in a file that holds several.
_WITH_DOCUMENTS = (
    " FROM {s}.chunks JOIN {s}.files ON files.id = chunks.file_id LEFT JOIN LATERAL ("
    "SELECT near.first_chunk, near.chunk_count, near.title, near.metadata, near.date, near.language"
    " FROM {s}.parts AS near WHERE near.file_id = chunks.file_id AND near.first_chunk <= chunks.id"
    " ORDER BY near.first_chunk DESC LIMIT 1) AS parts ON chunks.id < parts.first_chunk + parts.chunk_count"
)
PASSAGES = f"SELECT {FILE_COLUMNS}, {_CHUNK}, {_PART}{_WITH_DOCUMENTS}"
NAMES = (
    "SELECT chunks.id, files.path, coalesce(parts.title, files.title), coalesce(parts.language, files.language)"
    f"{_WITH_DOCUMENTS}"
)
_CHUNK_AT = len(_FILE) + 2
_PART_AT = _CHUNK_AT + 10


def decoded(location: str, make: Callable[[], Record], what: str) -> Record:
    """`make()`, which decodes what the index at `location` holds. Raises `IndexDamagedError` where it cannot."""
    try:
        return make()
    except MALFORMED as error:
        raise IndexDamagedError(
            f"{location}: {what} is damaged: {type(error).__name__}: {error}",
            "look with: semsearch verify",
        ) from None


def file_record(location: str, row: Sequence[Any]) -> FileRecord:
    """A row of `FILES`. Raises `IndexDamagedError`."""
    values = dict(zip(_FILE, row, strict=False))
    pending, has_root = row[len(_FILE) : _CHUNK_AT]
    if not has_root:
        raise IndexDamagedError(f"{location}: a file is in no indexed folder: {values['root_id']}", REPAIR)
    metadata = decoded(location, lambda: _mapping(values["metadata"]), "the metadata of a file")
    return FileRecord(
        root_id=values["root_id"],
        path=bytes(values["path"]),
        status=values["status"],
        size=values["size"],
        mtime_ns=values["mtime_ns"],
        inode=values["inode"],
        scanned_ns=values["scanned_ns"],
        generation=values["generation"],
        reason=values["reason"],
        content_hash=bytes(values["hash"]),
        type=values["type"],
        title=values["title"],
        language=values["language"],
        metadata=metadata,
        date=values["date"],
        id=values["id"],
        chunk_count=values["chunk_count"],
        pending=pending,
    )


def passages(location: str, rows: Sequence[Sequence[Any]]) -> list[Passage]:
    """Rows of `PASSAGES`; a file or document is decoded once for all of its chunks. Raises `IndexDamagedError`."""
    files: dict[tuple[Any, Any], FileRecord] = {}
    found = []
    for row in rows:
        part_first = row[_PART_AT]
        key = row[0], part_first
        if key not in files:
            file = file_record(location, row)
            if part_first is not None:
                file = decoded(location, partial(_properties, row), "a document of a file").of_file(file)
            files[key] = file
        first = row[_FILE.index("first_chunk")] if part_first is None else part_first
        found.append(decoded(location, partial(_passage, row, files[key], first), "a passage"))
    return found


def _properties(row: Sequence[Any]) -> DocumentProperties:
    _, title, metadata, date, language = row[_PART_AT : _PART_AT + 5]
    return DocumentProperties(title, _mapping(metadata), date, language)


def _passage(row: Sequence[Any], file: FileRecord, first: int) -> Passage:
    number, text, nuls, heading, page, line_start, line_end, breaks, tokens, digest = row[_CHUNK_AT:_PART_AT]
    passage = Passage(
        id=number,
        file=file,
        text=with_nuls(text, nuls),
        heading=tuple(json.loads(heading)),
        page=page,
        line_start=line_start,
        line_end=line_end,
        tokens=tokens,
        text_hash=bytes(digest),
        line_breaks=line_breaks(breaks),
        is_first=number == first,
    )
    if hash_of(passage.heading, passage.text) != passage.text_hash:
        raise ValueError(f"chunk {number} is not what was written")
    return passage


def encoded_row(row: Sequence[Any]) -> tuple[int, str, tuple[str, ...], str]:
    """(id, type name, heading, text) of a row (chunks.id, files.type, heading, text, nuls)."""
    return row[0], row[1], tuple(json.loads(row[2])), with_nuls(row[3], row[4])


def document_name(row: Sequence[Any]) -> tuple[int, DocumentName]:
    """(chunk id, name of its document) of a row of `NAMES`."""
    return row[0], DocumentName(bytes(row[1]), row[2], row[3])


def running(row: Sequence[Any]) -> tuple[str, int, float, float, int]:
    """(host, process id, when it started, when it was last heard of, chunks it has claimed) of a run that goes on.
    Raises one of `MALFORMED`."""
    host, pid, started, seen, claimed = row
    return text(host), pid, moment(started), moment(seen), claimed


def run_record(row: Sequence[Any]) -> RunRecord:
    """A row (started, seconds, report) of the table `runs`. Raises one of `MALFORMED`."""
    return RunRecord(moment(row[0]), finite(row[1]), _mapping(row[2]))


def without_nuls(text: str) -> tuple[str, list[int] | None]:
    """`text` with a space for each NUL character, which PostgreSQL cannot hold, and where they stood; None: nowhere."""
    if "\0" not in text:
        return text, None
    return text.replace("\0", " "), [place for place, letter in enumerate(text) if letter == "\0"]


def with_nuls(text: str, places: Sequence[int] | None) -> str:
    """What `without_nuls` was given."""
    if not places:
        return text
    letters = list(text)
    for place in places:
        letters[place] = "\0"
    return "".join(letters)


def _mapping(text: str) -> dict[str, Any]:
    value = json.loads(text)
    if type(value) is not dict:
        raise TypeError(f"{value!r} is no mapping")
    return value


def line_breaks(text: str | None) -> LineStarts:
    """The column `line_breaks`. Raises one of `MALFORMED`."""
    if text is None:
        return ()
    numbers = [whole(one) for one in of_type(json.loads(text), list)]
    return tuple(zip(numbers[::2], numbers[1::2], strict=True))
