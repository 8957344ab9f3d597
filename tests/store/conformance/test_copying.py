"""Every pair of engines: a copy tells what the index tells that it was made of, and can be gone on with."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise, permutations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from semsearch.errors import IndexDamagedError, SemsearchError
from semsearch.lexical.document_terms import DocumentTerms
from semsearch.lexical.term_key import WRITTEN
from semsearch.settings import host_name
from semsearch.store import comparing, copying
from semsearch.store.copying import copy_to
from semsearch.store.opening import open_store
from semsearch.store.protocol import Snapshot, Store, Transaction
from semsearch.store.records import DocumentProperties, Filters, Root, RunRecord
from tests.store.conformance.conftest import ENGINES
from tests.support.corpus import (
    INFO,
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
    word,
)
from tests.support.memory_store import MemoryStore
from tests.support.nearly import nearly

WORDS = ("owl", "fox", "hare", "newt", "é\0b", "\x1f\x02whole name", WRITTEN + "owl")
LONG = "w" * 3000
# In which order copies are made of copies: every pair of engines, and those whose vectors are elsewhere.
ORDERS = (
    *permutations(sorted(name for name in ENGINES if "elsewhere" not in name)),
    ("postgres-elsewhere", "local"),
    ("local-elsewhere", "postgres-elsewhere"),
)


@dataclass(frozen=True)
class Document:
    """Texts of a file or of a document in it; `title` None: it is the file's."""

    texts: tuple[tuple[str, ...], ...]
    title: str | None
    date: float | None


documents = st.builds(
    Document,
    st.lists(st.lists(st.sampled_from(WORDS), max_size=4).map(tuple), max_size=3).map(tuple),
    st.none() | st.sampled_from(["Letter", "Other"]),
    st.none() | st.sampled_from([0.0, 1e9]),
)
# A run: files that are put (name -> documents), files that are deleted, and how many vectors come.
runs = st.tuples(
    st.dictionaries(st.sampled_from("abcdef"), st.lists(documents, max_size=3), max_size=4),
    st.sets(st.sampled_from("abcdef")),
    st.integers(0, 12),
    st.booleans(),
)


def write(store: Store, history: Sequence[tuple[dict[str, list[Document]], set[str], int, bool]]) -> Store:
    """`store` after the runs of `history`."""
    given = 0
    for number, (files, gone, vectors, maintained) in enumerate(history):
        with store.write() as writer:
            with writer.transaction() as transaction:
                if not number:
                    transaction.update(replace(INFO, fusion={"meaning": 1.25, "questions": 9}))
                known = {file.path: file.id for file in writer.snapshot().files()}
                names = {*files, *gone}
                transaction.delete_files([known[one.encode()] for one in sorted(names) if one.encode() in known])
                for name, held in files.items():
                    status = "indexed" if held else "skipped"
                    transaction.put_file(
                        file_record(name, status=status, reason="; ".join(held and "a" * 9)), parts(held)
                    )
                transaction.record_run(RunRecord(100.0 + number, 1.5, {"files": {"added": len(files)}}))
            pending = np.array([one.id for one in writer.claim(vectors)] if vectors else [], np.int64)
            if len(pending):
                with writer.transaction() as transaction:
                    chosen = [VECTORS[(given + at) % len(VECTORS)] for at in range(len(pending))]
                    transaction.put_vectors(pending, np.stack(chosen), MODEL)
                given += len(pending)
            if maintained:
                writer.forget_deleted()
                writer.maintain()
    return store


def parts(held: Sequence[Document]) -> list[Part]:
    # A file is divided among its documents, or is one.
    divided = any(one.title is not None for one in held)
    made = []
    for one in held:
        title = one.title or "Another"
        own = DocumentProperties(title, {"to": title}, one.date, "de") if divided else None
        chunks = [chunk(" ".join(words), ("Top",), line) for line, words in enumerate(one.texts, 1)]
        made.append(Part(chunks, [list(words) for words in one.texts], "en" if own is None else "de", "", own))
    return made


def everything(one: Snapshot) -> dict[str, object]:
    ids = one.holding(())
    info, position, words = one.info(), one.position(), [word(each) for each in WORDS]
    filters = [Filters(titles=("letter",)), Filters(since=5e8), Filters(paths=("a",)), Filters(after=3)]
    let_in = [one.select(each) for each in filters]
    return {
        "info": replace(info, roots=tuple(replace(root, host="") for root in info.roots)),
        "files": sorted((replace(file, id=0) for file in one.files()), key=lambda file: file.path),
        "passages": [replace(each, file=replace(each.file, id=0)) for each in one.passages(ids.tolist())],
        "counts": one.counts(),
        "last": one.last_given(),
        # What a search that was saved here would find new; before there are vectors, what has none is not.
        "new": ids[ids > position.last].tolist() if len(one.encoded_ids()) else [],
        "generation": position.generation,
        "ids": ids.tolist(),
        "encoded": one.encoded_ids().tolist(),
        "vectors": one.vectors(one.encoded_ids()).tolist() if info.model else [],
        "pending": [each.id for each in one.pending(99)],
        "run": one.last_run(),
        "bm25": [one.score(ids, [each], None).bm25.tolist() for each in words] if len(ids) else [],
        "terms": sorted(one.completions([""], None)),
        "dense": one.dense(VECTORS[1], 99, None).scores.tolist() if info.model else [],
        "let in": [None if each is None else each.among(ids).tolist() for each in let_in],
    }


def copied(source: Store, target: Store) -> Store:
    source.read(lambda snapshot: copy_to(snapshot, target))
    return target


@pytest.mark.slow
@pytest.mark.parametrize("order", ORDERS, ids="-".join)
def test_a_copy_of_a_copy_tells_the_same(order: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory) -> None:
    @settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
    @given(st.lists(runs, min_size=1, max_size=4))
    def check(history: list[tuple[dict[str, list[Document]], set[str], int, bool]]) -> None:
        stores = [ENGINES[name](tmp_path_factory.mktemp("copy"))() for name in (*order, order[0])]
        write(stores[0], history)
        before = stores[0].read(everything)
        for source, target in pairwise(stores):
            copied(source, target)
            after = target.read(everything)
            assert [(name, after[name], told) for name, told in before.items() if after[name] != nearly(told)] == []
        for store in stores:
            store.close()

    check()


FILES = {"a.md": ["red fox", "blue fox"], "b.md": ["green hare"], "c.md": ["grey owl", "white owl", "owl"]}


@pytest.fixture
def source(tmp_path: Path) -> Store:
    """An index whose last file was deleted, with two chunks pending."""
    store = filled(ENGINES["local"](tmp_path / "source")(), {**FILES, "d.md": ["last"]})
    encode(store, VECTORS[:5])
    with store.write() as writer, writer.transaction() as transaction:
        transaction.delete_files([file_id(store, "d.md")])
    return store


def test_ids_of_deleted_chunks_are_not_given_again(source: Store, store: Store) -> None:
    copied(source, store)
    with store.write() as writer, writer.transaction() as transaction:
        put(transaction, "new.md", "new")
    assert store.read(lambda snapshot: ids_of(snapshot, "new.md")) == [8]


class _CutOff(Exception):
    pass


def test_a_copy_that_was_cut_off_goes_on(
    source: Store, opener: Callable[[], Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cut off before the first commit, after each, and while both are compared: each time it gets one step further."""
    monkeypatch.setattr(copying, "_COMMIT_CHUNKS", 2)
    monkeypatch.setattr(copying, "_COMMIT_VECTORS", 2)
    steps = 0
    while not _gets_so_far(source, opener(), steps):
        steps += 1
    assert steps > 3
    assert opener().read(everything) == nearly(source.read(everything))


def _gets_so_far(source: Store, target: Store, steps: int) -> bool:
    """Whether a copy comes to its end before it has told that many steps that something is done."""
    told = 0

    def advance(name: str, done: int, total: int) -> None:
        nonlocal told
        told += 1
        if told > steps:
            raise _CutOff

    try:
        source.read(lambda snapshot: copy_to(snapshot, target, advance))
    except _CutOff:
        return False
    finally:
        target.close()
    return True


def test_what_is_no_copy_is_left_as_it_is(source: Store, store: Store) -> None:
    filled(store, {"a.md": FILES["a.md"], "b.md": FILES["b.md"]})
    with store.write() as writer, writer.transaction() as transaction:
        put(transaction, "c.md", "grey owl", "white owl", "another owl", content_hash=b"another")
    before = store.read(everything)
    with pytest.raises(SemsearchError, match="holds another index") as refused:
        copied(source, store)
    assert refused.value.code == "not_empty"
    assert store.read(everything) == before


def test_a_copy_that_goes_on_after_its_source_changed_is_refused(source: Store, store: Store) -> None:
    copied(source, store)
    with source.write() as writer, writer.transaction() as transaction:
        transaction.delete_files([file_id(source, "a.md")])
    with pytest.raises(SemsearchError, match="an earlier state of this one"):
        copied(source, store)


def test_large_files_and_segments_are_copied_in_parts(
    source: Store, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    with source.write() as writer, writer.transaction() as transaction:
        letters = [replace(part(*("owl " * n for n in range(1, 8))), document=letter(number)) for number in range(4)]
        transaction.put_file(file_record("large.mbox"), letters)
        put(transaction, "long.md", *(f"hare {number}" for number in range(40)))
    for name, size in (("_COMMIT_CHUNKS", 5), ("_READ_AT_ONCE", 3), ("_TRANSPOSED_ROWS", 7), ("_COMMIT_VECTORS", 2)):
        monkeypatch.setattr(copying, name, size)
    monkeypatch.setattr(comparing, "_POSTINGS_AT_ONCE", 3)
    copied(source, store)
    assert store.read(everything) == nearly(source.read(everything))


def letter(number: int) -> DocumentProperties:
    return DocumentProperties(f"Letter {number}", {"to": number}, None, "en")


def test_terms_that_a_database_cannot_hold_come_back(tmp_path: Path) -> None:
    """The name of a document as a whole is a term, however long it is."""
    title = " ".join(chr(0x430 + number) * 60 for number in range(20))
    own = DocumentProperties(title, {}, None, "en")
    file = replace(file_record("long.md"), title=title)
    terms = DocumentTerms.of_indexed(file).of((), "text", True)
    assert max(len(term.encode()) for term in terms) > 1000
    stores = [ENGINES[name](tmp_path / str(at))() for at, name in enumerate(("local", "postgres", "memory"))]
    with stores[0].write() as writer, writer.transaction() as transaction:
        transaction.update(INFO)
        transaction.put_file(file, [Part([chunk("text")], [terms], "en", "", own)])
    for one, other in pairwise(stores):
        copied(one, other)
    assert [store.read(lambda one: sorted(one.completions([""], None))) for store in stores[::2]] == [
        sorted(set(terms))
    ] * 2


def test_folders_are_those_of_the_machine_that_they_are_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second, another = (ENGINES["postgres"](tmp_path)() for _ in range(3))
    local = ENGINES["local"](tmp_path)()
    roots = (Root(1, "/data/notes", "notes", host_name()), Root(2, "/data/mail", "mail", "other"))
    filled(first, FILES, replace(INFO, roots=roots))
    copied(first, local)
    copied_roots = local.read(lambda one: one.info()).roots
    assert [(root.host, root.path) for root in copied_roots] == [("", "/data/notes"), ("other", "/data/mail")]
    copied(local, second)
    assert second.read(lambda one: one.info()).roots == roots
    # On a third machine all are of others.
    monkeypatch.setenv("SEMSEARCH_HOST", "third")
    second, third = reopened(second), reopened(another)
    copied(second, third)
    assert third.read(lambda one: one.info()).roots == roots
    assert not any(root.is_here for root in third.read(lambda one: one.info()).roots)


def reopened(store: Store) -> Store:
    """As another process would see it, and name this machine."""
    store.close()
    return open_store(store.location)


WRONG: dict[str, tuple[Callable[[Transaction], object], str]] = {
    "a word": (lambda one: one.replace_passages([(3, chunk("green hare"), ["green", "hares"])]), "other passages"),
    "a run": (lambda one: one.record_run(RunRecord(1.0, 1.0, {})), "the last run differs"),
    "a setting": (lambda one: one.update(replace(INFO, generation=9)), "its settings differ"),
    "a stamp": (lambda one: one.rename(1, NOTES.id, b"a.md", (1, 2, 3), 4), "it has other files"),
    "an id": (lambda one: one.give_up_to(99), "the last id that was given"),
}


@pytest.mark.parametrize("change", WRONG)
def test_what_differs_from_its_source_is_told(source: Store, change: str, tmp_path: Path) -> None:
    target = copied(source, ENGINES["memory"](tmp_path / "target")())
    make, said = WRONG[change]
    with target.write() as writer, writer.transaction() as transaction:
        make(transaction)
    with pytest.raises(IndexDamagedError, match=said):
        source.read(lambda snapshot: compare(snapshot, target, snapshot.encoded_ids()))


@pytest.mark.parametrize(("at", "said"), [(b"owl", "its words differ"), (b"", "its vectors differ")])
def test_a_word_and_a_vector_that_differ_are_told(source: Store, at: bytes, said: str, tmp_path: Path) -> None:
    target = MemoryStore()
    copied(source, target)
    assert target.state is not None
    if at:
        target.state.chunks[4] = replace(target.state.chunks[4], terms={"grey": 1, "owls": 1})
    else:
        target.state.vectors[3] = VECTORS[77]
    with pytest.raises(IndexDamagedError, match=said):
        source.read(lambda snapshot: compare(snapshot, target, snapshot.encoded_ids()))


def compare(snapshot: Snapshot, store: Store, encoded: NDArray[np.int64]) -> None:
    info = snapshot.info()
    store.read(lambda there: comparing.check_same(snapshot, there, info, encoded, "there", lambda *told: None))
