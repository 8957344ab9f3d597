"""The candidates of a query: both legs' best passages of a snapshot under the filters, scored by both, fused."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from semsearch.dense.vectors import search
from semsearch.embedding.embedder import Embedder, Vectors, unit_rows
from semsearch.lexical.analyzer import analyze_query
from semsearch.lexical.bm25 import PostingsBM25, places
from semsearch.retrieval import confidence, fusion
from semsearch.retrieval.filters import allowed_rows
from semsearch.storage.snapshot import Snapshot

# Passages of each leg. With scores normalised by a floor of the model's own, 30 to 3,000 make no difference to
# nDCG@10 (`benchmarks/dense_feedback.py`); more serve those who page on, and reciprocal ranks.
DEPTH = 300
# Dense feedback: the query vector plus this much of the mean of its best five, searched again. nDCG@10 on Cranfield
# +0.0088, XQuAD-en -0.0001, -de -0.0004, -zh +0.0002; twice the weight with three: +0.0153, and down to -0.0025
# (`benchmarks/dense_feedback.py`).
FEEDBACK_WEIGHT = 0.3
FEEDBACK_TOP = 5
# How much of the relative score of the best passage for an `--unlike` text is taken away.
_UNLIKE = 0.5


@dataclass(frozen=True)
class Question:
    """A query and all that was decided about how to answer it from one snapshot.

    `mode`: hybrid, dense or lexical; `alpha`: weight of the dense leg; `fertility`: subwords per word under the model;
    `reliability`: how well the model knows the words, 0 to 1; `languages`: those of the index;
    `vector` (dim,): the query's, where there is a model.
    """

    text: str
    mode: str
    fusion: str
    feedback: bool
    embedder: Embedder | None
    alpha: float
    fertility: float | None
    reliability: float
    languages: frozenset[str]
    vector: Vectors | None = None
    unlike: tuple[str, ...] = ()

    @property
    def words(self) -> list[tuple[str, ...]]:
        return analyze_query(self.text, self.languages)


@dataclass(frozen=True)
class Candidates:
    """Aligned arrays over the union of both legs' candidates, best first.

    Chunk ids; cosines (nan: not encoded); BM25 scores; both legs on the scale 0 to 1; the relative scores that order
    them; `scores`, in [0, 1] and comparable across queries (`confidence`).
    """

    ids: NDArray[np.int64]
    cosines: NDArray[np.float32]
    lexical: NDArray[np.float32]
    dense_part: NDArray[np.float32]
    lexical_part: NDArray[np.float32]
    relative: NDArray[np.float32]
    scores: NDArray[np.float32]

    def take(self, positions: NDArray[np.int64]) -> "Candidates":
        return Candidates(*(getattr(self, name)[positions] for name in self.__dataclass_fields__))


def find_candidates(
    snapshot: Snapshot,
    question: Question,
    ranges: list[tuple[int, int]] | None,
    depth: int = DEPTH,
    also: range = range(0),
) -> Candidates:
    """Both legs' best `depth` within `ranges` (None: everywhere), and the chunks of `also` wherever they stand."""
    lexical_leg = _LexicalLeg(snapshot, question, ranges) if question.mode != "dense" else None
    found = lexical_leg.best(depth) if lexical_leg else []
    dense_leg = _DenseLeg(snapshot, question, ranges) if question.embedder is not None else None
    found += dense_leg.best(depth) if dense_leg else []
    ids = np.array(sorted({*found, *also}), np.int64)
    # A candidate of one leg is scored by the other leg too, wherever it stands in that one's list.
    bm25 = lexical_leg.scores_of(ids) if lexical_leg else np.zeros(len(ids), np.float32)
    unknown = np.full(len(ids), np.nan, np.float32)
    cosines, searched = dense_leg.cosines_of(ids) if dense_leg else (unknown, unknown)
    dense_part, lexical_part = _normalised(question, searched, bm25)
    if question.fusion == "rrf" and question.mode == "hybrid":
        relative = fusion.reciprocal_ranks(dense_part, lexical_part)
    else:
        relative = fusion.convex(dense_part, lexical_part, question.alpha)
    for text in question.unlike:
        relative = np.maximum(relative - np.float32(_UNLIKE) * _likeness(snapshot, question, text, ids), 0)
    # Ties by cosine, then by chunk id: the order never depends on how the index is cut into segments.
    order = np.lexsort((ids, -np.nan_to_num(cosines, nan=-1.0), -relative))
    unscored = Candidates(ids, cosines, bm25, dense_part, lexical_part, relative, relative).take(order)
    sure = _confidences(snapshot, question, unscored)
    scores = confidence.absolute_scores(sure, unscored.relative)
    return replace(unscored, scores=scores)


def _normalised(
    question: Question, cosines: NDArray[np.float32], bm25: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    # Not encoded yet: nothing is known of its meaning.
    background = question.embedder.info.calibration.background if question.embedder else 0.0
    dense = fusion.normalise_dense(np.nan_to_num(cosines, nan=background), background)
    return dense, fusion.normalise_lexical(bm25)


def _likeness(snapshot: Snapshot, question: Question, text: str, ids: NDArray[np.int64]) -> NDArray[np.float32]:
    """How much the chunks `ids` are like `text`, (n,) in [0, 1], by the question's own mode and weights."""
    vector = question.embedder.encode_query(text) if question.embedder else None
    other = replace(question, text=text, vector=vector, unlike=(), feedback=False)
    cosines = np.full(len(ids), np.nan, np.float32)
    bm25 = np.zeros(len(ids), np.float32)
    if other.mode != "dense":
        bm25 = _LexicalLeg(snapshot, other, None).scores_of(ids)
    if other.embedder is not None:
        cosines = _DenseLeg(snapshot, other, None).cosines_of(ids)[0]
    return fusion.convex(*_normalised(other, cosines, bm25), other.alpha)


def _confidences(snapshot: Snapshot, question: Question, found: Candidates) -> NDArray[np.float32]:
    calibration = question.embedder.info.calibration if question.embedder else None
    if calibration and question.mode == "dense":
        return confidence.dense_confidence(found.cosines, calibration)
    coverage = _coverage(snapshot, question, found.ids)
    if calibration is None:
        return coverage
    return confidence.confidence(found.cosines, coverage, question.reliability, calibration)


def _coverage(snapshot: Snapshot, question: Question, ids: NDArray[np.int64]) -> NDArray[np.float32]:
    """The share of the query's words, weighed by idf, that each of the chunks `ids` holds, (n,) in [0, 1]."""
    words = question.words
    bm25 = PostingsBM25(snapshot.lexical(), snapshot.alive("lex"))
    weights = np.array(bm25.weights(words), np.float32)
    if not weights.sum():
        return np.zeros(len(ids), np.float32)
    held: NDArray[np.float32] = weights @ bm25.occurrences(words, ids) / weights.sum()
    return held


class _LexicalLeg:
    """BM25 scores of every chunk of the snapshot."""

    def __init__(self, snapshot: Snapshot, question: Question, ranges: list[tuple[int, int]] | None) -> None:
        self._segments = snapshot.lexical()
        alive = snapshot.alive("lex")
        self._scores = PostingsBM25(self._segments, alive).segment_scores(question.words)
        for part, keep, scores in zip(self._segments, alive, self._scores, strict=True):
            allowed = allowed_rows(part.ids, keep, ranges)
            if allowed is not None:
                scores[~allowed] = 0

    def best(self, depth: int) -> list[int]:
        found: list[tuple[float, int]] = []
        for part, scores in zip(self._segments, self._scores, strict=True):
            rows = np.flatnonzero(scores > 0)
            if len(rows) > depth:
                rows = rows[np.argpartition(-scores[rows], depth)[:depth]]
            found += zip((-scores[rows]).tolist(), part.ids[rows].tolist(), strict=True)
        return [number for _, number in sorted(found)[:depth]]

    def scores_of(self, ids: NDArray[np.int64]) -> NDArray[np.float32]:
        found = np.zeros(len(ids), np.float32)
        for part, scores in zip(self._segments, self._scores, strict=True):
            wanted, rows = places(ids, part.ids)
            found[wanted] = scores[rows]
        return found


class _DenseLeg:
    """Cosines with the query's vector, and with what feedback makes of it."""

    def __init__(self, snapshot: Snapshot, question: Question, ranges: list[tuple[int, int]] | None) -> None:
        assert question.vector is not None
        self._segments = snapshot.dense()
        self._alive = snapshot.alive("vec")
        self._ranges = ranges
        # As the index keeps vectors, which may be shorter than the model's.
        self._query: Vectors = snapshot.form().stored(question.vector[None])[0]
        self._searched = self._fed_back() if question.feedback else self._query

    def _fed_back(self) -> Vectors:
        top = np.array(self._search(self._query, FEEDBACK_TOP), np.int64)
        if not len(top):
            return self._query
        near = np.concatenate([vectors for _, vectors in self._vectors(top)])
        moved: Vectors = unit_rows(self._query + np.float32(FEEDBACK_WEIGHT) * near.mean(0))
        return moved

    def best(self, depth: int) -> list[int]:
        return self._search(self._searched, depth)

    def cosines_of(self, ids: NDArray[np.int64]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """(with the query, with the vector that was searched for), both (n,); nan where a chunk has no vector."""
        plain = np.full(len(ids), np.nan, np.float32)
        searched = plain.copy()
        for wanted, vectors in self._vectors(ids):
            plain[wanted] = vectors @ self._query
            searched[wanted] = vectors @ self._searched
        return plain, searched

    def _search(self, vector: Vectors, depth: int) -> list[int]:
        found: list[tuple[float, int]] = []
        allowed = [
            allowed_rows(part.ids, keep, self._ranges) for part, keep in zip(self._segments, self._alive, strict=True)
        ]
        by_segment = search([part.vectors for part in self._segments], vector, depth, allowed)
        for part, (rows, cosines) in zip(self._segments, by_segment, strict=True):
            if len(rows) > depth:
                best = np.argpartition(-cosines, depth)[:depth]
                rows, cosines = rows[best], cosines[best]
            found += zip((-cosines).tolist(), part.ids[rows].tolist(), strict=True)
        return [number for _, number in sorted(found)[:depth]]

    def _vectors(self, ids: NDArray[np.int64]) -> Sequence[tuple[NDArray[np.int64], Vectors]]:
        """For each segment the positions in `ids` it holds, and their vectors."""
        found = []
        for part in self._segments:
            wanted, rows = places(ids, part.ids)
            found.append((wanted, part.vectors.vectors(rows)))
        return found
