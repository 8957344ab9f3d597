"""What a snapshot reads first, in one round trip: counters, settings, roots, segments and the queue."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semsearch.errors import IndexDamagedError, SemsearchError
from semsearch.store.postgres.connection import Connection, Row
from semsearch.store.postgres.errors import no_index
from semsearch.store.postgres.rows import decoded
from semsearch.store.postgres.schema import FORMAT
from semsearch.store.recorded_info import FIELDS
from semsearch.store.records import Counts, IndexInfo, Root

REPAIR = "mend it with: semsearch verify --repair"
# Whether a vector database keeps the vectors, in SQL.
ELSEWHERE = "EXISTS (SELECT FROM {s}.settings WHERE name = 'vectors_at' AND value <> 'null')"
STATE = """
SELECT product, format, next_chunk, chunks, terms, indexed, skipped, failed FROM {s}.state;
SELECT name, value FROM {s}.settings;
SELECT id, host, path, label, readers, extract(epoch FROM checked)::float8 FROM {s}.roots ORDER BY id;
SELECT id, first_id, last_id, chunks, length(dead) / 4, languages FROM {s}.segments ORDER BY first_id;
SELECT count(*), min(chunk_id),
 EXISTS (SELECT FROM pg_index WHERE indexrelid = to_regclass('{s}.vectors_hnsw') AND indisvalid),
 (SELECT string_to_array(substring(extversion FROM '^[0-9]+[.][0-9]+'), '.')::int[] >= '{0,8}'
  FROM pg_extension WHERE extname = 'vector')
 FROM {s}.encode_queue
"""


@dataclass(frozen=True)
class SegmentRow:
    """A segment: chunks `first_id` to `last_id`, `chunks` of them, of which `dead` are deleted."""

    id: int
    first_id: int
    last_id: int
    chunks: int
    dead: int
    languages: tuple[str, ...]


@dataclass(frozen=True)
class State:
    """The rows of `STATE`, decoded.

    `last_chunk`: the last id that was given; `chunks`, `terms`: live chunks and the terms of them all; `values`: the
    settings as JSON text; `checked`: when each root was last compared (seconds since the epoch, 0: never);
    `has_vector_index`: the vectors have an HNSW index that is whole; `can_scan_on`: a scan of it goes on until enough
    is found, as from pgvector 0.8 on.
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

    @staticmethod
    def of(location: str, results: Sequence[Sequence[Row]]) -> "State":
        """The state in the results of `STATE`. Raises `SemsearchError` for one that this version cannot read."""
        heads, values, roots, segments, queue = results[-5:]
        if not heads:
            raise no_index(location)
        product, version, next_chunk, chunks, terms, *files = heads[0]
        check_format(location, product, version)
        if min(next_chunk, chunks, terms, *files) < 0:
            raise IndexDamagedError(f"{location}: a counter of the table state is negative", REPAIR)
        if any(b"\0" in row[2] for row in roots):
            raise IndexDamagedError(f"{location}: an indexed folder has a path that is none", "look at the table roots")
        if not all(isinstance(code, str) for row in segments for code in row[5] or (None,)):
            raise IndexDamagedError(f"{location}: the languages of a segment are none", REPAIR)
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
            tuple(SegmentRow(row[0], row[1], row[2], row[3], row[4], tuple(row[5])) for row in segments),
            queue[0][0],
            queue[0][1],
            queue[0][2],
            bool(queue[0][3]),
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
    def counts(self) -> Counts:
        return Counts(*self.files, self.chunks, self.pending)


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
        raise IndexDamagedError("the deleted chunks of a segment are cut off", REPAIR)
    return np.sort(np.frombuffer(data, "<u4").astype(np.int64))


def _decoded_value(decode: Any, text: str) -> Any:
    return decode(json.loads(text))


def _path(path: bytes) -> str:
    import os

    return os.fsdecode(bytes(path))
