"""`bench quality`: metrics of every way to search, on queries with known answers, with confidence intervals."""

import os
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semsearch import settings
from semsearch.callbacks import Advance, Announce
from semsearch.errors import SemsearchError, UsageError
from semsearch.evaluation import metrics
from semsearch.evaluation.index_copies import copy_with_dim, copy_with_model
from semsearch.evaluation.known_sentences import ShownReport, measure_shown
from semsearch.evaluation.labels import Beir, Qrels
from semsearch.evaluation.metrics import METRICS, MeanEstimate, Run
from semsearch.evaluation.query_sets import QuerySet, index_of, labelled, synthetic
from semsearch.indexing.options import Progress
from semsearch.maintenance.quantization import SHORTEST
from semsearch.retrieval.fusion_weights import FusionWeights
from semsearch.retrieval.options import SearchOptions
from semsearch.retrieval.searcher import Searcher
from semsearch.store.opening import read_index

# Deep enough for recall@100.
_DEPTH = 100
REFERENCE = "hybrid"
_DEFAULT_ALPHAS = (0.2, 0.4, 0.6, 0.8)


@dataclass(frozen=True)
class QualityOptions:
    """Which ways to search are compared, on which queries.

    Queries: those of a `beir` folder, or `queries` (id -> text) with `qrels`; else `questions` of each kind, made from
    the index. `alphas`: fixed weights of dense search to try; `models`, `dims`: to try on copies of the index
    that are encoded anew, or whose vectors are projected; `rerank`: a cross-encoder to try. `runs`: a folder for TREC
    run files. `gates`: metric -> least value of hybrid search.
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
    """A way to search: an index and the options of the search.

    `weights`: of a hybrid ranking, in the place of what the index has learnt; `untuned`: nothing that the index has
    learnt counts.
    """

    name: str
    index: str
    options: SearchOptions
    weights: FusionWeights | None = None
    untuned: bool = False


@dataclass(frozen=True)
class QualityRow:
    """The metrics of one system on one query set.

    `p`: of its difference in nDCG@10 to hybrid search; None where it is hybrid search, or there is none.
    """

    system: str
    estimates: dict[str, MeanEstimate]
    p: float | None


@dataclass(frozen=True)
class QualityTable:
    """The results on one query set, of `queries` queries."""

    name: str
    queries: int
    rows: tuple[QualityRow, ...]

    def row(self, system: str) -> QualityRow:
        return next(row for row in self.rows if row.system == system)


@dataclass(frozen=True)
class QualityReport:
    """The results of `bench quality`.

    `failed`: the gates that were not reached, in words; `shown`: whether results show what was looked for, where the
    questions were made from the index.
    """

    index: str
    tables: tuple[QualityTable, ...]
    failed: tuple[str, ...]
    notices: tuple[str, ...]
    shown: ShownReport | None = None

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
            "known_sentences": None if self.shown is None else self.shown.as_dict(),
            "failed": list(self.failed),
            "notices": list(self.notices),
        }


def measure_quality(
    index: str | None,
    options: QualityOptions,
    announce: Announce,
    advance: Advance | None = None,
) -> QualityReport:
    """Searches with every system and computes the metrics of what it finds.

    `advance` is told of each query. Writes only to a temporary folder and `options.runs`. Raises `SemsearchError`.
    """
    notices: list[str] = []
    shown = None
    with tempfile.TemporaryDirectory(prefix="semsearch-bench-") as folder:
        if options.beir is not None:
            beir = Beir.open(options.beir)
            path = index_of(beir, folder, announce) if index is None else settings.index_for_reading(index)
            sets = [labelled(path, os.path.basename(beir.folder.rstrip("/")), beir.queries, beir.qrels, notices)]
        elif options.qrels:
            path = settings.index_for_reading(index)
            queries = {number: text for number, text in options.queries.items() if number in options.qrels}
            sets = [labelled(path, "labelled", queries, options.qrels, notices)]
        else:
            path, sets = synthetic(settings.index_for_reading(index), folder, options.questions, announce, notices)
        systems = _systems(path, folder, options, announce, notices)
        tables = tuple(_table(queries, systems, options, advance) for queries in sets)
        if options.beir is None and not options.qrels:
            done = partial(advance, "known sentences") if advance is not None else lambda done, total: None
            shown = measure_shown(settings.index_for_reading(index), options.questions, done)
    named = options.beir if options.beir is not None and index is None else settings.index_for_reading(index)
    return QualityReport(named, tables, tuple(_failed(tables, options.gates)), tuple(notices), shown)


def _systems(index: str, folder: str, options: QualityOptions, announce: Announce, notices: list[str]) -> list[System]:
    """The systems to compare; makes the copies of `index` that they search in `folder`."""

    def system(name: str, path: str = index, **chosen: Any) -> System:
        return System(
            name,
            path,
            SearchOptions(k=_DEPTH, fold=False, snippets=False, syntax=False, correct=False, min_score=0, **chosen),
        )

    info = read_index(index, lambda snapshot: snapshot.info())
    encoded = info.model
    systems = [system("lexical", mode="lexical")]
    if info.sparse is not None:
        systems.append(system("sparse", mode="sparse"))
    if encoded is None:
        notices.append("the index holds no vectors: only words are searched")
        return systems
    for dim in options.dims:
        if not SHORTEST <= dim <= encoded.dim:
            raise UsageError(f"--dims {dim} is out of range", f"use {SHORTEST} to {encoded.dim}")
    systems += [system("dense", mode="dense"), system(REFERENCE)]
    systems.append(system("hybrid, no smoothing", smoothing=False))
    weights = replace(FusionWeights.from_record(info.fusion, index), letters=0.0)
    systems.append(replace(system("hybrid, no spelling"), weights=weights))
    if info.sparse is not None:
        weights = replace(FusionWeights.from_record(info.fusion, index), sparse=0.0)
        systems.append(replace(system("hybrid, no sparse"), weights=weights))
    if info.adapter is not None or info.fusion is not None:
        systems.append(replace(system("hybrid, untuned"), untuned=True, weights=FusionWeights()))
    systems += [system(f"hybrid, alpha {alpha:g}", alpha=alpha) for alpha in options.alphas]
    systems.append(system("hybrid, rrf", fusion="rrf"))
    if options.rerank is not None:
        systems.append(system("hybrid, reranked", rerank=options.rerank))
    short = [os.path.basename(name.rstrip("/")) for name in options.models]
    for number, name in enumerate(options.models):
        path = os.path.join(folder, f"model-{number}")
        copy_with_model(index, path, name, Progress(announce=announce))
        shown = short[number] if short.count(short[number]) == 1 else name
        systems += [system(f"{shown}: dense", path, mode="dense"), system(f"{shown}: hybrid", path)]
    for dim in options.dims:
        path = os.path.join(folder, f"dim-{dim}")
        try:
            copy_with_dim(index, path, dim)
        except SemsearchError as error:
            if error.code != "originals_dropped":
                raise
            notices.append(f"{dim} numbers are left out: the index keeps no vectors that could be shortened")
            continue
        systems += [system(f"{dim} numbers: dense", path, mode="dense"), system(f"{dim} numbers: hybrid", path)]
    return systems


def _table(
    queries: QuerySet,
    systems: Sequence[System],
    options: QualityOptions,
    advance: Advance | None,
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


def _run(queries: QuerySet, system: System, advance: Advance | None) -> Run:
    run: Run = {}
    chosen = SearchOptions(**{**vars(system.options), "group": queries.group})
    with Searcher(system.index, remember=False) as searcher:
        if system.weights is not None:
            searcher.use_weights(system.weights)
        if system.untuned:
            searcher.use_adapter(lambda vector: vector)
        for done, (number, text) in enumerate(queries.queries.items(), 1):
            if number not in queries.qrels:
                continue
            best: dict[str, float] = {}
            for hit in searcher.search(text, chosen).hits:
                best.setdefault(queries.document(hit.path, hit.chunk_id), hit.score)
            run[number] = list(best.items())
            if advance is not None:
                advance(f"{queries.name}: {system.name}", done, len(queries.queries))
    return run


def _failed(tables: Iterable[QualityTable], gates: dict[str, float]) -> list[str]:
    failed = []
    for table in tables:
        system = REFERENCE if any(row.system == REFERENCE for row in table.rows) else "lexical"
        for metric, least in gates.items():
            value = table.row(system).estimates[metric].mean
            if value < least:
                failed.append(f"{table.name}: {metric} of {system} search is {value:.4f}, below {least:g}")
    return failed
