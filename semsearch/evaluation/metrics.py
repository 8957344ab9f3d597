"""Metrics of a run against relevance judgements, with confidence intervals and significance tests.

The measures are those of ir-measures (MacAvaney et al. 2022), which computes them with trec_eval.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semsearch.errors import UsageError
from semsearch.evaluation.labels import Qrels

# Name as shown and asked for -> name in ir-measures.
METRICS = {"ndcg@10": "nDCG@10", "mrr@10": "RR@10", "recall@10": "R@10", "recall@100": "R@100", "map": "AP"}
# query id -> its hits as (document id, score), best first.
Run = dict[str, list[tuple[str, float]]]
_RESAMPLES = 2000
_PERMUTATIONS = 10_000


@dataclass(frozen=True)
class MeanEstimate:
    """A mean over queries with the bounds of its 95 % bootstrap interval (percentiles; Sakai 2006)."""

    mean: float
    low: float
    high: float

    def as_dict(self) -> dict[str, float]:
        return {name: round(value, 4) for name, value in vars(self).items()}


def per_query(qrels: Qrels, run: Run) -> dict[str, NDArray[np.float64]]:
    """metric -> (queries,) float64 values in the order of `qrels`; a query without hits has 0."""
    import ir_measures

    measures = {name: ir_measures.parse_measure(theirs) for name, theirs in METRICS.items()}
    judged = [ir_measures.Qrel(query, doc, gain) for query, of_query in qrels.items() for doc, gain in of_query.items()]
    scored = [
        # Ranks, not scores: ties are kept in the order in which they were shown.
        ir_measures.ScoredDoc(query, document, float(-rank))
        for query, hits in run.items()
        for rank, (document, _) in enumerate(hits)
    ]
    places = {query: number for number, query in enumerate(qrels)}
    by_measure = {str(measure): name for name, measure in measures.items()}
    values = {name: np.zeros(len(places)) for name in measures}
    for one in ir_measures.iter_calc(list(measures.values()), judged, scored):
        values[by_measure[str(one.measure)]][places[one.query_id]] = one.value
    return values


def estimate(values: NDArray[np.float64], seed: int = 1) -> MeanEstimate:
    """The mean of `values` (n,), n > 0, with its interval."""
    rng = np.random.default_rng(seed)
    means = values[rng.integers(0, len(values), (_RESAMPLES, len(values)))].mean(1)
    low, high = np.percentile(means, [2.5, 97.5])
    return MeanEstimate(float(values.mean()), float(low), float(high))


def p_value(ours: NDArray[np.float64], theirs: NDArray[np.float64], seed: int = 1) -> float:
    """The p value of a two-sided paired randomisation test of the means of `ours` and `theirs`, both (n,).

    Smucker et al. 2007, "A comparison of statistical significance tests for information retrieval evaluation".
    """
    differences = ours - theirs
    observed = abs(differences.mean())
    rng = np.random.default_rng(seed)
    extreme = 0
    for start in range(0, _PERMUTATIONS, 1000):
        count = min(1000, _PERMUTATIONS - start)
        signs = rng.integers(0, 2, (count, len(differences))) * 2 - 1
        extreme += int((np.abs((signs * differences).mean(1)) >= observed - 1e-12).sum())
    return (extreme + 1) / (_PERMUTATIONS + 1)


def parse_gates(texts: Sequence[str]) -> dict[str, float]:
    """metric -> least value, from texts like `ndcg@10=0.80`. Raises `UsageError`."""
    gates = {}
    for text in texts:
        name, equals, value = text.partition("=")
        name = name.strip().lower()
        try:
            least = float(value)
        except ValueError:
            least = -1.0
        if not equals or name not in METRICS or not 0 <= least <= 1:
            raise UsageError(
                f"--fail-under {text} is not METRIC=VALUE", "write it like ndcg@10=0.80; metrics: " + ", ".join(METRICS)
            )
        gates[name] = least
    return gates


def trec_lines(run: Run, tag: str) -> list[str]:
    """The lines of `run` in TREC's format: query Q0 document rank score tag."""

    def word(text: str) -> str:
        return "_".join(text.split()) or "_"

    return [
        f"{word(query)} Q0 {word(document)} {rank} {score:.9g} {word(tag)}"
        for query, hits in run.items()
        for rank, (document, score) in enumerate(hits, 1)
    ]


def as_record(values: Mapping[str, MeanEstimate]) -> dict[str, Any]:
    return {name: value.as_dict() for name, value in values.items()}
