"""What a snapshot reads first, in one round trip: counters, settings, roots, segments and the queue."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semsearch.errors import IndexDamagedError, SemsearchError
from semsearch.store.checked_values import MALFORMED, moment
from semsearch.store.postgres.connection import Connection, Row
from semsearch.store.postgres.errors import REPAIR, no_index, table_missing
from semsearch.store.postgres.rows import decoded
from semsearch.store.postgres.schema import FORMAT, TABLES
from semsearch.store.recorded_info import FIELDS
from semsearch.store.records import Counts, IndexInfo, Root

ROOTS = "SELECT id, host, path, label, readers, extract(epoch FROM checked)::float8 FROM {s}.roots ORDER BY id"
# Whether a vector database keeps the vectors, in SQL.
ELSEWHERE = "EXISTS (SELECT FROM {s}.settings WHERE name = 'vectors_at' AND value <> 'null')"
# The version of a row is other where it was changed, and where another index has made the table since.
STATE = f"""
SELECT product, format, next_chunk, chunks, terms, indexed, skipped, failed FROM {{s}}.state;
SELECT name, value FROM {{s}}.settings;
{ROOTS};
SELECT id, first_id, last_id, chunks, length(dead) / 4, languages, concat_ws(' ', tableoid, xmin, id, length(dead))
 FROM {{s}}.segments ORDER BY first_id;
SELECT count(*), min(chunk_id),
 EXISTS (SELECT FROM pg_index WHERE indexrelid = to_regclass('{{s}}.vectors_hnsw') AND indisvalid),
 (SELECT string_to_array(substring(extversion FROM '^[0-9]+[.][0-9]+'), '.')::int[] >= '{{0,8}}'
  FROM pg_extension WHERE extname = 'vector'),
 ARRAY(SELECT name FROM unnest('{{{",".join(TABLES)}}}'::text[]) AS name WHERE to_regclass('{{s}}.' || name) IS NULL)
 FROM {{s}}.encode_queue
"""


@dataclass(frozen=True)
class SegmentRow:
    """A segment: chunks `first_id` to `last_id`, `chunks` of them, of which `dead` are deleted. `version`: no other
    segment has it, of this index or of one that was there before, nor this one with other deleted chunks."""

    id: int
    first_id: int
    last_id: int
    chunks: int
    dead: int
    languages: tuple[str, ...]
    version: str


@dataclass(frozen=True)
class State:
    """The rows of `STATE`, decoded.

    `last_chunk`: the last id that was given; `chunks`, `terms`: live chunks and the terms of them all; `values`: the
    settings as JSON text; `checked`: when each root was last compared (seconds since the epoch, 0: never);
    `has_vector_index`: the vectors have an HNSW index that is whole; `can_scan_on`: a scan of it goes on until enough
    is found, as from pgvector 0.8 on; `version`: the format of the tables.
    """

    location: str
    last_chunk: int
    chunks: int
    terms: int
    files: tuple[int, int, int]
    values: Mapping[str, str]
    roots: tuple[Root, ...]
    readers: Mapping[int, int]
    checked: Mapping[int, float]
    segments: tuple[SegmentRow, ...]
    pending: int
    first_pending: int | None
    has_vector_index: bool
    can_scan_on: bool
    version: int

    @staticmethod
    def of(location: str, results: Sequence[Sequence[Row]], examined: bool = False) -> "State":
        """The state in the results of `STATE`. Raises `SemsearchError` for one that this version cannot read, and for a
        damaged one, unless it is `examined`: then what cannot be is left out."""
        heads, values, roots, segments, queue = results[-5:]
        if not heads:
            raise no_index(location)
        product, version, *counters = heads[0]
        check_format(location, product, version)
        if version == FORMAT and queue[0][4]:
            raise table_missing(location, queue[0][4][0])
        damages = _damages(counters, roots, segments)
        if damages and not examined:
            raise IndexDamagedError(f"{location}: {damages[0]}", REPAIR)
        if damages:
            counters = [one if _is_count(one) else 0 for one in counters]
            roots = [row for row in roots if "path" not in unsound_columns(row)]
            segments = [row if are_languages(row[5]) else (*row[:5], [], row[6]) for row in segments]
        next_chunk, chunks, terms, *files = counters
        return State(
            location,
            next_chunk - 1,
            chunks,
            terms,
            (files[0], files[1], files[2]),
            {row[0]: row[1] for row in values},
            roots_of(roots),
            {row[0]: row[4] for row in roots},
            {row[0]: row[5] or 0.0 for row in roots},
            tuple(SegmentRow(row[0], row[1], row[2], row[3], row[4], tuple(row[5]), row[6]) for row in segments),
            queue[0][0],
            queue[0][1],
            queue[0][2],
            bool(queue[0][3]),
            version,
        )

    @cached_property
    def info(self) -> IndexInfo:
        """What the index records about itself. Raises `IndexDamagedError`."""
        fields: dict[str, Any] = {}
        for name, decode in FIELDS.items():
            if name in self.values:
                make = partial(_decoded_value, decode, self.values[name])
                fields[name] = decoded(self.location, make, f"the setting {name}")
        # Each machine has readers of its own, and reads its own folders.
        own = [self.readers[root.id] for root in self.roots if root.is_here]
        fields["readers"] = min(own, default=0)
        return IndexInfo(roots=self.roots, **fields)

    @property
    def held(self) -> str:
        """The column `postings.held` in SQL, which older tables do not have."""
        return "held" if self.version > 1 else "NULL::bytea"

    @property
    def counts(self) -> Counts:
        return Counts(*self.files, self.chunks, self.pending)


def _damages(counters: Sequence[Any], roots: Sequence[Row], segments: Sequence[Row]) -> list[str]:
    """What of these rows of `STATE` no run can have written."""
    labels = [row[3] for row in roots]
    return [
        *(["a counter of the table state is none"] if not all(map(_is_count, counters)) else []),
        *(f"an indexed folder has a {column} that is none" for row in roots for column in unsound_columns(row)),
        *(["two indexed folders have one label"] if len(set(labels)) < len(labels) else []),
        *("the languages of a segment are none" for row in segments if not are_languages(row[5])),
    ]


def unsound_columns(row: Row) -> list[str]:
    """The columns of a row of `ROOTS` that hold what no run has written."""
    _, host, path, label, readers, checked = row
    sound = {
        "path": path is not None and path.startswith(b"/") and b"\0" not in path,
        "host": host is not None,
        "label": label is not None,
        "readers": _is_count(readers),
        "checked": checked is None or _is_moment(checked),
    }
    return [name for name, is_sound in sound.items() if not is_sound]


def are_languages(codes: Any) -> bool:
    """Whether `codes` can be the languages of a segment: one at least, "" for a text that is in none."""
    return isinstance(codes, list) and bool(codes) and all(isinstance(code, str) for code in codes)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and value >= 0


def _is_moment(value: Any) -> bool:
    try:
        moment(value)
    except MALFORMED:
        return False
    return True


def check_format(location: str, product: str, version: int) -> None:
    """Raises `SemsearchError` for tables that this version did not make, or cannot read."""
    if product != "semsearch":
        raise IndexDamagedError(f"{location}: the schema holds tables of another program", "name another: ?schema=NAME")
    if version < 1:
        raise IndexDamagedError(f"{location}: {version} is no format of an index", "look at the table state")
    if version > FORMAT:
        raise SemsearchError(
            f"{location} was written by a newer semsearch (format {version}, this one reads {FORMAT})",
            "upgrade with: pip install --upgrade semsearch",
            code="newer_index",
        )


def roots_of(rows: Sequence[Row]) -> tuple[Root, ...]:
    """The folders in `rows` of their id, host, path and label, in that order."""
    return tuple(Root(row[0], _path(row[2]), row[3], row[1]) for row in rows)


def set_setting(connection: Connection, name: str, text: str) -> None:
    """Records `text`, which is JSON, as the setting `name`."""
    connection.execute(
        "INSERT INTO {s}.settings VALUES (%s, %s) ON CONFLICT (name) DO UPDATE SET value = excluded.value", (name, text)
    )


def dead_ids(data: bytes) -> NDArray[np.int64]:
    """(n,) the ids of deleted chunks in `segments.dead`, rising. Raises `IndexDamagedError`."""
    if len(data) % 4:
        raise IndexDamagedError("the deleted chunks of a segment are cut off")
    return np.sort(np.frombuffer(data, "<u4").astype(np.int64))


def _decoded_value(decode: Any, text: str) -> Any:
    return decode(json.loads(text))


def _path(path: bytes) -> str:
    import os

    return os.fsdecode(bytes(path))
