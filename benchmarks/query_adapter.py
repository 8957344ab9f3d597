"""What an adapter of query vectors gains in nDCG@10 on held-out questions, by the weight of its penalty.

    python -m benchmarks.query_adapter [COLLECTION...]

The gain by penalty is that of the dense ranking alone, with 5-fold cross-validation. Then follows what `tune` measures,
with hybrid search. In the XQuAD collections several questions are about one document, so that the adapter learns some
of the documents, too.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.retrieval_quality import build
from semsearch.dense.query_adapter import Adapter
from semsearch.evaluation import metrics
from semsearch.evaluation.labels import Beir
from semsearch.evaluation.query_sets import labelled
from semsearch.store.local.reader import Reader
from semsearch.tuning import adapter_learning
from semsearch.tuning.comparison import TuneReport
from semsearch.tuning.question_source import QuestionSource
from semsearch.tuning.training_set import training_set_of
from semsearch.tuning.tune_adapter import relevance, tune_adapter
from tests.support.real_collections import NAMES, data_folder, load

PENALTIES = (0.01, 0.03, 0.1)


def by_penalty(index: Path, name: str) -> Iterator[tuple[float, metrics.MeanEstimate]]:
    """(penalty, gain in dense nDCG@10) for each of `PENALTIES`, on the collection `name`."""
    beir = Beir.open(str(Path(str(data_folder())) / "data" / name))
    query_set = labelled(str(index), name, beir.queries, beir.qrels, [])
    reader = Reader(str(index))
    training_set = reader.read(lambda snapshot: training_set_of(snapshot, [query_set], print))
    reader.close()
    passages, gains = relevance(training_set)
    before = _ndcg(training_set.queries @ passages.T, gains)
    for penalty in PENALTIES:
        after = np.zeros_like(before)
        for held_out, rest in adapter_learning.folds(len(training_set.queries), 5):
            matrix = adapter_learning._descend(training_set.queries[rest], passages, gains[rest], penalty)
            adapted = Adapter(matrix)(training_set.queries[held_out])
            after[held_out] = _ndcg(adapted @ passages.T, gains[held_out])
        yield penalty, metrics.estimate(after - before)


def _ndcg(scores: np.ndarray, gains: np.ndarray) -> np.ndarray:
    """(queries,) nDCG@10 of `scores` by `gains`, both (queries, passages); 0 without relevant passages."""
    discounts = 1 / np.log2(np.arange(10) + 2)
    top = np.argsort(-scores, axis=1)[:, :10]
    dcg = (np.take_along_axis(gains, top, axis=1) * discounts).sum(axis=1)
    ideal = (-np.sort(-gains, axis=1)[:, :10] * discounts).sum(axis=1)
    return np.divide(dcg, ideal, out=np.zeros_like(dcg), where=ideal > 0)


def tuned(index: Path, name: str) -> TuneReport:
    """The report of `tune --dry-run` with the labels of the collection `name`."""
    beir = str(Path(str(data_folder())) / "data" / name)
    return tune_adapter(str(index), QuestionSource(beir=beir), print, lambda name, done, total: None, dry_run=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("collections", nargs="*", default=list(NAMES))
    for name in parser.parse_args().collections:
        with tempfile.TemporaryDirectory() as folder:
            index = build(load(name), Path(folder))
            for penalty, gain in by_penalty(index, name):
                print(f"{name:<10} penalty {penalty:<5} dense {gain.mean:+.4f} ({gain.low:+.4f} to {gain.high:+.4f})")
            clock = time.perf_counter()
            report = tuned(index, name)
            print(
                f"{name:<10} tune, {time.perf_counter() - clock:.0f} s: {json.dumps(report.as_dict()['rows'])}",
                flush=True,
            )


if __name__ == "__main__":
    main()
