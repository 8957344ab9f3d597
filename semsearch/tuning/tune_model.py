"""`tune --output`: trains the model of an index on questions with known answers, and judges it by others.

Half of the questions, at most `_MOST_HELD_OUT`, are held out: nothing is learnt from them, and the trained model is
judged by them, in a copy of the index that it encoded. What is needed to go on after an interruption lies in
`OUTPUT.unfinished`.
"""

import importlib.util
import json
import os
import shutil
import subprocess
import threading
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, replace
from functools import partial
from hashlib import sha256
from typing import Any

import numpy as np

from semsearch import settings, subprocesses
from semsearch.embedding.cache import read_info
from semsearch.embedding.cross_encoder import Reranker, open_reranker
from semsearch.embedding.model_info import ModelInfo
from semsearch.embedding.resolve import ModelSource, resolve
from semsearch.errors import ModelError, SemsearchError, UsageError
from semsearch.evaluation.index_copies import copy_with_model
from semsearch.evaluation.query_sets import QuerySet
from semsearch.indexing.options import Progress
from semsearch.progress import Announce
from semsearch.storage.catalog import Catalog
from semsearch.storage.copy import copy_index
from semsearch.storage.lock import WriterLock
from semsearch.storage.snapshot import Reader, Snapshot
from semsearch.tuning.batches import batches
from semsearch.tuning.judging import MODES, Advance, TuneReport, compared, unadapted, values
from semsearch.tuning.lesson import FEWEST_QUESTIONS, embedder_of, lesson_of
from semsearch.tuning.negatives import mine
from semsearch.tuning.pairs import folded, known_pairs, made_pairs, overlapping, texts
from semsearch.tuning.questions import QuestionSource, collect
from semsearch.tuning.train import LOSSES, Job, last_whole
from semsearch.tuning.written import QUESTIONS_FILE

_MOST_HELD_OUT = 500
_MADE_PAIRS = 2000
# Files of the working folder: its lock, and what was asked for.
_LOCK, _KEY = "lock", "key"
# Texts that are no answer beside each one that is. Half of Cranfield's labels, dense nDCG@10 on the other half: without
# +0.009, one +0.013, three +0.019 to +0.023 (`python -m benchmarks.fine_tuning`).
_NEGATIVES = {"multiple-negatives": 3, "triplet": 1, "distillation": 4}


@dataclass(frozen=True)
class TrainOptions:
    """`output`: the folder of the trained model. `epochs`: how often each pair is learnt from.

    `loss`: one of `train.LOSSES`; None: distillation with a `teacher`, the name of a cross-encoder, else
    multiple-negatives.
    """

    output: str
    loss: str | None = None
    teacher: str | None = None
    epochs: int = 1
    batch_size: int = 32
    learning_rate: float = 2e-5

    def chosen_loss(self) -> str:
        """Raises `UsageError` for one there is not, and where loss and teacher do not fit."""
        loss = self.loss or ("distillation" if self.teacher else "multiple-negatives")
        if loss not in LOSSES:
            raise UsageError(f"there is no loss {loss}", f"use one of: {', '.join(LOSSES)}")
        if (loss == "distillation") != (self.teacher is not None):
            raise UsageError(
                "--loss distillation and --teacher belong together",
                "name a cross-encoder: --teacher MODEL",
            )
        return loss


def tune_model(
    index: str | None,
    source: QuestionSource,
    options: TrainOptions,
    announce: Announce,
    advance: Advance,
    *,
    wait: bool = False,
) -> TuneReport:
    """Trains the model of the index and judges it. Raises `SemsearchError`.

    The trained model goes to `options.output` whether it is better or not; the index stays as it is.
    """
    path = settings.index_for_reading(index)
    loss = options.chosen_loss()
    output = os.path.abspath(os.path.expanduser(options.output))
    _check(options)
    _check_free(output)
    model = _model_of(path)
    teacher = None if options.teacher is None else open_reranker(options.teacher, announce)
    folder = _working_folder(output)
    with WriterLock(os.path.join(folder, _LOCK), wait):
        _check_free(output)  # another run may have ended while this one waited
        notices: list[str] = []
        try:
            # Of its own, so that nothing changes while it is learnt from and judged by.
            copy_index(path, os.path.join(folder, "index"))
            asked, sets = collect(os.path.join(folder, "index"), source, folder, announce, notices)
            held_out, learnt_from = _halves(sets)
        except SemsearchError:
            # Nothing to go on with, unless a model has been asked to write questions.
            if not {_KEY, QUESTIONS_FILE} & set(os.listdir(folder)):
                shutil.rmtree(folder, ignore_errors=True)
            raise
        rows = _rows(asked, learnt_from, held_out, source, loss, teacher, announce, advance, notices)
        # The other losses look at each row alone.
        grouped = batches(rows, options.batch_size) if loss == "multiple-negatives" else None
        learnt = len(rows) if grouped is None else sum(map(len, grouped))
        if learnt < len(rows):
            announce(f"{len(rows) - learnt:,} of {len(rows):,} pairs left out: too many answers beside their questions")
        trained = _trained(folder, model, rows, grouped, loss, options, announce, advance)
        report = _judged(path, asked, held_out, folder, trained, model, announce, advance, notices)
        report = replace(report, output=output, pairs=learnt, dim=model.dim)
        _write_card(trained, model, report, loss, options)
        _check_free(output)
        os.rename(trained, output)
        shutil.rmtree(folder, ignore_errors=True)
    return report


def _working_folder(output: str) -> str:
    """The folder of what is not finished, made if it is not there. Raises `UsageError` for one that is another's."""
    folder = output + ".unfinished"
    try:
        os.makedirs(folder, exist_ok=True)
        there = os.listdir(folder)
    except OSError as error:
        raise UsageError(f"cannot write {folder}: {error.strerror}", "name a folder that can be made") from None
    if there and _LOCK not in there:
        raise UsageError(f"{folder} is already there, and not by tune", "name another folder for --output")
    return folder


def _check(options: TrainOptions) -> None:
    missing = [name for name in ("accelerate", "datasets") if importlib.util.find_spec(name) is None]
    if missing:
        raise SemsearchError(
            f"training a model needs {' and '.join(missing)}",
            "install what is missing with: pip install 'semsearch[tune]'",
            code="tune_missing",
        )
    for name, value, least in (("--epochs", options.epochs, 1), ("--batch-size", options.batch_size, 2)):
        if value < least:
            raise UsageError(f"{name} {value} is too small", f"use {least} or more")
    if not 0 < options.learning_rate < 1:
        raise UsageError(f"--learning-rate {options.learning_rate:g} is out of range", "use a number like 2e-5")


def _check_free(output: str) -> None:
    if os.path.lexists(output) and not (os.path.isdir(output) and not os.listdir(output)):
        raise UsageError(f"{output} is already there", "name a new folder for --output, or remove that one")


@dataclass(frozen=True)
class _Model:
    """The model of the index on this machine.

    `dims`: the lengths its vectors may have, where they may be cut; `dim`: to which they are cut in the index.
    """

    source: ModelSource
    info: ModelInfo
    dims: tuple[int, ...]
    dim: int | None


def _model_of(index: str) -> _Model:
    """The model that is to be trained. Raises `ModelError` where it cannot be."""
    reader = Reader(index)
    try:
        info = reader.read(lambda snapshot: (embedder_of(snapshot, lambda message: None), snapshot.model())[1])
    finally:
        reader.close()
    assert info is not None
    if info.is_api or info.runtime == "static":
        raise ModelError(
            f"{info.name} cannot be trained here",
            "learn a map of its query vectors with: semsearch tune --adapter",
            code="model_not_trainable",
        )
    source = resolve(info.name)
    if source.fingerprint != info.fingerprint:
        raise ModelError(
            f"the index was made with another {info.name} than the one on this machine",
            f"re-encode it with: semsearch index --rebuild --model {info.name}",
            code="model_mismatch",
        )
    if source.card is not None and source.card.remote_code:
        raise ModelError(
            f"{info.name} runs code of its own, and cannot be trained here",
            "learn a map of its query vectors with: semsearch tune --adapter",
            code="model_not_trainable",
        )
    record = read_info(source.cache_path())
    full = record["info"]["dim"] if record is not None else info.dim
    dim = info.dim if info.dim < full else None
    known = source.card.matryoshka if source.card is not None else ()
    shorter = {length for length in known if length < full} | ({dim} if dim else set())
    return _Model(source, info, tuple(sorted({full, *shorter}, reverse=True)) if shorter else (), dim)


def _halves(sets: list[QuerySet]) -> tuple[list[QuerySet], list[QuerySet]]:
    """(held out, learnt from): half of the questions of each set, drawn by lot, but so many at most."""
    # The same question may stand in several sets, and under several ids.
    texts_of = [{name: folded(one.queries[name]) for name in one.qrels} for one in sets]
    questions = sorted({text for of_set in texts_of for text in of_set.values()})
    order = np.random.default_rng(1).permutation(len(questions))
    chosen = {questions[number] for number in order[: min(len(questions) // 2, _MOST_HELD_OUT)]}
    held_out: list[QuerySet] = []
    rest: list[QuerySet] = []
    for one, texts_of_set in zip(sets, texts_of, strict=True):
        for part, held in ((held_out, True), (rest, False)):
            qrels = {name: judged for name, judged in one.qrels.items() if (texts_of_set[name] in chosen) == held}
            part.append(replace(one, queries={name: one.queries[name] for name in qrels}, qrels=qrels))
    if _count(held_out) < FEWEST_QUESTIONS:
        raise UsageError(
            f"{_count(sets)} questions are too few: half are held out to judge by",
            f"bring {2 * FEWEST_QUESTIONS} or more: --queries FILE --qrels FILE, or --questions N",
        )
    return held_out, rest


def _count(sets: list[QuerySet]) -> int:
    return sum(len(one.qrels) for one in sets)


def _rows(
    asked: str,
    learnt_from: list[QuerySet],
    held_out: list[QuerySet],
    source: QuestionSource,
    loss: str,
    teacher: Reranker | None,
    announce: Announce,
    advance: Advance,
    notices: list[str],
) -> list[dict[str, Any]]:
    """What is learnt from: query, positive and negatives; with a teacher their scores, too."""
    # Nobody writes to this copy, and what fails while much is computed is no damage of an index: no `Reader`.
    with closing(Snapshot(asked)) as snapshot:
        lesson = lesson_of(snapshot, learnt_from, announce)
        queries = [learnt_from[number].queries[query] for number, query in lesson.names]
        pairs = known_pairs(snapshot, lesson, queries)
        positives = lesson.passages[np.searchsorted(lesson.ids, [pair.chunk for pair in pairs])]
        if source.is_made:
            # There are only the documents to learn from: from what they say of themselves, as much as there is.
            answers = overlapping(
                snapshot, {int(chunk) for one in held_out for of in one.qrels.values() for chunk in of}
            )
            texts_held = [text for one in held_out for text in one.queries.values()]
            more = made_pairs(snapshot, _MADE_PAIRS, answers, [*texts_held, *queries])
            if more:
                positives = np.concatenate([positives, lesson.embedder.encode([pair.positive for pair in more])])
            pairs += more
        count = _NEGATIVES[loss]
        announce(f"looking for passages that only seem to answer {len(pairs):,} pairs")
        hear = partial(advance, "looking for negatives")
        guard = loss != "distillation"  # a teacher says itself what answers
        mined = mine(snapshot, lesson, pairs, positives, count, hear, guard)
        text_of = texts(snapshot.catalog, {chunk for chunks in mined for chunk in chunks})
    rows: list[dict[str, Any]] = [
        {"query": pair.query, "positive": pair.positive, "negatives": [text_of[chunk] for chunk in chunks]}
        for pair, chunks in zip(pairs, mined, strict=True)
        if len(chunks) == count
    ]
    if len(rows) < FEWEST_QUESTIONS:
        raise UsageError(
            f"{len(rows)} pairs of a question and its answer are too few to learn from", "index more documents"
        )
    if len(rows) < len(pairs):
        notices.append(f"{len(pairs) - len(rows):,} of {len(pairs):,} pairs left out: all else may answer them, too")
    if teacher is not None:
        announce(f"{teacher.name} scores {len(rows):,} questions with {count + 1} passages each")
        for number, row in enumerate(rows, 1):
            passages = [row["positive"], *row["negatives"]]
            row["scores"] = teacher.logits([(row["query"], text) for text in passages]).tolist()
            advance("scoring", number, len(rows))
    return rows


def _trained(
    folder: str,
    model: _Model,
    rows: list[dict[str, Any]],
    grouped: list[list[int]] | None,
    loss: str,
    options: TrainOptions,
    announce: Announce,
    advance: Advance,
) -> str:
    """The folder of the trained model: of an earlier run with the same rows and options, or trained now."""
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
        loss=loss,
        epochs=options.epochs,
        batch_size=options.batch_size,
        learning_rate=options.learning_rate,
        dims=model.dims,
        batches=grouped,
    )
    key = sha256(json.dumps([asdict(job), model.info.fingerprint, lines]).encode()).hexdigest()
    if _read(os.path.join(folder, _KEY)) != key:
        with suppress(FileNotFoundError):
            os.unlink(os.path.join(folder, _KEY))
        for stale in (target, checkpoints):
            shutil.rmtree(stale, ignore_errors=True)
        # The key last: it says that the others are whole.
        for name, content in (("rows.jsonl", lines), ("job.json", json.dumps(asdict(job), indent=1)), (_KEY, key)):
            with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
                file.write(content)
    if os.path.isdir(target):
        announce("the model was trained before; judging it")
        return target
    if last_whole(checkpoints) is not None:
        announce("going on where training was cut off")
    announce(f"training {model.info.name} on {len(rows):,} pairs (Ctrl-C: the same command goes on later)")
    _run_trainer(os.path.join(folder, "job.json"), model.info.name, advance)
    return target


def _run_trainer(job: str, name: str, advance: Advance) -> None:
    process = subprocesses.start(
        "semsearch.tuning.train",
        [job],
        {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", "TQDM_DISABLE": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
    )
    assert process.stdout is not None and process.stderr is not None
    errors: list[str] = []
    # Read beside stdout, lest either pipe runs full.
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


def _judged(
    path: str,
    asked: str,
    held_out: list[QuerySet],
    folder: str,
    trained: str,
    model: _Model,
    announce: Announce,
    advance: Advance,
    notices: list[str],
) -> TuneReport:
    """Searches for the held-out questions with the model as it was and as it is trained."""
    if Catalog.read(asked, lambda catalog: catalog.setting("adapter")):
        notices.append("compared with searches without the map that tune learnt before, which a new model drops")
    before = asked
    if Catalog.read(asked, lambda catalog: catalog.setting("vectors")):
        # What was lost by quantizing is nothing that training gains.
        before = os.path.join(folder, "before")
        copy_with_model(asked, before, model.info.name, _encoding(announce, advance, "as before"), model.dim)
    after = os.path.join(folder, "after")
    announce(f"encoding the passages with the trained model, for {_count(held_out):,} questions")
    copy_with_model(asked, after, trained, _encoding(announce, advance, "trained"), model.dim)
    rows = []
    for mode in MODES:
        found = [
            values(place, held_out, mode, lambda number, query: unadapted, False, partial(advance, f"{mode}, {when}"))
            for place, when in ((before, "before"), (after, "after"))
        ]
        rows.append(compared(mode, *found))
    return TuneReport(path, _count(held_out), "not trained on", tuple(rows), tuple(notices))


def _encoding(announce: Announce, advance: Advance, name: str) -> Progress:
    """Tells `advance` how far the encoding of passages is."""
    done, total = 0, 0

    def begin(count: int) -> None:
        nonlocal total
        total = count

    def step(count: int) -> None:
        nonlocal done
        done += count
        advance(f"encoding, {name}", done, total)

    return Progress(announce=announce, encoding=begin, encoded=step)


def _write_card(trained: str, model: _Model, report: TuneReport, loss: str, options: TrainOptions) -> None:
    """README.md of the trained model: what it was made from, and what it is worth."""
    lines = [
        f"# {model.info.name}, trained on one's own documents",
        "",
        f"{report.pairs:,} pairs, loss {loss}, {options.epochs} x, batches of {options.batch_size}, learning rate "
        f"{options.learning_rate:g}. nDCG@10 on {report.questions:,} questions it was not trained on:",
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


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        return ""
