"""A collection of Chroma, over its HTTP interface: `chroma://[:KEY@][host[:port]]/COLLECTION`, with `?tls=1`,
`tenant=` and `database=`."""

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
    CONNECT_SECONDS,
    REQUEST_SECONDS,
    as_arrays,
    best_chunks,
    chunk_named,
    imports_of,
    known_ids,
    one_line,
    slices,
    storable,
)

if TYPE_CHECKING:
    from semsearch.vector_engines.protocol import Cosines, Ids, Vectors

_PORT = 8000
# A server says which batches it takes, 5,461 by default; one of 1,000 stays below its 40 MB a request.
_MAX_BATCH = 1_000
_MOST_RESULTS = 10_000
# The beam of a search, which Chroma fixes when the collection is made.
_BEAM = 500
# See `_conditions`; SQLite, in which Chroma looks them up, takes 32,766 values a statement, and each id is two.
_SHORT_RANGE = 1_000
_MOST_LISTED = 10_000
_DIMENSION = "dimension"  # in the collection's metadata: Chroma itself knows it from the first row on
_TEXT = "text"  # what of a payload is the document of a row


class ChromaEngine:
    """See `VectorEngine`. A row's id is the chunk's in digits; `chunk_id` in its metadata is the number."""

    capabilities = Capabilities(max_k=_MOST_RESULTS, max_ranges=1_000)

    def __init__(self, url: str) -> None:
        address = Address.parse(url)
        address.check(["tls", "tenant", "database"])
        self._key = key_for(address, in_url=True)
        self.location = address.shown
        self._address = address
        self._encryption = Encryption.of(address, self._key)
        self._host = address.host or "127.0.0.1"
        self._port = address.port or _PORT
        self._at = f"{f'[{self._host}]' if ':' in self._host else self._host}:{self._port}"
        self._secrets = [self._key, *address.secrets]
        self._place = {
            "tenant": address.options.get("tenant", "default_tenant"),
            "database": address.options.get("database", "default_database"),
        }
        self.place = (self._at, *self._place.values(), address.name)

    def ensure(self, dim: int) -> None:
        with self._failures():
            made = self._server.create_collection(
                self._address.name,
                configuration={"hnsw": {"space": "cosine", "ef_search": _BEAM}},
                metadata={_DIMENSION: dim},
                get_or_create=True,
                **self._place,
            )
        index = made.configuration_json.get("hnsw") or made.configuration_json.get("spann") or {}
        has = made.dimension or (made.metadata or {}).get(_DIMENSION)
        if index.get("space") != "cosine" or has != dim:
            raise VectorEngineError(
                f"{self.location} has vectors of {has} numbers, compared by {index.get('space')},"
                f" not of {dim}, by cosine",
                "give another COLLECTION in the URL",
            )

    def exists(self) -> bool:
        self.__dict__.pop("_collection", None)
        with imports_of("Chroma", "chroma"):
            from chromadb.errors import NotFoundError
        with self._failures():
            try:
                self._model()
            except NotFoundError:
                return False
        return True

    def upsert(self, ids: "Ids", vectors: "Vectors", payloads: Sequence[Payload]) -> None:
        for part in slices(len(ids), self._max_batch()):
            names = [str(chunk) for chunk in ids[part].tolist()]
            with self._failures():
                # Chroma adds to the metadata of a row: what is not there any more has to be said.
                there = self._collection.get(ids=names, include=["metadatas"])
                stale = dict(zip(there["ids"], there["metadatas"], strict=True))
                rows = [
                    {**dict.fromkeys(stale.get(name) or ()), **_metadata(payload), CHUNK_ID: int(name)}
                    for name, payload in zip(names, payloads[part], strict=True)
                ]
                texts = [str(storable(payload).get(_TEXT, "")) for payload in payloads[part]]
                self._collection.upsert(ids=names, embeddings=vectors[part], metadatas=rows, documents=texts)

    def delete(self, ids: "Ids") -> None:
        self._take_out([str(chunk) for chunk in ids.tolist()])

    def nearest(self, vector: "Vectors", k: int, ranges: Ranges | None) -> "tuple[Ids, Cosines]":
        hits: list[tuple[int, float]] = []
        for condition in [None] if ranges is None else _conditions(ranges):

            def ask(limit: int, condition: dict[str, Any] | None = condition) -> list[tuple[int | None, float]]:
                with self._failures():
                    found = self._collection.query(
                        query_embeddings=[vector], n_results=limit, where=condition, include=["distances"]
                    )
                rows = zip(found["ids"][0], found["distances"][0], strict=True)
                return [(chunk_named(name), 1 - distance) for name, distance in rows]

            hits += best_chunks(ask, k, _MOST_RESULTS)
        return as_arrays(sorted(hits, key=lambda hit: -hit[1])[:k])

    def vectors(self, ids: "Ids") -> "Vectors":
        import numpy as np

        found: dict[str, Any] = {}
        for part in slices(len(ids), self._max_batch()):
            with self._failures():
                rows = self._collection.get(ids=[str(chunk) for chunk in ids[part].tolist()], include=["embeddings"])
            found.update(zip(rows["ids"], rows["embeddings"], strict=True))
        with self._failures():
            model = self._model()
        dim = model.dimension or (model.metadata or {}).get(_DIMENSION) or 0
        missing = np.full(dim, np.nan, np.float32)
        return np.array([found.get(str(chunk), missing) for chunk in ids.tolist()], np.float32).reshape(len(ids), dim)

    def count(self) -> int:
        with self._failures():
            return int(self._collection.count())

    def ids(self) -> "Iterator[Ids]":
        yield known_ids(map(chunk_named, self._names()))

    def foreign(self, take_out: bool = False) -> int:
        theirs = [name for name in self._names() if chunk_named(name) is None]
        if take_out:
            self._take_out(theirs)
        return len(theirs)

    def maintain(self) -> None:
        pass  # it does so by itself

    def drop(self) -> None:
        if self.exists():
            with self._failures():
                self._server.delete_collection(self._address.name, **self._place)
            self.__dict__.pop("_collection", None)

    def close(self) -> None:
        if "_server" in self.__dict__:
            self._server._session.close()
        for name in ("_server", "_collection"):
            self.__dict__.pop(name, None)

    @cached_property
    def _server(self) -> Any:
        """The client's interface to the server, without the checks of `HttpClient`, which are three requests."""
        with imports_of("Chroma", "chroma"):
            import httpx
            from chromadb.api.fastapi import FastAPI
            from chromadb.config import Settings, System
        settings = Settings(
            _env_file=None,  # else a file `.env` of the working folder would be read
            chroma_api_impl="chromadb.api.fastapi.FastAPI",
            chroma_server_host=self._host,
            chroma_server_http_port=self._port,
            chroma_server_ssl_enabled=self._encryption.tls,
            chroma_server_headers={"x-chroma-token": self._key} if self._key else {},
            anonymized_telemetry=False,
        )
        server = System(settings).instance(FastAPI)
        server._session.timeout = httpx.Timeout(REQUEST_SECONDS, connect=CONNECT_SECONDS)  # else it waits for ever
        return server

    @cached_property
    def _collection(self) -> Any:
        from chromadb.api.models.Collection import Collection

        return Collection(client=self._server, model=self._model(), embedding_function=None)

    def _model(self) -> Any:
        return self._server.get_collection(self._address.name, **self._place)

    def _names(self) -> list[str]:
        """The ids of all rows."""
        with self._failures():
            # At once: pages are counted from the first row, and what another process deletes would move them.
            names: list[str] = self._collection.get(include=[])["ids"]
        return names

    def _take_out(self, names: list[str]) -> None:
        for part in slices(len(names), self._max_batch()):
            with self._failures():
                self._collection.delete(ids=names[part])

    def _max_batch(self) -> int:
        with self._failures():
            return min(_MAX_BATCH, int(self._server.get_max_batch_size()))

    @contextmanager
    def _failures(self) -> Iterator[None]:
        """Tells what went wrong in one line."""
        with imports_of("Chroma", "chroma"):
            import httpx
            from chromadb.errors import ChromaError
        try:
            yield
        except httpx.HTTPError as error:
            server = f"{'https' if self._encryption.tls else 'http'}://{self._at}"
            raise VectorEngineError(
                f"Chroma does not answer at {self._at}: {one_line(error, self._secrets) or type(error).__name__}",
                f"is it running? try: curl {server}/api/v2/heartbeat{self._encryption.hint}",
            ) from None
        except ChromaError as error:
            raise self._refused(error.code(), error) from None
        except ValueError as error:  # of the client's own checks, or an answer that is no JSON: of another server
            raise self._refused(400, error) from None
        except Exception as error:
            # What Chroma's client raises for an answer with another code than its own: of a proxy, or a full disk.
            if type(error) is not Exception:
                raise
            raise self._refused(500, error) from None

    def _refused(self, status: int, said: Exception) -> VectorEngineError:
        told = one_line(said, self._secrets)
        self.__dict__.pop("_collection", None)  # the next call looks anew which collection has the name
        if status in (401, 403):
            hint = "give the API key of the server in the variable CHROMA_API_KEY"
        elif status == 404:
            hint = "is the name right? `semsearch verify --repair` fills a collection that was lost"
        else:
            hint = "see the log of the server"
        return VectorEngineError(f"Chroma refuses it for {self.location}: {told}", hint)


def _conditions(ranges: Ranges) -> list[dict[str, Any]]:
    """Conditions that the rows inside of `ranges` fulfil one of, to be asked one after another.

    Chroma looks up each comparison by itself, 8 ms for a range in 20,000 rows however short it is, and 0.006 ms for an
    id of a list: short ranges are told as lists.
    """
    listed = [chunk for begin, end in ranges if end - begin <= _SHORT_RANGE for chunk in range(begin, end)]
    conditions: list[dict[str, Any]] = [{CHUNK_ID: {"$in": listed[part]}} for part in slices(len(listed), _MOST_LISTED)]
    wide = [
        {"$and": [{CHUNK_ID: {"$gte": begin}}, {CHUNK_ID: {"$lt": end}}]}
        for begin, end in ranges
        if end - begin > _SHORT_RANGE
    ]
    if wide:
        conditions.append({"$or": wide} if len(wide) > 1 else wide[0])
    return conditions


def _metadata(payload: Payload) -> dict[str, Any]:
    """`payload` without its text, which is the document; Chroma refuses lists with nothing in them."""
    return {name: value for name, value in storable(payload).items() if name != _TEXT and value != []}
