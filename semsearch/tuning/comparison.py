"""Compares searches before and after tuning, dense and hybrid, by questions that nothing was learnt from."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from semsearch.embedding.embedder import Vectors
from semsearch.evaluation import metrics
from semsearch.evaluation.metrics import MeanEstimate, Run
from semsearch.evaluation.query_sets import QuerySet
from semsearch.retrieval.options import SearchOptions
from semsearch.retrieval.searcher import Searcher

MODES = ("dense", "hybrid")
_METRIC = "ndcg@10"
# More hits than nDCG@10 needs: several may be of one document.
_DEPTH = 50


@dataclass(frozen=True)
class Comparison:
    """nDCG@10 of one way to `search`, before and after, and the difference; `p`: the p value of the difference."""

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
    """The result of `tune`.

    `questions`: how many it was judged by; `held_out`: how these were kept apart from what was learnt; `rows`: dense
    and hybrid search; `changed`: the index uses it now. Of a trained model: `output`: its folder; `pairs`: how many it
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

    @property
    def better(self) -> bool:
        """Whether dense search improved (its interval is above 0) and hybrid search did not lose."""
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
            for query in one.qrels:
                searcher.use_adapter(adapter_of(number, query))
                best: dict[str, float] = {}
                for hit in searcher.search(one.queries[query], options).hits:
                    best.setdefault(one.document(hit.path, hit.chunk_id), hit.score)
                runs[number][query] = list(best.items())
                done(count := count + 1, total)
    values = [metrics.per_query(one.qrels, run)[_METRIC] for one, run in zip(sets, runs, strict=True)]
    joined: list[float] = np.concatenate(values).tolist()
    return joined


def unadapted(vector: Vectors) -> Vectors:
    """The adapter that changes nothing."""
    return vector


def compare(search: str, before: list[float], after: list[float]) -> Comparison:
    """The comparison of `before` and `after`, values of the same questions in the same order."""
    ours, theirs = np.array(after), np.array(before)
    return Comparison(
        search,
        metrics.estimate(theirs),
        metrics.estimate(ours),
        metrics.estimate(ours - theirs),
        metrics.p_value(ours, theirs),
    )
