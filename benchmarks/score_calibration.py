"""Measures and fits `retrieval.confidence`: questions are asked of their own collection and of the others.

    python -m benchmarks.score_calibration [--fit]

Prints for every pair of collection and questions the share of questions that find nothing above `MIN_SCORE`. It should
be small for the collection's own questions and large for foreign ones. The three languages of XQuAD have the same texts
and questions, so these pairs are left out. `--fit` prints the coefficients of a logistic regression on the best hit of
each search, with every pair of equal weight and own and foreign questions balanced; then how it does on each collection
when that is left out of the fit.
"""

import argparse
import random
import tempfile
from pathlib import Path

import numpy as np

from semsearch.indexing import index_folders
from semsearch.retrieval.candidates import find_candidates, query_coverage
from semsearch.retrieval.confidence import MIN_SCORE, confidence
from semsearch.retrieval.options import SearchOptions
from semsearch.retrieval.plan import QueryPlan, plan_query
from semsearch.retrieval.query_encoder import QueryEncoder
from semsearch.store.local.reader import OpenSnapshot
from tests.support.real_collections import NAMES, data_folder, load

MOST = 400
# Questions about Redis, written for this script.
REDIS = """how do I limit memory and evict old keys|which command expires a key|difference between RDB and AOF
how to set up replication|cluster slot migration|sorted set range by score|pub sub pattern subscribe
lua script atomic execution|how to debug latency spikes|stream consumer groups|sentinel failover
pipelining benchmarks|client side caching|acl users and permissions|keyspace notifications|distributed locks
geo radius queries|count unique elements with hyperloglog|bitmaps|transactions with watch, multi and exec
save a snapshot to disk|TLS encryption|secondary indexing|timeout of idle clients|modules api|installing on ubuntu
memory fragmentation|slow log|backup strategy|how can a replica be promoted to master|why is fork slow
transparent huge pages|rename a key|length of a list|blocking pop|mass insertion of data
inspect keys without blocking the server|sampling keys for eviction|append only file rewrite"""


def features(snapshot: OpenSnapshot, plan: QueryPlan) -> tuple[float, float, float]:
    """(reliability, cosine on the model's scale, coverage) of the most confident hit among the first 10."""
    candidates = find_candidates(snapshot, plan, None)
    candidates = candidates.take(np.arange(min(10, len(candidates.ids))))
    model = plan.calibration
    if not len(candidates.ids) or model is None:
        return plan.reliability, 0.0, 0.0
    coverage = query_coverage(snapshot.score(candidates.ids, plan.words, None))
    best = int(confidence(candidates.cosines, coverage, plan.reliability, model).argmax())
    cosine = float(np.nan_to_num(candidates.cosines[best], nan=model.background))
    return plan.reliability, (cosine - model.background) / (model.related - model.background), float(coverage[best])


def ask(index: Path, texts: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """(features (n, 3), best score (n,)) of the questions `texts`; 0 for a question without candidates."""
    snapshot = OpenSnapshot(str(index))
    encoder = QueryEncoder(print, "")
    rows, scores = [], []
    for text in texts:
        plan = plan_query(snapshot, text, SearchOptions(), encoder, str(index))
        rows.append(features(snapshot, plan))
        candidates = find_candidates(snapshot, plan, None)
        scores.append(float(candidates.scores[0]) if len(candidates.ids) else 0.0)
    return np.array(rows), np.array(scores)


def strangers(one: str, other: str) -> bool:
    """Whether two collections share no texts."""
    return not (one.startswith("xquad") and other.startswith("xquad"))


def fit(data: dict[tuple[str, str], np.ndarray], without: str = "") -> np.ndarray:
    """(4,): weights of reliability x cosine, coverage, reliability x coverage, reliability; and the intercept last."""
    from sklearn.linear_model import LogisticRegression

    inputs, labels, weights = [], [], []
    for (index, asked), rows in data.items():
        if without in (index, asked):
            continue
        own = index == asked
        for reliability, cosine, coverage in rows:
            inputs.append([reliability * cosine, coverage, reliability * coverage, reliability])
            labels.append(own)
            weights.append((4 if own else 1) / len(rows))
    model = LogisticRegression(C=10_000).fit(inputs, labels, sample_weight=weights)
    return np.append(model.coef_[0], model.intercept_)


def share_without_hits(rows: np.ndarray, weights: np.ndarray) -> float:
    """The share of questions whose probability is below `MIN_SCORE`."""
    reliability, cosine, coverage = rows.T
    inputs = np.stack([reliability * cosine, coverage, reliability * coverage, reliability], axis=1)
    return float(np.mean(1 / (1 + np.exp(-(inputs @ weights[:4] + weights[4]))) < MIN_SCORE))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fit", action="store_true")
    chosen = parser.parse_args()
    data_at = data_folder()
    assert data_at is not None
    collections = {name: load(name) for name in NAMES}
    questions = {name: list(collection.queries.values()) for name, collection in collections.items()}
    questions["redis-doc"] = [text for line in REDIS.splitlines() for text in line.split("|")]
    chance = random.Random(1)
    asked = {name: chance.sample(texts, min(MOST, len(texts))) for name, texts in questions.items()}
    data: dict[tuple[str, str], np.ndarray] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in asked:
            index = Path(folder) / name / "index"
            source = data_at / "folders" / "redis-doc"
            if name in collections:
                source = collections[name].write(Path(folder) / name / "documents")
            index_folders([str(source)], str(index))
            for other, texts in asked.items():
                if name == other or strangers(name, other):
                    data[name, other], scores = ask(index, texts)
                    kind = "own" if name == other else "foreign"
                    share = float((scores < MIN_SCORE).mean())
                    print(f"{kind:<8} {name:<10} <- {other:<10} {share:>6.1%} of {len(texts)} turned away", flush=True)
    if chosen.fit:
        print("fitted on all:", fit(data).round(2))
        for name in asked:
            weights = fit(data, without=name)
            own = share_without_hits(data[name, name], weights)
            foreign = [
                share_without_hits(rows, weights) for (index, other), rows in data.items() if index == name != other
            ]
            print(f"fitted without {name}: own {own:.1%}, foreign {np.mean(foreign):.1%} turned away")


if __name__ == "__main__":
    main()
