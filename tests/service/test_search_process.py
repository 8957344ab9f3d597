"""Processes that search for a service: what they answer, and what happens when one of them ends."""

import errno
import os
import pickle
import shutil
import signal
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest

from semsearch import errors, settings
from semsearch.errors import IndexNotFoundError, ParameterError, SemsearchError, UsageError
from semsearch.indexing import IndexOptions, index_folders
from semsearch.service import parameters
from semsearch.service.open_indexes import OpenIndexes, Where
from semsearch.service.operations import Operations
from semsearch.service.search_process import SearchProcess
from semsearch.subprocesses import core_count
from tests.support.children import children_with
from tests.support.folders import write
from tests.support.waiting import CEILING_SECONDS, wait_until


@pytest.fixture
def operations(documents: Path) -> Iterator[Operations]:
    with closing(Operations([str(documents)], processes=True)) as opened:
        yield opened


def search(operations: Operations, query: str, **asked: Any) -> Any:
    return operations.search(parameters.SEARCH.checked({"query": query, **asked})).result()


def answer(operations: Operations, question: str) -> Any:
    return operations.ask(parameters.ASK.checked({"question": question})).result()


def children() -> list[psutil.Process]:
    """Those that search for this process."""
    return children_with("semsearch.service.search_process")


def test_a_process_answers_as_a_thread_does(operations: Operations, documents: Path) -> None:
    with closing(Operations([str(documents)])) as threads:
        for query, asked in (
            ("ferry harbour", {"k": 7, "offset": 3}),
            ("tides moon", {"type": ["pdf"], "context": 2}),
            ("rotor", {"group": "file", "mode": "lexical"}),
            ("nothingwhatever", {"mode": "lexical"}),
        ):
            there, here = search(operations, query, **asked), search(threads, query, **asked)
            assert replace(there, seconds=0.0) == replace(here, seconds=0.0)
        there, here = answer(operations, "When does the ferry leave?"), answer(threads, "When does the ferry leave?")
        assert there == here
    assert children()


def test_many_at_once_are_searched_side_by_side(documents: Path) -> None:
    with closing(Operations([str(documents)], processes=True)) as operations:
        checked = [parameters.SEARCH.checked({"query": f"ferry {number}"}) for number in range(40)]
        results = [future.result() for future in [operations.search(one) for one in checked]]
        assert all(result.hits for result in results)
        assert len(children()) == operations._searching.count == min(4, core_count())
    wait_until(lambda: not children())


def test_errors_come_as_they_are(operations: Operations, documents: Path) -> None:
    with closing(Operations([str(documents)])) as threads:
        told = []
        for one in (operations, threads):
            with pytest.raises(UsageError, match="empty") as raised:
                search(one, "   ")
            told.append((type(raised.value), raised.value.message, raised.value.hint))
        assert told[0] == told[1]


def test_an_index_that_goes_and_comes_back(tmp_path: Path) -> None:
    write(tmp_path, {"a.txt": "A heron stands in the reeds."})
    index_folders([str(tmp_path)], None, IndexOptions(model="static"))
    with closing(Operations([str(tmp_path)], processes=True)) as operations:
        assert search(operations, "heron").hits
        shutil.rmtree(tmp_path / ".semsearch")
        with pytest.raises(IndexNotFoundError):
            search(operations, "heron")
        write(tmp_path, {"b.txt": "A kingfisher dives."})
        index_folders([str(tmp_path)], None, IndexOptions(model="static"))
        assert {hit.path for hit in search(operations, "kingfisher heron").hits} == {"a.txt", "b.txt"}


def test_one_that_is_killed_while_it_searches_is_told_and_replaced(documents: Path) -> None:
    location = settings.index_for_reading(str(documents))
    with closing(SearchProcess(Where([location], []), print)) as process:
        before = process.run(_process)
        with pytest.raises(SemsearchError, match="signal 9") as raised:
            process.run(_killed)
        assert raised.value.code == "search_process"
        assert process.run(_process) != before


def test_one_that_was_killed_while_it_had_nothing_to_do_is_replaced(documents: Path) -> None:
    location = settings.index_for_reading(str(documents))
    with closing(SearchProcess(Where([location], []), print)) as process:
        before = process.run(_process)
        os.kill(before, signal.SIGKILL)
        assert process._process is not None and process._process.wait(CEILING_SECONDS) == -signal.SIGKILL
        assert process.run(_process) != before


def test_signals_that_are_for_the_service_end_no_process(documents: Path) -> None:
    location = settings.index_for_reading(str(documents))
    with closing(SearchProcess(Where([location], []), print)) as process:
        before = process.run(_process)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            os.kill(before, number)
        assert process.run(_process) == before
    wait_until(lambda: not children())


def test_notices_and_defects_are_told(documents: Path) -> None:
    heard: list[str] = []
    location = settings.index_for_reading(str(documents))
    with closing(SearchProcess(Where([location], []), heard.append)) as process:
        assert process.run(partial(_told, message="a model is prepared")) == "done"
        assert heard == ["a model is prepared"]
        with pytest.raises(RuntimeError, match="ZeroDivisionError"):
            process.run(_wrong)
        assert process.run(partial(_told, message="goes on")) == "done"


def test_processes_end_when_there_is_nothing_to_do(documents: Path) -> None:
    with closing(Operations([str(documents)], processes=True, idle_seconds=0.05)) as operations:
        assert search(operations, "rotor").hits
        wait_until(lambda: not children())
        assert search(operations, "rotor").hits, "they are started again"


def test_every_error_is_the_same_after_pickle() -> None:
    made: list[SemsearchError] = [
        ParameterError("since", "is no date", "write it so"),
        SemsearchError("a", "b", code="c"),
        errors.ReadError("cut off", skip=True),
    ]
    for one in made:
        again = pickle.loads(pickle.dumps(one))
        assert type(again) is type(one) and str(again) == str(one) and vars(again) == vars(one)


def test_what_it_lacks_is_told_as_such_and_no_defect(documents: Path) -> None:
    location = settings.index_for_reading(str(documents))
    with closing(SearchProcess(Where([location], []), print)) as process:
        for raised, code in ((MemoryError(), "shortage"), (OSError(errno.EIO, "the disk fails"), "os")):
            with pytest.raises(SemsearchError) as told:
                process.run(partial(_raise, error=raised))
            assert told.value.code == code


def test_errors_of_connections_and_answers_that_cannot_be_sent_end_no_process(documents: Path) -> None:
    location = settings.index_for_reading(str(documents))
    with closing(SearchProcess(Where([location], []), print)) as process:
        before = process.run(_process)
        for raised in (EOFError("a file was cut off"), ConnectionResetError("the model's server")):
            with pytest.raises((RuntimeError, SemsearchError)):
                process.run(partial(_raise, error=raised))
        with pytest.raises(RuntimeError, match="ickl"):
            process.run(_unsendable)
        assert process.run(_process) == before


def test_no_answer_is_taken_for_that_to_another_question(documents: Path) -> None:
    def wrong(message: str) -> None:
        raise ValueError(message)

    location = settings.index_for_reading(str(documents))
    with closing(SearchProcess(Where([location], []), wrong)) as process:
        with pytest.raises(ValueError, match="a notice"):
            process.run(partial(_told, message="a notice"))
        assert process.run(_process) != os.getpid()


def test_a_log_that_nobody_reads_costs_no_answer(documents: Path) -> None:
    def closed(message: str) -> None:
        raise BrokenPipeError

    location = settings.index_for_reading(str(documents))
    with closing(SearchProcess(Where([location], []), closed)) as process:
        assert process.run(partial(_told, message="a notice")) == "done"


def _process(indexes: OpenIndexes) -> int:
    return os.getpid()


def _killed(indexes: OpenIndexes) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _told(indexes: OpenIndexes, *, message: str) -> str:
    indexes.announce(message)
    return "done"


def _wrong(indexes: OpenIndexes) -> float:
    return 1 / 0


def _raise(indexes: OpenIndexes, *, error: Exception) -> None:
    raise error


def _unsendable(indexes: OpenIndexes) -> object:
    return lambda: None
