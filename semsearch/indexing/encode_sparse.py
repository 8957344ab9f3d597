"""The sparse leg: encodes the chunks that have no sparse vector, in the order of their ids, a commit every batch."""

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from semsearch.chunking.chunk import encoded
from semsearch.embedding.sparse_model import SparseModel
from semsearch.errors import ModelError
from semsearch.index_report import IndexReport
from semsearch.indexing.encode import ENCODE_BATCH, ENCODE_STEP, next_limit
from semsearch.indexing.options import Progress
from semsearch.lexical.sparse_vector import SparseVector
from semsearch.store.protocol import SparseLegWriter, Writer
from semsearch.store.records import Passage

if TYPE_CHECKING:
    from semsearch.store.records import Ids


def encode_pending_sparse(
    writer: Writer, open_model: Callable[[], SparseModel], report: IndexReport, progress: Progress
) -> None:
    """Makes the sparse vectors of the chunks without one, where the index has such a leg, and counts them in `report`.

    Ends early where `progress.stopping` says so. Raises `ModelError`; what was encoded until then is kept.
    """
    leg = writer.sparse_leg()
    if leg is None:
        return
    pending = leg.pending()
    if len(pending):
        # As in `encode_pending`, a run that has done nothing yet encodes something.
        begun = bool(report.files["added"] or report.files["changed"] or report.chunks["encoded"])
        if begun and progress.stopping():
            report.chunks["sparse_pending"] = len(pending)
            return
        try:
            model = open_model()
        except ModelError as error:
            if error.code != "model_not_prepared":
                raise
            progress.announce(f"no sparse vectors are made: {error.message} ({error.hint})")
            report.chunks["sparse_pending"] = len(pending)
            return
        progress.encoding(len(pending))
        limit, done = ENCODE_BATCH, 0
        while done < len(pending) and not (begun and progress.stopping()):
            clock, before = time.monotonic(), report.chunks["sparse"]
            done += _encode_batch(writer, leg, model, pending[done : done + limit], report, progress)
            begun = True
            limit = next_limit(limit, report.chunks["sparse"] - before, time.monotonic() - clock)
        report.chunks["sparse_pending"] = len(pending) - done
        if done < len(pending):
            return
    leg.finish()


def _encode_batch(
    writer: Writer,
    leg: SparseLegWriter,
    model: SparseModel,
    ids: "Ids",
    report: IndexReport,
    progress: Progress,
) -> int:
    """Commits the vectors of the chunks `ids`, of those that were made before they are to stop; returns how many."""
    passages = writer.snapshot().passages(ids.tolist())
    known = dict(leg.known([one.text_hash for one in passages]))
    vectors: list[SparseVector] = []
    try:
        while len(vectors) < len(passages) and not (vectors and progress.stopping()):
            step: Sequence[Passage] = passages[len(vectors) : len(vectors) + ENCODE_STEP]
            new = {one.text_hash: one for one in step if one.text_hash not in known}
            made = model.encode([encoded(one.heading, one.text) for one in new.values()])
            known.update(zip(new, made, strict=True))
            vectors += [known[one.text_hash] for one in step]
            report.chunks["sparse"] += len(new)
            progress.encoded(len(step))
    finally:
        # An interrupt keeps what is encoded.
        if vectors:
            leg.put(ids[: len(vectors)], vectors)
    return len(vectors)
