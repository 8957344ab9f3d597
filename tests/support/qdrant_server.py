"""Qdrant's REST interface on the loopback, answered by the engine of Qdrant itself in this process (qdrant-edge).

Every body must be what the models of Qdrant's own client take. What a request changes without `wait=true` is not seen
by later ones: a server may be that slow.
"""

import shutil
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar
from uuid import UUID

import qdrant_edge as edge
from pydantic import TypeAdapter, ValidationError
from qdrant_client.http import models

from tests.support.json_server import JsonServer, Refusal

T = TypeVar("T")

_DISTANCES = {models.Distance.COSINE: edge.Distance.Cosine, models.Distance.DOT: edge.Distance.Dot}
_DATATYPES = {
    models.Datatype.FLOAT16: edge.VectorStorageDatatype.Float16,
    models.Datatype.FLOAT32: edge.VectorStorageDatatype.Float32,
}
# What the configuration of a new collection says, beside what was asked for.
_CONFIG = {
    "hnsw_config": {"m": 16, "ef_construct": 100, "full_scan_threshold": 10000},
    "optimizer_config": {
        "deleted_threshold": 0.2, "vacuum_min_vector_number": 1000, "default_segment_number": 0,
        "flush_interval_sec": 5,
    },
    "wal_config": {"wal_capacity_mb": 32, "wal_segments_ahead": 0},
}  # fmt: skip


class _Collection:
    def __init__(self, folder: Path, params: models.VectorParams) -> None:
        vectors = edge.EdgeVectorParams(
            size=params.size, distance=_DISTANCES[params.distance],
            datatype=_DATATYPES[params.datatype or models.Datatype.FLOAT32],
        )  # fmt: skip
        self.params = params
        self.indexes: dict[str, models.IntegerIndexParams] = {}
        self.shard = edge.EdgeShard.create(str(folder), edge.EdgeConfig(vectors=vectors))


class QdrantServer(JsonServer):
    """`key`: where it is set, requests need it. `collections`: by name. `searches`: how it was asked to search."""

    def __init__(self, key: str = "") -> None:
        super().__init__()
        self.key = key
        self.collections: dict[str, _Collection] = {}
        self.searches: list[models.SearchParams] = []
        self.folder = Path(tempfile.mkdtemp(prefix="qdrant-"))
        self._made = 0

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        for collection in self.collections.values():
            collection.shard.close()
        shutil.rmtree(self.folder)

    def answer(self, method: str, path: list[str], query: dict[str, str], body: Any) -> object:
        if self.key and self.headers[-1].get("api-key") != self.key:
            raise Refusal(401, {"status": {"error": "Invalid API key or JWT"}, "time": 0.0})
        if path[0] != "collections" or len(path) < 2:
            raise Refusal(404, {"status": {"error": "no such route"}})
        try:
            result = self._result(method, path[1], "/".join(path[2:]), query.get("wait") == "true", body)
        except ValidationError as error:
            raise Refusal(400, {"status": {"error": f"Format error in JSON body: {error}"}}) from error
        return {"result": result, "status": "ok", "time": 0.0}

    def _result(self, method: str, name: str, route: str, wait: bool, body: Any) -> object:
        match (method, route):
            case ("GET", "exists"):
                return {"exists": name in self.collections}
            case ("PUT", ""):
                return self._create(name, _read(models.CreateCollection, body))
            case ("DELETE", ""):
                removed = self.collections.pop(name, None)
                if removed is not None:
                    removed.shard.close()
                return removed is not None
        if name not in self.collections:
            raise Refusal(404, {"status": {"error": f"Not found: Collection `{name}` doesn't exist!"}, "time": 0.0})
        collection = self.collections[name]
        match (method, route):
            case ("GET", ""):
                return _info(collection)
            case ("PUT", "index"):
                return self._index(collection, wait, _read(models.CreateFieldIndex, body))
            case ("PUT", "points"):
                return self._upsert(collection, wait, body)
            case ("POST", "points/delete"):
                selected = _read(models.PointIdsList, body)
                return _update(collection, wait, edge.UpdateOperation.delete_points(selected.points))
            case ("POST", "points"):
                asked = _read(models.PointRequest, body)
                records = collection.shard.retrieve(asked.ids, asked.with_payload, asked.with_vector)
                return [_record(record) for record in records]
            case ("POST", "points/query"):
                asked_for = _read(models.QueryRequest, body)
                self.searches.append(asked_for.params or models.SearchParams())
                return _nearest(collection, asked_for)
            case ("POST", "points/count"):
                counted = _read(models.CountRequest, body)
                return {"count": collection.shard.count(edge.CountRequest(exact=bool(counted.exact)))}
            case ("POST", "points/scroll"):
                return _page(collection, _read(models.ScrollRequest, body))
        raise Refusal(404, {"status": {"error": f"no such route: {method} {route}"}})

    def _create(self, name: str, asked: models.CreateCollection) -> bool:
        if name in self.collections:
            raise Refusal(409, {"status": {"error": f"Wrong input: Collection `{name}` already exists!"}})
        assert isinstance(asked.vectors, models.VectorParams)
        self._made += 1
        self.collections[name] = _Collection(self.folder / str(self._made), asked.vectors)
        return True

    def _index(self, collection: _Collection, wait: bool, asked: models.CreateFieldIndex) -> object:
        schema = asked.field_schema
        assert isinstance(schema, models.IntegerIndexParams)
        collection.indexes[asked.field_name] = schema
        params = edge.IntegerIndexParams(lookup=schema.lookup, range=schema.range)
        return _update(collection, wait, edge.UpdateOperation.create_field_index(asked.field_name, params))

    def _upsert(self, collection: _Collection, wait: bool, body: Any) -> object:
        batch = _read(models.PointsBatch, body).batch
        assert isinstance(batch.vectors, list) and batch.payloads is not None
        for vector in batch.vectors:
            if len(vector) != collection.params.size:
                said = f"Vector dimension error: expected dim: {collection.params.size}, got {len(vector)}"
                raise Refusal(400, {"status": {"error": f"Wrong input: {said}"}, "time": 0.0})
        points = [
            edge.Point(chunk, vector, payload)
            for chunk, vector, payload in zip(batch.ids, batch.vectors, batch.payloads, strict=True)
        ]
        return _update(collection, wait, edge.UpdateOperation.upsert_points(points))


def _read(kind: type[T], body: Any) -> T:
    return TypeAdapter(kind).validate_python(body)


def _update(collection: _Collection, wait: bool, operation: edge.UpdateOperation) -> object:
    if wait:
        collection.shard.update(operation)
    return {"operation_id": 0, "status": "completed" if wait else "acknowledged"}


def _info(collection: _Collection) -> object:
    info = collection.shard.info()
    params = {"vectors": collection.params.model_dump(mode="json", exclude_none=True)}
    return {
        "status": "green", "optimizer_status": "ok", "segments_count": info.segments_count,
        "points_count": info.points_count, "indexed_vectors_count": info.indexed_vectors_count,
        "config": {"params": params, **_CONFIG},
        "payload_schema": {
            name: {"data_type": "integer", "points": 0, "params": index.model_dump(mode="json", exclude_none=True)}
            for name, index in collection.indexes.items()
        },
    }  # fmt: skip


def _nearest(collection: _Collection, asked: models.QueryRequest) -> object:
    assert isinstance(asked.query, models.NearestQuery) and isinstance(asked.query.nearest, list)
    vector = asked.query.nearest
    if len(vector) != collection.params.size:
        raise Refusal(400, {"status": {"error": "Wrong input: Vector dimension error"}})
    params = asked.params or models.SearchParams()
    scored = collection.shard.query(
        edge.QueryRequest(
            limit=10 if asked.limit is None else asked.limit,
            query=edge.Query.Nearest(vector),
            filter=None if asked.filter is None else _filter(collection, asked.filter),
            params=edge.SearchParams(hnsw_ef=params.hnsw_ef, exact=bool(params.exact)),
        )
    )
    return {"points": [{"id": _told(point.id), "version": point.version, "score": point.score} for point in scored]}


def _filter(collection: _Collection, asked: models.Filter) -> edge.Filter:
    """Only what is asked of it: one of several ranges of an indexed number."""
    assert asked.must is None and asked.must_not is None and isinstance(asked.should, list)
    conditions = []
    for condition in asked.should:
        assert isinstance(condition, models.FieldCondition) and isinstance(condition.range, models.Range)
        assert collection.indexes[condition.key].range, "a range without an index for ranges"
        inside = condition.range
        bounds = edge.RangeFloat(gte=inside.gte, gt=inside.gt, lte=inside.lte, lt=inside.lt)
        conditions.append(edge.FieldCondition(key=condition.key, range=bounds))
    return edge.Filter(should=conditions)


def _page(collection: _Collection, asked: models.ScrollRequest) -> object:
    records, following = collection.shard.scroll(
        edge.ScrollRequest(
            offset=asked.offset, limit=asked.limit, with_payload=asked.with_payload, with_vector=asked.with_vector
        )
    )
    return {"points": [_record(record) for record in records], "next_page_offset": _told(following)}


def _record(record: edge.Record) -> object:
    return {"id": _told(record.id), "payload": record.payload, "vector": record.vector}


def _told(point: int | UUID | None) -> int | str | None:
    """The id of a `point` as JSON has it."""
    return str(point) if isinstance(point, UUID) else point
