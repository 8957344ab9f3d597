"""The sparse leg of an index folder: what is put is found, what is deleted is not, and damage is told and mended."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from semsearch.embedding.model_info import Calibration
from semsearch.embedding.sparse_info import SparseInfo
from semsearch.errors import IndexDamagedError
from semsearch.lexical.sparse_vector import SparseVector
from semsearch.store.allowed import Allowed, ChunkSelection
from semsearch.store.copying import copy_to
from semsearch.store.local.store import LocalStore
from semsearch.store.protocol import SparseLegWriter, Writer
from tests.support.corpus import INFO, file_id, filled, put
from tests.support.local_index import flip, sql

STEP = 0.25
SPARSE = SparseInfo(
    "tiny", "1" * 64, "onnx-fp32", 50, 64, "vocabulary", "same", "", "", (), STEP, Calibration(0.1, {"latin": 1.5})
)
WITH_SPARSE = replace(INFO, sparse=SPARSE)


def vector(**weights: float) -> SparseVector:
    """Tokens by name: `t7=0.5`."""
    pairs = sorted((int(name[1:]), weight) for name, weight in weights.items())
    return SparseVector(np.array([one for one, _ in pairs]), np.array([one for _, one in pairs], np.float32))


def leg_of(writer: Writer) -> SparseLegWriter:
    leg = writer.sparse_leg()
    assert leg is not None
    return leg


def encode(store: LocalStore, vectors: dict[int, SparseVector], rest: SparseVector) -> list[int]:
    """Gives all pending chunks the vector of their id, or `rest`; returns their ids."""
    with store.write() as writer:
        leg = leg_of(writer)
        pending = leg.pending()
        if len(pending):
            leg.put(pending, [vectors.get(one, rest) for one in pending.tolist()])
        leg.finish()
        return pending.tolist()


def found(store: LocalStore, query: SparseVector, selection: ChunkSelection | None = None) -> dict[int, float]:
    """Chunk id -> score, best first."""

    def ask(snapshot) -> dict[int, float]:  # type: ignore[no-untyped-def]
        leg = snapshot.sparse_leg()
        ranking = leg.rank(query, 100, selection)
        np.testing.assert_array_equal(leg.scores(ranking.ids, query), ranking.scores)
        return dict(zip(ranking.ids.tolist(), ranking.scores.tolist(), strict=True))

    return store.read(ask)


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    """Four files of two chunks each, ids 1 to 8; all have token 1 with their id as weight, those of b token 2."""
    made = filled(
        LocalStore(str(tmp_path / "index")),
        {name: [f"{name} one", f"{name} two"] for name in ("a", "b", "c", "d")},
        WITH_SPARSE,
    )
    weights = {number: vector(t1=float(number)) for number in range(1, 9)}
    weights |= {3: vector(t1=3.0, t2=10.0), 4: vector(t2=1.0)}
    assert encode(made, weights, vector()) == list(range(1, 9))
    return made


def test_what_is_put_is_found_with_its_score(store: LocalStore) -> None:
    assert found(store, vector(t1=0.5)) == {8: 4.0, 7: 3.5, 6: 3.0, 5: 2.5, 3: 1.5, 2: 1.0, 1: 0.5}
    assert list(found(store, vector(t1=1.0, t2=2.0)))[:2] == [3, 8]
    assert found(store, vector(t9=1.0)) == {}
    within = ChunkSelection(Allowed([(3, 6)]))
    assert found(store, vector(t1=1.0), within) == {5: 5.0, 3: 3.0}
    held = store.read(lambda snapshot: snapshot.sparse_leg().held(np.array([3, 4, 99]), vector(t1=1.0, t2=3.0)))  # type: ignore[union-attr]
    assert held.tolist() == [1.0, 0.75, 0.0]


def test_nothing_is_pending_until_something_is_new(store: LocalStore) -> None:
    assert store.read(lambda snapshot: snapshot.sparse_pending()) == 0
    with store.write() as writer, writer.transaction() as transaction:
        put(transaction, "e", "e one")
    assert store.read(lambda snapshot: snapshot.sparse_pending()) == 1
    assert encode(store, {}, vector(t1=50.0)) == [9]
    assert next(iter(found(store, vector(t1=1.0)))) == 9


def test_what_has_no_sparse_vector_yet_is_new_once_it_has(store: LocalStore) -> None:
    with store.write() as writer, writer.transaction() as transaction:
        put(transaction, "e", "e one")
    assert store.read(lambda snapshot: snapshot.position()).last == 8
    encode(store, {}, vector(t1=1.0))
    assert store.read(lambda snapshot: snapshot.position()).last == 9


def test_deleted_chunks_are_not_found_and_leave_the_segments(store: LocalStore) -> None:
    with store.write() as writer, writer.transaction() as transaction:
        transaction.delete_files([file_id(store, "b"), file_id(store, "d")])
    assert list(found(store, vector(t1=1.0, t2=1.0))) == [6, 5, 2, 1]
    with store.write() as writer:
        writer.forget_deleted()
        writer.maintain()
    assert list(found(store, vector(t1=1.0, t2=1.0))) == [6, 5, 2, 1]
    assert store.read(lambda snapshot: snapshot.storage().segments["spa"]) == 1
    assert store.examine().problems == []


def test_vectors_are_known_by_the_text_of_chunks_also_of_deleted_ones(store: LocalStore) -> None:
    with store.write() as writer:
        hashes = {one.id: one.text_hash for one in writer.snapshot().passages([2, 3])}
        with writer.transaction() as transaction:
            transaction.delete_files([file_id(store, "b")])
        known = leg_of(writer).known([*hashes.values(), b"none"])
        assert {one: known[hashes[one]].tokens.tolist() for one in hashes} == {2: [1], 3: [1, 2]}
        assert known[hashes[3]].weights.tolist() == [3.0, 10.0]
        assert len(known) == 2


def test_many_small_segments_are_merged_and_no_name_is_given_twice(store: LocalStore, tmp_path: Path) -> None:
    names = set()
    for number in range(20):
        with store.write() as writer, writer.transaction() as transaction:
            put(transaction, f"more{number}", f"text {number}")
        encode(store, {}, vector(t5=1.0))
        with store.write() as writer:
            writer.maintain()
        there = {one.name for one in (tmp_path / "index" / "segments").iterdir() if one.name.startswith("spa")}
        names |= there
    assert store.read(lambda snapshot: snapshot.storage().segments["spa"]) < 8
    assert len(names) > 20, "merged ones have new names"
    assert len(found(store, vector(t5=1.0))) == 20
    assert len(found(store, vector(t1=1.0))) == 7
    assert store.examine().problems == []


def test_another_model_begins_anew_and_off_takes_all_out(store: LocalStore, tmp_path: Path) -> None:
    with store.write() as writer, writer.transaction() as transaction:
        transaction.update(replace(WITH_SPARSE, sparse=replace(SPARSE, name="renamed")))
    assert len(found(store, vector(t1=1.0))) == 7, "the same model by another name"
    with store.write() as writer, writer.transaction() as transaction:
        transaction.update(replace(WITH_SPARSE, sparse=replace(SPARSE, fingerprint="2" * 64)))
    assert found(store, vector(t1=1.0)) == {}
    assert store.read(lambda snapshot: snapshot.sparse_pending()) == 8
    with store.write() as writer, writer.transaction() as transaction:
        transaction.update(INFO)
    assert store.read(lambda snapshot: snapshot.sparse_leg()) is None
    store.write().__exit__(None, None, None)
    assert not [one for one in (tmp_path / "index" / "segments").iterdir() if one.name.startswith("spa")]


def test_a_clone_has_it_and_a_copy_says_that_it_has_not(store: LocalStore, tmp_path: Path) -> None:
    assert len(found(store.clone(str(tmp_path / "clone")), vector(t1=1.0))) == 7
    copy, told = LocalStore(str(tmp_path / "copy")), list[str]()
    store.read(lambda snapshot: copy_to(snapshot, copy, announce=told.append))
    assert "sparse vectors are not copied" in told[0] and "--sparse tiny" in told[0]
    assert copy.read(lambda snapshot: snapshot.sparse_leg()) is None


def spa(index: Path) -> Path:
    return next(one for one in sorted((index / "segments").iterdir()) if one.name.startswith("spa"))


@pytest.mark.parametrize("name", ["bm25.pkl", "bm25.bin"])
def test_damage_is_told_and_repaired_by_encoding_again(store: LocalStore, tmp_path: Path, name: str) -> None:
    index = tmp_path / "index"
    store.close()
    flip(spa(index) / name)
    with pytest.raises(IndexDamagedError, match="spa-000001"):
        found(store, vector(t1=1.0))
    (problem,) = store.examine().problems
    assert "spa-000001" in problem.part and "encodes 8 passages again" in problem.repair
    store.repair(False, lambda writer, model: pytest.fail("no vector is lost"), lambda message: None)
    assert store.examine().problems == []
    assert found(store, vector(t1=1.0)) == {}
    assert encode(store, {}, vector(t1=1.0)) == list(range(1, 9))
    assert len(found(store, vector(t1=1.0))) == 8


def test_one_lost_segment_of_two_is_made_again_alone(store: LocalStore, tmp_path: Path) -> None:
    with store.write() as writer, writer.transaction() as transaction:
        put(transaction, "e", "e one", "e two")
    encode(store, {}, vector(t1=50.0))
    store.close()
    flip(spa(tmp_path / "index") / "bm25.bin")
    store.repair(False, lambda writer, model: pytest.fail("no vector is lost"), lambda message: None)
    assert encode(store, {}, vector(t3=1.0)) == list(range(1, 9))
    assert list(found(store, vector(t1=1.0))) == [9, 10]
    assert len(found(store, vector(t3=1.0))) == 8


def test_where_the_last_segment_is_lost_those_before_it_still_count(store: LocalStore, tmp_path: Path) -> None:
    with store.write() as writer, writer.transaction() as transaction:
        put(transaction, "e", "e one", "e two")
    encode(store, {}, vector(t1=50.0))
    store.close()
    flip(tmp_path / "index" / "segments" / "spa-000002" / "bm25.bin")
    store.repair(False, lambda writer, model: pytest.fail("no vector is lost"), lambda message: None)
    assert store.read(lambda snapshot: snapshot.sparse_pending()) == 2
    assert encode(store, {}, vector(t1=50.0)) == [9, 10]


def test_passages_that_no_segment_has_are_told_and_encoded_again(store: LocalStore, tmp_path: Path) -> None:
    with store.write() as writer, writer.transaction() as transaction:
        put(transaction, "e", "e one", "e two")
    store.close()
    index = tmp_path / "index"
    sql(index, "UPDATE settings SET value = json_set(value, '$.to', 10) WHERE key = 'sparse_segments'")
    (problem,) = store.examine().problems
    assert problem.what == "2 passages have no sparse vectors"
    store.repair(False, lambda writer, model: pytest.fail("no vector is lost"), lambda message: None)
    assert store.examine().problems == []
    assert encode(store, {}, vector(t1=1.0)) == [9, 10]


HOSTILE = [
    [],
    {},
    {"to": -1, "next": 1, "segments": []},
    {"to": 0, "next": 1, "segments": {}},
    {"to": 0, "next": "1", "segments": []},
    {"to": 0, "next": 1, "segments": [{"name": "../../etc"}]},
    {"to": 0, "next": 1, "segments": [{"name": 7, "first_id": 1, "last_id": 2, "rows": 2, "files": {}}]},
    {"to": 0, "next": 1, "segments": [{"name": "../x", "first_id": 1, "last_id": 2, "rows": 2, "files": {}}]},
    {"to": 0, "next": 1, "segments": [{"name": "spa-9", "first_id": 1, "last_id": 2, "rows": 2, "files": {}}]},
    {"to": 0, "next": 9, "segments": [{"name": "lex-000001", "first_id": 1, "last_id": 2, "rows": 2, "files": {}}]},
]


@pytest.mark.parametrize("value", HOSTILE, ids=range(len(HOSTILE)))
def test_a_setting_that_is_none_is_damage_and_is_forgotten(store: LocalStore, tmp_path: Path, value: object) -> None:
    store.close()
    sql(tmp_path / "index", "UPDATE settings SET value = ? WHERE key = 'sparse_segments'", json.dumps(value))
    with pytest.raises(IndexDamagedError):
        found(store, vector(t1=1.0))
    assert store.examine().problems
    store.repair(False, lambda writer, model: pytest.fail("no vector is lost"), lambda message: None)
    assert store.examine().problems == []
    assert encode(store, {}, vector(t1=1.0)) == list(range(1, 9))


def test_a_segment_that_the_next_one_would_be_written_over_is_damage(store: LocalStore, tmp_path: Path) -> None:
    store.close()
    change = "UPDATE settings SET value = json_set(value, '$.next', 1) WHERE key = 'sparse_segments'"
    sql(tmp_path / "index", change)
    with pytest.raises(IndexDamagedError, match="is none of the first 0"):
        found(store, vector(t1=1.0))
    with pytest.raises(IndexDamagedError), store.write() as writer:
        leg_of(writer).pending()
    store.repair(False, lambda writer, model: pytest.fail("no vector is lost"), lambda message: None)
    assert encode(store, {}, vector(t1=1.0)) == list(range(1, 9))


def test_what_it_says_of_passages_that_never_were_is_forgotten(store: LocalStore, tmp_path: Path) -> None:
    """Where the number of the next passage is lost, new passages must not be given the vectors of others."""
    with store.write() as writer, writer.transaction() as transaction:
        transaction.delete_files([file_id(store, "c"), file_id(store, "d")])
    with store.write() as writer:
        writer.maintain()
    store.close()
    sql(tmp_path / "index", "DELETE FROM chunks WHERE file_id IS NULL")
    sql(tmp_path / "index", "DELETE FROM settings WHERE key = 'next_chunk'")
    store.repair(False, lambda writer, model: pytest.fail("no vector is lost"), lambda message: None)
    assert store.examine().problems == []
    with store.write() as writer, writer.transaction() as transaction:
        put(transaction, "e", "e one", "e two")
    assert encode(store, {}, vector(t1=1.0)) == list(range(1, 7))
    assert set(found(store, vector(t1=1.0)).values()) == {1.0}


def test_a_repair_of_sparse_vectors_alone_has_no_file_read_again(store: LocalStore, tmp_path: Path) -> None:
    def generation() -> int:
        return store.read(lambda snapshot: snapshot.info().generation)

    before = generation()
    store.close()
    sql(tmp_path / "index", "UPDATE settings SET value = '[]' WHERE key = 'sparse_segments'")
    store.repair(False, lambda writer, model: pytest.fail("no vector is lost"), lambda message: None)
    assert store.examine().problems == [] and generation() == before


def test_a_rebuild_keeps_what_is_whole_and_drops_what_is_damaged(store: LocalStore, tmp_path: Path) -> None:
    with store.write(rebuild=True) as writer, writer.transaction() as transaction:
        transaction.drop_damaged()
    assert len(found(store, vector(t1=1.0))) == 7
    store.close()
    flip(spa(tmp_path / "index") / "bm25.bin")
    with store.write(rebuild=True) as writer, writer.transaction() as transaction:
        transaction.drop_damaged()
    assert found(store, vector(t1=1.0)) == {}
