"""What `tune --fusion` learns and gains, without labels and with them, and what made questions would do to real ones.

    python -m benchmarks.fusion_weights [--model NAME] [--labels-only] [COLLECTION...]

Gains are in nDCG@10 of hybrid search on questions that the weights were not learnt from. `by made questions, labelled`
is the gain of the labelled questions by the weights that the made ones teach, whether `tune` would keep them or not.
"""

import argparse
import tempfile
from pathlib import Path

from benchmarks.retrieval_quality import build
from semsearch.errors import UsageError
from semsearch.evaluation import metrics
from semsearch.evaluation.labels import Beir
from semsearch.evaluation.query_sets import labelled
from semsearch.retrieval.fusion_weights import FusionWeights
from semsearch.tuning.comparison import TuneReport, ndcg_by_weights
from semsearch.tuning.question_source import QuestionSource
from semsearch.tuning.tune_fusion import tune_fusion
from tests.support.real_collections import data_folder, every_name, load


def tuned(index: Path, beir: str | None) -> TuneReport:
    """The report of `tune --fusion --dry-run` with the labels of `beir`, or without."""
    source = QuestionSource(beir=beir)
    return tune_fusion(str(index), source, lambda told: None, lambda name, done, total: None, dry_run=True)


def gain_of(index: Path, name: str, weights: FusionWeights) -> metrics.MeanEstimate:
    """The gain in nDCG@10 of all labelled questions of the collection `name` by `weights`."""
    beir = Beir.open(str(Path(str(data_folder())) / "data" / name))
    asked = labelled(str(index), name, beir.queries, beir.qrels, [])
    (values,) = ndcg_by_weights(str(index), [asked], [FusionWeights(), weights], False, lambda done, total: None)
    return metrics.estimate(values[:, 1] - values[:, 0])


def _told(name: str, report: TuneReport) -> None:
    for row in report.rows:
        _gain_told(name, row.search, row.difference, "kept" if report.better else "not kept")
    print(f"{name:<10} learnt from {report.questions}: {report.weights}", flush=True)


def _gain_told(name: str, what: str, gain: metrics.MeanEstimate, kept: str) -> None:
    print(f"{name:<10} {what:<27} {gain.mean:+.4f} ({gain.low:+.4f} to {gain.high:+.4f}) {kept}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("collections", nargs="*", default=every_name())
    parser.add_argument("--model")
    parser.add_argument("--labels-only", action="store_true")
    chosen = parser.parse_args()
    for name in chosen.collections:
        with tempfile.TemporaryDirectory() as folder:
            index = build(load(name), Path(folder), chosen.model)
            if not chosen.labels_only:
                try:
                    made = tuned(index, None)
                except UsageError as error:
                    print(f"{name:<10} {error}", flush=True)
                else:
                    _told(name, made)
                    if made.weights != FusionWeights().as_dict():
                        gain = gain_of(index, name, FusionWeights.from_record(made.weights))
                        _gain_told(name, "by made questions, labelled", gain, "")
            _told(name, tuned(index, str(Path(str(data_folder())) / "data" / name)))


if __name__ == "__main__":
    main()
