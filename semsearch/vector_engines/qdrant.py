"""A collection of Qdrant, over its REST interface: `qdrant://[:KEY@][host[:port]]/COLLECTION[?tls=1]`."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

from semsearch.errors import VectorEngineError
from semsearch.vector_engines.address import Address
from semsearch.vector_engines.encryption import Encryption
from semsearch.vector_engines.keys import key_for
from semsearch.vector_engines.protocol import Capabilities, Payload, Ranges
from semsearch.vector_engines.requests import (
    CHUNK_ID,
    REQUEST_SECONDS,
    as_arrays,
    best_chunks,
    imports_of,
    is_int64,
    known_ids,
    one_line,
    slices,
    storable,
)

if TYPE_CHECKING:
    from semsearch.vector_engines.protocol import Cosines, Ids, Vectors

_PORT = 6333
# A row of 4,096 numbers is 80 kB of JSON, and a server takes requests of 32 MB (service.max_request_size_mb).
_MAX_BATCH = 256
# The beam of a search: recall@10 .99 on 100,000 chunks of real text, where Qdrant's own 100 gives .95.
_BEAM = 512
# Up to here, what a filter lets in is compared one by one. Of 100,000 points, 10,000 in 200 ranges took 1 ms so, with
# recall@10 1.0; following the graph, where every range is looked at on the way, 49 ms and .975 (with ACORN 202 ms).
_EXACT_IDS = 300_000
_IDS_A_PAGE = 10_000
_MOST_RESULTS = 10_000


class QdrantEngine:
    """See `VectorEngine`. The id of a point is that of its chunk, which also stands in its payload as `chunk_id`."""

    capabilities = Capabilities(max_k=_MOST_RESULTS, max_ranges=1_000)

    def __init__(self, url: str) -> None:
        address = Address.parse(url)
        address.check(["tls"])
        self._key = key_for(address, in_url=True)
        self.location = address.shown
        self._collection = address.name
        self._secrets = [self._key, *address.secrets]
        host = address.host or "127.0.0.1"
        self._encryption = Encryption.of(address, self._key)
        self._server = f"{f'[{host}]' if ':' in host else host}:{address.port or _PORT}"
        self.place = (self._server, self._collection)

    def ensure(self, dim: int) -> None:
        if not self.exists():
            self._create(dim)
        info = self._info()
        config = info.config.params.vectors
        if config.size != dim or config.distance != self._models.Distance.COSINE:
            raise VectorEngineError(
                f"{self.location} has vectors of {config.size} numbers, compared by {config.distance.value},"
                f" not of {dim}, by Cosine",
                "give another COLLECTION in the URL",
            )
        if CHUNK_ID not in info.payload_schema:
            ranges_of_ids = self._models.IntegerIndexParams(
                type=self._models.IntegerIndexType.INTEGER, lookup=False, range=True
            )
            with self._failures():
                self._client.create_payload_index(self._collection, CHUNK_ID, field_schema=ranges_of_ids, wait=True)

    def exists(self) -> bool:
        with self._failures():
            return bool(self._client.collection_exists(self._collection))

    def upsert(self, ids: "Ids", vectors: "Vectors", payloads: Sequence[Payload]) -> None:
        for part in slices(len(ids), _MAX_BATCH):
            batch = self._models.Batch(
                ids=ids[part].tolist(),
                vectors=vectors[part].tolist(),
                payloads=[
                    {**storable(payload), CHUNK_ID: int(chunk)}
                    for chunk, payload in zip(ids[part], payloads[part], strict=True)
                ],
            )
            with self._failures():
                self._client.upsert(self._collection, batch, wait=True)

    def delete(self, ids: "Ids") -> None:
        self._take_out(ids.tolist())

    def nearest(self, vector: "Vectors", k: int, ranges: Ranges | None) -> "tuple[Ids, Cosines]":
        import numpy as np

        if ranges is not None and not ranges:
            return np.empty(0, np.int64), np.empty(0, np.float32)
        allowed = None if ranges is None else sum(end - begin for begin, end in ranges)
        if allowed is not None and allowed <= _EXACT_IDS:
            params = self._models.SearchParams(exact=True)
        else:
            params = self._models.SearchParams(hnsw_ef=max(_BEAM, k))
        inside = None if ranges is None else self._filter(ranges)

        def ask(limit: int) -> list[tuple[int | None, float]]:
            with self._failures():
                found = self._client.query_points(
                    self._collection,
                    query=vector.tolist(),
                    limit=limit,
                    query_filter=inside,
                    search_params=params,
                    with_payload=False,
                ).points
            return [(_chunk_of(point.id), point.score) for point in found]

        return as_arrays(best_chunks(ask, k, _MOST_RESULTS))

    def vectors(self, ids: "Ids") -> "Vectors":
        import numpy as np

        found: dict[int, Any] = {}
        for part in slices(len(ids), _MAX_BATCH):
            with self._failures():
                points = self._client.retrieve(
                    self._collection, ids[part].tolist(), with_payload=False, with_vectors=True
                )
            found.update((int(point.id), point.vector) for point in points)
        dim = len(next(iter(found.values()))) if found else self._info().config.params.vectors.size
        missing = [np.nan] * dim
        return np.array([found.get(chunk, missing) for chunk in ids.tolist()], np.float32).reshape(len(ids), dim)

    def count(self) -> int:
        with self._failures():
            return int(self._client.count(self._collection, exact=True).count)

    def ids(self) -> "Iterator[Ids]":
        for names in self._names():
            yield known_ids(map(_chunk_of, names))

    def foreign(self, take_out: bool = False) -> int:
        theirs = [name for names in self._names() for name in names if _chunk_of(name) is None]
        if take_out:
            self._take_out(theirs)
        return len(theirs)

    def _names(self) -> Iterator[list[int | str]]:
        """The ids of all points, in pages."""
        page: Any = None
        while True:
            with self._failures():
                points, page = self._client.scroll(
                    self._collection, limit=_IDS_A_PAGE, offset=page, with_payload=False, with_vectors=False
                )
            yield [point.id for point in points]
            if page is None:
                return

    def maintain(self) -> None:
        pass  # it does so by itself

    def drop(self) -> None:
        if self.exists():
            with self._failures():
                self._client.delete_collection(self._collection)

    def close(self) -> None:
        if "_client" in self.__dict__:
            self._client.close()
            del self.__dict__["_client"]

    @cached_property
    def _models(self) -> Any:
        with imports_of("Qdrant", "qdrant"):
            from qdrant_client.http import models
        return models

    @cached_property
    def _client(self) -> Any:
        with imports_of("Qdrant", "qdrant"):
            from qdrant_client import QdrantClient
        with warnings.catch_warnings():
            # It warns of a key without TLS, which is sent to this machine alone, or was asked for.
            warnings.simplefilter("ignore")
            return QdrantClient(
                url=f"{'https' if self._encryption.tls else 'http'}://{self._server}",
                api_key=self._key or None,
                timeout=REQUEST_SECONDS,
                check_compatibility=False,  # asks the server in a thread, and prints
            )

    def _take_out(self, names: "list[int | str]") -> None:
        for part in slices(len(names), _MAX_BATCH):
            with self._failures():
                self._client.delete(self._collection, self._models.PointIdsList(points=names[part]), wait=True)

    def _create(self, dim: int) -> None:
        params = self._models.VectorParams(
            size=dim, distance=self._models.Distance.COSINE, datatype=self._models.Datatype.FLOAT16
        )
        try:
            with self._failures():
                self._client.create_collection(self._collection, vectors_config=params)
        except VectorEngineError:
            if not self.exists():  # else another process has just made it
                raise

    def _info(self) -> Any:
        """The `CollectionInfo` of the collection, which has one vector a point."""
        with self._failures():
            info = self._client.get_collection(self._collection)
        if info.config.params.vectors is None or isinstance(info.config.params.vectors, dict):
            raise VectorEngineError(
                f"{self.location} is a collection with no or several vectors a point",
                "give another COLLECTION in the URL",
            )
        return info

    def _filter(self, ranges: Ranges) -> Any:
        models = self._models
        inside = [models.FieldCondition(key=CHUNK_ID, range=models.Range(gte=begin, lt=end)) for begin, end in ranges]
        return models.Filter(should=inside)

    @contextmanager
    def _failures(self) -> Iterator[None]:
        """Tells what went wrong in one line."""
        with imports_of("Qdrant", "qdrant"):
            from qdrant_client.common.client_exceptions import QdrantException
            from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse
        try:
            yield
        except UnexpectedResponse as error:
            raise self._refused(error.status_code or 0, _error_of(error)) from None
        except ResponseHandlingException as error:
            raise self._unreachable(error.source) from None
        except QdrantException as error:
            raise self._refused(429, error) from None

    def _refused(self, status: int, said: object) -> VectorEngineError:
        told = one_line(said, self._secrets)
        if status in (401, 403):
            hint = "give the API key of the server in the variable QDRANT_API_KEY"
        elif status == 404:
            hint = "is the name right? `semsearch verify --repair` fills a collection that was lost"
        elif status == 429:
            hint = "try again later: the server has more to do than it takes"
        else:
            hint = "see the log of the server"
        return VectorEngineError(f"Qdrant refuses it for {self.location}: {told} (status {status})", hint)

    def _unreachable(self, error: Exception) -> VectorEngineError:
        told = one_line(error, self._secrets) or type(error).__name__
        hint = f"is it running? try: curl {'https' if self._encryption.tls else 'http'}://{self._server}/healthz"
        return VectorEngineError(f"Qdrant does not answer at {self._server}: {told}", hint + self._encryption.hint)


def _chunk_of(name: int | str) -> int | None:
    """The chunk of the point `name`; None for those of other programs: UUIDs, and numbers of 64 bits without a sign."""
    return name if isinstance(name, int) and is_int64(name) else None


def _error_of(response: Any) -> str:
    """What Qdrant says in its `response` to a request that it refuses."""
    try:
        return str(response.structured()["status"]["error"])
    except (ValueError, KeyError, TypeError):  # no JSON, or another: of a proxy before the server
        return f"{response.content.decode('utf-8', 'replace')} {response.reason_phrase}"
