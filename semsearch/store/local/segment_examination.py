"""The part of an examination that reads segments: whether their files are what was written, and hold what they must."""

import os
import sqlite3

import numpy as np
from numpy.typing import NDArray

from semsearch.dense.vector_format import VectorFormat
from semsearch.errors import IndexDamagedError
from semsearch.plurals import agreeing, count_of
from semsearch.store.local import rows
from semsearch.store.local.catalog import Catalog
from semsearch.store.local.dense_segment import open_dense, stored_vectors
from semsearch.store.local.engine_examination import examine_engine
from semsearch.store.local.lexical_segment import open_lexical
from semsearch.store.local.problems import SHOWN, Examination
from semsearch.store.local.rows import Segment
from semsearch.store.local.segment_folder import SEGMENTS_FOLDER, check_content, is_segment_name
from semsearch.store.local.sparse_segments import (
    SPARSE_SEGMENTS,
    SparseSegments,
    damaged_segments,
    open_segment,
)


class _InTwoSegmentsError(IndexDamagedError):
    """A segment is whole, and holds passages that another one holds, too."""


def examine_segments(
    findings: Examination, folder: str, catalog: Catalog, alive: NDArray[np.int64], embedded_to: int
) -> None:
    """Adds to `findings` what is wrong with the segments; `alive` (n,): the ids of all chunks that there are; those
    up to `embedded_to` must have a vector.
    """
    vector_format = _examine_format(findings, catalog)
    has_vector = alive[alive <= embedded_to]
    named = set()
    elsewhere = "vectors_at" not in findings.forget and catalog.setting("vectors_at") is not None
    if elsewhere:
        examine_engine(findings, catalog, alive, embedded_to)
    for kind, wanted in (("lex", alive), ("vec", has_vector)):
        if kind == "vec" and elsewhere:
            continue
        held: list[NDArray[np.int64]] = []
        damaged_before = len(findings.damaged)
        for row in catalog.rows("SELECT * FROM segments WHERE kind = ? ORDER BY first_id", (kind,)):
            named.add(row["name"])
            findings.segments += 1
            if kind == "lex" or vector_format is not None:
                _examine_segment(findings, folder, row, vector_format, held)
        covered = np.sort(np.concatenate(held)) if held else np.empty(0, np.int64)
        findings.missing[kind] = np.setdiff1d(wanted, covered)
        findings.extra[kind] = np.setdiff1d(covered, alive)
        if kind == "lex" or vector_format is not None:
            _add_coverage(findings, kind, len(findings.damaged) > damaged_before)
    if SPARSE_SEGMENTS not in findings.forget:
        held_sparse = SparseSegments.of(catalog)
        named |= {segment.name for segment in held_sparse.segments}
        _examine_sparse(findings, folder, catalog, held_sparse, alive)
    segments = os.path.join(folder, SEGMENTS_FOLDER)
    found = set(os.listdir(segments)) - named if os.path.isdir(segments) else set()
    # What a run has just written, or was killed after, the next one makes its own or removes.
    foreign = sorted(name for name in found if not is_segment_name(name))
    if foreign:
        shown = ", ".join(foreign[:SHOWN]) + ("" if len(foreign) <= SHOWN else ", ...")
        findings.notices.append(f"not of semsearch, which leaves it alone: {SEGMENTS_FOLDER}/{shown}")


def _examine_sparse(
    findings: Examination, folder: str, catalog: Catalog, held: SparseSegments, alive: NDArray[np.int64]
) -> None:
    """Adds what is wrong with the segments `held` of sparse vectors; `alive` as in `examine_segments`."""
    findings.segments += len(held.segments)
    for segment, error in damaged_segments(catalog):
        findings.damaged_sparse.append(segment.name)
        again = f"the next index encodes {count_of(segment.rows, 'passage')} again"
        findings.add(error.message.rpartition(" is damaged: ")[2], again, f"{SEGMENTS_FOLDER}/{segment.name}")
    if findings.damaged_sparse:  # the passages of those have none
        return
    covered = [open_segment(folder, segment).ids for segment in held.segments]
    lost = np.setdiff1d(alive[alive <= held.to], np.concatenate([np.empty(0, np.int64), *covered]))
    if len(lost):
        findings.sparse_lost_from = int(lost[0])
        what = f"{count_of(len(lost), 'passage')} {agreeing(len(lost), 'has', 'have')} no sparse vectors"
        findings.add(what, "the next index encodes them again", SEGMENTS_FOLDER)


def _add_coverage(findings: Examination, kind: str, damaged: bool) -> None:
    """Says which chunks no segment has, unless `damaged` segments say it, and which are gone and still there."""
    what = "words" if kind == "lex" else "vectors"
    missing, extra = len(findings.missing[kind]), len(findings.extra[kind])
    if missing and not damaged:
        again = "index their words again" if kind == "lex" else "encode them again"
        findings.add(
            f"{count_of(missing, 'passage')} {agreeing(missing, 'has', 'have')} no {what}", again, SEGMENTS_FOLDER
        )
    if extra:
        findings.add(
            f"{count_of(extra, 'passage')} {agreeing(extra, 'that is gone has', 'that are gone have')} {what}",
            "take them out",
            SEGMENTS_FOLDER,
        )


def _examine_format(findings: Examination, catalog: Catalog) -> VectorFormat | None:
    """How vectors are kept; None: there are none, or nobody knows."""
    try:
        model = None if "model" in findings.forget else rows.recorded_model(catalog)
        if model is None and not catalog.row("SELECT 1 FROM segments WHERE kind = 'vec'"):
            return None
        if model is None:
            raise IndexDamagedError("nobody knows the model of its vectors")
        vector_format = VectorFormat.from_record(catalog.setting("vectors"), model.dim)
        vector_format.check()
    except (IndexDamagedError, sqlite3.DatabaseError) as error:
        findings.vectors_unknown = True
        findings.add(str(error), "drop all vectors; index encodes anew")
        return None
    return vector_format


def _examine_segment(
    findings: Examination,
    folder: str,
    row: sqlite3.Row,
    vector_format: VectorFormat | None,
    held: list[NDArray[np.int64]],
) -> None:
    """Adds to `held` the ids of the chunks that the segment of `row` has, or to `findings` why it is damaged."""
    segment: Segment | None = None
    try:
        try:
            segment = rows.decoded(folder, lambda: rows.segment(row), "")
        except IndexDamagedError:
            raise IndexDamagedError("its row in the catalog is damaged") from None
        ids = _alive_ids(folder, segment, vector_format)
        if any(len(np.intersect1d(other, ids, assume_unique=True)) for other in held):
            raise _InTwoSegmentsError("passages are in two segments")
        held.append(ids)
    except IndexDamagedError as error:
        findings.damaged.append(row["id"])
        what = error.message.split(" is damaged: ")[-1]
        repair = _repair(findings, folder, row["kind"], segment, vector_format, error)
        findings.add(what, repair, f"{SEGMENTS_FOLDER}/{row['name']}")


def _alive_ids(folder: str, segment: Segment, vector_format: VectorFormat | None) -> NDArray[np.int64]:
    """The ids a segment holds and the bitmap leaves alive. Raises `IndexDamagedError`."""
    check_content(folder, segment.name, segment.files)
    where = (folder, segment.name, segment.rows, segment.files)
    if segment.kind == "lex":
        ids = open_lexical(*where).ids
    else:
        assert vector_format is not None
        ids = open_dense(*where, vector_format).ids
    keep = segment.alive()
    dead = 0 if keep is None else int((~keep).sum())
    if dead != segment.dead_count or (np.diff(ids) <= 0).any():
        raise IndexDamagedError("the rows of the segment and their deletions do not fit")
    if len(ids) and (ids[0], ids[-1]) != (segment.first_id, segment.last_id):
        raise IndexDamagedError("the segment holds other passages than the catalog says")
    return ids if keep is None else ids[keep]


def _repair(
    findings: Examination,
    folder: str,
    kind: str,
    segment: Segment | None,
    vector_format: VectorFormat | None,
    error: IndexDamagedError,
) -> str:
    """What a repair does about a damaged segment."""
    if kind == "lex":
        return "index its words again"
    if segment is None:
        return "encode anew"
    try:
        if isinstance(error, _InTwoSegmentsError):
            raise error  # its vectors stand in the other segment, too
        assert vector_format is not None
        stored_vectors(folder, segment.name, segment.rows, segment.files, vector_format)
    except IndexDamagedError:
        return f"encode its {count_of(segment.alive_count, 'passage')} again"
    findings.recodable.append(segment)
    return "make its codes anew"
