"""How much a format of the vectors loses on an index: the ten nearest of held-out queries, against an exact scan of the
finest vectors there are.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from semsearch.dense import cells
from semsearch.dense.cells import Cells
from semsearch.dense.coded_vectors import CodedVectors
from semsearch.dense.segment_vectors import RowScores, SegmentVectors, search
from semsearch.dense.vector_format import VectorFormat
from semsearch.embedding.embedder import Vectors
from semsearch.embedding.model_info import ModelInfo
from semsearch.embedding.open import open_recorded
from semsearch.errors import SemsearchError
from semsearch.maintenance.quantization.records import MeasuredFormat
from semsearch.plurals import count_of
from semsearch.retrieval.query_sentences import held_out_queries
from semsearch.store.local import rows
from semsearch.store.local.dense_segment import DenseSegment, open_dense
from semsearch.store.local.rows import Segment
from semsearch.store.local.snapshot import LocalSnapshot

_TOP = 10
# Cosines no further apart are the same: two kernels that add the same float32 products in another order differ by up to
# 1e-6, and which of several equally near passages is the tenth is for no format to lose.
_EQUAL = np.float32(1e-5)
# Rows whose products with the queries are held at once.
_BLOCK = 65_536


@dataclass(frozen=True)
class IndexVectors:
    """The vectors of an index as they are: its `segments` as the catalog records them and `opened`, which rows of each
    are `alive` (None: all), how many vectors there are, and how they are kept (`format`)."""

    index: str
    model: ModelInfo
    format: VectorFormat
    segments: Sequence[Segment]
    opened: Sequence[DenseSegment]
    alive: Sequence[NDArray[np.bool_] | None]
    count: int

    @staticmethod
    def of(snapshot: LocalSnapshot) -> "IndexVectors":
        """The vectors of `snapshot`. Raises `SemsearchError` where there are none."""
        model, segments = snapshot.info().model, rows.segments(snapshot.catalog, "vec")
        if model is None or not segments:
            raise SemsearchError(
                f"the index {snapshot.folder} holds no vectors yet",
                "encode them with: semsearch index",
                code="no_vectors",
            )
        vector_format = snapshot.vector_format()
        return IndexVectors(
            snapshot.folder,
            model,
            vector_format,
            segments,
            [open_dense(snapshot.folder, one.name, one.rows, one.files, vector_format) for one in segments],
            [one.alive() for one in segments],
            sum(one.alive_count for one in segments),
        )


@dataclass(frozen=True)
class Reference:
    """Held-out `queries` (q, stored dim) and the cosines of their nearest by an exact scan of the finest vectors there
    are, `nearest` (q, at most 10), the largest first. Both float32."""

    queries: Vectors
    nearest: NDArray[np.float32]


def reference(snapshot: LocalSnapshot, vectors: IndexVectors, count: int, announce: Callable[[str], None]) -> Reference:
    """The exact answers to up to `count` sentences of the index. Raises `SemsearchError` where it holds no sentence."""
    texts = held_out_queries(snapshot, count)
    if not texts:
        raise SemsearchError(
            f"the index {vectors.index} holds no sentence to measure with", "index more text first", code="no_queries"
        )
    announce(f"measuring with {count_of(len(texts), 'sentence')} of the index as queries")
    embedder = open_recorded(vectors.model, announce)
    queries = vectors.format.stored(np.stack([embedder.encode_query(text) for text in texts]))
    scores = np.empty((len(queries), 0), np.float32)
    for segment, keep in zip(vectors.opened, vectors.alive, strict=True):
        kept = np.arange(len(segment.ids)) if keep is None else np.flatnonzero(keep)
        for start in range(0, len(kept), _BLOCK):
            part = kept[start : start + _BLOCK]
            scores = np.concatenate([scores, queries @ segment.vectors.vectors(part).T], axis=1)
            scores = -np.sort(-scores, axis=1)[:, :_TOP]
    return Reference(queries, scores)


def measured_as_it_is(vectors: IndexVectors, against: Reference) -> MeasuredFormat:
    """The format that the index has."""
    return _measured(vectors, vectors.format, [segment.vectors for segment in vectors.opened], against)


def measured_in(vectors: IndexVectors, vector_format: VectorFormat, against: Reference) -> MeasuredFormat:
    """`vector_format`, which the index could have: its segments are made in memory."""
    return _measured(vectors, vector_format, _made(vectors, vector_format), against)


def _made(vectors: IndexVectors, vector_format: VectorFormat) -> list[SegmentVectors]:
    made = []
    for segment in vectors.opened:
        own = segment.vectors.vectors(np.arange(len(segment.ids), dtype=np.int64))
        store = segment.vectors.store
        if not vector_format.same_store(vectors.format):
            codec = vector_format.store_codec()
            own = own if vectors.format.truncated else vector_format.stored(own)
            store = CodedVectors(codec, codec.build(own))
        first, inside = vector_format.first_stage(len(own)), None
        codes = None
        if first is not None:
            coded = vector_format.coded(own)
            if vector_format.has_cells(len(own)):
                inside = Cells.train(coded)
                coded = coded[inside.order]
            codes = CodedVectors(first, first.build(coded))
        made.append(SegmentVectors(vector_format, store, codes, inside))
    return made


def _measured(
    vectors: IndexVectors, vector_format: VectorFormat, segments: Sequence[SegmentVectors], against: Reference
) -> MeasuredFormat:
    queries, nearest = against.queries, against.nearest
    asked = queries if vectors.format.truncated else vector_format.stored(queries)
    seconds, near, first = [], 0, 0
    for query, whole, best in zip(asked, queries, nearest, strict=True):
        clock = time.perf_counter()
        results = search(segments, query, _TOP, vectors.alive)
        seconds.append(time.perf_counter() - clock)
        cosines = _cosines(vectors, whole, results)
        near += int(np.count_nonzero(cosines >= best[-1] - _EQUAL))
        first += bool(len(cosines)) and bool(cosines[0] >= best[0] - _EQUAL)
    searched, disk = _bytes(vectors.segments, vector_format)
    recall = near / nearest.size if nearest.size else 1.0
    return MeasuredFormat(vector_format, searched, disk, recall, first / len(queries), float(np.median(seconds)))


def _cosines(vectors: IndexVectors, query: Vectors, results: Sequence[RowScores]) -> NDArray[np.float32]:
    """Cosines of the ten best of `results` by the finest vectors, (at most 10,), in the order in which they rank."""
    every = sorted(
        (-float(score), int(segment.ids[row]), number, int(row))
        for number, (segment, (places, scores)) in enumerate(zip(vectors.opened, results, strict=True))
        for row, score in zip(places, scores, strict=True)
    )[:_TOP]
    best = [vectors.opened[number].vectors.vectors(np.array([row]))[0] for _, _, number, row in every]
    return np.array(best, np.float32).reshape(len(every), len(query)) @ query


def _bytes(segments: Sequence[Segment], vector_format: VectorFormat) -> tuple[int, int]:
    """(bytes that a query goes through, bytes of all vectors)."""
    searched = disk = 0
    for segment in segments:
        own = int(segment.rows * vector_format.store_codec().row_bytes)
        first = vector_format.first_stage(segment.rows)
        coded = int(segment.rows * first.row_bytes) if first else 0
        if first and vector_format.has_cells(segment.rows):
            probed = coded // cells.PROBED_SHARE
            coded += 4 * segment.rows
            searched += probed
        else:
            searched += coded or own
        disk += own + coded + 8 * segment.rows
    return searched, disk
