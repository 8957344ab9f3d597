"""Milvus: `milvus://[user[:password]@]host[:port]/COLLECTION?db=NAME&tls=1`.

A row is the chunk's id (the primary key, so that ranges of ids are expressions on it), its vector, and the payload in
dynamic fields. Everything is asked with consistency Strong: with less, Milvus goes on finding rows after their delete
was confirmed. The password is that of the URL or MILVUS_PASSWORD; MILVUS_TOKEN is a key in place of both.
"""

import logging
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from semsearch.errors import UsageError, VectorEngineError
from semsearch.vector_engines.address import Address
from semsearch.vector_engines.encryption import Encryption
from semsearch.vector_engines.keys import sendable
from semsearch.vector_engines.payload import plain
from semsearch.vector_engines.protocol import Capabilities
from semsearch.vector_engines.requests import CONNECT_SECONDS, REQUEST_SECONDS, imports_of, one_line, slices

if TYPE_CHECKING:
    from semsearch.vector_engines.protocol import Cosines, Ids, Payload, Ranges, Vectors

T = TypeVar("T")

_PORT = 19530
# Loading reads the whole collection from its store into the memory of the server.
_LOAD_SECONDS = 600.0
# The JSON of a row's dynamic fields has at most 65,536 bytes (Milvus, "Dynamic Field"); names and quotes are in it.
_PAYLOAD_BYTES = 65_000
# With the longest payloads and 4,096 numbers a vector: 40 MB of the 64 MB that a server takes in one message.
_BATCH = 500
# A limit of 16,384 results (Milvus, "Limits": topK).
_MOST_RESULTS = 16_384
# Each row is compared with each range. 5,000 of them took 0.4 s more than one over 20,000 rows of Milvus 2.3.5.
_MOST_RANGES = 1_000
_GRAPH = {"M": 16, "efConstruction": 200}
_EF = 512
_COLLECTION_NOT_FOUND, _COLLECTION_NOT_LOADED = 100, 101
# Older servers take vectors of float16, and answer every search over them with cosines of 0 (seen with 2.3.5).
_FLOAT16_SINCE = (2, 4)


@dataclass(frozen=True)
class _Fields:
    """Of a collection: how many numbers a vector has, and whether they are kept at half precision."""

    dim: int
    half: bool


class MilvusEngine:
    """One collection of a Milvus server (`VectorEngine`)."""

    capabilities = Capabilities(_MOST_RESULTS, _MOST_RANGES)

    def __init__(self, url: str) -> None:
        """Raises `UsageError` for a URL that names no collection."""
        address = Address.parse(url)
        address.check(("db", "tls"))
        self.location = address.shown
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,254}", address.name):
            raise UsageError(
                f"{self.location} names no collection that Milvus can have: letters, digits and _ make one",
                "write it as milvus://HOST[:PORT]/NAME",
            )
        self._collection = address.name
        host = address.host or "127.0.0.1"
        self._host = f"[{host}]" if ":" in host else host
        self._port = address.port or _PORT
        self._database = address.options.get("db", "")
        self.place = (self._host, str(self._port), self._database or "default", self._collection)
        # They go as base64 of UTF-8, so that other characters than ASCII may be in them.
        password = sendable(address.password or os.environ.get("MILVUS_PASSWORD", ""), "MILVUS_PASSWORD")
        token = sendable(os.environ.get("MILVUS_TOKEN", ""), "MILVUS_TOKEN")
        self._token = f"{address.user}:{password}" if address.user else token
        self._secrets = [*address.secrets, password, self._token]
        self._encryption = Encryption.of(address, self._token)
        self._client: Any = None
        self._fields: _Fields | None = None

    def ensure(self, dim: int) -> None:
        self._fields = None
        if not self.exists():
            self._ask("make the collection", lambda: self._create(dim))
        else:
            self._check(dim)
        self._ask("make its index", self._index)
        self._ask("load the collection", self._load)

    def exists(self) -> bool:
        return bool(self._ask("look for the collection", lambda: self._open().has_collection(
            self._collection, timeout=REQUEST_SECONDS
        )))  # fmt: skip

    def upsert(self, ids: "Ids", vectors: "Vectors", payloads: "Sequence[Payload]") -> None:
        if len(ids):
            self._check_length(vectors.shape[1])
        rows = vectors.astype(np.float16) if len(ids) and self._described().half else vectors
        for part in slices(len(ids), _BATCH):
            data = [
                {**plain(payload, ("id", "vector", "$meta"), _PAYLOAD_BYTES), "id": int(chunk), "vector": row}
                for chunk, row, payload in zip(ids[part], rows[part], payloads[part], strict=True)
            ]
            self._ask("take vectors", lambda data=data: self._open().upsert(  # type: ignore[misc]
                self._collection, data, timeout=REQUEST_SECONDS
            ))  # fmt: skip

    def delete(self, ids: "Ids") -> None:
        for part in slices(len(ids), _BATCH):
            chunks = ids[part].tolist()
            self._ask("delete vectors", lambda chunks=chunks: self._open().delete(  # type: ignore[misc]
                self._collection, ids=chunks, timeout=REQUEST_SECONDS
            ))  # fmt: skip

    def nearest(self, vector: "Vectors", k: int, ranges: "Ranges | None") -> "tuple[Ids, Cosines]":
        k = min(k, _MOST_RESULTS)
        if k < 1 or (ranges is not None and not ranges):
            return np.empty(0, np.int64), np.empty(0, np.float32)
        self._check_length(len(vector))
        query = vector.astype(np.float16 if self._described().half else np.float32)
        found = self._loaded("search", lambda: self._open().search(
            self._collection,
            data=[query],
            anns_field="vector",
            limit=k,
            filter=expression(ranges) if ranges is not None else "",
            search_params={"metric_type": "COSINE", "params": {"ef": max(k, _EF)}},
            output_fields=["id"],
            consistency_level="Strong",
            timeout=REQUEST_SECONDS,
        )[0])  # fmt: skip
        ids = np.array([hit["id"] for hit in found], np.int64)
        return ids, np.array([hit["distance"] for hit in found], np.float32)

    def vectors(self, ids: "Ids") -> "Vectors":
        place = {int(chunk): row for row, chunk in enumerate(ids)}
        rows = np.full((len(ids), self._described().dim), np.nan, np.float32)
        for part in slices(len(ids), _BATCH):
            chunks = ids[part].tolist()
            for row in self._query(ids=chunks, output_fields=["id", "vector"]):
                value = row["vector"]
                rows[place[row["id"]]] = np.frombuffer(value[0], "<f2") if self._described().half else value
        return rows

    def count(self) -> int:
        return int(self._query(filter="", output_fields=["count(*)"])[0]["count(*)"])

    def ids(self) -> "Iterator[Ids]":
        # A query with a limit gives any rows, and not those with the lowest ids; the client's iterator asks for these.
        pages = self._loaded("list the collection", lambda: self._open().query_iterator(
            self._collection, batch_size=_MOST_RESULTS, output_fields=["id"], consistency_level="Strong",
            timeout=REQUEST_SECONDS,
        ))  # fmt: skip
        try:
            while rows := self._ask("list the collection", pages.next):
                yield np.array([row["id"] for row in rows], np.int64)
        finally:
            pages.close()

    def foreign(self, take_out: bool = False) -> int:
        return 0  # its keys are numbers of 64 bits, as those of chunks

    def maintain(self) -> None:
        # New rows are searched by a coarser index until their segment is closed, which may take minutes. Filters starve
        # it: recall@10 was .65 over 1 % of 20,000 rows, and 1.0 after this (Milvus 2.3.5).
        self._ask("build its index", lambda: self._open().flush(self._collection, timeout=_LOAD_SECONDS))

    def drop(self) -> None:
        self._ask(
            "drop the collection", lambda: self._open().drop_collection(self._collection, timeout=REQUEST_SECONDS)
        )
        self._fields = None

    def close(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    def _open(self) -> Any:
        if self._client is None:
            self._client = self._pymilvus.MilvusClient(
                f"{'https' if self._encryption.tls else 'http'}://{self._host}:{self._port}",
                token=self._token,
                db_name=self._database,
                timeout=CONNECT_SECONDS,
                dedicated=True,
            )
        return self._client

    @cached_property
    def _pymilvus(self) -> Any:
        # Its log writes tracebacks of what is an error here to stderr; python-dotenv would read an .env from above it.
        os.environ.setdefault("PYTHON_DOTENV_DISABLED", "1")
        os.environ.setdefault("GRPC_VERBOSITY", "NONE")
        with imports_of("Milvus", "milvus"):
            import pymilvus
        logging.getLogger("pymilvus").setLevel(logging.CRITICAL)
        return pymilvus

    def _takes_half(self) -> bool:
        version = re.search(r"(?:^v?|Milvus )(\d+)\.(\d+)", self._open().get_server_version(timeout=REQUEST_SECONDS))
        return version is not None and (int(version[1]), int(version[2])) >= _FLOAT16_SINCE

    def _create(self, dim: int) -> None:
        types = self._pymilvus.DataType
        schema = self._open().create_schema(auto_id=False, enable_dynamic_field=True)
        schema.add_field("id", types.INT64, is_primary=True)
        schema.add_field("vector", types.FLOAT16_VECTOR if self._takes_half() else types.FLOAT_VECTOR, dim=dim)
        self._open().create_collection(
            self._collection, schema=schema, consistency_level="Strong", timeout=REQUEST_SECONDS
        )  # fmt: skip

    def _index(self) -> None:
        client = self._open()
        if not client.list_indexes(self._collection, "vector", timeout=REQUEST_SECONDS):
            index = client.prepare_index_params()
            index.add_index("vector", index_type="HNSW", metric_type="COSINE", params=_GRAPH)
            client.create_index(self._collection, index, timeout=REQUEST_SECONDS)

    def _load(self) -> None:
        self._open().load_collection(self._collection, timeout=_LOAD_SECONDS)

    def _check(self, dim: int) -> None:
        """Raises `VectorEngineError` where the collection is not one for vectors of `dim` numbers and cosines."""
        self._check_length(dim)
        for name in self._ask("say its index", lambda: self._open().list_indexes(
            self._collection, "vector", timeout=REQUEST_SECONDS
        )):  # fmt: skip
            metric = self._ask("say its index", lambda name=name: self._open().describe_index(  # type: ignore[misc]
                self._collection, name, timeout=REQUEST_SECONDS
            ))["metric_type"]  # fmt: skip
            if metric != "COSINE":
                raise self._other(f"compares its vectors by {metric}, not by COSINE")

    def _described(self) -> _Fields:
        if self._fields is None:
            described = self._ask("describe the collection", lambda: self._open().describe_collection(
                self._collection, timeout=REQUEST_SECONDS
            ))  # fmt: skip
            fields = {field["name"]: field for field in described["fields"]}
            types = self._pymilvus.DataType
            key, vector = fields.get("id"), fields.get("vector")
            if (
                key is None
                or vector is None
                or not (key.get("is_primary") and key["type"] == types.INT64)
                or vector["type"] not in (types.FLOAT_VECTOR, types.FLOAT16_VECTOR)
                or not described["enable_dynamic_field"]
            ):
                raise self._other("is not one of semsearch")
            self._fields = _Fields(int(vector["params"]["dim"]), vector["type"] == types.FLOAT16_VECTOR)
        return self._fields

    def _check_length(self, length: int) -> None:
        if length != self._described().dim:
            raise self._other(f"has vectors of {self._described().dim} numbers, not of {length}")

    def _query(self, **arguments: Any) -> list[dict[str, Any]]:
        return list(self._loaded("read the collection", lambda: self._open().query(
            self._collection, consistency_level="Strong", timeout=REQUEST_SECONDS, **arguments
        )))  # fmt: skip

    def _loaded(self, what: str, call: Callable[[], T]) -> T:
        """`call()`, for which the collection must be in the memory of the server; it is loaded where it is not."""

        def loading() -> T:
            try:
                return call()
            except self._pymilvus.MilvusException as error:
                if error.code != _COLLECTION_NOT_LOADED:
                    raise
                self._load()
                return call()

        return self._ask(what, loading)

    def _ask(self, what: str, call: Callable[[], T]) -> T:
        """`call()`. Raises `VectorEngineError` where the server does not do `what`."""
        pymilvus = self._pymilvus
        from grpc import FutureTimeoutError, RpcError

        try:
            return call()
        except pymilvus.MilvusException as error:
            raise self._refused(what, error.message, error.code) from None
        except (RpcError, FutureTimeoutError) as error:
            raise self._refused(what, str(error)) from None

    def _refused(self, what: str, said: str, code: object = None) -> VectorEngineError:
        said = one_line(said, self._secrets)
        lower = said.lower()
        if code == _COLLECTION_NOT_FOUND:
            hint = "is the name right? `semsearch verify --repair` fills a collection that was lost"
        elif any(word in lower for word in ("unauthenticated", "auth check", "permission", "privilege")):
            hint = "set MILVUS_PASSWORD beside the user of the URL, or MILVUS_TOKEN"
        elif any(word in lower for word in ("connect", "unavailable", "timeout", "deadline")):
            hint = f"is it running? try: curl http://{self._host}:9091/healthz{self._encryption.hint}"
        else:
            hint = "see the log of the server"
        return VectorEngineError(f"Milvus does not {what} ({self.location}): {said}", hint)

    def _other(self, what: str) -> VectorEngineError:
        return VectorEngineError(
            f"the collection {self._collection} of Milvus ({self.location}) {what}", "give another NAME in the URL"
        )


def expression(ranges: "Ranges") -> str:
    """The expression that is true for ids in one of the `ranges`.

    It is a balanced tree: in a chain, which Milvus parses as one level a range, 50 ranges are already nested too deeply
    for it to read. Single ids are one list.
    """
    single = [first for first, end in ranges if end == first + 1]
    terms = [f"(id >= {first} and id < {end})" for first, end in ranges if end != first + 1]
    if single:
        terms.append(f"id in {single}")
    while len(terms) > 1:
        terms = [" or ".join(terms[pair]) for pair in slices(len(terms), 2)]
        terms = [f"({term})" for term in terms]
    return terms[0]
