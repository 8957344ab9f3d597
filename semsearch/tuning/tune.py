"""`tune`: learns an adapter of queries for an index, judges it on questions it did not see, keeps it if better."""

import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semsearch import settings
from semsearch.dense.adapter import Adapter
from semsearch.embedding.embedder import Embedder, Vectors
from semsearch.embedding.models import open_recorded
from semsearch.errors import SemsearchError, UsageError
from semsearch.evaluation import metrics
from semsearch.evaluation.labels import Beir, Qrels, numbered_lines
from semsearch.evaluation.metrics import Estimate, Run
from semsearch.evaluation.query_sets import QuerySet, labelled, made
from semsearch.evaluation.variants import Announce
from semsearch.report import display_path
from semsearch.retrieval.searcher import Searcher, SearchOptions
from semsearch.storage.snapshot import Reader, Snapshot
from semsearch.storage.writer import IndexWriter
from semsearch.tuning.adapter import Relevance, folds, learn

FEWEST_QUESTIONS = 20
_FOLDS = 5
# Deep enough for nDCG@10 and MRR@10.
_DEPTH = 50
# Passages beside which the right ones must stand out: more make learning slower, not better.
_MOST_PASSAGES = 20_000
_METRIC = "ndcg@10"
# A text this near to a passage is that passage, or most of it.
_SAME_TEXT = 0.7


@dataclass(frozen=True)
class TuneOptions:
    """What to learn from: a `beir` folder, `queries` with `qrels`, `pairs` of a question and a text that answers it, or
    `questions` of each kind made from the index."""

    beir: str | None = None
    pairs: tuple[tuple[str, str], ...] = ()
    queries: dict[str, str] = field(default_factory=dict)
    qrels: Qrels = field(default_factory=dict)
    questions: int = 200
    dry_run: bool = False
    wait: bool = False


@dataclass(frozen=True)
class Comparison:
    """One way to search: nDCG@10 before, after, and of the difference, each with its 95 % interval; `p`: of luck."""

    search: str
    before: Estimate
    after: Estimate
    difference: Estimate
    p: float

    def as_dict(self) -> dict[str, Any]:
        estimates = {name: getattr(self, name).as_dict() for name in ("before", "after", "difference")}
        return {"search": self.search, **estimates, "p": round(self.p, 4)}


@dataclass(frozen=True)
class TuneReport:
    """`better`: dense search surely improved and hybrid search did not lose; `changed`: the index uses it now."""

    index: str
    questions: int
    rows: tuple[Comparison, ...]
    better: bool
    changed: bool
    notices: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        return {
            "schema": "semsearch.tune/1",
            "index": self.index,
            "questions": self.questions,
            "held_out": f"{_FOLDS} folds",
            "metric": _METRIC,
            "rows": [row.as_dict() for row in self.rows],
            "better": self.better,
            "changed": self.changed,
            "notices": list(self.notices),
        }


def tune_adapter(
    index: str | None,
    options: TuneOptions,
    announce: Announce,
    advance: Callable[[str, int, int], None] | None = None,
) -> TuneReport:
    """Learns and judges an adapter; the index changes only when it is better. Raises `SemsearchError`."""
    path = settings.index_for_reading(index)
    notices: list[str] = []
    with tempfile.TemporaryDirectory(prefix="semsearch-tune-") as folder:
        if options.beir is not None:
            beir = Beir.open(options.beir)
            asked, sets = path, [labelled(path, "labelled", beir.queries, beir.qrels, notices)]
        elif options.qrels:
            queries = {number: text for number, text in options.queries.items() if number in options.qrels}
            asked, sets = path, [labelled(path, "labelled", queries, options.qrels, notices)]
        elif options.pairs:
            asked, sets = path, [_paired(path, options.pairs, announce, notices)]
        else:
            # Questions made from passages are asked of a copy of the index in which these lack them.
            asked, sets = made(path, folder, options.questions, announce, notices)
        lesson = _lesson(asked, sets, announce)
        runs = _searched(asked, sets, lesson, advance)
    rows = tuple(_compared(name, before, after) for name, (before, after) in runs.items())
    dense, hybrid = rows
    better = dense.difference.low > 0 and hybrid.difference.mean >= 0
    if better and not options.dry_run:
        adapter = learn(lesson.queries, lesson.passages, lesson.relevant)
        with IndexWriter(path, options.wait) as writer, writer.commit():
            if writer.catalog.setting("model") != lesson.model:
                raise SemsearchError("the index changed its model meanwhile; nothing was changed", "run tune again")
            writer.catalog.set_setting("adapter", {**adapter.as_record(), "questions": len(lesson.queries)})
    return TuneReport(path, len(lesson.queries), rows, better, better and not options.dry_run, tuple(notices))


def drop_adapter(index: str | None, wait: bool) -> bool:
    """Takes the adapter out of the index; returns whether there was one."""
    path = settings.index_for_reading(index)
    with IndexWriter(path, wait) as writer:
        if not writer.catalog.setting("adapter"):
            return False
        with writer.commit():
            writer.catalog.set_setting("adapter", None)
    return True


def read_pairs(path: str) -> tuple[tuple[str, str], ...]:
    """The pairs in a file of JSON lines with `query` and `positive`. Raises `UsageError` for a line that is none."""
    pairs = []
    for number, line in numbered_lines(path):
        try:
            record = json.loads(line)
            query, positive = record["query"], record["positive"]
            if not (isinstance(query, str) and isinstance(positive, str) and query.strip() and positive.strip()):
                raise ValueError("empty, or no text")
        except (ValueError, KeyError, TypeError) as error:
            raise UsageError(
                f"{path}, line {number}: not a pair: {error}", 'write {"query": "...", "positive": "..."} a line'
            ) from None
        pairs.append((query, positive))
    return tuple(pairs)


def _paired(index: str, pairs: Sequence[tuple[str, str]], announce: Announce, notices: list[str]) -> QuerySet:
    """The questions of `pairs`, each answered by the passage of the index that is nearest to its text."""
    reader = Reader(index)
    try:
        nearest = reader.read(lambda snapshot: _nearest(snapshot, [positive for _, positive in pairs], announce))
    finally:
        reader.close()
    known = [(query, chunk) for (query, _), (chunk, cosine) in zip(pairs, nearest, strict=True) if cosine >= _SAME_TEXT]
    if len(known) < len(pairs):
        notices.append(f"{len(pairs) - len(known):,} of {len(pairs):,} texts are no passage of the index: left out")
    queries: dict[str, str] = {}
    qrels: Qrels = {}
    names: dict[str, str] = {}
    for query, chunk in known:  # a question may have several answers
        name = names.setdefault(query, str(len(names) + 1))
        queries[name] = query
        qrels.setdefault(name, {})[str(chunk)] = 1
    return QuerySet("pairs", queries, qrels, "chunk", lambda path, chunk: str(chunk))


def _nearest(snapshot: Snapshot, texts: list[str], announce: Announce) -> list[tuple[int, float]]:
    """(chunk id, cosine) of the passage nearest to each of `texts`."""
    embedder = _embedder(snapshot, announce)
    ids, passages = _vectors(snapshot)
    cosines = embedder.encode(texts) @ passages.T
    best = cosines.argmax(axis=1)
    return [(int(ids[row]), float(cosines[number, row])) for number, row in enumerate(best)]


def _embedder(snapshot: Snapshot, announce: Announce) -> Embedder:
    """The model of the index. Raises `SemsearchError` where its vectors cannot be learnt from."""
    model = snapshot.model()
    if model is None or not snapshot.catalog.segments("vec"):
        raise SemsearchError("the index holds no vectors yet", "encode them with: semsearch index", code="no_vectors")
    if snapshot.form().shortened:
        raise SemsearchError(
            "the vectors of this index were shortened and their originals dropped",
            "make them anew with: semsearch index --rebuild",
            code="originals_dropped",
        )
    return open_recorded(model, announce)


@dataclass(frozen=True)
class _Lesson:
    """Questions (n, dim), passages (m, dim), which passage answers which question (n, m); `names`: (set, query id)."""

    names: list[tuple[int, str]]
    queries: Vectors
    passages: Vectors
    relevant: Relevance
    model: dict[str, Any]


def _lesson(index: str, sets: list[QuerySet], announce: Announce) -> _Lesson:
    reader = Reader(index)
    try:
        return reader.read(lambda snapshot: _lesson_of(snapshot, sets, announce))
    finally:
        reader.close()


def _lesson_of(snapshot: Snapshot, sets: list[QuerySet], announce: Announce) -> _Lesson:
    embedder = _embedder(snapshot, announce)
    names = [(number, query) for number, one in enumerate(sets) for query in one.qrels]
    if len(names) < FEWEST_QUESTIONS:
        raise UsageError(
            f"{len(names)} questions are too few to learn from",
            f"bring {FEWEST_QUESTIONS} or more: --queries FILE --qrels FILE, or --questions N",
        )
    announce(f"encoding {len(names):,} questions")
    queries = np.stack([embedder.encode_query(sets[number].queries[query]) for number, query in names])
    ids, passages = _vectors(snapshot)
    answers = [_chunks_of_documents(snapshot, one) for one in sets]
    position = {int(chunk): row for row, chunk in enumerate(ids)}
    chosen: list[list[tuple[int, int]]] = []  # of each question (row, gain): the nearest passage of each right document
    for (number, query), vector in zip(names, queries, strict=True):
        found = []
        for document, gain in sets[number].qrels[query].items():
            rows = [position[chunk] for chunk in answers[number].get(document, ()) if chunk in position]
            if gain > 0 and rows:
                found.append((rows[int((passages[rows] @ vector).argmax())], gain))
        chosen.append(found)
    kept = _beside(len(ids), {row for found in chosen for row, _ in found})
    place = {int(row): number for number, row in enumerate(kept)}
    relevant = np.zeros((len(names), len(kept)), np.float32)
    for number, found in enumerate(chosen):
        for row, gain in found:
            relevant[number, place[row]] = gain
    return _Lesson(names, queries, passages[kept], relevant, snapshot.catalog.setting("model"))


def _vectors(snapshot: Snapshot) -> tuple[NDArray[np.int64], Vectors]:
    """(ids, vectors) of all passages that are alive."""
    ids, vectors = [], []
    for part, keep in zip(snapshot.dense(), snapshot.alive("vec"), strict=True):
        rows = np.arange(len(part.ids)) if keep is None else np.flatnonzero(keep)
        ids.append(part.ids[rows])
        vectors.append(part.vectors.vectors(rows))
    return np.concatenate(ids), np.concatenate(vectors)


def _chunks_of_documents(snapshot: Snapshot, queries: QuerySet) -> dict[str, list[int]]:
    labels = {root_id: label for root_id, _, label in snapshot.catalog.roots()}
    found: dict[str, list[int]] = {}
    for row in snapshot.catalog.connection.execute(
        "SELECT chunks.id, files.root_id, files.path FROM chunks JOIN files ON files.id = chunks.file_id"
    ):
        path = display_path(labels[row["root_id"]], row["path"], len(labels) > 1)
        found.setdefault(queries.document(path, row["id"]), []).append(row["id"])
    return found


def _beside(count: int, right: set[int]) -> NDArray[np.int64]:
    """The rows to learn beside: those that answer, and as many others as there is room for."""
    rows = np.arange(count)
    if count <= _MOST_PASSAGES:
        return rows
    others = np.random.default_rng(1).choice(rows, _MOST_PASSAGES, replace=False)
    return np.union1d(others, np.array(sorted(right), np.int64))


def _searched(
    index: str, sets: list[QuerySet], lesson: _Lesson, advance: Callable[[str, int, int], None] | None
) -> dict[str, tuple[list[float], list[float]]]:
    """way to search -> (before, after): the metric of each question, after with what was learnt without it."""
    found: dict[str, tuple[list[float], list[float]]] = {}
    adapters: dict[int, Adapter] = {}
    for held_out, rest in folds(len(lesson.names), _FOLDS):
        learnt = learn(lesson.queries[rest], lesson.passages, lesson.relevant[rest])
        adapters.update((int(number), learnt) for number in held_out)
    for mode in ("dense", "hybrid"):
        values = []
        for adapted in (False, True):
            # Asked of a provider, each question is to be paid once; else thousands of them would only fill the cache.
            with Searcher(index, remember=lesson.model["runtime"].startswith("api-")) as searcher:
                runs: list[Run] = [{} for _ in sets]
                for place, (number, query) in enumerate(lesson.names):
                    searcher.use_adapter(adapters[place] if adapted else _unadapted)
                    options = SearchOptions(
                        mode=mode, k=_DEPTH, fold=False, snippets=False, min_score=0, group=sets[number].group
                    )
                    best: dict[str, float] = {}
                    for hit in searcher.search(sets[number].queries[query], options).hits:
                        best.setdefault(sets[number].document(hit.path, hit.chunk_id), hit.score)
                    runs[number][query] = list(best.items())
                    if advance is not None:
                        advance(f"{mode}, {'after' if adapted else 'before'}", place + 1, len(lesson.names))
            values.append(
                np.concatenate(
                    [metrics.per_query(one.qrels, run)[_METRIC] for one, run in zip(sets, runs, strict=True)]
                ).tolist()
            )
        found[mode] = (values[0], values[1])
    return found


def _unadapted(vector: Vectors) -> Vectors:
    return vector


def _compared(name: str, before: list[float], after: list[float]) -> Comparison:
    ours, theirs = np.array(after), np.array(before)
    return Comparison(
        name,
        metrics.estimate(theirs),
        metrics.estimate(ours),
        metrics.estimate(ours - theirs),
        metrics.p_value(ours, theirs),
    )
