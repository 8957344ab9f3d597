"""What every vector engine promises, as functions of an engine whose collection is not there yet.

Vectors have `DIM` numbers. `exact` rankings are compared by cosines, as equal ones may come in any order.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pytest

from semsearch.errors import VectorEngineError
from semsearch.vector_engines.protocol import Payload, Ranges, VectorEngine

if TYPE_CHECKING:
    from semsearch.vector_engines.protocol import Ids, Vectors

DIM = 24
# What engines of half precision keep of numbers below 1, and what 384 products of them add up to.
CLOSE = 2e-3
PAYLOAD: Payload = {
    "path": "docs/a b.txt", "title": "Über Äpfel", "page": 3, "weight": 1.5, "draft": False, "tags": ["x", "ü"],
    "text": "Some text.\n" * 5,
}  # fmt: skip


def unit(rows: int, seed: int = 0) -> "Vectors":
    """(rows, DIM) directions, some of them near to each other."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((12, DIM))
    made = centres[rng.integers(0, 12, rows)] + 0.5 * rng.standard_normal((rows, DIM))
    return (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)


def filled(engine: VectorEngine, rows: int = 600) -> "tuple[Ids, Vectors]":
    """Makes the collection of `engine` with `rows` chunks whose ids have gaps and come in no order."""
    ids = np.random.default_rng(1).permutation(rows * 3)[:rows].astype(np.int64)
    vectors = unit(rows)
    engine.ensure(DIM)
    engine.upsert(ids, vectors, [PAYLOAD] * rows)
    return ids, vectors


def all_ids(engine: VectorEngine) -> list[int]:
    """The ids of all chunks in order, each as often as it is told."""
    return sorted(int(chunk) for batch in engine.ids() for chunk in batch)


def assert_nearest(
    engine: VectorEngine, ids: "Ids", vectors: "Vectors", query: "Vectors", k: int, ranges: Ranges | None
) -> None:
    """That `engine` finds what an exact scan of `vectors` finds, in that order."""
    allowed = np.ones(len(ids), bool)
    if ranges is not None:
        allowed = np.array([any(first <= chunk < end for first, end in ranges) for chunk in ids], bool)
    cosines = np.where(allowed, vectors @ query, -2)
    best = np.sort(cosines)[::-1][: min(k, int(allowed.sum()))]
    found, told = engine.nearest(query, k, ranges)
    assert found.dtype == np.int64 and told.dtype == np.float32
    assert len(set(found.tolist())) == len(found) == len(best)
    np.testing.assert_allclose(told, best, atol=CLOSE)
    row = {int(chunk): place for place, chunk in enumerate(ids)}
    np.testing.assert_allclose(cosines[[row[int(chunk)] for chunk in found]], told, atol=CLOSE)
    assert (np.diff(told) <= 1e-6).all()


def makes_its_collection_once(engine: VectorEngine) -> None:
    assert not engine.exists()
    engine.ensure(DIM)
    assert engine.exists()
    engine.upsert(np.array([7], np.int64), unit(1), [PAYLOAD])
    engine.ensure(DIM)
    assert all_ids(engine) == [7]


def refuses_another_dimension(engine: VectorEngine) -> None:
    engine.ensure(DIM)
    with pytest.raises(VectorEngineError, match=rf"{DIM} numbers, not of {DIM + 1}") as refused:
        engine.ensure(DIM + 1)
    assert refused.value.hint


def finds_what_an_exact_scan_finds(engine: VectorEngine) -> None:
    ids, vectors = filled(engine)
    for query in unit(5, seed=2):
        assert_nearest(engine, ids, vectors, query, 10, None)
        assert_nearest(engine, ids, vectors, query, 1, None)


def filters_before_it_ranks(engine: VectorEngine) -> None:
    ids, vectors = filled(engine)
    top = int(ids.max())
    some: Ranges = [(first, first + 1) for first in range(0, top, 40)]
    for query in unit(3, seed=2):
        farthest = int(ids[np.argmin(vectors @ query)])
        assert_nearest(engine, ids, vectors, query, 10, [(farthest, farthest + 1)])
        assert_nearest(engine, ids, vectors, query, 10, [(0, top // 10)])
        assert_nearest(engine, ids, vectors, query, 10, [(3, 90), (200, 201), (top - 50, top + 1)])
        assert_nearest(engine, ids, vectors, query, 10, some)
        assert_nearest(engine, ids, vectors, query, 10, [(top + 1, top + 100)])
        assert engine.nearest(query, 10, [])[0].tolist() == []


def takes_as_many_ranges_as_it_says(engine: VectorEngine) -> None:
    ids, vectors = filled(engine)
    most = engine.capabilities.max_ranges
    ranges: Ranges = [(3 * number, 3 * number + 2) for number in range(most)]
    assert_nearest(engine, ids, vectors, unit(1, seed=2)[0], 10, ranges)


def gives_as_many_as_there_are(engine: VectorEngine) -> None:
    ids, vectors = filled(engine, 40)
    assert_nearest(engine, ids, vectors, unit(1, seed=2)[0], 100, None)


def puts_in_place_of_what_there_was(engine: VectorEngine) -> None:
    ids, vectors = filled(engine, 50)
    vectors[3:30] = -vectors[3:30]
    engine.upsert(ids[3:30], vectors[3:30], [{"text": "changed"}] * 27)
    assert engine.count() == 50
    assert all_ids(engine) == sorted(ids.tolist())
    assert_nearest(engine, ids, vectors, vectors[5], 10, None)
    np.testing.assert_allclose(engine.vectors(ids), vectors, atol=CLOSE)


def takes_out_what_is_deleted(engine: VectorEngine) -> None:
    ids, vectors = filled(engine, 300)
    for start in range(0, 100, 10):
        gone = ids[start : start + 10]
        engine.delete(np.append(gone, int(ids.max()) + 5))
        found, _ = engine.nearest(vectors[start], 300, None)
        assert not set(found.tolist()) & set(ids[: start + 10].tolist())
    assert engine.count() == 200
    assert all_ids(engine) == sorted(ids[100:].tolist())
    assert np.isnan(engine.vectors(ids[:3])).all()
    assert_nearest(engine, ids[100:], vectors[100:], vectors[0], 10, None)


def reads_vectors_in_the_order_asked(engine: VectorEngine) -> None:
    ids, vectors = filled(engine, 120)
    order = np.random.default_rng(3).permutation(120)
    asked = np.insert(ids[order], 60, int(ids.max()) + 1)
    read = engine.vectors(asked)
    assert read.dtype == np.float32
    assert np.isnan(read[60]).all()
    np.testing.assert_allclose(np.delete(read, 60, axis=0), vectors[order], atol=CLOSE)
    assert engine.vectors(np.empty(0, np.int64)).shape == (0, DIM)


def takes_more_than_a_batch(engine: VectorEngine) -> None:
    rows = 1_030  # 250 to 1,000 are a batch
    ids, vectors = filled(engine, rows)
    assert engine.count() == rows
    assert all_ids(engine) == sorted(ids.tolist())
    np.testing.assert_allclose(engine.vectors(ids), vectors, atol=CLOSE)
    engine.delete(ids)
    assert engine.count() == 0
    assert all_ids(engine) == []


def takes_every_payload(engine: VectorEngine) -> None:
    """Half characters as in names of files, numbers that are none, names of its own fields, more text than it keeps."""
    payloads: list[Payload] = [
        {},
        {"path": "a\udcffb", "text": "\x00 \U0001f600"},
        {"score": float("nan"), "size": float("inf"), "many": 2**53},
        {"id": "its own", "vector": "its own", "chunk": "its own", "uuid": "its own", "$meta": "x", "a b-c.d": 1},
        {"text": "\u00e4" * 300_000, "tags": []},
        {"text": '"\\\n' * 50_000, "title": "x" * 3_000},
        {"page": "third"},
        {"page": 3},
        {"page": 3.5},
        {"page": ["3", "4"]},
        {"page": True},
        {"a\0b": "one", "a\ufffdb": "two", "a\udcff": "three"},
        {"Author": "one", "author": "two", "AUTHOR": 3},
        {"author": "one", "meta_Grad A": "two", "meta_Grad-A": "three", "meta_Grad_A": "four"},
        {"id": "one", "id_": "two", "$x": "one", "_x": "two", "x" * 300: "one", "x" * 301: "two"},
        {"many": 2**70, "few": -(2**70), "all": 2**63 - 1},
    ]
    engine.ensure(DIM)
    vectors = unit(len(payloads))
    ids = np.arange(len(payloads), dtype=np.int64)
    engine.upsert(ids, vectors, payloads)
    assert engine.count() == len(payloads)
    np.testing.assert_allclose(engine.vectors(ids), vectors, atol=CLOSE)
    for chunk in ids:
        assert_nearest(engine, ids, vectors, vectors[chunk], 1, [(int(chunk), int(chunk) + 1)])


def takes_vectors_without_a_direction(engine: VectorEngine) -> None:
    """Those of texts that a model makes none of."""
    ids, vectors = filled(engine, 40)
    none, more = np.zeros((2, DIM), np.float32), int(ids.max()) + np.array([1, 2], np.int64)
    engine.upsert(more, none, [PAYLOAD] * 2)
    assert engine.count() == 42
    assert np.array_equal(engine.vectors(more), none)
    assert engine.nearest(vectors[3], 1, None)[0].tolist() == [ids[3]]
    assert len(engine.nearest(none[0], 3, None)[0]) <= 3


def drops_its_collection(engine: VectorEngine) -> None:
    engine.drop()
    filled(engine, 20)
    engine.drop()
    assert not engine.exists()
    for ask in (engine.count, lambda: list(engine.ids()), lambda: engine.nearest(unit(1)[0], 3, None)):
        assert_told(ask)
    engine.ensure(DIM)
    assert engine.count() == 0


def passes_over_rows_of_others(engine: VectorEngine, put: "Callable[[Vectors], int]") -> None:
    """`put` adds the rows of another program with the vectors that it is given, and says how many it added."""
    ids, vectors = filled(engine, 40)
    query = unit(1, seed=2)[0]
    rows = put(np.repeat(query[None], 25, axis=0))
    assert engine.count() == 40 + rows
    assert engine.foreign() == rows
    assert all_ids(engine) == sorted(ids.tolist())
    for k in (1, 10, 100):
        assert_nearest(engine, ids, vectors, query, k, None)
    assert_nearest(engine, ids, vectors, query, 10, [(0, int(ids.max()) // 2)])
    np.testing.assert_allclose(engine.vectors(ids), vectors, atol=CLOSE)
    assert engine.foreign(take_out=True) == rows
    assert_nearest(engine, ids, vectors, query, 10, None)
    assert engine.foreign() == 0 and engine.count() == 40


CHECKS: tuple[Callable[[VectorEngine], None], ...] = (
    makes_its_collection_once,
    refuses_another_dimension,
    finds_what_an_exact_scan_finds,
    filters_before_it_ranks,
    takes_as_many_ranges_as_it_says,
    gives_as_many_as_there_are,
    puts_in_place_of_what_there_was,
    takes_out_what_is_deleted,
    reads_vectors_in_the_order_asked,
    takes_more_than_a_batch,
    takes_every_payload,
    takes_vectors_without_a_direction,
    drops_its_collection,
)
every_check = pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)


def assert_unreachable(engine: VectorEngine) -> None:
    """That each call to a server that is not there is one line that says so, and what to do."""
    ids = np.array([1], np.int64)
    calls: tuple[Callable[[], object], ...] = (
        lambda: engine.ensure(DIM),
        engine.exists,
        lambda: engine.upsert(ids, unit(1), [PAYLOAD]),
        lambda: engine.delete(ids),
        lambda: engine.nearest(unit(1)[0], 3, None),
        lambda: engine.vectors(ids),
        engine.count,
        lambda: list(engine.ids()),
        engine.drop,
    )
    for call in calls:
        assert engine.location in assert_told(call)


def assert_told(call: Callable[[], object]) -> str:
    """What is said by `call`, which ends with one line, and what to do."""
    with pytest.raises(VectorEngineError) as refused:
        call()
    assert refused.value.hint and "\n" not in refused.value.message
    return refused.value.message


def assert_seen_by(other: VectorEngine, engine: VectorEngine, rows: int) -> None:
    """That `other`, another client of the collection of `engine`, sees at once what a call that returned has changed of
    `rows` chunks."""
    ids, vectors = filled(engine, rows)
    assert_nearest(other, ids, vectors, vectors[7], 10, None)
    half = rows // 2
    engine.delete(ids[:half])
    assert all_ids(other) == sorted(ids[half:].tolist())
    assert_nearest(other, ids[half:], vectors[half:], vectors[7], 10, None)


def assert_kept_exactly(engine: VectorEngine) -> None:
    """That vectors are read as they were put there, in single precision."""
    ids, vectors = filled(engine, 50)
    assert (engine.vectors(ids) == vectors).all()
