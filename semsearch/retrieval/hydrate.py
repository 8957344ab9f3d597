"""Candidates -> hits: the chunks are read in batches, and only as many as the results need."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from semsearch.retrieval.candidates import Candidates
from semsearch.retrieval.deduplication import deduplicated, resemble, shingles
from semsearch.retrieval.hit import Explanation, Hit, TextPlace
from semsearch.retrieval.options import SearchOptions
from semsearch.retrieval.plan import QueryPlan
from semsearch.store.records import IndexInfo, Passage

if TYPE_CHECKING:
    from semsearch.store.protocol import Snapshot

# Copies and neighbours make one result of several chunks.
_SPARE = 6
# Share of the best passage's score from which the second one of a file is shown with it.
_SHOWN_SECOND = 0.5


@dataclass(frozen=True, eq=False)  # arrays are not compared
class ScoredCandidates:
    """`candidates` (n) with the `scores` (n,) their hits get; `reranked`: these are a reranker's."""

    candidates: Candidates
    scores: NDArray[np.float32]
    reranked: bool = False


def first_hits(
    snapshot: Snapshot, scored: ScoredCandidates, plan: QueryPlan, options: SearchOptions, prefix: str
) -> list[Hit]:
    """The first `options.k` hits: of each file the best one, or the passages that differ, or just the first."""
    hits = hits_from(snapshot, scored, plan, options, prefix)
    if options.group == "file":
        return _by_file(hits, options)
    if options.fold:
        return deduplicated(hits, options.k)
    return [replace(hit, rank=rank) for rank, hit in enumerate(islice(hits, options.k), 1)]


def _by_file(hits: Iterator[Hit], options: SearchOptions) -> list[Hit]:
    """The best hit of each of the first `options.k` files; where snippets are shown, with the next one of the file, if
    it scores half as much and says something else.

    That one is looked for among the hits that are read anyway: it adds no time.
    """
    best: dict[tuple[str, str], Hit] = {}
    for number, hit in enumerate(hits):
        if len(best) == options.k and (number >= options.k + _SPARE or not options.snippets):
            break
        name = hit.path, hit.file
        first = best.get(name)
        if first is None:
            if len(best) < options.k:
                best[name] = hit
        elif options.snippets and first.second is None and _is_worth_showing(first, hit):
            best[name] = replace(first, second=hit)
    return [replace(hit, rank=rank) for rank, hit in enumerate(best.values(), 1)]


def _is_worth_showing(first: Hit, second: Hit) -> bool:
    """Whether `second`, of the same file as `first`, is to be shown, too."""
    return second.score >= _SHOWN_SECOND * first.score and not resemble(shingles(first.text), shingles(second.text))


def hits_from(
    snapshot: Snapshot,
    scored: ScoredCandidates,
    plan: QueryPlan,
    options: SearchOptions,
    prefix: str,
    start: int = 0,
) -> Iterator[Hit]:
    """The hit of each candidate from position `start` on, as they are asked for; `prefix` stands before shown paths."""
    info = snapshot.info()
    ids = scored.candidates.ids
    size = options.k + _SPARE
    while start < len(ids):
        passages = snapshot.passages(ids[start : start + size].tolist())
        for position, passage in enumerate(passages, start):
            yield _hit(info, passage, scored, position, plan, options, prefix)
        start += size
        size *= 2


def _hit(
    info: IndexInfo,
    passage: Passage,
    scored: ScoredCandidates,
    position: int,
    plan: QueryPlan,
    options: SearchOptions,
    prefix: str,
) -> Hit:
    file, candidates = passage.file, scored.candidates
    cosine, score = float(candidates.cosines[position]), float(scored.scores[position])
    return Hit(
        rank=position + 1,
        path=prefix + info.shown_path(file.root_id, file.path),
        file=info.file_of(file.root_id, file.path),
        type=file.type,
        title=file.title,
        heading=passage.heading,
        page=passage.page,
        line_start=passage.line_start,
        line_end=passage.line_end,
        chunk_id=passage.id,
        score=score,
        dense=None if np.isnan(cosine) else cosine,
        lexical=float(candidates.bm25[position]) if plan.by_words else None,
        rerank=score if scored.reranked else None,
        sparse=float(candidates.sparse[position]) if plan.sparse is not None else None,
        text=passage.text,
        snippet="",
        modified=_iso(file.mtime_ns),
        metadata=file.metadata,
        host=info.host_of(file.root_id),
        language=file.language,
        places=(
            TextPlace(0, passage.page, passage.line_start),
            *(TextPlace(offset, passage.page, line) for offset, line in passage.line_breaks),
        ),
        explanation=_explanation(candidates, position, plan) if options.explain else None,
        begins_document=passage.is_first,
        stamp=(file.size, file.mtime_ns),
    )


def _explanation(candidates: Candidates, position: int, plan: QueryPlan) -> Explanation:
    def rank(scores: NDArray[np.float32]) -> int | None:
        own = scores[position]
        return int((scores > own).sum()) + 1 if own > 0 else None

    hybrid = plan.mode == "hybrid"
    by_meaning = plan.by_meaning
    return Explanation(
        fusion=plan.fusion if hybrid else plan.mode,
        alpha=candidates.alpha if hybrid and plan.fusion == "convex" else None,
        fertility=candidates.fertility,
        dense=float(candidates.dense_part[position]) if by_meaning else None,
        lexical=float(candidates.lexical_part[position]) if plan.by_words else None,
        sparse=float(candidates.sparse_part[position]) if plan.sparse is not None else None,
        sparse_share=candidates.sparse_share if plan.sparse is not None and plan.by_words else None,
        dense_rank=rank(candidates.dense_part) if by_meaning else None,
        lexical_rank=rank(candidates.lexical_part) if plan.by_words else None,
        name=float(candidates.name_part[position]) if plan.by_words and not plan.by_ranks else None,
    )


def _iso(mtime_ns: int) -> str:
    try:
        return datetime.fromtimestamp(mtime_ns / 1e9, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        return ""
