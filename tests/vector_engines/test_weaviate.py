"""Weaviate, as far as a server that answers by its documented API can tell: there is no other to be had."""

import uuid
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from semsearch.errors import UsageError, VectorEngineError
from semsearch.vector_engines import weaviate
from semsearch.vector_engines.opening import open_engine
from semsearch.vector_engines.protocol import VectorEngine
from semsearch.vector_engines.weaviate import chunk_of, property_name, uuid_of
from tests.support.loopback_listener import free_port, silent_port
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
from tests.support.weaviate_server import KEY, Weaviate, weaviate_server


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Weaviate]:
    monkeypatch.delenv("WEAVIATE_API_KEY", raising=False)
    monkeypatch.setattr(weaviate, "_LOOK_SECONDS", 0.001)
    with weaviate_server() as running:
        yield running


@pytest.fixture
def engine(server: Weaviate) -> Iterator[VectorEngine]:
    opened = open_engine(server.url)
    yield opened
    opened.close()


@every_check
def test_weaviate(engine: VectorEngine, check: Callable[[VectorEngine], None]) -> None:
    check(engine)


@every_check
def test_weaviate_that_indexes_later(
    server: Weaviate, engine: VectorEngine, check: Callable[[VectorEngine], None]
) -> None:
    server.waits = True
    check(engine)


def test_another_client_sees_what_a_call_that_returned_has_changed(server: Weaviate, engine: VectorEngine) -> None:
    server.waits = True
    other = open_engine(server.url)
    assert_seen_by(other, engine, 700)
    other.close()


def test_vectors_that_are_never_indexed_are_told(
    server: Weaviate, engine: VectorEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.ensure(DIM)
    server.waits = True
    monkeypatch.setattr(weaviate, "_INDEXED_SECONDS", 0.0)
    monkeypatch.setattr(weaviate, "_LOOK_SECONDS", 0.01)
    with pytest.raises(VectorEngineError, match="wait for their index") as refused:
        engine.upsert(np.arange(64, dtype=np.int64), unit(64), [PAYLOAD] * 64)
    assert refused.value.hint


def test_payload_is_kept_in_properties(server: Weaviate, engine: VectorEngine) -> None:
    engine.ensure(DIM)
    engine.upsert(np.array([3, 4], np.int64), unit(2), [PAYLOAD, {**PAYLOAD, "page": "iv", "Due date": "today"}])
    made = server.collections["Docs"]
    assert made.objects[str(uuid_of(3))][1] == {**PAYLOAD, "chunk_id": 3}
    other = {**PAYLOAD, "page_text": "iv", "due_date": "today", "chunk_id": 4}
    assert made.objects[str(uuid_of(4))][1] == {name: value for name, value in other.items() if name != "page"}
    kinds = {"page": "number", "weight": "number", "draft": "boolean", "tags": "text[]", "page_text": "text"}
    assert {name: made.types()[name] for name in kinds} == kinds
    assert made.schema["properties"][0]["indexRangeFilters"]


def test_other_programs_read_it(server: Weaviate, engine: VectorEngine) -> None:
    """With the lines that the documentation shows."""
    import weaviate
    from weaviate.classes.query import MetadataQuery

    ids, vectors = filled(engine, 20)
    client = weaviate.connect_to_local(
        "127.0.0.1", server.server_address[1], server.grpc_port, skip_init_checks=True
    )  # fmt: skip
    found = client.collections.use("Docs").query.near_vector(
        near_vector=vectors[4].tolist(),
        target_vector="default",
        limit=3,
        return_properties=["path", "page", "tags", "text"],
        return_metadata=MetadataQuery(distance=True),
    )
    client.close()
    best = found.objects[0]
    assert chunk_of(best.uuid) == ids[4] and best.metadata.distance == pytest.approx(0, abs=1e-6)
    assert best.properties == {name: PAYLOAD[name] for name in ("path", "page", "tags", "text")}


def test_a_property_that_another_writer_added_is_used(server: Weaviate, engine: VectorEngine) -> None:
    engine.ensure(DIM)
    engine.upsert(np.array([1], np.int64), unit(1), [{}])
    other = open_engine(server.url)
    other.upsert(np.array([2], np.int64), unit(1), [{"title": "x"}])
    other.close()
    engine.upsert(np.array([3], np.int64), unit(1), [{"title": "y"}])
    assert all_ids(engine) == [1, 2, 3]


def test_names_that_differ_in_case_alone_are_one_property(server: Weaviate, engine: VectorEngine) -> None:
    engine.ensure(DIM)
    engine.upsert(np.array([1], np.int64), unit(1), [{"meta_Author": "Ada"}])
    other = open_engine(server.url)
    other.upsert(np.array([2], np.int64), unit(1), [{"meta_author": "Bea"}])
    other.close()
    engine.upsert(np.array([3], np.int64), unit(1), [{"meta_AUTHOR": "Cleo"}])
    objects = server.collections["Docs"].objects
    assert [objects[str(uuid_of(chunk))][1]["meta_Author"] for chunk in (1, 2, 3)] == ["Ada", "Bea", "Cleo"]


def test_a_property_of_another_case_that_another_writer_added_is_used(server: Weaviate, engine: VectorEngine) -> None:
    engine.ensure(DIM)
    engine.upsert(np.array([1], np.int64), unit(1), [{}])
    other = open_engine(server.url)
    other.upsert(np.array([2], np.int64), unit(1), [{"page": 7}])
    other.close()
    engine.upsert(np.array([3], np.int64), unit(1), [{"Page": "iv", "PAGE": 8}])
    assert server.collections["Docs"].objects[str(uuid_of(3))][1] == {"page_text": "iv", "page": 8, "chunk_id": 3}


def test_values_whose_names_become_one_are_all_kept(server: Weaviate, engine: VectorEngine) -> None:
    engine.ensure(DIM)
    row = {"meta_Grad A": "one", "meta_Grad-A": "two", "meta_grad_a": "three", "meta_Grad_A_text": "four"}
    engine.upsert(np.array([1], np.int64), unit(1), [row])
    kept = dict(server.collections["Docs"].objects[str(uuid_of(1))][1])
    assert kept.pop("chunk_id") == 1
    assert sorted(kept.values()) == ["four", "one", "three", "two"] and kept["meta_Grad_A"] == "one"


def test_objects_of_others_are_passed_over(server: Weaviate, engine: VectorEngine) -> None:
    def put(vectors: NDArray[np.float32]) -> int:
        # Some end as UUIDs of chunks do.
        numbers = [uuid.UUID(int=uuid_of(place).int ^ (1 << 127)) for place in range(5)]
        numbers += [uuid.uuid4() for _ in vectors[5:]]
        server.collections["Docs"].objects |= {
            str(number): (row, {}) for number, row in zip(numbers, vectors, strict=True)
        }
        return len(numbers)

    passes_over_rows_of_others(engine, put)


def test_vectors_are_read_exactly(engine: VectorEngine) -> None:
    assert_kept_exactly(engine)


def test_nothing_is_asked_by_graphql_or_of_others(server: Weaviate, engine: VectorEngine) -> None:
    ids, vectors = filled(engine, 20)
    assert_nearest(engine, ids, vectors, vectors[3], 5, None)
    engine.count()
    engine.delete(ids[:3])
    assert set(server.asked) >= {"Search", "BatchObjects", "BatchDelete", "Aggregate"}
    assert not [line for line in server.asked if "graphql" in line or "openid" in line]


def test_another_metric_is_refused(server: Weaviate, engine: VectorEngine) -> None:
    engine.ensure(DIM)
    config = server.collections["Docs"].schema["vectorConfig"]["default"]["vectorIndexConfig"]
    config["distance"] = "l2-squared"
    with pytest.raises(VectorEngineError, match="by l2-squared, not by cosine"):
        engine.ensure(DIM)


def test_a_collection_of_others_is_refused(server: Weaviate, engine: VectorEngine) -> None:
    engine.ensure(DIM)
    server.collections["Docs"].schema["description"] = "Articles"
    with pytest.raises(VectorEngineError, match="is not one of semsearch") as refused:
        engine.ensure(DIM)
    assert refused.value.hint == "give another NAME in the URL"


def test_the_key_goes_with_every_request(server: Weaviate, monkeypatch: pytest.MonkeyPatch) -> None:
    server.key = KEY
    monkeypatch.setenv("WEAVIATE_API_KEY", KEY)
    engine = open_engine(server.url)
    ids, vectors = filled(engine, 20)
    assert_nearest(engine, ids, vectors, vectors[3], 5, None)
    engine.close()


@pytest.mark.parametrize("key", ["", "wv_wrong"])
def test_a_refused_key_is_told_without_the_key(server: Weaviate, monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    server.key = KEY
    monkeypatch.setenv("WEAVIATE_API_KEY", key)
    engine = open_engine(server.url)
    for call in (engine.exists, engine.count, lambda: engine.nearest(unit(1)[0], 3, None)):
        with pytest.raises(VectorEngineError) as refused:
            call()
        assert "WEAVIATE_API_KEY" in refused.value.hint
        assert "wv_wrong" not in refused.value.message
    engine.close()


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client asks a server that is not there again and again, for a minute."""
    monkeypatch.setattr("weaviate.retry.time", SimpleNamespace(sleep=lambda seconds: None))


def test_every_call_fails_in_one_line_where_there_is_no_server(no_pauses: None) -> None:
    with free_port() as port:
        assert_unreachable(open_engine(f"weaviate://127.0.0.1:{port}/Docs?grpc_port=1"))


def test_a_server_that_dies_is_told_in_one_line(no_pauses: None) -> None:
    with weaviate_server() as running:
        engine = open_engine(running.url)
        filled(engine, 20)
    assert_unreachable(engine)
    engine.close()


def test_a_server_that_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weaviate, "CONNECT_SECONDS", 0.3)
    monkeypatch.setattr(weaviate, "REQUEST_SECONDS", 0.3)
    with silent_port() as port:
        assert_told(open_engine(f"weaviate://127.0.0.1:{port}/Docs").exists)


@pytest.mark.parametrize(
    "url",
    [
        "weaviate://host", "weaviate://host/docs", "weaviate://host/A-b", "weaviate://u@host/Docs",
        "weaviate://host/Docs?grpc_port=x", "weaviate://host/Docs?grpc_port=0", "weaviate://host:1/Docs?grpc_port=1",
        "weaviate://host/Docs?key=1",
    ],
)  # fmt: skip
def test_urls_of_no_collection_are_refused(url: str) -> None:
    with pytest.raises(UsageError) as refused:
        open_engine(url)
    assert refused.value.hint


@given(st.integers(0, 2**62 - 1))
def test_a_uuid_tells_the_chunk(chunk: int) -> None:
    made = uuid_of(chunk)
    assert chunk_of(made) == chunk
    assert (made.version, made.variant) == (8, "specified in RFC 4122")


@given(st.text())
def test_every_name_becomes_one_of_a_property(name: str) -> None:
    made = property_name(name)
    assert made.isascii() and made.isidentifier() and len(made) <= 231
    assert made[0] == made[0].lower() and made not in ("id", "vector", "_id", "_additional", "chunk_id")
    assert property_name(made) == made
