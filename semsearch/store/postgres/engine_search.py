"""Searches an index in PostgreSQL whose vectors a vector database holds.

That database is asked for the nearest vectors, and this one which of them count: those of chunks that there are in the
state that is read, and that do not wait for a vector.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from semsearch.embedding.embedder import Vectors
from semsearch.lexical.bm25 import is_among
from semsearch.lexical.query_word import Word
from semsearch.store.allowed import Allowed
from semsearch.store.engine_vectors import EngineVectors, Ids, or_by_words
from semsearch.store.postgres.connection import Connection, Row
from semsearch.store.postgres.search import DatabaseSearch, Question
from semsearch.store.postgres.state import State
from semsearch.store.ranking import ranking
from semsearch.store.records import Ranking, Scores

# Of the chunks, those that have a vector.
COUNTED = "NOT EXISTS (SELECT FROM {s}.encode_queue WHERE encode_queue.chunk_id = chunks.id)"


class EngineSearch(DatabaseSearch):
    """See `DatabaseSearch`; vectors are where `state` says."""

    def __init__(
        self, connection: Connection, state: State, beside: Callable[[set[int], set[int]], list[Question]]
    ) -> None:
        super().__init__(connection, state, beside)
        assert state.info.vectors_at is not None
        self._engine: EngineVectors = connection.engines.at(state.info.vectors_at)
        # Chunk -> whether it has a vector, of those that were asked about last.
        self._has_vector: dict[int, bool] = {}

    def will_ask(self, words: Sequence[Word], vector: Vectors | None, k: int) -> None:
        super().will_ask(words, None, k)

    def dense(self, vector: Vectors, k: int, allowed: Allowed) -> Ranking:
        if self._state.info.model is None:
            return ranking([], 0)
        with or_by_words():
            found = self._engine.nearest(vector, k, _Sought(self, self._state, allowed))
        self._ranked.append(found.ids)
        return found

    def score(self, ids: Ids, words: Sequence[Word], vectors: Vectors | None) -> Scores:
        with or_by_words():
            return super().score(ids, words, vectors)

    def vectors(self, ids: Ids) -> Vectors:
        wanted = ids.tolist()
        if not all(number in self._has_vector for number in wanted):
            self.ask(self._about_vectors(wanted, {}))
        found = np.full((len(wanted), self._dim()), np.nan, np.float32)
        counted = np.flatnonzero([self._has_vector[number] for number in wanted])
        if len(counted):
            found[counted] = self._engine.held(ids[counted], self._dim())
        return found

    def _about_vectors(self, ids: Sequence[int], kept: dict[int, NDArray[np.float32]]) -> list[Question]:
        """What asks which of the chunks `ids` have a vector; the vectors are not to be had here."""

        def told(rows: list[Row]) -> None:
            self._has_vector = dict.fromkeys(ids, False) | {row[0]: True for row in rows}

        query = f"SELECT id FROM {{s}}.chunks WHERE id = ANY(%s::bigint[]) AND {COUNTED}"
        return [Question(query, (list(ids),), told)]

    def counted(self, ids: Ids) -> Ids:
        """Those of the chunks `ids` (n,) that have a vector, rising."""
        query = f"SELECT id FROM {{s}}.chunks WHERE id = ANY(%s::bigint[]) AND {COUNTED} ORDER BY id"
        return self._numbers(query, (ids.tolist(),))

    def counted_inside(self, ranges: Sequence[tuple[int, int]]) -> Ids:
        """The chunks in `ranges` (first id, past-last id) that have a vector, rising."""
        # OFFSET keeps the planner from comparing every chunk with every range.
        query = (
            "SELECT id FROM unnest(%s::bigint[], %s::bigint[]) AS span (low, high) CROSS JOIN LATERAL"
            f" (SELECT id FROM {{s}}.chunks WHERE id >= low AND id < high AND {COUNTED} OFFSET 0) AS inside ORDER BY id"
        )
        spans = [list(one) for one in zip(*ranges, strict=True)] or [[], []]
        return self._numbers(query, spans)

    def encoded_ids(self) -> Ids:
        return self._numbers(f"SELECT id FROM {{s}}.chunks WHERE {COUNTED} ORDER BY id", ())

    def _numbers(self, query: str, parameters: Sequence[object]) -> Ids:
        return np.array([row[0] for row in self._rows(query, parameters)], np.int64)


class _Sought:
    """`engine_vectors.Sought`: what is `allowed` of an index that is in `state`. All of its chunks are never listed,
    unless the database finds too few."""

    def __init__(self, search: EngineSearch, state: State, allowed: Allowed) -> None:
        self._search = search
        self._allowed = allowed
        self._last = state.last_chunk
        self._listed: Ids | None = None
        if allowed.within is not None:
            self.most = len(self.ids())
        elif allowed.ranges is not None:
            self.most = sum(high - low for low, high in allowed.ranges)
        else:
            self.most = max(0, state.chunks - state.pending)

    def ranges(self) -> list[tuple[int, int]] | None:
        allowed = self._allowed
        if allowed.is_everything:
            return None
        if allowed.within is not None:
            return _runs(self.ids())
        spans = [(1, self._last + 1)] if allowed.ranges is None else list(allowed.ranges)
        return spans if allowed.without is None else _without(spans, allowed.without)

    def among(self, ids: Ids) -> NDArray[np.bool_]:
        if self._listed is not None:
            return is_among(ids, self._listed)
        found: NDArray[np.bool_] = is_among(ids, self._search.counted(ids))
        rising = np.argsort(ids)
        let_in = self._allowed.rows(ids[rising], None)
        if let_in is not None:
            found[rising] &= let_in
        return found

    def ids(self) -> Ids:
        if self._listed is None:
            allowed = self._allowed
            if allowed.within is not None:
                listed = self._search.counted(allowed.within)
            elif allowed.ranges is not None:
                listed = self._search.counted_inside(allowed.ranges)
            else:
                listed = self._search.encoded_ids()
            let_in = allowed.rows(listed, None)
            self._listed = listed if let_in is None else listed[let_in]
        return self._listed


def _runs(ids: Ids) -> list[tuple[int, int]]:
    """(first, past-last) of the runs of `ids` (n,), rising, that follow one another."""
    if not len(ids):
        return []
    ends = np.flatnonzero(np.diff(ids) > 1)
    first = ids[np.concatenate([[0], ends + 1])]
    last = ids[np.concatenate([ends, [len(ids) - 1]])]
    return list(zip(first.tolist(), (last + 1).tolist(), strict=True))


def _without(ranges: Sequence[tuple[int, int]], without: Ids) -> list[tuple[int, int]]:
    """`ranges` with the ids `without` (n,), rising, cut out of them."""
    left: list[tuple[int, int]] = []
    for low, high in ranges:
        out = without[slice(*np.searchsorted(without, [low, high]))]
        first, end = np.concatenate([[low], out + 1]), np.concatenate([out, [high]])
        whole = first < end
        left += zip(first[whole].tolist(), end[whole].tolist(), strict=True)
    return left
