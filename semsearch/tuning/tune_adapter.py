"""`tune --adapter`: learns an adapter of query vectors, judges it on held-out questions, keeps it if it is better."""

import tempfile
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from semsearch import settings
from semsearch.callbacks import Advance, Announce
from semsearch.dense.query_adapter import Adapter
from semsearch.errors import SemsearchError
from semsearch.store.opening import check_writable, open_store, read_index
from semsearch.tuning.adapter_learning import Relevance, folds, learn_adapter
from semsearch.tuning.comparison import MODES, TuneReport, compare, per_question_ndcg, unadapted
from semsearch.tuning.question_source import QuestionSource, collect_questions
from semsearch.tuning.training_set import TrainingSet, training_set_of

_FOLDS = 5
# Most passages to learn beside: more make learning slower, not better.
_MOST_PASSAGES = 20_000


def tune_adapter(
    index: str | None,
    source: QuestionSource,
    announce: Announce,
    advance: Advance,
    *,
    dry_run: bool = False,
    wait: bool = False,
) -> TuneReport:
    """Learns an adapter from the questions of `source` and judges it; writes it to `index` only when it is better.

    `dry_run`: never writes it; `wait`: for another process that is writing. Raises `SemsearchError`.
    """
    path = settings.index_for_reading(index)
    if not dry_run:
        check_writable(path)
    notices: list[str] = []
    with tempfile.TemporaryDirectory(prefix="semsearch-tune-") as folder:
        asked, sets = collect_questions(path, source, folder, announce, notices)
        training_set = read_index(asked, lambda snapshot: training_set_of(snapshot, sets, announce))
        if read_index(asked, lambda snapshot: snapshot.info().adapter):
            notices.append("compared with searches without what was learnt before")
        passages, relevant = relevance(training_set)
        adapters: dict[tuple[int, str], Adapter] = {}
        for held_out, rest in folds(len(training_set.names), _FOLDS):
            learnt = learn_adapter(training_set.queries[rest], passages, relevant[rest])
            adapters.update((training_set.names[number], learnt) for number in held_out)
        # A provider is to be paid once for each question; other models would only fill the cache.
        by_provider = training_set.model.is_api
        rows = []
        for mode in MODES:
            ask = partial(per_question_ndcg, asked, sets, mode, remember=by_provider)
            before = ask(lambda number, query: unadapted, done=partial(advance, f"{mode}, before"))
            after = ask(lambda number, query: adapters[number, query], done=partial(advance, f"{mode}, after"))
            # Whoever searches by meaning and by words loses nothing.
            rows.append(compare(mode, before, after, least_gain=0.0 if mode == "dense" else None))
    report = TuneReport(path, len(training_set.names), f"{_FOLDS} folds", tuple(rows), tuple(notices))
    if not report.better or dry_run:
        return report
    adapter = learn_adapter(training_set.queries, passages, relevant)
    with open_store(path).write(wait, announce=announce) as writer:
        info = writer.snapshot().info()
        if info.model != training_set.model:
            raise SemsearchError("the index changed its model meanwhile; nothing was changed", "run tune again")
        record = {**adapter.as_record(), "questions": len(training_set.queries)}
        with writer.transaction() as transaction:
            transaction.update(replace(info, adapter=record))
    return replace(report, changed=True)


def relevance(training_set: TrainingSet) -> tuple[NDArray[np.float32], Relevance]:
    """(vectors of passages (m, dim), how much each of them answers each question (n, m)), both float32.

    Of a large index: the passages that answer, and others drawn at random, some `_MOST_PASSAGES` in all.
    """
    kept = np.arange(len(training_set.ids))
    if len(kept) > _MOST_PASSAGES:
        right = {row for rows in training_set.right for row, _ in rows}
        others = np.random.default_rng(1).choice(kept, _MOST_PASSAGES, replace=False)
        kept = np.union1d(others, np.array(sorted(right), np.int64))
    place = {int(row): number for number, row in enumerate(kept)}
    relevant = np.zeros((len(training_set.names), len(kept)), np.float32)
    for number, rows in enumerate(training_set.right):
        for row, gain in rows:
            relevant[number, place[row]] = gain
    return training_set.passages[kept], relevant
