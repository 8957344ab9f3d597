"""The two legs of a search in the database: postings and vectors are asked for, and scored as by every store."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from semsearch.dense.query_adapter import Adapter
from semsearch.embedding.embedder import Vectors
from semsearch.lexical.bm25 import PostingsBM25, QueryScorer
from semsearch.lexical.postings import Postings, near_terms
from semsearch.lexical.query_word import Word
from semsearch.lexical.term_key import parted
from semsearch.store.allowed import Allowed
from semsearch.store.postgres import packed_vectors
from semsearch.store.postgres.connection import Connection, Row
from semsearch.store.postgres.packed_postings import TermPostings, is_whole, joined, of_terms, stored_term, unpacked
from semsearch.store.postgres.state import SegmentRow, State, dead_ids
from semsearch.store.ranking import lexical_ranking, ranking
from semsearch.store.records import Ranking, Scores

# Up to so many allowed chunks are compared one by one; the HNSW index is asked for more. Comparing 30,000 takes as long
# as an index scan that finds 0.99 of the nearest (`benchmarks/engines/postgres_filters.py`).
EXACT_UP_TO = 30_000
# How many candidates the HNSW index keeps while it searches: with 400, 0.97 of the ten nearest of 100,000 are found.
EF_SEARCH = 500
_MOST_EF_SEARCH = 1000  # pgvector takes no more
# Terms that are as likely a slip as any.
_TERMS_AT_ONCE = 5_000


@dataclass(frozen=True, eq=False)  # arrays are not compared
class _Condition:
    """What restricts a scan of vectors: SQL with its parameters, and at most how many chunks it lets in."""

    sql: str
    parameters: list[object]
    most: int


class DatabaseSearch:
    """Searches the database behind `connection` in the `state` that was read from it."""

    def __init__(self, connection: Connection, state: State) -> None:
        self._connection = connection
        self._state = state
        self._terms: dict[str, TermPostings] = {}
        self._dead: NDArray[np.int64] | None = None
        self._scorers: dict[tuple[Word, ...], QueryScorer] = {}
        self._vectors: dict[int, NDArray[np.float32]] = {}
        self._without_vector: set[int] = set()
        self._adapter: Adapter | None = None

    # -- words ---------------------------------------------------------------------------------------------------

    def dead(self) -> NDArray[np.int64]:
        """(n,) the ids of deleted chunks that postings still name, rising."""
        if self._dead is None:
            touched = [one.id for one in self._state.segments if one.dead]
            rows = self._rows("SELECT dead FROM {s}.segments WHERE id = ANY(%s)", (touched,)) if touched else []
            self._dead = dead_ids(b"".join(row[0] for row in rows))
        return self._dead

    def fetch(self, words: Sequence[Word]) -> None:
        """Reads the postings of the keys of `words` that were not read yet."""
        keys = {key.text for word in words for key in word} - self._terms.keys()
        if not keys:
            return
        by_term = {stored_term(key): key for key in keys}
        found: dict[str, list[TermPostings]] = {key: [] for key in keys}
        segments = [one.id for one in self._state.segments]
        query = "SELECT term, data FROM {s}.postings WHERE segment_id = ANY(%s) AND term = ANY(%s::bytea[])"
        for term, data in self._rows(query, (segments, list(by_term))) if segments else ():
            found[by_term[bytes(term)]].append(unpacked(data))
        dead = self.dead()
        self._terms.update((key, joined(parts, dead)) for key, parts in found.items())

    def scorer(self, words: Sequence[Word]) -> QueryScorer:
        """What scores chunks for `words`; made once for each query."""
        key = tuple(words)
        if key not in self._scorers:
            self.fetch(key)
            part = of_terms(
                {one.text.encode("utf-8", "surrogatepass"): self._terms[one.text] for word in key for one in word}
            )
            statistics = self._state.chunks, self._state.terms
            self._scorers[key] = PostingsBM25([part], [None], statistics=statistics).query(key)
        return self._scorers[key]

    def lexical(self, words: Sequence[Word], k: int, allowed: Allowed) -> Ranking:
        """`protocol.Snapshot.lexical`."""
        scorer = self.scorer(words)
        return lexical_ranking(scorer.segments, scorer, k, allowed)

    def score(self, ids: NDArray[np.int64], words: Sequence[Word], vectors: Vectors | None) -> Scores:
        """`protocol.Snapshot.score`."""
        scorer = self.scorer(words)
        cosines = np.empty((0, len(ids)), np.float32)
        if vectors is not None:
            held = self.vectors(ids)
            if not held.shape[1]:  # there are none
                held = np.full((len(ids), vectors.shape[1]), np.nan, np.float32)
            # One vector at a time, as in a local index: a product with several of them is rounded otherwise.
            products = [held @ vector for vector in vectors] if len(held) else []
            cosines = np.array(products, np.float32).reshape(len(vectors), len(ids))
        return Scores(scorer.scores_of(ids), cosines, scorer.held_by(ids), scorer.idf)

    def holding(self, words: Sequence[Word]) -> NDArray[np.int64]:
        """`protocol.Snapshot.holding`."""
        if not words:
            return self._ids("SELECT id FROM {s}.chunks ORDER BY id")
        return self.scorer(words).held_by_all()

    def completions(self, beginnings: Sequence[str], limit: int | None) -> list[str]:
        """`protocol.Snapshot.completions`."""
        counts: dict[str, int] = {}
        for beginning in beginnings:
            counts.update(self._counts(self._terms_from(beginning)))
        held = [item for item in counts.items() if item[1]]
        return [key for key, _ in sorted(held, key=lambda item: (-item[1], item[0]))[:limit]]

    def similar(self, keys: Sequence[str], distance: int, limit: int) -> list[str]:
        """`protocol.Snapshot.similar`."""
        edits: dict[str, int] = {}
        for key in keys:
            mark, word = parted(key)
            for term, distant in near_terms(key, distance, self._terms_from(mark + word[:1])).items():
                edits[term] = min(distant, edits.get(term, distant))
        counts = {key: count for key, count in self._counts(list(edits)).items() if count}
        return sorted(counts, key=lambda key: (edits[key], -counts[key], key))[:limit]

    def _terms_from(self, beginning: str) -> list[str]:
        """The term keys that begin with `beginning`."""
        low = beginning.encode("utf-8", "surrogatepass")
        rows = self._rows(
            "SELECT DISTINCT term FROM {s}.postings WHERE segment_id = ANY(%s) AND term >= %s AND term < %s",
            ([one.id for one in self._state.segments], low, low + b"\xff"),
        )
        return [bytes(row[0]).decode("utf-8", "surrogatepass") for row in rows if is_whole(row[0])]

    def _counts(self, keys: Sequence[str]) -> dict[str, int]:
        """Key -> how many live chunks hold it."""
        segments, dead = [one.id for one in self._state.segments], self.dead()
        counts: dict[str, int] = dict.fromkeys(keys, 0)
        for start in range(0, len(keys), _TERMS_AT_ONCE):
            batch = [stored_term(key) for key in keys[start : start + _TERMS_AT_ONCE]]
            what = "data" if len(dead) else "length(data) / 10"
            query = f"SELECT term, {what} FROM {{s}}.postings WHERE segment_id = ANY(%s) AND term = ANY(%s::bytea[])"
            for term, value in self._rows(query, (segments, batch)):
                count = len(joined([unpacked(value)], dead).ids) if len(dead) else int(value)
                counts[bytes(term).decode("utf-8", "surrogatepass")] += count
        return counts

    # -- meaning -------------------------------------------------------------------------------------------------

    def dense(self, vector: Vectors, k: int, allowed: Allowed) -> Ranking:
        """`protocol.Snapshot.dense`: exact where few chunks are let in, else by the HNSW index, if there is one."""
        condition = self._condition(allowed)
        if not condition.most or self._state.info.model is None:
            return ranking([], 0)
        indexed = condition.most > EXACT_UP_TO and self._has_index()
        dim = len(vector)
        stored = f"(embedding::{{v}}.halfvec({dim}))" if indexed else "embedding"
        # Added to, a distance is not what the index sorts by, so that all are compared.
        order = f"({stored} OPERATOR({{v}}.<#>) %s::{{v}}.halfvec)" + ("" if indexed else " + 0")
        query = f"SELECT chunk_id, embedding FROM {{s}}.vectors{condition.sql} ORDER BY {order} LIMIT %s"
        parameters = (*condition.parameters, packed_vectors.literal(vector), k)
        statements: list[tuple[str, Sequence[object]]] = [(query, parameters)]
        if indexed:
            ef_search = min(_MOST_EF_SEARCH, max(EF_SEARCH, k))
            scan = "relaxed_order" if condition.sql else "off"
            configure = "SELECT set_config('hnsw.ef_search', %s, true), set_config('hnsw.iterative_scan', %s, true)"
            statements.insert(0, (configure, (str(ef_search), scan)))
        rows = self._connection.pipeline(statements)[-1]
        ids = np.array([row[0] for row in rows], np.int64)
        held = packed_vectors.vectors_of([row[1] for row in rows], dim)
        self._vectors.update(zip(ids.tolist(), held, strict=True))
        return ranking(list(zip((-(held @ vector)).tolist(), ids.tolist(), strict=True)), k)

    def _condition(self, allowed: Allowed) -> _Condition:
        """`allowed` as a condition of a scan of the table `vectors`."""
        parts: list[str] = []
        parameters: list[object] = []
        most = self._state.chunks
        within = allowed.within
        if within is not None:
            keep = Allowed(allowed.ranges, None, allowed.without).rows(within, None)
            ids = within if keep is None else within[keep]
            return _Condition(" WHERE chunk_id = ANY(%s::bigint[])", [ids.tolist()], len(ids))
        if allowed.ranges is not None:
            most = sum(high - low for low, high in allowed.ranges)
            if most <= EXACT_UP_TO:
                # An index scan of each range.
                lows, highs = zip(*allowed.ranges, strict=True) if allowed.ranges else ((), ())
                parts.append(
                    "chunk_id IN (SELECT chunk_id FROM unnest(%s::bigint[], %s::bigint[]) AS span (low, high)"
                    " JOIN {s}.vectors AS inside ON inside.chunk_id >= low AND inside.chunk_id < high)"
                )
                parameters += [list(lows), list(highs)]
            else:
                parts.append("chunk_id <@ %s::int8multirange")
                parameters.append("{" + ",".join(f"[{low},{high})" for low, high in allowed.ranges) + "}")
        if allowed.without is not None and len(allowed.without):
            parts.append("chunk_id <> ALL(%s::bigint[])")
            parameters.append(allowed.without.tolist())
        return _Condition(" WHERE " + " AND ".join(parts) if parts else "", parameters, most)

    def _has_index(self) -> bool:
        """Whether the vectors have an HNSW index that is whole."""
        query = (
            "SELECT 1 FROM pg_index WHERE indrelid = '{s}.vectors'::regclass AND indisvalid"
            " AND indexrelid = to_regclass('{s}.vectors_hnsw')"
        )
        return bool(self._rows(query))

    def vectors(self, ids: NDArray[np.int64]) -> Vectors:
        """`protocol.Snapshot.vectors`."""
        model = self._state.info.model
        dim = 0 if model is None else self.stored_dim(model.dim)
        wanted = ids.tolist()
        unread = [number for number in wanted if number not in self._vectors and number not in self._without_vector]
        if unread:
            query = "SELECT chunk_id, embedding FROM {s}.vectors WHERE chunk_id = ANY(%s::bigint[])"
            rows = self._rows(query, (unread,))
            held = packed_vectors.vectors_of([row[1] for row in rows], dim)
            self._vectors.update(zip((row[0] for row in rows), held, strict=True))
            self._without_vector.update(number for number in unread if number not in self._vectors)
        none = np.full(dim, np.nan, np.float32)
        return np.array([self._vectors.get(number, none) for number in wanted], np.float32).reshape(len(wanted), dim)

    def stored_dim(self, dim: int) -> int:
        """How many numbers a stored vector has, of a model whose vectors have `dim`."""
        return dim

    def encoded_ids(self) -> NDArray[np.int64]:
        """`protocol.Snapshot.encoded_ids`."""
        return self._ids("SELECT chunk_id FROM {s}.vectors ORDER BY chunk_id")

    def adapted(self, vector: Vectors) -> Vectors:
        """`protocol.Snapshot.adapted`."""
        record = self._state.info.adapter
        if record is None:
            return vector
        if self._adapter is None:
            self._adapter = Adapter.from_record(record, len(vector))
        return self._adapter(vector)

    def postings_of(self, segment: SegmentRow, long_term: Callable[[bytes, int], bytes]) -> Postings:
        """The postings of one segment, without its deleted chunks. `long_term`: makes the term of the hash that the
        table has in its place, and of a chunk that has it."""
        dead, terms = self.dead(), {}
        for stored, data in self._rows("SELECT term, data FROM {s}.postings WHERE segment_id = %s", (segment.id,)):
            term, held = bytes(stored), joined([unpacked(data)], dead)
            if len(held.ids):
                terms[term if is_whole(term) else long_term(term, int(held.ids[0]))] = held
        return replace(of_terms(terms), languages=segment.languages)

    def _ids(self, query: str) -> NDArray[np.int64]:
        return np.array([row[0] for row in self._rows(query)], np.int64)

    def _rows(self, query: str, parameters: Sequence[object] = ()) -> list[Row]:
        return self._connection.rows(query, parameters)
