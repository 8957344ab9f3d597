"""Writes the sparse leg of an index folder."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from semsearch.lexical import impacts, postings
from semsearch.lexical.bm25 import is_among, locate
from semsearch.lexical.postings import Postings
from semsearch.lexical.sparse_vector import SparseVector
from semsearch.store.local.lexical_segment import write_lexical
from semsearch.store.local.merging import mergeable
from semsearch.store.local.rows import Segment
from semsearch.store.local.sparse_segments import SPARSE_SEGMENTS, SparseSegments, open_segment
from semsearch.store.local.writer import IndexWriter

# Hashes of one statement.
_HASHES_AT_ONCE = 500


class LocalSparseWriter:
    """`protocol.SparseLegWriter` over the writer of an index folder, whose weights are kept in steps of `step`."""

    def __init__(self, index: IndexWriter, step: float) -> None:
        self._index = index
        self._step = step

    def pending(self) -> NDArray[np.int64]:
        held = SparseSegments.of(self._index.catalog)
        query = "SELECT id FROM chunks WHERE id > ? AND file_id IS NOT NULL ORDER BY id"
        ids = np.array([row[0] for row in self._index.catalog.rows(query, (held.to,))], np.int64)
        if len(ids):
            for segment in held.segments:
                if segment.last_id >= ids[0]:
                    ids = ids[~is_among(ids, open_segment(self._index.index, segment).ids)]
                    if not len(ids):
                        break
        return ids

    def known(self, hashes: Collection[bytes]) -> dict[bytes, SparseVector]:
        hash_of: dict[int, bytes] = {}
        wanted = list(dict.fromkeys(hashes))
        for start in range(0, len(wanted), _HASHES_AT_ONCE):
            part = wanted[start : start + _HASHES_AT_ONCE]
            query = f"SELECT id, hash FROM chunks WHERE hash IN ({','.join('?' * len(part))})"
            hash_of.update((row[0], row[1]) for row in self._index.catalog.rows(query, part))
        ids = np.array(sorted(hash_of), np.int64)
        known: dict[bytes, SparseVector] = {}
        for segment in SparseSegments.of(self._index.catalog).segments:
            inside = ids[(ids >= segment.first_id) & (ids <= segment.last_id)]
            if len(inside):
                opened = open_segment(self._index.index, segment)
                there, at = locate(inside, opened.ids)
                if len(at):
                    vectors = impacts.vectors_of(opened, at, self._step)
                    known.update(zip((hash_of[int(one)] for one in inside[there]), vectors, strict=True))
        return known

    def put(self, ids: NDArray[np.int64], vectors: Sequence[SparseVector]) -> None:
        held = SparseSegments.of(self._index.catalog)
        segment = self._written(held.next, impacts.build(ids, vectors, self._step))
        self._record(replace(held, to=int(ids[-1]), next=held.next + 1, segments=(*held.segments, segment)))

    def finish(self) -> None:
        held = SparseSegments.of(self._index.catalog)
        last = self._index.catalog.number("next_chunk", 1) - 1
        if held.to != last:
            self._record(replace(held, to=last))

    def maintain(self, stopping: Callable[[], bool]) -> None:
        query = "SELECT id FROM chunks WHERE file_id IS NOT NULL ORDER BY id"
        held = SparseSegments.of(self._index.catalog)
        if not held.segments:
            return
        alive = np.array([row[0] for row in self._index.catalog.rows(query)], np.int64)
        parts = {one.name: open_segment(self._index.index, one) for one in held.segments}
        while group := mergeable([_with_dead(one, parts[one.name], alive) for one in held.segments]):
            names = {one.name for one in group}
            kept = tuple(one for one in held.segments if one.name not in names)
            if any(one.alive_count for one in group):
                merged = postings.merge([parts[one.name] for one in group], [one.alive() for one in group], ())
                segment = self._written(held.next, merged)
                parts[segment.name] = merged
                kept = tuple(sorted((*kept, segment), key=lambda one: one.first_id))
            held = replace(held, next=held.next + 1, segments=kept)
            self._record(held)
            if stopping():
                break

    def _written(self, number: int, content: Postings) -> Segment:
        name = f"spa-{number:06}"
        files = write_lexical(self._index.index, name, content)
        first, last = int(content.ids[0]), int(content.ids[-1])
        return Segment(0, "spa", name, first, last, len(content), None, 0, files)

    def _record(self, held: SparseSegments) -> None:
        with self._index.commit():
            self._index.catalog.set_setting(SPARSE_SEGMENTS, held.as_setting())


def _with_dead(segment: Segment, part: Postings, alive: NDArray[np.int64]) -> Segment:
    """`segment` with its rows whose chunks are not among `alive` (n,), rising, as dead."""
    dead = ~is_among(part.ids, alive)
    count = int(dead.sum())
    return replace(segment, dead=np.packbits(dead, bitorder="little").tobytes() if count else None, dead_count=count)
