"""Measures and fits `retrieval.confidence`: questions are asked of their own collection and of others.

    python -m benchmarks.score_calibration [--model NAME] [--most N] [--fit]

Prints for every collection and set of questions in its language the share of questions that are refused: that find
nothing above `MIN_SCORE` (`search`), or above `ANSWER_MIN_SCORE` (`ask` without a language model). It should be small
for the collection's own questions and large for others. Two pairs are of neighbouring topics: questions on Redis and
papers on computing; questions on the paragraphs of articles of which the index holds the other paragraphs. `--fit`
prints the coefficients of a logistic regression on the best hit of each search, with every pair of equal weight and own
and foreign questions balanced; then how it does on each collection when that is left out of the fit.
"""

import argparse
import random
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from semsearch.indexing import IndexOptions, index_folders
from semsearch.retrieval.candidates import find_candidates, query_coverage
from semsearch.retrieval.confidence import confidence
from semsearch.retrieval.fusion import strength
from semsearch.retrieval.options import ANSWER_MIN_SCORE, MIN_SCORE, SearchOptions
from semsearch.retrieval.plan import QueryPlan, plan_query
from semsearch.retrieval.query_encoder import QueryEncoder
from semsearch.retrieval.query_syntax import plain_query
from semsearch.store.opening import read_index
from semsearch.store.protocol import Snapshot
from tests.support.real_collections import data_folder, every_name, load

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
_ODD, _EVEN = "xquad-en, half", "xquad-en, other half"
# An index and questions on a neighbouring topic.
NEIGHBOURS = {(_ODD, _EVEN), ("redis-doc", "cacm"), ("cacm", "redis-doc")}


@dataclass(frozen=True)
class Topic:
    """Questions in a language, and what answers them: documents by name, a folder, or nothing that is indexed."""

    language: str
    questions: list[str]
    documents: Mapping[str, str] | Path | None


def topics(data_at: Path) -> dict[str, Topic]:
    """Every collection, the halves of one, and the documentation of Redis."""
    found = {}
    for name in every_name():
        collection = load(name)
        asked = [text for number, text in collection.queries.items() if number in collection.qrels]
        language = name.rpartition("-")[2] if "-" in name else "en"
        found[name] = Topic(language, asked, collection.documents)
    english = load("xquad-en")
    for half, rest in ((_ODD, 1), (_EVEN, 0)):
        asked = [
            text
            for number, text in english.queries.items()
            if all(int(one) % 2 == rest for one in english.qrels[number])
        ]
        held = {number: text for number, text in english.documents.items() if int(number) % 2 == rest}
        found[half] = Topic("en", asked, held if rest else None)
    redis = [text for line in REDIS.splitlines() for text in line.split("|")]
    found["redis-doc"] = Topic("en", redis, data_at / "folders" / "redis-doc")
    return found


def pairs(found: dict[str, Topic]) -> Iterator[tuple[str, str, str]]:
    """(own, foreign or neighbour; what is indexed; whose questions are asked)."""
    for name, topic in found.items():
        for other, asked in found.items() if topic.documents is not None else ():
            if name == other:
                yield "own", name, other
            elif (name, other) in NEIGHBOURS:
                yield "neighbour", name, other
            elif (
                topic.language == asked.language
                and name.split(",")[0] != other.split(",")[0]
                and "," not in name + other
            ):
                yield "foreign", name, other


def features(snapshot: Snapshot, plan: QueryPlan) -> tuple[float, float, float, float]:
    """(reliability, cosine on the model's scale, coverage) of the most confident hit among the first 10, and the score
    of the search; zeros for a query without candidates."""
    candidates = find_candidates(snapshot, plan, None)
    model = plan.calibration
    if not len(candidates) or model is None:
        return plan.reliability, 0.0, 0.0, 0.0
    first = candidates.take(np.arange(min(10, len(candidates))))
    coverage = query_coverage(snapshot.score(first.ids, plan.words, None))
    best = int(confidence(first.cosines, coverage, plan.reliability, model).argmax())
    cosine = float(np.nan_to_num(first.cosines[best], nan=model.background))
    scaled = (cosine - model.background) / (model.related - model.background) * strength(model)
    return plan.reliability, scaled, float(coverage[best]), float(candidates.scores[0])


def ask(index: str, texts: list[str]) -> np.ndarray:
    """(n, 4) the `features` of the questions `texts`."""
    encoder = QueryEncoder(print, "")
    options = SearchOptions(syntax=False)

    def measured(snapshot: Snapshot) -> np.ndarray:
        plans = (plan_query(snapshot, plain_query(text), options, encoder, index) for text in texts)
        return np.array([features(snapshot, plan) for plan in plans])

    return read_index(index, measured)


def fit(data: dict[tuple[str, str], np.ndarray], without: str = "") -> np.ndarray:
    """(5,): weights of reliability x cosine, coverage, reliability x coverage, reliability; and the intercept last."""
    from sklearn.linear_model import LogisticRegression

    inputs, labels, weights = [], [], []
    for (index, asked), rows in data.items():
        if without in (index, asked):
            continue
        own = index == asked
        same = sum((other == of) == own for other, of in data)
        inputs.append(_inputs(rows))
        labels += [own] * len(rows)
        weights += [1 / len(rows) / same] * len(rows)
    model = LogisticRegression(C=1e3, max_iter=2000)
    model.fit(np.concatenate(inputs), labels, sample_weight=np.array(weights) / np.mean(weights))
    return np.concatenate([model.coef_[0], model.intercept_])


def _inputs(rows: np.ndarray) -> np.ndarray:
    reliability, cosine, coverage, _ = rows.T
    return np.stack([reliability * cosine, coverage, reliability * coverage, reliability], axis=1)


def refused(rows: np.ndarray, weights: np.ndarray) -> float:
    """The share of questions whose probability is below `MIN_SCORE`."""
    return float(np.mean(1 / (1 + np.exp(-(_inputs(rows) @ weights[:4] + weights[4]))) < MIN_SCORE))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model")
    parser.add_argument("--most", type=int, default=400, help="questions of a collection that are asked")
    parser.add_argument("--fit", action="store_true")
    chosen = parser.parse_args()
    data_at = data_folder()
    assert data_at is not None
    found = topics(data_at)
    chance = random.Random(1)
    asked = {name: chance.sample(one.questions, min(chosen.most, len(one.questions))) for name, one in found.items()}
    data: dict[tuple[str, str], np.ndarray] = {}
    shares: dict[str, list[tuple[float, float]]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        for kind, name, other in pairs(found):
            index = str(Path(scratch) / name / "index")
            if not Path(index).exists():
                source = found[name].documents
                if not isinstance(source, Path):
                    source = _written(source or {}, Path(scratch) / name / "documents")
                index_folders([str(source)], index, IndexOptions(model=chosen.model))
            rows = data[name, other] = ask(index, asked[other])
            by_search, by_ask = (float((rows[:, 3] < limit).mean()) for limit in (MIN_SCORE, ANSWER_MIN_SCORE))
            shares.setdefault(kind, []).append((by_search, by_ask))
            print(f"{kind:<9} {name:<14} <- {other:<20} {len(rows):>4} {by_search:>6.1%} {by_ask:>6.1%}", flush=True)
    for kind, of_kind in shares.items():
        print(
            f"{kind:<9} mean of {len(of_kind)} pairs: search {{:.1%}}, ask {{:.1%}}".format(*np.mean(of_kind, axis=0))
        )
    if chosen.fit:
        print("fitted on all:", fit(data).round(2))
        for name in asked:
            weights = fit(data, without=name)
            foreign = [refused(rows, weights) for (index, other), rows in data.items() if index == name != other]
            if foreign:
                own = refused(data[name, name], weights)
                print(f"fitted without {name}: own {own:.1%}, foreign {np.mean(foreign):.1%} refused")


def _written(documents: Mapping[str, str], folder: Path) -> Path:
    folder.mkdir(parents=True)
    for name, text in documents.items():
        (folder / f"{name}.txt").write_text(text, encoding="utf-8")
    return folder


if __name__ == "__main__":
    main()
