"""Dense segments: vectors and their chunk ids, mapped, with codes that are scanned first.

index.faiss  ids.bin    vectors and their chunk ids
int8.faiss              codes that are scanned first, of the kind in the name (`dense.vector_format`)
centroids.bin ...       cells of those codes (`dense.cells`)
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from semsearch.dense import cells
from semsearch.dense.cells import Cells
from semsearch.dense.coded_vectors import CodedVectors
from semsearch.dense.segment_vectors import SegmentVectors
from semsearch.dense.vector_format import VectorFormat
from semsearch.embedding.embedder import Vectors
from semsearch.plurals import count_of
from semsearch.store.local.damage import unreadable_as_damage
from semsearch.store.local.segment_folder import (
    SEGMENTS_FOLDER,
    VECTORS_FILE,
    FileList,
    check_content,
    checked_folder,
    damaged_segment,
    map_array,
    write_folder,
)

# Vectors that ranges, means, codebooks and directions are learnt from: 200 MB at 384 dimensions.
LEARNT_FROM = 131_072
_MOST_ROWS = 2**40


@dataclass(frozen=True, eq=False)  # arrays are not compared
class DenseSegment:
    """The vectors of one segment, and `ids` (rows,) int64, rising: the chunks they belong to."""

    ids: NDArray[np.int64]
    vectors: SegmentVectors


def open_dense(index: str, name: str, rows: int, files: FileList, vector_format: VectorFormat) -> DenseSegment:
    """The mapped segment `name`; `rows` and `files` are what the catalog says of it. Raises `IndexDamagedError`."""
    folder = checked_folder(index, name, files)
    if not 0 < rows < _MOST_ROWS:
        raise damaged_segment(folder, f"the catalog says it has {count_of(rows, 'row')}")
    with unreadable_as_damage(index):
        store = CodedVectors.open(os.path.join(folder, VECTORS_FILE), vector_format.store_codec(), rows)
        codec = vector_format.first_stage(rows)
        codes = inside = None
        # A segment written before the format had codes of this kind has none; its vectors are scanned.
        if codec is not None and f"{codec.kind}.faiss" in files:
            codes = CodedVectors.open(os.path.join(folder, f"{codec.kind}.faiss"), codec, rows)
            if set(files) >= {f"{part}.bin" for part in cells.FILES}:
                arrays = {part: map_array(folder, f"{part}.bin", dtype) for part, dtype in cells.FILES.items()}
                inside = Cells.from_arrays(arrays, rows, codec.dim, folder)
    return DenseSegment(_ids(folder, rows), SegmentVectors(vector_format, store, codes, inside))


def _ids(folder: str, rows: int) -> NDArray[np.int64]:
    ids: NDArray[np.int64] = map_array(folder, "ids.bin", "<i8")
    if len(ids) != rows:
        raise damaged_segment(folder, "its ids do not fit its vectors")
    return ids


def write_dense(
    index: str, name: str, ids: NDArray[np.int64], vectors: Vectors, vector_format: VectorFormat
) -> FileList:
    """Writes `vectors` ((n, store_dim) float32 unit rows, n > 0) of chunks `ids` (rising) as segment `name`."""
    contents = {
        VECTORS_FILE: vector_format.store_codec().serialize(vectors).tobytes(),
        "ids.bin": ids.astype("<i8").tobytes(),
    }
    return write_folder(index, name, {**contents, **_first_stage(vectors, vector_format)})


def rewrite_dense(
    index: str, name: str, old: str, old_files: FileList, vectors: Vectors, vector_format: VectorFormat
) -> FileList:
    """Writes segment `name`: the stored vectors and ids of segment `old`, with the codes of `vector_format` for them.

    `vectors` are those of `old`, (n, store_dim). Where the file system has hard links, what stays takes no space.
    """
    source = checked_folder(index, old, old_files)
    kept = {part: (os.path.join(source, part), old_files[part]) for part in (VECTORS_FILE, "ids.bin")}
    return write_folder(index, name, _first_stage(vectors, vector_format), kept)


def _first_stage(vectors: Vectors, vector_format: VectorFormat) -> dict[str, bytes]:
    """The files of the codes of stored `vectors`, in the order of their cells; none where they are scanned as such."""
    codec = vector_format.first_stage(len(vectors))
    if codec is None:
        return {}
    coded = vector_format.coded(vectors)
    contents: dict[str, bytes] = {}
    if vector_format.has_cells(len(vectors)):
        trained = Cells.train(coded)
        coded = coded[trained.order]
        contents = {
            f"{part}.bin": np.ascontiguousarray(getattr(trained, part), dtype).tobytes()
            for part, dtype in cells.FILES.items()
        }
    return {f"{codec.kind}.faiss": codec.serialize(coded).tobytes(), **contents}


def stored_vectors(
    index: str, name: str, rows: int, files: FileList, vector_format: VectorFormat
) -> tuple[NDArray[np.int64], Vectors]:
    """(ids, vectors) of a dense segment whose stored vectors are what was written, whatever became of its codes."""
    check_content(index, name, {part: files[part] for part in (VECTORS_FILE, "ids.bin") if part in files})
    folder = os.path.join(index, SEGMENTS_FOLDER, name)
    with unreadable_as_damage(index):
        store = CodedVectors.open(os.path.join(folder, VECTORS_FILE), vector_format.store_codec(), rows)
    return _ids(folder, rows), store.vectors(np.arange(rows, dtype=np.int64))


def training_vectors(
    segments: Sequence[DenseSegment], alive: Sequence[NDArray[np.bool_] | None], most: int = LEARNT_FROM
) -> Vectors:
    """(n, store_dim): up to `most` vectors from all over `segments`, of the rows that are alive; None: all are."""
    step = max(1, -(-sum(len(segment.ids) for segment in segments) // most))
    parts = [
        segment.vectors.vectors((np.arange(len(segment.ids)) if keep is None else np.flatnonzero(keep))[::step])
        for segment, keep in zip(segments, alive, strict=True)
    ]
    return np.concatenate(parts)


def open_ids(index: str, name: str, rows: int, files: FileList) -> NDArray[np.int64]:
    """The chunk ids of a dense segment's rows, (rows,) int64 rising."""
    return _ids(checked_folder(index, name, files), rows)
