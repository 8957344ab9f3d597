"""`bench quality`: every way to search, on queries with known answers, with how sure the figures are."""

import os
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semsearch import settings
from semsearch.errors import SemsearchError, UsageError
from semsearch.evaluation import metrics
from semsearch.evaluation.labels import Beir, Qrels, file_name
from semsearch.evaluation.metrics import METRICS, Estimate, Run
from semsearch.evaluation.questions import Question, made_questions
from semsearch.evaluation.variants import Announce, with_dim, with_model, without_queries
from semsearch.indexing import IndexOptions, index_folders
from semsearch.indexing.options import Progress
from semsearch.quantization import SHORTEST
from semsearch.report import display_path
from semsearch.retrieval.hit import Hit
from semsearch.retrieval.searcher import Searcher, SearchOptions
from semsearch.storage.snapshot import Reader, Snapshot

# Deep enough for recall@100.
_DEPTH = 100
REFERENCE = "hybrid"
_DEFAULT_ALPHAS = (0.2, 0.4, 0.6, 0.8)


@dataclass(frozen=True)
class QualityOptions:
    """What is compared on what.

    Labels: a `beir` folder, or `queries` (id -> text) with `qrels`; neither: `questions` of each kind are made from the
    index. `alphas`: fixed weights of the dense leg; `models` and `dims`: copies of the index encoded anew or shortened;
    `rerank`: a cross-encoder. `runs`: a folder for TREC run files. `gates`: metric -> least value of hybrid search.
    """

    beir: str | None = None
    queries: dict[str, str] = field(default_factory=dict)
    qrels: Qrels = field(default_factory=dict)
    questions: int = 100
    alphas: tuple[float, ...] = _DEFAULT_ALPHAS
    models: tuple[str, ...] = ()
    dims: tuple[int, ...] = ()
    rerank: str | None = None
    runs: str | None = None
    gates: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class System:
    """A way to search: an index and how it is asked."""

    name: str
    index: str
    options: SearchOptions


@dataclass(frozen=True)
class QuerySet:
    """Queries and what answers them. `document`: the id in `qrels` of what a hit stands for."""

    name: str
    queries: dict[str, str]
    qrels: Qrels
    group: str
    document: Callable[[Hit], str]


@dataclass(frozen=True)
class QualityRow:
    """One system on one query set. `p`: of the difference in nDCG@10 to hybrid search; None: it is hybrid search."""

    system: str
    estimates: dict[str, Estimate]
    p: float | None


@dataclass(frozen=True)
class QualityTable:
    name: str
    queries: int
    rows: tuple[QualityRow, ...]

    def row(self, system: str) -> QualityRow:
        return next(row for row in self.rows if row.system == system)


@dataclass(frozen=True)
class QualityReport:
    """`failed`: what of the gates was not reached, in words."""

    index: str
    tables: tuple[QualityTable, ...]
    failed: tuple[str, ...]
    notices: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        return {
            "schema": "semsearch.bench/1",
            "bench": "quality",
            "index": self.index,
            "tables": [
                {
                    "queries_of": table.name,
                    "queries": table.queries,
                    "rows": [
                        {"system": row.system, "metrics": metrics.as_record(row.estimates), "p": row.p}
                        for row in table.rows
                    ],
                }
                for table in self.tables
            ],
            "failed": list(self.failed),
            "notices": list(self.notices),
        }


def quality(
    index: str | None,
    options: QualityOptions,
    announce: Announce,
    advance: Callable[[str, int, int], None] | None = None,
) -> QualityReport:
    """Searches with every system and judges what is found; `advance(system, done, all)` hears how far it is.

    Nothing is written but in a temporary folder and `options.runs`. Raises `SemsearchError`.
    """
    notices: list[str] = []
    with tempfile.TemporaryDirectory(prefix="semsearch-bench-") as folder:
        if options.beir is not None:
            beir = Beir.open(options.beir)
            path = _index_of(beir, folder, announce) if index is None else settings.index_for_reading(index)
            sets = [_labelled(path, os.path.basename(beir.folder.rstrip("/")), beir.queries, beir.qrels, notices)]
        elif options.qrels:
            path = settings.index_for_reading(index)
            queries = {number: text for number, text in options.queries.items() if number in options.qrels}
            sets = [_labelled(path, "labelled", queries, options.qrels, notices)]
        else:
            path, sets = _made(settings.index_for_reading(index), folder, options.questions, announce, notices)
        systems = _systems(path, folder, options, announce, notices)
        tables = tuple(_table(queries, systems, options, advance) for queries in sets)
    shown = options.beir if options.beir is not None and index is None else settings.index_for_reading(index)
    return QualityReport(shown, tables, tuple(_failed(tables, options.gates)), tuple(notices))


def _index_of(beir: Beir, folder: str, announce: Announce) -> str:
    """An index of the collection's own documents."""
    documents, index = os.path.join(folder, "documents"), os.path.join(folder, "index")
    announce(f"indexing {beir.write_documents(documents):,} documents of {beir.folder}")
    index_folders([documents], index, IndexOptions(), Progress(announce=announce))
    return index


def _labelled(index: str, name: str, queries: dict[str, str], qrels: Qrels, notices: list[str]) -> QuerySet:
    """Files are documents: named by their shown path, their file name, or that without its suffix."""
    if not queries:
        raise UsageError("no query has a judgement", "the ids of the queries file and of the qrels must be the same")
    wanted = {document for of_query in qrels.values() for document in of_query}
    files = {document: document for document in wanted} | {file_name(document): document for document in wanted}
    found: dict[str, str] = {}

    def document_of(path: str) -> str:
        name = os.path.basename(path)
        for known in (path, name, os.path.splitext(name)[0]):
            if known in files:
                return files[known]
        return path

    reader = Reader(index)
    for path in reader.read(_shown_paths):
        found[path] = document_of(path)
    reader.close()
    twice = len(names := [document for document in found.values() if document in wanted]) - len(set(names))
    if twice:
        notices.append(
            f"{twice:,} more files have the name of a judged document, too: qrels with paths tell them apart"
        )
    missing = len(wanted - set(names))
    if missing == len(wanted):
        raise UsageError(
            f"none of the {len(wanted):,} judged documents is a file of {index}",
            "name documents in the qrels by path, file name, or file name without suffix",
        )
    if missing:
        notices.append(f"{missing:,} of {len(wanted):,} judged documents are not in the index: they count as not found")
    judged = {
        query: of_query
        for query, of_query in qrels.items()
        if query in queries and any(gain > 0 for gain in of_query.values())
    }
    if len(judged) < len(queries):
        notices.append(f"{len(queries) - len(judged):,} queries have no relevant document: they are left out")
    return QuerySet(name, queries, judged, "file", lambda hit: found.get(hit.path, hit.path))


def _shown_paths(snapshot: Snapshot) -> list[str]:
    labels = {root_id: label for root_id, _, label in snapshot.catalog.roots()}
    return [
        display_path(labels[row["root_id"]], row["path"], len(labels) > 1)
        for row in snapshot.catalog.connection.execute("SELECT root_id, path FROM files WHERE status = 'indexed'")
    ]


def _made(index: str, folder: str, count: int, announce: Announce, notices: list[str]) -> tuple[str, list[QuerySet]]:
    """Questions made from the index, and the copy of it that they are asked of."""
    reader = Reader(index)
    known, paraphrases = reader.read(lambda snapshot: made_questions(snapshot, count))
    reader.close()
    if not known and not paraphrases:
        raise SemsearchError(
            f"the passages of {index} are too short to make questions from",
            "bring queries and qrels of your own: --queries FILE --qrels FILE",
            code="no_queries",
        )
    announce(f"made {len(known)} known-item and {len(paraphrases)} paraphrase-like questions")
    copy = os.path.join(folder, "questions")
    asked = without_queries(index, copy, paraphrases, announce)
    sets = [_of_passages("known-item", known), _of_passages("paraphrase-like", asked)]
    for queries in sets:
        if 0 < len(queries.queries) < count:
            notices.append(f"only {len(queries.queries)} {queries.name} questions could be made")
    notices.append("questions made from the documents themselves: they compare settings, they do not grade the index")
    return copy, [queries for queries in sets if queries.queries]


def _of_passages(name: str, questions: Sequence[Question]) -> QuerySet:
    return QuerySet(
        name,
        {str(number): question.text for number, question in enumerate(questions, 1)},
        {str(number): {str(question.chunk): 1} for number, question in enumerate(questions, 1)},
        "chunk",
        lambda hit: str(hit.chunk_id),
    )


def _systems(index: str, folder: str, options: QualityOptions, announce: Announce, notices: list[str]) -> list[System]:
    def system(name: str, path: str = index, **chosen: Any) -> System:
        return System(name, path, SearchOptions(k=_DEPTH, fold=False, snippets=False, min_score=0, **chosen))

    reader = Reader(index)
    encoded = reader.read(lambda snapshot: snapshot.model())
    reader.close()
    found = [system("lexical", mode="lexical")]
    if encoded is None:
        notices.append("the index holds no vectors: only words are searched")
        return found
    for dim in options.dims:
        if not SHORTEST <= dim <= encoded.dim:
            raise UsageError(f"--dims {dim} is out of range", f"use {SHORTEST} to {encoded.dim}")
    found += [system("dense", mode="dense"), system(REFERENCE)]
    found.append(system("hybrid, no feedback", feedback=False))
    found += [system(f"hybrid, alpha {alpha:g}", alpha=alpha) for alpha in options.alphas]
    found.append(system("hybrid, rrf", fusion="rrf"))
    if options.rerank is not None:
        found.append(system("hybrid, reranked", rerank=options.rerank))
    short = [os.path.basename(name.rstrip("/")) for name in options.models]
    for number, name in enumerate(options.models):
        path = os.path.join(folder, f"model-{number}")
        with_model(index, path, name, announce)
        shown = short[number] if short.count(short[number]) == 1 else name
        found += [system(f"{shown}: dense", path, mode="dense"), system(f"{shown}: hybrid", path)]
    for dim in options.dims:
        path = os.path.join(folder, f"dim-{dim}")
        try:
            with_dim(index, path, dim)
        except SemsearchError as error:
            if error.code != "originals_dropped":
                raise
            notices.append(f"{dim} numbers are left out: the index keeps no vectors that could be shortened")
            continue
        found += [system(f"{dim} numbers: dense", path, mode="dense"), system(f"{dim} numbers: hybrid", path)]
    return found


def _table(
    queries: QuerySet,
    systems: Sequence[System],
    options: QualityOptions,
    advance: Callable[[str, int, int], None] | None,
) -> QualityTable:
    values: dict[str, dict[str, NDArray[np.float64]]] = {}
    for system in systems:
        run = _run(queries, system, advance)
        values[system.name] = metrics.per_query(queries.qrels, run)
        if options.runs is not None:
            os.makedirs(options.runs, exist_ok=True)
            name = f"{queries.name}.{system.name}".replace("/", "-").replace(", ", "-").replace(": ", "-")
            with open(os.path.join(options.runs, name.replace(" ", "-") + ".run"), "w", encoding="utf-8") as file:
                file.writelines(line + "\n" for line in metrics.trec_lines(run, system.name))
    reference = values.get(REFERENCE)
    rows = []
    for name, of_system in values.items():
        p = None
        if reference is not None and name != REFERENCE:
            p = metrics.p_value(of_system["ndcg@10"], reference["ndcg@10"])
        rows.append(QualityRow(name, {metric: metrics.estimate(of_system[metric]) for metric in METRICS}, p))
    return QualityTable(queries.name, len(queries.qrels), tuple(rows))


def _run(queries: QuerySet, system: System, advance: Callable[[str, int, int], None] | None) -> Run:
    run: Run = {}
    chosen = SearchOptions(**{**vars(system.options), "group": queries.group})
    with Searcher(system.index) as searcher:
        for done, (number, text) in enumerate(queries.queries.items(), 1):
            if number not in queries.qrels:
                continue
            best: dict[str, float] = {}
            for hit in searcher.search(text, chosen).hits:
                best.setdefault(queries.document(hit), hit.score)
            run[number] = list(best.items())
            if advance is not None:
                advance(f"{queries.name}: {system.name}", done, len(queries.queries))
    return run


def _failed(tables: Iterable[QualityTable], gates: dict[str, float]) -> list[str]:
    found = []
    for table in tables:
        system = REFERENCE if any(row.system == REFERENCE for row in table.rows) else "lexical"
        for metric, least in gates.items():
            value = table.row(system).estimates[metric].mean
            if value < least:
                found.append(f"{table.name}: {metric} of {system} search is {value:.4f}, below {least:g}")
    return found
