"""`tune --fusion`: learns how much each part of a hybrid ranking counts, judges it by folds, keeps it if it is better.

Questions that are made from the index are of two kinds that err in opposite ways: words of a passage are found by
words, and what was cut out of a passage is found by its meaning. So a change must surely gain on both, and more than
they are wrong by. Each of them has one answer, where a real question often has many: so nothing is learnt from them of
how much neighbours count, which would draw the one answer down.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import product

import numpy as np
from numpy.typing import NDArray

from semsearch import settings
from semsearch.callbacks import Advance, Announce
from semsearch.errors import SemsearchError, UsageError
from semsearch.evaluation.query_sets import MADE_KINDS, QuerySet
from semsearch.plurals import agreeing, count_of
from semsearch.retrieval.fusion_weights import FusionWeights
from semsearch.store.opening import check_writable, open_store, read_index
from semsearch.store.protocol import Snapshot
from semsearch.tuning.adapter_learning import folds
from semsearch.tuning.comparison import Comparison, TuneReport, compare, ndcg_by_weights
from semsearch.tuning.question_source import QuestionSource, collect_questions
from semsearch.tuning.training_set import FEWEST_QUESTIONS

_FOLDS = 5
# More make it slower, not surer.
_MOST_QUESTIONS = 500
_USUAL = FusionWeights()
# A step down and one up from the usual. Mean gain in nDCG@10 on held-out questions of ten labelled collections, up to
# 300 of each: 0.0044; of a finer grid of 112 in the place of 27, which fits chance, 0.0030.
_MEANING = (0.7, 1.0, 1.4)
_NEIGHBOURS = (0.2, 0.4, 0.6)
_LETTERS = (0.2, 0.4, 0.6)
# Without sparse vectors, half of the lexical leg, and in the place of BM25.
_SPARSE = (0.0, 1.0, 2.0)

# How much more than nothing a change must surely gain on made questions. From 500 of each kind, which gained 0.008 and
# 0.013 on Medlars under the static model, weights were learnt by which its own questions lost 0.007.
_MADE_MARGIN = 0.01

# (questions, weights): nDCG@10 of each question of a set under each of the weights.
Values = NDArray[np.float64]


def tune_fusion(
    index: str | None,
    source: QuestionSource,
    announce: Announce,
    advance: Advance,
    *,
    dry_run: bool = False,
    wait: bool = False,
) -> TuneReport:
    """Learns weights from the questions of `source` and judges them; writes them to `index` only where they are better.

    `dry_run`: never writes them; `wait`: for another process that is writing. Raises `SemsearchError`.
    """
    path = settings.index_for_reading(index)
    notices: list[str] = []
    model = read_index(path, lambda snapshot: snapshot.info().model if _is_encoded(snapshot) else None)
    if model is None:
        raise SemsearchError("the index holds no vectors yet", "encode them with: semsearch index", code="no_vectors")
    if not dry_run:
        check_writable(path)
    with tempfile.TemporaryDirectory(prefix="semsearch-tune-") as folder:
        asked, sets = collect_questions(path, source, folder, announce, notices)
        sets = [_drawn(one, notices) for one in sets]
        _check_enough(sets, source)
        if read_index(asked, lambda snapshot: snapshot.info().fusion):
            notices.append("compared with searches without the weights that were learnt before")
        tried = _tried(source, read_index(path, lambda snapshot: snapshot.info().sparse is not None))
        # A provider is to be paid once for each question; other models would only fill the cache.
        values = ndcg_by_weights(asked, sets, tried, model.is_api, partial(advance, "searching by each weight"))
    kinds = ["hybrid, " + one.name for one in sets] if source.is_synthetic else ["hybrid"]
    rows = _judged(kinds, values, _MADE_MARGIN if source.is_synthetic else 0.0)
    learnt = tried[_best(values)]
    count = sum(map(len, values))
    report = TuneReport(path, count, f"{_FOLDS} folds", rows, tuple(notices), weights=learnt.as_dict())
    if not report.better or learnt == _USUAL or dry_run:
        return report
    with open_store(path).write(wait, announce=announce) as writer:
        info = writer.snapshot().info()
        if info.model != model:
            raise SemsearchError("the index changed its model meanwhile; nothing was changed", "run tune again")
        with writer.transaction() as transaction:
            transaction.update(replace(info, fusion={**learnt.as_dict(), "questions": count}))
    return replace(report, changed=True)


def _is_encoded(snapshot: Snapshot) -> bool:
    return len(snapshot.encoded_ids()) > 0


def _tried(source: QuestionSource, has_sparse: bool) -> list[FusionWeights]:
    """The weights to try, the usual ones first; `has_sparse`: the index has learned sparse vectors."""
    shares = _SPARSE if has_sparse else (_USUAL.sparse,)
    if source.is_synthetic:
        every = [FusionWeights(meaning, sparse=share) for meaning, share in product(_MEANING, shares)]
    else:
        every = [FusionWeights(*values) for values in product(_MEANING, _NEIGHBOURS, _LETTERS, shares)]
    return [_USUAL, *(one for one in every if one != _USUAL)]


def _drawn(one: QuerySet, notices: list[str]) -> QuerySet:
    """`one` with at most `_MOST_QUESTIONS`, drawn at random."""
    if len(one.qrels) <= _MOST_QUESTIONS:
        return one
    notices.append(f"{_MOST_QUESTIONS} of {count_of(len(one.qrels), 'question')} were drawn at random")
    names = list(one.qrels)
    chosen = np.sort(np.random.default_rng(1).choice(len(names), _MOST_QUESTIONS, replace=False))
    return replace(one, qrels={names[number]: one.qrels[names[number]] for number in chosen})


def _check_enough(sets: Sequence[QuerySet], source: QuestionSource) -> None:
    """Raises `UsageError` where a kind of questions has too few to learn from."""
    counts = {one.name: len(one.qrels) for one in sets}
    for kind in MADE_KINDS if source.is_synthetic else counts:
        count = counts.get(kind, 0)
        if count < FEWEST_QUESTIONS:
            raise UsageError(
                f"{count_of(count, f'{kind} question')} {agreeing(count, 'is', 'are')} too few to learn from",
                f"bring {FEWEST_QUESTIONS} or more with known answers: --queries FILE --qrels FILE",
            )


def _judged(searches: Sequence[str], values: Sequence[Values], least_gain: float) -> tuple[Comparison, ...]:
    """A comparison for each of `searches`, whose values are given: each question by weights that other folds learnt."""
    after = [one[:, 0].copy() for one in values]
    parts = [folds(len(one), _FOLDS) for one in values]
    for of_sets in zip(*parts, strict=True):
        best = _best([one[rest] for one, (_, rest) in zip(values, of_sets, strict=True)])
        for one, into, (held_out, _) in zip(values, after, of_sets, strict=True):
            into[held_out] = one[held_out, best]
    return tuple(
        compare(search, one[:, 0].tolist(), into.tolist(), least_gain=least_gain)
        for search, one, into in zip(searches, values, after, strict=True)
    )


def _best(values: Sequence[Values]) -> int:
    """The number of the weights that gain most on the kind of questions on which they gain least; 0: none gains."""
    gains = np.min([one.mean(0) - one[:, 0].mean() for one in values], axis=0)
    best = int(gains.argmax())
    return best if gains[best] > 1e-9 else 0
