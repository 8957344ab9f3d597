"""The candidates of a query: both legs' best chunks of a snapshot under the filters, scored by both legs, fused."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from semsearch.retrieval import confidence, fusion
from semsearch.retrieval.gram_match import gram_scores
from semsearch.retrieval.name_match import name_scores
from semsearch.retrieval.options import DEPTH
from semsearch.retrieval.plan import Other, QueryPlan
from semsearch.retrieval.smoothing import SMOOTHED, smoothed
from semsearch.store.records import Scores

if TYPE_CHECKING:
    from semsearch.lexical.query_word import Word
    from semsearch.store.protocol import Selection, Snapshot, SparseLeg

# Passages by whose fertility the model is judged: the best by words, for they are in the language that is looked for.
_JUDGED_BY = 5
_JUDGED_CHARACTERS = 400  # a language is told by its first sentences
# The best candidates that are read, and compared with the query by character runs.
_READ = 30
# The best candidates whose documents' names are compared with the query, and what a name that is the query adds to the
# relative score. With 0.3 a question that names its file finds it first for 82 to 96 % in place of 60 to 65 %, and
# nDCG@10 of collections whose documents have titles is the same or higher.
_NAMES_READ = 100
_NAME_WEIGHT = 0.3
# How much of the relative score of the best chunk for an `--unlike` text is taken away.
_UNLIKE = 0.5
# What all other ways to say the query weigh together, beside the query itself, which leads.
_BESIDE = 0.5
# The score of a document that is called as the query is, over the best one of all.
_NAMED = 1.01

Array = NDArray[np.float32]


@dataclass(frozen=True, eq=False)  # arrays are not compared
class Candidates:
    """Aligned arrays (n,) over the union of both legs' candidates, best first.

    `ids` of chunks; `cosines` (nan: no vector); `bm25`; both legs on the scale 0 to 1 (`dense_part`; `lexical_part`,
    with the runs of characters) and how far the documents' names stand in the query (`name_part`); `relative`: what
    orders them; `scores`: in [0, 1] and comparable across queries
    (`confidence`). `alpha`: the weight that the dense leg had, 0 where ranks were fused; `fertility`: the
    subwords per word by which it was chosen, None: by nothing. `sparse`: scores of the sparse leg, zeros without one,
    `sparse_part`: the same on the scale 0 to 1, of which `lexical_part` has the `sparse_share`.
    """

    ids: NDArray[np.int64]
    cosines: Array
    bm25: Array
    dense_part: Array
    lexical_part: Array
    name_part: Array
    relative: Array
    scores: Array
    alpha: float
    fertility: float | None
    sparse: Array
    sparse_part: Array
    sparse_share: float

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, positions: NDArray[np.int64]) -> Candidates:
        return Candidates(
            self.ids[positions],
            self.cosines[positions],
            self.bm25[positions],
            self.dense_part[positions],
            self.lexical_part[positions],
            self.name_part[positions],
            self.relative[positions],
            self.scores[positions],
            self.alpha,
            self.fertility,
            self.sparse[positions],
            self.sparse_part[positions],
            self.sparse_share,
        )


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
    words = (*plan.words, *plan.name, *plan.characters) if plan.by_words else ()
    ids = set(also)
    leg = None if plan.sparse is None else snapshot.sparse_leg()
    by_words = snapshot.lexical(words, depth, selection).ids if plan.by_words else np.empty(0, np.int64)
    ids.update(by_words.tolist())
    vectors = None
    if plan.stored_vector is not None:
        ids.update(snapshot.dense(plan.stored_vector, depth, selection).ids.tolist())
        vectors = plan.stored_vector[None]
    if plan.sparse is not None and leg is not None:
        ids.update(leg.rank(plan.sparse.vector, depth, selection).ids.tolist())
    for other in plan.beside:
        if plan.by_words:
            ids.update(snapshot.lexical(other.words, depth, selection).ids.tolist())
        if leg is not None and other.tokens is not None:
            ids.update(leg.rank(other.tokens, depth, selection).ids.tolist())
        if other.vector is not None:
            ids.update(snapshot.dense(other.vector, depth, selection).ids.tolist())
    # A candidate of one leg is scored by the other leg too, wherever it stands in that one's list.
    union = np.array(sorted(ids), np.int64)
    union = union if among is None else among(union)
    known = snapshot.score(union, words, vectors)
    cosines = known.cosines[0] if vectors is not None else np.full(len(union), np.nan, np.float32)
    dense_part, word_part = _normalised(plan, cosines, known.bm25)
    judged = _Judged(snapshot, by_words[:_JUDGED_BY])
    sparse = _sparse_scores(plan, leg, union, judged)
    lexical_part = sparse.with_words(word_part)
    name_part = np.zeros(len(union), np.float32)
    alpha, fertility = 0.0, None
    if not plan.by_ranks or plan.unwanted or plan.beside:  # ranks have no use for it
        alpha, fertility = _weight(plan, judged, cosines)
    if plan.by_ranks:
        relative = fusion.reciprocal_ranks(dense_part, lexical_part)
    else:
        relative = fusion.convex(dense_part, lexical_part, alpha)
        if plan.mode == "hybrid":
            word_part = _with_grams(snapshot, plan, union, word_part, _best(union, cosines, relative)[:_READ])
            lexical_part = sparse.with_words(word_part)
            relative = fusion.convex(dense_part, lexical_part, alpha)
            if plan.smoothing:
                # Vectors are believed as far as meaning counts.
                share = plan.weights.neighbours * min(1.0, alpha / fusion.ALPHA)
                relative = _smoothed(snapshot, union, relative, _best(union, cosines, relative), share)
    others = [_Compared(snapshot, plan, other, union, leg) for other in plan.beside]
    if others:
        beside = np.mean([compared.likeness(alpha) for compared in others], axis=0)
        relative = (relative + np.float32(_BESIDE) * beside) / np.float32(1 + _BESIDE)
    if plan.by_words and plan.alpha != 1 and not plan.by_ranks:  # 1: meaning alone, whose order names do not change
        name_part = _named(snapshot, plan, union, known, _best(union, cosines, relative))
        relative = relative + np.float32(_NAME_WEIGHT) * name_part
    # Who types the whole name of a document looks for it.
    named = known.held[len(plan.words) : len(plan.words) + len(plan.name)].any(axis=0)
    relative = np.where(named, np.float32(_NAMED) * relative.max(initial=0), relative)
    for unwanted in plan.unwanted:
        likeness = _Compared(snapshot, plan, unwanted, union, leg).likeness(alpha)
        relative = np.maximum(relative - np.float32(_UNLIKE) * likeness, 0)
    order = _best(union, cosines, relative)
    found = Candidates(
        union, cosines, known.bm25, dense_part, lexical_part, name_part, relative, relative, alpha, fertility,
        sparse.scores, sparse.part, sparse.share,
    )  # fmt: skip
    ordered = found.take(order)
    # A document whose name is the whole query holds all of its words.
    of_words = replace(known, held=known.held[: len(plan.words)] | named, idf=known.idf[: len(plan.words)])
    confidences = sparse.held if plan.mode == "sparse" else _confidences(plan, of_words, cosines, plan.words)
    for compared in others:
        if compared.is_query:
            confidences = np.maximum(confidences, compared.confidences)
    return replace(ordered, scores=confidence.absolute_scores(confidences[order], ordered.relative))


def _best(ids: NDArray[np.int64], cosines: Array, relative: Array) -> NDArray[np.int64]:
    """(n,) the positions of the chunks `ids` (n,), best first.

    Ties by cosine, then by chunk id: the order never depends on how the index is cut into segments.
    """
    order: NDArray[np.int64] = np.lexsort((ids, -np.nan_to_num(cosines, nan=-1.0), -relative))
    return order


class _Judged:
    """The passages by whose fertility a model is judged, the chunks `ids` (n,)."""

    def __init__(self, snapshot: Snapshot, ids: NDArray[np.int64]) -> None:
        self._snapshot = snapshot
        self._ids = ids

    @cached_property
    def texts(self) -> list[str]:
        """How they begin."""
        return [text[:_JUDGED_CHARACTERS] for _, _, text in self._snapshot.texts(self._ids)]


@dataclass(frozen=True, eq=False)  # arrays are not compared
class _Sparse:
    """What the sparse leg says of the candidates, (n,) each: their `scores`, the same on the scale 0 to 1 (`part`), and
    how much of the query's weight they have (`held`, in the mode `sparse` alone). `share`: of the lexical leg."""

    scores: Array
    part: Array
    held: Array
    share: float

    def with_words(self, word_part: Array) -> Array:
        """The lexical leg, of which `word_part` (n,) is what words say."""
        if not self.share:
            return word_part
        return np.float32(self.share) * self.part + np.float32(1 - self.share) * word_part


def _sparse_scores(plan: QueryPlan, leg: SparseLeg | None, ids: NDArray[np.int64], judged: _Judged) -> _Sparse:
    """What the sparse `leg`, None: there is none, says of the chunks `ids` (n,)."""
    nothing = np.zeros(len(ids), np.float32)
    if plan.sparse is None or leg is None:
        return _Sparse(nothing, nothing, nothing, 0.0)
    scores = leg.scores(ids, plan.sparse.vector)
    part = fusion.normalise_lexical(scores)
    if plan.mode == "sparse":
        return _Sparse(scores, part, leg.held(ids, plan.sparse.vector), 1.0)
    fertility = plan.sparse.fertility_of(judged.texts) if judged.texts else 0.0
    by_language = fusion.sparse_share(fertility, plan.script, plan.sparse.calibration)
    share = plan.weights.sparse * plan.sparse.encoded * by_language
    return _Sparse(scores, part, nothing, min(1.0, share))


def _weight(plan: QueryPlan, judged: _Judged, cosines: Array) -> tuple[float, float | None]:
    """The weight of the dense leg, and the fertility of the passages that it is chosen by."""
    if plan.alpha is not None:
        return plan.alpha, None
    assert plan.calibration is not None and plan.fertility_of is not None
    # Where no word is found, there is nothing to weigh meaning against.
    fertility = plan.fertility_of(judged.texts) if judged.texts else None
    by_language = fusion.language_alpha(fertility or 0.0, plan.script, plan.calibration)
    nearest = float(np.nan_to_num(cosines, nan=plan.calibration.background).max(initial=plan.calibration.background))
    # While most chunks have no vector yet, the best of the few that have one is not the best there is.
    by_query = plan.encoded * by_language * fusion.nearness_factor(nearest, plan.calibration)
    return min(1.0, plan.weights.meaning * by_query), fertility


def _with_grams(
    snapshot: Snapshot, plan: QueryPlan, ids: NDArray[np.int64], lexical_part: Array, read: NDArray[np.int64]
) -> Array:
    """`lexical_part` (n,) of the chunks `ids` (n,), those at the positions `read` compared by character runs, too."""
    texts = {number: text for number, _, text in snapshot.texts(ids[read])}
    grams = gram_scores(plan.text, [texts[number] for number in ids[read].tolist()])
    if not grams.any():
        return lexical_part
    weight = plan.weights.letters
    mixed = np.float32(1 - weight) * lexical_part
    mixed[read] += np.float32(weight) * fusion.normalise_lexical(grams)
    return mixed


def _named(
    snapshot: Snapshot, plan: QueryPlan, ids: NDArray[np.int64], known: Scores, order: NDArray[np.int64]
) -> Array:
    """(n,) in [0, 1]: how far the names of the documents of the best chunks stand in the query; `order`: best first."""
    first = order[:_NAMES_READ]
    result = np.zeros(len(ids), np.float32)
    result[first] = name_scores(snapshot.names(ids[first]), plan.words, known.idf[: len(plan.words)])
    return result


def _smoothed(
    snapshot: Snapshot, ids: NDArray[np.int64], relative: Array, order: NDArray[np.int64], share: float
) -> Array:
    """`relative` (n,) with the scores of the best chunks smoothed over those that are alike; `order`: best first;
    `share`: how much of a score these decide."""
    first, rest = order[:SMOOTHED], order[SMOOTHED:]
    result = relative.copy()
    result[first] = smoothed(relative[first], snapshot.vectors(ids[first]), share)
    result[rest] = np.minimum(result[rest], result[first].min(initial=1.0))
    return result


def _normalised(plan: QueryPlan, cosines: Array, bm25: Array) -> tuple[Array, Array]:
    """Both legs (n,) on the scale 0 to 1."""
    # A chunk without a vector counts as unrelated: nothing is known of its meaning.
    background = plan.calibration.background if plan.calibration else 0.0
    dense = fusion.normalise_dense(np.nan_to_num(cosines, nan=background), background)
    return dense, fusion.normalise_lexical(bm25)


class _Compared:
    """The chunks `ids` (n,) compared with another text than the query, by the mode and the weights of `plan`; `leg`:
    the sparse one, which the mode `sparse` has."""

    def __init__(
        self, snapshot: Snapshot, plan: QueryPlan, other: Other, ids: NDArray[np.int64], leg: SparseLeg | None
    ) -> None:
        vectors = None if other.vector is None else other.vector[None]
        self._plan = plan
        self._known = snapshot.score(ids, other.words if plan.by_words else (), vectors)
        self._cosines = self._known.cosines[0] if vectors is not None else np.full(len(ids), np.nan, np.float32)
        self._tokens = self._held = None
        if leg is not None and other.tokens is not None:
            self._tokens, self._held = leg.scores(ids, other.tokens), leg.held(ids, other.tokens)
        self.is_query = other.is_query

    def likeness(self, alpha: float) -> Array:
        """How much the chunks are like the text, (n,) in [0, 1]; `alpha`: the weight of meaning."""
        if self._tokens is not None:
            return fusion.normalise_lexical(self._tokens)
        return fusion.convex(*_normalised(self._plan, self._cosines, self._known.bm25), alpha)

    @property
    def confidences(self) -> Array:
        """(n,) in [0, 1]: how likely each chunk answers the text, if that is a query."""
        if self._held is not None:
            return self._held
        return _confidences(self._plan, self._known, self._cosines, ())


def _confidences(plan: QueryPlan, known: Scores, cosines: Array, words: Sequence[Word]) -> Array:
    """(n,) in [0, 1]: how likely each chunk answers the query at all; `words`: those of `known`, where the plan says
    which of them the model has not met."""
    if plan.calibration and plan.mode == "dense":
        return confidence.dense_confidence(cosines, plan.calibration)
    coverage = query_coverage(known)
    if plan.calibration is None:
        return coverage
    reliability: float | Array = plan.reliability
    if plan.strange and words:
        # Of a name that the model has not met cosines tell nothing; that a passage holds it does.
        strange = np.array([word in plan.strange for word in words], np.float32)
        reliability = reliability * (1 - (known.idf * strange) @ known.held / max(float(known.idf.sum()), 1e-6))
    return confidence.confidence(cosines, coverage, reliability, plan.calibration)


def query_coverage(known: Scores) -> Array:
    """(n,) in [0, 1]: the share of the query's words, weighed by idf, that each chunk holds."""
    if not known.idf.sum():
        return np.zeros(known.held.shape[1], np.float32)
    held: Array = known.idf @ known.held / known.idf.sum()
    return held
