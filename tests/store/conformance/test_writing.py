"""Every engine: what transactions do, and that one that fails does nothing."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
import pytest

from semsearch.errors import IndexDamagedError, LockedError, SemsearchError
from semsearch.settings import ANALYSIS_VERSION
from semsearch.store.protocol import Snapshot, Store, Transaction, Writer
from semsearch.store.records import Counts, DocumentProperties, Filters, IndexInfo, RunRecord
from tests.support.corpus import (
    INFO,
    MAIL,
    MODEL,
    NOTES,
    VECTORS,
    Part,
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

FILES = {"a.md": ["red fox", "blue fox"], "b.md": ["green hare"], "c.md": ["grey owl", "white owl", "owl"]}
Opener = Callable[[], Store]


def counts(store: Store) -> Counts:
    return store.read(lambda snapshot: snapshot.counts())


def test_there_is_no_index_before_the_first_write(store: Store) -> None:
    assert not store.exists()
    with pytest.raises(SemsearchError):
        counts(store)
    with store.write():
        pass
    assert store.exists()
    assert counts(store) == Counts(0, 0, 0, 0, 0)
    store.close()


def test_a_put_file_is_there_with_its_passages(store: Store) -> None:
    record = file_record(
        "sub/ä.md",
        MAIL,
        reason="one page is empty",
        title="Äpfel",
        language="de",
        metadata={"tags": ["x", "y"], "year": 1999},
        date=1234.5,
        inode=2**63 - 1,
    )
    texts = [chunk("alpha beta", ("Top", "Sub"), 3), chunk("gamma", (), 9)]
    with store.write() as writer, writer.transaction() as transaction:
        transaction.update(INFO)
        assert transaction.put_file(record, [Part(texts, [["alpha", "beta"], ["gamma"]], "de")]) == 2
        assert transaction.put_file(file_record("left", status="skipped", reason="a picture"), ()) == 0
    found = store.read(lambda snapshot: snapshot.file(MAIL.id, record.path))
    assert found is not None
    assert found == replace(record, id=found.id, chunk_count=2, pending=2)
    passages = store.read(lambda snapshot: snapshot.passages_of(found.id))
    assert [(one.text, one.heading, one.line_start, one.tokens) for one in passages] == [
        ("alpha beta", ("Top", "Sub"), 3, 2),
        ("gamma", (), 9, 1),
    ]
    assert [one.file for one in passages] == [found, found]
    assert [one.text_hash for one in passages] == [one.hash() for one in texts]
    assert counts(store) == Counts(1, 1, 0, 2, 2)
    assert store.read(lambda snapshot: snapshot.languages()) == {"de"}


def test_a_file_of_several_parts_is_one_file(store: Store) -> None:
    with store.write() as writer, writer.transaction() as transaction:
        transaction.update(INFO)
        parts = (part(f"part {number} one", f"part {number} two") for number in range(50))
        assert transaction.put_file(file_record("large.md"), parts) == 100
    assert store.read(lambda snapshot: len(ids_of(snapshot, "large.md"))) == 100


def test_what_could_not_be_read_of_any_part_is_told(store: Store) -> None:
    reasons = ["page 3", "", "page 3", *(f"message {number}" for number in range(9))]
    parts = [replace(part(f"word{number}"), reason=reason) for number, reason in enumerate(reasons)]
    with store.write() as writer, writer.transaction() as transaction:
        transaction.update(INFO)
        transaction.put_file(file_record("a.mbox", reason="page 3"), parts)
    file = store.read(lambda snapshot: snapshot.file(NOTES.id, b"a.mbox"))
    assert file is not None
    assert file.reason == "page 3; message 0; message 1; message 2; message 3; 5 more such notices"


def test_documents_in_a_file_have_properties_of_their_own(store: Store) -> None:
    own = [letter(0, 0.0, "en"), letter(1, 1e9, "de"), letter(2, None, "")]
    parts = [replace(part(f"alpha {number}", "more"), document=one) for number, one in enumerate(own)]
    with store.write() as writer, writer.transaction() as transaction:
        transaction.update(INFO)
        put(transaction, "a.md", "before")
        transaction.put_file(file_record("a.mbox", title="", date=5.0, metadata={"x": "y"}), parts)
        put(transaction, "z.md", "after", "it")
    file = store.read(lambda snapshot: snapshot.file(NOTES.id, b"a.mbox"))
    assert file is not None
    # However passages are asked for, each is told with its own document.
    for passages in (
        store.read(lambda snapshot: snapshot.passages_of(file.id)),
        store.read(lambda snapshot: snapshot.passages(ids_of(snapshot, "a.mbox"))),
        store.read(lambda snapshot: snapshot.neighbours(ids_of(snapshot, "a.mbox")[2], 9)),
        store.read(lambda snapshot: snapshot.pending(7))[1:],
        store.read(lambda snapshot: sorted(snapshot.shuffled(Random(1)), key=lambda passage: passage.id))[1:-2],
    ):
        assert [one.file for one in passages] == [
            replace(file, title=one.title, metadata=one.metadata, language=one.language, date=date)
            for one, date in zip(own, (0.0, 1e9, 5.0), strict=True)
            for _ in range(2)
        ]
        assert [one.is_first for one in passages] == [True, False] * 3
    others = store.read(lambda snapshot: snapshot.passages([*ids_of(snapshot, "a.md"), *ids_of(snapshot, "z.md")]))
    assert [(one.file.title, one.is_first) for one in others] == [("a.md", True), ("z.md", True), ("z.md", False)]


def letter(number: int, date: float | None = None, language: str = "en") -> DocumentProperties:
    return DocumentProperties(f"Letter {number}", {"from": f"p{number}@x.org"}, date, language)


def test_a_part_without_properties_goes_on_with_the_document_before(store: Store) -> None:
    parts = [
        Part([], [], document=letter(0)),  # blank
        part("alpha", "beta"),
        part("gamma"),
        Part([], [], document=letter(1)),
        replace(part("delta"), document=letter(2)),
        Part([], []),
        part("epsilon", "zeta"),
    ]
    with store.write() as writer, writer.transaction() as transaction:
        transaction.update(INFO)
        assert transaction.put_file(file_record("a.mbox", title=""), parts) == 6
    passages = store.read(lambda snapshot: snapshot.passages_of(file_id(store, "a.mbox")))
    assert [one.file.title for one in passages] == ["Letter 0"] * 3 + ["Letter 2"] * 3
    assert [one.is_first for one in passages] == [True, False, False] * 2


@pytest.mark.parametrize(
    "filters",
    [
        Filters(titles=("letter 1",)),
        Filters(where=(("from", "p1@x.org"),)),
        Filters(where=(("language", "de"),)),
        Filters(since=5e8),
    ],
)
def test_filters_look_at_the_documents_in_a_file(store: Store, filters: Filters) -> None:
    parts = [
        replace(part(f"alpha {number}"), document=letter(number, 1e9 * number, language))
        for number, language in enumerate(("en", "de"))
    ]
    with store.write() as writer, writer.transaction() as transaction:
        transaction.update(INFO)
        transaction.put_file(file_record("a.mbox", title=""), parts)
    ids = store.read(lambda snapshot: snapshot.lexical([word("alpha")], 9, snapshot.select(filters)).ids)
    assert ids.tolist() == store.read(lambda snapshot: ids_of(snapshot, "a.mbox"))[1:]


def test_lines_that_counting_gets_wrong_come_back(store: Store) -> None:
    breaks = ((4, 20), (9, 31))
    written = Part([replace(chunk("one\ntwo\nthree", line=3), line_breaks=breaks)], [["one"]])
    with store.write() as writer, writer.transaction() as transaction:
        transaction.update(INFO)
        transaction.put_file(file_record("a.html"), [written])
    (passage,) = store.read(lambda snapshot: snapshot.passages_of(file_id(store, "a.html")))
    assert (passage.line_start, passage.line_breaks) == (3, breaks)


def test_deleted_files_are_gone_and_their_chunks_too(store: Store) -> None:
    filled(store, FILES)
    with store.write() as writer, writer.transaction() as transaction:
        assert transaction.delete_files([file_id(store, "a.md"), file_id(store, "c.md")]) == 5
        assert transaction.delete_files([]) == 0
    assert store.read(texts_of) == ["green hare"]
    assert store.read(lambda snapshot: snapshot.paths(NOTES.id)) == {b"b.md"}
    assert counts(store) == Counts(1, 0, 0, 1, 1)
    with store.write() as writer, pytest.raises(IndexDamagedError), writer.transaction() as transaction:
        transaction.delete_files([12345])


def test_what_was_just_put_can_be_deleted_and_replaced(store: Store) -> None:
    filled(store, {})
    with store.write() as writer, writer.transaction() as transaction:
        put(transaction, "a.md", "red fox")
        put(transaction, "b.md", "green hare")
        put(transaction, "c.md", "blue fox")
        a, b = (writer.snapshot().file(NOTES.id, name) for name in (b"a.md", b"b.md"))
        assert a is not None and b is not None
        transaction.delete_files([a.id])
        (old,) = writer.snapshot().passages_of(b.id)
        transaction.replace_passages([(old.id, chunk("grey owl"), ["grey", "owl"])])
    assert store.read(texts_of) == ["blue fox", "grey owl"]
    words = [word("fox"), word("hare"), word("owl")]
    found = store.read(lambda snapshot: snapshot.lexical(words, 9, None).ids.tolist())
    assert sorted(found) == sorted(store.read(lambda snapshot: ids_of(snapshot, "c.md") + ids_of(snapshot, "b.md")))


def test_a_renamed_file_keeps_its_chunks(store: Store) -> None:
    filled(store, FILES)
    number = file_id(store, "a.md")
    before = store.read(lambda snapshot: ids_of(snapshot, "a.md"))
    with store.write() as writer, writer.transaction() as transaction:
        transaction.rename(number, MAIL.id, b"new/z.md", (5, 6, 8), 9)
    assert store.read(lambda snapshot: ids_of(snapshot, "new/z.md", MAIL)) == before
    found = store.read(lambda snapshot: snapshot.file(MAIL.id, b"new/z.md"))
    assert found is not None
    assert (found.id, found.size, found.mtime_ns, found.inode, found.scanned_ns) == (number, 5, 6, 8, 9)
    assert store.read(lambda snapshot: snapshot.file(NOTES.id, b"a.md")) is None


@pytest.mark.parametrize(
    "changed",
    [
        {"generation": 7, "readers": 9},
        {"roots": (NOTES,)},
        {"model_name": "other", "dim": 4},
        {"adapter": {"dim": 2, "matrix": "AAAAAAAAAAA=", "questions": 5}},
        {"fusion": {"meaning": 1.4, "neighbours": 0.4, "letters": 0.2, "questions": 5}},
        {"analysis": ANALYSIS_VERSION + 1},
        {"model": MODEL},
    ],
    ids=lambda changed: "-".join(changed),
)
def test_what_an_index_records_about_itself_comes_back(store: Store, changed: dict[str, object]) -> None:
    with store.write() as writer:
        assert writer.snapshot().info() == IndexInfo(analysis=writer.snapshot().info().analysis)
    filled(store, {})
    assert store.read(lambda snapshot: snapshot.info()) == INFO
    new = replace(INFO, **changed)  # type: ignore[arg-type]
    with store.write() as writer, writer.transaction() as transaction:
        transaction.update(new)
    assert store.read(lambda snapshot: snapshot.info()) == new


def test_vectors_are_kept_and_known_by_the_hash_of_the_text(store: Store) -> None:
    filled(store, FILES)
    encode(store, VECTORS[:4])
    with store.write() as writer:
        passages = writer.snapshot().passages(writer.snapshot().encoded_ids().tolist())
        known = writer.known_vectors([*(one.text_hash for one in passages), b"?" * 16])
        assert sorted(known) == sorted(one.text_hash for one in passages)
        for one, vector in zip(passages, VECTORS, strict=False):
            assert np.array_equal(known[one.text_hash], vector)
        assert writer.known_vectors([]) == {}
    assert store.read(lambda snapshot: snapshot.info().model) == MODEL
    assert counts(store).pending == 2


def test_vectors_of_deleted_chunks_serve_until_nothing_is_pending(store: Store) -> None:
    filled(store, FILES)
    encode(store, VECTORS[:3])
    digest = chunk("red fox").hash()
    with store.write() as writer:
        with writer.transaction() as transaction:
            transaction.delete_files([file_id(store, "a.md")])
        assert np.array_equal(writer.known_vectors([digest])[digest], VECTORS[0])
        assert writer.snapshot().encoded_hashes([digest, b"?" * 16]) == {digest}
    encode(store, VECTORS[3:6])
    with store.write() as writer:
        writer.forget_deleted()
        assert writer.known_vectors([digest]) == {}
        assert writer.snapshot().encoded_hashes([digest]) == set()
        assert writer.snapshot().encoded_ids().tolist() == [3, 4, 5, 6]
    assert counts(store) == Counts(2, 0, 0, 4, 0)


def test_maintenance_changes_no_answer(store: Store) -> None:
    filled(store, {})
    for number in range(10):  # many small commits, a third of them deleted again
        with store.write() as writer, writer.transaction() as transaction:
            put(transaction, f"{number}.md", f"word{number} common", "common")
        encode(store, VECTORS[number : number + 2])
    with store.write() as writer, writer.transaction() as transaction:
        transaction.delete_files([file_id(store, f"{number}.md") for number in range(0, 10, 3)])
    words = [word("common"), word("word4")]
    ask = lambda snapshot: [  # noqa: E731
        snapshot.lexical(words, 20, None).ids.tolist(), snapshot.dense(VECTORS[3], 20, None).ids.tolist(),
        snapshot.lexical(words, 20, None).scores.tolist(), snapshot.encoded_ids().tolist(), snapshot.counts(),
    ]  # fmt: skip
    before = store.read(ask)
    with store.write() as writer:
        writer.maintain()
        writer.compared()
    assert store.read(ask) == before


def test_dropped_vectors_leave_all_chunks_pending(store: Store) -> None:
    filled(store, FILES, replace(INFO, adapter={"dim": 0, "matrix": ""}, fusion={"meaning": 1.4}))
    encode(store, VECTORS[:6])
    with store.write() as writer, writer.transaction() as transaction:
        transaction.drop_vectors()
    info = store.read(lambda snapshot: snapshot.info())
    assert (info.model, info.adapter, info.fusion, info.model_name) == (None, None, None, "tiny")
    assert counts(store).pending == 6
    assert store.read(lambda snapshot: len(snapshot.encoded_ids())) == 0
    assert store.read(lambda snapshot: snapshot.dense(VECTORS[0], 5, None).ids.tolist()) == []
    with store.write() as writer:
        assert writer.known_vectors([chunk("red fox").hash()]) == {}


def test_a_rebuild_of_a_healthy_index_drops_nothing(store: Store) -> None:
    filled(store, FILES)
    encode(store, VECTORS[:6])
    before = store.read(texts_of), store.read(lambda snapshot: snapshot.encoded_ids().tolist())
    with store.write(rebuild=True) as writer:
        with writer.transaction() as transaction:
            transaction.drop_damaged()
        writer.rebuilt()
    assert before == (store.read(texts_of), store.read(lambda snapshot: snapshot.encoded_ids().tolist()))


def test_replaced_passages_are_found_by_their_new_words(store: Store) -> None:
    filled(store, FILES)
    encode(store, VECTORS[:6])
    with store.write() as writer:
        old = ids_of(writer.snapshot(), "b.md")
        with writer.transaction() as transaction:
            new = transaction.replace_passages([(old[0], chunk("purple newt"), ["purple", "newt"])])
        snapshot = writer.snapshot()
        assert [one.text for one in snapshot.pending(9)] == ["purple newt"]
        assert [one.id for one in snapshot.passages_of(file_id(store, "b.md"))] == new
        assert snapshot.lexical([word("newt")], 9, None).ids.tolist() == new
        assert snapshot.lexical([word("hare")], 9, None).ids.tolist() == []
        assert snapshot.encoded_ids().tolist() == [1, 2, 4, 5, 6]
        with pytest.raises(IndexDamagedError), writer.transaction() as transaction:
            transaction.replace_passages([(old[0], chunk("gone"), ["gone"])])


def test_the_last_run_is_the_one_recorded_last(store: Store) -> None:
    filled(store, {})
    assert store.read(lambda snapshot: snapshot.last_run()) is None
    for number in range(3):
        with store.write() as writer, writer.transaction() as transaction:
            transaction.record_run(RunRecord(100.5 + number, 2.25, {"files": {"added": number}}))
    run = store.read(lambda snapshot: snapshot.last_run())
    assert run == RunRecord(102.5, 2.25, {"files": {"added": 2}})


# -- all or nothing --------------------------------------------------------------------------------------------------


class _Trouble(Exception):
    pass


def _parts_that_fail() -> Iterator[Part]:
    for number in range(20):
        yield part(f"large {number}")
    raise _Trouble


def _delete(writer: Writer, transaction: Transaction) -> None:
    found = writer.snapshot().file(NOTES.id, b"a.md")
    assert found is not None
    transaction.delete_files([found.id])


FAILING: dict[str, Callable[[Writer, Transaction], object]] = {
    "put": lambda writer, transaction: put(transaction, "new.md", "new"),
    "large": lambda writer, transaction: transaction.put_file(file_record("large.md"), _parts_that_fail()),
    "delete": _delete,
    "rename": lambda writer, transaction: transaction.rename(1, NOTES.id, b"x", (1, 1, 1), 1),
    "vectors": lambda writer, transaction: transaction.put_vectors(np.array([3]), np.stack(VECTORS[5:6]), MODEL),
    "drop": lambda writer, transaction: transaction.drop_vectors(),
    "replace": lambda writer, transaction: transaction.replace_passages([(1, chunk("new"), ["new"])]),
    "update": lambda writer, transaction: transaction.update(replace(INFO, generation=99, roots=(NOTES, MAIL))),
    "run": lambda writer, transaction: transaction.record_run(RunRecord(1.0, 1.0, {})),
}


@pytest.mark.parametrize("change", FAILING)
def test_a_transaction_that_raises_leaves_nothing(store: Store, change: str) -> None:
    filled(store, FILES)
    encode(store, VECTORS[:2])
    before = store.read(_everything)
    with store.write() as writer:
        with pytest.raises(_Trouble), writer.transaction() as transaction:
            FAILING[change](writer, transaction)
            raise _Trouble
        assert _everything(writer.snapshot()) == before
        with writer.transaction() as transaction:  # the writer goes on as if nothing had been
            put(transaction, "after.md", "after")
        assert writer.snapshot().lexical([word("after")], 1, None).ids.tolist() == [7]
        assert writer.snapshot().lexical([word("new"), word("large")], 9, None).ids.tolist() == []
    with store.write() as writer, writer.transaction() as transaction:
        transaction.delete_files([file_id(store, "after.md")])
    assert store.read(_everything)[:3] == before[:3]


def _everything(one: Snapshot) -> list[object]:
    return [
        sorted(one.files(), key=lambda file: file.path), texts_of(one), one.info(), one.counts(), one.position(),
        one.encoded_ids().tolist(), one.last_run(), one.lexical([word("owl"), word("fox")], 9, None).scores.tolist(),
        one.dense(VECTORS[1], 9, None).scores.tolist(), [passage.id for passage in one.pending(99)],
    ]  # fmt: skip


def test_a_writer_sees_what_its_transaction_has_changed(store: Store) -> None:
    filled(store, FILES)
    with store.write() as writer:
        with writer.transaction() as transaction:
            put(transaction, "new.md", "one", "two")
            transaction.delete_files([file_id(store, "a.md")])
            assert writer.snapshot().paths(NOTES.id) == {b"b.md", b"c.md", b"new.md"}
            assert writer.snapshot().counts().chunks == 6
            assert store.read(lambda snapshot: snapshot.counts().chunks) == 6
        assert writer.snapshot().counts().chunks == 6


# -- one writer ------------------------------------------------------------------------------------------------------


def test_there_is_one_writer_at_a_time(opener: Opener) -> None:
    store, other = opener(), opener()
    with store.write(), pytest.raises(LockedError):
        other.write()
    with other.write():
        pass
    got = threading.Event()

    def wait() -> None:
        with other.write(wait=True):
            got.set()

    with store.write():
        waiting = threading.Thread(target=wait)
        waiting.start()
        assert not got.wait(0.05)
    waiting.join(30)
    assert got.is_set()


def test_the_lock_is_free_after_an_error(store: Store) -> None:
    with pytest.raises(_Trouble), store.write():
        raise _Trouble
    with store.write():
        pass


def test_a_clone_is_independent(store: Store, tmp_path: Path) -> None:
    filled(store, FILES)
    encode(store, VECTORS[:6])
    before = store.read(_everything)
    clone = store.clone(str(tmp_path / "clone"))
    assert clone.read(_everything) == before
    with clone.write() as writer, writer.transaction() as transaction:
        transaction.delete_files([file_id(clone, "c.md")])
        put(transaction, "d.md", "only here")
    assert store.read(_everything) == before
    with store.write() as writer, writer.transaction() as transaction:
        transaction.delete_files([file_id(store, "a.md")])
    assert "only here" in clone.read(texts_of)
    assert "red fox" in clone.read(texts_of)
    clone.close()
    store.close()
