"""Words of many chunks: packed tightly, read in part, and answered as in a folder; tables of the first format."""

from pathlib import Path

import numpy as np
import psycopg
import pytest

from semsearch.lexical.query_word import Key, Word
from semsearch.store.allowed import Allowed, ChunkSelection
from semsearch.store.opening import open_store
from semsearch.store.postgres import maintaining, packed_postings, search, segment_terms
from semsearch.store.postgres.schema import FORMAT
from semsearch.store.postgres.snapshot import DatabaseSnapshot
from semsearch.store.postgres.store import PostgresStore
from semsearch.store.postgres.wide_scorer import WideScorer
from semsearch.store.protocol import Snapshot, Store
from tests.support.corpus import file_id, filled, put, word
from tests.support.postgres_machines import as_of_the_first_format

FILES = 90
QUERIES: list[tuple[Word, ...]] = [
    (word("all"),),
    (word("some"), word("all")),
    (word("rare"), word("half"), word("all")),
    (word("rare"), word("half", "all")),
    ((Key("some"), Key("half", 0.7)), (Key("nowhere"), Key("all", 0.9))),
    (word("nowhere"),),
]
ALLOWED = [
    Allowed(),
    Allowed([(3, 40), (90, 300)]),
    Allowed(None, np.arange(20, 60), np.arange(30, 35)),
]


def texts(number: int) -> list[str]:
    """Those of the chunks of a file."""
    words = ["all"] * (1 + number % 3) + ["half"] * (number % 2) + ["some"] * (number % 5 == 0)
    return [" ".join(words + ["rare"] * (number % 30 == 7) + ["x"] * (number % 17)), "half all and more", "more"]


def fill(store: Store) -> None:
    """Puts the files in commits of 10, and deletes one of each commit but the first."""
    for start in range(0, FILES, 10):
        if not start:
            filled(store, {f"{number}.md": texts(number) for number in range(10)})
            continue
        with store.write() as writer, writer.transaction() as transaction:
            for number in range(start, start + 10):
                put(transaction, f"{number}.md", *texts(number))
    with store.write() as writer, writer.transaction() as transaction:
        transaction.delete_files([file_id(store, f"{number}.md") for number in range(13, FILES, 10)])


@pytest.fixture
def low(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thresholds so low that each query reads in part."""
    monkeypatch.setattr(packed_postings, "TIGHT_FROM", 4)
    monkeypatch.setattr(search, "_READ_AT_ONCE", 8)
    monkeypatch.setattr(search, "_PUT_TOGETHER", 0)
    monkeypatch.setattr(search, "_ROW_COSTS", 0)
    monkeypatch.setattr(segment_terms, "_NEAR", 1)
    monkeypatch.setattr(segment_terms, "_PART_COSTS", 1)


def answers(store: Store) -> list[object]:
    """What is known of each query."""

    def ask(snapshot: Snapshot) -> list[object]:
        found: list[object] = []
        for query in QUERIES:
            # Not from what another query has read.
            if isinstance(snapshot, DatabaseSnapshot):
                snapshot._search = None
            found += [snapshot.frequencies(query).tolist(), snapshot.idf(query).tolist()]
            found.append(snapshot.holding(query).tolist())
            for allowed in ALLOWED:
                for k in (1, 7, 1000):
                    best = snapshot.lexical(query, k, ChunkSelection(allowed))
                    found.append((best.ids.tolist(), best.scores.tolist()))
            ids = np.append(snapshot.holding(())[::-2], 10**6)
            scores = snapshot.score(ids, query, None)
            found += [scores.bm25.tolist(), scores.held.tolist()]
        found += [snapshot.completions(["ha", "a"], None), snapshot.similar(["hale", "sone"], 1, 9)]
        return found

    return store.read(ask)


@pytest.mark.usefixtures("low")
@pytest.mark.parametrize("merged", [False, True])
def test_words_of_many_chunks_are_answered_as_in_a_folder(
    url: str, tmp_path: Path, merged: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    stores = [open_store(str(tmp_path / "index")), open_store(url)]
    for store in stores:
        fill(store)
    if merged:
        monkeypatch.setattr(maintaining, "_MOST_SEGMENTS", 4)
        monkeypatch.setattr(maintaining, "_MERGED", 4)
        with stores[1].write() as writer:
            writer.maintain()
    with psycopg.connect(url) as connection:
        (count,) = connection.execute("SELECT count(held) FROM semsearch.postings").fetchone() or (0,)
    assert count

    def check_kind(snapshot: Snapshot) -> None:
        assert isinstance(snapshot, DatabaseSnapshot)
        assert len(snapshot.state.segments) == (3 if merged else 9)
        assert isinstance(snapshot.search.scorer(QUERIES[0]), WideScorer)

    stores[1].read(check_kind)
    assert answers(stores[1]) == answers(stores[0])
    assert PostgresStore(url).examine().problems == []
    for store in stores:
        store.close()


@pytest.mark.usefixtures("low")
@pytest.mark.parametrize(
    "damage", ["set_byte(held, 5, 77)", "substr(held, 1, length(held) - 1)", "substr(held, 1, 4)", "NULL"]
)
def test_damage_is_found_and_mended(url: str, damage: str) -> None:
    store = PostgresStore(url)
    fill(store)
    with psycopg.connect(url) as connection:
        connection.execute(f"UPDATE semsearch.postings SET held = {damage} WHERE segment_id = 2".encode())
    assert [problem.part for problem in store.examine().problems if problem.part.startswith("segments")] == [
        "segments: 2"
    ]
    store.repair(False, lambda model: None, lambda text: None)  # type: ignore[arg-type,return-value]
    assert store.examine().problems == []
    store.close()


@pytest.mark.usefixtures("low")
def test_tables_of_the_first_format_are_read_and_brought_up_to_date(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed_postings, "TIGHT_FROM", 10**9)
    store = PostgresStore(url)
    fill(store)
    before = answers(store)
    as_of_the_first_format(url)
    assert answers(store) == before
    assert store.examine().problems == []
    monkeypatch.setattr(packed_postings, "TIGHT_FROM", 4)
    with store.write() as writer, writer.transaction() as transaction:
        put(transaction, "later.md", *["later words"] * 9)
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT format, (SELECT count(held) FROM semsearch.postings) FROM semsearch.state")
        assert row.fetchone() == (FORMAT, 2)
    assert store.read(lambda snapshot: snapshot.frequencies([word("later"), word("all")]).tolist())[0] == 9
    assert store.examine().problems == []
    store.close()
