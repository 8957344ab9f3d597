"""Whether what was learnt is better: dense and hybrid searches for questions it did not see, before and after."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from semsearch.embedding.embedder import Vectors
from semsearch.evaluation import metrics
from semsearch.evaluation.metrics import MeanEstimate, Run
from semsearch.evaluation.query_sets import QuerySet
from semsearch.retrieval.searcher import Searcher, SearchOptions

MODES = ("dense", "hybrid")
_METRIC = "ndcg@10"
# Deep enough for nDCG@10 and MRR@10.
_DEPTH = 50

Advance = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Comparison:
    """One way to search: nDCG@10 before, after, and of the difference, each with its 95 % interval; `p`: of luck."""

    search: str
    before: MeanEstimate
    after: MeanEstimate
    difference: MeanEstimate
    p: float

    def as_dict(self) -> dict[str, Any]:
        estimates = {name: getattr(self, name).as_dict() for name in ("before", "after", "difference")}
        return {"search": self.search, **estimates, "p": round(self.p, 4)}


@dataclass(frozen=True)
class TuneReport:
    """`questions`: how many it was judged by, `held_out`: how these were kept from what was learnt.

    `better`: dense search surely improved and hybrid search did not lose; `changed`: the index uses it now, `output`:
    the folder of the trained model, learnt from `pairs`, `dim`: the length its vectors were cut to.
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

    @property
    def better(self) -> bool:
        dense, hybrid = self.rows
        return dense.difference.low > 0 and hybrid.difference.mean >= 0

    def as_dict(self) -> dict[str, Any]:
        trained = {} if self.output is None else {"output": self.output, "pairs": self.pairs}
        return {
            "schema": "semsearch.tune/1",
            "index": self.index,
            "questions": self.questions,
            "held_out": self.held_out,
            "metric": _METRIC,
            "rows": [row.as_dict() for row in self.rows],
            "better": self.better,
            "changed": self.changed,
            **trained,
            "notices": list(self.notices),
        }


def values(
    index: str,
    sets: list[QuerySet],
    mode: str,
    adapter_of: Callable[[int, str], Callable[[Vectors], Vectors]],
    remember: bool,
    done: Callable[[int, int], None],
) -> list[float]:
    """The metric of each question of `sets`, in their order, asked of `index` with `adapter_of(set, query id)`.

    `remember`: vectors of questions go through the cache.
    """
    runs: list[Run] = [{} for _ in sets]
    count, total = 0, sum(len(one.qrels) for one in sets)
    with Searcher(index, remember=remember) as searcher:
        for number, one in enumerate(sets):
            options = SearchOptions(mode=mode, k=_DEPTH, fold=False, snippets=False, min_score=0, group=one.group)
            for query in one.qrels:
                searcher.use_adapter(adapter_of(number, query))
                best: dict[str, float] = {}
                for hit in searcher.search(one.queries[query], options).hits:
                    best.setdefault(one.document(hit.path, hit.chunk_id), hit.score)
                runs[number][query] = list(best.items())
                done(count := count + 1, total)
    found = [metrics.per_query(one.qrels, run)[_METRIC] for one, run in zip(sets, runs, strict=True)]
    joined: list[float] = np.concatenate(found).tolist()
    return joined


def unadapted(vector: Vectors) -> Vectors:
    return vector


def compared(name: str, before: list[float], after: list[float]) -> Comparison:
    """The comparison of two lists of values, of the same questions in the same order."""
    ours, theirs = np.array(after), np.array(before)
    return Comparison(
        name,
        metrics.estimate(theirs),
        metrics.estimate(ours),
        metrics.estimate(ours - theirs),
        metrics.p_value(ours, theirs),
    )
