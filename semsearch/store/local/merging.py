"""Rewrites segments: merges small ones, drops dead rows, and changes how vectors are kept. Each step is a commit.

New files replace old ones in one transaction; searches that use the old ones go on, and the next writer removes them.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from semsearch.dense.codec import Codec
from semsearch.dense.vector_format import VectorFormat
from semsearch.lexical import postings
from semsearch.store.local.dense_segment import (
    LEARNT_FROM,
    open_dense,
    rewrite_dense,
    training_vectors,
    write_dense,
)
from semsearch.store.local.lexical_segment import open_lexical
from semsearch.store.local.rows import Segment
from semsearch.store.local.segment_folder import FileList
from semsearch.store.local.writer import IndexWriter

# Merge when this many neighbours are of one size class; classes grow by this factor.
_MERGE_FACTOR = 8
_SMALLEST_CLASS = 1024
# No merge writes more than this many rows (200 MB of vectors at 384 dimensions): scans are linear anyway.
_LARGEST_MERGE = 262_144
# Codes are learnt again when there are so many times the vectors.
_LEARN_AGAIN = 4


def merge(writer: IndexWriter, stopping: Callable[[], bool] = lambda: False) -> None:
    """Merges neighbours of one size class and rewrites segments of which a third is dead; `stopping` as in
    `Writer.maintain`."""
    for kind in ("lex", "vec"):
        first = True
        while (first or not stopping()) and (group := mergeable(writer.segments(kind))):
            _merge_group(writer, kind, group)
            first = False


def _merge_group(writer: IndexWriter, kind: str, group: list[Segment]) -> None:
    written: tuple[str, NDArray[np.int64], FileList] | None = None
    if sum(segment.alive_count for segment in group):
        written = _merged_postings(writer, group) if kind == "lex" else _merged_vectors(writer, group)
    with writer.commit():
        writer.delete_segments(group)
        if written:
            writer.add_segment(kind, *written)


def _merged_postings(writer: IndexWriter, group: list[Segment]) -> tuple[str, NDArray[np.int64], FileList]:
    parts = [open_lexical(writer.index, one.name, one.rows, one.files) for one in group]
    languages = tuple(sorted({code for part in parts for code in part.languages}))
    merged = postings.merge(parts, [one.alive() for one in group], languages)
    name, files = writer.write_lexical(merged)
    return name, merged.ids, files


def _merged_vectors(writer: IndexWriter, group: list[Segment]) -> tuple[str, NDArray[np.int64], FileList]:
    dim = writer.model_dim()
    ids, vectors = [], []
    for one in group:
        segment, keep = writer.dense_segment(one, writer.vector_format(dim)), one.alive()
        kept = np.arange(one.rows) if keep is None else np.flatnonzero(keep)
        ids.append(segment.ids[kept])
        vectors.append(segment.vectors.vectors(kept))
    order = np.argsort(np.concatenate(ids))
    merged = np.concatenate(ids)[order]
    name, files = writer.write_dense(merged, np.concatenate(vectors)[order], dim)
    return name, merged, files


def mergeable(segments: list[Segment]) -> list[Segment]:
    """The next segments to be merged into one, neighbours in id order; empty when all is well."""
    for one in segments:
        if one.dead_count * 3 >= one.rows:
            return [one]
    run: list[Segment] = []
    for one in reversed(segments):
        if run and _size_class(one) != _size_class(run[-1]):
            run = []
        run.append(one)
        if len(run) == _MERGE_FACTOR:
            if sum(part.rows for part in run) <= _LARGEST_MERGE:
                return run[::-1]
            run = []
    return []


def _size_class(segment: Segment) -> int:
    size, count = 0, segment.rows
    while count > _SMALLEST_CLASS:
        count //= _MERGE_FACTOR
        size += 1
    return size


# -- how vectors are kept --------------------------------------------------------------------------------------------


def rewrite_vectors(writer: IndexWriter, old: VectorFormat, new: VectorFormat) -> None:
    """Writes every segment in the format `new` and commits that; what an error leaves behind is removed."""
    segments = writer.segments("vec")
    try:
        written = [_reformatted(writer, segment, old, new) for segment in segments]
        for segment, (name, files) in zip(segments, written, strict=True):
            open_dense(writer.index, name, segment.rows, files, new)  # what cannot be opened is not committed
        with writer.commit():
            writer.set_vector_format(new)
            for segment, (name, files) in zip(segments, written, strict=True):
                writer.replace_segment(segment, name, files)
    finally:
        # The old format's files, or those of a new one that was not committed; searches that have them open go on.
        writer.remove_unreferenced()


def _reformatted(writer: IndexWriter, old: Segment, kept_as: VectorFormat, new: VectorFormat) -> tuple[str, FileList]:
    """Writes a segment with the vectors of `old`, kept as `kept_as` says, in the format `new`."""
    name = writer.new_name("vec")
    segment = writer.dense_segment(old, kept_as)
    vectors = segment.vectors.vectors(np.arange(old.rows, dtype=np.int64))
    if new.same_store(kept_as):
        return name, rewrite_dense(writer.index, name, old.name, old.files, vectors, new)
    vectors = vectors if kept_as.truncated else new.stored(vectors)
    return name, write_dense(writer.index, name, segment.ids, vectors, new)


def learn_codes_again(writer: IndexWriter) -> None:
    """Makes the codes of all segments anew where there are four times the vectors that they were learnt from.

    What was learnt from few vectors loses more of later ones; what is compared at last is kept, or it stays so.
    """
    segments = writer.segments("vec")
    if not segments:
        return
    vector_format = writer.vector_format(writer.model_dim())
    count = sum(one.alive_count for one in segments)
    enough = _LEARN_AGAIN * max(1, vector_format.learnt_from)
    if vector_format.codes is None or min(count, LEARNT_FROM) < enough:
        return
    opened = [writer.dense_segment(one, vector_format) for one in segments]
    sample = vector_format.coded(training_vectors(opened, [one.alive() for one in segments]))
    codec = Codec.train(vector_format.codes, sample)
    rewrite_vectors(writer, vector_format, vector_format.with_trained("codes", codec, len(sample)))
