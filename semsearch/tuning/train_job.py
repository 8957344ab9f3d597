"""A training job: what `tune_model` hands to the process that trains, and the checkpoints that process leaves."""

import os
import shutil
from dataclasses import dataclass

LOSSES = ("multiple-negatives", "triplet", "distillation")
# A file in a checkpoint's folder that says it was written to its end.
COMPLETE = "whole"


@dataclass(frozen=True)
class Job:
    """What is trained and how.

    `folder`: of the model; `window`: most tokens of a text; `query_prefix`, `passage_prefix`: put before each text;
    `rows`: a file of JSON lines with `query`, `positive`, `negatives` and, for distillation, `scores` of the positive
    and the negatives; `target`: folder of the trained model; `checkpoints`: folder for them. `loss`: one of LOSSES.
    `dims`: the lengths its vectors may be truncated to; empty: they are not. `batches`: numbers of the rows of each
    batch; None: any rows may stand together.
    """

    folder: str
    window: int
    query_prefix: str
    passage_prefix: str
    rows: str
    target: str
    checkpoints: str
    loss: str
    epochs: int
    batch_size: int
    learning_rate: float
    dims: tuple[int, ...]
    batches: list[list[int]] | None


def last_checkpoint(folder: str) -> str | None:
    """The folder of the last complete checkpoint in `folder`; None: there is none."""
    complete = [
        (int(name.removeprefix("checkpoint-")), os.path.join(folder, name))
        for name in (os.listdir(folder) if os.path.isdir(folder) else ())
        if name.startswith("checkpoint-") and os.path.isfile(os.path.join(folder, name, COMPLETE))
    ]
    return max(complete)[1] if complete else None


def drop_incomplete_checkpoints(folder: str) -> None:
    """Removes checkpoints that were being written when a run was cut off: the Trainer would count them."""
    for name in os.listdir(folder) if os.path.isdir(folder) else ():
        if not os.path.isfile(os.path.join(folder, name, COMPLETE)):
            shutil.rmtree(os.path.join(folder, name), ignore_errors=True)
