"""Pinecone's REST API on the loopback: it decodes each request, answers it from numpy, and keeps what it had to refuse.

Its rules are those of Pinecone's documentation ("Operation limits", "Metadata", "Check data freshness"). Like Pinecone
it confirms a write before it shows it: each query, and no other request, makes it show one write more.
"""

import json
import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import numpy as np

from tests.support.loopback_server import LoopbackServer

KEY = "pcsk_test_0123456789abcdef"
_UPSERT_BYTES = 2_000_000
_METADATA_BYTES = 40 * 1024
_ADDRESS_BYTES = 8_192

Record = dict[str, Any]


class Refused(Exception):
    """A request that Pinecone would refuse."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


@dataclass
class Namespace:
    """`records`: what queries show. `waiting`: writes that were confirmed and do not show yet, oldest first."""

    records: dict[str, Record] = field(default_factory=dict)
    waiting: list[tuple[int, dict[str, Record | None]]] = field(default_factory=list)
    written: int = 0
    shown: int = 0

    def write(self, changes: dict[str, Record | None]) -> int:
        self.written += 1
        self.waiting.append((self.written, changes))
        return self.written

    def show_one(self) -> None:
        if self.waiting:
            self.shown, changes = self.waiting.pop(0)
            for key, record in changes.items():
                if record is None:
                    self.records.pop(key, None)
                else:
                    self.records[key] = record


@dataclass
class Index:
    dim: int
    metric: str
    namespaces: dict[str, Namespace] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)


class Pinecone(LoopbackServer):
    """`indexes` by name, each with a host of its own. `refused`: what was refused, but for what is missing or
    has no valid key. `numbered`: whether answers have log sequence numbers."""

    def __init__(self) -> None:
        super().__init__(Handler)
        self.indexes: dict[str, Index] = {}
        self.refused: list[str] = []
        self.requests: list[tuple[str, str, Any]] = []
        self.numbered = True
        self.stuck = False
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def host(self, index: str) -> str:
        return f"{self.url}/{index}"


class Handler(BaseHTTPRequestHandler):
    server: Pinecone
    protocol_version = "HTTP/1.1"
    index: Index | None

    def do_GET(self) -> None:
        self._answer("GET", b"")

    def do_DELETE(self) -> None:
        self._answer("DELETE", b"")

    def do_POST(self) -> None:
        self._answer("POST", self.rfile.read(int(self.headers["content-length"])))

    def log_message(self, format: str, *args: object) -> None:
        pass

    def _answer(self, method: str, raw: bytes) -> None:
        numbers: dict[str, int] = {}
        with self.server.lock:
            try:
                status, answer = self._route(method, raw, numbers)
            except Refused as refusal:
                status, answer = refusal.status, {"code": refusal.status, "message": str(refusal)}
                if status == 400:
                    self.server.refused.append(f"{method} {self.path[:80]}: {refusal}")
        body = json.dumps(answer).encode() if answer is not None else b""
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        for name, number in numbers.items() if self.server.numbered else ():
            self.send_header(name, str(number))
        self.end_headers()
        self.wfile.write(body)

    def _route(self, method: str, raw: bytes, numbers: dict[str, int]) -> tuple[int, Any]:
        if not self.headers.get("X-Pinecone-Api-Version"):
            raise Refused("no API version")
        if self.headers.get("Api-Key") != KEY:
            raise Refused(f"Invalid API Key {self.headers.get('Api-Key')}", 401)
        if len(self.path) > _ADDRESS_BYTES:
            raise Refused("URI too long", 414)
        parts = urlsplit(self.path)
        asked = parse_qs(parts.query)
        body = json.loads(raw) if raw else {}
        place = parts.path.strip("/").split("/")
        if place[0] != "indexes":
            # The host of an index is this server with the index's name.
            self.index = self.server.indexes.get(place.pop(0))
            if self.index is None:
                raise Refused("no such index", 404)
        self.server.requests.append((method, "/" + "/".join(place), body or asked))
        match method, place:
            case "GET", ["indexes", name]:
                return 200, self._described(name)
            case "POST", ["indexes"]:
                return 201, self._made(body)
            case "DELETE", ["indexes", name]:
                self._described(name)
                del self.server.indexes[name]
                return 202, None
            case "POST", ["describe_index_stats"]:
                return 200, self._stats()
            case "POST", ["namespaces"]:
                if body["name"] in self._asked().namespaces:
                    raise Refused("the namespace exists", 409)
                self._asked().namespaces[body["name"]] = Namespace()
                return 200, {"name": body["name"], "record_count": "0"}
            case "GET", ["namespaces", name]:
                records = self._namespace(unquote(name)).records
                return 200, {"name": unquote(name), "record_count": str(len(records))}
            case "DELETE", ["namespaces", name]:
                self._namespace(unquote(name))
                del self._asked().namespaces[unquote(name)]
                return 200, {}
            case "POST", ["vectors", "upsert"]:
                only(body, "vectors", "namespace")
                if len(raw) > _UPSERT_BYTES or not 0 < len(body["vectors"]) <= 1_000:
                    raise Refused(f"{len(raw)} bytes, {len(body['vectors'])} records in one request")
                records = {record["id"]: self._checked(record) for record in body["vectors"]}
                # An upsert makes the namespace.
                space = self._asked().namespaces.setdefault(body["namespace"], Namespace())
                numbers["x-pinecone-request-lsn"] = space.write(records)
                return 200, {"upsertedCount": len(records)}
            case "POST", ["vectors", "delete"]:
                only(body, "ids", "namespace")
                if not 0 < len(body["ids"]) <= 1_000:
                    raise Refused(f"{len(body['ids'])} ids in one delete")
                gone = dict.fromkeys(body["ids"])
                numbers["x-pinecone-request-lsn"] = self._namespace(body["namespace"]).write(gone)
                return 200, {}
            case "GET", ["vectors", "fetch"]:
                if len(asked["ids"]) > 1_000:
                    raise Refused(f"{len(asked['ids'])} ids in one fetch")
                records = self._reading(asked["namespace"][0]).records
                return 200, {"vectors": {key: records[key] for key in asked["ids"] if key in records}}
            case "GET", ["vectors", "list"]:
                return 200, self._listed(asked)
            case "POST", ["query"]:
                return 200, self._found(body, numbers)
        raise Refused(f"no such route: {method} {parts.path}")

    def _asked(self) -> Index:
        assert self.index is not None
        return self.index

    def _described(self, name: str) -> Any:
        index = self.server.indexes.get(name)
        if index is None:
            raise Refused(f"Resource {name} not found", 404)
        return {
            "name": name, "host": self.server.host(name), "status": {"ready": True, "state": "Ready"},
            "deletion_protection": "disabled", "read_capacity": {"mode": "OnDemand", "status": {"state": "Ready"}},
            "deployment": {"deployment_type": "managed", "cloud": "aws", "region": "us-east-1"},
            "tags": index.tags,
            "schema": {"fields": {"_values": {"type": "dense_vector", "dimension": index.dim, "metric": index.metric}}},
        }  # fmt: skip

    def _made(self, body: Any) -> Any:
        only(body, "name", "schema", "deployment", "deletion_protection", "read_capacity", "tags")
        if set(body["schema"]["fields"]) != {"_values"}:
            raise Refused("an index of documents, which takes no vectors")
        if body["deployment"].get("deployment_type") != "managed":
            raise Refused("not serverless")
        made = body["schema"]["fields"]["_values"]
        if made["type"] != "dense_vector" or not 1 <= made["dimension"] <= 20_000:
            raise Refused("no dense vectors")
        self.server.indexes[body["name"]] = Index(made["dimension"], made["metric"], tags=body.get("tags") or {})
        return self._described(body["name"])

    def _stats(self) -> Any:
        index = self._asked()
        spaces = {name: {"vectorCount": len(space.records)} for name, space in index.namespaces.items()}
        return {
            "dimension": index.dim, "metric": index.metric, "vectorType": "dense", "indexFullness": 0,
            "totalVectorCount": sum(len(space.records) for space in index.namespaces.values()), "namespaces": spaces,
        }  # fmt: skip

    def _namespace(self, name: str) -> Namespace:
        space = self._asked().namespaces.get(name)
        if space is None:
            raise Refused("Namespace not found", 404)
        return space

    def _reading(self, name: str) -> Namespace:
        """The namespace for a question, to which one that is not there is empty."""
        return self._asked().namespaces.get(name) or Namespace()

    def _checked(self, record: Record) -> Record:
        only(record, "id", "values", "metadata")
        if not isinstance(record["id"], str) or not record["id"].isascii() or not 1 <= len(record["id"]) <= 512:
            raise Refused(f"no id: {record['id']!r}")
        if len(record["values"]) != self._asked().dim:
            raise Refused(f"Vector dimension {len(record['values'])} does not match the index")
        if not any(record["values"]):
            raise Refused("a vector of zeros")
        for name, value in record["metadata"].items():
            is_list = isinstance(value, list) and all(isinstance(item, str) for item in value)
            if name.startswith("$") or not (isinstance(value, str | bool | int | float) or is_list):
                raise Refused(f"metadata {name}={value!r}")
            if isinstance(value, float) and not math.isfinite(value):
                raise Refused(f"metadata {name}={value!r}")
        if len(json.dumps(record["metadata"], ensure_ascii=False).encode()) > _METADATA_BYTES:
            raise Refused("metadata of more than 40 KB")
        return record

    def _listed(self, asked: dict[str, list[str]]) -> Any:
        limit = int(asked["limit"][0])
        if not 1 <= limit <= 100:
            raise Refused(f"limit {limit}")
        keys = sorted(self._reading(asked["namespace"][0]).records)
        start = int(asked.get("paginationToken", ["0"])[0])
        page = {"vectors": [{"id": key} for key in keys[start : start + limit]], "namespace": asked["namespace"][0]}
        if start + limit < len(keys):
            page["pagination"] = {"next": str(start + limit)}
        return page

    def _found(self, body: Any, numbers: dict[str, int]) -> Any:
        only(body, "vector", "topK", "namespace", "filter", "includeValues", "includeMetadata")
        space = self._reading(body["namespace"])
        if not self.server.stuck:
            space.show_one()
        numbers["x-pinecone-max-indexed-lsn"] = space.shown
        if not 1 <= body["topK"] <= 10_000:
            raise Refused(f"topK {body['topK']}")
        if len(body["vector"]) != self._asked().dim or not any(body["vector"]):
            raise Refused("the query is no vector of this index")
        records = [record for record in space.records.values() if holds(body.get("filter"), record["metadata"])]
        if not records:
            return {"matches": [], "namespace": body["namespace"]}
        rows = np.array([record["values"] for record in records])
        query = np.array(body["vector"])
        scores = rows @ query / np.linalg.norm(rows, axis=1) / np.linalg.norm(query)
        best = np.argsort(-scores, kind="stable")[: body["topK"]]
        matches: list[dict[str, Any]] = [{"id": records[row]["id"], "score": float(scores[row])} for row in best]
        if body["includeMetadata"]:
            for match, row in zip(matches, best, strict=True):
                match["metadata"] = records[row]["metadata"]
        return {"matches": matches, "namespace": body["namespace"]}


def only(body: dict[str, Any], *known: str) -> None:
    """Raises `Refused` for a field of `body` that is not `known`."""
    if unknown := set(body) - set(known):
        raise Refused(f"unknown fields {sorted(unknown)}")


def holds(condition: Any, metadata: dict[str, Any]) -> bool:
    """Whether `metadata` meets `condition`, in Pinecone's filter language. Raises `Refused` for what is not in it."""
    if condition is None:
        return True
    if not isinstance(condition, dict) or len(condition) != 1:
        raise Refused(f"no filter: {str(condition)[:80]}")
    (name, value), *_ = condition.items()
    if name in ("$or", "$and"):
        if not isinstance(value, list) or not value:
            raise Refused(f"{name} of no list")
        return (any if name == "$or" else all)([holds(each, metadata) for each in value])
    (operator, operand), *more = value.items()
    if more or name.startswith("$"):
        raise Refused(f"no filter: {condition}")
    held = metadata.get(name)
    if operator == "$in":
        if not isinstance(operand, list) or not 0 < len(operand) <= 10_000:
            raise Refused("$in of no list, or of more than 10,000")
        return held in operand
    if operator not in ("$gte", "$lt") or isinstance(operand, bool) or not isinstance(operand, int | float):
        raise Refused(f"no filter: {condition}")
    if isinstance(held, bool) or not isinstance(held, int | float):
        return False
    return held >= operand if operator == "$gte" else held < operand


@contextmanager
def pinecone_server() -> Iterator[Pinecone]:
    """Fails at the end where a request was one that Pinecone refuses."""
    server = Pinecone()
    with server.running():
        yield server
    assert not server.refused, server.refused
