"""Pinecone, as far as a server that answers by its documented API can tell: there is no other to be had."""

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from semsearch.errors import UsageError, VectorEngineError
from semsearch.vector_engines import pinecone
from semsearch.vector_engines.opening import open_engine
from semsearch.vector_engines.pinecone import condition
from semsearch.vector_engines.protocol import VectorEngine
from tests.support.loopback_listener import free_port, silent_port
from tests.support.pinecone_server import KEY, Index, Namespace, Pinecone, pinecone_server
from tests.support.vector_engine_checks import (
    DIM,
    PAYLOAD,
    all_ids,
    assert_kept_exactly,
    assert_nearest,
    assert_seen_by,
    assert_told,
    assert_unreachable,
    every_check,
    filled,
    passes_over_rows_of_others,
    unit,
)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Pinecone]:
    with pinecone_server() as running:
        monkeypatch.setenv("PINECONE_API_KEY", KEY)
        monkeypatch.setenv("PINECONE_CONTROLLER_HOST", running.url)
        monkeypatch.setattr(pinecone, "_LOOK_SECONDS", 0.001)
        yield running


@pytest.fixture
def engine(server: Pinecone) -> Iterator[VectorEngine]:
    opened = open_engine("pinecone://docs-1?namespace=a%20b")
    yield opened
    opened.close()


@every_check
def test_pinecone(engine: VectorEngine, check: Callable[[VectorEngine], None]) -> None:
    check(engine)


@every_check
def test_pinecone_without_log_sequence_numbers(
    server: Pinecone, engine: VectorEngine, check: Callable[[VectorEngine], None]
) -> None:
    server.numbered = False
    check(engine)


def test_another_client_sees_what_a_call_that_returned_has_changed(server: Pinecone, engine: VectorEngine) -> None:
    assert_seen_by(open_engine("pinecone://docs-1?namespace=a%20b"), engine, 2_100)
    assert len([path for _, path, _ in server.requests if path == "/vectors/upsert"]) > 2


def test_writes_that_never_show_are_told(
    server: Pinecone, engine: VectorEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids, vectors = filled(engine, 20)
    monkeypatch.setattr(pinecone, "_SHOWN_SECONDS", 0.05)
    server.stuck = True
    for write in (lambda: engine.upsert(ids, -vectors, [PAYLOAD] * 20), lambda: engine.delete(ids)):
        for numbered in (True, False):
            server.numbered = numbered
            with pytest.raises(VectorEngineError, match="does not show") as refused:
                write()
            assert refused.value.hint == "run again later"


def test_payload_is_kept_as_metadata(server: Pinecone, engine: VectorEngine) -> None:
    engine.ensure(DIM)
    engine.upsert(np.array([3, 4], np.int64), unit(2), [PAYLOAD, {**PAYLOAD, "text": "\u00e4" * 30_000}])
    records = server.indexes["docs-1"].namespaces["a b"].records
    assert records["3"]["metadata"] == {**PAYLOAD, "chunk_id": 3}
    assert 19_000 < len(records["4"]["metadata"]["text"]) < 20_000


def test_requests_are_cut_by_their_bytes(server: Pinecone, engine: VectorEngine) -> None:
    engine.ensure(DIM)
    engine.upsert(np.arange(120, dtype=np.int64), unit(120), [{"text": "\u00e4" * 15_000}] * 120)
    sent = [len(body["vectors"]) for _, path, body in server.requests if path == "/vectors/upsert"]
    assert sum(sent) == 120 and max(sent) < 70
    assert engine.count() == 120


def test_other_programs_read_it(engine: VectorEngine) -> None:
    """With the lines that the documentation shows."""
    from pinecone import Pinecone as Client

    ids, vectors = filled(engine, 20)
    index = Client().index(name="docs-1")
    found = index.query(vector=vectors[4].tolist(), top_k=3, namespace="a b", include_metadata=True)
    assert int(found.matches[0].id) == ids[4]
    assert found.matches[0].metadata == {**PAYLOAD, "chunk_id": int(ids[4])}


@pytest.mark.parametrize("numbered", [True, False])
def test_passages_without_a_word_that_the_model_knows(server: Pinecone, engine: VectorEngine, numbered: bool) -> None:
    server.numbered = numbered
    ids, vectors = filled(engine, 40)
    without = np.sort(ids)[:5]
    zeros = np.zeros((5, DIM), np.float32)
    engine.upsert(without, zeros, [PAYLOAD] * 5)
    there = ~np.isin(ids, without)
    marker = np.eye(1, DIM, dtype=np.float32)[0]
    for ranges in (None, [(0, int(ids.max()) + 1)], [(int(chunk), int(chunk) + 1) for chunk in np.sort(ids)]):
        assert_nearest(engine, ids[there], vectors[there], marker, 40, ranges)
    assert engine.nearest(zeros[0], 10, None)[0].tolist() == []
    assert engine.count() == 40 and all_ids(engine) == sorted(ids.tolist())
    assert (engine.vectors(without) == 0).all() and (engine.vectors(ids[there]) == vectors[there]).all()
    # A passage whose text has become another one.
    vectors[np.argsort(ids)[:2]] = unit(2, seed=4)
    engine.upsert(without[:2], unit(2, seed=4), [PAYLOAD] * 2)
    there = ~np.isin(ids, without[2:])
    assert_nearest(engine, ids[there], vectors[there], marker, 40, None)
    engine.delete(without[2:])
    assert engine.count() == 37 and np.isnan(engine.vectors(without[2:])).all()


@pytest.mark.parametrize("numbered", [True, False])
def test_records_of_others_are_passed_over(server: Pinecone, engine: VectorEngine, numbered: bool) -> None:
    server.numbered = numbered

    def put(vectors: NDArray[np.float32]) -> int:
        names = ["doc-x", "007", str(2**64 - 1), *(f"x{number}" for number in range(len(vectors) - 3))]
        server.indexes["docs-1"].namespaces["a b"].records |= {
            name: {"id": name, "values": row.tolist(), "metadata": {"chunk_id": 3}}
            for name, row in zip(names, vectors, strict=True)
        }
        return len(names)

    passes_over_rows_of_others(engine, put)
    put(unit(25))
    three = np.array([3], np.int64)
    engine.upsert(three, unit(1, seed=3), [PAYLOAD])
    assert not np.isnan(engine.vectors(three)).any()
    engine.delete(three)
    assert np.isnan(engine.vectors(three)).all()


def test_vectors_are_read_exactly(engine: VectorEngine) -> None:
    assert_kept_exactly(engine)


def test_the_address_of_the_index_spares_a_request(server: Pinecone) -> None:
    server.indexes["docs-1"] = Index(DIM, "cosine")
    engine = open_engine(f"pinecone://docs-1?host={server.host('docs-1')}")
    ids, vectors = filled(engine, 20)
    assert_nearest(engine, ids, vectors, vectors[3], 5, None)
    assert {path.split("/")[1] for _, path, _ in server.requests} & {"indexes"} == set()
    assert list(server.indexes["docs-1"].namespaces) == ["semsearch"]


def test_an_index_is_made_where_it_was_told(server: Pinecone) -> None:
    open_engine("pinecone://docs-1?cloud=gcp&region=europe-west4").ensure(DIM)
    made = next(body for method, path, body in server.requests if (method, path) == ("POST", "/indexes"))
    assert made["deployment"] == {"deployment_type": "managed", "cloud": "gcp", "region": "europe-west4"}


def test_other_namespaces_are_left_alone(server: Pinecone, engine: VectorEngine) -> None:
    other = Namespace({"x": {"id": "x", "values": [1.0] * DIM, "metadata": {}}})
    server.indexes["docs-1"] = Index(DIM, "cosine", {"other": other})
    ids, _ = filled(engine, 20)
    assert engine.count() == 20 and all_ids(engine) == sorted(ids.tolist())
    engine.drop()
    assert list(server.indexes["docs-1"].namespaces) == ["other"]
    assert list(other.records) == ["x"]


def test_an_index_is_removed_by_who_made_it_when_it_has_nothing_else(server: Pinecone, engine: VectorEngine) -> None:
    filled(engine, 20)
    other = open_engine("pinecone://docs-1?namespace=other")
    filled(other, 20)
    engine.drop()
    assert other.count() == 20
    other.drop()
    assert not server.indexes
    engine.drop()
    server.indexes["docs-1"] = Index(DIM, "cosine")
    filled(engine, 20)
    engine.drop()
    assert list(server.indexes) == ["docs-1"]


def test_another_metric_is_refused(server: Pinecone, engine: VectorEngine) -> None:
    server.indexes["docs-1"] = Index(DIM, "euclidean")
    with pytest.raises(VectorEngineError, match="by euclidean, not by cosine"):
        engine.ensure(DIM)


def test_a_refused_key_is_told_without_the_key(server: Pinecone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PINECONE_API_KEY", "pcsk_wrong")
    with pytest.raises(VectorEngineError) as refused:
        open_engine("pinecone://docs-1").ensure(DIM)
    assert "PINECONE_API_KEY" in refused.value.hint
    assert "pcsk_wrong" not in refused.value.message


def test_no_key_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PINECONE_API_KEY", raising=False)
    with pytest.raises(VectorEngineError, match="no key for Pinecone") as refused:
        open_engine("pinecone://docs-1").exists()
    assert refused.value.hint == "set PINECONE_API_KEY"


def test_every_call_fails_in_one_line_where_there_is_no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pinecone._internal.http_client._retry_sleep", lambda seconds: None)
    with free_port() as port:
        monkeypatch.setenv("PINECONE_API_KEY", KEY)
        monkeypatch.setenv("PINECONE_CONTROLLER_HOST", f"http://127.0.0.1:{port}")
        assert_unreachable(open_engine("pinecone://docs-1"))


def test_a_server_that_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pinecone, "REQUEST_SECONDS", 0.1)
    with silent_port() as port:
        monkeypatch.setenv("PINECONE_API_KEY", KEY)
        assert_told(open_engine(f"pinecone://docs-1?host=http://127.0.0.1:{port}").count)


@pytest.mark.parametrize(
    "url",
    [
        "pinecone://Docs_1", "pinecone://", "pinecone://docs/1", "pinecone://docs:80", "pinecone://docs?namespace=",
        "pinecone://docs?namespace=__default__", "pinecone://docs?key=1", "pinecone://docs?namespace=%C3%A4",
    ],
)  # fmt: skip
def test_urls_of_no_index_are_refused(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PINECONE_API_KEY", KEY)
    with pytest.raises(UsageError) as refused:
        open_engine(url)
    assert refused.value.hint


def test_single_chunks_are_one_condition() -> None:
    assert condition([(3, 4), (7, 8)]) == {"chunk_id": {"$in": [3, 7]}}
    assert condition([(3, 9)]) == {"$and": [{"chunk_id": {"$gte": 3}}, {"chunk_id": {"$lt": 9}}]}
