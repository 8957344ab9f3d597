"""Compares searches before and after tuning, dense and hybrid, by questions that nothing was learnt from."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semsearch.embedding.embedder import Vectors
from semsearch.evaluation import metrics
from semsearch.evaluation.metrics import MeanEstimate, Run
from semsearch.evaluation.query_sets import QuerySet
from semsearch.retrieval.fusion_weights import FusionWeights
from semsearch.retrieval.options import SearchOptions
from semsearch.retrieval.searcher import Searcher

MODES = ("dense", "hybrid")
_METRIC = "ndcg@10"
# More hits than nDCG@10 needs: several may be of one document.
_DEPTH = 50


@dataclass(frozen=True)
class Comparison:
    """nDCG@10 of one way to `search`, before and after, and the difference; `p`: the p value of the difference.

    `least_gain`: what was learnt is only better where this way surely gains more than that; None: where it does not
    lose.
    """

    search: str
    before: MeanEstimate
    after: MeanEstimate
    difference: MeanEstimate
    p: float
    least_gain: float | None = 0.0

    @property
    def holds(self) -> bool:
        """Whether it gains what it must, or loses nothing."""
        return self.difference.mean >= 0 if self.least_gain is None else self.difference.low > self.least_gain

    def as_dict(self) -> dict[str, Any]:
        estimates = {name: getattr(self, name).as_dict() for name in ("before", "after", "difference")}
        return {"search": self.search, **estimates, "p": round(self.p, 4)}


@dataclass(frozen=True)
class TuneReport:
    """The result of `tune`.

    `questions`: how many it was judged by; `held_out`: how these were kept apart from what was learnt; `rows`: dense
    and hybrid search, or hybrid search of each kind of questions; `changed`: the index uses it now. `weights`: those
    that all questions teach, where weights are learnt. Of a trained model: `output`: its folder; `pairs`: how many it
    was trained on; `dim`: the length its vectors are truncated to.
    """

    index: str
    questions: int
    held_out: str
    rows: tuple[Comparison, ...]
    notices: tuple[str, ...]
    changed: bool = False
    output: str | None = None
    pairs: int | None = None
    dim: int | None = None
    weights: dict[str, float] | None = None

    @property
    def better(self) -> bool:
        """Whether every search that must gain surely did (by its interval), and no other lost."""
        return all(row.holds for row in self.rows)

    def as_dict(self) -> dict[str, Any]:
        learnt: dict[str, Any] = {} if self.output is None else {"output": self.output, "pairs": self.pairs}
        learnt |= {} if self.weights is None else {"weights": self.weights}
        return {
            "schema": "semsearch.tune/1",
            "index": self.index,
            "questions": self.questions,
            "held_out": self.held_out,
            "metric": _METRIC,
            "rows": [row.as_dict() for row in self.rows],
            "better": self.better,
            "changed": self.changed,
            **learnt,
            "notices": list(self.notices),
        }


def per_question_ndcg(
    index: str,
    sets: list[QuerySet],
    mode: str,
    adapter_of: Callable[[int, str], Callable[[Vectors], Vectors]],
    remember: bool,
    done: Callable[[int, int], None],
) -> list[float]:
    """nDCG@10 of each question of `sets`, in their order, searched in `index` by `mode`.

    `adapter_of(number of the set, query id)`: the adapter of the query's vector. `remember`: vectors of questions go
    through the cache. `done(questions, of all)` is called for each question.
    """
    runs: list[Run] = [{} for _ in sets]
    count, total = 0, sum(len(one.qrels) for one in sets)
    with Searcher(index, remember=remember) as searcher:
        for number, one in enumerate(sets):
            for query in one.qrels:
                searcher.use_adapter(adapter_of(number, query))
                runs[number][query] = _documents(searcher, one, query, mode)
                done(count := count + 1, total)
    values = [metrics.per_query(one.qrels, run)[_METRIC] for one, run in zip(sets, runs, strict=True)]
    joined: list[float] = np.concatenate(values).tolist()
    return joined


def ndcg_by_weights(
    index: str,
    sets: list[QuerySet],
    tried: Sequence[FusionWeights],
    remember: bool,
    done: Callable[[int, int], None],
) -> list[NDArray[np.float64]]:
    """For each of `sets`, nDCG@10 of hybrid searches of `index` by each of the weights `tried`: (questions, weights).

    `remember`: vectors of questions go through the cache. `done(questions, of all)` is called for each question.
    """
    values = []
    count, total = 0, sum(len(one.qrels) for one in sets)
    with Searcher(index, remember=remember) as searcher:
        for one in sets:
            runs: list[Run] = [{} for _ in tried]
            for query in one.qrels:
                for run, weights in zip(runs, tried, strict=True):
                    searcher.use_weights(weights)
                    run[query] = _documents(searcher, one, query, "hybrid")
                done(count := count + 1, total)
            values.append(np.stack([metrics.per_query(one.qrels, run)[_METRIC] for run in runs], axis=1))
    return values


def _documents(searcher: Searcher, one: QuerySet, query: str, mode: str) -> list[tuple[str, float]]:
    """(document, score) of what is found for a query of `one`, best first."""
    options = SearchOptions(
        mode=mode,
        k=_DEPTH,
        fold=False,
        snippets=False,
        syntax=False,
        correct=False,
        min_score=0,
        group=one.group,
    )
    best: dict[str, float] = {}
    for hit in searcher.search(one.queries[query], options).hits:
        best.setdefault(one.document(hit.path, hit.chunk_id), hit.score)
    return list(best.items())


def unadapted(vector: Vectors) -> Vectors:
    """The adapter that changes nothing."""
    return vector


def compare(search: str, before: list[float], after: list[float], *, least_gain: float | None = 0.0) -> Comparison:
    """The comparison of `before` and `after`, values of the same questions in the same order."""
    ours, theirs = np.array(after), np.array(before)
    return Comparison(
        search,
        metrics.estimate(theirs),
        metrics.estimate(ours),
        metrics.estimate(ours - theirs),
        metrics.p_value(ours, theirs),
        least_gain,
    )
