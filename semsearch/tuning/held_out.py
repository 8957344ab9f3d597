"""Holds half of the questions out of training, and judges the trained model by them."""

import os
from dataclasses import replace
from functools import partial

import numpy as np

from semsearch.errors import UsageError
from semsearch.evaluation.index_copies import copy_with_model
from semsearch.evaluation.query_sets import QuerySet
from semsearch.indexing.options import Progress
from semsearch.plurals import agreeing, count_of
from semsearch.store.opening import read_index
from semsearch.store.protocol import Snapshot
from semsearch.store.records import DEFAULT_VECTORS
from semsearch.tuning.base_model import BaseModel
from semsearch.tuning.comparison import MODES, Comparison, compare, per_question_ndcg, unadapted
from semsearch.tuning.pairs import query_key
from semsearch.tuning.run_context import RunContext
from semsearch.tuning.training_set import FEWEST_QUESTIONS

_MOST_HELD_OUT = 500


def split_questions(sets: list[QuerySet]) -> tuple[list[QuerySet], list[QuerySet]]:
    """(held out, learnt from): the questions of each set, split at random.

    Half of the questions are held out, at most `_MOST_HELD_OUT`. Raises `UsageError` for too few.
    """
    # The same question may occur in several sets and under several ids: all of them go to one side.
    texts_of = [{name: query_key(one.queries[name]) for name in one.qrels} for one in sets]
    questions = sorted({text for of_set in texts_of for text in of_set.values()})
    order = np.random.default_rng(1).permutation(len(questions))
    chosen = {questions[number] for number in order[: min(len(questions) // 2, _MOST_HELD_OUT)]}
    held_out: list[QuerySet] = []
    rest: list[QuerySet] = []
    for one, texts_of_set in zip(sets, texts_of, strict=True):
        for part, held in ((held_out, True), (rest, False)):
            qrels = {name: judged for name, judged in one.qrels.items() if (texts_of_set[name] in chosen) == held}
            part.append(replace(one, queries={name: one.queries[name] for name in qrels}, qrels=qrels))
    if count_questions(held_out) < FEWEST_QUESTIONS:
        count = count_questions(sets)
        raise UsageError(
            f"{count_of(count, 'question')} {agreeing(count, 'is', 'are')} too few: half are held out to judge by",
            f"bring {2 * FEWEST_QUESTIONS} or more: --queries FILE --qrels FILE, or --questions N",
        )
    return held_out, rest


def count_questions(sets: list[QuerySet]) -> int:
    """How many questions `sets` have."""
    return sum(len(one.qrels) for one in sets)


def judge(
    index: str, held_out: list[QuerySet], folder: str, trained: str, model: BaseModel, context: RunContext
) -> tuple[Comparison, ...]:
    """Compares searches of `index` for the questions `held_out` by `model` and by the model in the folder `trained`.

    Copies of the index that they encoded are made in `folder`.
    """
    if read_index(index, lambda snapshot: snapshot.info().adapter):
        context.notices.append(
            "compared with searches without the map that tune learnt before, which a new model drops"
        )
    before = index
    if read_index(index, _is_quantized):
        # What was lost by quantizing is nothing that training gains.
        before = os.path.join(folder, "before")
        copy_with_model(index, before, model.info.name, _encoding(context, "as before"), model.dim)
    after = os.path.join(folder, "after")
    context.announce(
        f"encoding the passages with the trained model, for {count_of(count_questions(held_out), 'question')}"
    )
    copy_with_model(index, after, trained, _encoding(context, "trained"), model.dim)
    rows = []
    for mode in MODES:
        values = [
            per_question_ndcg(
                place,
                held_out,
                mode,
                lambda number, query: unadapted,
                remember=False,
                done=partial(context.advance, f"{mode}, {when}"),
            )
            for place, when in ((before, "before"), (after, "after"))
        ]
        rows.append(compare(mode, *values, least_gain=0.0 if mode == "dense" else None))
    return tuple(rows)


def _is_quantized(snapshot: Snapshot) -> bool:
    """Whether vectors are kept in another format than in a new index."""
    return dict(snapshot.storage().vectors) != DEFAULT_VECTORS


def _encoding(context: RunContext, name: str) -> Progress:
    """The callbacks of an indexing run that report the encoding of passages to `context`."""
    done, total = 0, 0

    def begin(count: int) -> None:
        nonlocal total
        total = count

    def step(count: int) -> None:
        nonlocal done
        done += count
        context.advance(f"encoding, {name}", done, total)

    return Progress(announce=context.announce, encoding=begin, encoded=step)
