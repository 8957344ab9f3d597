"""The vectors of an index that a vector database holds; the catalog and the words stay where they are.

What is put there is complete before the catalog's commit says so, and what is deleted goes after the commit that says
it is deleted. Killed anywhere, the database has more than the catalog knows, never less: hits that the catalog does not
know are left out, and made up for by asking for more of them.

A collection is emptied only by the index that began to fill it, which its catalog says before anything is put there
(the setting `vectors_filled`).
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from semsearch.embedding.embedder import Vectors
from semsearch.errors import IndexDamagedError, SemsearchError, VectorEngineError
from semsearch.lexical.bm25 import is_among
from semsearch.store.allowed import Allowed
from semsearch.store.ranking import ranking
from semsearch.store.records import FileRecord, IndexInfo, Passage, Ranking
from semsearch.vector_engines.opening import open_recorded, tells_text
from semsearch.vector_engines.protocol import Payload, VectorEngine

Ids = NDArray[np.int64]

# Up to so many allowed chunks are read and compared here, which is exact whatever graph an engine follows. To read 500
# of 384 numbers took 12 ms of pgvector and 180 ms of Qdrant's interface, where a search among them took 7 and 21.
_COMPARED_HERE = 64
# How many more are asked for than are wanted: for those that were deleted since, at least, and a share.
_SPARE = 16
_SPARE_SHARE = 0.125
_PUT_AT_ONCE = 4_096
# How often one search may ask where its filter has more ranges than the database takes at once; beyond that, the ranges
# that lie nearest to each other become one, and what is between them is left out here.
_MOST_REQUESTS = 64


class Sought(Protocol):
    """The chunks that a search may return: those that have a vector, and that its filters let in."""

    @property
    def most(self) -> int:
        """There are no more of them than this."""
        ...

    def ranges(self) -> list[tuple[int, int]] | None:
        """(first id, past-last id), rising and apart: all of them are inside; None: of all that the database has."""
        ...

    def among(self, ids: Ids) -> NDArray[np.bool_]:
        """(n,) which of `ids` (n,), in any order, are of them."""
        ...

    def ids(self) -> Ids:
        """(m,) all of them, rising."""
        ...


class KnownSought:
    """`Sought` where the ids `encoded` (n,), rising, of all chunks that have a vector are at hand."""

    def __init__(self, allowed: Allowed, encoded: Ids) -> None:
        self._encoded = encoded
        let_in = allowed.rows(encoded, None)
        self._wanted = encoded if let_in is None else encoded[let_in]
        self.most = len(self._wanted)

    def ranges(self) -> list[tuple[int, int]] | None:
        return None if len(self._wanted) == len(self._encoded) else _runs(self._wanted, self._encoded)

    def among(self, ids: Ids) -> NDArray[np.bool_]:
        return is_among(ids, self._wanted)

    def ids(self) -> Ids:
        return self._wanted


class EngineVectors:
    """The vectors at `url` (`records.IndexInfo.vectors_at`) of the index at `index`, which messages tell."""

    def __init__(self, url: str, index: str) -> None:
        self.url = url
        self._index = index
        self.has_grown = False  # vectors were put there

    @cached_property
    def engine(self) -> VectorEngine:
        """The database, which is connected to when it is first asked."""
        return open_recorded(self.url, self._index)

    def close(self) -> None:
        if "engine" in self.__dict__:
            self.engine.close()

    # -- reading -------------------------------------------------------------------------------------------------

    def vectors(self, ids: Ids, dim: int) -> Vectors:
        """(n, dim) the vectors of the chunks `ids` (n,); a row of nan where there is none.
        Raises `IndexDamagedError` where they have another length."""
        if not len(ids):
            return np.empty((0, dim), np.float32)
        vectors = self.engine.vectors(ids)
        if vectors.shape[1] != dim:
            raise IndexDamagedError(
                f"{self.engine.location} holds vectors of {vectors.shape[1]} numbers, not of {dim}, which another"
                " program put there",
                "keep these elsewhere: semsearch index --rebuild --vectors URL",
            )
        return vectors

    def nearest(self, vector: Vectors, k: int, sought: Sought) -> Ranking:
        """The `k` of the chunks `sought` nearest to `vector` (d,). Raises `IndexDamagedError` where the database lacks
        one that is looked for."""
        if not vector.any():  # of a question without a word that the model knows: no passage is nearer than another
            return ranking([(0.0, chunk) for chunk in sought.ids()[:k].tolist()], k)
        if sought.most <= _COMPARED_HERE:
            return self._compared(vector, k, sought.ids())
        among, most = sought.ranges(), self.engine.capabilities.max_ranges
        if among is None:
            best = self._nearest_in(vector, k, sought, None)
        else:
            among, best = _fewer(among, _MOST_REQUESTS * most), []
            for start in range(0, len(among), most):
                best += self._nearest_in(vector, k, sought, among[start : start + most])
        if len(best) < min(k, sought.most) and len(best) < len(sought.ids()):  # what is wanted lies too deep for it
            return self._compared(vector, k, sought.ids())
        return ranking(best, k)

    def _nearest_in(
        self, vector: Vectors, k: int, sought: Sought, ranges: list[tuple[int, int]] | None
    ) -> list[tuple[float, int]]:
        """(minus the cosine, id) of the `k` of the chunks `sought` in `ranges` nearest to `vector`, or of more; of
        fewer where the database finds no more."""
        most = self.engine.capabilities.max_k
        asked = k + max(_SPARE, int(_SPARE_SHARE * k))
        while True:
            asked = min(asked, most)
            ids, cosines = self.engine.nearest(vector, asked, ranges)
            kept = np.flatnonzero(sought.among(ids))
            if len(kept) >= k or asked == most or len(ids) < asked:
                return list(zip((-cosines[kept]).tolist(), ids[kept].tolist(), strict=True))
            asked *= 2

    def _compared(self, vector: Vectors, k: int, ids: Ids) -> Ranking:
        """The `k` of the chunks `ids` nearest to `vector`, each compared."""
        best: list[tuple[float, int]] = []
        for start in range(0, len(ids), _PUT_AT_ONCE):
            batch = ids[start : start + _PUT_AT_ONCE]
            cosines = self.held(batch, len(vector)) @ vector
            best += zip((-cosines).tolist(), batch.tolist(), strict=True)
        return ranking(best, k)

    def held(self, ids: Ids, dim: int) -> Vectors:
        """(n, dim) the vectors of the chunks `ids` (n,). Raises `IndexDamagedError` where one is not there."""
        vectors = self.vectors(ids, dim)
        lacking = np.isnan(vectors).any(axis=1)
        if lacking.any():
            raise IndexDamagedError(
                f"{self.engine.location} lacks the vector of passage {ids[lacking][0]}",
                "encode what is lost again: semsearch verify --repair",
            )
        return vectors

    # -- writing -------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Before vectors are put there first. Raises `SemsearchError` for a collection that holds something, which is
        never emptied: another index or program may need it."""
        if self.engine.exists() and self.engine.count():
            raise SemsearchError(
                f"{self.engine.location} holds vectors already, of another index or program",
                "name another collection, or remove that one",
                code="not_empty",
            )

    def begin_again(self, dim: int) -> None:
        """Makes the collection anew, for vectors of `dim` numbers: of what it may hold the catalog knows nothing. An
        empty one stays as it is, with the settings and rights that somebody gave it."""
        if self.engine.exists() and not self.engine.count():
            with suppress(VectorEngineError):  # it is for vectors of another length
                self.engine.ensure(dim)
                return
        self.engine.drop()
        self.engine.ensure(dim)

    def put(self, passages: Sequence[Passage], vectors: Vectors, info: IndexInfo) -> None:
        """Puts the `vectors` (n, d) of `passages` there, with what other programs want to know of them."""
        ids = np.array([one.id for one in passages], np.int64)
        told = tells_text(self.url)
        self.has_grown = True
        for start in range(0, len(ids), _PUT_AT_ONCE):
            part = slice(start, start + _PUT_AT_ONCE)
            payloads = [payload_of(one, info, told) for one in passages[part]]
            self.engine.upsert(ids[part], vectors[part], payloads)

    def tell_again(self, passages: Sequence[Passage], info: IndexInfo) -> None:
        """Tells what is known of `passages` now; their vectors stay."""
        if passages:
            vectors = self.engine.vectors(np.array([one.id for one in passages], np.int64))
            there = np.flatnonzero(~np.isnan(vectors).any(axis=1)).tolist()
            self.put([passages[number] for number in there], vectors[there], info)

    def delete(self, ids: Ids) -> None:
        """Takes out the chunks `ids` (n,)."""
        if len(ids) and self.engine.exists():
            self.engine.delete(ids)

    def ids(self) -> Ids:
        """(n,) the ids of all chunks there, rising."""
        if not self.engine.exists():
            return np.empty(0, np.int64)
        found = list(self.engine.ids())
        return np.sort(np.concatenate(found)) if found else np.empty(0, np.int64)


def payload_of(passage: Passage, info: IndexInfo, tells: bool) -> Payload:
    """What is told of `passage` beside its vector; `tells`: its text, too. Properties of the document are `meta_` and
    their name; what has no value is left out."""
    file: FileRecord = passage.file
    payload: dict[str, str | int | float | bool | list[str]] = {
        "path": info.shown_path(file.root_id, file.path),
        "type": file.type,
        "title": file.title,
        "language": file.language,
        "heading": " > ".join(passage.heading),
        "date": file.moment,
    }
    numbers = {"page": passage.page, "line_start": passage.line_start, "line_end": passage.line_end}
    payload |= {name: value for name, value in numbers.items() if value is not None}
    for name, value in file.metadata.items():
        if isinstance(value, list) and all(isinstance(one, str) for one in value):
            payload[f"meta_{name}"] = list(value)
        elif isinstance(value, str | int | float | bool):
            payload[f"meta_{name}"] = value
        elif value is not None:
            payload[f"meta_{name}"] = json.dumps(value, ensure_ascii=False)
    if tells:
        payload["text"] = passage.text
    return {name: value for name, value in payload.items() if value != "" and value != []}


def _runs(wanted: Ids, encoded: Ids) -> list[tuple[int, int]]:
    """(first, past-last) of the runs of ids that have all that is `wanted` of `encoded`, both rising, and no other."""
    places = np.searchsorted(encoded, wanted)
    ends = np.flatnonzero(np.diff(places) > 1)
    first = wanted[np.concatenate([[0], ends + 1])]
    last = wanted[np.concatenate([ends, [len(wanted) - 1]])]
    return list(zip(first.tolist(), (last + 1).tolist(), strict=True))


def _fewer(ranges: Sequence[tuple[int, int]], most: int) -> list[tuple[int, int]]:
    """At most `most` ranges that have all of `ranges`, rising, in them: those with the smallest gaps become one."""
    if len(ranges) <= most:
        return list(ranges)
    gaps = [(ranges[number + 1][0] - ranges[number][1], number) for number in range(len(ranges) - 1)]
    kept = sorted(number for _, number in sorted(gaps, reverse=True)[: most - 1])
    begins = [0, *(number + 1 for number in kept)]
    ends = [*kept, len(ranges) - 1]
    return [(ranges[begin][0], ranges[end][1]) for begin, end in zip(begins, ends, strict=True)]


@contextmanager
def or_by_words() -> Iterator[None]:
    """For what a search asks of the database: says how to search without it where it does not answer."""
    try:
        yield
    except VectorEngineError as error:
        raise VectorEngineError(error.message, f"{error.hint}; by words alone: --mode lexical") from None


class Engines:
    """The vector databases that are in use for the index at `index`, each connected to once."""

    def __init__(self, index: str) -> None:
        self._index = index
        self._open: dict[str, EngineVectors] = {}

    def at(self, url: str) -> EngineVectors:
        """The vectors at `url`."""
        if url not in self._open:
            self._open[url] = EngineVectors(url, self._index)
        return self._open[url]

    def close(self) -> None:
        """Ends all connections; the next question makes a new one."""
        opened, self._open = self._open, {}
        for engine in opened.values():
            engine.close()
