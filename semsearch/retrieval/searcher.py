"""Runs queries against one index: plan, candidates, rerank, hits, highlights.

Opened once, it serves many queries; the model is loaded for the first query that needs it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from semsearch import settings
from semsearch.embedding.embedder import Vectors
from semsearch.errors import UsageError
from semsearch.lexical.analyzer import analyze_query
from semsearch.plurals import agreeing, count_of
from semsearch.retrieval.candidates import Candidates, find_candidates
from semsearch.retrieval.fusion_weights import FusionWeights
from semsearch.retrieval.highlight import highlighted, scored_sentences
from semsearch.retrieval.hit import IndexCoverage, SearchResult
from semsearch.retrieval.hydrate import ScoredCandidates, first_hits
from semsearch.retrieval.options import SearchOptions, check_options, clean_query
from semsearch.retrieval.plan import QueryPlan, plan_query
from semsearch.retrieval.query_encoder import OpenModel, QueryEncoder
from semsearch.retrieval.query_syntax import ParsedQuery, parse_query, plain_query
from semsearch.retrieval.reranking import reranked_scores
from semsearch.retrieval.restrictions import Restrictions
from semsearch.retrieval.sentence_scoring import SentenceSpan, TypedText
from semsearch.retrieval.spelling import Correction, unknown_words
from semsearch.store.opening import open_store
from semsearch.store.records import Position, Root

if TYPE_CHECKING:
    from semsearch.retrieval.locate import Standing
    from semsearch.store.protocol import Snapshot

# Passages that a reranker reads.
_RERANKED = 50
# Passages that have the words of a phrase and are read, for each result and leg: more where fewer than so many of them
# hold the phrase, at last all that have its words.
_READ_FOR_PHRASES = (10, 100)
_SPARE_FOR_PHRASES = 3
_NO_WORDS = "the query has no word to look for: add one to what it excludes, and to path:, type: and title:"


class Searcher:
    """Answers queries about one index.

    `index`: its folder, or the folder it was made of; None: the nearest one upwards of the working folder. `announce`
    hears when a model must be prepared first. `prefix` stands before every shown path. `remember`: vectors of queries
    are looked up in the cache, and kept there. `after`: the token of a run of `index` whose changes are waited for,
    where a replica is asked. `open_model`: opens the model of the index, for those who share one among searchers. It is
    for one thread, the one that it is made in. Raises `IndexNotFoundError`.

    >>> with Searcher("notes") as searcher:  # doctest: +SKIP
    ...     [hit.path for hit in searcher.search("how to renew the permit").hits]
    """

    def __init__(
        self,
        index: str | os.PathLike[str] | None = None,
        announce: Callable[[str], None] | None = None,
        prefix: str = "",
        remember: bool = True,
        after: str = "",
        open_model: OpenModel | None = None,
    ) -> None:
        self.index = settings.index_for_reading(None if index is None else os.fspath(index))
        self.prefix = prefix
        self.after = after
        self._store = open_store(self.index, after)
        self._encoder = QueryEncoder(announce or (lambda message: None), "queries" if remember else "", open_model)
        self._adapt: Callable[[Vectors], Vectors] | None = None
        self._weights: FusionWeights | None = None

    def __enter__(self) -> Searcher:
        return self

    def __exit__(self, *details: object) -> None:
        self.close()

    def close(self) -> None:
        self._store.close()
        self._encoder.close()

    def search(
        self, query: str, options: SearchOptions | None = None, known: frozenset[str] = frozenset()
    ) -> SearchResult:
        """The best hits for `query` in one committed state of the index; words in `known` are not taken for slips.

        Raises `SemsearchError`.
        """
        options = options or SearchOptions()
        query = clean_query(query)
        check_options(query, options)
        clock = time.perf_counter()
        return self._store.read(lambda snapshot: self._answer(snapshot, query, options, clock, known))

    def unknown_words(self, query: str, options: SearchOptions) -> frozenset[str]:
        """The words of `query` that no passage of the index holds."""
        text = _parsed(clean_query(query), options).words

        def unknown(snapshot: Snapshot) -> frozenset[str]:
            words = analyze_query(text, snapshot.languages())
            return frozenset(unknown_words(snapshot, text, words))

        return self._store.read(unknown)

    def standing(self, query: str, path: str, options: SearchOptions | None = None) -> Standing | None:
        """Where the best passage of the file shown as `path` stands among the hits of `query`, however deep.

        None when no indexed file is shown so, or when the filters keep it out.
        """
        options = options or SearchOptions()
        query = clean_query(query)
        check_options(query, options)
        parsed = _parsed(query, options)
        if not parsed.text:
            raise UsageError(*_NO_WORDS.split(": ", 1))

        from semsearch.retrieval.locate import standing  # nothing a search has use for

        def stands(snapshot: Snapshot) -> Standing | None:
            plan_of = lambda: self._plan(snapshot, parsed, options)  # noqa: E731  # shorter than a function
            return standing(snapshot, path, options, self.prefix, options.depth, plan_of)

        return self._store.read(stands)

    def passage(self, path: str, line: int | None) -> tuple[str, frozenset[int]]:
        """(text, chunk ids) of the passage of the file called `path` that holds `line` (a page, where a document has
        no lines; None: the first passage). Raises `UsageError`."""
        from semsearch.retrieval.locate import passage_at

        return self._store.read(lambda snapshot: passage_at(snapshot, path, line))

    def roots(self) -> tuple[Root, ...]:
        """The folders of the index."""
        return self._store.read(lambda snapshot: snapshot.info().roots)

    def position(self) -> Position:
        """How far the index is now."""
        return self._store.read(lambda snapshot: snapshot.position())

    def sentences(self, query: str, passages: Sequence[TypedText], after: str = "") -> list[tuple[SentenceSpan, float]]:
        """Every sentence of `passages` with how well it answers `query`, higher is better.

        `after`: as in `SearchOptions`.
        """
        query, options = clean_query(query), SearchOptions(syntax=False, after=after)

        def scored(snapshot: Snapshot) -> list[tuple[SentenceSpan, float]]:
            plan = self._plan(snapshot, plain_query(query), options)
            return scored_sentences(snapshot, passages, plan, self._encoder)

        return self._store.read(scored)

    @property
    def similarity(self) -> Callable[[str, str], float] | None:
        """The cosine of two texts under the index's model; None when no query has needed the model yet."""
        return None if self._encoder.embedder is None else self._encoder.similarity

    @property
    def count_tokens(self) -> Callable[[str], int] | None:
        """How many tokens a text has for the index's model; None when no query has needed the model yet."""
        return None if self._encoder.embedder is None else self._encoder.count_tokens

    @property
    def encode_query(self) -> Callable[[str], Vectors] | None:
        """(dim,) the vector of a query under the index's model; None when no query has needed the model yet."""
        return None if self._encoder.embedder is None else self._encoder.embedder.encode_query

    def use_adapter(self, adapter: Callable[[Vectors], Vectors]) -> None:
        """Searches with `adapter` of query vectors from now on, whatever the index has: to measure it."""
        self._adapt = adapter

    def use_weights(self, weights: FusionWeights) -> None:
        """Ranks by `weights` from now on, whatever the index has learnt: to measure them."""
        self._weights = weights

    def _plan(
        self, snapshot: Snapshot, parsed: ParsedQuery, options: SearchOptions, known: frozenset[str] = frozenset()
    ) -> QueryPlan:
        return plan_query(snapshot, parsed, options, self._encoder, self.index, self._adapt, known, self._weights)

    def _answer(
        self, snapshot: Snapshot, query: str, options: SearchOptions, clock: float, known: frozenset[str]
    ) -> SearchResult:
        coverage = index_coverage(snapshot, self.index)
        notices = []
        if coverage.pending:
            so_far = f"{coverage.pending:,} of {count_of(coverage.chunks, 'chunk')}"
            are, their = agreeing(coverage.pending, "is", "are"), agreeing(coverage.pending, "its", "their")
            notices.append(f"{so_far} {are} not encoded yet: found by {their} words only")
        if not coverage.chunks:
            notices.append("the index holds no passages: semsearch status --files tells what became of each file")
        if options.mode in ("hybrid", "sparse") and (pending := snapshot.sparse_pending()):
            notices.append(f"{count_of(pending, 'chunk')} without a sparse vector yet")
        parsed = _parsed(query, options)
        if not parsed.text:
            notices.append(_NO_WORDS)
            return SearchResult(query, options.mode, coverage, time.perf_counter() - clock, (), tuple(notices))
        plan = self._plan(snapshot, parsed, options, known)
        candidates, told = let_in(snapshot, plan, options, self.prefix, options.depth)
        notices += told
        scored = self._scored(snapshot, _kept(candidates, plan, options, notices), plan, options, notices)
        hits = first_hits(snapshot, scored, plan, options, self.prefix)
        hits = highlighted(snapshot, hits, plan, options)
        notices += [*plan.notices, *map(_said, plan.corrections)]
        return SearchResult(
            query, plan.mode, coverage, time.perf_counter() - clock, tuple(hits), tuple(notices), plan.languages,
            plan.keys,
        )  # fmt: skip

    def _scored(
        self,
        snapshot: Snapshot,
        candidates: Candidates,
        plan: QueryPlan,
        options: SearchOptions,
        notices: list[str],
    ) -> ScoredCandidates:
        """The candidates with their scores, the reranker's where one is asked for, none below `options.min_score`.

        `notices` hear of what hinders the reranker."""
        scores = candidates.scores
        if options.rerank:
            candidates = candidates.take(np.arange(min(len(candidates), max(_RERANKED, options.k))))
            passages = snapshot.passages(candidates.ids.tolist())
            scores = reranked_scores(snapshot, self._encoder.reranker(options.rerank), plan.text, passages, notices)
            order = np.argsort(-scores, kind="stable")
            candidates, scores = candidates.take(order), scores[order]
        if options.min_score is not None:
            high = np.flatnonzero(scores >= options.min_score)
            candidates, scores = candidates.take(high), scores[high]
        return ScoredCandidates(candidates, scores, bool(options.rerank))


def let_in(
    snapshot: Snapshot, plan: QueryPlan, options: SearchOptions, prefix: str, depth: int
) -> tuple[Candidates, list[str]]:
    """The candidates that the query and its filters let in, and what lets nothing in."""
    allowed = Restrictions(snapshot, plan.parsed, options.filters, prefix)
    if not allowed.are_read:
        candidates = find_candidates(snapshot, plan, allowed.selection, depth)
        return candidates, allowed.notices(bool(len(candidates)))
    for read in _READ_FOR_PHRASES:
        candidates = find_candidates(snapshot, plan, allowed.selection, read * options.k, among=allowed.among)
        # Where fewer are read than were asked for, there are no more.
        if len(candidates) >= _SPARE_FOR_PHRASES * options.k or allowed.passages_read < read * options.k:
            return candidates, allowed.notices(bool(len(candidates)))
    candidates = find_candidates(snapshot, plan, allowed.all_read(), depth, among=allowed.among)
    return candidates, allowed.notices(bool(len(candidates)))


def _parsed(query: str, options: SearchOptions) -> ParsedQuery:
    return parse_query(query) if options.syntax else plain_query(query)


def index_coverage(snapshot: Snapshot, location: str) -> IndexCoverage:
    """What the index at `location` holds and what it does not."""
    counts = snapshot.counts()
    return IndexCoverage(location, counts.indexed, counts.chunks, counts.pending, counts.skipped, counts.failed)


def _kept(candidates: Candidates, plan: QueryPlan, options: SearchOptions, notices: list[str]) -> Candidates:
    """`candidates` without what is excluded; none where not even the best one answers, which `notices` then say."""
    keep = np.ones(len(candidates), np.bool_) if plan.by_meaning else candidates.relative > 0
    if options.exclude:
        keep &= ~np.isin(candidates.ids, list(options.exclude))
    kept = candidates.take(np.flatnonzero(keep))
    if len(kept) and kept.scores[0] < options.least_best(plan.mode):
        notices.append(
            f"nothing here answers that well: the nearest passage scores {kept.scores[0]:.3f},"
            f" below {options.least_score:g} (--min-score 0 shows it)"
        )
        return kept.take(np.zeros(0, np.int64))
    return kept


def _said(correction: Correction) -> str:
    meant = " or ".join(f'"{word}"' for word in correction.meant)
    return f'no passage holds "{correction.typed}": did you mean {meant}?'
