"""`tune --output`: trains the model of an index on questions with known answers, and judges it by others.

Half of the questions are held out: nothing is learnt from them, and the trained model is judged by them, on a copy of
the index that it encoded. What is needed to go on after an interruption lies in the folder `OUTPUT.unfinished`.
"""

import os
import shutil

from semsearch import settings
from semsearch.callbacks import Advance, Announce
from semsearch.embedding.cross_encoder import open_cross_encoder
from semsearch.errors import SemsearchError, UsageError
from semsearch.evaluation.query_sets import QuerySet
from semsearch.extras import check_installed
from semsearch.file_lock import WriterLock
from semsearch.plurals import count_of
from semsearch.store.opening import clone_index
from semsearch.tuning.base_model import base_model_of
from semsearch.tuning.batches import batches
from semsearch.tuning.comparison import TuneReport
from semsearch.tuning.held_out import count_questions, judge, split_questions
from semsearch.tuning.model_card import write_model_card
from semsearch.tuning.query_generation import QUESTIONS_FILE
from semsearch.tuning.question_source import QuestionSource, collect_questions
from semsearch.tuning.run_context import RunContext
from semsearch.tuning.train_options import TrainOptions
from semsearch.tuning.training import KEY_FILE, trained_model
from semsearch.tuning.training_rows import training_rows

_LOCK = "lock"


def tune_model(
    index: str | None,
    source: QuestionSource,
    options: TrainOptions,
    announce: Announce,
    advance: Advance,
    *,
    wait: bool = False,
) -> TuneReport:
    """Trains the model of `index` on questions of `source` and judges it. Raises `SemsearchError`.

    The trained model is written to `options.output` whether it is better or not; the index stays as it is. `wait`: for
    another run with the same output.
    """
    path = settings.index_for_reading(index)
    loss = options.chosen_loss()
    output = os.path.abspath(os.path.expanduser(options.output))
    check_installed("training a model", "tune", "accelerate", "datasets")
    options.check()
    _check_free(output)
    model = base_model_of(path)
    teacher = None if options.teacher is None else open_cross_encoder(options.teacher, announce)
    folder = _working_folder(output)
    context = RunContext(announce, advance)
    with WriterLock(os.path.join(folder, _LOCK), wait):
        _check_free(output)  # another run may have ended while this one waited
        asked, held_out, learnt_from = _questions(path, source, folder, context)
        rows = training_rows(asked, learnt_from, held_out, source.is_synthetic, loss, teacher, context)
        # The other losses look at each row alone.
        grouped = batches(rows, options.batch_size) if loss == "multiple-negatives" else None
        learnt = len(rows) if grouped is None else sum(map(len, grouped))
        if learnt < len(rows):
            left_out = f"{len(rows) - learnt:,} of {count_of(len(rows), 'pair')} left out"
            announce(f"{left_out}: too many answers beside their questions")
        trained = trained_model(folder, model, rows, grouped, options, context)
        compared = judge(asked, held_out, folder, trained, model, context)
        report = TuneReport(
            path,
            count_questions(held_out),
            "not trained on",
            compared,
            tuple(context.notices),
            output=output,
            pairs=learnt,
            dim=model.dim,
        )
        write_model_card(trained, model, report, options)
        _check_free(output)
        os.rename(trained, output)
        shutil.rmtree(folder, ignore_errors=True)
    return report


def _questions(
    index: str, source: QuestionSource, folder: str, context: RunContext
) -> tuple[str, list[QuerySet], list[QuerySet]]:
    """(the copy of `index` in `folder` to search, questions held out, questions to learn from).

    A copy, so that nothing changes while it is learnt from and judged by. Raises `SemsearchError`.
    """
    try:
        copy = os.path.join(folder, "index")
        clone_index(index, copy)
        asked, sets = collect_questions(copy, source, folder, context.announce, context.notices)
        return (asked, *split_questions(sets))
    except SemsearchError:
        # Nothing to go on with, unless a model has been asked to write questions.
        if not {KEY_FILE, QUESTIONS_FILE} & set(os.listdir(folder)):
            shutil.rmtree(folder, ignore_errors=True)
        raise


def _working_folder(output: str) -> str:
    """Makes the folder for unfinished work. Raises `UsageError` where it cannot be made, or was not made by tune."""
    folder = output + ".unfinished"
    try:
        os.makedirs(folder, exist_ok=True)
        there = os.listdir(folder)
    except OSError as error:
        raise UsageError(f"cannot write {folder}: {error.strerror}", "name a folder that can be made") from None
    if there and _LOCK not in there:
        raise UsageError(f"{folder} is already there, and not by tune", "name another folder for --output")
    return folder


def _check_free(output: str) -> None:
    """Raises `UsageError` where there is something at `output`."""
    if os.path.lexists(output) and not (os.path.isdir(output) and not os.listdir(output)):
        raise UsageError(f"{output} is already there", "name a new folder for --output, or remove that one")
