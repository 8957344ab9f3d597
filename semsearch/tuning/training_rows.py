"""The rows a model is trained on: a question, a text that answers it, and texts that do not."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from semsearch.embedding.cross_encoder import CrossEncoder
from semsearch.embedding.embedder import Vectors
from semsearch.errors import UsageError
from semsearch.evaluation.query_sets import QuerySet
from semsearch.plurals import agreeing, count_of
from semsearch.store.opening import read_index
from semsearch.store.protocol import Snapshot
from semsearch.tuning.negatives import MiningOptions, mine_negatives
from semsearch.tuning.pairs import Pair, chunks_sharing_lines, encoded_texts, known_pairs, synthetic_pairs
from semsearch.tuning.run_context import RunContext
from semsearch.tuning.training_set import FEWEST_QUESTIONS, TrainingSet, training_set_of

# Most pairs that are made from the documents.
_SYNTHETIC_PAIRS = 2000
# Negatives of each row, by loss. Half of Cranfield's labels, dense nDCG@10 on the other half: without any +0.009, one
# +0.013, three +0.019 to +0.023 (`python -m benchmarks.fine_tuning`).
NEGATIVES = {"multiple-negatives": 3, "triplet": 1, "distillation": 4}


def training_rows(
    index: str,
    learnt_from: list[QuerySet],
    held_out: list[QuerySet],
    synthetic: bool,
    loss: str,
    teacher: CrossEncoder | None,
    context: RunContext,
) -> list[dict[str, Any]]:
    """Rows with `query`, `positive` and `negatives`, from the questions `learnt_from` over `index`.

    `synthetic`: the questions were made from the documents; then more pairs are, from passages that answer none of the
    questions `held_out`. With a `teacher` each row has `scores`, its logits of the positive and the negatives. Raises
    `UsageError` where too few rows are left.
    """
    # A teacher says itself what answers.
    mining = MiningOptions(NEGATIVES[loss], exclude_likely_answers=loss != "distillation")
    # Nobody writes to this copy: it is gone through once.
    pairs, mined, text_of = read_index(
        index, lambda snapshot: _mined(snapshot, learnt_from, held_out if synthetic else None, mining, context)
    )
    rows: list[dict[str, Any]] = [
        {"query": pair.query, "positive": pair.positive, "negatives": [text_of[chunk] for chunk in chunks]}
        for pair, chunks in zip(pairs, mined, strict=True)
        if len(chunks) == mining.count
    ]
    if len(rows) < FEWEST_QUESTIONS:
        are = agreeing(len(rows), "is", "are")
        raise UsageError(
            f"{count_of(len(rows), 'pair')} of a question and its answer {are} too few to learn from",
            "index more documents",
        )
    if len(rows) < len(pairs):
        context.notices.append(
            f"{len(pairs) - len(rows):,} of {count_of(len(pairs), 'pair')} left out: all else may answer them, too"
        )
    if teacher is not None:
        _add_scores(rows, teacher, context)
    return rows


def _mined(
    snapshot: Snapshot,
    learnt_from: list[QuerySet],
    held_out: list[QuerySet] | None,
    mining: MiningOptions,
    context: RunContext,
) -> tuple[list[Pair], list[list[int]], dict[int, str]]:
    """(pairs, for each of them the ids of its negatives, id -> text of these); `held_out` None: no pairs are made."""
    training_set = training_set_of(snapshot, learnt_from, context.announce)
    queries = [learnt_from[number].queries[query] for number, query in training_set.names]
    pairs = known_pairs(snapshot, training_set, queries)
    positives = training_set.passages[np.searchsorted(training_set.ids, [pair.chunk for pair in pairs])]
    if held_out is not None:
        more = _more_pairs(snapshot, held_out, queries)
        pairs += more
        positives = _with_positives(positives, more, training_set)
    context.announce(f"looking for passages that only seem to answer {count_of(len(pairs), 'pair')}")
    advance = partial(context.advance, "looking for negatives")
    mined = mine_negatives(snapshot, training_set, pairs, positives, mining, advance)
    return pairs, mined, encoded_texts(snapshot, {chunk for chunks in mined for chunk in chunks})


def _more_pairs(snapshot: Snapshot, held_out: Sequence[QuerySet], queries: Sequence[str]) -> list[Pair]:
    """Pairs made from passages that answer no question of `held_out`, with other questions than these and `queries`."""
    answers = {int(chunk) for one in held_out for gains in one.qrels.values() for chunk in gains}
    held_out_queries = [text for one in held_out for text in one.queries.values()]
    without = chunks_sharing_lines(snapshot, answers)
    return synthetic_pairs(snapshot, _SYNTHETIC_PAIRS, without, [*held_out_queries, *queries])


def _with_positives(positives: Vectors, pairs: Sequence[Pair], training_set: TrainingSet) -> Vectors:
    """`positives` (n, dim) and, below them, the vectors of the positive texts of `pairs`."""
    if not pairs:
        return positives
    return np.concatenate([positives, training_set.embedder.encode([pair.positive for pair in pairs])])


def _add_scores(rows: list[dict[str, Any]], teacher: CrossEncoder, context: RunContext) -> None:
    """Adds to each row the `scores` that `teacher` gives its positive and its negatives."""
    compared = count_of(1 + len(rows[0]["negatives"]), "passage")
    context.announce(f"{teacher.name} scores {count_of(len(rows), 'question')} with {compared} each")
    for number, row in enumerate(rows, 1):
        passages = [row["positive"], *row["negatives"]]
        row["scores"] = teacher.logits([(row["query"], text) for text in passages]).tolist()
        context.advance("scoring", number, len(rows))
