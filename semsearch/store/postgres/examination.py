"""Reads all of an index in PostgreSQL, in one snapshot, and names what is not as it was written, or does not fit
together. What would take a look at one row after the other is asked of the server; texts and postings are read here,
as only they tell whether they are what was written."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semsearch.chunking.chunk import hash_of
from semsearch.errors import IndexDamagedError
from semsearch.plurals import agreeing, count_of
from semsearch.store.checked_values import MALFORMED, finite, mapping
from semsearch.store.postgres import rows
from semsearch.store.postgres.connection import WRITING_SECONDS, Connection
from semsearch.store.postgres.engine_examination import examine_engine
from semsearch.store.postgres.packed_postings import checksum, unpacked
from semsearch.store.postgres.state import (
    ELSEWHERE,
    ROOTS,
    STATE,
    State,
    are_languages,
    dead_ids,
    unsound_columns,
)
from semsearch.store.problems import Findings, Problem
from semsearch.store.recorded_info import FIELDS, is_decodable

_CHUNKS_AT_ONCE = 2_000
_TERMS_AT_ONCE = 5_000
_READ_AGAIN = "the next index reads it again"
# Settings that an index goes on without, by its defaults; without these files are read again.
_READ_BY = ("rules", "chunking", "analysis", "generation")
# Halves have eleven bits: the length of a unit vector is off by less.
_UNIT = 0.01

# Column of `roots` -> what `--repair` does about a value that cannot be.
_MENDED_ROOTS = {
    "path": "remove it, and what was indexed of it",
    "host": "take it for a folder of the machine that mends it",
    "label": "name it anew",
    "readers": "forget it",
    "checked": "forget it",
}
# (first chunk, how many, language) of each document.
_DOCUMENTS = (
    "SELECT first_chunk, chunk_count, language FROM {s}.files WHERE status = 'indexed' AND NOT EXISTS"
    " (SELECT FROM {s}.parts WHERE file_id = id) UNION ALL SELECT first_chunk, chunk_count, language FROM {s}.parts"
    " ORDER BY 1"
)
# table, what a row of it is, what is said of them, what `--repair` does: rows without what they belong to.
_ORPHANS = (
    ("parts", "document", "of no file", "remove them", "NOT EXISTS (SELECT FROM {s}.files WHERE id = one.file_id)"),
    ("vectors", "vector", "of no passage", "remove them",
     "NOT EXISTS (SELECT FROM {s}.chunks WHERE id = one.chunk_id)"),
    ("encode_queue", "waiting passage", "not there", "remove them",
     "NOT EXISTS (SELECT FROM {s}.chunks WHERE id = one.chunk_id)"),
    ("encode_queue", "waiting passage", "encoded already", "remove them",
     "EXISTS (SELECT FROM {s}.vectors WHERE vectors.chunk_id = one.chunk_id)"),
    ("postings", "word", "of no segment", "remove them",
     "NOT EXISTS (SELECT FROM {s}.segments WHERE id = one.segment_id)"),
)  # fmt: skip


@dataclass
class DatabaseFindings(Findings):
    """What there is in a database, and what of it is not as it should be.

    `reread`: ids of files that are damaged, or whose passages or documents are; `damaged`: ids of segments that are to
    go; `dead`: id of a segment -> the deleted chunks that it names, (n,) rising, where another list is recorded;
    `lengths`: (chunk id, terms) as the postings have it, where another number is recorded; `missing`: (n,) ids of
    chunks whose words no other segment has; `forget`: settings that cannot be; `vectors_unknown`: nobody knows their
    model; `roots`: id of a folder -> its columns that cannot be; `languages`: id of a segment -> its languages, where
    others are recorded; `runs`, `writers`: ids of runs of which what is recorded cannot be; `bad_index`: that of the
    vectors cannot be used; `lost_vectors`, `stray_vectors`: (n,) ids of chunks whose vectors a vector database
    lacks, or has in excess; `foreign_vectors`: how many it has that no index put there.
    """

    reread: set[int] = field(default_factory=set)
    damaged: set[int] = field(default_factory=set)
    dead: dict[int, NDArray[np.int64]] = field(default_factory=dict)
    lengths: dict[int, int] = field(default_factory=dict)
    missing: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    forget: list[str] = field(default_factory=list)
    vectors_unknown: bool = False
    roots: dict[int, list[str]] = field(default_factory=dict)
    languages: dict[int, list[str]] = field(default_factory=dict)
    runs: list[int] = field(default_factory=list)
    writers: list[int] = field(default_factory=list)
    bad_index: bool = False
    lost_vectors: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    stray_vectors: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    foreign_vectors: int = 0

    def add(self, part: str, what: str, repair: str) -> None:
        self.problems.append(Problem(part, what, repair))


def examine(connection: Connection) -> DatabaseFindings:
    """What is wrong with the index that `connection` reads. Raises `SemsearchError` where there is none."""
    with connection.transaction(f"{connection.snapshot(WRITING_SECONDS)}; {STATE}") as results:
        state = State.of(connection.location, results, examined=True)
        examination = _Examination(connection, state)
    examine_engine(connection, state, examination._dim(), examination.findings)
    return examination.findings


class _Examination:
    """Goes through the tables in the `state` of one snapshot."""

    def __init__(self, connection: Connection, state: State) -> None:
        self._connection = connection
        self._state = state
        self.findings = DatabaseFindings()
        self._examine_settings()
        self._examine_roots()
        self._examine_runs()
        live, files, terms = self._examine_chunks()
        self._examine_files(live, files)
        self._examine_parts()
        self._examine_segments(live, terms)
        self._examine_orphans()
        self._examine_vectors()
        self._examine_counters()
        self.findings.files, self.findings.chunks = self._state.files[0], len(live)
        self.findings.segments = len(self._state.segments)

    def _rows(self, query: str, parameters: Sequence[object] = ()) -> list[Any]:
        return self._connection.rows(query, parameters)

    def _each(self, query: str, size: int, first: Any, parameters: Sequence[object] = ()) -> Iterator[list[Any]]:
        """The rows of `query`, which takes what the first column must be above, and how many, in batches of `size`."""
        while batch := self._rows(query, (*parameters, first, size)):
            yield batch
            first = batch[-1][0]

    # -- the whole -----------------------------------------------------------------------------------------------

    def _examine_settings(self) -> None:
        for name, text in self._state.values.items():
            if name not in FIELDS:  # about a vector database, or of a later version
                continue
            try:
                sound = is_decodable(name, json.loads(text))
            except (ValueError, RecursionError):
                sound = False
            if not sound:
                self.findings.forget.append(name)
                again = ": the next index goes by its flags and defaults, and reads every file again"
                self.findings.add(
                    "settings",
                    f"what it records as {name} is damaged",
                    "forget it" + (again if name in _READ_BY else ""),
                )
        self.findings.vectors_unknown = self._dim() == 0 and bool(self._rows("SELECT 1 FROM {s}.vectors LIMIT 1"))
        if self.findings.vectors_unknown:
            self.findings.add("vectors", "nobody knows the model of the vectors", "remove them: the next index encodes")

    def _dim(self) -> int:
        """How many numbers a vector has; 0: nobody knows."""
        text = self._state.values.get("model", "null")
        return 0 if "model" in self.findings.forget or text == "null" else int(json.loads(text)["dim"])

    def _examine_roots(self) -> None:
        labels: set[str] = set()
        for row in self._rows(ROOTS):
            number, label = row[0], row[3]
            columns = [*unsound_columns(row), *(["label"] if label in labels else [])]
            labels.add(label)
            if columns:
                self.findings.roots[number] = columns
                repair = "; ".join(dict.fromkeys(_MENDED_ROOTS[name] for name in columns))
                self.findings.add(f"roots: {label or number}", f"its {', '.join(columns)} cannot be", repair)

    def _examine_runs(self) -> None:
        for number, host, started, seconds, report in self._rows(
            "SELECT id, host, started, seconds, report FROM {s}.runs ORDER BY id"
        ):
            if host is None or not _is_sound(partial(rows.run_record, (started, seconds, report))):
                self.findings.runs.append(number)
        self.findings.writers = [
            row[0]
            for row in self._rows(
                "SELECT id FROM {s}.writers WHERE host IS NULL OR NOT isfinite(started) OR NOT isfinite(seen)"
            )
        ]
        for table, found in (("runs", self.findings.runs), ("writers", self.findings.writers)):
            if found:
                self.findings.add(table, f"what it records of {count_of(len(found), 'run')} is damaged", "forget them")

    def _examine_counters(self) -> None:
        """Whether the numbers that are kept, not counted, are those that would be counted."""
        kept = self._rows(
            "SELECT next_chunk, next_file, next_root, next_segment, chunks, terms, indexed, skipped, failed"
            " FROM {s}.state"
        )[0]
        counted = self._rows(COUNTED)[0]
        names = ("next passage", "next file", "next folder", "next segment")
        for name, known, least in zip(names, kept, counted, strict=False):
            if known < least:
                self.findings.add("state", f"the number of the {name} was given already", "count anew")
        counts = ("passages", "words", "indexed files", "skipped files", "failed files")
        for name, known, there in zip(counts, kept[4:], counted[4:], strict=True):
            if known != there:
                self.findings.add("state", f"it counts {known:,} {name}, and there are {there:,}", "count anew")

    # -- files and chunks ----------------------------------------------------------------------------------------

    def _examine_chunks(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """(ids, ids of their files, their terms) of all chunks, each (n,), by rising id."""
        numbers: list[tuple[int, int, int]] = []
        query = (
            "SELECT id, file_id, terms, text, nuls, heading, line_breaks, hash FROM {s}.chunks WHERE id > %s"
            " ORDER BY id LIMIT %s"
        )
        damaged: set[int] = set()
        for batch in self._each(query, _CHUNKS_AT_ONCE, -(2**62)):
            for row in batch:
                numbers.append(row[:3])
                if not _is_sound(partial(_check_chunk, row)):
                    damaged.add(row[1])
        self._reread(damaged, "a passage is not what was written")
        table = np.array(numbers, np.int64).reshape(len(numbers), 3)
        return table[:, 0], table[:, 1], table[:, 2]

    def _examine_files(self, live: NDArray[np.int64], owners: NDArray[np.int64]) -> None:
        damaged: set[int] = set()
        spans: list[tuple[int, int, int]] = []
        roots = {root.id for root in self._state.roots}
        generation = 2**48
        query = (
            "SELECT id, root_id, metadata, first_chunk, chunk_count, generation, date FROM {s}.files WHERE id > %s"
            " ORDER BY id LIMIT %s"
        )
        for batch in self._each(query, _CHUNKS_AT_ONCE, -(2**62)):
            for number, root, metadata, first, count, own, date in batch:
                spans.append((number, first, count))
                sound = root in roots and 0 <= own < generation
                if not (sound and _is_sound(lambda: (mapping(json.loads(metadata)), finite(date or 0)))):  # noqa: B023
                    damaged.add(number)
        self._reread(damaged, "it is in no folder of the index, or its row is damaged")
        files = np.array(spans, np.int64).reshape(len(spans), 3)
        order = np.argsort(owners, kind="stable")
        known, begins, counts = np.unique(owners[order], return_index=True, return_counts=True)
        at = np.searchsorted(known, files[:, 0])
        has = (at < len(known)) & (known[np.minimum(at, len(known) - 1)] == files[:, 0]) if len(known) else at < 0
        fits = np.where(has, False, files[:, 2] == 0)
        if len(known):
            where = np.minimum(at, len(known) - 1)
            lows, highs = live[order][begins[where]], live[order][begins[where] + counts[where] - 1]
            whole = (counts[where] == files[:, 2]) & (lows == files[:, 1]) & (highs == files[:, 1] + files[:, 2] - 1)
            fits = np.where(has, whole, fits)
        self._reread(set(files[~fits, 0].tolist()), "its passages do not fit it")
        orphans = np.setdiff1d(known, files[:, 0])
        if len(orphans):
            count = int(counts[np.isin(known, orphans)].sum())
            self.findings.add(
                "chunks", f"{count_of(count, 'passage')} {agreeing(count, 'is', 'are')} of no file", "remove them"
            )

    def _examine_parts(self) -> None:
        """Whether the documents of a file divide its passages among them."""
        divided: dict[int, list[Any]] = {}
        for row in self._rows(
            "SELECT file_id, parts.first_chunk, parts.chunk_count, parts.metadata, parts.date, files.first_chunk,"
            " files.chunk_count FROM {s}.parts JOIN {s}.files ON files.id = file_id ORDER BY file_id, parts.first_chunk"
        ):
            divided.setdefault(row[0], []).append(row)
        damaged = set()
        for number, own in divided.items():
            begins, ends = [row[1] for row in own], [row[1] + row[2] for row in own]
            tiled = [own[0][5], *ends] == [*begins, own[0][5] + own[0][6]] and all(row[2] > 0 for row in own)
            decodable = all(
                _is_sound(lambda: (mapping(json.loads(row[3])), finite(row[4] or 0)))  # noqa: B023
                for row in own
            )
            if not (tiled and decodable):
                damaged.add(number)
        self._reread(damaged, "the documents in it do not fit it, or are damaged")

    def _reread(self, files: set[int], what: str) -> None:
        new = sorted(files - self.findings.reread)
        found = self._rows("SELECT id, root_id, path FROM {s}.files WHERE id = ANY(%s::bigint[]) ORDER BY id", (new,))
        roots = {root.id for root in self._state.roots}
        for _, root, path in found if new else ():
            name = bytes(path).decode("utf-8", "surrogateescape")
            shown = name if root not in roots or len(roots) < 2 else self._shown(root, name)
            self.findings.add(f"files: {shown}", what, _READ_AGAIN)
        self.findings.reread |= {row[0] for row in found}

    def _shown(self, root_id: int, name: str) -> str:
        return next(root.label for root in self._state.roots if root.id == root_id) + "/" + name

    # -- words ---------------------------------------------------------------------------------------------------

    def _examine_segments(self, live: NDArray[np.int64], terms: NDArray[np.int64]) -> None:
        held = np.zeros(len(live), np.bool_)
        languages = _Languages(self._rows(_DOCUMENTS), live)
        for number, first, last, count, dead, expected, recorded in self._rows(
            "SELECT id, first_id, last_id, chunks, dead, checksum, languages FROM {s}.segments ORDER BY first_id, id"
        ):
            part = f"segments: {number}"
            try:
                found = self._postings_of(number, live, terms)
            except IndexDamagedError as error:
                self._damaged(number, part, error.message)
                continue
            ids = np.concatenate([live[found.live], found.gone])
            if found.checksum != expected:
                self._damaged(number, part, "its words are not what was written")
            elif len(ids) > count or (len(ids) and not first <= ids.min() <= ids.max() <= last):
                self._damaged(number, part, "it has other passages than its row says")
            elif (held & found.live).any():
                self._damaged(number, part, "its passages are in two segments")
            else:
                held |= found.live
                self._examine_dead(number, part, dead, live, found)
                self._examine_languages(number, part, recorded, languages.of(found.live))
                self.findings.lengths.update(found.lengths)
        if self.findings.lengths:
            count = len(self.findings.lengths)
            have = agreeing(count, "has another number of words than its", "have another number of words than their")
            what = f"{count_of(count, 'passage')} {have} segment says"
            self.findings.add("chunks", what, "take that of the segment")
        self.findings.missing = live[~held & (terms > 0)]
        if len(self.findings.missing) and not self.findings.damaged:
            count = len(self.findings.missing)
            what = f"{count_of(count, 'passage')} {agreeing(count, 'has', 'have')} no words"
            self.findings.add("postings", what, "make them anew from the texts")

    def _damaged(self, number: int, part: str, what: str) -> None:
        self.findings.damaged.add(number)
        self.findings.add(part, what, "make its words anew from the texts")

    def _examine_dead(self, number: int, part: str, dead: bytes, live: NDArray[np.int64], found: "_Held") -> None:
        """Whether all deleted chunks are listed that the segment still names, and no other."""
        if len(dead) % 4 == 0:
            listed = dead_ids(bytes(dead))
            if not np.isin(listed, live).any() and np.isin(found.gone, listed).all():
                return
        self.findings.dead[number] = found.gone
        self.findings.add(part, "its list of deleted passages does not fit", "list them anew")

    def _examine_languages(self, number: int, part: str, recorded: Any, spoken: set[str]) -> None:
        """Whether the languages of a segment are those of its passages, which are `spoken`, and maybe others, of
        passages that were deleted."""
        sound = set(recorded) if are_languages(recorded) else set()
        if not sound or spoken - sound:
            self.findings.languages[number] = sorted(sound | spoken) or [""]
            self.findings.add(part, "its languages are not those of its passages", "list them anew")

    def _postings_of(self, number: int, live: NDArray[np.int64], terms: NDArray[np.int64]) -> "_Held":
        """What the table `postings` has of a segment. Raises `IndexDamagedError` for what cannot be unpacked."""
        held = _Held(np.zeros(len(live), np.bool_), np.empty(0, np.int64), 0, {})
        query = (
            f"SELECT term, {self._state.held}, data FROM {{s}}.postings WHERE segment_id = %s AND term > %s"
            " ORDER BY term LIMIT %s"
        )
        for batch in self._each(query, _TERMS_AT_ONCE, b"", (number,)):
            pieces = []
            for term, which, data in batch:
                held.checksum = (held.checksum + checksum(bytes(term), which, data)) % 2**62
                pieces.append(unpacked(which, data))
            ids = np.concatenate([one.ids for one in pieces])
            lengths = np.concatenate([one.lengths for one in pieces])
            ids, at_first = np.unique(ids, return_index=True)
            at = np.searchsorted(live, ids)
            is_live = (at < len(live)) & (live[np.minimum(at, len(live) - 1)] == ids) if len(live) else at < 0
            held.live[at[is_live]] = True
            held.gone = np.union1d(held.gone, ids[~is_live])
            own = lengths[at_first][is_live]
            differs = own != terms[at[is_live]]
            held.lengths.update(zip(ids[is_live][differs].tolist(), own[differs].tolist(), strict=True))
        return held

    # -- vectors and what belongs together -----------------------------------------------------------------------

    def _examine_orphans(self) -> None:
        for table, row, what, repair, condition in _ORPHANS:
            (count,) = self._rows(f"SELECT count(*) FROM {{s}}.{table} AS one WHERE {condition}")[0]
            if count:
                self.findings.add(table, f"{count_of(count, row)} {agreeing(count, 'is', 'are')} {what}", repair)
        (count,) = self._rows(f"SELECT count(*) FROM {{s}}.chunks WHERE {UNQUEUED}")[0]
        if count:
            have = agreeing(count, "has no vector, and does", "have no vector, and do")
            self.findings.add(
                "encode_queue",
                f"{count_of(count, 'passage')} {have} not wait for one",
                "the next index encodes them",
            )
        (count,) = self._rows("SELECT count(*) FROM {s}.encode_queue AS queue JOIN {s}.chunks ON id = chunk_id"
                              " WHERE queue.tokens <> chunks.tokens")[0]  # fmt: skip
        if count:
            self.findings.add(
                "encode_queue",
                f"{count_of(count, 'waiting passage')} {agreeing(count, 'has', 'have')} another size",
                "take that of the passage",
            )

    def _examine_vectors(self) -> None:
        dim = self._dim()
        for table in ("vectors", "kept_vectors") if dim else ():
            (count,) = self._rows(f"SELECT count(*) FROM {{s}}.{table} WHERE {unsound_vector(dim)}")[0]
            if count:
                again = "the next index encodes them again" if table == "vectors" else "remove them"
                self.findings.add(
                    table,
                    f"{count_of(count, 'vector')} {agreeing(count, 'is', 'are')} none that the model makes",
                    again,
                )
        found = self._rows("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('{s}.vectors_hnsw')")
        if found and not found[0][0]:
            self.findings.bad_index = True
            self.findings.add("vectors_hnsw", "the index of the vectors is not whole", "build it anew")


@dataclass
class _Held:
    """The postings of a segment: which of the live chunks they name (n,) bool, (m,) ids of deleted ones, their
    checksum, and chunk id -> length where the chunk has another."""

    live: NDArray[np.bool_]
    gone: NDArray[np.int64]
    checksum: int
    lengths: dict[int, int]


class _Languages:
    """The languages of the chunks `live` (n,), rising; `documents`: rows of `_DOCUMENTS`."""

    def __init__(self, documents: Sequence[Any], live: NDArray[np.int64]) -> None:
        self._codes = sorted({row[2] for row in documents})
        numbers = {code: number for number, code in enumerate(self._codes)}
        spans = np.array([(first, count, numbers[code]) for first, count, code in documents], np.int64).reshape(-1, 3)
        at = np.searchsorted(spans[:, 0], live, side="right") - 1
        # (n,) the place of the language of each chunk in `_codes`; -1: its document does not know of it.
        self._numbers = np.full(len(live), -1, np.int64)
        if len(spans):
            inside = (at >= 0) & (live < spans[at, 0] + spans[at, 1])
            self._numbers[inside] = spans[at[inside], 2]

    def of(self, chosen: NDArray[np.bool_]) -> set[str]:
        """The languages of those of the chunks that are `chosen` (n,)."""
        return {self._codes[number] for number in np.unique(self._numbers[chosen]).tolist() if number >= 0}


# What the counters of the table `state` must at least be (the first four), or are.
COUNTED = (
    "SELECT greatest((SELECT max(id) FROM {s}.chunks), (SELECT max(last_id) FROM {s}.segments WHERE last_id <"
    " 4294967295), 0) + 1, coalesce((SELECT max(id) FROM {s}.files), 0) + 1,"
    " coalesce((SELECT max(id) FROM {s}.roots), 0) + 1,"
    " greatest((SELECT max(id) FROM {s}.segments), (SELECT max(segment_id) FROM {s}.postings), 0) + 1,"
    " (SELECT count(*) FROM {s}.chunks), (SELECT coalesce(sum(terms), 0) FROM {s}.chunks)::bigint,"
    + ", ".join(
        f" (SELECT count(*) FROM {{s}}.files WHERE status = '{one}')" for one in ("indexed", "skipped", "failed")
    )
)
# Chunks without a vector that nobody will encode.
UNQUEUED = (
    "NOT EXISTS (SELECT FROM {s}.vectors WHERE vectors.chunk_id = chunks.id)"
    " AND NOT EXISTS (SELECT FROM {s}.encode_queue WHERE encode_queue.chunk_id = chunks.id)"
    f" AND NOT {ELSEWHERE}"
)


def orphans() -> Iterator[str]:
    """Statements that remove what belongs to nothing."""
    for table, _, _, _, condition in _ORPHANS:
        yield f"DELETE FROM {{s}}.{table} AS one WHERE {condition}"


def unsound_vector(dim: int) -> str:
    """A condition for vectors that a model with `dim` numbers cannot have made: others than units, and 0."""
    norm = "{v}.l2_norm(embedding)"
    return f"{{v}}.vector_dims(embedding) <> {dim} OR ({norm} NOT BETWEEN {1 - _UNIT} AND {1 + _UNIT} AND {norm} <> 0)"


def _check_chunk(row: Sequence[Any]) -> None:
    """Raises one of `MALFORMED` for a chunk that is not what was written."""
    _, _, _, text, nuls, heading, breaks, digest = row
    if hash_of(tuple(json.loads(heading)), rows.with_nuls(text, nuls)) != bytes(digest):
        raise ValueError("it is another text")
    rows.line_breaks(breaks)


def _is_sound(check: Any) -> bool:
    try:
        check()
    except MALFORMED:
        return False
    return True
