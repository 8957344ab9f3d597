"""What training the model gains in nDCG@10: trained on half of a collection's questions, measured on the other half.

    python -m benchmarks.fine_tuning [COLLECTION...] [--synthetic] [--negatives N] [--epochs N]

`--synthetic`: without labels, on queries made from the documents. Cranfield takes some ten minutes on two cores.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

from benchmarks.retrieval_quality import build
from semsearch.tuning import training_rows
from semsearch.tuning.question_source import QuestionSource
from semsearch.tuning.train_options import TrainOptions
from semsearch.tuning.tune_model import tune_model
from tests.support.real_collections import NAMES, data_folder, load


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("collections", nargs="*", default=list(NAMES))
    parser.add_argument("--synthetic", action="store_true")
    parser.add_argument("--negatives", type=int)
    parser.add_argument("--epochs", type=int, default=1)
    chosen = parser.parse_args()
    if chosen.negatives is not None:
        training_rows.NEGATIVES["multiple-negatives"] = chosen.negatives
    for name in chosen.collections:
        with tempfile.TemporaryDirectory() as folder:
            index = build(load(name), Path(folder))
            beir = str(Path(str(data_folder())) / "data" / name)
            source = QuestionSource() if chosen.synthetic else QuestionSource(beir=beir)
            clock = time.perf_counter()
            report = tune_model(
                str(index),
                source,
                TrainOptions(str(Path(folder) / "model"), epochs=chosen.epochs),
                print,
                lambda step, done, total: None,
            )
            print(f"{name}, {time.perf_counter() - clock:.0f} s: {json.dumps(report.as_dict())}", flush=True)


if __name__ == "__main__":
    main()
