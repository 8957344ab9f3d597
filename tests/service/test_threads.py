"""Threads that answer: what they do where one cannot be had, and with what nobody waits for any more."""

import threading
from contextlib import closing
from typing import Any

import pytest

from semsearch.service.open_indexes import OpenIndexes, SharedModels, Where
from semsearch.service.threads import BusyError, Threads
from tests.support.waiting import CEILING_SECONDS


def threads(most: int, most_waiting: int) -> Threads:
    return Threads(lambda: OpenIndexes(Where([], []), SharedModels(), print), most, most_waiting, 60.0)


def test_what_was_given_up_takes_no_place_in_the_queue() -> None:
    with closing(threads(1, 3)) as few:
        begun, goes_on = threading.Event(), threading.Event()

        def slow(indexes: OpenIndexes) -> bool:
            begun.set()
            return goes_on.wait(CEILING_SECONDS)

        first = few.submit(slow)
        assert begun.wait(CEILING_SECONDS)
        waiting = [few.submit(lambda indexes: "late") for _ in range(3)]
        with pytest.raises(BusyError):
            few.submit(lambda indexes: "refused")
        for one in waiting[:2]:
            one.cancel()
        taken = few.submit(lambda indexes: "taken")
        goes_on.set()
        assert first.result(CEILING_SECONDS) and waiting[2].result(CEILING_SECONDS) == "late"
        assert taken.result(CEILING_SECONDS) == "taken"


def test_a_thread_that_cannot_be_started_is_told_and_started_later(monkeypatch: pytest.MonkeyPatch) -> None:
    def none_left(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    def answer(indexes: OpenIndexes) -> Any:
        return "answered"

    with closing(threads(1, 3)) as few:
        with monkeypatch.context() as patched:
            patched.setattr(threading.Thread, "start", none_left)
            with pytest.raises(RuntimeError, match="can't start"):
                few.submit(answer)
            assert few.count == 0
        assert few.submit(answer).result(CEILING_SECONDS) == "answered"
