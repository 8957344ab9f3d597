"""`quantize`: measures what each format of the vectors would lose on this index, then changes it, or does not.

The loss is measured before anything is written. The change is written beside the old format and takes effect in one
commit; stopped anywhere before it, the old format serves.
"""

import shutil
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from semsearch import settings
from semsearch.dense import cells
from semsearch.dense.codec import KINDS
from semsearch.dense.vector_format import ANNS, VectorFormat
from semsearch.errors import ParameterError, SemsearchError, UsageError, for_shell
from semsearch.maintenance.quantization.choosing import FormatChooser
from semsearch.maintenance.quantization.measuring import (
    IndexVectors,
    measured_as_it_is,
    measured_in,
    reference,
)
from semsearch.maintenance.quantization.records import MeasuredFormat, QuantizeOptions, QuantizeReport
from semsearch.plurals import count_of
from semsearch.store.local.merging import rewrite_vectors
from semsearch.store.local.reader import Reader
from semsearch.store.local.snapshot import LocalSnapshot
from semsearch.store.local.writer import IndexWriter
from semsearch.store.opening import open_store, read_index, require

# The same format is made anew where it loses this much more than what is learnt of the vectors now.
_WORTH_LEARNING = 0.005
# Numbers of the shortest vectors that --dim makes.
SHORTEST = 8
# Left free on the disk when the new format is written.
_SPARE_BYTES = 16 * 1024 * 1024

Announce = Callable[[str], None]


def quantize(index: str | None, options: QuantizeOptions, announce: Announce | None = None) -> QuantizeReport:
    """Measures, and changes the index unless it is a dry run or the loss is too high. Raises `SemsearchError`."""
    path = settings.index_for_reading(index)
    require(open_store(path), "quantize", "quantize")
    _refuse_elsewhere(path)
    _check(options)
    hear = announce or (lambda message: None)
    if options.dry_run:
        reader = Reader(path)
        try:
            return reader.read(lambda snapshot: _report(snapshot, options, hear)[0])
        finally:
            reader.close()
    with IndexWriter(path, options.wait) as writer:
        for notice in writer.notices:
            hear(notice)
        report, old = _report(LocalSnapshot(writer.catalog), options, hear)
        if report.changed and report.after is not None:
            _change(writer, old, report.after)
        return report


def _refuse_elsewhere(path: str) -> None:
    """Raises `SemsearchError` for an index whose vectors a vector database keeps."""
    elsewhere = read_index(path, lambda snapshot: snapshot.info().vectors_at)
    if elsewhere is not None:
        raise SemsearchError(
            f"{elsewhere} keeps the vectors of {path}, in a format of its own",
            "choose it there (docs/vector-databases.md), or take them back first:"
            f" semsearch index --vectors index --index {for_shell(path)}",
            code="not_supported",
        )


def present_loss(index: str, announce: Announce) -> tuple[float, float] | None:
    """(recorded, measured): the loss of an index whose vectors are scanned by coarse codes; None for any other."""

    def measured(snapshot: LocalSnapshot) -> tuple[float, float] | None:
        if snapshot.info().model is None or snapshot.vector_format().codes is None or not snapshot.dense_segments():
            return None
        vectors = IndexVectors.of(snapshot)
        against = reference(snapshot, vectors, QuantizeOptions().queries, announce)
        return vectors.format.loss, measured_as_it_is(vectors, against).loss

    reader = Reader(index)
    try:
        return reader.read(measured)
    finally:
        reader.close()


def _check(options: QuantizeOptions) -> None:
    for parameter, value, known in (("kind", options.kind, KINDS), ("ann", options.ann, ANNS)):
        if value is not None and value not in known:
            raise ParameterError(parameter, f"{value} is not known", "use one of: " + ", ".join(known))
    if options.max_loss is not None and not 0 <= options.max_loss < 1:
        raise ParameterError("max_loss", f"{options.max_loss} is out of range", "write it like 1% or 0.01")
    if options.queries < 10:
        raise ParameterError("queries", f"{options.queries} is too few", "use 10 or more")
    if options.ann == "ivf" and not options.keep_original:
        raise UsageError("--ann ivf compares what it finds by the original vectors", "leave out --drop-original")


def _report(
    snapshot: LocalSnapshot, options: QuantizeOptions, announce: Announce
) -> tuple[QuantizeReport, VectorFormat]:
    """What is measured and chosen, and the format that the index has."""
    vectors = IndexVectors.of(snapshot)
    old = vectors.format
    if options.dim is not None and not SHORTEST <= options.dim <= vectors.model.dim:
        raise ParameterError("dim", f"{options.dim} is out of range", f"use {SHORTEST} to {vectors.model.dim}")
    chooser = FormatChooser(vectors, options)
    formats = chooser.formats()
    against = reference(snapshot, vectors, options.queries, announce)
    before = measured_as_it_is(vectors, against)
    table = [measured_in(vectors, one, against) for one in formats]
    chosen = chooser.chosen(table)
    only_asked = options.dry_run and options.kind is None and not chooser.chooses()
    notices = chooser.notices
    if not old.reversible and old.loss:
        notices.append(f"{old.loss:.2%} were lost before, with the finer vectors; loss is of what is left")
    if chosen is not None and chooser.learnt_from_few(chosen.format):
        notices.append(
            f"learnt from {count_of(vectors.count, 'vector')}: with the finer ones dropped, later documents may lose"
            " more"
        )
    has_cells = chosen is not None and any(chosen.format.has_cells(one.rows) for one in vectors.segments)
    if chosen is not None and old.ann != chosen.format.ann == "ivf" and not has_cells:
        notices.append(f"no segment has {count_of(cells.FEWEST_ROWS, 'vector')} yet: until then all are scanned")
    if chosen is not None and _same(chosen.format, old) and before.loss <= chosen.loss + _WORTH_LEARNING:
        notices.append("the index is in this form already")
        changed = False
    else:
        changed = chosen is not None and not options.dry_run
    report = QuantizeReport(
        vectors.index, len(against.queries), vectors.count, before, tuple(table), chosen, chooser.limit(), changed,
        chosen is not None or only_asked, tuple(notices),
    )  # fmt: skip
    return report, old


def _same(one: VectorFormat, other: VectorFormat) -> bool:
    def key(vector_format: VectorFormat) -> tuple[Any, ...]:
        projection = vector_format.projection
        return vector_format.store, vector_format.codes, vector_format.ann, projection and projection.dim

    return key(one) == key(other)


def _change(writer: IndexWriter, old: VectorFormat, chosen: MeasuredFormat) -> None:
    """Writes every segment in the new format and commits that; what an error leaves behind is removed."""
    kept = 1.0 if old.reversible else 1 - old.loss
    new = replace(chosen.format, loss=round(1 - kept * chosen.recall, 6))
    keeps = new.same_store(old)
    needed = 0
    for segment in writer.segments("vec"):
        first = new.first_stage(segment.rows)
        needed += int(
            segment.rows * ((first.row_bytes if first else 0) + (0 if keeps else new.store_codec().row_bytes))
        )
    free = shutil.disk_usage(writer.index).free
    if needed + _SPARE_BYTES > free:
        raise SemsearchError(
            f"the new vectors take {needed / 1e6:,.0f} MB, there are {free / 1e6:,.0f} MB free for {writer.index}",
            "free some space and run again; nothing was changed",
            code="no_space",
        )
    rewrite_vectors(writer, old, new)
