"""Threads that answer, each with searchers of its own, as a searcher belongs to one thread; models are shared.

A thread that has had nothing to do for a while ends, and lets go of what it opened.
"""

from __future__ import annotations

import gc
import json
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakValueDictionary

from semsearch import settings
from semsearch.errors import IndexDamagedError, SemsearchError, UsageError
from semsearch.http_limits import Abandoned

if TYPE_CHECKING:
    from semsearch.embedding.embedder import Embedder
    from semsearch.embedding.model_info import ModelInfo
    from semsearch.retrieval.multi_searcher import MultiSearcher
    from semsearch.retrieval.searcher import Searcher

Answer = TypeVar("Answer")


class BusyError(SemsearchError):
    """More is asked than can be answered soon."""

    code = "busy"


class SharedModels:
    """Models that are open, each once for all threads; the last searcher that lets go of one closes it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: WeakValueDictionary[str, Embedder] = WeakValueDictionary()

    def open(self, info: ModelInfo, announce: Callable[[str], None]) -> Embedder:
        """The model that made an index, which recorded `info`. Raises `ModelError`."""
        from semsearch.embedding.open import open_recorded

        if info.is_api:  # it holds nothing, and tells one cache alone what it answered
            return open_recorded(info, announce)
        key = json.dumps(info.as_dict(), sort_keys=True)
        with self._lock:
            embedder = self._open.get(key)
            if embedder is None:
                embedder = self._open[key] = open_recorded(info, announce)
            return embedder


class OpenIndexes:
    """The searcher of one thread over the indexes at `locations`, opened when it is first asked for.

    `names`: what each is called where there are several, as in `MultiSearcher`.
    """

    def __init__(
        self,
        locations: Sequence[str],
        models: SharedModels,
        announce: Callable[[str], None],
        names: Sequence[str] | None = None,
    ) -> None:
        self.locations = tuple(locations)
        self._names = names
        self._models = models
        self._announce = announce
        self._searcher: Searcher | MultiSearcher | None = None

    def searcher(self) -> Searcher | MultiSearcher:
        """Over the only index, or over all of them. Raises `SemsearchError`."""
        if self._searcher is None:
            if len(self.locations) > 1:
                from semsearch.retrieval.multi_searcher import MultiSearcher

                self._searcher = MultiSearcher(self.locations, self._announce, self._models.open, self._names)
            else:
                from semsearch.retrieval.searcher import Searcher

                self._searcher = Searcher(self.locations[0], self._announce, open_model=self._models.open)
        return self._searcher

    def prefixed(self) -> list[tuple[str, str]]:
        """(what stands before the paths that results show, location) of each index."""
        from semsearch.retrieval.searcher import Searcher

        searcher = self.searcher()
        searchers = [searcher] if isinstance(searcher, Searcher) else searcher.searchers
        return [(one.prefix, one.index) for one in searchers]

    def check(self) -> None:
        """Raises `IndexNotFoundError` for an index that is not there any more."""
        for location in self.locations:
            settings.index_for_reading(location)

    def close(self) -> None:
        if self._searcher is not None:
            self._searcher.close()
            self._searcher = None


class Threads:
    """Up to `most` threads that answer what is submitted, in order; each has what `open_indexes` gives.

    `most_waiting`: what is submitted while so much waits is refused. `idle_seconds`: after so long without work a
    thread ends. Threads are started when there is work for them.
    """

    def __init__(
        self, open_indexes: Callable[[], OpenIndexes], most: int, most_waiting: int, idle_seconds: float
    ) -> None:
        self._open_indexes = open_indexes
        self._most = most
        self._most_waiting = most_waiting
        self._idle_seconds = idle_seconds
        self._change = threading.Condition()
        self._waiting: deque[tuple[Future[Any], Callable[[OpenIndexes], Any]]] = deque()
        self._count = 0
        self._idle = 0
        self._closed = False

    @property
    def count(self) -> int:
        """How many threads there are now."""
        return self._count

    def submit(self, work: Callable[[OpenIndexes], Answer]) -> Future[Answer]:
        """What `work` returns for the indexes of a thread. Raises `BusyError`.

        A future that is cancelled before its turn is left out.
        """
        future: Future[Answer] = Future()
        with self._change:
            if self._closed or len(self._waiting) >= self._most_waiting:
                raise BusyError("the service has too much to do", "try again in a second")
            self._waiting.append((future, work))
            if self._idle < len(self._waiting) and self._count < self._most:
                self._count += 1
                threading.Thread(target=self._answer, name="semsearch-answers", daemon=True).start()
            else:
                self._change.notify()
        return future

    def close(self) -> None:
        """Lets the threads end when they have answered what they are at; what waits is cancelled."""
        with self._change:
            self._closed = True
            for future, _ in self._waiting:
                future.cancel()
            self._waiting.clear()
            self._change.notify_all()

    def _answer(self) -> None:
        indexes = self._open_indexes()
        try:
            while (job := self._next()) is not None:
                future, work = job
                if future.set_running_or_notify_cancel():
                    _run(future, work, indexes)
                # Nothing of the last answer is kept while there is nothing to do.
                del job, future, work
        finally:
            indexes.close()
            gc.collect()  # searchers and what they opened know each other

    def _next(self) -> tuple[Future[Any], Callable[[OpenIndexes], Any]] | None:
        """The next work; None where this thread is to end."""
        end = time.monotonic() + self._idle_seconds
        with self._change:
            self._idle += 1
            try:
                while not self._waiting:
                    left = end - time.monotonic()
                    if self._closed or left <= 0:
                        self._count -= 1
                        return None
                    self._change.wait(left)
                return self._waiting.popleft()
            finally:
                self._idle -= 1


def _run(future: Future[Answer], work: Callable[[OpenIndexes], Answer], indexes: OpenIndexes) -> None:
    try:
        future.set_result(work(indexes))
    except BaseException as error:  # whoever waits for it hears of it
        if not isinstance(error, UsageError | Abandoned):
            indexes.close()  # what was opened may be what is wrong: it is opened anew for the next one
        try:
            if isinstance(error, OSError | IndexDamagedError):
                indexes.check()
        except Exception as gone:  # an index that was removed meanwhile, which is not damage
            error = gone
        # Its frames hold what was being worked on.
        future.set_exception(error.with_traceback(None) if isinstance(error, SemsearchError) else error)
