"""The few routes of Chroma's HTTP interface that its client uses here, on the loopback, answered by numpy; and the real
server, where SEMSEARCH_TEST_CHROMA names the command `chroma`.

The simulated one does as Chroma 1.5.9 was seen to do: the metadata of a row is added to, a null in it takes a value
out, a row without a document keeps the one it had, and SQLite's limit on values holds for `$in`.
"""

import base64
import os
import re
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen
from uuid import uuid4

import numpy as np

from tests.support.json_server import JsonServer, Refusal
from tests.support.waiting import CEILING_SECONDS, wait_until

MAX_BATCH = 50  # small, so that tests meet it; 5,461 of the real one
_SQL_VALUES = 32_766


@dataclass
class _Row:
    vector: "np.ndarray[Any, Any]"
    metadata: dict[str, Any]
    document: str | None


@dataclass
class _Collection:
    name: str
    metadata: dict[str, Any] | None
    configuration: dict[str, Any]
    id: str = field(default_factory=lambda: str(uuid4()))
    dimension: int | None = None
    rows: dict[str, _Row] = field(default_factory=dict)

    def model(self, tenant: str, database: str) -> dict[str, Any]:
        return {
            "id": self.id, "name": self.name, "metadata": self.metadata, "dimension": self.dimension,
            "configuration_json": self.configuration, "schema": None, "tenant": tenant, "database": database,
            "version": 0, "log_position": 0,
        }  # fmt: skip


class ChromaServer(JsonServer):
    """`token`: where it is set, requests need it. `collections`: by name."""

    def __init__(self, token: str = "") -> None:
        super().__init__()
        self.token = token
        self.collections: dict[str, _Collection] = {}

    def answer(self, method: str, path: list[str], query: dict[str, str], body: Any) -> object:
        if self.token and self.headers[-1].get("x-chroma-token") != self.token:
            raise Refusal(401, {"error": "AuthError", "message": "Unauthorized"})
        match (method, *path):
            case ("GET", "api", "v2", "pre-flight-checks"):
                return {"max_batch_size": MAX_BATCH, "supports_base64_encoding": True}
            case ("GET", "api", "v2", "auth", "identity"):
                return {"user_id": "", "tenant": "*", "databases": ["*"]}
            case ("GET", "api", "v2", "tenants", tenant):
                return {"name": tenant}
            case ("GET", "api", "v2", "tenants", tenant, "databases", database):
                return {"id": str(uuid4()), "name": database, "tenant": tenant}
            case ("POST", "api", "v2", "tenants", tenant, "databases", database, "collections"):
                return self._create(body).model(tenant, database)
            case ("GET", "api", "v2", "tenants", tenant, "databases", database, "collections", name):
                return self._named(name).model(tenant, database)
            case ("DELETE", "api", "v2", "tenants", _, "databases", _, "collections", name):
                del self.collections[self._named(name).name]
                return {}
            case (_, "api", "v2", "tenants", _, "databases", _, "collections", identity, verb):
                return self._done(self._with_id(identity), method, verb, body)
        raise Refusal(404, {"error": "NotFoundError", "message": f"no such route: {method} {path}"})

    def _create(self, asked: dict[str, Any]) -> _Collection:
        name = asked["name"]
        if not re.fullmatch(r"[a-zA-Z0-9][a-zA-Z0-9._-]{1,510}[a-zA-Z0-9]", name):
            raise _invalid(f"Validation error: name: Expected a name containing 3-512 characters. Got: {name}")
        if name not in self.collections:
            index = {"space": "l2", **(asked["configuration"] or {}).get("hnsw", {})}
            self.collections[name] = _Collection(name, asked["metadata"], {"hnsw": index, "spann": None})
        else:
            assert asked["get_or_create"]
        return self.collections[name]

    def _named(self, name: str) -> _Collection:
        if name not in self.collections:
            raise Refusal(404, {"error": "NotFoundError", "message": f"Collection [{name}] does not exist"})
        return self.collections[name]

    def _with_id(self, identity: str) -> _Collection:
        for collection in self.collections.values():
            if collection.id == identity:
                return collection
        raise Refusal(404, {"error": "NotFoundError", "message": f"Collection [{identity}] does not exist."})

    def _done(self, collection: _Collection, method: str, verb: str, body: Any) -> object:
        match (method, verb):
            case ("POST", "upsert"):
                return _upsert(collection, body)
            case ("POST", "get"):
                return _get(collection, body)
            case ("POST", "query"):
                return _query(collection, body)
            case ("POST", "delete"):
                gone = [collection.rows.pop(name, None) for name in body["ids"]]
                return {"deleted": sum(row is not None for row in gone)}
            case ("GET", "count"):
                return len(collection.rows)
        raise Refusal(404, {"error": "NotFoundError", "message": f"no such route: {method} {verb}"})


def _upsert(collection: _Collection, body: Any) -> object:
    names = body["ids"]
    if len(names) > MAX_BATCH:
        raise Refusal(413, {"error": "InvalidArgumentError", "message": "the batch is too large"})
    columns = zip(names, body["embeddings"], body["metadatas"], body["documents"], strict=True)
    for name, encoded, metadata, document in columns:
        vector = np.frombuffer(base64.b64decode(encoded), "<f4")
        collection.dimension = collection.dimension or len(vector)
        _check_dimension(collection, len(vector))
        row = collection.rows.setdefault(name, _Row(vector, {}, None))
        row.vector = vector
        row.document = row.document if document is None else document
        together = {**row.metadata, **metadata}
        row.metadata = {key: value for key, value in together.items() if value is not None}
    return {}


def _get(collection: _Collection, body: Any) -> object:
    assert body["where"] is None
    names = [name for name in body["ids"] or collection.rows if name in collection.rows]
    rows = [collection.rows[name] for name in names]
    wanted = body["include"]
    return {
        "ids": names,
        "embeddings": [row.vector.tolist() for row in rows] if "embeddings" in wanted else None,
        "metadatas": [row.metadata for row in rows] if "metadatas" in wanted else None,
        "documents": [row.document for row in rows] if "documents" in wanted else None,
        "include": wanted,
    }


def _query(collection: _Collection, body: Any) -> object:
    assert collection.configuration["hnsw"]["space"] == "cosine" and body["include"] == ["distances"]
    if 2 * _listed(body["where"] or {}) > _SQL_VALUES:
        raise Refusal(500, {"error": "InternalError", "message": "too many SQL variables"})
    [asked] = body["query_embeddings"]
    if collection.dimension is not None:
        _check_dimension(collection, len(asked))
    query = np.array(asked, np.float32)
    allowed = [
        (1 - float(row.vector @ query), name)
        for name, row in collection.rows.items()
        if body["where"] is None or _fulfils(row.metadata, body["where"])
    ]
    best = sorted(allowed)[: body["n_results"]]
    return {
        "ids": [[name for _, name in best]],
        "distances": [[distance for distance, _ in best]],
        "include": ["distances"],
    }


def _fulfils(metadata: dict[str, Any], where: dict[str, Any]) -> bool:
    [(key, condition)] = where.items()
    if key in ("$or", "$and"):
        assert len(condition) > 1
        results = [_fulfils(metadata, one) for one in condition]
        return any(results) if key == "$or" else all(results)
    [(operator, value)] = condition.items()
    if key not in metadata:
        return False
    match operator:
        case "$gte":
            return bool(metadata[key] >= value)
        case "$lt":
            return bool(metadata[key] < value)
        case "$in":
            return metadata[key] in value
    raise AssertionError(operator)


def _listed(where: dict[str, Any]) -> int:
    """How many values are compared with."""
    count = 0
    for key, condition in where.items():
        parts = condition if key in ("$or", "$and") else []
        count += sum(map(_listed, parts)) + (0 if parts else len(condition.get("$in", [0])))
    return count


def _check_dimension(collection: _Collection, length: int) -> None:
    if length != collection.dimension:
        raise _invalid(f"Collection expecting embedding with dimension of {collection.dimension}, got {length}")


def _invalid(message: str) -> Refusal:
    return Refusal(400, {"error": "InvalidArgumentError", "message": message})


@contextmanager
def real_chroma(folder: Path) -> Iterator[str]:
    """`host:port` of the real server, which keeps its data in `folder`."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [os.environ["SEMSEARCH_TEST_CHROMA"], "run", "--path", str(folder), "--host", "127.0.0.1"]
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen([*command, "--port", str(port)], stdout=log, stderr=log, cwd=folder)
    try:
        wait_until(lambda: _answers(port), process)
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(CEILING_SECONDS)


def _answers(port: int) -> bool:
    try:
        with urlopen(f"http://127.0.0.1:{port}/api/v2/heartbeat", timeout=10) as answer:
            return answer.status == 200
    except (URLError, OSError):
        return False
