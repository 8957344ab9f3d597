"""The two legs of a search in the database: postings and vectors are asked for, and scored as by every store."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from semsearch.dense.query_adapter import Adapter
from semsearch.embedding.embedder import Vectors
from semsearch.errors import IndexDamagedError
from semsearch.lexical.bm25 import PostingsBM25, QueryScorer, is_among
from semsearch.lexical.postings import Postings, near_terms
from semsearch.lexical.query_word import Word
from semsearch.lexical.term_key import parted
from semsearch.store.allowed import Allowed
from semsearch.store.postgres import packed_vectors
from semsearch.store.postgres.connection import Connection, Row
from semsearch.store.postgres.errors import REPAIR, about_index
from semsearch.store.postgres.packed_postings import (
    NAMED,
    TermPostings,
    ids_in,
    is_whole,
    joined,
    of_rows,
    of_terms,
    stored_term,
    term_key,
    unpacked,
)
from semsearch.store.postgres.segment_terms import LooseTerm, SegmentTerm, TightTerm
from semsearch.store.postgres.state import SegmentRow, State, dead_ids
from semsearch.store.postgres.wide_scorer import Part, WideScorer
from semsearch.store.ranking import cosines_of, lexical_ranking, ranking
from semsearch.store.records import Ranking, Scores

# With more vectors than this they get an HNSW index.
INDEXED_FROM = 30_000
# Up to so many chunks that a filter lets in are compared one by one, all of the nearest found: that takes 45 ms of
# 100,000, and as long as it takes the index to find those that it is not looking for, too
# (`benchmarks/engines/postgres_filters.py`).
_EXACT_UP_TO = 100_000
# How many candidates the HNSW index keeps while it searches: with 400, 0.97 of the ten nearest of 100,000 are found.
EF_SEARCH = 500
_MOST_EF_SEARCH = 1000  # pgvector takes no more
# How many more entries of the index than are likely to be needed are gone through for a filter, and with how many times
# `work_mem`.
_SCANNED = 8
_SCAN_MEMORY = "16"
# A value of `postings.data` with more bytes is only read where it can matter to a query.
_READ_AT_ONCE = 65_536
# With more postings than this a query is scored segment by segment, not put together first, unless they lie in many
# rows, as those of a beginning of words do: a row costs as much as so many postings.
_PUT_TOGETHER = 100_000
_ROW_COSTS = 500
# Terms that are counted at once, and postings, of which deleted ones are to be left out: 4 bytes each.
_TERMS_AT_ONCE = 5_000
_POSTINGS_AT_ONCE = 2_000_000
# The best chunks of each leg whose names, and whose texts, are read while all candidates are scored: what a search asks
# for is among them, with few exceptions, which are read later.
_NAMED_FIRST = 300
_READ_FIRST = 60


@dataclass(frozen=True, eq=False)  # arrays are not compared
class _Scan:
    """Which vectors are compared: the SQL after FROM with its parameters, whether by their index, and at most how many
    chunks are let in."""

    source: str
    parameters: list[object]
    by_index: bool
    most: int


@dataclass(frozen=True)
class Question:
    """A statement with its parameters, and what is done with its rows."""

    statement: str
    parameters: Sequence[object]
    told: Callable[[list[Row]], None]


@dataclass(frozen=True)
class _Stored:
    """A row of `postings`, which names `count` chunks; `data`: None where it was not read."""

    segment: int
    term: bytes
    held: bytes | None
    count: int
    data: bytes | None


class DatabaseSearch:
    """Searches the database behind `connection` in the `state` that was read from it.

    `beside`: what is to be asked in the round trip in which chunks are scored: about the names of some of them, and
    about the texts of others.
    """

    def __init__(
        self, connection: Connection, state: State, beside: Callable[[set[int], set[int]], list[Question]]
    ) -> None:
        self._connection = connection
        self._state = state
        self._beside = beside
        # Term key -> its rows.
        self._stored: dict[str, list[_Stored]] = {}
        self._terms: dict[str, TermPostings] = {}
        self._by_segment: dict[str, list[SegmentTerm]] = {}
        self._dead: NDArray[np.int64] | None = None
        self._scorers: dict[tuple[Word, ...], QueryScorer | WideScorer] = {}
        self._vectors: dict[int, NDArray[np.float32]] = {}
        self._without_vector: set[int] = set()
        self._adapter: Adapter | None = None
        # (the vector as bytes, k) -> the nearest of all chunks, where `will_ask` said that they would be asked for.
        self._nearest: dict[tuple[bytes, int], Ranking] = {}
        # The rankings since candidates were last scored.
        self._ranked: list[NDArray[np.int64]] = []

    def ask(self, questions: Sequence[Question]) -> None:
        """Asks `questions` in one round trip."""
        if not questions:
            return
        if len(questions) == 1:
            answers = [self._rows(questions[0].statement, questions[0].parameters)]
        else:
            answers = self._connection.pipeline([(one.statement, one.parameters) for one in questions])
        with about_index(self._connection.location):
            for question, rows in zip(questions, answers, strict=True):
                question.told(rows)

    def will_ask(self, words: Sequence[Word], vector: Vectors | None, k: int) -> None:
        """`protocol.Snapshot.will_ask`."""
        questions = self._about_terms({key.text for word in words for key in word})
        if vector is not None and self._state.info.model is not None:
            questions += self._about_nearest(vector, k, self._scan(Allowed()))
        self.ask(questions)

    # -- words ---------------------------------------------------------------------------------------------------

    def dead(self) -> NDArray[np.int64]:
        """(n,) the ids of deleted chunks that postings still name, rising."""
        self.ask(self._about_dead())
        if self._dead is None:
            known = [self._connection.deleted[one.version] for one in self._state.segments if one.dead]
            # Segments that lie in one another list the same ones.
            self._dead = np.unique(np.concatenate(known)) if known else np.empty(0, np.int64)
        return self._dead

    def _about_dead(self) -> list[Question]:
        known, there = self._connection.deleted, {one.version for one in self._state.segments}
        wanted = {one.id: one.version for one in self._state.segments if one.dead and one.version not in known}
        if not wanted:
            return []

        def told(rows: list[Row]) -> None:
            for version in known.keys() - there:  # they were merged, or are of another index
                del known[version]
            known.update((wanted[number], dead_ids(dead)) for number, dead in rows)

        return [Question("SELECT id, dead FROM {s}.segments WHERE id = ANY(%s)", (list(wanted),), told)]

    def _about_terms(self, keys: Collection[str]) -> list[Question]:
        """What asks for the postings of those of `keys` that were not read yet, and of what is deleted."""
        by_term = {stored_term(key): key for key in keys if key not in self._stored}
        segments = [one.id for one in self._state.segments]
        if not by_term or not segments:
            self._stored.update((key, []) for key in by_term.values())
            return []

        def told(rows: list[Row]) -> None:
            self._stored.update((key, []) for key in by_term.values())
            for segment, term, held, count, data in rows:
                self._stored[by_term[bytes(term)]].append(_Stored(segment, bytes(term), held, count, data))

        held = self._state.held
        query = (
            f"SELECT segment_id, term, {held}, {self._counted()}, CASE WHEN {held} IS NULL OR length(data) <="
            f" {_READ_AT_ONCE} THEN data END FROM {{s}}.postings WHERE segment_id = ANY(%s) AND term = ANY(%s::bytea[])"
        )
        return [*self._about_dead(), Question(query, (segments, list(by_term)), told)]

    def _counted(self) -> str:
        """How many chunks a row of `postings` names, in SQL."""
        return f"length(data) / CASE WHEN {self._state.held} IS NULL THEN 10 ELSE 2 END"

    def scorer(self, words: Sequence[Word]) -> QueryScorer | WideScorer:
        """What scores chunks for `words`; made once for each query."""
        key = tuple(words)
        if key not in self._scorers:
            keys = {one.text for word in key for one in word}
            self.ask(self._about_terms(keys))
            stored = [row for text in keys for row in self._stored[text]]
            many = max(_PUT_TOGETHER, _ROW_COSTS * len(stored))
            is_wide = any(row.data is None for row in stored) or sum(row.count for row in stored) > many
            self._scorers[key] = self._wide_scorer(key, keys) if is_wide else self._narrow_scorer(key, keys)
        return self._scorers[key]

    def _narrow_scorer(self, words: Sequence[Word], keys: Collection[str]) -> QueryScorer:
        for text in keys:
            if text not in self._terms:
                parts = [unpacked(row.held, row.data) for row in self._stored[text] if row.data is not None]
                self._terms[text] = joined(parts, self.dead())
        part = of_terms({text.encode("utf-8", "surrogatepass"): self._terms[text] for text in keys})
        return PostingsBM25([part], [None], statistics=(self._state.chunks, self._state.terms)).query(words)

    def _wide_scorer(self, words: Sequence[Word], keys: Collection[str]) -> WideScorer:
        segments = {one.id: one for one in self._state.segments}
        for text in keys:
            if text not in self._by_segment:
                self._by_segment[text] = [_term_of(segments[row.segment], row) for row in self._stored[text]]
        statistics = self._state.chunks, self._state.terms
        return WideScorer(words, self._state.segments, self._by_segment, self.dead(), statistics, self._read)

    def _read(self, parts: Sequence[Part]) -> None:
        """Reads codes of terms."""
        self.ask(self._about_codes(parts))

    def _about_codes(self, parts: Sequence[Part]) -> list[Question]:
        """What asks for the codes of terms in these parts."""
        if not parts:
            return []

        def told(rows: list[Row]) -> None:
            if len(rows) != len(parts):
                raise IndexDamagedError(f"{self._connection.location}: postings are not there", REPAIR)
            read: dict[SegmentTerm, list[tuple[int, bytes]]] = {}
            for number, codes in rows:
                term, first, _ = parts[number - 1]
                read.setdefault(term, []).append((first, codes))
            for term, own in read.items():
                term.take(own)

        # OFFSET keeps the planner from going through the table.
        query = (
            "SELECT number, codes FROM unnest(%s::int[], %s::int[], %s::int[]) WITH ORDINALITY"
            " AS part (row, first, count, number) CROSS JOIN LATERAL (SELECT substring(data FROM 2 * first + 1"
            " FOR 2 * count) AS codes FROM {s}.postings WHERE postings.segment_id = (%s::bigint[])[part.row]"
            " AND postings.term = (%s::bytea[])[part.row] OFFSET 0) AS own"
        )
        terms = {one: number for number, one in enumerate(dict.fromkeys(one for one, _, _ in parts), 1)}
        # As text: psycopg takes ten times as long for a list.
        columns = zip(*((terms[one], first, end - first) for one, first, end in parts), strict=True)
        numbers = ["{" + ",".join(map(str, column)) + "}" for column in columns]
        parameters = (*numbers, [one.segment for one in terms], [one.stored for one in terms])
        return [Question(query, parameters, told)]

    def lexical(self, words: Sequence[Word], k: int, allowed: Allowed) -> Ranking:
        """`protocol.Snapshot.lexical`."""
        scorer = self.scorer(words)
        if isinstance(scorer, WideScorer):
            found = scorer.ranking(k, allowed)
        else:
            found = lexical_ranking(scorer.segments, scorer, k, allowed)
        self._ranked.append(found.ids)
        return found

    def score(self, ids: NDArray[np.int64], words: Sequence[Word], vectors: Vectors | None) -> Scores:
        """`protocol.Snapshot.score`."""
        scorer = self.scorer(words)
        wanted = ids.tolist()
        questions = [] if vectors is None else self._about_vectors(wanted, self._vectors)
        among = set(wanted)
        named, read = (
            among.intersection(number for one in self._ranked for number in one[:first].tolist())
            for first in (_NAMED_FIRST, _READ_FIRST)
        )
        if isinstance(scorer, WideScorer):
            questions += self._about_codes(scorer.unread(ids))
        self.ask(questions + self._beside(named, read))
        self._ranked = []
        cosines = cosines_of(vectors, ids, self.vectors)
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
        with about_index(self._connection.location):
            return [term_key(row[0]) for row in rows if is_whole(row[0])]

    def _counts(self, keys: Sequence[str]) -> dict[str, int]:
        """Key -> how many live chunks hold it."""
        counts: dict[str, int] = dict.fromkeys(keys, 0)
        segments = [one.id for one in self._state.segments]
        counted = self._counted()
        with_dead = [one.id for one in self._state.segments if one.dead]
        for start in range(0, len(keys), _TERMS_AT_ONCE):
            by_term = {stored_term(key): key for key in keys[start : start + _TERMS_AT_ONCE]}
            query = (
                f"SELECT term, sum({counted})::bigint, coalesce(sum({counted}) FILTER (WHERE segment_id = ANY(%s)), 0)"
                "::bigint FROM {s}.postings WHERE segment_id = ANY(%s) AND term = ANY(%s::bytea[]) GROUP BY term"
            )
            read: list[bytes] = []
            size = 0
            for term, count, to_read in self._rows(query, (with_dead, segments, list(by_term))):
                counts[by_term[bytes(term)]] += count
                if to_read:
                    read.append(bytes(term))
                    size += to_read
                if size > _POSTINGS_AT_ONCE:
                    self._subtract_dead(counts, by_term, with_dead, read)
                    read, size = [], 0
            if read:
                self._subtract_dead(counts, by_term, with_dead, read)
        return counts

    def _subtract_dead(
        self, counts: dict[str, int], by_term: dict[bytes, str], segments: list[int], terms: list[bytes]
    ) -> None:
        """Takes the deleted chunks of `segments` that hold the `terms` out of `counts`."""
        held = self._state.held
        query = (
            f"SELECT term, {held}, CASE WHEN {held} IS NULL THEN {NAMED} END FROM {{s}}.postings"
            " WHERE segment_id = ANY(%s) AND term = ANY(%s::bytea[])"
        )
        rows = self._rows(query, (segments, terms))
        with about_index(self._connection.location):
            named = [ids_in(row[1], row[2]) for row in rows]
        gone = is_among(np.concatenate(named), self.dead())
        owners = np.repeat(np.arange(len(rows)), [len(ids) for ids in named])
        for row, count in zip(rows, np.bincount(owners[gone], minlength=len(rows)).tolist(), strict=True):
            counts[by_term[bytes(row[0])]] -= count

    # -- meaning -------------------------------------------------------------------------------------------------

    def dense(self, vector: Vectors, k: int, allowed: Allowed) -> Ranking:
        """`protocol.Snapshot.dense`: exact where few chunks are let in, else by the HNSW index, if there is one."""
        key = vector.tobytes(), k
        if not allowed.is_everything or key not in self._nearest:
            scan = self._scan(allowed)
            if not scan.most or self._state.info.model is None:
                return ranking([], 0)
            self.ask(self._about_nearest(vector, k, scan))
        found = self._nearest.pop(key)
        if len(found.ids) < k and self._scan(allowed).by_index:
            # The index was left before enough were found: all are compared.
            self.ask(self._about_nearest(vector, k, self._scan(allowed, exactly=True)))
            found = self._nearest.pop(key)
        self._ranked.append(found.ids)
        return found

    def _about_nearest(self, vector: Vectors, k: int, scan: _Scan) -> list[Question]:
        """What asks for the `k` chunks of `scan` that are nearest to `vector`."""
        dim = len(vector)
        stored = f"(embedding::{{v}}.halfvec({dim}))" if scan.by_index else "embedding"
        # Added to, a distance is not what the index sorts by, so that all are compared.
        order = f"({stored} OPERATOR({{v}}.<#>) %s::{{v}}.halfvec)" + ("" if scan.by_index else " + 0")

        def told(rows: list[Row]) -> None:
            ids = np.array([row[0] for row in rows], np.int64)
            held = packed_vectors.vectors_of([row[1] for row in rows], dim)
            self._vectors.update(zip(ids.tolist(), held, strict=True))
            best = list(zip((-(held @ vector)).tolist(), ids.tolist(), strict=True))
            self._nearest[vector.tobytes(), k] = ranking(best, k)

        if not scan.by_index:
            order += ", chunk_id"
        query = f"SELECT chunk_id, embedding FROM {scan.source} ORDER BY {order} LIMIT %s"
        question = Question(query, (*scan.parameters, packed_vectors.literal(vector), k), told)
        if not scan.by_index:
            return [question]
        ef_search = min(_MOST_EF_SEARCH, max(EF_SEARCH, k))
        values = {"ef_search": str(ef_search)}
        if self._state.can_scan_on:
            goes_on = bool(scan.parameters) or k > ef_search
            # As many as have to be looked at until k are let in, and more: the default is 20,000.
            most = int(_SCANNED * k * self._state.chunks / scan.most)
            values["iterative_scan"] = "relaxed_order" if goes_on else "off"
            values["max_scan_tuples"] = str(min(2**31 - 1, max(20_000, most)))
            values["scan_mem_multiplier"] = _SCAN_MEMORY
        configure = ", ".join(f"set_config('hnsw.{name}', %s, true)" for name in values)
        return [Question(f"SELECT {configure}", list(values.values()), lambda rows: None), question]

    def _scan(self, allowed: Allowed, exactly: bool = False) -> _Scan:
        """How the nearest of what is `allowed` are found; `exactly`: by comparing all of it."""
        chunks = self._state.chunks
        if allowed.within is not None:
            keep = Allowed(allowed.ranges, None, allowed.without).rows(allowed.within, None)
            ids = allowed.within if keep is None else allowed.within[keep]
            return _Scan("{s}.vectors WHERE chunk_id = ANY(%s::bigint[])", [ids.tolist()], False, len(ids))
        without, parameters = "", list[object]()
        if allowed.without is not None and len(allowed.without):
            without, parameters = "chunk_id <> ALL(%s::bigint[])", [allowed.without.tolist()]
        indexed = self._state.has_vector_index and chunks > INDEXED_FROM and not exactly
        if allowed.ranges is None:
            return _Scan("{s}.vectors" + (without and f" WHERE {without}"), parameters, indexed, chunks)
        most = sum(high - low for low, high in allowed.ranges)
        if indexed and most > _EXACT_UP_TO and self._state.can_scan_on:
            ranges = "{" + ",".join(f"[{low},{high})" for low, high in allowed.ranges) + "}"
            source = "{s}.vectors WHERE chunk_id <@ %s::int8multirange" + (without and f" AND {without}")
            return _Scan(source, [ranges, *parameters], True, most)
        # OFFSET keeps the planner from comparing every vector with every range.
        source = (
            "unnest(%s::bigint[], %s::bigint[]) AS span (low, high) CROSS JOIN LATERAL (SELECT chunk_id, embedding"
            " FROM {s}.vectors WHERE chunk_id >= low AND chunk_id < high OFFSET 0) AS inside"
        ) + (without and f" WHERE {without}")
        spans = [list(one) for one in zip(*allowed.ranges, strict=True)] or [[], []]
        return _Scan(source, [*spans, *parameters], False, most)

    def vectors(self, ids: NDArray[np.int64]) -> Vectors:
        """`protocol.Snapshot.vectors`."""
        wanted = ids.tolist()
        # Not kept: all vectors may be gone through.
        read: dict[int, NDArray[np.float32]] = {}
        self.ask(self._about_vectors(wanted, read))
        dim = self._dim()
        none = np.full(dim, np.nan, np.float32)
        found = [self._vectors[number] if number in self._vectors else read.get(number, none) for number in wanted]
        return np.array(found, np.float32).reshape(len(wanted), dim)

    def _dim(self) -> int:
        model = self._state.info.model
        return 0 if model is None else model.dim

    def _about_vectors(self, ids: Sequence[int], kept: dict[int, NDArray[np.float32]]) -> list[Question]:
        """What asks for the vectors of those of the chunks `ids` that were not read yet, for `kept`."""
        unread = [number for number in ids if number not in self._vectors and number not in self._without_vector]
        if not unread:
            return []

        def told(rows: list[Row]) -> None:
            held = packed_vectors.vectors_of([row[1] for row in rows], self._dim())
            kept.update(zip((row[0] for row in rows), held, strict=True))
            if kept is self._vectors:
                self._without_vector.update(number for number in unread if number not in kept)

        query = "SELECT chunk_id, embedding FROM {s}.vectors WHERE chunk_id = ANY(%s::bigint[])"
        return [Question(query, (unread,), told)]

    def encoded_ids(self) -> NDArray[np.int64]:
        """`protocol.Snapshot.encoded_ids`."""
        return self._ids("SELECT chunk_id FROM {s}.vectors ORDER BY chunk_id")

    def adapted(self, vector: Vectors) -> Vectors:
        """`protocol.Snapshot.adapted`."""
        record = self._state.info.adapter
        if record is None:
            return vector
        if self._adapter is None:
            try:
                self._adapter = Adapter.from_record(record, len(vector))
            except IndexDamagedError as error:
                raise IndexDamagedError(f"{self._connection.location}: {error.message}", error.hint) from None
        return self._adapter(vector)

    def postings_of(self, segment: SegmentRow, long_term: Callable[[bytes, int], bytes]) -> Postings:
        """The postings of one segment, without its deleted chunks. `long_term`: makes the term of the hash that the
        table has in its place, and of a chunk that has it."""
        dead = self.dead()
        query = f"SELECT term, {self._state.held}, data FROM {{s}}.postings WHERE segment_id = %s"
        rows = []
        with about_index(self._connection.location):
            for term, held, data in self._rows(query, (segment.id,)):
                if not is_whole(term):
                    live = joined([unpacked(held, data)], dead).ids
                    if not len(live):
                        continue
                    term = long_term(bytes(term), int(live[0]))
                rows.append((bytes(term), held, data))
            return replace(of_rows(rows, dead), languages=segment.languages)

    def _ids(self, query: str) -> NDArray[np.int64]:
        return np.array([row[0] for row in self._rows(query)], np.int64)

    def _rows(self, query: str, parameters: Sequence[object] = ()) -> list[Row]:
        return self._connection.rows(query, parameters)


def _term_of(segment: SegmentRow, row: _Stored) -> SegmentTerm:
    """What `segment` says of the term in `row`. Raises `IndexDamagedError`."""
    if row.held is not None:
        return TightTerm(segment, row.term, row.held, row.count, row.data)
    assert row.data is not None  # a row without `held` is always read
    return LooseTerm(segment, row.term, row.data)
