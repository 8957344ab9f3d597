"""Trains a model with sentence-transformers' Trainer: `python -m semsearch.tuning.train JOB.json`.

Runs in a process of its own: torch and faiss in one process are two OpenMP runtimes, and its gigabytes go with it. The
job is what `Job` holds. Lines of JSON on stdout tell how far it is (`step`, `steps`); what goes wrong is the last line
on stderr. Every minute it leaves a checkpoint, and goes on from the last one that is whole.
"""

import json
import logging
import os
import shutil
import sys
import time
import warnings
from dataclasses import dataclass
from typing import Any

LOSSES = ("multiple-negatives", "triplet", "distillation")
# Steepness of the softmax over cosines: 20, as sentence-transformers' and most embedding models' own training.
_SCALE = 20.0
# Schroff et al. 2015, FaceNet, section 3.2: alpha = 0.2 of squared distances of unit vectors, which are 2 - 2 cosine.
_MARGIN = 0.1
# Devlin et al. 2019, BERT, appendix A.2; the share of steps as in SBERT (Reimers & Gurevych 2019, section 3.1).
_WARMUP = 0.1
_SECONDS_A_CHECKPOINT = 60
_WHOLE = "whole"
_SEED = 1


@dataclass(frozen=True)
class Job:
    """What is trained and how.

    `folder`: the model, `window`: most tokens of a text, `query_prefix` and `passage_prefix`: before each text;
    `rows`: a file of JSON lines with `query`, `positive`, `negatives` and, for distillation, `scores` of positive and
    negatives; `target`: where the trained model goes; `checkpoints`: a folder for them. `dims`: lengths its vectors may
    be cut to, besides their own.
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


def train(job: Job) -> None:
    import torch
    from sentence_transformers import SentenceTransformerTrainer, SentenceTransformerTrainingArguments
    from sentence_transformers.training_args import BatchSamplers

    from semsearch.embedding.torch_runtime import device, load_transformer

    where = device()
    _check_memory(_fewest_parameters(job.folder), where)
    model = load_transformer(job.folder, False, None, where)
    _check_memory(sum(parameter.numel() for parameter in model.parameters()), where)
    model.max_seq_length = job.window
    rows, columns = _dataset(job)
    arguments = SentenceTransformerTrainingArguments(
        job.checkpoints,
        num_train_epochs=job.epochs,
        per_device_train_batch_size=job.batch_size,
        learning_rate=job.learning_rate,
        warmup_steps=_WARMUP,
        # The same text twice in a batch would be its own negative.
        batch_sampler=BatchSamplers.NO_DUPLICATES,
        save_strategy="no",  # by time: _Progress
        save_total_limit=2,
        logging_strategy="no",
        report_to=[],
        disable_tqdm=True,
        use_cpu=where == "cpu",
        dataloader_pin_memory=False,
        seed=_SEED,
    )
    trainer = SentenceTransformerTrainer(
        model=model, args=arguments, train_dataset=rows, loss=_loss(model, job, columns, where), callbacks=[_progress()]
    )
    # It would be written at every checkpoint, with examples from the documents.
    trainer.create_model_card = lambda *arguments, **options: None
    trainer.train(resume_from_checkpoint=last_whole(job.checkpoints))
    if not all(bool(torch.isfinite(parameter).all()) for parameter in model.parameters()):
        raise ValueError("training diverged: use a smaller --learning-rate")
    prompts = {"query": job.query_prefix, "document": job.passage_prefix}
    model.prompts = {**(model.prompts or {}), **{name: text for name, text in prompts.items() if text}}
    working = job.target + ".partial"
    shutil.rmtree(working, ignore_errors=True)
    model.save_pretrained(working, create_model_card=False)
    os.rename(working, job.target)


def _dataset(job: Job) -> tuple[Any, int]:
    """(rows, texts of each row), query first, prefixes added."""
    from datasets import Dataset

    with open(job.rows, encoding="utf-8") as file:
        records = [json.loads(line) for line in file]
    negatives = min(len(record["negatives"]) for record in records)
    columns: dict[str, list[Any]] = {"anchor": [job.query_prefix + record["query"] for record in records]}
    columns["positive"] = [job.passage_prefix + record["positive"] for record in records]
    for number in range(negatives):
        columns[f"negative_{number + 1}"] = [job.passage_prefix + record["negatives"][number] for record in records]
    if job.loss == "distillation":
        columns["label"] = [record["scores"][: negatives + 1] for record in records]
    return Dataset.from_dict(columns), 2 + negatives


def _loss(model: Any, job: Job, columns: int, where: str) -> Any:
    """The loss over rows of `columns` texts; with lengths to cut to, it is the sum over all of them (Kusupati et al.
    2022, "Matryoshka representation learning", equation 1)."""
    from sentence_transformers import losses

    loss = _whole_loss(model, job, columns, where)
    if not job.dims:
        return loss
    full = model.get_embedding_dimension()
    return losses.MatryoshkaLoss(model, loss, sorted({full, *job.dims}, reverse=True))


def _whole_loss(model: Any, job: Job, columns: int, where: str) -> Any:
    from sentence_transformers import losses, util

    if job.loss == "triplet":
        metric = losses.TripletDistanceMetric.COSINE
        return losses.TripletLoss(model, distance_metric=metric, triplet_margin=_MARGIN)
    if job.loss == "distillation":

        def similarity(queries: Any, passages: Any) -> Any:
            return _SCALE * util.pairwise_cos_sim(queries, passages)

        return losses.DistillKLDivLoss(model, similarity_fct=similarity)
    fits = _texts_at_once(model, job, where)
    if job.batch_size * columns <= fits:
        return losses.MultipleNegativesRankingLoss(model, scale=_SCALE)
    # Gradients of a big batch in small ones (Gao et al. 2021, GradCache).
    return losses.CachedMultipleNegativesRankingLoss(model, scale=_SCALE, mini_batch_size=max(1, fits // columns))


def _texts_at_once(model: Any, job: Job, where: str) -> int:
    """How many texts of the full window `_room` holds with what their gradients need.

    34 s h bytes a layer for a text of s tokens in half precision (Korthikanti et al. 2022, "Reducing activation
    recomputation in large transformer models", equation 1, without the matrix that fused attention does not keep);
    twice that in single precision.
    """
    config = getattr(getattr(model[0], "auto_model", None), "config", None)
    layers, hidden = getattr(config, "num_hidden_layers", 12), getattr(config, "hidden_size", 768)
    return max(1, int(_room(where) / (2 * 34 * job.window * hidden * layers)))


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
        if name.endswith((".safetensors", ".bin"))
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


def _progress() -> Any:
    from transformers import TrainerCallback

    class Progress(TrainerCallback):  # type: ignore[misc]
        """Tells of each step, and asks for a checkpoint every minute."""

        saved = time.monotonic()

        def on_step_end(self, args: Any, state: Any, control: Any, **more: Any) -> None:
            print(json.dumps({"step": state.global_step, "steps": state.max_steps}), file=_STDOUT, flush=True)
            if time.monotonic() - self.saved > _SECONDS_A_CHECKPOINT and state.global_step < state.max_steps:
                control.should_save = True

        def on_save(self, args: Any, state: Any, control: Any, **more: Any) -> None:
            self.saved = time.monotonic()
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


_STDOUT = sys.stdout


def main(path: str) -> None:
    # Progress alone goes to stdout; what libraries print does not.
    sys.stdout = sys.stderr
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    with open(path, encoding="utf-8") as file:
        job = json.load(file)
    train(Job(**{**job, "dims": tuple(job["dims"])}))


if __name__ == "__main__":
    main(sys.argv[1])
