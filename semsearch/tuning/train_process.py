"""Trains a model with sentence-transformers' Trainer: `python -m semsearch.tuning.train_process JOB.json`.

Runs in a process of its own: torch and faiss in one process are two OpenMP runtimes, and its gigabytes go with it. The
job is a `Job` as JSON. Lines of JSON on stdout report each step (`step`, `steps`); what goes wrong is the last line on
stderr. It writes a checkpoint every minute, and starts from the last complete one.
"""

import json
import logging
import os
import random
import shutil
import sys
import time
import warnings
from collections.abc import Iterator
from typing import Any, TextIO

from semsearch.errors import SemsearchError, UsageError
from semsearch.file_lock import WriterLock
from semsearch.tuning.train_job import COMPLETE, Job, drop_incomplete_checkpoints, last_checkpoint
from semsearch.tuning.train_memory import check_memory, fewest_parameters, texts_at_once

# Steepness of the softmax over cosines: 20, as in sentence-transformers and the training of most embedding models.
_SCALE = 20.0
# Schroff et al. 2015, FaceNet, section 3.2: alpha = 0.2 of squared distances of unit vectors, which are 2 - 2 cosine.
_MARGIN = 0.1
# Devlin et al. 2019, BERT, appendix A.2; the share of steps as in SBERT (Reimers & Gurevych 2019, section 3.1).
_WARMUP = 0.1
# The next checkpoint comes after so many seconds, and after so many times as long as writing the last one took.
_SECONDS_A_CHECKPOINT = 60
_SAVES_A_CHECKPOINT = 20
_SEED = 1


def train(job: Job, steps_to: TextIO) -> None:
    """Writes the trained model to `job.target`, and a line of JSON for each step to `steps_to`.

    Raises `ValueError` where it cannot be trained here, or the training diverges.
    """
    from semsearch.embedding.device import asked_device, find_device
    from semsearch.embedding.torch_runtime import load_transformer

    where, missing = find_device(asked_device())
    if missing:
        raise UsageError(f"no device {asked_device()} here: {missing}", "use auto, cpu, cuda or mps")
    check_memory(fewest_parameters(job.folder), where)
    # In half precision most steps are too small to change a weight.
    model = load_transformer(job.folder, False, None, where).float()
    check_memory(sum(parameter.numel() for parameter in model.parameters()), where)
    model.max_seq_length = job.window
    # It would be written at every checkpoint, with examples from the documents.
    model._create_model_card = lambda *arguments, **options: None
    drop_incomplete_checkpoints(job.checkpoints)
    trainer = _trainer(model, job, where, steps_to)
    trainer.train(resume_from_checkpoint=last_checkpoint(job.checkpoints))
    if not all(bool(parameter.isfinite().all()) for parameter in model.parameters()):
        raise ValueError("training diverged: use a smaller --learning-rate")
    prompts = {"query": job.query_prefix, "document": job.passage_prefix}
    model.prompts = {**(model.prompts or {}), **{name: text for name, text in prompts.items() if text}}
    working = job.target + ".partial"
    shutil.rmtree(working, ignore_errors=True)
    model.save_pretrained(working, create_model_card=False)
    os.rename(working, job.target)


def _trainer(model: Any, job: Job, where: str, steps_to: TextIO) -> Any:
    """The sentence-transformers Trainer of `model` for `job` on the device `where`."""
    from sentence_transformers import SentenceTransformerTrainer, SentenceTransformerTrainingArguments

    rows = _rows(job)
    columns = _columns(job, rows)
    longest = max(map(len, _tokens(model, columns)))
    rows_at_once = texts_at_once(model, longest, where) // (2 + len(rows[0]["negatives"]))
    # The other losses look at each row alone: the gradients of a big batch are those of its parts, added up.
    parts = 1 if job.batches is not None else -(-job.batch_size // max(1, min(job.batch_size, rows_at_once)))
    steps = job.epochs * (len(job.batches) if job.batches is not None else -(-len(rows) // job.batch_size))
    arguments = SentenceTransformerTrainingArguments(
        job.checkpoints,
        num_train_epochs=job.epochs,
        per_device_train_batch_size=-(-job.batch_size // parts),
        gradient_accumulation_steps=parts,
        learning_rate=job.learning_rate,
        warmup_steps=int(_WARMUP * steps),
        save_strategy="no",  # by time: _progress
        save_total_limit=2,
        logging_strategy="no",
        report_to=[],
        disable_tqdm=True,
        use_cpu=where == "cpu",
        dataloader_pin_memory=False,
        seed=_SEED,
    )

    class Trainer(SentenceTransformerTrainer):  # type: ignore[misc]
        def get_batch_sampler(self, dataset: Any, batch_size: int, *others: Any, **more: Any) -> Any:
            if job.batches is None:
                return super().get_batch_sampler(dataset, batch_size, *others, **more)
            return _Batches(job.batches)

    return Trainer(
        model=model,
        args=arguments,
        train_dataset=_dataset(columns),
        loss=_loss(model, job, rows_at_once),
        callbacks=[_progress(steps_to)],
    )


def _rows(job: Job) -> list[dict[str, Any]]:
    with open(job.rows, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def _columns(job: Job, rows: list[dict[str, Any]]) -> dict[str, list[Any]]:
    """Column name -> values, in the order sentence-transformers expects: anchor, positive, negatives, label."""
    columns: dict[str, list[Any]] = {"anchor": [job.query_prefix + row["query"] for row in rows]}
    columns["positive"] = [job.passage_prefix + row["positive"] for row in rows]
    for number in range(len(rows[0]["negatives"])):
        columns[f"negative_{number + 1}"] = [job.passage_prefix + row["negatives"][number] for row in rows]
    if job.loss == "distillation":
        columns["label"] = [row["scores"] for row in rows]
    return columns


def _dataset(columns: dict[str, list[Any]]) -> Any:
    from datasets import Dataset

    return Dataset.from_dict(columns)


def _tokens(model: Any, columns: dict[str, list[Any]]) -> list[list[int]]:
    """The token ids of each text of `columns`, truncated to the window."""
    texts = list({text for name, column in columns.items() if name != "label" for text in column})
    tokens: list[list[int]] = model.tokenizer(texts, truncation=True, max_length=model.max_seq_length)["input_ids"]
    return tokens


class _Batches:
    """A batch sampler for the Trainer: the given batches, in another order each epoch."""

    def __init__(self, batches: list[list[int]]) -> None:
        self._batches = batches
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        self._epoch = epoch

    def __len__(self) -> int:
        return len(self._batches)

    def __iter__(self) -> Iterator[list[int]]:
        order = random.Random(_SEED + self._epoch).sample(range(len(self._batches)), len(self._batches))
        return (self._batches[number] for number in order)


def _loss(model: Any, job: Job, rows_at_once: int) -> Any:
    """The loss of `job`; so many `rows_at_once` fit into memory.

    With lengths to truncate to it is the sum over all of them (Kusupati et al. 2022, "Matryoshka representation
    learning", equation 1).
    """
    from sentence_transformers import losses

    loss = _full_length_loss(model, job, rows_at_once)
    if not job.dims:
        return loss
    return losses.MatryoshkaLoss(model, loss, list(job.dims))


def _full_length_loss(model: Any, job: Job, rows_at_once: int) -> Any:
    """The loss of vectors that are not truncated."""
    from sentence_transformers import losses, util

    if job.loss == "triplet":
        metric = losses.TripletDistanceMetric.COSINE
        return losses.TripletLoss(model, distance_metric=metric, triplet_margin=_MARGIN)
    if job.loss == "distillation":

        def similarity(queries: Any, passages: Any) -> Any:
            return _SCALE * util.pairwise_cos_sim(queries, passages)

        return losses.DistillKLDivLoss(model, similarity_fct=similarity)
    if job.batch_size <= rows_at_once:
        return losses.MultipleNegativesRankingLoss(model, scale=_SCALE)
    # Gradients of a big batch in small ones (Gao et al. 2021, GradCache).
    return losses.CachedMultipleNegativesRankingLoss(model, scale=_SCALE, mini_batch_size=max(1, rows_at_once))


def _progress(steps_to: TextIO) -> Any:
    """A callback of the Trainer that reports each step and asks for a checkpoint every minute."""
    from transformers import TrainerCallback

    class Progress(TrainerCallback):  # type: ignore[misc]
        saved = time.monotonic()
        took = 0.0

        def on_step_end(self, args: Any, state: Any, control: Any, **more: Any) -> None:
            print(json.dumps({"step": state.global_step, "steps": state.max_steps}), file=steps_to, flush=True)
            due = time.monotonic() - self.saved > max(_SECONDS_A_CHECKPOINT, _SAVES_A_CHECKPOINT * self.took)
            if due and state.global_step < state.max_steps:
                control.should_save = True
                self.asked = time.monotonic()

        def on_save(self, args: Any, state: Any, control: Any, **more: Any) -> None:
            self.saved = time.monotonic()
            self.took = self.saved - self.asked
            with open(os.path.join(args.output_dir, f"checkpoint-{state.global_step}", COMPLETE), "x"):
                pass

    return Progress()


def main(path: str) -> None:
    """Trains the job in the JSON file `path`."""
    # Progress alone goes to stdout; what libraries print does not.
    steps_to = os.fdopen(os.dup(1), "w", encoding="ascii")
    os.dup2(2, 1)
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    with open(path, encoding="utf-8") as file:
        job = json.load(file)
    # A run that was killed may have left its trainer, which ends with its next step.
    with WriterLock(path + ".lock", wait=True):
        shutil.rmtree(job["target"], ignore_errors=True)
        try:
            train(Job(**{**job, "dims": tuple(job["dims"])}), steps_to)
        except (ValueError, SemsearchError) as error:
            sys.exit(str(error))


if __name__ == "__main__":
    main(sys.argv[1])
