"""Trains a model with sentence-transformers' Trainer: `python -m semsearch.tuning.train JOB.json`.

Runs in a process of its own: torch and faiss in one process are two OpenMP runtimes, and its gigabytes go with it. The
job is what `Job` holds. Lines of JSON on stdout tell how far it is (`step`, `steps`); what goes wrong is the last line
on stderr. Every minute it leaves a checkpoint, and goes on from the last one that is whole.
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
from dataclasses import dataclass
from typing import Any, TextIO

from semsearch.embedding.fingerprint import WEIGHTS
from semsearch.errors import SemsearchError
from semsearch.storage.lock import WriterLock

LOSSES = ("multiple-negatives", "triplet", "distillation")
# Steepness of the softmax over cosines: 20, as sentence-transformers' and most embedding models' own training.
_SCALE = 20.0
# Schroff et al. 2015, FaceNet, section 3.2: alpha = 0.2 of squared distances of unit vectors, which are 2 - 2 cosine.
_MARGIN = 0.1
# Devlin et al. 2019, BERT, appendix A.2; the share of steps as in SBERT (Reimers & Gurevych 2019, section 3.1).
_WARMUP = 0.1
_SECONDS_A_CHECKPOINT = 60
# So many times as long as it takes to write one passes, too, before the next.
_SAVES_A_CHECKPOINT = 20
_WHOLE = "whole"
_SEED = 1


@dataclass(frozen=True)
class Job:
    """What is trained and how.

    `folder`: the model, `window`: most tokens of a text, `query_prefix` and `passage_prefix`: before each text;
    `rows`: a file of JSON lines with `query`, `positive`, `negatives` and, for distillation, `scores` of positive and
    negatives; `target`: where the trained model goes; `checkpoints`: a folder for them. `dims`: the lengths its vectors
    may have, where they may be cut. `batches`: numbers of the rows that stand together; None: any may.
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


def train(job: Job, steps_to: TextIO) -> None:
    """Writes the trained model to `job.target`, and each step to `steps_to`.

    Raises `ValueError` where it cannot be trained here.
    """
    from sentence_transformers import SentenceTransformerTrainer, SentenceTransformerTrainingArguments

    from semsearch.embedding.torch_runtime import device, load_transformer

    where = device()
    _check_memory(_fewest_parameters(job.folder), where)
    # In half precision most steps are too small to change a weight.
    model = load_transformer(job.folder, False, None, where).float()
    _check_memory(sum(parameter.numel() for parameter in model.parameters()), where)
    model.max_seq_length = job.window
    rows = _rows(job)
    columns = _columns(job, rows)
    texts = 2 + len(rows[0]["negatives"])
    fits = _texts_at_once(model, max(map(len, _tokens(model, columns))), where)
    # The other losses look at each row alone: the gradients of a big batch are those of its parts, added up.
    parts = 1 if job.batches is not None else -(-job.batch_size // max(1, min(job.batch_size, fits // texts)))
    steps = job.epochs * (len(job.batches) if job.batches is not None else -(-len(rows) // job.batch_size))
    arguments = SentenceTransformerTrainingArguments(
        job.checkpoints,
        num_train_epochs=job.epochs,
        per_device_train_batch_size=-(-job.batch_size // parts),
        gradient_accumulation_steps=parts,
        learning_rate=job.learning_rate,
        warmup_steps=int(_WARMUP * steps),
        save_strategy="no",  # by time: _Progress
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

    # It would be written at every checkpoint, with examples from the documents.
    model._create_model_card = lambda *arguments, **options: None
    _drop_unfinished(job.checkpoints)
    trainer = Trainer(
        model=model,
        args=arguments,
        train_dataset=_dataset(columns),
        loss=_loss(model, job, fits // texts),
        callbacks=[_progress(steps_to)],
    )
    trainer.train(resume_from_checkpoint=last_whole(job.checkpoints))
    if not all(bool(parameter.isfinite().all()) for parameter in model.parameters()):
        raise ValueError("training diverged: use a smaller --learning-rate")
    prompts = {"query": job.query_prefix, "document": job.passage_prefix}
    model.prompts = {**(model.prompts or {}), **{name: text for name, text in prompts.items() if text}}
    working = job.target + ".partial"
    shutil.rmtree(working, ignore_errors=True)
    model.save_pretrained(working, create_model_card=False)
    os.rename(working, job.target)


def _rows(job: Job) -> list[dict[str, Any]]:
    with open(job.rows, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def _columns(job: Job, rows: list[dict[str, Any]]) -> dict[str, list[Any]]:
    """Name -> values of the rows, query first, prefixes added."""
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
    """The tokens of each text, cut to the window."""
    texts = list({text for name, column in columns.items() if name != "label" for text in column})
    found: list[list[int]] = model.tokenizer(texts, truncation=True, max_length=model.max_seq_length)["input_ids"]
    return found


class _Batches:
    """The batches in another order each epoch, for the Trainer."""

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


def _loss(model: Any, job: Job, fits: int) -> Any:
    """The loss, of which `fits` rows fit into memory at once.

    With lengths to cut to it is the sum over all of them (Kusupati et al. 2022, "Matryoshka representation learning",
    equation 1).
    """
    from sentence_transformers import losses

    loss = _whole_loss(model, job, fits)
    if not job.dims:
        return loss
    return losses.MatryoshkaLoss(model, loss, list(job.dims))


def _whole_loss(model: Any, job: Job, fits: int) -> Any:
    from sentence_transformers import losses, util

    if job.loss == "triplet":
        metric = losses.TripletDistanceMetric.COSINE
        return losses.TripletLoss(model, distance_metric=metric, triplet_margin=_MARGIN)
    if job.loss == "distillation":

        def similarity(queries: Any, passages: Any) -> Any:
            return _SCALE * util.pairwise_cos_sim(queries, passages)

        return losses.DistillKLDivLoss(model, similarity_fct=similarity)
    if job.batch_size <= fits:
        return losses.MultipleNegativesRankingLoss(model, scale=_SCALE)
    # Gradients of a big batch in small ones (Gao et al. 2021, GradCache).
    return losses.CachedMultipleNegativesRankingLoss(model, scale=_SCALE, mini_batch_size=max(1, fits))


def _texts_at_once(model: Any, tokens: int, where: str) -> int:
    """How many texts of `tokens` tokens `_room` holds with what their gradients need.

    s h (34 + 5 a s / h) bytes a layer in half precision, for s tokens, h numbers each, and a heads (Korthikanti et al.
    2022, "Reducing activation recomputation in large transformer models", equation 1); twice that in single precision.
    """
    config = getattr(getattr(model[0], "auto_model", None), "config", None)
    layers, hidden = getattr(config, "num_hidden_layers", 12), getattr(config, "hidden_size", 768)
    heads = getattr(config, "num_attention_heads", 12)
    return max(1, int(_room(where) / (2 * layers * tokens * (34 * hidden + 5 * heads * tokens))))


def _check_memory(parameters: int, device: str) -> None:
    """Raises ValueError where weights, gradients and Adam's two moments, in single precision, do not fit."""
    needed, there = 16 * parameters, _memory(device)
    if needed > 0.75 * there:
        raise ValueError(
            f"training {parameters / 1e6:,.0f} million parameters needs {needed / 1e9:,.0f} GB of memory, "
            f"and {there / 1e9:,.0f} GB are there"
        )


def _fewest_parameters(folder: str) -> int:
    """How many parameters the weights in `folder` have at least: four bytes each, or two."""
    weights = [
        os.path.getsize(os.path.join(parent, name))
        for parent, _, names in os.walk(folder)
        for name in names
        if name.endswith(WEIGHTS)
    ]
    return max(weights, default=0) // 4


def _room(device: str) -> float:
    """Bytes for what a batch needs until its gradients are there: small ones are as fast, 6 s a step for MiniLM."""
    return _memory(device) / 16


def _memory(device: str) -> int:
    """Bytes of the device's memory."""
    import torch

    if device.startswith("cuda"):
        return int(torch.cuda.get_device_properties(device).total_memory)
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _progress(steps_to: TextIO) -> Any:
    from transformers import TrainerCallback

    class Progress(TrainerCallback):  # type: ignore[misc]
        """Tells of each step, and asks for a checkpoint every minute."""

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
            with open(os.path.join(args.output_dir, f"checkpoint-{state.global_step}", _WHOLE), "x"):
                pass

    return Progress()


def last_whole(folder: str) -> str | None:
    """The last checkpoint that was written to its end."""
    whole = [
        (int(name.removeprefix("checkpoint-")), os.path.join(folder, name))
        for name in (os.listdir(folder) if os.path.isdir(folder) else ())
        if name.startswith("checkpoint-") and os.path.isfile(os.path.join(folder, name, _WHOLE))
    ]
    return max(whole)[1] if whole else None


def _drop_unfinished(folder: str) -> None:
    """Removes checkpoints that were being written when a run was cut off: the Trainer counts them, too."""
    for name in os.listdir(folder) if os.path.isdir(folder) else ():
        if not os.path.isfile(os.path.join(folder, name, _WHOLE)):
            shutil.rmtree(os.path.join(folder, name), ignore_errors=True)


def main(path: str) -> None:
    # Progress alone goes to stdout; what libraries print, in whatever language, does not.
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
