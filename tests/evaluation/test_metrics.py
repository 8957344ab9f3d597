"""Measures by their definitions, intervals and significance by scipy's."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from semsearch.errors import UsageError
from semsearch.evaluation.metrics import estimate, p_value, parse_gates, per_query, trec_lines

DOCUMENTS = [f"d{number}" for number in range(30)]


def by_definition(judged: dict[str, int], found: list[str]) -> dict[str, float]:
    gains = [judged.get(document, 0) for document in found]
    relevant = sum(gain > 0 for gain in judged.values())
    dcg = sum(gain / math.log2(rank + 1) for rank, gain in enumerate(gains[:10], 1))
    best = sum(gain / math.log2(rank + 1) for rank, gain in enumerate(sorted(judged.values(), reverse=True)[:10], 1))
    first = next((rank for rank, gain in enumerate(gains[:10], 1) if gain > 0), None)
    precisions = [sum(g > 0 for g in gains[:rank]) / rank for rank, gain in enumerate(gains, 1) if gain > 0]
    return {
        "ndcg@10": dcg / best if best else 0.0,
        "mrr@10": 1 / first if first else 0.0,
        "recall@10": sum(gain > 0 for gain in gains[:10]) / relevant if relevant else 0.0,
        "recall@100": sum(gain > 0 for gain in gains[:100]) / relevant if relevant else 0.0,
        "map": sum(precisions) / relevant if relevant else 0.0,
    }


@settings(max_examples=50, deadline=None)
@given(
    st.dictionaries(st.sampled_from(DOCUMENTS), st.integers(0, 3), min_size=1),
    st.lists(st.sampled_from(DOCUMENTS), unique=True),
)
def test_measures_are_those_of_their_definitions(judged: dict[str, int], found: list[str]) -> None:
    # Equal scores: what was shown first counts as first.
    run = {"q": [(document, 1.0) for document in found]}
    values = per_query({"q": judged, "silent": {"d1": 1}}, run)
    for name, value in by_definition(judged, found).items():
        assert values[name][0] == pytest.approx(value, abs=1e-9), name
        assert values[name][1] == 0


def test_an_interval_covers_the_mean_of_new_samples() -> None:
    rng = np.random.default_rng(5)
    covered = 0
    for _ in range(200):
        found = estimate(rng.beta(2, 2, 100))
        assert found.low <= found.mean <= found.high
        covered += found.low <= 0.5 <= found.high
    assert 180 <= covered <= 199


def test_p_is_that_of_an_exact_permutation_test() -> None:
    rng = np.random.default_rng(6)
    ours, theirs = rng.random(10), rng.random(10)
    exact = stats.permutation_test(
        (ours, theirs), lambda a, b: np.mean(a - b), permutation_type="samples", n_resamples=np.inf
    )
    assert p_value(ours, theirs) == pytest.approx(exact.pvalue, abs=0.02)
    assert p_value(ours, ours) == 1
    assert p_value(np.ones(50), np.zeros(50)) < 0.001


def test_gates_are_read_or_refused() -> None:
    assert parse_gates(["ndcg@10=0.80", "MAP=.5"]) == {"ndcg@10": 0.8, "map": 0.5}
    for text in ("ndcg@10", "ndcg@10=high", "bleu=0.3", "map=1.5"):
        with pytest.raises(UsageError, match="--fail-under"):
            parse_gates([text])


def test_a_run_file_has_six_fields_a_line() -> None:
    lines = trec_lines({"q 1": [("a b.txt", 0.5), ("c.txt", 0.25)]}, "hybrid, rrf")
    assert [line.split() for line in lines] == [
        ["q_1", "Q0", "a_b.txt", "1", "0.5", "hybrid,_rrf"],
        ["q_1", "Q0", "c.txt", "2", "0.25", "hybrid,_rrf"],
    ]
