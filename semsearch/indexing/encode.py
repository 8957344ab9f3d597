"""The dense leg: encodes the chunks that have no vector, in the order of their ids, a commit every batch."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from semsearch.chunking.chunk import encoded
from semsearch.embedding.embedder import Embedder
from semsearch.embedding.model_table import card_of, price_of
from semsearch.index_report import IndexReport
from semsearch.indexing.options import Progress
from semsearch.store.protocol import Snapshot, Writer
from semsearch.store.records import Passage

_ENCODE_BATCH = 1024
# Texts between two looks at whether to go on; of an API several requests at once.
_ENCODE_STEP = 64
_ENCODE_STEP_API = 512


def encode_pending(
    writer: Writer, open_embedder: Callable[[], Embedder], report: IndexReport, progress: Progress
) -> bool:
    """Encodes the chunks without vectors and counts them in `report`; returns whether there were any.

    Ends early where `progress.stopping` says so. Raises what the model raises; what was encoded until then is kept.
    """
    snapshot = writer.snapshot()
    pending = snapshot.counts().pending
    # A run that has read nothing encodes something, lest a short limit never gets anywhere.
    begun = bool(report.files["added"] or report.files["changed"])
    if pending and not (begun and progress.stopping()):
        embedder = open_embedder()
        if embedder.info.is_api:
            progress.announce(_cost(snapshot, pending, embedder))
        progress.encoding(pending)
        while not (begun and progress.stopping()) and (passages := writer.claim(_ENCODE_BATCH)):
            _encode_batch(writer, embedder, passages, report, progress)
            begun = True
    writer.forget_deleted()
    return bool(pending)


def _cost(snapshot: Snapshot, pending: int, embedder: Embedder) -> str:
    tokens = snapshot.pending_tokens()
    usd = price_of(card_of(embedder.info.name), tokens)
    cost = "" if usd is None else f", about ${usd:,.4f}"
    return f"sending {pending:,} passages to be encoded: about {tokens:,} tokens{cost}"


def encode_lost(
    writer: Writer, embedder: Embedder, ids: NDArray[np.int64], report: IndexReport, progress: Progress
) -> None:
    """Encodes the chunks `ids` (n,), rising, again, whose vectors were lost; a commit every batch."""
    progress.encoding(len(ids))
    for start in range(0, len(ids), _ENCODE_BATCH):
        if not progress.stopping():
            passages = writer.snapshot().passages(ids[start : start + _ENCODE_BATCH].tolist())
            _encode_batch(writer, embedder, passages, report, progress)


def _encode_batch(
    writer: Writer, embedder: Embedder, passages: Sequence[Passage], report: IndexReport, progress: Progress
) -> None:
    """Commits the vectors of `passages`, reused where a chunk with the same text was encoded before."""
    snapshot = writer.snapshot()
    known = dict(writer.known_vectors([one.text_hash for one in passages]))
    vectors: list[NDArray[np.float32]] = []
    try:
        while len(vectors) < len(passages) and not (vectors and progress.stopping()):
            size = _ENCODE_STEP_API if embedder.info.is_api else _ENCODE_STEP
            step = passages[len(vectors) : len(vectors) + size]
            new = {one.text_hash: one for one in step if one.text_hash not in known}
            texts = [encoded(one.heading, one.text) for one in new.values()]
            known.update(zip(new, snapshot.as_stored(embedder.encode(texts)), strict=True))
            vectors += [known[one.text_hash] for one in step]
            report.chunks["encoded"] += len(new)
            report.chunks["reused"] += len(step) - len(new)
            progress.encoded(len(step))
    finally:
        # An interrupt keeps what is encoded.
        if vectors:
            ids = np.array([one.id for one in passages[: len(vectors)]], np.int64)
            with writer.transaction() as transaction:
                transaction.put_vectors(ids, np.stack(vectors), embedder.info)
