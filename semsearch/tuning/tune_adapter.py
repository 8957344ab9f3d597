"""`tune --adapter`: learns an adapter of queries, judges it on questions it did not see, keeps it if it is better."""

import tempfile
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from semsearch import settings
from semsearch.dense.adapter import Adapter
from semsearch.errors import SemsearchError
from semsearch.progress import Announce
from semsearch.storage.snapshot import Reader
from semsearch.storage.writer import IndexWriter
from semsearch.tuning.adapter import Relevance, folds, learn
from semsearch.tuning.judging import MODES, Advance, TuneReport, compared, unadapted, values
from semsearch.tuning.lesson import Lesson, lesson_of
from semsearch.tuning.questions import QuestionSource, collect

_FOLDS = 5
# Passages beside which the right ones must stand out: more make learning slower, not better.
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
    """Learns and judges an adapter; the index changes only when it is better. Raises `SemsearchError`."""
    path = settings.index_for_reading(index)
    notices: list[str] = []
    with tempfile.TemporaryDirectory(prefix="semsearch-tune-") as folder:
        asked, sets = collect(path, source, folder, announce, notices)
        reader = Reader(asked)
        try:
            lesson = reader.read(lambda snapshot: lesson_of(snapshot, sets, announce))
            if reader.read(lambda snapshot: snapshot.catalog.setting("adapter")):
                notices.append("compared with searches without what was learnt before")
        finally:
            reader.close()
        passages, relevant = relevance(lesson)
        adapters: dict[tuple[int, str], Adapter] = {}
        for held_out, rest in folds(len(lesson.names), _FOLDS):
            learnt = learn(lesson.queries[rest], passages, relevant[rest])
            adapters.update((lesson.names[number], learnt) for number in held_out)
        rows = []
        for mode in MODES:
            # Asked of a provider, each question is to be paid once; else thousands would only fill the cache.
            ask = partial(values, asked, sets, mode, remember=lesson.model["runtime"].startswith("api-"))
            before = ask(lambda number, query: unadapted, done=partial(advance, f"{mode}, before"))
            after = ask(lambda number, query: adapters[number, query], done=partial(advance, f"{mode}, after"))
            rows.append(compared(mode, before, after))
    report = TuneReport(path, len(lesson.names), f"{_FOLDS} folds", tuple(rows), tuple(notices))
    if not report.better or dry_run:
        return report
    adapter = learn(lesson.queries, passages, relevant)
    with IndexWriter(path, wait) as writer, writer.commit():
        if writer.catalog.setting("model") != lesson.model:
            raise SemsearchError("the index changed its model meanwhile; nothing was changed", "run tune again")
        writer.catalog.set_setting("adapter", {**adapter.as_record(), "questions": len(lesson.queries)})
    return replace(report, changed=True)


def drop_adapter(index: str | None, wait: bool) -> bool:
    """Takes the adapter out of the index; returns whether there was one."""
    path = settings.index_for_reading(index)
    with IndexWriter(path, wait) as writer:
        if not writer.catalog.setting("adapter"):
            return False
        with writer.commit():
            writer.catalog.set_setting("adapter", None)
    return True


def relevance(lesson: Lesson) -> tuple[NDArray[np.float32], Relevance]:
    """The passages to learn beside (m, dim), and how much each answers each question (n, m): those that answer, and as
    many others as there is room for."""
    kept = np.arange(len(lesson.ids))
    if len(kept) > _MOST_PASSAGES:
        right = {row for found in lesson.right for row, _ in found}
        others = np.random.default_rng(1).choice(kept, _MOST_PASSAGES, replace=False)
        kept = np.union1d(others, np.array(sorted(right), np.int64))
    place = {int(row): number for number, row in enumerate(kept)}
    relevant = np.zeros((len(lesson.names), len(kept)), np.float32)
    for number, found in enumerate(lesson.right):
        for row, gain in found:
            relevant[number, place[row]] = gain
    return lesson.passages[kept], relevant
