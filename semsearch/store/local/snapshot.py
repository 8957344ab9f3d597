"""A committed state of an index folder, as `protocol.Snapshot`.

What the catalog alone can tell needs no numpy, so that `status` is quick; segments are opened when a search needs them.
"""

import contextlib
import json
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from semsearch.plurals import count_of
from semsearch.store.checked_values import of_type
from semsearch.store.local import rows
from semsearch.store.local.catalog import Catalog
from semsearch.store.local.damage import catalog_damaged
from semsearch.store.local.sparse_segments import SparseSegments
from semsearch.store.local.token_vector_file import summary
from semsearch.store.records import (
    Counts,
    DocumentName,
    FileRecord,
    Filters,
    IndexInfo,
    Passage,
    Position,
    RunRecord,
    StorageInfo,
)

if TYPE_CHECKING:
    from random import Random

    from semsearch.dense.vector_format import VectorFormat
    from semsearch.embedding.late_interaction import TokenModel
    from semsearch.lexical.postings import Postings
    from semsearch.lexical.query_word import Word
    from semsearch.sources.stamps import Stamp
    from semsearch.store.filtering import FileRow
    from semsearch.store.local.dense_segment import DenseSegment
    from semsearch.store.local.segment_search import SegmentSearch
    from semsearch.store.local.sparse_search import SparseSearch
    from semsearch.store.protocol import Selection
    from semsearch.store.records import FloatArray, Ids, Ranking, Scores, Vectors

# Draws in a row that met nothing new, after which `shuffled` ends: nearly all chunks were met.
_MOST_MISSES = 200
# Texts that are read in one query.
_TEXTS_AT_ONCE = 2000


class LocalSnapshot:
    """The state of `catalog`, whose folder holds the segments."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        self.folder = catalog.folder
        self._info: IndexInfo | None = None
        self._counts: Counts | None = None
        self._embedded_to: int | None = None
        self._root_ids: frozenset[int] | None = None
        self._search: SegmentSearch | None = None
        self._sparse: SparseSearch | None = None

    @property
    def search(self) -> "SegmentSearch":
        """What searches the segments of this state."""
        if self._search is None:
            # numpy, which `status` has no use for
            if self.info().vectors_at is None:
                from semsearch.store.local.segment_search import SegmentSearch

                self._search = SegmentSearch(self.catalog, self.info())
            else:
                from semsearch.store.local.engine_search import EngineSearch

                self._search = EngineSearch(self.catalog, self.info())
        return self._search

    # -- about the index -----------------------------------------------------------------------------------------

    def info(self) -> IndexInfo:
        if self._info is None:
            self._info = rows.index_info(self.catalog)
        return self._info

    def uses_engine(self) -> bool:
        """Whether a vector database keeps the vectors, or is to."""
        return self.info().vectors_at is not None or self.catalog.setting("vectors_to") is not None

    def counts(self) -> Counts:
        if self._counts is None:
            self._counts = Counts(**self.catalog.counts())
        return self._counts

    def position(self) -> Position:
        reached = [self.embedded_to(), SparseSegments.of(self.catalog).to if self.info().sparse else 0]
        # What a leg has not begun with is waited for by nobody.
        return Position(min([self.last_given(), *filter(None, reached)]), self.info().generation)

    def last_given(self) -> int:
        return self.catalog.number("next_chunk", 1) - 1

    def embedded_to(self) -> int:
        """The last chunk that the dense leg has gone through; 0: none."""
        if self._embedded_to is None:
            self._embedded_to = self.catalog.number("embedded_to")
        return self._embedded_to

    def languages(self) -> frozenset[str]:
        return frozenset(code for part in self.postings() for code in part.languages)

    def storage(self) -> StorageInfo:
        size = 0
        for parent, _, names in os.walk(self.folder):
            for name in names:
                with contextlib.suppress(FileNotFoundError):  # a writer has removed it since
                    size += os.lstat(os.path.join(parent, name)).st_size
        lock = os.path.join(self.folder, "lock")
        return StorageInfo(
            segments={
                **{kind: len(rows.segments(self.catalog, kind)) for kind in ("lex", "vec")},
                **({"spa": len(SparseSegments.of(self.catalog).segments)} if self.info().sparse else {}),
            },
            size=size,
            checked=os.stat(lock).st_mtime if os.path.exists(lock) else 0.0,  # a clone has none
            vectors=rows.vectors_summary(self.catalog),
            token_vectors=summary(self.catalog),
        )

    def token_vectors(self, model: "TokenModel", hashes: Collection[bytes]) -> "tuple[Mapping[bytes, Vectors], str]":
        from semsearch.store.local.token_vectors import stored_token_vectors

        return stored_token_vectors(self.folder, model, hashes)

    def last_run(self) -> RunRecord | None:
        return rows.last_run(self.catalog)

    # -- searching -----------------------------------------------------------------------------------------------

    def postings(self) -> "list[Postings]":
        """The lexical segments."""
        return self.search.postings()

    def dense_segments(self) -> "list[DenseSegment]":
        """The segments of vectors."""
        return self.search.dense_segments()

    def vector_format(self) -> "VectorFormat":
        """How the vectors are kept."""
        return self.search.vector_format()

    def warm_up(self) -> None:
        self.search.dense_segments()

    def will_ask(self, words: "Sequence[Word]", vector: "Vectors | None", k: int) -> None:
        pass  # everything is at hand

    def select(
        self, filters: Filters, prefix: str = "", within: "Ids | None" = None, without: "Ids | None" = None
    ) -> "Selection | None":
        if not filters and within is None and without is None:
            return None
        from semsearch.store.allowed import Allowed, ChunkSelection, ranges_after

        if not filters:
            return ChunkSelection(Allowed(None, within, without))
        chosen, unmatched = self._matching(filters, prefix)
        ranges = ranges_after([row.span for row in chosen], filters.after)
        return ChunkSelection(Allowed(ranges, within, without), unmatched, not chosen)

    def _matching(self, filters: Filters, prefix: str) -> "tuple[list[FileRow], tuple[str, ...]]":
        """The files that `filters` let in, `after` aside, and the path globs and titles that match none."""
        from semsearch.store.filtering import FileRow, matching_files

        files = [
            FileRow(row, self._roots(), partial(rows.decoded, self.folder))
            for row in self.catalog.rows(
                "SELECT root_id, path, type, title, language, metadata, COALESCE(date, mtime_ns / 1e9) AS moment,"
                " first_chunk, chunk_count FROM files"
                " WHERE status = 'indexed' AND id NOT IN (SELECT file_id FROM parts)"
                " UNION ALL SELECT files.root_id, files.path, files.type, parts.title, parts.language, parts.metadata,"
                " COALESCE(parts.date, files.date, files.mtime_ns / 1e9), parts.first_chunk, parts.chunk_count"
                " FROM parts JOIN files ON files.id = parts.file_id WHERE files.status = 'indexed'"
                " ORDER BY first_chunk"
            )
        ]
        return matching_files(files, filters, self.info().roots, prefix)

    def holding(self, words: "Sequence[Word]") -> "Ids":
        return self.search.holding(words)

    def frequencies(self, words: "Sequence[Word]") -> "Ids":
        return self.search.frequencies(words)

    def completions(self, beginnings: Sequence[str], limit: int | None) -> list[str]:
        return self.search.completions(beginnings, limit)

    def similar(self, keys: Sequence[str], distance: int, limit: int) -> list[str]:
        return self.search.similar(keys, distance, limit)

    def texts(self, ids: "Ids") -> Iterator[tuple[int, str, str]]:
        wanted = ids.tolist()
        for start in range(0, len(wanted), _TEXTS_AT_ONCE):
            query = (
                "SELECT chunks.id, files.type, heading, text FROM chunks JOIN files ON files.id = chunks.file_id"
                " WHERE chunks.id IN (SELECT value FROM json_each(?))"
            )
            batch = wanted[start : start + _TEXTS_AT_ONCE]
            missing = set(batch)
            for row in self.catalog.rows(query, (json.dumps(batch),)):
                found = rows.decoded(self.folder, partial(rows.encoded_text, row), "the text of a passage")
                missing.discard(found[0])
                yield found
            if missing:  # a segment names what the catalog has not
                raise rows.chunk_damaged(self.folder, min(missing))

    def names(self, ids: "Ids") -> list[DocumentName]:
        wanted = ids.tolist()
        query = rows.NAMES + " WHERE chunks.id IN (SELECT value FROM json_each(?))"
        found = self.catalog.rows(query, (json.dumps(wanted),))
        by_id = rows.decoded(self.folder, lambda: dict(map(rows.document_name, found)), "the name of a document")
        for number in wanted:
            if number not in by_id:
                raise rows.chunk_damaged(self.folder, number)
        return [by_id[number] for number in wanted]

    def lexical(self, words: "Sequence[Word]", k: int, selection: "Selection | None") -> "Ranking":
        from semsearch.store.allowed import allowed_by

        return self.search.lexical(words, k, allowed_by(selection))

    def dense(self, vector: "Vectors", k: int, selection: "Selection | None") -> "Ranking":
        from semsearch.store.allowed import allowed_by

        return self.search.dense(vector, k, allowed_by(selection))

    def sparse_leg(self) -> "SparseSearch | None":
        model = self.info().sparse
        if model is None:
            return None
        if self._sparse is None:
            from semsearch.store.local.sparse_search import SparseSearch

            self._sparse = SparseSearch(self.catalog, model.step, lambda: self.search.holding(()))
        return self._sparse

    def sparse_pending(self) -> int:
        if self.info().sparse is None:
            return 0
        query = "SELECT COUNT(*) FROM chunks WHERE id > ? AND file_id IS NOT NULL"
        return int(self.catalog.rows(query, (SparseSegments.of(self.catalog).to,))[0][0])

    def score(self, ids: "Ids", words: "Sequence[Word]", vectors: "Vectors | None") -> "Scores":
        return self.search.score(ids, words, vectors)

    def idf(self, words: "Sequence[Word]") -> "FloatArray":
        return self.search.scorer(words).idf

    def as_stored(self, vectors: "Vectors") -> "Vectors":
        return self.vector_format().stored(vectors)

    def adapted(self, vector: "Vectors") -> "Vectors":
        return self.search.adapted(vector)

    def encoded_ids(self) -> "Ids":
        return self.search.encoded_ids()

    def vectors(self, ids: "Ids") -> "Vectors":
        return self.search.vectors(ids)

    def keeps_model_vectors(self) -> bool:
        vector_format = self.vector_format()
        vector_format.check()
        return vector_format.reversible

    # -- chunks --------------------------------------------------------------------------------------------------

    def passages(self, ids: Sequence[int]) -> list[Passage]:
        wanted = [int(number) for number in ids]
        query = rows.PASSAGES + " WHERE chunks.id IN (SELECT value FROM json_each(?))"
        by_id = {one.id: one for one in self._passages(query, (json.dumps(wanted),))}
        for number in wanted:
            if number not in by_id:
                raise rows.chunk_damaged(self.folder, number)
        return [by_id[number] for number in wanted]

    def neighbours(self, chunk_id: int, count: int) -> list[Passage]:
        query = rows.PASSAGES + (
            " WHERE chunks.id BETWEEN ? AND ? AND chunks.file_id = (SELECT file_id FROM chunks WHERE id = ?)"
            " ORDER BY chunks.id"
        )
        return self._passages(query, (chunk_id - count, chunk_id + count, chunk_id))

    def passages_of(self, file_id: int) -> list[Passage]:
        file = self.catalog.row("SELECT first_chunk, chunk_count FROM files WHERE id = ?", (file_id,))
        if file is None:
            return []
        first, end = rows.decoded(self.folder, lambda: rows.span(file), "the chunks of a file")
        query = rows.PASSAGES + " WHERE chunks.file_id = ?"
        passages = self._passages(
            query + " AND chunks.id BETWEEN ? AND ? ORDER BY chunks.id", (file_id, first, end - 1)
        )
        if len(passages) != end - first:  # some were replaced (`Transaction.replace_passages`), or are lost
            passages = self._passages(query + " ORDER BY chunks.id", (file_id,))
        if len(passages) != end - first:
            raise catalog_damaged(
                self.folder, f"file {file_id} has {count_of(len(passages), 'chunk')}, not {end - first}"
            )
        return passages

    def file_ids(self, ids: "Ids") -> "Ids":
        import numpy as np

        query = "SELECT id, file_id FROM chunks WHERE id IN (SELECT value FROM json_each(?))"
        file_of = {row[0]: row[1] for row in self.catalog.rows(query, (json.dumps(ids.tolist()),))}
        # Damage is also a chunk that is not there, or that is of no file.
        files = rows.decoded(
            self.folder, lambda: [of_type(file_of[number], int) for number in ids.tolist()], "the file of a chunk"
        )
        return np.array(files, np.int64)

    def shuffled(self, chance: "Random") -> Iterator[Passage]:
        last = self.embedded_to() or self.last_given()
        query = rows.PASSAGES + " WHERE chunks.id >= ? AND chunks.id <= ? ORDER BY chunks.id LIMIT 1"
        seen: set[int] = set()
        misses = 0
        while misses < _MOST_MISSES:
            passages = self._passages(query, (chance.randint(1, max(1, last)), last))
            if not passages or passages[0].id in seen:
                misses += 1
                continue
            misses = 0
            seen.add(passages[0].id)
            yield passages[0]

    def _roots(self) -> frozenset[int]:
        """The ids of the indexed folders, one of which every file is in."""
        if self._root_ids is None:
            self._root_ids = frozenset(root_id for root_id, _, _ in self.catalog.roots())
        return self._root_ids

    def _passages(self, query: str, parameters: Sequence[object]) -> list[Passage]:
        chunk_rows = self.catalog.rows(query, parameters)
        return rows.passages(self.folder, chunk_rows, self.embedded_to(), self._roots())

    # -- files ---------------------------------------------------------------------------------------------------

    def files(self, root_id: int | None = None) -> Iterator[FileRecord]:
        where, parameters = ("", ()) if root_id is None else (" WHERE root_id = ?", (root_id,))
        embedded_to, roots = self.embedded_to(), self._roots()
        for row in self.catalog.each(rows.FILES + where, parameters):
            yield rows.file_record(self.folder, row, embedded_to, roots)

    def file(self, root_id: int, path: bytes) -> FileRecord | None:
        row = self.catalog.row(rows.FILES + " WHERE root_id = ? AND path = ?", (root_id, path))
        return None if row is None else rows.file_record(self.folder, row, self.embedded_to(), self._roots())

    def stamps(self, root_id: int, generation: int, racy_ns: int) -> "dict[bytes, Stamp]":
        return self.catalog.stamps(root_id, generation, racy_ns)

    def left_out(self, root_id: int) -> dict[bytes, tuple[str, str]]:
        return self.catalog.left_out(root_id)

    def paths(self, root_id: int) -> set[bytes]:
        return self.catalog.file_names(root_id)

    # -- what has no vector --------------------------------------------------------------------------------------

    def pending(self, limit: int) -> list[Passage]:
        return self._passages(rows.PASSAGES + " WHERE chunks.id > ? ORDER BY chunks.id LIMIT ?",
                              (self.embedded_to(), limit))  # fmt: skip

    def pending_tokens(self) -> int:
        query = "SELECT COALESCE(SUM(tokens), 0) FROM chunks WHERE id > ? AND file_id IS NOT NULL"
        row = self.catalog.rows(query, (self.embedded_to(),))[0]
        return rows.decoded(self.folder, lambda: of_type(row[0], int), "the tokens of passages")

    def encoded_hashes(self, hashes: Collection[bytes]) -> set[bytes]:
        return {digest for _, digest in encoded_chunks(self.catalog, hashes, self.embedded_to())}


def encoded_chunks(catalog: Catalog, hashes: Collection[bytes], embedded_to: int) -> list[tuple[int, bytes]]:
    """(chunk id, text hash) of the newest chunk up to `embedded_to` with each of `hashes`, deleted chunks included."""
    wanted = list(dict.fromkeys(hashes))
    encoded: list[tuple[int, bytes]] = []
    for start in range(0, len(wanted) if embedded_to else 0, 500):
        part = wanted[start : start + 500]
        marks = ",".join("?" * len(part))
        query = f"SELECT MAX(id), hash FROM chunks WHERE hash IN ({marks}) AND id <= ? GROUP BY hash"
        encoded += [(row[0], row[1]) for row in catalog.rows(query, (*part, embedded_to))]
    return encoded
