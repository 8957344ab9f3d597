"""The candidates of a query: both legs' best chunks of a snapshot under the filters, scored by both legs, fused."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from semsearch.embedding.embedder import Vectors, unit_rows
from semsearch.retrieval import confidence, fusion
from semsearch.retrieval.plan import QueryPlan, Unwanted
from semsearch.store.records import Scores

if TYPE_CHECKING:
    from semsearch.store.protocol import Selection, Snapshot

# Chunks of each leg. With scores normalised by a floor of the model's own, 30 to 3,000 make no difference to nDCG@10
# (`benchmarks/dense_feedback.py`); more serve those who page on, and reciprocal ranks.
DEPTH = 300
# Dense feedback: the query vector plus this much of the mean of its best five, searched again. nDCG@10 on Cranfield
# +0.0088, XQuAD-en -0.0001, -de -0.0004, -zh +0.0002; twice the weight with three: +0.0153, and down to -0.0025
# (`benchmarks/dense_feedback.py`).
FEEDBACK_WEIGHT = 0.3
FEEDBACK_TOP = 5
# How much of the relative score of the best chunk for an `--unlike` text is taken away.
_UNLIKE = 0.5
# The score of a document that is called as the query is, over the best one of all.
_NAMED = 1.01

Array = NDArray[np.float32]


@dataclass(frozen=True, eq=False)  # arrays are not compared
class Candidates:
    """Aligned arrays (n,) over the union of both legs' candidates, best first.

    `ids` of chunks; `cosines` (nan: no vector); `bm25`; both legs on the scale 0 to 1 (`dense_part`, `lexical_part`);
    `relative`: what orders them; `scores`: in [0, 1] and comparable across queries (`confidence`).
    """

    ids: NDArray[np.int64]
    cosines: Array
    bm25: Array
    dense_part: Array
    lexical_part: Array
    relative: Array
    scores: Array

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, positions: NDArray[np.int64]) -> Candidates:
        return Candidates(*(getattr(self, name)[positions] for name in self.__dataclass_fields__))


def find_candidates(
    snapshot: Snapshot,
    plan: QueryPlan,
    selection: Selection | None,
    depth: int = DEPTH,
    also: Sequence[int] = (),
    among: Callable[[NDArray[np.int64]], NDArray[np.int64]] | None = None,
) -> Candidates:
    """Both legs' best `depth` of `selection` (None: of all), and the chunks `also` wherever they stand.

    `among` tells which of them (ids (n,), rising) are let in.
    """
    words = (*plan.words, *plan.name) if plan.by_words else ()
    ids = set(also)
    if plan.by_words:
        ids.update(snapshot.lexical(words, depth, selection).ids.tolist())
    vectors = None
    if plan.stored_vector is not None:
        searched = _fed_back(snapshot, plan.stored_vector, selection) if plan.feedback else plan.stored_vector
        ids.update(snapshot.dense(searched, depth, selection).ids.tolist())
        vectors = np.stack([plan.stored_vector, searched])
    # A candidate of one leg is scored by the other leg too, wherever it stands in that one's list.
    union = np.array(sorted(ids), np.int64)
    union = union if among is None else among(union)
    known = snapshot.score(union, words, vectors)
    unknown = np.full(len(union), np.nan, np.float32)
    cosines, by_searched = (known.cosines[0], known.cosines[1]) if vectors is not None else (unknown, unknown)
    dense_part, lexical_part = _normalised(plan, by_searched, known.bm25)
    if plan.fusion == "rrf" and plan.mode == "hybrid":
        relative = fusion.reciprocal_ranks(dense_part, lexical_part)
    else:
        relative = fusion.convex(dense_part, lexical_part, plan.alpha)
    # Who types the whole name of a document looks for it.
    named = known.held[len(plan.words) :].any(axis=0)
    relative = np.where(named, np.float32(_NAMED) * relative.max(initial=0), relative)
    for unwanted in plan.unwanted:
        relative = np.maximum(relative - np.float32(_UNLIKE) * _likeness(snapshot, plan, unwanted, union), 0)
    # Ties by cosine, then by chunk id: the order never depends on how the index is cut into segments.
    order = np.lexsort((union, -np.nan_to_num(cosines, nan=-1.0), -relative))
    ordered = Candidates(union, cosines, known.bm25, dense_part, lexical_part, relative, relative).take(order)
    # A document whose name is the whole query holds all of its words.
    of_words = replace(known, held=known.held[: len(plan.words)] | named, idf=known.idf[: len(plan.words)])
    confidences = _confidences(plan, of_words, cosines)[order]
    return replace(ordered, scores=confidence.absolute_scores(confidences, ordered.relative))


def _fed_back(snapshot: Snapshot, vector: Vectors, selection: Selection | None) -> Vectors:
    """The query's `vector` (d,) moved towards the mean of the nearest chunks' vectors."""
    top = snapshot.dense(vector, FEEDBACK_TOP, selection).ids
    if not len(top):
        return vector
    moved: Vectors = unit_rows(vector + np.float32(FEEDBACK_WEIGHT) * snapshot.vectors(top).mean(0))
    return moved


def _normalised(plan: QueryPlan, cosines: Array, bm25: Array) -> tuple[Array, Array]:
    """Both legs (n,) on the scale 0 to 1."""
    # A chunk without a vector counts as unrelated: nothing is known of its meaning.
    background = plan.calibration.background if plan.calibration else 0.0
    dense = fusion.normalise_dense(np.nan_to_num(cosines, nan=background), background)
    return dense, fusion.normalise_lexical(bm25)


def _likeness(snapshot: Snapshot, plan: QueryPlan, unwanted: Unwanted, ids: NDArray[np.int64]) -> Array:
    """How much the chunks `ids` (n,) are like `unwanted`, (n,) in [0, 1], by the plan's own mode and weights."""
    vectors = None if unwanted.vector is None else unwanted.vector[None]
    known = snapshot.score(ids, unwanted.words if plan.by_words else (), vectors)
    cosines = known.cosines[0] if vectors is not None else np.full(len(ids), np.nan, np.float32)
    return fusion.convex(*_normalised(plan, cosines, known.bm25), plan.alpha)


def _confidences(plan: QueryPlan, known: Scores, cosines: Array) -> Array:
    """(n,) in [0, 1]: how likely each chunk answers the query at all."""
    if plan.calibration and plan.mode == "dense":
        return confidence.dense_confidence(cosines, plan.calibration)
    coverage = query_coverage(known)
    if plan.calibration is None:
        return coverage
    return confidence.confidence(cosines, coverage, plan.reliability, plan.calibration)


def query_coverage(known: Scores) -> Array:
    """(n,) in [0, 1]: the share of the query's words, weighed by idf, that each chunk holds."""
    if not known.idf.sum():
        return np.zeros(known.held.shape[1], np.float32)
    held: Array = known.idf @ known.held / known.idf.sum()
    return held
