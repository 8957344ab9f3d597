"""The operations behind every face, over real indexes that change meanwhile."""

import gc
import shutil
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from semsearch import settings
from semsearch.errors import IndexNotFoundError, ParameterError, UnknownFileError, UsageError
from semsearch.indexing import IndexOptions, index_folders
from semsearch.service import parameters
from semsearch.service.open_indexes import OpenIndexes, SharedModels, Where
from semsearch.service.operations import Operations
from semsearch.service.threads import BusyError, Threads
from semsearch.store.opening import read_index
from tests.support.folders import write
from tests.support.waiting import wait_until


@pytest.fixture
def operations(documents: Path) -> Iterator[Operations]:
    with closing(Operations([settings.index_for_reading(str(documents))])) as opened:
        yield opened


def search(operations: Operations, query: str, **asked: Any) -> Any:
    return operations.search(parameters.SEARCH.checked({"query": query, **asked})).result()


def passage(operations: Operations, path: str, **asked: Any) -> Any:
    return operations.passage(parameters.PASSAGE.checked({"path": path, **asked})).result()


def files(operations: Operations, **asked: Any) -> Any:
    return operations.files(parameters.FILES.checked(asked)).result()


def test_pages_of_results_follow_one_another(operations: Operations) -> None:
    whole = search(operations, "ferry harbour", k=12).hits
    parts = [hit for offset in (0, 5, 10) for hit in search(operations, "ferry harbour", k=5, offset=offset).hits]
    assert [hit.chunk_id for hit in parts[:12]] == [hit.chunk_id for hit in whole]
    assert [hit.rank for hit in parts] == list(range(1, 16))


def test_filters_and_files(operations: Operations) -> None:
    assert {hit.type for hit in search(operations, "tides moon", type=["pdf"]).hits} == {"pdf"}
    listed = files(operations, path=["log/**"], limit=7, offset=28)
    assert listed.total == 30 and len(listed.files) == 2
    assert files(operations).total == 35
    with pytest.raises(UsageError):
        files(operations, type=["nonsense"])
    with pytest.raises(ParameterError, match="since"):
        files(operations, since="whenever")


def test_passages(operations: Operations) -> None:
    shown = passage(operations, "notes/rotor.md", lines="3")
    assert [line.text for line in shown.lines] == [
        "The rotor must not be lifted while gusts exceed 11 metres per second."
    ]
    assert [line.number for line in passage(operations, "notes/rotor.md:10", context=2).lines] == [8, 9, 10, 11, 12]
    assert "moon" in passage(operations, "tides.pdf", page="2").lines[0].text
    assert "moon" in passage(operations, "tides.pdf:p2").lines[0].text
    first = passage(operations, "notes/rotor.md", limit=10)
    then = passage(operations, "notes/rotor.md", limit=10, offset=first.next_offset)
    assert first.next_offset == 10 and then.lines[0].number == (first.lines[-1].number or 0) + 1
    with pytest.raises(UsageError, match="lines and page"):
        passage(operations, "tides.pdf", page="2", lines="1")
    with pytest.raises(UsageError, match="no range"):
        passage(operations, "tides.pdf", lines="p2")


def test_only_indexed_files_are_read(operations: Operations, documents: Path) -> None:
    outside = documents.parent / "outside.txt"
    outside.write_text("secret")
    (documents / "new.txt").write_text("not indexed")
    try:
        for name in (
            "/etc/passwd", str(outside), "../outside.txt", "notes/../../outside.txt", "new.txt",
            str(documents / "new.txt"), ".semsearch/catalog.db", str(documents / ".semsearch" / "catalog.db"), "", ".",
            "\0", "notes",
        ):  # fmt: skip
            with pytest.raises(UnknownFileError):
                passage(operations, name)
        assert passage(operations, str(documents / "notes/rotor.md"), lines="1").total == 1
    finally:
        (documents / "new.txt").unlink()


def test_several_indexes_answer_together(documents: Path, tmp_path: Path) -> None:
    write(tmp_path / "mail", {"a.txt": "The rotor is delivered on Monday."})
    index_folders([str(tmp_path / "mail")], None, IndexOptions(model="static"))
    locations = [settings.index_for_reading(str(folder)) for folder in (documents, tmp_path / "mail")]
    with closing(Operations(locations)) as both:
        assert {hit.path.partition("/")[0] for hit in search(both, "rotor").hits} == {"docs", "mail"}
        assert passage(both, "mail/a.txt").lines[0].text == "The rotor is delivered on Monday."
        assert passage(both, "mail/a.txt").file.path == "mail/a.txt"
        assert passage(both, "docs/notes/rotor.md:3").total == 1
        with pytest.raises(UnknownFileError):
            passage(both, "a.txt")
        assert [file.path for file in files(both, path=["mail/**"]).files] == ["mail/a.txt"]
        assert len(both.status().result()) == 2
        assert both.overview().result().files == 36


def test_an_index_that_changes_is_seen_at_once(tmp_path: Path) -> None:
    write(tmp_path, {"a.txt": "The heron stands in the reeds."})
    index_folders([str(tmp_path)], None, IndexOptions(model="static"))
    location = settings.index_for_reading(str(tmp_path))
    with closing(Operations([location])) as operations:
        assert search(operations, "heron").hits
        write(tmp_path, {"b.txt": "The kingfisher dives from the bridge."})
        index_folders([str(tmp_path)], None, IndexOptions())
        assert search(operations, "kingfisher").hits[0].path == "b.txt"
        shutil.rmtree(location)
        for _ in range(2):
            with pytest.raises(IndexNotFoundError):
                search(operations, "heron")
        with pytest.raises(IndexNotFoundError):
            passage(operations, "a.txt")
        (tmp_path / "a.txt").unlink()
        index_folders([str(tmp_path)], None, IndexOptions(model="static"))
        assert [hit.path for hit in search(operations, "kingfisher heron").hits] == ["b.txt"]


def test_the_model_is_opened_once_and_let_go(documents: Path) -> None:
    models = SharedModels()
    location = settings.index_for_reading(str(documents))
    recorded = read_index(location, lambda snapshot: snapshot.info().model)
    assert recorded is not None
    opened = [OpenIndexes(Where([location], []), models, lambda message: None) for _ in range(2)]
    for one in opened:
        # A query in no cache: such a one needs no model.
        one.searcher().search(f"what the otter said to {uuid4()}")
    embedder = models.open(recorded, lambda message: None)
    assert all(one.searcher()._encoder.embedder.open() is embedder for one in opened)  # type: ignore[union-attr]
    for one in opened:
        one.close()
    del embedder
    gc.collect()
    assert not dict(models._open)


def test_threads_end_when_there_is_nothing_to_do(documents: Path) -> None:
    location = settings.index_for_reading(str(documents))
    with closing(Operations([location], idle_seconds=0.05)) as operations:
        assert search(operations, "rotor").hits
        assert passage(operations, "notes/rotor.md").total
        wait_until(lambda: operations._searching.count == operations._reading.count == 0)
        assert search(operations, "rotor").hits, "they are started again"


def test_too_much_work_is_refused() -> None:
    go = threading.Event()

    def no_indexes() -> OpenIndexes:
        return OpenIndexes(Where([], []), SharedModels(), print)

    threads = Threads(no_indexes, 1, 2, 60.0)
    first = threads.submit(lambda indexes: go.wait())
    wait_until(first.running)
    waiting = [threads.submit(lambda indexes: "done") for _ in range(2)]
    with pytest.raises(BusyError):
        threads.submit(lambda indexes: None)
    waiting[0].cancel()
    go.set()
    assert waiting[1].result() == "done" and waiting[0].cancelled()
    threads.close()
    with pytest.raises(BusyError):
        threads.submit(lambda indexes: None)
