"""Threads that answer, each with what it opened for itself, as a searcher belongs to one thread.

A thread that has had nothing to do for a while ends, and lets go of what it opened.
"""

from __future__ import annotations

import gc
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Protocol, TypeVar

from semsearch.errors import SemsearchError
from semsearch.service.open_indexes import OpenIndexes

Answer = TypeVar("Answer")


class Runs(Protocol):
    """What a thread answers with: `OpenIndexes`, or a process that has them."""

    def run(self, work: Callable[[OpenIndexes], Answer]) -> Answer:
        """What `work` returns or raises."""

    def close(self) -> None:
        """Lets go of what was opened; may be used again."""


class BusyError(SemsearchError):
    """More is asked than can be answered soon."""

    code = "busy"


class Threads:
    """Up to `most` threads that answer what is submitted, in order; each answers with what `open_indexes` gives.

    `most_waiting`: what is submitted while so much waits is refused. `idle_seconds`: after so long without work a
    thread ends. Threads are started when there is work for them.
    """

    def __init__(self, open_indexes: Callable[[], Runs], most: int, most_waiting: int, idle_seconds: float) -> None:
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
            if len(self._waiting) >= self._most_waiting:  # of these, some may have been given up
                self._waiting = deque(one for one in self._waiting if not one[0].cancelled())
            if self._closed or len(self._waiting) >= self._most_waiting:
                raise BusyError("the service has too much to do", "try again in a second")
            self._waiting.append((future, work))
            if self._idle < len(self._waiting) and self._count < self._most:
                self._start()
            else:
                self._change.notify()
        return future

    def _start(self) -> None:
        """Starts a thread. Raises `RuntimeError` where the system has none, and no other thread does what waits."""
        self._count += 1
        try:
            threading.Thread(target=self._answer, name="semsearch-answers", daemon=True).start()
        except BaseException:
            self._count -= 1
            if self._count == 0:
                self._waiting.pop()
                raise
            self._change.notify()

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


def _run(future: Future[Answer], work: Callable[[OpenIndexes], Answer], indexes: Runs) -> None:
    try:
        future.set_result(indexes.run(work))
    except BaseException as error:  # whoever waits for it hears of it
        # Its frames hold what was being worked on.
        future.set_exception(error.with_traceback(None) if isinstance(error, SemsearchError) else error)
