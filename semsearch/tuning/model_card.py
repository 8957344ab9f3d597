"""The README.md of a trained model: what it was trained from, and what that gained."""

import os

from semsearch.tuning.base_model import BaseModel
from semsearch.tuning.comparison import TuneReport
from semsearch.tuning.train_options import TrainOptions


def write_model_card(trained: str, model: BaseModel, report: TuneReport, options: TrainOptions) -> None:
    """Writes README.md into the folder `trained`. It holds figures only, no text of the documents."""
    lines = [
        f"# {model.info.name}, trained on one's own documents",
        "",
        f"{report.pairs:,} pairs, loss {options.chosen_loss()}, {options.epochs} x, batches of {options.batch_size}, "
        f"learning rate {options.learning_rate:g}. nDCG@10 on {report.questions:,} questions it was not trained on:",
        "",
        "| search | before | after | gain (95 %) |",
        "|---|---|---|---|",
        *(
            f"| {row.search} | {row.before.mean:.4f} | {row.after.mean:.4f} | {row.difference.mean:+.4f} "
            f"({row.difference.low:+.4f} to {row.difference.high:+.4f}) |"
            for row in report.rows
        ),
    ]
    with open(os.path.join(trained, "README.md"), "w", encoding="utf-8", errors="replace") as file:
        file.write("\n".join(lines) + "\n")
