"""Weaviate on the loopback, HTTP and gRPC: it decodes each request by the client's own stubs, answers it from numpy,
and keeps what it had to refuse.

Its rules are those of Weaviate's documentation, of a server without automatic schema (AUTOSCHEMA_ENABLED=false) and
without GraphQL. With `waits` it indexes asynchronously: vectors are found when the length of the queue was asked for.
"""

import json
import re
import threading
import uuid
from collections.abc import Iterator
from concurrent import futures
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

import grpc
import numpy as np
from weaviate.proto.v1 import (
    aggregate_pb2,
    base_pb2,
    batch_delete_pb2,
    batch_pb2,
    properties_pb2,
    search_get_pb2,
    weaviate_pb2_grpc,
)

from tests.support.loopback_server import LoopbackServer

KEY = "wv_test_0123456789abcdef"
_MOST_RESULTS = 10_000
_TYPES = {"text", "text[]", "int", "number", "boolean"}
_GRAPH = {
    "cleanupIntervalSeconds": 300, "distance": "cosine", "dynamicEfMin": 100, "dynamicEfMax": 500, "dynamicEfFactor": 8,
    "ef": -1, "efConstruction": 128, "filterStrategy": "acorn", "flatSearchCutoff": 40_000, "maxConnections": 32,
    "skip": False, "vectorCacheMaxObjects": 10**12,
}  # fmt: skip
_DEFAULTS = {
    "invertedIndexConfig": {
        "bm25": {"b": 0.75, "k1": 1.2}, "cleanupIntervalSeconds": 60,
        "stopwords": {"preset": "en", "additions": None, "removals": None},
    },
    "replicationConfig": {"factor": 1, "asyncEnabled": False, "deletionStrategy": "NoAutomatedResolution"},
    "shardingConfig": {
        "virtualPerPhysical": 128, "desiredCount": 1, "actualCount": 1, "desiredVirtualCount": 128,
        "actualVirtualCount": 128, "key": "_id", "strategy": "hash", "function": "murmur3",
    },
    "multiTenancyConfig": {"enabled": False, "autoTenantCreation": False, "autoTenantActivation": False},
}  # fmt: skip
_OPERATORS = base_pb2.Filters


class Refused(Exception):
    """A request that Weaviate would refuse."""


@dataclass
class Collection:
    """`objects`: (vector, properties) by UUID. `waiting`: UUIDs whose vectors are not indexed."""

    schema: dict[str, Any]
    objects: dict[str, tuple[np.ndarray, dict[str, Any]]] = field(default_factory=dict)
    waiting: set[str] = field(default_factory=set)

    def types(self) -> dict[str, str]:
        return {made["name"]: made["dataType"][0] for made in self.schema["properties"]}


class Weaviate(LoopbackServer):
    """`refused`: what was refused, but for what is missing and what comes without the key. `key`: "" for none."""

    def __init__(self) -> None:
        super().__init__(Handler)
        self.collections: dict[str, Collection] = {}
        self.refused: list[str] = []
        self.asked: list[str] = []
        self.key = ""
        self.waits = False
        self.lock = threading.RLock()
        self.grpc_port = 0

    @property
    def url(self) -> str:
        return f"weaviate://127.0.0.1:{self.server_address[1]}/Docs?grpc_port={self.grpc_port}"

    def collection(self, name: str) -> Collection:
        if name not in self.collections:
            raise KeyError(f"could not find class {name} in schema")
        return self.collections[name]


class Handler(BaseHTTPRequestHandler):
    server: Weaviate
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer("GET", {})

    def do_DELETE(self) -> None:
        self._answer("DELETE", {})

    def do_POST(self) -> None:
        self._answer("POST", json.loads(self.rfile.read(int(self.headers["content-length"]))))

    def log_message(self, format: str, *args: object) -> None:
        pass

    def _answer(self, method: str, body: Any) -> None:
        path = self.path.partition("?")[0]
        with self.server.lock:
            self.server.asked.append(f"{method} {path}")
            try:
                status, answer = self._route(method, path, body)
            except Refused as refusal:
                status, answer = 422, {"error": [{"message": str(refusal)}]}
                self.server.refused.append(f"{method} {path}: {refusal}")
        data = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _route(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        server = self.server
        if server.key and self.headers.get("authorization") != f"Bearer {server.key}":
            return 401, {"code": 401, "message": f"unauthorized: {self.headers.get('authorization')}"}
        match method, path.removeprefix("/v1/").split("/"):
            case "GET", ["meta"]:
                return 200, {"version": "1.34.0", "hostname": "x", "modules": {}, "grpcMaxMessageSize": 104_858_000}
            case "POST", ["schema"]:
                return 200, self._make(body)
            case "GET", ["schema", name]:
                return (200, server.collections[name].schema) if name in server.collections else (404, {})
            case "DELETE", ["schema", name]:
                server.collections.pop(name, None)
                return 200, {}
            case "POST", ["schema", name, "properties"]:
                schema = server.collections[name].schema
                if body["name"].lower() in map(str.lower, server.collections[name].types()):
                    said = f'class "{name}": conflict for property "{body["name"]}": already in use'
                    return 422, {"error": [{"message": f"{said} or provided multiple times"}]}
                schema["properties"].append(checked_property(body))
                return 200, schema["properties"][-1]
            case "GET", ["nodes", name]:
                if "output=verbose" not in self.path:
                    raise Refused("without output=verbose no shard is told")
                return 200, self._nodes(server.collections[name])
        raise Refused("no such route, or GraphQL, which is switched off")

    def _make(self, body: Any) -> Any:
        name = body["class"]
        if not re.fullmatch(r"[A-Z][_0-9A-Za-z]{0,254}", name) or name in self.server.collections:
            raise Refused(f"class name {name}")
        for config in body["vectorConfig"].values():
            if config["vectorizer"] != {"none": {}} or config["vectorIndexType"] != "hnsw":
                raise Refused("a vectorizer or an index that this server does not have")
            if unknown := set(config["vectorIndexConfig"]) - set(_GRAPH):
                raise Refused(f"vectorIndexConfig {unknown}")
            config["vectorIndexConfig"] = {**_GRAPH, **config["vectorIndexConfig"]}
        made = {**json.loads(json.dumps(_DEFAULTS)), **body}
        made["properties"] = [checked_property(each) for each in body["properties"]]
        self.server.collections[name] = Collection(made)
        return made

    def _nodes(self, collection: Collection) -> Any:
        length = len(collection.waiting)
        # Half of them are indexed while this answer is on its way.
        for number in list(collection.waiting)[: (length + 1) // 2]:
            collection.waiting.discard(number)
        shard = {
            "class": collection.schema["class"], "name": "one", "objectCount": len(collection.objects),
            "vectorIndexingStatus": "INDEXING" if length else "READY", "vectorQueueLength": length, "compressed": False,
            "loaded": True,
        }  # fmt: skip
        return {"nodes": [{"name": "node1", "status": "HEALTHY", "version": "1.34.0", "shards": [shard]}]}


def checked_property(made: dict[str, Any]) -> dict[str, Any]:
    """The property as Weaviate tells it. Raises `Refused` for a name or a type that it does not have."""
    name, kinds = made["name"], made["dataType"]
    if not re.fullmatch(r"[_a-z][_0-9A-Za-z]{0,230}", name) or name in ("id", "vector", "_id", "_additional"):
        raise Refused(f"'{name}' is not a valid property name, or reserved")
    if len(kinds) != 1 or kinds[0] not in _TYPES:
        raise Refused(f"data type {kinds}")
    ranges = bool(made.get("indexRangeFilters"))
    if ranges and kinds[0] not in ("int", "number"):
        raise Refused("an index for ranges of no numbers")
    is_text = kinds[0].startswith("text")
    return {
        **made, "indexFilterable": True, "indexSearchable": is_text, "indexRangeFilters": ranges,
        "tokenization": "word" if is_text else None,
    }  # fmt: skip


class Servicer(weaviate_pb2_grpc.WeaviateServicer):  # type: ignore[misc]
    def __init__(self, server: Weaviate) -> None:
        self.server = server

    def _answer(self, name: str, request: Any, context: Any, answer: Any) -> Any:
        with self.server.lock:
            self.server.asked.append(name)
            told = dict(context.invocation_metadata()).get("authorization", "")
            if self.server.key and told != f"Bearer {self.server.key}":
                context.abort(grpc.StatusCode.UNAUTHENTICATED, f"unauthorized: {told}")
            try:
                return answer(self.server.collection(request.collection), request)
            except KeyError as error:
                context.abort(grpc.StatusCode.UNKNOWN, str(error))
            except Refused as refusal:
                self.server.refused.append(f"{name}: {refusal}")
                context.abort(grpc.StatusCode.UNKNOWN, str(refusal))

    def Search(self, request: Any, context: Any) -> Any:
        return self._answer("Search", request, context, search)

    def Aggregate(self, request: Any, context: Any) -> Any:
        return self._answer("Aggregate", request, context, aggregate)

    def BatchDelete(self, request: Any, context: Any) -> Any:
        return self._answer("BatchDelete", request, context, delete)

    def BatchObjects(self, request: Any, context: Any) -> Any:
        with self.server.lock:
            self.server.asked.append("BatchObjects")
            if request.consistency_level != base_pb2.CONSISTENCY_LEVEL_ALL:
                self.server.refused.append("a write that replicas may miss")
            errors = []
            for number, made in enumerate(request.objects):
                try:
                    self._put(made)
                except (Refused, KeyError) as error:
                    if isinstance(error, Refused):
                        self.server.refused.append(f"BatchObjects: {error}")
                    errors.append(batch_pb2.BatchObjectsReply.BatchError(index=number, error=str(error)))
            return batch_pb2.BatchObjectsReply(took=0.1, errors=errors)

    def _put(self, made: Any) -> None:
        collection = self.server.collection(made.collection)
        number = str(uuid.UUID(made.uuid))
        if [vector.name for vector in made.vectors] != list(collection.schema["vectorConfig"]):
            raise Refused(f"vectors of other names than the collection: {[vector.name for vector in made.vectors]}")
        vector = np.frombuffer(made.vectors[0].vector_bytes, "<f4")
        for other, _ in collection.objects.values():
            if len(other) != len(vector):
                raise Refused(f"new node has a vector with length {len(vector)}. Existing nodes have {len(other)}")
            break
        types = collection.types()
        properties: dict[str, Any] = {}
        for name in made.properties.non_ref_properties.fields:
            properties[name] = made.properties.non_ref_properties[name]
        for array in made.properties.text_array_properties:
            properties[array.prop_name] = list(array.values)
        for name in made.properties.empty_list_props:
            properties[name] = []
        for name, value in properties.items():
            if not of_type(value, types.get(name, "")):
                raise Refused(f"property {name}={value!r} in a schema with {types.get(name)}")
        collection.objects[number] = (vector, properties)
        if self.server.waits:
            collection.waiting.add(number)


def of_type(value: Any, kind: str) -> bool:
    """Whether a property of the type `kind` can be `value`."""
    if kind == "text[]":
        return isinstance(value, list) and all(isinstance(item, str) for item in value)
    if kind == "boolean" or isinstance(value, bool):
        return kind == "boolean" and isinstance(value, bool)
    if kind == "text":
        return isinstance(value, str)
    return isinstance(value, float) and (kind == "number" or (kind == "int" and value.is_integer()))


def search(collection: Collection, request: Any) -> Any:
    if not 1 <= request.limit + request.offset <= _MOST_RESULTS:
        raise Refused(f"limit {request.limit}: query maximum results exceeded")
    if request.after and (request.HasField("filters") or request.HasField("near_vector")):
        raise Refused("a cursor with a filter or a search")
    numbers = sorted(number for number in collection.objects if holds(collection, number, request))
    distances: dict[str, float] = {}
    if request.HasField("near_vector"):
        near = request.near_vector
        if list(near.targets.target_vectors) != list(collection.schema["vectorConfig"]) or len(near.vectors) != 1:
            raise Refused("a search for other vectors than the collection has")
        query = np.frombuffer(near.vectors[0].vector_bytes, "<f4")
        numbers = [number for number in numbers if number not in collection.waiting]
        for number in numbers:
            vector = collection.objects[number][0]
            if len(vector) != len(query):
                raise Refused(f"vector lengths don't match: {len(vector)} vs {len(query)}")
            lengths = np.linalg.norm(vector) * np.linalg.norm(query)
            distances[number] = float(1 - vector @ query / lengths) if lengths else 1.0
        numbers.sort(key=lambda number: distances[number])
    else:
        numbers = [number for number in numbers if number > request.after]
    return search_get_pb2.SearchReply(
        took=0.1, results=[result(collection, number, request, distances) for number in numbers[: request.limit]]
    )


def result(collection: Collection, number: str, request: Any, distances: dict[str, float]) -> Any:
    metadata = search_get_pb2.MetadataResult(id=number, id_as_bytes=uuid.UUID(number).bytes)
    if request.metadata.distance and number in distances:
        metadata.distance, metadata.distance_present = distances[number], True
    if request.metadata.vector or list(request.metadata.vectors):
        vector = collection.objects[number][0].astype("<f4").tobytes()
        kind = base_pb2.Vectors.VECTOR_TYPE_SINGLE_FP32
        metadata.vectors.append(base_pb2.Vectors(name="default", vector_bytes=vector, type=kind))
    asked = list(request.properties.non_ref_properties)
    told = search_get_pb2.PropertiesResult(target_collection=request.collection)
    for name, value in collection.objects[number][1].items():
        if name in asked or request.properties.return_all_nonref_properties:
            told.non_ref_props.fields[name].CopyFrom(value_of(value, collection.types()[name]))
    return search_get_pb2.SearchResult(metadata=metadata, properties=told)


def value_of(value: Any, kind: str) -> Any:
    """`value` of a property of the type `kind`, as an answer has it."""
    if kind == "text[]":
        return properties_pb2.Value(
            list_value=properties_pb2.ListValue(text_values=properties_pb2.TextValues(values=value))
        )
    if kind == "int":
        return properties_pb2.Value(int_value=int(value))
    names = {"text": "text_value", "number": "number_value", "boolean": "bool_value"}
    return properties_pb2.Value(**{names[kind]: value})


def aggregate(collection: Collection, request: Any) -> Any:
    if not request.objects_count:
        raise Refused("nothing to aggregate")
    reply = aggregate_pb2.AggregateReply(took=0.1)
    reply.single_result.objects_count = len(collection.objects)
    return reply


def delete(collection: Collection, request: Any) -> Any:
    if request.consistency_level != base_pb2.CONSISTENCY_LEVEL_ALL:
        raise Refused("a delete that replicas may miss")
    numbers = [number for number in collection.objects if holds(collection, number, request)][:_MOST_RESULTS]
    for number in numbers:
        del collection.objects[number]
        collection.waiting.discard(number)
    return batch_delete_pb2.BatchDeleteReply(took=0.1, failed=0, matches=len(numbers), successful=len(numbers))


def holds(collection: Collection, number: str, request: Any) -> bool:
    return not request.HasField("filters") or meets(collection, number, request.filters)


def meets(collection: Collection, number: str, condition: Any) -> bool:
    """Whether the object `number` meets `condition`. Raises `Refused` for one that is not in this language."""
    operator = condition.operator
    if operator in (_OPERATORS.OPERATOR_AND, _OPERATORS.OPERATOR_OR):
        if not condition.filters:
            raise Refused("and, or: of nothing")
        met = [meets(collection, number, each) for each in condition.filters]
        return all(met) if operator == _OPERATORS.OPERATOR_AND else any(met)
    name = condition.target.property
    if operator == _OPERATORS.OPERATOR_CONTAINS_ANY and name == "_id":
        return number in [str(uuid.UUID(each)) for each in condition.value_text_array.values]
    if collection.types().get(name) != "int":
        raise Refused(f"a filter on {name}, which is no whole number")
    held = collection.objects[number][1].get(name)
    if held is None:  # of another program
        return False
    if operator == _OPERATORS.OPERATOR_CONTAINS_ANY:
        return held in condition.value_int_array.values
    if condition.WhichOneof("test_value") != "value_int":
        raise Refused("data type filter cannot be of another type than the property")
    if operator == _OPERATORS.OPERATOR_GREATER_THAN_EQUAL:
        return bool(held >= condition.value_int)
    if operator == _OPERATORS.OPERATOR_LESS_THAN:
        return bool(held < condition.value_int)
    raise Refused(f"operator {operator}")


@contextmanager
def weaviate_server() -> Iterator[Weaviate]:
    """Fails at the end where a request was one that Weaviate refuses."""
    server = Weaviate()
    rpc = grpc.server(futures.ThreadPoolExecutor(4), options=[("grpc.max_receive_message_length", 104_858_000)])
    weaviate_pb2_grpc.add_WeaviateServicer_to_server(Servicer(server), rpc)
    server.grpc_port = rpc.add_insecure_port("127.0.0.1:0")
    rpc.start()
    try:
        with server.running():
            yield server
    finally:
        rpc.stop(None).wait()
    assert not server.refused, server.refused
