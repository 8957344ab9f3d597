"""Runs the training of a model in a process of its own; a run that was cut off goes on where it was."""

import json
import os
import shutil
import subprocess
import threading
from contextlib import suppress
from dataclasses import asdict
from hashlib import sha256
from typing import Any

from semsearch import subprocesses
from semsearch.callbacks import Advance
from semsearch.errors import ModelError
from semsearch.plurals import count_of
from semsearch.tuning.base_model import BaseModel
from semsearch.tuning.run_context import RunContext
from semsearch.tuning.train_job import Job, last_checkpoint
from semsearch.tuning.train_options import TrainOptions

# The file in the working folder that identifies what is trained there.
KEY_FILE = "key"


def trained_model(
    folder: str,
    model: BaseModel,
    rows: list[dict[str, Any]],
    batches: list[list[int]] | None,
    options: TrainOptions,
    context: RunContext,
) -> str:
    """Trains `model` on `rows` in the working folder `folder`; returns the folder of the trained model.

    `batches`: numbers of the rows of each batch; None: any rows may stand together. Where an earlier run trained with
    the same rows and options in `folder`, its model is taken, or its last checkpoint. Raises `ModelError`.
    """
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    target, checkpoints = os.path.join(folder, "trained"), os.path.join(folder, "checkpoints")
    job = Job(
        folder=model.source.folder,
        window=model.info.window,
        query_prefix=model.info.query_prefix,
        passage_prefix=model.info.passage_prefix,
        rows=os.path.join(folder, "rows.jsonl"),
        target=target,
        checkpoints=checkpoints,
        loss=options.chosen_loss(),
        epochs=options.epochs,
        batch_size=options.batch_size,
        learning_rate=options.learning_rate,
        dims=model.dims,
        batches=batches,
    )
    key = sha256(json.dumps([asdict(job), model.info.fingerprint, lines]).encode()).hexdigest()
    if _read(os.path.join(folder, KEY_FILE)) != key:
        with suppress(FileNotFoundError):
            os.unlink(os.path.join(folder, KEY_FILE))
        for stale in (target, checkpoints):
            shutil.rmtree(stale, ignore_errors=True)
        # The key last: it says that the others are complete.
        for name, content in (("rows.jsonl", lines), ("job.json", json.dumps(asdict(job), indent=1)), (KEY_FILE, key)):
            with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
                file.write(content)
    if os.path.isdir(target):
        context.announce("the model was trained before; judging it")
        return target
    if last_checkpoint(checkpoints) is not None:
        context.announce("going on where training was cut off")
    context.announce(
        f"training {model.info.name} on {count_of(len(rows), 'pair')} (Ctrl-C: the same command goes on later)"
    )
    _run_trainer(os.path.join(folder, "job.json"), model.info.name, context.advance)
    return target


def _run_trainer(job: str, name: str, advance: Advance) -> None:
    """Runs the job in the file `job`, for the model called `name`. Raises `ModelError`."""
    process = subprocesses.start(
        "semsearch.tuning.train_process",
        [job],
        {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", "TQDM_DISABLE": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
    )
    assert process.stdout is not None and process.stderr is not None
    errors: list[str] = []
    # Read in a thread of its own: with one pipe full, the trainer would wait for ever.
    listener = threading.Thread(target=lambda: errors.extend(process.stderr or ()), daemon=True)
    listener.start()
    try:
        for line in process.stdout:
            record = json.loads(line)
            advance("training", record["step"], record["steps"])
        process.wait()
    except BaseException:
        process.kill()
        process.wait()
        raise
    listener.join()
    if process.returncode < 0:
        raise ModelError(
            f"{name} cannot be trained: signal {-process.returncode} ended the training, "
            "as it does when memory runs out",
            "use a smaller --batch-size, or a smaller model",
            code="training_failed",
        )
    if process.returncode != 0:
        reason = subprocesses.last_words(errors, process.returncode)
        raise ModelError(f"{name} cannot be trained: {reason}", "", code="training_failed")


def _read(path: str) -> str:
    """The content of the file `path`; "" where there is none."""
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        return ""
