"""Milvus Lite keeps to the protocol of Milvus; the real server does where SEMSEARCH_TEST_MILVUS names one.

Milvus 2.3.5 comes as a wheel (`pip install milvus`) that listens on every interface, so it is run where there is none:

    unshare -n sh -c 'ip link set lo up; milvus-server --data FOLDER & sleep 30;
        SEMSEARCH_TEST_MILVUS=milvus://127.0.0.1 python -m pytest tests/vector_engines/test_milvus.py -m real_server'
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from semsearch.errors import SemsearchError, UsageError, VectorEngineError
from semsearch.vector_engines import milvus
from semsearch.vector_engines.milvus import MilvusEngine, expression
from semsearch.vector_engines.opening import open_engine
from semsearch.vector_engines.protocol import VectorEngine
from tests.support.loopback_listener import free_port, silent_port
from tests.support.milvus_server import milvus_lite
from tests.support.vector_engine_checks import (
    DIM,
    PAYLOAD,
    all_ids,
    assert_told,
    assert_unreachable,
    every_check,
    filled,
    unit,
)

REAL = os.environ.get("SEMSEARCH_TEST_MILVUS", "")
Open = Callable[..., VectorEngine]


@pytest.fixture(scope="module")
def lite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with milvus_lite(tmp_path_factory.mktemp("milvus") / "data") as url:
        yield url


@pytest.fixture(
    params=[
        "lite",
        pytest.param(
            "real",
            marks=[
                pytest.mark.real_server,
                pytest.mark.skipif(not REAL, reason="SEMSEARCH_TEST_MILVUS names no server"),
            ],
        ),
    ]
)
def opened(request: pytest.FixtureRequest) -> Iterator[Open]:
    """`opened()`: a client of a collection of its own, the same at each call."""
    url = REAL if request.param == "real" else request.getfixturevalue("lite")
    collection = f"test_{os.getpid()}"
    engines: list[VectorEngine] = []

    def connect(options: str = "") -> VectorEngine:
        engines.append(open_engine(f"{url}/{collection}{options}"))
        return engines[-1]

    connect().drop()
    yield connect
    connect().drop()
    for engine in engines:
        engine.close()


@every_check
def test_milvus(opened: Open, check: Callable[[VectorEngine], None]) -> None:
    check(opened())


def test_other_clients_see_deletes_at_once(opened: Open) -> None:
    writer, reader = opened(), opened()
    ids, vectors = filled(writer, 200)
    for start in range(0, 60, 3):
        writer.delete(ids[start : start + 3])
        assert reader.count() == 197 - start
        assert not set(reader.nearest(vectors[start], 200, None)[0].tolist()) & set(ids[: start + 3].tolist())
        assert all_ids(reader) == sorted(ids[start + 3 :].tolist())


def test_payload_is_kept_beside_the_vector(opened: Open) -> None:
    engine = opened()
    assert isinstance(engine, MilvusEngine)
    engine.ensure(DIM)
    engine.upsert(np.array([3, 4], np.int64), unit(2), [PAYLOAD, {**PAYLOAD, "text": "\u00e4" * 100_000}])
    fields = ["path", "title", "page", "weight", "draft", "tags", "text"]
    rows = engine._query(filter="id >= 0", output_fields=fields)
    rows.sort(key=lambda row: int(row["id"]))
    assert {name: rows[0][name] for name in fields} == PAYLOAD
    assert 30_000 < len(rows[1]["text"]) < 32_768 and set(rows[1]["text"]) == {"\u00e4"}
    found = engine._query(filter='path == "docs/a b.txt" and page > 2', output_fields=["id"])
    assert sorted(int(row["id"]) for row in found) == [3, 4]


def test_other_programs_read_it(opened: Open) -> None:
    """With the lines that the documentation shows."""
    from pymilvus import MilvusClient

    engine = opened()
    assert isinstance(engine, MilvusEngine)
    ids, vectors = filled(engine, 20)
    client = MilvusClient(f"http://{engine._host}:{engine._port}")
    found = client.search(
        engine._collection,
        data=[vectors[4]],
        filter='path like "docs/%"',
        limit=3,
        output_fields=["path", "title", "text"],
        search_params={"metric_type": "COSINE"},
        consistency_level="Strong",
    )
    client.close()
    assert found[0][0]["id"] == ids[4]
    assert found[0][0]["entity"] == {name: PAYLOAD[name] for name in ("path", "title", "text")}


def test_a_collection_that_was_released_is_loaded(opened: Open) -> None:
    engine = opened()
    assert isinstance(engine, MilvusEngine)
    ids, vectors = filled(engine, 20)
    engine._open().release_collection(engine._collection)
    assert opened().nearest(vectors[4], 1, None)[0].tolist() == [ids[4]]


def test_a_collection_of_others_is_refused(opened: Open) -> None:
    engine = opened()
    assert isinstance(engine, MilvusEngine)
    types = engine._pymilvus.DataType
    schema = engine._open().create_schema(enable_dynamic_field=True)
    schema.add_field("name", types.VARCHAR, is_primary=True, max_length=20)
    schema.add_field("vector", types.FLOAT_VECTOR, dim=DIM)
    engine._open().create_collection(engine._collection, schema=schema)
    with pytest.raises(VectorEngineError, match="is not one of semsearch") as refused:
        engine.ensure(DIM)
    assert refused.value.hint == "give another NAME in the URL"


def test_another_metric_is_refused(opened: Open) -> None:
    engine = opened()
    assert isinstance(engine, MilvusEngine)
    engine._ask("make the collection", lambda: engine._create(DIM))
    index = engine._open().prepare_index_params()
    index.add_index("vector", index_type="HNSW", metric_type="L2", params={"M": 8, "efConstruction": 64})
    engine._open().create_index(engine._collection, index)
    with pytest.raises(VectorEngineError, match="by L2, not by COSINE"):
        engine.ensure(DIM)


def test_a_collection_whose_making_was_cut_off_is_made_whole(opened: Open) -> None:
    engine = opened()
    assert isinstance(engine, MilvusEngine)
    engine._ask("make the collection", lambda: engine._create(DIM))
    filled(opened(), 20)
    assert engine.count() == 20


def test_every_call_fails_in_one_line_where_there_is_no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILVUS_PASSWORD", "geheim")
    with free_port() as port:
        engine = open_engine(f"milvus://root@127.0.0.1:{port}/docs")
        assert_unreachable(engine)


def test_a_server_that_dies_is_told_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(milvus, "REQUEST_SECONDS", 0.5)
    with milvus_lite(tmp_path / "data") as url:
        engine = open_engine(f"{url}/docs")
        filled(engine, 20)
    assert_unreachable(engine)


def test_a_server_that_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(milvus, "CONNECT_SECONDS", 0.5)
    with silent_port() as port:
        assert_told(open_engine(f"milvus://127.0.0.1:{port}/docs").count)


@pytest.mark.parametrize(
    "url",
    [
        "milvus://host", "milvus://host/a-b", "milvus://host/1a", "milvus://host:x/docs",
        "milvus://host/docs?tls=yes", "milvus://host/docs?ssl=1",
    ],
)  # fmt: skip
def test_urls_of_no_collection_are_refused(url: str) -> None:
    with pytest.raises(UsageError) as refused:
        open_engine(url)
    assert refused.value.hint


def test_passwords_are_not_told() -> None:
    engine = open_engine("milvus://root:geheim@127.0.0.1:1/docs")
    assert "geheim" not in engine.location
    with pytest.raises(SemsearchError) as refused:
        engine.count()
    assert "geheim" not in refused.value.message + refused.value.hint


def test_an_expression_is_no_deeper_than_its_logarithm() -> None:
    """Milvus does not read 50 levels; each pair of parentheses is one, and so is each `or` of a chain."""
    ranges = [(first, first + 2) for first in range(0, 3_000, 3)]
    depth = deepest = 0
    for character in expression(ranges):
        depth += (character == "(") - (character == ")")
        deepest = max(deepest, depth)
    assert deepest <= 11
    assert expression([(3, 9)]) == "(id >= 3 and id < 9)"
    assert expression([(3, 4), (7, 8)]) == "id in [3, 7]"


@pytest.mark.parametrize(
    ("version", "half"),
    [
        ("v2.3.5-lite", False), ("milvus_lite-3.2.2", False), ("v2.4.0", True), ("2.6.1", True), ("v3.0.0", True),
        ("Zilliz Cloud Vector Database(Compatible with Milvus 2.5)", True),
    ],
)  # fmt: skip
def test_float16_is_asked_for_where_the_server_searches_it(version: str, half: bool) -> None:
    engine = open_engine("milvus://127.0.0.1/docs")
    assert isinstance(engine, MilvusEngine)

    class Client:
        def get_server_version(self, timeout: float) -> str:
            return version

    engine._client = Client()
    assert engine._takes_half() is half
