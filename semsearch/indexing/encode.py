"""The dense leg: encodes the chunks that have no vector, in the order of their ids, a commit every batch."""

import time
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from semsearch.chunking.chunk import encoded
from semsearch.embedding.cached_embedder import CachedEmbedder
from semsearch.embedding.embedder import Embedder, NoVectorError, Vectors
from semsearch.embedding.model_table import card_of, price_of
from semsearch.errors import ModelError, for_shell
from semsearch.index_report import IndexReport
from semsearch.indexing.options import Progress
from semsearch.plurals import count_of
from semsearch.store.protocol import Snapshot, Writer
from semsearch.store.records import Passage

# Passages of the first commit, and of those that encode lost ones again.
ENCODE_BATCH = 512
# How long what is encoded may be lost by a power failure, as a rule: a commit takes some 50 ms, of which a model that
# encodes thousands a second is not to wait for many, and other machines take their share of what is not claimed.
_COMMIT_SECONDS = 3.0
_FEWEST, _MOST = 64, 8_192
# Texts between two looks at whether to go on: at first, and twice as many after each step that was quick, up to what
# keeps a GPU busy, half as many after one that was slow; of an API several requests at once.
ENCODE_STEP = 64
_ENCODE_STEP_API = 512
_MOST_STEP = 2_048
_QUICK_SECONDS, _SLOW_SECONDS = 0.25, 1.0
# Passages without a vector that are named, each in a line.
_NAMED = 3


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
        unmade: list[str] = []
        limit = ENCODE_BATCH
        try:
            while not (begun and progress.stopping()) and (passages := writer.claim(limit)):
                clock, before = time.monotonic(), report.chunks["encoded"]
                _encode_batch(writer, embedder, passages, report, progress, unmade)
                limit = next_limit(limit, report.chunks["encoded"] - before, time.monotonic() - clock)
                begun = True
        finally:
            _tell(unmade, embedder, progress)
    return bool(pending)


def next_limit(limit: int, encoded: int, seconds: float) -> int:
    """How many passages to commit next, after `limit` at the most, of which `encoded` took so many `seconds`."""
    if not encoded:  # all were reused
        return limit
    return int(min(_MOST, 2 * limit, max(_FEWEST, encoded * _COMMIT_SECONDS / max(seconds, 1e-3))))


def next_step(size: int, made: int, seconds: float) -> int:
    """How many texts to encode at once next, after a step of `size`, of which the model itself made `made` vectors."""
    if seconds > _SLOW_SECONDS:
        return max(ENCODE_STEP, size // 2)
    # What was known already says nothing about the model.
    return min(_MOST_STEP, 2 * size) if made > size // 2 and seconds < _QUICK_SECONDS else size


def _cost(snapshot: Snapshot, pending: int, embedder: Embedder) -> str:
    tokens = snapshot.pending_tokens()
    usd = price_of(card_of(embedder.info.name), tokens)
    cost = "" if usd is None else f", about ${usd:,.4f}"
    return f"sending {count_of(pending, 'passage')} to be encoded: about {count_of(tokens, 'token')}{cost}"


def encode_lost(
    writer: Writer, embedder: Embedder, ids: NDArray[np.int64], report: IndexReport, progress: Progress
) -> None:
    """Encodes the chunks `ids` (n,), rising, again, whose vectors were lost; a commit every batch."""
    progress.encoding(len(ids))
    unmade: list[str] = []
    try:
        for start in range(0, len(ids), ENCODE_BATCH):
            if not progress.stopping():
                passages = writer.snapshot().passages(ids[start : start + ENCODE_BATCH].tolist())
                _encode_batch(writer, embedder, passages, report, progress, unmade)
    finally:
        _tell(unmade, embedder, progress)


def _encode_batch(
    writer: Writer,
    embedder: Embedder,
    passages: Sequence[Passage],
    report: IndexReport,
    progress: Progress,
    unmade: list[str],
) -> None:
    """Commits the vectors of `passages`, reused where a chunk with the same text was encoded before. Names in `unmade`
    those of which the model makes none: zeros stand in the place of it, so that the run goes on with the others."""
    snapshot = writer.snapshot()
    reused = writer.known_vectors([one.text_hash for one in passages])
    known = {digest: vector for digest, vector in reused.items() if np.isfinite(vector).all()}
    vectors: list[NDArray[np.float32]] = []
    size = _ENCODE_STEP_API if embedder.info.is_api else ENCODE_STEP
    try:
        while len(vectors) < len(passages) and not (vectors and progress.stopping()):
            clock, before = time.monotonic(), _computed(embedder, report)
            step = passages[len(vectors) : len(vectors) + size]
            new = {one.text_hash: one for one in step if one.text_hash not in known}
            made, lacking = _made(embedder, [encoded(one.heading, one.text) for one in new.values()])
            names = [_name(snapshot, list(new.values())[number]) for number in lacking]
            if names and not _makes_others(embedder):
                raise ModelError(
                    f"the model {embedder.info.name} makes no vectors: of {names[0]}, and of other texts",
                    f"look with: semsearch models verify {for_shell(embedder.info.name)}",
                )
            unmade += names
            known.update(zip(new, snapshot.as_stored(made), strict=True))
            vectors += [known[one.text_hash] for one in step]
            report.chunks["encoded"] += len(new)
            report.chunks["reused"] += len(step) - len(new)
            progress.encoded(len(step))
            if not embedder.info.is_api:
                size = next_step(size, _computed(embedder, report) - before, time.monotonic() - clock)
    finally:
        # An interrupt keeps what is encoded.
        if vectors:
            ids = np.array([one.id for one in passages[: len(vectors)]], np.int64)
            with writer.transaction() as transaction:
                transaction.put_vectors(ids, np.stack(vectors), embedder.info)


def _computed(embedder: Embedder, report: IndexReport) -> int:
    """How many passages the model itself has encoded: all of them where no cache stands before it."""
    return embedder.computed if isinstance(embedder, CachedEmbedder) else report.chunks["encoded"]


def _made(embedder: Embedder, texts: Sequence[str]) -> tuple[Vectors, list[int]]:
    """((n, dim) the vectors of `texts`, zeros of one of which the model makes none; the places of those)."""
    try:
        vectors = embedder.encode(texts)
    except NoVectorError:
        if not _makes_others(embedder):
            raise
        vectors = _made_apart(embedder, texts)
    if embedder.info.runtime == "static":  # it makes none of words that it does not know
        return vectors, []
    return vectors, np.flatnonzero(~vectors.any(axis=1)).tolist()


def _made_apart(embedder: Embedder, texts: Sequence[str]) -> Vectors:
    """(n, dim) the vectors of `texts`, which the model refuses together, in smaller and smaller parts."""
    if len(texts) == 1:
        return np.zeros((1, embedder.info.dim), np.float32)
    middle = len(texts) // 2
    parts = []
    for part in (texts[:middle], texts[middle:]):
        try:
            parts.append(embedder.encode(part))
        except NoVectorError:
            parts.append(_made_apart(embedder, part))
    return np.concatenate(parts)


def _makes_others(embedder: Embedder) -> bool:
    """Whether the model makes a vector of a plain sentence, which no cache has: else it is the model that is to be
    mended, and another machine may have one that is whole."""
    try:
        return bool(embedder.encode([f"The tide rises at {time.time_ns()}."]).any())
    except NoVectorError:
        return False


def _name(snapshot: Snapshot, passage: Passage) -> str:
    path = snapshot.info().shown_path(passage.file.root_id, passage.file.path)
    line = passage.line_start
    return path if line is None else f"{path}:{line}"


def _tell(unmade: Sequence[str], embedder: Embedder, progress: Progress) -> None:
    """Says which passages the model makes no vector of."""
    for name in unmade[:_NAMED]:
        progress.announce(f"the model {embedder.info.name} makes no vector of {name}: it is found by its words alone")
    if len(unmade) > _NAMED:
        progress.announce(f"nor of {count_of(len(unmade) - _NAMED, 'more passage')}")
