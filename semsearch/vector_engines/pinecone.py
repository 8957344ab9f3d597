"""Pinecone: `pinecone://INDEX?namespace=NAME&host=HOST&cloud=aws&region=us-east-1`, with the key in PINECONE_API_KEY.

A collection is one namespace of a serverless index for cosines. A record is the chunk's id as text, its vector, and the
payload as metadata with the id as the number `chunk_id`, so that ranges of ids are a filter. With `host`, which is the
address of the index, Pinecone is not asked for it and an index is never made.

Pinecone shows what was written some time after it confirmed it. `upsert` and `delete` return when queries show it: by
the log sequence number of the write where Pinecone tells it, else when the records themselves are seen, or are gone.
"""

import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from semsearch.errors import UsageError, VectorEngineError
from semsearch.vector_engines.address import Address
from semsearch.vector_engines.keys import key_for
from semsearch.vector_engines.payload import json_bytes, plain
from semsearch.vector_engines.protocol import Capabilities
from semsearch.vector_engines.requests import (
    CHUNK_ID,
    REQUEST_SECONDS,
    apart,
    as_arrays,
    best_chunks,
    chunk_named,
    imports_of,
    known_ids,
    one_line,
    slices,
)

if TYPE_CHECKING:
    from semsearch.vector_engines.protocol import Cosines, Ids, Payload, Ranges, Vectors

T = TypeVar("T")

_NAMESPACE = "semsearch"
_LOST = "is the name right? `semsearch verify --repair` fills a collection that was lost"
_MAKING_SECONDS = 300
# Of an index that `ensure` made.
_TAG = ("made-by", "semsearch")
# How long a write may take to show, and how long between two looks. Pinecone promises no time; seconds are usual.
_SHOWN_SECONDS = 60.0
_LOOK_SECONDS = 0.2
# The first number of a vector that has no direction.
_NEARLY_NOTHING = 1e-6
# Of one upsert: 1,000 records and 2 MB; of metadata: 40 KB a record; of a query: 10,000 results; of a delete: 1,000 ids
# (Pinecone, "Operation limits"). Bytes are counted from above, and some are left for what is around them.
_RECORDS = 1_000
_REQUEST_BYTES = 1_900_000
_METADATA_BYTES = 39_000
_MOST_RESULTS = 10_000
# The ids of a fetch are in the address of the request, for which servers take 8 KB.
_FETCHED = 100
_LISTED = 100
# Pinecone says no limit. This many are 40 KB of filter.
_MOST_RANGES = 500
# Pinecone takes no vector of zeros, as a text has without a word that its model knows. Another one stands in its place,
# with the chunk's id under this name instead of `chunk_id`, which every search asks for: it is never found.
_ZERO_ID = "zero_chunk_id"


class PineconeEngine:
    """One namespace of a Pinecone index (`VectorEngine`)."""

    capabilities = Capabilities(_MOST_RESULTS, _MOST_RANGES)

    def __init__(self, url: str) -> None:
        """Raises `UsageError` for a URL of no index."""
        address = Address.parse(url)
        address.check(("namespace", "host", "cloud", "region"), needs_name=False)
        self._key = key_for(address)
        self.location = address.shown
        self._name = address.host
        self._namespace = address.options.get("namespace", _NAMESPACE)
        if not re.fullmatch(r"[a-z0-9-]{1,45}", self._name) or address.port or address.name:
            raise UsageError(
                f"{self.location} names no index that Pinecone can have: lower case letters, digits and - make one",
                "write it as pinecone://INDEX?namespace=NAME, with the key in PINECONE_API_KEY",
            )
        if not (self._namespace.isascii() and self._namespace.isprintable() and 0 < len(self._namespace) <= 512):
            raise UsageError("the namespace of the pinecone:// URL is none", "write 1 to 512 ASCII characters")
        if self._namespace == "__default__":
            raise UsageError("the default namespace of Pinecone cannot be removed", "write namespace=NAME in the URL")
        self._host = address.options.get("host", "")
        self.place = (self._host, self._name, self._namespace)
        self._where = {
            "deployment_type": "managed",
            "cloud": address.options.get("cloud", "aws"),
            "region": address.options.get("region", "us-east-1"),
        }
        self._client: Any = None
        self._opened: Any = None
        self._numbers: int | None = None

    def ensure(self, dim: int) -> None:
        if not self._host and not self._ask("look for the index", lambda: self._control().indexes.exists(self._name)):
            # As if by `dimension` and `metric`: the field has the name by which records with vectors are kept.
            fields = {"_values": {"type": "dense_vector", "dimension": dim, "metric": "cosine"}}
            self._ask("make the index", lambda: self._control().indexes.create(
                name=self._name,
                schema={"fields": fields},
                deployment=self._where,
                tags=dict([_TAG]),
                timeout=_MAKING_SECONDS,
            ))  # fmt: skip
        stats = self._ask("describe the index", lambda: self._index().describe_index_stats())
        self._numbers = stats.dimension
        self._check_length(dim)
        if (stats.metric or "cosine") != "cosine":
            raise self._other(f"compares its vectors by {stats.metric}, not by cosine")
        if not self.exists():
            self._ask("make the namespace", self._make_namespace)

    def exists(self) -> bool:
        return self._described() is not None

    def upsert(self, ids: "Ids", vectors: "Vectors", payloads: "Sequence[Payload]") -> None:
        if len(ids):
            self._check_length(vectors.shape[1])
            self._namespace_there()  # an upsert would make it
        written = 0
        for records in self._batches(ids, vectors, payloads):
            answer = self._ask("take vectors", lambda records=records: self._index().upsert(  # type: ignore[misc]
                vectors=records, namespace=self._namespace
            ))  # fmt: skip
            number = answer.response_info.lsn_committed if answer.response_info else None
            if number is None:
                self._wait("vectors", lambda records=records: self._shows(records))  # type: ignore[misc]
            else:
                written = max(written, number)
        if written:
            self._wait("vectors", lambda: self._reaches(written))

    def delete(self, ids: "Ids") -> None:
        for part in slices(len(ids), _RECORDS):
            chunks = ids[part].tolist()
            self._delete([str(chunk) for chunk in chunks])
            # The client does not tell the number of a delete.
            self._wait("deletes", lambda chunks=chunks: not self._seen(chunks))  # type: ignore[misc]

    def nearest(self, vector: "Vectors", k: int, ranges: "Ranges | None") -> "tuple[Ids, Cosines]":
        k = min(k, _MOST_RESULTS)
        if k < 1 or (ranges is not None and not ranges):
            return np.empty(0, np.int64), np.empty(0, np.float32)
        self._check_length(len(vector))
        where = condition([(0, 2**63)] if ranges is None else ranges)

        def ask(limit: int) -> list[tuple[int | None, float]]:
            matches = self._query(_values(vector), limit, where).matches if vector.any() else []
            if not matches:
                self._namespace_there()
            return [(chunk_named(match.id), match.score) for match in matches]

        return as_arrays(best_chunks(ask, k, _MOST_RESULTS))

    def vectors(self, ids: "Ids") -> "Vectors":
        rows = np.full((len(ids), self._dim()), np.nan, np.float32)
        read = 0
        place = {str(chunk): row for row, chunk in enumerate(ids)}
        for part in slices(len(ids), _FETCHED):
            for record in self._fetched([str(chunk) for chunk in ids[part]]).values():
                rows[place[record.id]] = 0 if _ZERO_ID in (record.metadata or {}) else record.values
                read += 1
        if not read:
            self._namespace_there()
        rows[np.abs(rows).max(axis=1, initial=0) <= 1.01 * _NEARLY_NOTHING] = 0
        return rows

    def count(self) -> int:
        return int(self._namespace_there().record_count)

    def ids(self) -> "Iterator[Ids]":
        for names in self._names():
            yield known_ids(map(chunk_named, names))

    def foreign(self, take_out: bool = False) -> int:
        theirs = [name for names in self._names() for name in names if chunk_named(name) is None]
        if take_out:
            self._delete(theirs)
        return len(theirs)

    def _names(self) -> Iterator[list[str]]:
        """The ids of all records, in pages."""
        token: str | None = None
        while True:
            page = self._ask("list the records", lambda token=token: self._index().list_paginated(  # type: ignore[misc]
                namespace=self._namespace, limit=_LISTED, pagination_token=token
            ))  # fmt: skip
            if page.vectors:
                yield [record.id for record in page.vectors]
            elif token is None:
                self._namespace_there()
            token = page.pagination.next if page.pagination else None
            if not token:
                return

    def maintain(self) -> None:
        pass  # it does so by itself

    def drop(self) -> None:
        """Removes the namespace; the index too where `ensure` made it and it has no other one."""
        self._ask("remove the namespace", lambda: self._unless_missing(
            lambda: self._index().delete_namespace(name=self._namespace)
        ))  # fmt: skip
        if not self._host:
            self._ask("remove the index", lambda: self._unless_missing(self._remove_own_index))

    def close(self) -> None:
        for opened in (self._opened, self._client):
            if opened is not None:
                opened.close()
        self._opened = self._client = self._numbers = None

    def _control(self) -> Any:
        if not self._key:
            raise VectorEngineError(f"no key for Pinecone ({self.location})", "set PINECONE_API_KEY")
        if self._client is None:
            self._client = self._pinecone.Pinecone(api_key=self._key, timeout=REQUEST_SECONDS)
        return self._client

    @cached_property
    def _pinecone(self) -> Any:
        with imports_of("Pinecone", "pinecone"):
            import pinecone
        return pinecone

    def _index(self) -> Any:
        if self._opened is None:
            place = {"host": self._host} if self._host else {"name": self._name}
            self._opened = self._control().index(**place)
        return self._opened

    def _described(self) -> Any:
        """What Pinecone says of the namespace; None where there is none, or no index."""
        return self._ask("describe the namespace", lambda: self._unless_missing(
            lambda: self._index().describe_namespace(name=self._namespace)
        ))  # fmt: skip

    def _namespace_there(self) -> Any:
        """What Pinecone says of the namespace. Raises `VectorEngineError` where there is none: to other questions it
        answers as if it were empty."""
        described = self._described()
        if described is None:
            raise self._refused("know the namespace", "there is none", _LOST)
        return described

    def _unless_missing(self, call: Callable[[], T]) -> T | None:
        try:
            return call()
        except self._pinecone.NotFoundError:
            return None

    def _make_namespace(self) -> None:
        with suppress(self._pinecone.ConflictError):  # somebody else made it
            self._index().create_namespace(name=self._namespace)

    def _remove_own_index(self) -> None:
        tags = self._control().indexes.describe(self._name).tags or {}
        others = set(self._index().describe_index_stats().namespaces) - {self._namespace}
        if tags.get(_TAG[0]) == _TAG[1] and not others:
            self._control().indexes.delete(self._name, timeout=_MAKING_SECONDS)
            # The client would go on with the address of the index that was.
            self.close()

    def _dim(self) -> int:
        if self._numbers is None:
            self._numbers = int(self._ask("describe the index", lambda: self._index().describe_index_stats()).dimension)
        return self._numbers

    def _check_length(self, length: int) -> None:
        if length != self._dim():
            raise self._other(f"has vectors of {self._dim()} numbers, not of {length}")

    def _batches(
        self, ids: "Ids", vectors: "Vectors", payloads: "Sequence[Payload]"
    ) -> "Iterator[list[dict[str, Any]]]":
        """The records in lists that Pinecone takes in one request."""
        batch: list[dict[str, Any]] = []
        size = 0
        for chunk, row, payload in zip(ids, vectors, payloads, strict=True):
            fields: dict[str, Any] = {}
            for name, value in payload.items():
                fields[apart(f"_{name[1:]}" if name.startswith("$") else name, fields)] = value
            has_direction = bool(row.any())
            metadata = plain(fields, (CHUNK_ID, _ZERO_ID), _METADATA_BYTES)
            metadata[CHUNK_ID if has_direction else _ZERO_ID] = int(chunk)
            values = _values(row) if has_direction else self._any_vector()
            # "-1.23456789e-05," is the longest number.
            record_bytes = 17 * len(row) + json_bytes(metadata) + 100
            if batch and (len(batch) == _RECORDS or size + record_bytes > _REQUEST_BYTES):
                yield batch
                batch, size = [], 0
            batch.append({"id": str(chunk), "values": values, "metadata": metadata})
            size += record_bytes
        if batch:
            yield batch

    def _delete(self, names: list[str]) -> None:
        for part in slices(len(names), _RECORDS):
            self._ask("delete vectors", lambda part=part: self._index().delete(  # type: ignore[misc]
                ids=names[part], namespace=self._namespace
            ))  # fmt: skip

    def _query(self, values: list[float], k: int, where: dict[str, Any] | None) -> Any:
        return self._ask("search", lambda: self._index().query(
            vector=values, top_k=k, namespace=self._namespace, filter=where
        ))  # fmt: skip

    def _fetched(self, ids: list[str]) -> dict[str, Any]:
        fetched: dict[str, Any] = self._ask("read vectors", lambda: self._index().fetch(
            ids=ids, namespace=self._namespace
        )).vectors  # fmt: skip
        return fetched

    def _reaches(self, number: int) -> bool:
        """Whether queries show what was written with the log sequence `number`."""
        info = self._query(self._any_vector(), 1, None).response_info
        return info is not None and info.is_reconciled(number)

    def _seen(self, chunks: list[int]) -> set[int]:
        """Those of `chunks` that queries show."""
        where = {"$or": [{name: {"$in": chunks}} for name in (CHUNK_ID, _ZERO_ID)]}

        def ask(limit: int) -> list[tuple[int | None, float]]:
            matches = self._query(self._any_vector(), limit, where).matches
            return [(chunk_named(match.id), match.score) for match in matches]

        return {chunk for chunk, _ in best_chunks(ask, len(chunks), _MOST_RESULTS)}

    def _shows(self, records: list[dict[str, Any]]) -> bool:
        """Whether queries know all `records`, and they are read with the vectors that they have now."""
        if len(self._seen([int(record["id"]) for record in records])) < len(records):
            return False
        for part in slices(len(records), _FETCHED):
            fetched = self._fetched([record["id"] for record in records[part]])
            for record in records[part]:
                kept = fetched.get(record["id"])
                if kept is None or not np.allclose(kept.values, record["values"], rtol=0, atol=1e-6):
                    return False
        return True

    def _any_vector(self) -> list[float]:
        """For a query whose ranking does not matter; Pinecone refuses a vector of zeros."""
        return [1.0] + [0.0] * (self._dim() - 1)

    def _wait(self, what: str, shown: Callable[[], bool]) -> None:
        """Returns when `shown()`. Raises `VectorEngineError` where that takes too long."""
        end = time.monotonic() + _SHOWN_SECONDS
        while not shown():
            if time.monotonic() > end:
                raise self._refused(
                    f"show {what} that it took {_SHOWN_SECONDS:g} s ago", "it is behind", "run again later"
                )
            time.sleep(_LOOK_SECONDS)

    def _ask(self, what: str, call: Callable[[], T]) -> T:
        """`call()`. Raises `VectorEngineError` where Pinecone does not do `what`."""
        try:
            return call()
        except (self._pinecone.UnauthorizedError, self._pinecone.ForbiddenError) as error:
            hint = "set PINECONE_API_KEY to a key that may do this"
            raise self._refused(what, str(error), hint) from None
        except self._pinecone.NotFoundError as error:
            raise self._refused(what, str(error), _LOST) from None
        except (self._pinecone.PineconeConnectionError, self._pinecone.PineconeTimeoutError) as error:
            place = self._host or os.environ.get("PINECONE_CONTROLLER_HOST") or "https://api.pinecone.io"
            raise self._refused(what, str(error), f"is this machine online? try: curl {place}") from None
        except self._pinecone.PineconeError as error:
            raise self._refused(what, str(error), "check the index and its plan, then run again") from None

    def _refused(self, what: str, said: str, hint: str) -> VectorEngineError:
        return VectorEngineError(f"Pinecone does not {what} ({self.location}): {one_line(said, (self._key,))}", hint)

    def _other(self, what: str) -> VectorEngineError:
        return VectorEngineError(
            f"the index {self._name} of Pinecone ({self.location}) {what}", "give another INDEX in the URL"
        )


def condition(ranges: "Ranges") -> dict[str, Any]:
    """The filter that lets in chunks in one of the `ranges`. Single ids are one list."""
    single = [first for first, end in ranges if end == first + 1]
    terms: list[dict[str, Any]] = [
        {"$and": [{CHUNK_ID: {"$gte": first}}, {CHUNK_ID: {"$lt": end}}]} for first, end in ranges if end != first + 1
    ]
    if single:
        terms.append({CHUNK_ID: {"$in": single}})
    return terms[0] if len(terms) == 1 else {"$or": terms}


def _values(row: "Vectors") -> list[float]:
    """`row` in as few digits as tell its float32 numbers apart: half the bytes of what Python would write. One of
    zeros, which a text without a known word has and Pinecone refuses, is nearly so."""
    values = [float(f"{value:.9g}") for value in row.tolist()]
    return values if any(values) else [_NEARLY_NOTHING, *values[1:]]
