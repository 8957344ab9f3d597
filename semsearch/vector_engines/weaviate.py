"""Weaviate: `weaviate://host[:port]/COLLECTION?grpc_port=50051&grpc_host=HOST&tls=1`, with the key in WEAVIATE_API_KEY.

An object has the chunk's id in its UUID and in the property `chunk_id`, whose index is one for ranges, its vector under
the name `default`, and the payload in properties. Objects go over gRPC, what a collection is over HTTP; of servers from
1.29 on nothing is asked by GraphQL, which newer ones have switched off. A write is confirmed by all replicas, and
`upsert` returns when no vector waits for its index, as it may with ASYNC_INDEXING.
"""

import logging
import os
import re
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from itertools import chain, count
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from semsearch.errors import UsageError, VectorEngineError
from semsearch.vector_engines.address import Address
from semsearch.vector_engines.encryption import Encryption
from semsearch.vector_engines.keys import key_for
from semsearch.vector_engines.payload import plain
from semsearch.vector_engines.protocol import Capabilities
from semsearch.vector_engines.requests import (
    CHUNK_ID,
    CONNECT_SECONDS,
    REQUEST_SECONDS,
    as_arrays,
    best_chunks,
    imports_of,
    known_ids,
    one_line,
    slices,
)

if TYPE_CHECKING:
    from collections.abc import Collection

    from semsearch.vector_engines.protocol import Cosines, Ids, Payload, Ranges, Vectors

    Value = str | int | float | bool | list[str]

T = TypeVar("T")

_PORT, _GRPC_PORT = 8080, 50051
_TLS_PORT = 443
# 500 objects of 4,096 numbers and 64 KB of text are 40 MB; a server takes 100 MB in one message.
_BATCH = 500
# QUERY_MAXIMUM_RESULTS of a server where nobody changed it; also how many objects one delete finds.
_MOST_RESULTS = 10_000
# Weaviate says no limit. This many conditions are 30 KB.
_MOST_RANGES = 500
_EF = 512
_VECTOR = "default"
_INDEXED_SECONDS = 600.0
_LOOK_SECONDS = 0.2
# What a collection of semsearch says of itself: Weaviate learns of how many numbers a vector has from the first one.
_DESCRIPTION = "Passages of semsearch; vectors of {} numbers"
# Version 8 of RFC 9562 is for UUIDs of one's own making: six bytes that say whose, and 62 bits of chunk id.
_UUID = (int.from_bytes(b"semsea") << 80) | (8 << 76) | (2 << 62)
_ID_BITS = (1 << 62) - 1
_RESERVED = ("id", "vector", "_id", "_additional", CHUNK_ID)


class WeaviateEngine:
    """One collection of a Weaviate server (`VectorEngine`)."""

    capabilities = Capabilities(_MOST_RESULTS, _MOST_RANGES)

    def __init__(self, url: str) -> None:
        """Raises `UsageError` for a URL of no collection."""
        address = Address.parse(url)
        address.check(("grpc_port", "grpc_host", "tls"))
        self._key = key_for(address)
        self.location = address.shown
        if not re.fullmatch(r"[A-Z][A-Za-z0-9_]{0,230}", address.name):
            raise UsageError(
                f"{self.location} names no collection that Weaviate can have: a capital, then letters, digits and _",
                "write it as weaviate://HOST[:PORT]/Name",
            )
        self._name = address.name
        self._encryption = Encryption.of(address, self._key)
        tls = self._encryption.tls
        self._host = address.host or "127.0.0.1"
        self._port = address.port or (_TLS_PORT if tls else _PORT)
        self._grpc_host = address.options.get("grpc_host", self._host)
        grpc_port = address.options.get("grpc_port", str(_TLS_PORT if tls else _GRPC_PORT))
        if not re.fullmatch(r"\d{1,5}", grpc_port) or not 0 < int(grpc_port) < 65_536:
            raise UsageError(
                f"grpc_port={grpc_port} in the weaviate:// URL is no port", f"write grpc_port={_GRPC_PORT}"
            )
        self._grpc_port = int(grpc_port)
        if (self._host, self._port) == (self._grpc_host, self._grpc_port):
            raise UsageError(f"{self.location} names one port for HTTP and gRPC", "write the other one as grpc_port")
        self.place = (self._host, str(self._port), self._name)
        self._client: Any = None
        self._made: dict[str, tuple[str, str]] | None = None
        self._numbers: int | None = None

    def ensure(self, dim: int) -> None:
        if not self.exists():
            try:
                self._ask("make the collection", lambda: self._make(dim))
            except VectorEngineError:
                if not self.exists():  # else another process has just made it
                    raise
        self._numbers = None
        self._check_length(dim)
        metric = self._described().vector_config[_VECTOR].vector_index_config.distance_metric.value
        if metric != "cosine":
            raise self._other(f"compares its vectors by {metric}, not by cosine")

    def exists(self) -> bool:
        return bool(self._ask("look for the collection", lambda: self._open().collections.exists(self._name)))

    def upsert(self, ids: "Ids", vectors: "Vectors", payloads: "Sequence[Payload]") -> None:
        make_object = self._weaviate.classes.data.DataObject
        if len(ids):
            self._check_length(vectors.shape[1])
        for part in slices(len(ids), _BATCH):
            rows = zip(ids[part], vectors[part], payloads[part], strict=True)
            objects = [
                make_object(
                    uuid=uuid_of(int(chunk)),
                    vector={_VECTOR: row.tolist()},
                    properties={**self._properties(payload), CHUNK_ID: int(chunk)},
                )
                for chunk, row, payload in rows
            ]
            answer = self._ask("take vectors", lambda objects=objects: self._data().insert_many(objects))  # type: ignore[misc]
            if answer.has_errors:
                raise self._refused("take vectors", next(iter(answer.errors.values())).message)
        self._wait_for_index()

    def delete(self, ids: "Ids") -> None:
        self._take_out([uuid_of(chunk) for chunk in ids.tolist()])

    def _take_out(self, numbers: list[uuid.UUID]) -> None:
        for part in slices(len(numbers), _BATCH):
            where = self._having(numbers[part])
            answer = self._ask("delete vectors", lambda where=where: self._data().delete_many(where))  # type: ignore[misc]
            if answer.failed:
                raise self._refused("delete vectors", f"{answer.failed} of {answer.matches} failed")

    def nearest(self, vector: "Vectors", k: int, ranges: "Ranges | None") -> "tuple[Ids, Cosines]":
        k = min(k, _MOST_RESULTS)
        if k < 1 or (ranges is not None and not ranges):
            return np.empty(0, np.int64), np.empty(0, np.float32)
        self._check_length(len(vector))
        inside = self._inside(ranges) if ranges is not None else None

        def ask(limit: int) -> list[tuple[int | None, float]]:
            found = self._ask("search", lambda: self._query().near_vector(
                near_vector=vector.tolist(),
                target_vector=_VECTOR,
                limit=limit,
                filters=inside,
                return_properties=[],
                return_metadata=self._weaviate.classes.query.MetadataQuery(distance=True),
            )).objects  # fmt: skip
            return [(chunk_of(hit.uuid), 1 - hit.metadata.distance) for hit in found]

        return as_arrays(best_chunks(ask, k, _MOST_RESULTS))

    def vectors(self, ids: "Ids") -> "Vectors":
        rows = np.full((len(ids), self._dim()), np.nan, np.float32)
        numbers = [uuid_of(chunk) for chunk in ids.tolist()]
        place = {number.int: row for row, number in enumerate(numbers)}
        for part in slices(len(ids), _BATCH):
            where = self._having(numbers[part])
            found = self._ask("read vectors", lambda where=where: self._query().fetch_objects(  # type: ignore[misc]
                filters=where, limit=_BATCH, include_vector=True, return_properties=[]
            )).objects  # fmt: skip
            for hit in found:
                rows[place[hit.uuid.int]] = hit.vector[_VECTOR]
        return rows

    def count(self) -> int:
        return int(self._ask("count", lambda: self._collection().aggregate.over_all(total_count=True)).total_count)

    def ids(self) -> "Iterator[Ids]":
        for numbers in self._uuids():
            yield known_ids(map(chunk_of, numbers))

    def foreign(self, take_out: bool = False) -> int:
        theirs = [number for numbers in self._uuids() for number in numbers if chunk_of(number) is None]
        if take_out:
            self._take_out(theirs)
        return len(theirs)

    def _uuids(self) -> Iterator[list[uuid.UUID]]:
        """The UUIDs of all objects, in pages."""
        last = None
        while True:
            found = self._ask("list the objects", lambda last=last: self._query().fetch_objects(  # type: ignore[misc]
                limit=_MOST_RESULTS, after=last, return_properties=[]
            )).objects  # fmt: skip
            if not found:
                return
            yield [hit.uuid for hit in found]
            last = found[-1].uuid

    def maintain(self) -> None:
        pass  # it does so by itself

    def drop(self) -> None:
        self._ask("remove the collection", lambda: self._open().collections.delete(self._name))
        self._made = self._numbers = None

    def close(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    def _open(self) -> Any:
        if self._client is None:
            make = self._weaviate.classes.init
            self._client = self._weaviate.connect_to_custom(
                http_host=self._host,
                http_port=self._port,
                http_secure=self._encryption.tls,
                grpc_host=self._grpc_host,
                grpc_port=self._grpc_port,
                grpc_secure=self._encryption.tls,
                auth_credentials=make.Auth.api_key(self._key) if self._key else None,
                additional_config=make.AdditionalConfig(
                    timeout=make.Timeout(init=CONNECT_SECONDS, query=REQUEST_SECONDS, insert=REQUEST_SECONDS)
                ),
                # They ask pypi.org whether there is a newer client.
                skip_init_checks=True,
            )
        return self._client

    @cached_property
    def _weaviate(self) -> Any:
        os.environ.setdefault("GRPC_VERBOSITY", "NONE")
        with imports_of("Weaviate", "weaviate"):
            import weaviate
        # What it logs as an error is one here.
        logging.getLogger("weaviate-client").setLevel(logging.CRITICAL)
        return weaviate

    def _collection(self) -> Any:
        return self._open().collections.use(self._name)

    def _data(self) -> Any:
        level = self._weaviate.classes.config.ConsistencyLevel.ALL
        return self._collection().with_consistency_level(level).data

    def _query(self) -> Any:
        return self._collection().query

    def _having(self, numbers: list[uuid.UUID]) -> Any:
        """The filter that lets in the objects with the UUIDs `numbers`."""
        return self._weaviate.classes.query.Filter.by_id().contains_any([str(number) for number in numbers])

    def _inside(self, ranges: "Ranges") -> Any:
        """The filter that lets in chunks in one of the `ranges`. Single ids are one list."""
        make = self._weaviate.classes.query.Filter
        chunk = make.by_property(CHUNK_ID)
        single = [first for first, end in ranges if end == first + 1]
        terms = [
            make.all_of([chunk.greater_or_equal(first), chunk.less_than(end)])
            for first, end in ranges
            if end != first + 1
        ]
        if single:
            terms.append(chunk.contains_any(single))
        return make.any_of(terms) if len(terms) > 1 else terms[0]

    def _make(self, dim: int) -> None:
        make = self._weaviate.classes.config
        graph = make.Configure.VectorIndex.hnsw(distance_metric=make.VectorDistances.COSINE, ef=_EF)
        self._open().collections.create(
            self._name,
            description=_DESCRIPTION.format(dim),
            vector_config=make.Configure.Vectors.self_provided(name=_VECTOR, vector_index_config=graph),
            properties=[make.Property(name=CHUNK_ID, data_type=make.DataType.INT, index_range_filters=True)],
        )

    def _described(self) -> Any:
        return self._ask("describe the collection", lambda: self._collection().config.get())

    def _dim(self) -> int:
        if self._numbers is None:
            described = self._described()
            said = re.fullmatch(re.escape(_DESCRIPTION).replace(r"\{\}", r"(\d+)"), described.description or "")
            if said is None or _VECTOR not in (described.vector_config or {}):
                raise self._other("is not one of semsearch")
            self._numbers = int(said[1])
        return self._numbers

    def _check_length(self, length: int) -> None:
        # Weaviate itself takes vectors of any length for the first ones.
        if length != self._dim():
            raise self._other(f"has vectors of {self._dim()} numbers, not of {length}")

    def _properties(self, payload: "Payload") -> "dict[str, Value]":
        """`payload` by names and types that the collection has; what it does not have yet is added to it.

        A property has one type for ever, so a value of another one goes into `NAME_TYPE`; so does the second of two
        names that Weaviate does not tell apart.
        """
        kept: dict[str, Value] = {}
        for given, value in plain(payload).items():
            kept[self._property(property_name(given), _kind(value), kept)] = value
        return kept

    def _property(self, name: str, kind: str, taken: "Collection[str]") -> str:
        """The property of the type `kind` for `name` that is none of `taken`, as the collection has it, made where it
        does not."""
        if self._made is None:
            self._made = _by_name(self._described())
        of_kind = f"{name}_{kind.removesuffix('[]')}{'s' if kind.endswith('[]') else ''}"
        for candidate in chain([name, of_kind], (f"{of_kind}_{number}" for number in count(2))):
            if candidate.lower() not in self._made:
                self._add_property(candidate, kind)
            made, its_kind = self._made[candidate.lower()]
            if its_kind == kind and made not in taken:
                return made
        raise AssertionError  # there is always a next number

    def _add_property(self, name: str, kind: str) -> None:
        make = self._weaviate.classes.config

        def add() -> dict[str, tuple[str, str]]:
            refusal: Exception | None = None
            try:
                self._collection().config.add_property(make.Property(name=name, data_type=make.DataType(kind)))
            except self._weaviate.exceptions.WeaviateBaseError as error:
                refusal = error
            made = _by_name(self._collection().config.get())
            if refusal is not None and name.lower() not in made:  # else another writer was first
                raise refusal
            return made

        self._made = self._ask(f"add the property {name}", add)

    def _wait_for_index(self) -> None:
        """Returns when no vector of the collection waits for its index."""
        end = time.monotonic() + _INDEXED_SECONDS
        while True:
            nodes = self._ask("say what waits", lambda: self._open().cluster.nodes(self._name, output="verbose"))
            if not any(shard.vector_queue_length for node in nodes for shard in node.shards or ()):
                return
            if time.monotonic() > end:
                raise self._refused("search vectors", f"they wait for their index for {_INDEXED_SECONDS:g} s")
            time.sleep(_LOOK_SECONDS)

    def _ask(self, what: str, call: Callable[[], T]) -> T:
        """`call()`. Raises `VectorEngineError` where Weaviate does not do `what`."""
        weaviate = self._weaviate
        from grpc import RpcError
        from httpx import HTTPError

        try:
            return call()
        except (weaviate.exceptions.WeaviateBaseError, RpcError, HTTPError) as error:
            cause: BaseException | None = error
            while cause is not None and not isinstance(cause, RpcError):
                cause = cause.__cause__ or cause.__context__
            raise self._refused(what, str(error if cause is None else cause.details())) from None

    def _refused(self, what: str, said: str) -> VectorEngineError:
        said = one_line(said, (self._key,))
        lower = said.lower()
        if any(word in lower for word in ("401", "403", "unauthorized", "unauthenticated", "forbidden", "permission")):
            hint = "set WEAVIATE_API_KEY to a key that may do this"
        elif "could not find class" in lower or "404" in lower:
            hint = "is the name right? `semsearch verify --repair` fills a collection that was lost"
        elif any(word in lower for word in ("connect", "unavailable", "timeout", "timed out", "deadline")):
            server = f"{'https' if self._encryption.tls else 'http'}://{self._host}:{self._port}"
            hint = f"is it running? try: curl {server}/v1/.well-known/ready{self._encryption.hint}"
        else:
            hint = "see the log of the server"
        return VectorEngineError(f"Weaviate does not {what} ({self.location}): {said}", hint)

    def _other(self, what: str) -> VectorEngineError:
        return VectorEngineError(
            f"the collection {self._name} of Weaviate ({self.location}) {what}", "give another NAME in the URL"
        )


def uuid_of(chunk: int) -> uuid.UUID:
    """The UUID of the chunk with the id `chunk`, the same for every index."""
    return uuid.UUID(int=_UUID | chunk)


def chunk_of(number: uuid.UUID) -> int | None:
    """The id of the chunk with the UUID `number`; None for an object of another program."""
    return number.int & _ID_BITS if number.int & ~_ID_BITS == _UUID else None


def _by_name(described: Any) -> dict[str, tuple[str, str]]:
    """(name, type) of the properties of a collection by their names in lower case, in which Weaviate tells names."""
    return {made.name.lower(): (made.name, made.data_type.value) for made in described.properties}


def property_name(name: str) -> str:
    """`name` as Weaviate can have it: ASCII letters, digits and _, not beginning with a digit or a capital."""
    cleaned = re.sub(r"\W", "_", name, flags=re.ASCII)[:200]
    cleaned = cleaned if cleaned and not cleaned[0].isdigit() else f"_{cleaned}"
    cleaned = cleaned[0].lower() + cleaned[1:]
    return f"{cleaned}_" if cleaned in _RESERVED else cleaned


def _kind(value: "Value") -> str:
    """The type of Weaviate that `value` is kept as; whole numbers are kept as numbers, so that one may have a part."""
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, str):
        return "text"
    return "text[]" if isinstance(value, list) else "number"
