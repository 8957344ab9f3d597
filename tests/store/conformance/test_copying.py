"""Every pair of engines: a copy tells what the index tells that it was made of, and can be gone on with."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise, permutations

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from semsearch.lexical.term_key import WRITTEN
from semsearch.store.copying import copy_to
from semsearch.store.protocol import Snapshot, Store
from semsearch.store.records import DocumentProperties, Filters, RunRecord
from tests.store.conformance.conftest import ENGINES
from tests.support.corpus import INFO, MODEL, VECTORS, Part, chunk, file_record, word

WORDS = ("owl", "fox", "hare", "newt", "é\0b", "\x1f\x02whole name", WRITTEN + "owl")
LONG = "w" * 3000


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
        # What a search that was saved here would find new.
        "new": ids[ids > position.last].tolist(),
        "generation": position.generation,
        "ids": ids.tolist(),
        "encoded": one.encoded_ids().tolist(),
        "vectors": one.vectors(one.encoded_ids()).tolist() if info.model else [],
        "pending": [each.id for each in one.pending(99)],
        "run": one.last_run(),
        # Engines add up in an order of their own.
        "bm25": [np.round(one.score(ids, [each], None).bm25, 3).tolist() for each in words] if len(ids) else [],
        "terms": sorted(one.completions([""], None)),
        "dense": one.dense(VECTORS[1], 99, None).scores.tolist() if info.model else [],
        "let in": [None if each is None else each.among(ids).tolist() for each in let_in],
    }


def copied(source: Store, target: Store) -> Store:
    source.read(lambda snapshot: copy_to(snapshot, target))
    return target


@pytest.mark.slow
@pytest.mark.parametrize("order", permutations(sorted(ENGINES)), ids="-".join)
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
            assert [(name, after[name], told) for name, told in before.items() if after[name] != told] == []
        for store in stores:
            store.close()

    check()
