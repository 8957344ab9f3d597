"""Runs queries against an index: candidates under the filters, reranked, folded, made into Hits.

Opened once, it serves many queries; the model is loaded for the first query that needs it.
"""

import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from semsearch import settings
from semsearch.chunking.splitter import hash_of
from semsearch.embedding.calibration import script_of
from semsearch.embedding.embedder import Vectors
from semsearch.embedding.model_info import ModelInfo
from semsearch.errors import IndexDamagedError, SemsearchError, UsageError
from semsearch.lexical.bm25 import PostingsBM25
from semsearch.report import display_path
from semsearch.retrieval import evidence, fusion
from semsearch.retrieval.candidates import DEPTH, Candidates, Question, find_candidates
from semsearch.retrieval.confidence import MIN_SCORE
from semsearch.retrieval.context import context_lines
from semsearch.retrieval.filters import Filters, allowed_ranges
from semsearch.retrieval.hit import Coverage, Explanation, Hit, SearchResult
from semsearch.retrieval.passages import distinct
from semsearch.retrieval.snippets import snippet
from semsearch.storage.snapshot import Reader, Snapshot

if TYPE_CHECKING:
    from semsearch.embedding.cached_embedder import CachedEmbedder
    from semsearch.embedding.cross_encoder import Reranker

MODES = ("hybrid", "dense", "lexical")
FUSIONS = ("convex", "rrf")
GROUPS = ("chunk", "file")
_MOST_RESULTS = 10_000
# More would change nothing: the model reads 256 tokens, BM25 weighs words. Keeps a query of 100 kB as fast as others.
_MOST_QUERY_CHARACTERS = 8_000
# Passages that a reranker reads.
_RERANKED = 50
# Sentences whose meaning is looked at, over all hits of a query: 2 ms each.
_MOST_ENCODED = 12
_MOST_REMEMBERED = 20_000
# A sentence with this share of the query's words is found by its words.
_FOUND_BY_WORDS = 0.5


@dataclass(frozen=True)
class SearchOptions:
    """How to search.

    `alpha` None: by what the model knows of the query's language (`fusion.adaptive_alpha`). `min_score` None: a search
    whose best hit is below `MIN_SCORE` finds nothing; a number: no hit below it is returned. `feedback`: dense feedback
    (`candidates.FEEDBACK_WEIGHT`) in hybrid searches; the dense ranking alone loses by it in German. `fold`: copies
    folded, neighbours joined (passages only). `snippets`: with snippet and best sentence. `context`: lines around the
    best sentence. `exclude`: chunk ids. `rerank`: a cross-encoder.
    """

    k: int = 10
    mode: str = "hybrid"
    alpha: float | None = None
    fusion: str = "convex"
    group: str = "chunk"
    filters: Filters = field(default_factory=Filters)
    min_score: float | None = None
    feedback: bool = True
    fold: bool = True
    explain: bool = False
    snippets: bool = True
    context: int = 0
    unlike: tuple[str, ...] = ()
    exclude: frozenset[int] = frozenset()
    rerank: str | None = None


@dataclass(frozen=True)
class Standing:
    """Where a file stands: its best passage with its rank among all passages, its rank among files, out of how many
    candidates, the mode that was searched in, and the score of the best passage of all."""

    hit: Hit
    file_rank: int
    candidates: int
    mode: str
    best_score: float


@dataclass(frozen=True)
class Mark:
    """How far an index is: `last` chunk that was searched by words and meaning; `generation` counts rebuilds."""

    last: int
    generation: int


class Searcher:
    """Answers queries about one index folder.

    `announce` hears when a model must be prepared first. `prefix` stands before every shown path. `remember`: vectors
    of queries are looked up in the cache, and kept there.
    """

    def __init__(
        self,
        index: str | None = None,
        announce: Callable[[str], None] | None = None,
        prefix: str = "",
        remember: bool = True,
    ) -> None:
        self.index = settings.index_for_reading(index)
        self._announce = announce or (lambda message: None)
        self.prefix = prefix
        self._cache = "queries" if remember else ""
        self._other_adapter: Callable[[Vectors], Vectors] | None = None
        self._reader = Reader(self.index)
        self._embedder: CachedEmbedder | None = None
        self._known: dict[str, Vectors] = {}
        self._reranker: Reranker | None = None
        self._reranker_name = ""

    def __enter__(self) -> "Searcher":
        return self

    def __exit__(self, *details: object) -> None:
        self.close()

    def close(self) -> None:
        self._reader.close()
        if self._embedder is not None:
            self._embedder.close()

    def search(self, query: str, options: SearchOptions | None = None) -> SearchResult:
        """The best hits for `query` in one committed state of the index. Raises `SemsearchError`."""
        options = options or SearchOptions()
        query = clean_query(query)
        _check(query, options)
        clock = time.perf_counter()
        return self._reader.read(lambda snapshot: self._answer(snapshot, query, options, clock))

    def standing(self, query: str, path: str, options: SearchOptions | None = None) -> "Standing | None":
        """Where the best passage of the file shown as `path` stands among the hits of `query`, however deep.

        None when no indexed file is shown so, or when the filters keep it out.
        """
        options = options or SearchOptions()
        query = clean_query(query)
        _check(query, options)
        return self._reader.read(lambda snapshot: self._standing(snapshot, query, path, options))

    def passage(self, path: str, line: int | None) -> tuple[str, frozenset[int]]:
        """(text, chunk ids) of the passage of the file shown as `path` that holds `line` (a page, where a document has
        no lines; None: the first passage). Raises `UsageError`."""
        return self._reader.read(lambda snapshot: self._passage(snapshot, path, line))

    def roots(self) -> list[tuple[int, str, str]]:
        """(id, absolute path, label) of each folder of the index."""
        return self._reader.read(lambda snapshot: snapshot.catalog.roots())

    def mark(self) -> Mark:
        """How far the index is now."""
        return self._reader.read(_mark)

    def similarity(self, one: str, other: str) -> float:
        """The cosine of two texts under the index's model; 0 when it was not loaded."""
        if self._embedder is None:
            return 0.0
        vectors = self.sentence_vectors([one, other])
        return float(vectors[0] @ vectors[1])

    def encode_query(self, text: str) -> Vectors:
        """(dim,) the vector of a query under the index's model; zeros of length 0 when it was not loaded."""
        return np.zeros(0, np.float32) if self._embedder is None else self._embedder.encode_query(text)

    def count_tokens(self, text: str) -> int:
        """How many tokens `text` has for the index's model, or about, when it was not loaded."""
        return len(text) // 3 if self._embedder is None else len(self._embedder.tokenizer.spans(text))

    def sentences(self, query: str, texts: Sequence[str]) -> list[tuple[evidence.Sentence, float]]:
        """Every sentence of the passages `texts` with how well it answers `query` (`evidence.sentence_scores`)."""
        return self._reader.read(lambda snapshot: self._sentences(snapshot, clean_query(query), texts))

    def _answer(self, snapshot: Snapshot, query: str, options: SearchOptions, clock: float) -> SearchResult:
        coverage = _coverage(snapshot)
        notices = []
        if coverage.pending:
            notices.append(
                f"{coverage.pending:,} of {coverage.chunks:,} chunks are not encoded yet: found by their words only"
            )
        question = self._question(snapshot, query, options, coverage)
        ranges = allowed_ranges(
            snapshot.catalog,
            options.filters,
            self.prefix,
            lambda glob: notices.append(f"--path {glob} matches no indexed file"),
        )
        found = find_candidates(snapshot, question, ranges, _depth(options))
        keep = found.relative > 0 if question.mode == "lexical" else np.ones(len(found.ids), np.bool_)
        if options.exclude:
            keep &= ~np.isin(found.ids, list(options.exclude))
        found = found.take(np.flatnonzero(keep))
        if options.min_score is None and question.mode != "lexical" and len(found.ids) and found.scores[0] < MIN_SCORE:
            notices.append(
                f"nothing here answers that well: the nearest passage scores {found.scores[0]:.3f}"
                f" (--min-score 0 shows it)"
            )
            found = found.take(np.zeros(0, np.int64))
        rerank = self._reranked(snapshot, question, found, options) if options.rerank else None
        if rerank is not None:
            found, scores = rerank
        else:
            scores = found.scores
        if options.min_score is not None:
            found = found.take(np.flatnonzero(scores >= options.min_score))
            scores = scores[scores >= options.min_score]
        hits = _grouped(self._hits(snapshot, found, scores, question, options, rerank is not None), options)
        if options.snippets:
            hits = self._marked(snapshot, hits, question)
        if options.context:
            hits = [replace(hit, context=context_lines(snapshot, hit, options.context)) for hit in hits]
        if options.snippets:
            hits = [
                replace(hit, snippet=snippet(hit.text, question.text, question.languages, hit.sentence)) for hit in hits
            ]
        return SearchResult(
            query, question.mode, coverage, time.perf_counter() - clock, tuple(hits), tuple(notices), question.languages
        )

    def _standing(self, snapshot: Snapshot, query: str, path: str, options: SearchOptions) -> "Standing | None":
        row = self._file(snapshot, path)
        ranges = allowed_ranges(snapshot.catalog, options.filters, self.prefix, lambda glob: None)
        if row is None or not row["chunk_count"]:
            return None
        chunks = range(row["first_chunk"], row["first_chunk"] + row["chunk_count"])
        if ranges is not None and (chunks.start, chunks.stop) not in ranges:
            return None
        question = self._question(snapshot, query, options, _coverage(snapshot))
        found = find_candidates(snapshot, question, ranges, _depth(options), chunks)
        own = np.isin(found.ids, np.array(chunks, np.int64))
        best = int(np.flatnonzero(own)[0])
        explained = replace(options, explain=True)
        (hit,) = islice(self._hits(snapshot, found, found.scores, question, explained, False, best), 1)
        hit = replace(hit, snippet=snippet(hit.text, question.text, question.languages))
        above = snapshot.catalog.connection.execute(
            "SELECT COUNT(DISTINCT file_id) FROM chunks WHERE id IN (SELECT value FROM json_each(?))",
            (json.dumps(found.ids[:best].tolist()),),
        ).fetchone()[0]
        return Standing(
            replace(hit, rank=best + 1), int(above) + 1, len(found.ids), question.mode, float(found.scores[0])
        )

    def _file(self, snapshot: Snapshot, path: str) -> Any:
        """The catalog's row of the indexed file that is shown as `path`; None when there is none."""
        roots = snapshot.catalog.roots()
        labels = {root_id: label for root_id, _, label in roots}
        return next(
            (
                row
                for row in snapshot.catalog.connection.execute("SELECT * FROM files WHERE status = 'indexed'")
                if self.prefix + display_path(labels[row["root_id"]], row["path"], len(roots) > 1) == path
            ),
            None,
        )

    def _passage(self, snapshot: Snapshot, path: str, line: int | None) -> tuple[str, frozenset[int]]:
        row = self._file(snapshot, path)
        if row is None:
            raise UsageError(
                f"--like {path}: no indexed file is shown so", "name it as results show it, or index it first"
            )
        chunks = snapshot.catalog.connection.execute(
            "SELECT * FROM chunks WHERE id >= ? AND id < ? ORDER BY id",
            (row["first_chunk"], row["first_chunk"] + row["chunk_count"]),
        ).fetchall()
        if line is None:
            return chunks[0]["text"], frozenset([chunks[0]["id"]])
        holding = [
            chunk
            for chunk in chunks
            if (chunk["line_start"] is None and chunk["page"] == line)
            or (chunk["line_start"] is not None and chunk["line_start"] <= line <= (chunk["line_end"] or 0))
        ]
        if not holding:
            raise UsageError(f"--like {path}:{line}: no passage of the index is there", "leave out the line")
        # Where passages overlap, all that hold the line are the example itself.
        return holding[-1]["text"], frozenset(chunk["id"] for chunk in holding)

    def _question(self, snapshot: Snapshot, query: str, options: SearchOptions, coverage: Coverage) -> Question:
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
        embedder = self._open_embedder(snapshot, model, query) if model is not None and mode != "lexical" else None
        alpha, reliability, fertile = (1.0 if mode == "dense" else 0.0), 1.0, None
        if embedder is not None and mode == "hybrid":
            fertile = embedder.fertility(query)
            alpha = fusion.adaptive_alpha(fertile, script_of(query), embedder.info.calibration)
            reliability = (alpha - fusion.LOWEST_ALPHA) / (fusion.ALPHA - fusion.LOWEST_ALPHA)
            # While most chunks have no vector yet, the best of the few that have one is not the best there is.
            alpha *= 1 - coverage.pending / max(1, coverage.chunks)
            if options.alpha is not None:
                alpha = options.alpha
        languages = frozenset(code for part in snapshot.lexical() for code in part.languages)
        return Question(
            query, mode, options.fusion, options.feedback and mode == "hybrid", embedder, alpha, fertile, reliability,
            languages,
            vector=self._adapted(snapshot, embedder.encode_query(query)) if embedder is not None else None,
            unlike=tuple(clean_query(text) for text in options.unlike),
        )  # fmt: skip

    def use_adapter(self, adapter: Callable[[Vectors], Vectors]) -> None:
        """Searches with `adapter` of query vectors from now on, whatever the index has: to measure it."""
        self._other_adapter = adapter

    def _adapted(self, snapshot: Snapshot, vector: Vectors) -> Vectors:
        return snapshot.adapted(vector) if self._other_adapter is None else self._other_adapter(vector)

    def _open_embedder(self, snapshot: Snapshot, model: ModelInfo, query: str) -> "CachedEmbedder":
        if self._embedder is None or not self._embedder.info.same_vectors(model):
            from semsearch.embedding.cached_embedder import cached
            from semsearch.embedding.open import open_recorded

            self._known.clear()
            self._embedder = cached(model, lambda: open_recorded(model, self._announce), self._cache)
            if not self._embedder.has_query(query):
                from concurrent.futures import ThreadPoolExecutor

                # Loading the model and loading faiss with the segments take about as long: both at once.
                with ThreadPoolExecutor(1) as pool:
                    opening = pool.submit(self._embedder.open)
                    snapshot.dense()
                    opening.result()
        return self._embedder

    def _reranked(
        self, snapshot: Snapshot, question: Question, found: Candidates, options: SearchOptions
    ) -> tuple[Candidates, NDArray[np.float32]]:
        """The best candidates in the order of the reranker's scores, and these."""
        from semsearch.chunking.splitter import prefix_of

        assert options.rerank is not None
        if self._reranker is None or self._reranker_name != options.rerank:
            from semsearch.embedding.cross_encoder import open_reranker

            self._reranker = open_reranker(options.rerank, self._announce)
            self._reranker_name = options.rerank
        found = found.take(np.arange(min(len(found.ids), max(_RERANKED, options.k))))
        texts = []
        for number in found.ids.tolist():
            row = snapshot.catalog.connection.execute(
                "SELECT text, heading FROM chunks WHERE id = ?", (number,)
            ).fetchone()
            # As it was encoded: under its headings.
            texts.append(prefix_of(tuple(json.loads(row["heading"])), row["text"]) + row["text"])
        scores = self._reranker.score(question.text, texts)
        order = np.argsort(-scores, kind="stable")
        return found.take(order), scores[order]

    def _hits(
        self,
        snapshot: Snapshot,
        found: Candidates,
        scores: NDArray[np.float32],
        question: Question,
        options: SearchOptions,
        reranked: bool,
        start: int = 0,
    ) -> Iterator[Hit]:
        """The Hit of each candidate from position `start` on, as they are asked for."""
        roots = snapshot.catalog.roots()
        labels = {root_id: label for root_id, _, label in roots}
        folders = {root_id: folder for root_id, folder, _ in roots}
        for position in range(start, len(found.ids)):
            row = snapshot.catalog.connection.execute(
                "SELECT chunks.*, files.path, files.root_id, files.type, files.title, files.mtime_ns, files.metadata"
                " FROM chunks JOIN files ON files.id = chunks.file_id WHERE chunks.id = ?",
                (int(found.ids[position]),),
            ).fetchone()
            heading = tuple(json.loads(row["heading"])) if row is not None else ()
            if row is None or hash_of(heading, row["text"]) != row["hash"]:
                raise IndexDamagedError(
                    f"{snapshot.catalog.path}: chunk {found.ids[position]} is not what was written",
                    "repair it with: semsearch verify --repair",
                )
            cosine = float(found.cosines[position])
            score = float(scores[position])
            yield Hit(
                rank=position + 1,
                path=self.prefix + display_path(labels[row["root_id"]], row["path"], len(roots) > 1),
                file=os.path.join(folders[row["root_id"]], os.fsdecode(row["path"])),
                type=row["type"],
                title=row["title"],
                heading=heading,
                page=row["page"],
                line_start=row["line_start"],
                line_end=row["line_end"],
                chunk_id=row["id"],
                score=score,
                dense=None if np.isnan(cosine) else cosine,
                lexical=None if question.mode == "dense" else float(found.lexical[position]),
                rerank=score if reranked else None,
                text=row["text"],
                snippet="",
                modified=_iso(row["mtime_ns"]),
                metadata=json.loads(row["metadata"]),
                explanation=_explanation(found, position, question) if options.explain else None,
            )

    def _marked(self, snapshot: Snapshot, hits: list[Hit], question: Question) -> list[Hit]:
        """`hits` with their best sentences: by words where those tell, else by meaning, the first hits first."""
        words = question.words
        weights = _weights(snapshot, words)
        left = _MOST_ENCODED if question.embedder is not None and question.reliability > 0 else 0
        found: list[tuple[list[evidence.Sentence], NDArray[np.bool_], list[int], list[str]]] = []
        by_meaning: list[str] = []
        for hit in hits:
            sentences = evidence.sentences_of([hit.text])
            texts = [hit.text[one.start : one.end] for one in sentences]
            held = evidence.words_held(texts, words, question.languages)
            share = held @ weights
            told = len(texts) < 2 or share.max() >= _FOUND_BY_WORDS * weights.sum() > 0
            # Of a long passage those with most words of the query, then the first ones.
            chosen = [] if told else np.argsort(-share, kind="stable")[:left].tolist()
            left -= len(chosen)
            by_meaning += [texts[number] for number in chosen]
            found.append((sentences, held, chosen, texts))
        vectors = dict(zip(by_meaning, self.sentence_vectors(by_meaning), strict=True)) if by_meaning else {}
        marked = []
        for hit, (sentences, held, chosen, texts) in zip(hits, found, strict=True):
            if not sentences:
                marked.append(hit)
                continue
            cosines = None
            if chosen and question.vector is not None:
                cosines = np.zeros(len(texts), np.float32)
                cosines[chosen] = np.stack([vectors[texts[number]] for number in chosen]) @ question.vector
            scores = evidence.sentence_scores(question.text, sentences, held, weights, cosines, [hit.text])
            best = sentences[int(scores.argmax())]
            marked.append(replace(hit, sentence=(best.start, best.end)))
        return marked

    def _sentences(self, snapshot: Snapshot, query: str, texts: Sequence[str]) -> list[tuple[evidence.Sentence, float]]:
        question = self._question(snapshot, query, SearchOptions(), _coverage(snapshot))
        sentences = evidence.sentences_of(texts)
        if not sentences:
            return []
        own = [texts[one.passage][one.start : one.end] for one in sentences]
        held = evidence.words_held(own, question.words, question.languages)
        cosines = None
        if question.vector is not None and question.reliability > 0:
            cosines = self.sentence_vectors(own) @ question.vector
        scores = evidence.sentence_scores(query, sentences, held, _weights(snapshot, question.words), cosines, texts)
        return list(zip(sentences, scores.tolist(), strict=True))

    def sentence_vectors(self, texts: Sequence[str]) -> Vectors:
        """(n, dim) float32 unit rows; remembered, for a sentence may stand in the hits of many queries of a batch."""
        assert self._embedder is not None
        missing = [text for text in dict.fromkeys(texts) if text not in self._known]
        if len(self._known) + len(missing) > _MOST_REMEMBERED:
            self._known.clear()
            missing = list(dict.fromkeys(texts))
        self._known.update(zip(missing, self._embedder.encode(missing), strict=True))
        return np.stack([self._known[text] for text in texts])


def clean_query(query: str) -> str:
    """`query` as it is searched: an argument that is not UTF-8 holds lone surrogates; a long one is cut."""
    return query[:_MOST_QUERY_CHARACTERS].encode("utf-8", "replace").decode()


def _check(query: str, options: SearchOptions) -> None:
    if not query.strip():
        raise UsageError("the query is empty", 'say what to look for: semsearch search "WORDS"')
    if not 1 <= options.k <= _MOST_RESULTS:
        raise UsageError(f"-k {options.k} is out of range", f"use 1 to {_MOST_RESULTS}")
    if options.alpha is not None and not 0 <= options.alpha <= 1:
        raise UsageError(f"--alpha {options.alpha} is out of range", "use 0 (words only) to 1 (meaning only)")
    if options.min_score is not None and not 0 <= options.min_score <= 1:
        raise UsageError(f"--min-score {options.min_score} is out of range", "use 0 (all) to 1")
    if options.context < 0:
        raise UsageError(f"-C {options.context} is negative", "use 0 or more lines")
    if any(not text.strip() for text in options.unlike):
        raise UsageError("the text of --unlike is empty", "say what results should not be about")
    for name, value, known in (
        ("--mode", options.mode, MODES),
        ("--fusion", options.fusion, FUSIONS),
        ("--group", options.group, GROUPS),
    ):
        if value not in known:
            raise UsageError(f"{name} {value} is not known", "use one of: " + ", ".join(known))


def _depth(options: SearchOptions) -> int:
    """Candidates of each leg; a file may hold many of them, and copies are folded."""
    return max(DEPTH, 3 * options.k)


def _weights(snapshot: Snapshot, words: Sequence[tuple[str, ...]]) -> NDArray[np.float32]:
    bm25 = PostingsBM25(snapshot.lexical(), snapshot.alive("lex"))
    return np.array(bm25.weights(words), np.float32)


def _mark(snapshot: Snapshot) -> Mark:
    catalog = snapshot.catalog
    last = catalog.connection.execute("SELECT COALESCE(MAX(id), 0) FROM chunks").fetchone()[0]
    embedded = catalog.setting("embedded_to", 0)
    return Mark(min(last, embedded) if embedded else last, catalog.setting("generation", 1))


def _coverage(snapshot: Snapshot) -> Coverage:
    counts = snapshot.catalog.counts()
    return Coverage(
        snapshot.index, counts["indexed"], counts["chunks"], counts["pending"], counts["skipped"], counts["failed"]
    )


def _grouped(hits: Iterator[Hit], options: SearchOptions) -> list[Hit]:
    """The first k: of each file the best one, or the passages that differ, or just the first."""
    if options.group == "file":
        best: dict[str, Hit] = {}
        for hit in hits:
            best.setdefault(hit.file, hit)
            if len(best) == options.k:
                break
        return [replace(hit, rank=rank) for rank, hit in enumerate(best.values(), 1)]
    if options.fold:
        return distinct(hits, options.k)
    return [replace(hit, rank=rank) for rank, hit in enumerate(islice(hits, options.k), 1)]


def _explanation(found: Candidates, position: int, question: Question) -> Explanation:
    def rank(scores: NDArray[np.float32]) -> int | None:
        own = scores[position]
        return int((scores > own).sum()) + 1 if own > 0 else None

    hybrid = question.mode == "hybrid"
    return Explanation(
        fusion=question.fusion if hybrid else question.mode,
        alpha=question.alpha if hybrid and question.fusion == "convex" else None,
        fertility=question.fertility,
        dense=None if question.mode == "lexical" else float(found.dense_part[position]),
        lexical=None if question.mode == "dense" else float(found.lexical_part[position]),
        dense_rank=None if question.mode == "lexical" else rank(found.dense_part),
        lexical_rank=None if question.mode == "dense" else rank(found.lexical_part),
    )


def _iso(mtime_ns: int) -> str:
    try:
        return datetime.fromtimestamp(mtime_ns / 1e9, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        return ""
