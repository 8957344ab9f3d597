"""Every engine: what a snapshot says of files, passages and vectors, and that it is of one state."""

import contextlib
from collections.abc import Callable
from dataclasses import replace
from random import Random

import numpy as np
import pytest

from semsearch.errors import IndexDamagedError
from semsearch.store.protocol import Snapshot, Store, Writer
from semsearch.store.records import Position, RunRecord
from tests.support.corpus import (
    INFO,
    MAIL,
    MODEL,
    NOTES,
    SECOND,
    VECTORS,
    chunk,
    encode,
    file_id,
    file_record,
    filled,
    ids_of,
    part,
    put,
    texts_of,
    word,
)

Opener = Callable[[], Store]
FILES = {"a.md": ["red fox", "blue fox"], "b.md": ["green hare"], "c.md": ["grey owl", "white owl", "owl"]}


def test_passages_come_in_the_order_asked(store: Store) -> None:
    filled(store, FILES)
    order = [5, 1, 3, 1]
    assert store.read(lambda snapshot: [one.id for one in snapshot.passages(order)]) == order
    assert store.read(lambda snapshot: snapshot.passages([])) == []
    assert store.read(lambda snapshot: [one.text for one in snapshot.passages([4])]) == ["grey owl"]


@pytest.mark.parametrize("number", [0, 3, 99, -1, 2**40])
def test_a_passage_that_is_not_there_is_damage(store: Store, number: int) -> None:
    filled(store, FILES)
    with store.write() as writer, writer.transaction() as transaction:
        transaction.delete_files([file_id(store, "b.md")])  # chunk 3
    with pytest.raises(IndexDamagedError):
        store.read(lambda snapshot: snapshot.passages([1, number]))
    with pytest.raises(IndexDamagedError):
        store.read(lambda snapshot: snapshot.file_ids(np.array([1, number], np.int64)))
    with pytest.raises(IndexDamagedError):
        store.read(lambda snapshot: list(snapshot.texts(np.array([1, number], np.int64))))
    with pytest.raises(IndexDamagedError):
        store.read(lambda snapshot: snapshot.names(np.array([1, number], np.int64)))


def test_chunks_know_what_their_documents_are_called(store: Store) -> None:
    filled(store, FILES)
    named = store.read(lambda snapshot: snapshot.names(np.array([3, 1, 2, 1], np.int64)))
    assert [one.path for one in named] == [b"b.md", b"a.md", b"a.md", b"a.md"]
    passages = store.read(lambda snapshot: snapshot.passages([3, 1, 2, 1]))
    assert [(one.title, one.language) for one in named] == [(one.file.title, one.file.language) for one in passages]
    assert store.read(lambda snapshot: snapshot.names(np.empty(0, np.int64))) == []


def test_neighbours_stay_in_their_file(store: Store) -> None:
    filled(store, FILES)

    def near(number: int, count: int) -> list[int]:
        return store.read(lambda snapshot: [one.id for one in snapshot.neighbours(number, count)])

    assert near(5, 1) == [4, 5, 6]
    assert near(4, 1) == [4, 5]
    assert near(2, 9) == [1, 2]
    assert near(3, 2) == [3]
    assert near(5, 0) == [5]


def test_chunks_know_their_files(store: Store) -> None:
    filled(store, FILES)
    a, b = file_id(store, "a.md"), file_id(store, "b.md")
    assert store.read(lambda snapshot: snapshot.file_ids(np.array([3, 2, 1], np.int64)).tolist()) == [b, a, a]
    assert store.read(lambda snapshot: snapshot.file_ids(np.empty(0, np.int64)).tolist()) == []
    assert store.read(lambda snapshot: snapshot.passages_of(12345)) == []
    assert store.read(lambda snapshot: snapshot.file(NOTES.id, b"nothing")) is None


def test_files_are_told_by_root_and_by_stamp(store: Store) -> None:
    with store.write() as writer, writer.transaction() as transaction:
        transaction.update(INFO)
        put(transaction, "a.md", "one", size=1)
        put(transaction, "old.md", "two", generation=1)
        put(transaction, "racy.md", "three", mtime_ns=10 * SECOND, scanned_ns=12 * SECOND)
        put(transaction, "just.md", "four", size=4, mtime_ns=10 * SECOND, scanned_ns=12 * SECOND + 1)
        transaction.put_file(file_record("pic.png", status="skipped", reason="a picture", size=5), ())
        transaction.put_file(file_record("bad.pdf", MAIL, status="failed", reason="no password"), ())
        transaction.put_file(file_record("m.md", MAIL), [part("five")])

    def ask(snapshot: Snapshot) -> None:
        notes = {b"a.md", b"old.md", b"racy.md", b"just.md", b"pic.png"}
        assert snapshot.paths(NOTES.id) == {file.path for file in snapshot.files(NOTES.id)} == notes
        assert {file.path for file in snapshot.files()} == notes | {b"bad.pdf", b"m.md"}
        assert snapshot.paths(99) == set()
        mtime_ns = 1_600_000_000 * SECOND
        assert snapshot.stamps(NOTES.id, INFO.generation, 2 * SECOND) == {
            b"a.md": (1, mtime_ns, 7),
            b"just.md": (4, 10 * SECOND, 7),
            b"pic.png": (5, mtime_ns, 7),
        }
        assert snapshot.left_out(NOTES.id) == {b"pic.png": ("skipped", "a picture")}
        assert snapshot.left_out(MAIL.id) == {b"bad.pdf": ("failed", "no password")}
        counts = snapshot.counts()
        assert (counts.indexed, counts.skipped, counts.failed, counts.chunks) == (5, 1, 1, 5)

    store.read(ask)


def test_names_that_are_no_text_are_kept_as_they_are(store: Store) -> None:
    name = b"caf\xe9/\x01\xff.md"
    with store.write() as writer, writer.transaction() as transaction:
        transaction.update(INFO)
        transaction.put_file(replace(file_record("x"), path=name), [part("x")])
    assert store.read(lambda snapshot: snapshot.paths(NOTES.id)) == {name}
    assert store.read(lambda snapshot: [one.file.path for one in snapshot.passages([1])]) == [name]


def test_languages_are_those_of_the_chunks(store: Store) -> None:
    with store.write() as writer, writer.transaction() as transaction:
        transaction.update(INFO)
        transaction.put_file(file_record("a.md"), [part("one", language="en")])
        transaction.put_file(file_record("b.md"), [part("eins", language="de"), part("zwei", language="de")])
        transaction.put_file(file_record("c.md"), [part("1", language="")])
    assert store.read(lambda snapshot: snapshot.languages()) == {"en", "de", ""}


# -- vectors ---------------------------------------------------------------------------------------------------------


def test_chunks_without_a_vector_are_pending(store: Store) -> None:
    filled(store, FILES)

    def pending(snapshot: Snapshot) -> tuple[list[int], int, list[int]]:
        by_file = [snapshot.file(NOTES.id, path.encode()) for path in FILES]
        ids = [one.id for one in snapshot.pending(99)]
        return ids, snapshot.pending_tokens(), [0 if file is None else file.pending for file in by_file]

    assert store.read(pending) == ([1, 2, 3, 4, 5, 6], 11, [2, 1, 3])
    encode(store, VECTORS[:4])
    assert store.read(pending) == ([5, 6], 3, [0, 0, 2])
    assert store.read(lambda snapshot: [one.id for one in snapshot.pending(1)]) == [5]
    assert store.read(lambda snapshot: snapshot.encoded_ids().tolist()) == [1, 2, 3, 4]
    vectors = store.read(lambda snapshot: snapshot.vectors(np.array([6, 2, 1], np.int64)))
    assert vectors.dtype == np.float32
    assert np.isnan(vectors[0]).all()
    assert np.array_equal(vectors[1:], np.stack([VECTORS[1], VECTORS[0]]))
    digests = [chunk("red fox").hash(), chunk("owl").hash()]
    assert store.read(lambda snapshot: snapshot.encoded_hashes(digests)) == {digests[0]}


def test_a_position_tells_what_is_new(store: Store) -> None:
    filled(store, FILES)
    assert store.read(lambda snapshot: snapshot.position()) == Position(6, INFO.generation)
    encode(store, VECTORS[:4])
    # What is pending is still to come: it is found by its meaning only later.
    assert store.read(lambda snapshot: snapshot.position()) == Position(4, INFO.generation)
    encode(store, VECTORS[:2])
    position = store.read(lambda snapshot: snapshot.position())
    with store.write() as writer, writer.transaction() as transaction:
        transaction.delete_files([file_id(store, "c.md")])
        put(transaction, "d.md", "new")
    assert store.read(lambda snapshot: min(ids_of(snapshot, "d.md"))) > position.last


@pytest.mark.parametrize("encoded", [0, 4])
def test_a_sample_draws_each_chunk_once_and_the_same_for_a_seed(store: Store, encoded: int) -> None:
    filled(store, FILES)
    if encoded:
        encode(store, VECTORS[:encoded])

    def draw(seed: int) -> list[int]:
        return store.read(lambda snapshot: [one.id for one in snapshot.shuffled(Random(seed))])

    drawn = draw(1)
    assert sorted(drawn) == list(range(1, (encoded or 6) + 1))
    assert draw(1) == drawn
    assert len({tuple(draw(seed)) for seed in range(8)}) > 1


def test_storage_says_how_vectors_are_kept(store: Store) -> None:
    filled(store, FILES)
    encode(store, VECTORS[:6])
    storage = store.read(lambda snapshot: snapshot.storage())
    assert set(storage.vectors) == {"kind", "original", "dim", "ann", "loss"}
    assert set(storage.segments) == {"lex", "vec"}
    assert storage.size >= 0


# -- one state -------------------------------------------------------------------------------------------------------


def _seen(snapshot: Snapshot) -> tuple[object, ...]:
    ranking = snapshot.lexical([word("word")], 99, None)
    return (
        snapshot.counts(),
        texts_of(snapshot),
        [one.text for one in snapshot.passages(ranking.ids.tolist())],
        snapshot.encoded_ids().tolist(),
        snapshot.dense(VECTORS[0], 99, None).ids.tolist(),
    )


def _write_something(writer: Writer) -> None:
    """Puts other chunks into the place of all that there are of one file, and merges what that leaves."""
    with writer.transaction() as transaction:
        old = writer.snapshot().file(NOTES.id, b"a.md")
        assert old is not None
        transaction.delete_files([old.id])
        put(transaction, "a.md", "word new", "word newer", "newest")
    ids = np.array([one.id for one in writer.snapshot().pending(9)], np.int64)
    with writer.transaction() as transaction:
        transaction.put_vectors(ids, np.stack([VECTORS[0]] * len(ids)), MODEL)
    writer.forget_deleted()
    writer.maintain()


@pytest.mark.parametrize("begun", [False, True], ids=["before", "while"])
def test_a_snapshot_is_of_one_state_whatever_a_writer_does(opener: Opener, begun: bool) -> None:
    """The reader begins before the writer, or while it works."""
    reader, other = opener(), opener()
    filled(reader, {"a.md": ["word one", "word two"], "b.md": ["word three"]})
    encode(reader, [VECTORS[0]] * 3)
    before = reader.read(_seen)
    asked: list[int] = []

    with contextlib.ExitStack() as stack:
        writers = [stack.enter_context(other.write())] if begun else []
        for writer in writers:
            with writer.transaction() as transaction:
                transaction.record_run(RunRecord(1.0, 1.0, {}))

        def question(snapshot: Snapshot) -> tuple[object, ...]:
            counted = snapshot.counts()
            asked.append(counted.chunks)
            if len(asked) == 1:
                _write_something((writers or [stack.enter_context(other.write())])[0])
            return (*_seen(snapshot), counted)

        *answer, counted = reader.read(question)
        # Asked again where its first answer would be of two states.
        assert tuple(answer) in (before, reader.read(_seen))
        assert answer[0] == counted
    assert reader.read(_seen) != before


def test_a_new_read_sees_the_new_state(opener: Opener) -> None:
    reader, other = opener(), opener()
    filled(other, FILES)
    for number in range(3):
        with other.write() as writer, writer.transaction() as transaction:
            put(transaction, f"new{number}.md", f"number {number}")
        assert reader.read(lambda snapshot: snapshot.counts().indexed) == 4 + number
        # Also while the writer has not come to its end.
    with other.write() as writer:
        with writer.transaction() as transaction:
            put(transaction, "more.md", "more")
        assert reader.read(lambda snapshot: snapshot.counts().indexed) == 7
        assert reader.read(lambda snapshot: len(snapshot.lexical([word("more")], 1, None).ids)) == 1
    reader.close()
    assert reader.read(lambda snapshot: snapshot.counts().indexed) == 7  # a store that was closed opens again
