"""A reader asks again where a writer changed the index under it, and says damage where it did not."""

import shutil
from pathlib import Path

import pytest

from semsearch.errors import IndexDamagedError
from semsearch.store.local import reader as reader_module
from semsearch.store.local.checksum import mark_damaged
from semsearch.store.local.reader import OpenSnapshot, Reader, moved_on
from semsearch.store.local.snapshot import LocalSnapshot
from semsearch.store.local.store import LocalStore
from tests.support.corpus import filled, put
from tests.support.local_index import folders, sql


@pytest.fixture
def index(tmp_path: Path) -> Path:
    filled(LocalStore(str(tmp_path / "index")), {"a.md": ["one two", "three"]})
    return tmp_path / "index"


def write_one(index: Path, name: str) -> None:
    with LocalStore(str(index)).write() as writer, writer.transaction() as transaction:
        put(transaction, name, "more")


def test_a_snapshot_is_kept_while_nothing_changes(index: Path) -> None:
    reader = Reader(str(index))
    seen = [reader.read(lambda snapshot: snapshot) for _ in range(2)]
    assert seen[0] is seen[1]
    write_one(index, "b.md")
    assert reader.read(lambda snapshot: snapshot) is not seen[0]
    reader.close()


def test_what_is_missing_because_of_a_writer_is_asked_for_again(index: Path) -> None:
    asked = []

    def question(snapshot: LocalSnapshot) -> int:
        asked.append(1)
        if len(asked) == 1:
            write_one(index, "b.md")
            raise IndexDamagedError("a segment is missing")
        return snapshot.counts().chunks

    assert Reader(str(index)).read(question) == 3
    assert len(asked) == 2


def test_what_is_damaged_is_said_at_once_with_the_way_to_repair(index: Path) -> None:
    asked = []

    def question(snapshot: LocalSnapshot) -> None:
        asked.append(1)
        raise IndexDamagedError("broken")

    with pytest.raises(IndexDamagedError, match="broken") as raised:
        Reader(str(index)).read(question)
    assert raised.value.hint == f"repair it with: semsearch verify --repair --index {index}"
    assert len(asked) == 1


def test_a_reader_gives_up_on_a_writer_that_never_rests(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader_module, "moved_on", lambda snapshot: True)
    asked = []

    def question(snapshot: LocalSnapshot) -> None:
        asked.append(1)
        raise IndexDamagedError("always moving")

    with pytest.raises(IndexDamagedError):
        Reader(str(index)).read(question)
    assert len(asked) == reader_module._TRIES


def test_errors_of_the_question_are_its_own(index: Path) -> None:
    def question(snapshot: LocalSnapshot) -> None:
        raise KeyError("mine")

    reader = Reader(str(index))
    with pytest.raises(KeyError):
        reader.read(question)
    assert reader.read(lambda snapshot: snapshot.counts().chunks) == 2


def test_an_index_marked_as_damaged_is_not_read(index: Path) -> None:
    mark_damaged(str(index))
    with pytest.raises(IndexDamagedError, match="is not what was written"):
        LocalStore(str(index)).read(lambda snapshot: snapshot.counts())


def test_a_mark_made_while_a_writer_works_is_seen(index: Path) -> None:
    store = LocalStore(str(index))

    def question(snapshot: LocalSnapshot) -> int:
        mark_damaged(str(index))
        return snapshot.counts().chunks

    with store.write() as writer:
        with writer.transaction() as transaction:
            put(transaction, "b.md", "more")
        with pytest.raises(IndexDamagedError):
            LocalStore(str(index)).read(question)


def test_moved_on_compares_segments(index: Path) -> None:
    with LocalStore(str(index)).write() as writer:
        with writer.transaction() as transaction:
            put(transaction, "b.md", "more")
        snapshot = OpenSnapshot(str(index))  # beside a log: only the segments tell
        assert not snapshot.reusable()
        assert not moved_on(snapshot)
        with writer.transaction() as transaction:
            put(transaction, "c.md", "more")
        assert moved_on(snapshot)
        snapshot.close()
    quiet = OpenSnapshot(str(index))
    assert quiet.reusable() and not moved_on(quiet)
    sql(index, "DROP TABLE segments", checksum=True)
    assert moved_on(quiet)
    quiet.close()


def test_a_segment_that_is_gone_is_damage(index: Path) -> None:
    shutil.rmtree(folders(index, "lex")[0])
    with pytest.raises(IndexDamagedError, match="is missing"):
        LocalStore(str(index)).read(lambda snapshot: snapshot.languages())
