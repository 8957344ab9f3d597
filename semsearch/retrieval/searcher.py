"""Runs queries against an index: candidates of both legs under the filters, fused, grouped, made into Hits.

Opened once, it serves many queries; the model is loaded for the first query that needs it.
"""

import json
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semsearch import settings
from semsearch.embedding.calibration import fertility, script_of
from semsearch.embedding.embedder import Embedder, ModelInfo
from semsearch.errors import SemsearchError, UsageError
from semsearch.lexical.analyzer import analyze_query
from semsearch.lexical.bm25 import PostingsBM25
from semsearch.report import display_path
from semsearch.retrieval import fusion
from semsearch.retrieval.filters import Filters, allowed_ranges, allowed_rows
from semsearch.retrieval.hit import Coverage, Explanation, Hit, SearchResult
from semsearch.retrieval.snippets import snippet
from semsearch.storage.snapshot import Reader, Snapshot

MODES = ("hybrid", "dense", "lexical")
FUSIONS = ("convex", "rrf")
GROUPS = ("chunk", "file")
# Candidates of each leg; lists of 100 lose about 0.005 nDCG@10 on Cranfield.
DEPTH = 1000
_MOST_RESULTS = 10_000


@dataclass(frozen=True)
class SearchOptions:
    """How to search. `alpha` None: by what the model knows of the query's language (`fusion.adaptive_alpha`)."""

    k: int = 10
    mode: str = "hybrid"
    alpha: float | None = None
    fusion: str = "convex"
    group: str = "chunk"
    filters: Filters = field(default_factory=Filters)
    explain: bool = False
    # Not made where nobody sees them.
    snippets: bool = True


@dataclass(frozen=True)
class _Candidates:
    """Aligned arrays over the union of both legs' candidates: chunk ids, cosines, BM25 scores, fused scores."""

    ids: NDArray[np.int64]
    cosines: NDArray[np.float32]
    lexical: NDArray[np.float32]
    dense_part: NDArray[np.float32]
    lexical_part: NDArray[np.float32]
    scores: NDArray[np.float32]


@dataclass(frozen=True)
class _Question:
    """A query and all that was decided about how to answer it from one snapshot.

    `alpha`: weight of the dense leg; `fertility`: subwords per word under the model; `languages`: those of the index.
    """

    text: str
    mode: str
    options: SearchOptions
    embedder: Embedder | None
    alpha: float
    fertility: float | None
    languages: frozenset[str]


@dataclass(frozen=True)
class Standing:
    """Where a file stands: its best passage with its rank among all passages, its rank among files, out of how many
    candidates, and the mode that was searched in."""

    hit: Hit
    file_rank: int
    candidates: int
    mode: str


class Searcher:
    """Answers queries about one index folder. `announce` hears when the model must be prepared first."""

    def __init__(self, index: str | None = None, announce: Callable[[str], None] | None = None) -> None:
        self.index = settings.index_for_reading(index)
        self._announce = announce or (lambda message: None)
        self._reader = Reader(self.index)
        self._embedder: Embedder | None = None

    def __enter__(self) -> "Searcher":
        return self

    def __exit__(self, *details: object) -> None:
        self._reader.close()

    def search(self, query: str, options: SearchOptions | None = None) -> SearchResult:
        """The best hits for `query` in one committed state of the index. Raises `SemsearchError`."""
        options = options or SearchOptions()
        query = query.encode("utf-8", "replace").decode()  # an argument that is not UTF-8 holds lone surrogates
        _check(query, options)
        clock = time.perf_counter()
        return self._reader.read(lambda snapshot: self._answer(snapshot, query, options, clock))

    def standing(self, query: str, path: str, options: SearchOptions | None = None) -> "Standing | None":
        """Where the best passage of the file shown as `path` stands among the hits of `query`, however deep.

        None when no indexed file is shown so, or when the filters keep it out.
        """
        options = options or SearchOptions()
        _check(query, options)
        return self._reader.read(lambda snapshot: self._standing(snapshot, query, path, options))

    def _answer(self, snapshot: Snapshot, query: str, options: SearchOptions, clock: float) -> SearchResult:
        coverage = _coverage(snapshot)
        notices = []
        if coverage.pending:
            notices.append(
                f"{coverage.pending:,} of {coverage.chunks:,} chunks are not encoded yet: found by their words only"
            )
        question = self._question(snapshot, query, options, coverage)
        ranges = allowed_ranges(snapshot.catalog, options.filters)
        found = self._candidates(snapshot, question, ranges)
        order = _best_first(found)
        if question.mode == "lexical":
            order = order[found.scores[order] > 0]
        hits = _hits(snapshot, found, question, order.tolist(), options.k, options.group)
        return SearchResult(
            query, question.mode, coverage, time.perf_counter() - clock, hits, tuple(notices), question.languages
        )

    def _standing(self, snapshot: Snapshot, query: str, path: str, options: SearchOptions) -> "Standing | None":
        roots = snapshot.catalog.roots()
        labels = {root_id: label for root_id, _, label in roots}
        row = next(
            (
                row
                for row in snapshot.catalog.connection.execute("SELECT * FROM files WHERE status = 'indexed'")
                if display_path(labels[row["root_id"]], row["path"], len(roots) > 1) == path
            ),
            None,
        )
        ranges = allowed_ranges(snapshot.catalog, options.filters)
        if row is None or not row["chunk_count"]:
            return None
        chunks = range(row["first_chunk"], row["first_chunk"] + row["chunk_count"])
        if ranges is not None and (chunks.start, chunks.stop) not in ranges:
            return None
        question = self._question(snapshot, query, replace(options, explain=True), _coverage(snapshot))
        found = self._candidates(snapshot, question, ranges, chunks)
        order = _best_first(found)
        own = np.isin(found.ids[order], np.array(chunks, np.int64))
        best = int(np.flatnonzero(own)[0])
        (hit,) = _hits(snapshot, found, question, [int(order[best])], 1, "chunk")
        # At most the candidates of both legs stand above it, which SQLite takes as parameters of one statement.
        above = snapshot.catalog.connection.execute(
            f"SELECT COUNT(DISTINCT file_id) FROM chunks WHERE id IN ({','.join('?' * best)})",
            found.ids[order[:best]].tolist(),
        ).fetchone()[0]
        return Standing(replace(hit, rank=best + 1), int(above) + 1, len(found.ids), question.mode)

    def _question(self, snapshot: Snapshot, query: str, options: SearchOptions, coverage: Coverage) -> "_Question":
        if snapshot.catalog.setting("analysis", settings.ANALYSIS_VERSION) != settings.ANALYSIS_VERSION:
            raise SemsearchError(
                f"the index {self.index} was made by a semsearch that cuts texts into other words",
                f"make it anew with: semsearch index --rebuild --index {self.index}",
                code="settings_mismatch",
            )
        model = snapshot.model()
        mode = options.mode
        if model is None and mode != "lexical":
            if mode == "dense":
                raise SemsearchError(
                    f"the index {self.index} holds no vectors yet",
                    "encode them with: semsearch index",
                    code="no_vectors",
                )
            mode = "lexical"
        embedder = self._open_embedder(snapshot, model) if model is not None and mode != "lexical" else None
        alpha, fertile = _weights(query, mode, options, embedder)
        if options.alpha is None and mode == "hybrid":
            # While most chunks have no vector yet, the best of the few that have one is not the best there is.
            alpha *= 1 - coverage.pending / max(1, coverage.chunks)
        languages = frozenset(code for part in snapshot.lexical() for code in part.languages)
        return _Question(query, mode, options, embedder, alpha, fertile, languages)

    def _open_embedder(self, snapshot: Snapshot, model: ModelInfo) -> Embedder:
        if self._embedder is None or not self._embedder.info.same_vectors(model):
            from concurrent.futures import ThreadPoolExecutor

            from semsearch.embedding.models import open_recorded

            # Loading the model and loading faiss with the segments take about as long: both at once.
            with ThreadPoolExecutor(1) as pool:
                opening = pool.submit(open_recorded, model, self._announce)
                snapshot.dense()
                self._embedder = opening.result()
        return self._embedder

    def _candidates(
        self,
        snapshot: Snapshot,
        question: "_Question",
        ranges: list[tuple[int, int]] | None,
        also: range = range(0),
    ) -> _Candidates:
        """Both legs' best within `ranges`, and the chunks of `also` wherever they stand."""
        mode, options, embedder = question.mode, question.options, question.embedder
        depth = max(DEPTH, options.k)
        lexical: dict[int, float] = {}
        segments = snapshot.lexical()
        scored: list[NDArray[np.float32]] = []
        if mode != "dense":
            alive = snapshot.alive("lex")
            scored = PostingsBM25(segments, alive).segment_scores(analyze_query(question.text, question.languages))
            for part, keep, scores in zip(segments, alive, scored, strict=True):
                allowed = allowed_rows(part.ids, keep, ranges)
                if allowed is not None:
                    scores[~allowed] = 0
                best = _best(scores, depth)
                lexical.update(zip(part.ids[best].tolist(), scores[best].tolist(), strict=True))
            lexical = dict(sorted(lexical.items(), key=lambda item: (-item[1], item[0]))[:depth])
        dense: dict[int, float] = {}
        vector = None
        if embedder is not None:
            vector = embedder.encode_query(question.text)
            for dense_part, keep in zip(snapshot.dense(), snapshot.alive("vec"), strict=True):
                rows, cosines = dense_part.vectors.search(vector, depth, allowed_rows(dense_part.ids, keep, ranges))
                dense.update(zip(dense_part.ids[rows].tolist(), cosines.tolist(), strict=True))
            dense = dict(sorted(dense.items(), key=lambda item: (-item[1], item[0]))[:depth])
        ids = np.array(sorted(dense.keys() | lexical.keys() | set(also)), np.int64)
        # A candidate of one leg is scored by the other leg too, wherever it stands in that one's list.
        bm25 = np.zeros(len(ids), np.float32)
        for part, scores in zip(segments if scored else (), scored, strict=True):
            wanted, rows = _places(ids, part.ids)
            bm25[wanted] = scores[rows]
        cosines = np.array([dense.get(number, np.nan) for number in ids.tolist()], np.float32)
        if vector is not None:
            for dense_part in snapshot.dense():
                wanted, rows = _places(ids, dense_part.ids)
                missing = np.isnan(cosines[wanted])
                cosines[wanted[missing]] = dense_part.vectors.vectors(rows[missing]) @ vector
        # Not encoded yet: nothing is known of its meaning.
        background = embedder.info.calibration.background if embedder else 0.0
        normal_dense = fusion.normalise_dense(np.nan_to_num(cosines, nan=background), background)
        normal_lexical = fusion.normalise_lexical(bm25)
        if mode == "dense":
            scores = cosines
        elif mode == "lexical":
            scores = bm25
        elif options.fusion == "rrf":
            scores = fusion.reciprocal_ranks(normal_dense, normal_lexical)
        else:
            scores = fusion.convex(normal_dense, normal_lexical, question.alpha)
        return _Candidates(ids, cosines, bm25, normal_dense, normal_lexical, scores)


def _check(query: str, options: SearchOptions) -> None:
    if not query.strip():
        raise UsageError("the query is empty", 'say what to look for: semsearch search "WORDS"')
    if not 1 <= options.k <= _MOST_RESULTS:
        raise UsageError(f"-k {options.k} is out of range", f"use 1 to {_MOST_RESULTS}")
    if options.alpha is not None and not 0 <= options.alpha <= 1:
        raise UsageError(f"--alpha {options.alpha} is out of range", "use 0 (words only) to 1 (meaning only)")
    for name, value, known in (
        ("--mode", options.mode, MODES),
        ("--fusion", options.fusion, FUSIONS),
        ("--group", options.group, GROUPS),
    ):
        if value not in known:
            raise UsageError(f"{name} {value} is not known", "use one of: " + ", ".join(known))


def _weights(query: str, mode: str, options: SearchOptions, embedder: Embedder | None) -> tuple[float, float | None]:
    """(weight of the dense leg, fertility of the query under the model)."""
    if embedder is None or mode != "hybrid":
        return (1.0 if mode == "dense" else 0.0), None
    fertile = fertility(query, embedder.tokenizer.tokens(query))
    if options.alpha is not None:
        return options.alpha, fertile
    return fusion.adaptive_alpha(fertile, script_of(query), embedder.info.calibration), fertile


def _best(scores: NDArray[np.float32], depth: int) -> NDArray[np.int64]:
    """Rows with the `depth` highest scores above 0, in no order."""
    rows = np.flatnonzero(scores > 0)
    if len(rows) > depth:
        rows = rows[np.argpartition(-scores[rows], depth)[:depth]]
    return rows


def _places(wanted: NDArray[np.int64], ids: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Positions in `wanted` of the chunk ids that a segment with `ids` holds, and their rows there."""
    at = np.minimum(np.searchsorted(ids, wanted), len(ids) - 1)
    there = np.flatnonzero(ids[at] == wanted)
    return there, at[there]


def _coverage(snapshot: Snapshot) -> Coverage:
    counts = snapshot.catalog.counts()
    return Coverage(
        snapshot.index, counts["indexed"], counts["chunks"], counts["pending"], counts["skipped"], counts["failed"]
    )


def _best_first(found: _Candidates) -> NDArray[np.int64]:
    """Positions of the candidates, best first; ties by cosine, then by chunk id: the order never depends on how the
    index is cut into segments."""
    return np.lexsort((found.ids, -np.nan_to_num(found.cosines, nan=-1.0), -found.scores))


def _hits(
    snapshot: Snapshot, found: _Candidates, question: "_Question", order: Iterable[int], k: int, group: str
) -> tuple[Hit, ...]:
    roots = snapshot.catalog.roots()
    labels = {root_id: label for root_id, _, label in roots}
    hits: list[Hit] = []
    seen: set[int] = set()
    options = question.options
    for position in order:
        row = snapshot.catalog.connection.execute(
            "SELECT chunks.*, files.path, files.root_id, files.type, files.title, files.mtime_ns, files.metadata"
            " FROM chunks JOIN files ON files.id = chunks.file_id WHERE chunks.id = ?",
            (int(found.ids[position]),),
        ).fetchone()
        if row is None or (group == "file" and row["file_id"] in seen):
            continue
        seen.add(row["file_id"])
        cosine = float(found.cosines[position])
        hits.append(
            Hit(
                rank=len(hits) + 1,
                path=display_path(labels[row["root_id"]], row["path"], len(roots) > 1),
                type=row["type"],
                title=row["title"],
                heading=tuple(json.loads(row["heading"])),
                page=row["page"],
                line_start=row["line_start"],
                line_end=row["line_end"],
                chunk_id=row["id"],
                score=float(found.scores[position]),
                dense=None if np.isnan(cosine) else cosine,
                lexical=None if question.mode == "dense" else float(found.lexical[position]),
                text=row["text"],
                snippet=snippet(row["text"], question.text, question.languages) if options.snippets else "",
                modified=_iso(row["mtime_ns"]),
                metadata=json.loads(row["metadata"]),
                explanation=_explanation(found, position, question) if options.explain else None,
            )
        )
        if len(hits) == k:
            break
    return tuple(hits)


def _explanation(found: _Candidates, position: int, question: "_Question") -> Explanation:
    mode, options = question.mode, question.options

    def rank(scores: NDArray[np.float32]) -> int | None:
        own = scores[position]
        return int((scores > own).sum()) + 1 if own > 0 else None

    hybrid = mode == "hybrid"
    return Explanation(
        fusion=options.fusion if hybrid else mode,
        alpha=question.alpha if hybrid and options.fusion == "convex" else None,
        fertility=question.fertility,
        dense=None if mode == "lexical" else float(found.dense_part[position]),
        lexical=None if mode == "dense" else float(found.lexical_part[position]),
        dense_rank=None if mode == "lexical" else rank(found.dense_part),
        lexical_rank=None if mode == "dense" else rank(found.lexical_part),
    )


def _iso(mtime_ns: int) -> str:
    try:
        return datetime.fromtimestamp(mtime_ns / 1e9, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        return ""


def as_dict(result: SearchResult) -> dict[str, Any]:
    """The `semsearch.search/1` object of `result`."""
    return {
        "schema": "semsearch.search/1",
        "query": result.query,
        "mode": result.mode,
        "index": {
            "path": result.coverage.path,
            "files": result.coverage.files,
            "chunks": result.coverage.chunks,
            "pending": result.coverage.pending,
            "skipped": result.coverage.skipped + result.coverage.failed,
        },
        "seconds": round(result.seconds, 4),
        "results": [hit_dict(hit) for hit in result.hits],
    }


def hit_dict(hit: Hit) -> dict[str, Any]:
    """One entry of `results`."""
    record: dict[str, Any] = {
        "rank": hit.rank,
        "path": hit.path,
        "type": hit.type,
        "title": hit.title or None,
        "heading": " > ".join(hit.heading) or None,
        "page": hit.page,
        "line_start": hit.line_start,
        "line_end": hit.line_end,
        "chunk_id": hit.chunk_id,
        "score": round(hit.score, 6),
        "scores": {
            "dense": None if hit.dense is None else round(hit.dense, 6),
            "lexical": None if hit.lexical is None else round(hit.lexical, 6),
            "rerank": None,
        },
        "snippet": hit.snippet,
        "text": hit.text,
        "modified": hit.modified,
        "metadata": dict(hit.metadata),
    }
    if hit.explanation:
        record["explain"] = {key: value for key, value in hit.explanation.__dict__.items() if value is not None}
    return record
