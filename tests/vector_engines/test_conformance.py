"""What every vector database does behind `VectorEngine`."""

import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from semsearch.errors import VectorEngineError
from semsearch.vector_engines.opening import open_engine
from semsearch.vector_engines.protocol import Payload, Ranges, VectorEngine
from tests.support import vector_engine_checks
from tests.support.foreign_rows import put_foreign
from tests.vector_engines.conftest import ENGINES

Ids = NDArray[np.int64]
Vectors = NDArray[np.float32]

DIM = 16
PRECISION = 2e-3  # of a cosine, where numbers of half precision are kept


def unit_vectors(count: int, dim: int = DIM, seed: int = 0) -> Vectors:
    drawn = np.random.default_rng(seed).normal(size=(count, dim)).astype(np.float32)
    vectors: Vectors = drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
    return vectors


def payloads(ids: Ids) -> list[Payload]:
    return [{"path": f"{chunk}.txt", "text": f"text {chunk}", "lines": int(chunk), "tags": ["a"]} for chunk in ids]


def nearest_of(ids: Ids, vectors: Vectors, query: Vectors, k: int, ranges: Ranges | None) -> Ids:
    """The exact answer."""
    inside = np.ones(len(ids), bool)
    if ranges is not None:
        inside = np.any([(ids >= begin) & (ids < end) for begin, end in ranges] or [np.zeros(len(ids), bool)], axis=0)
    allowed = ids[inside]
    return allowed[np.argsort(-(vectors[inside] @ query), kind="stable")[:k]]


def all_ids(engine: VectorEngine) -> list[int]:
    return sorted(int(chunk) for batch in engine.ids() for chunk in batch)


def filled(engine: VectorEngine, ids: Ids, seed: int = 0) -> Vectors:
    vectors = unit_vectors(len(ids), seed=seed)
    engine.ensure(DIM)
    engine.upsert(ids, vectors, payloads(ids))
    return vectors


def test_a_collection_is_made_once_and_dropped(engine: VectorEngine) -> None:
    assert not engine.exists()
    engine.drop()
    engine.ensure(DIM)
    filled(engine, np.array([1]))
    engine.ensure(DIM)
    assert engine.exists() and engine.count() == 1
    engine.drop()
    assert not engine.exists()
    engine.ensure(DIM + 1)
    assert engine.exists() and engine.count() == 0


@pytest.mark.parametrize("rows", [0, 3])
def test_a_collection_of_another_dimension_is_refused(engine: VectorEngine, url: str, rows: int) -> None:
    filled(engine, np.arange(rows))
    with pytest.raises(VectorEngineError, match=f"{DIM} numbers.* not of 99"):
        open_engine(url).ensure(99)
    with pytest.raises(VectorEngineError):
        engine.ensure(99)
    assert engine.count() == rows


def test_what_was_changed_is_seen_at_once_by_every_client(engine: VectorEngine, url: str) -> None:
    other = open_engine(url)
    ids = np.arange(30) * 7
    vectors = filled(engine, ids)
    assert other.count() == 30 and all_ids(other) == ids.tolist()
    assert other.nearest(vectors[3], 1, None)[0].tolist() == [21]
    other.delete(np.array([21, 22]))
    assert engine.count() == 29 and 21 not in engine.nearest(vectors[3], 30, None)[0]
    other.close()


def test_more_rows_than_a_batch_takes_are_cut(engine: VectorEngine) -> None:
    ids = np.arange(1_030)  # 250 to 1,000 are a batch
    vectors = filled(engine, ids)
    assert engine.count() == len(ids) and all_ids(engine) == ids.tolist()
    assert np.allclose(engine.vectors(ids), vectors, atol=PRECISION)
    engine.delete(ids[3:])
    assert all_ids(engine) == [0, 1, 2]


def test_a_row_is_put_in_place_of_the_one_before(engine: VectorEngine) -> None:
    ids = np.array([5, 6])
    filled(engine, ids)
    vectors = filled(engine, ids, seed=1)
    assert engine.count() == 2
    assert np.allclose(engine.vectors(ids), vectors, atol=PRECISION)


def test_vectors_come_in_the_order_asked_for(engine: VectorEngine) -> None:
    ids = np.array([10, 20, 30])
    vectors = filled(engine, ids)
    found = engine.vectors(np.array([30, 11, 10]))
    assert found.shape == (3, DIM) and found.dtype == np.float32
    assert np.allclose(found[[0, 2]], vectors[[2, 0]], atol=PRECISION) and np.isnan(found[1]).all()
    assert np.isnan(engine.vectors(np.array([11]))).all() and engine.vectors(np.array([11])).shape == (1, DIM)
    assert engine.vectors(np.empty(0, np.int64)).shape == (0, DIM)


SCATTERED = [(begin, begin + 3) for begin in range(0, 3_000, 50)]
RANGES: list[Ranges | None] = [None, [(0, 1)], [(100, 1500)], [(0, 2), (1500, 1600), (2999, 3000)], SCATTERED, []]


@pytest.mark.parametrize("ranges", RANGES, ids=["all", "one", "wide", "three", "scattered", "none"])
@pytest.mark.parametrize("k", [1, 10, 300])
def test_the_nearest_are_those_of_an_exact_search(
    filled_engine: tuple[VectorEngine, Ids, Vectors], ranges: Ranges | None, k: int
) -> None:
    engine, ids, vectors = filled_engine
    found_of_expected = []
    for query in unit_vectors(5, seed=9):
        expected = nearest_of(ids, vectors, query, k, ranges)
        found, cosines = engine.nearest(query, k, ranges)
        assert len(found) == len(set(found.tolist())) == len(expected)  # the filter never empties it
        assert found.dtype == np.int64 and cosines.dtype == np.float32
        assert np.allclose(cosines, vectors[np.searchsorted(ids, found)] @ query, atol=PRECISION)
        assert np.all(np.diff(cosines) <= 1e-6)
        assert np.isin(found, nearest_of(ids, vectors, query, len(ids), ranges)).all()
        found_of_expected += np.isin(expected, found).tolist()
    # Beyond the tenth, those of half precision change places.
    assert not found_of_expected or np.mean(found_of_expected) >= 0.99


@pytest.fixture(scope="module")
def filled_engine(urls: "object") -> object:
    assert callable(urls)
    engine = open_engine(urls("nearest"))
    ids = np.arange(0, 3_000, 3)
    vectors = filled(engine, ids)
    yield engine, ids, vectors
    engine.close()


def test_text_that_cannot_be_stored_is_replaced(engine: VectorEngine) -> None:
    engine.ensure(DIM)
    odd: Payload = {"path": "not utf-8: \udcff", "text": "a\0b", "tags": ["\udc80"], "none": [], "page": 1, "n": 0.5}
    odd = {**odd, "a\0b": "one", "a\ufffdb": "two", "\udcff": 1, "nan": float("nan"), "big": 2**70}
    engine.upsert(np.array([2**40]), unit_vectors(1), [odd])
    assert engine.nearest(unit_vectors(1)[0], 3, [(2**40, 2**40 + 1)])[0].tolist() == [2**40]


def test_rows_of_other_programs_are_passed_over(engine: VectorEngine, url: str) -> None:
    vector_engine_checks.passes_over_rows_of_others(engine, lambda vectors: put_foreign(url, vectors))


def test_a_closed_engine_opens_again(engine: VectorEngine) -> None:
    filled(engine, np.arange(3))
    engine.close()
    engine.close()
    assert engine.count() == 3


def test_a_collection_that_is_not_there_is_told(engine: VectorEngine) -> None:
    row = unit_vectors(1)
    for call in (
        lambda: engine.count(),
        lambda: engine.nearest(row[0], 3, None),
        lambda: engine.nearest(row[0], 3, [(0, 5)]),
        lambda: engine.upsert(np.array([1]), row, [{}]),
        lambda: engine.delete(np.array([1])),
        lambda: engine.vectors(np.array([1])),
        lambda: list(engine.ids()),
    ):
        with pytest.raises(VectorEngineError, match=r"test_\w+") as told:
            call()
        assert "\n" not in told.value.message and "is the name right" in told.value.hint


def test_vectors_of_another_length_are_refused(engine: VectorEngine) -> None:
    filled(engine, np.arange(3))
    for call in (
        lambda: engine.upsert(np.array([9]), unit_vectors(1, DIM + 1), [{}]),
        lambda: engine.nearest(unit_vectors(1, DIM + 1)[0], 3, None),
    ):
        with pytest.raises(VectorEngineError) as told:
            call()
        assert "\n" not in told.value.message
    assert engine.count() == 3


def test_a_server_that_has_ended_is_told_in_one_line(engine_name: str, tmp_path: Path) -> None:
    with ENGINES[engine_name](tmp_path) as urls:
        engine = open_engine(urls("collection"))
        filled(engine, np.arange(3))
    for again in (engine, open_engine(urls("collection"))):
        with pytest.raises(VectorEngineError) as told:
            again.count()
        assert "\n" not in told.value.message and "try: " in told.value.hint
        again.close()


def test_a_client_that_is_not_installed_is_told_with_what_installs_it(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in list(sys.modules):
        if name.partition(".")[0] in ("qdrant_client", "chromadb", "psycopg"):
            monkeypatch.delitem(sys.modules, name)
    for name in ("qdrant_client", "chromadb", "psycopg"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(VectorEngineError, match="is not installed") as told:
        open_engine(url).count()
    assert told.value.hint.startswith("pip install 'semsearch[")
