"""Searches the segments of one committed state, which are opened when they are first asked for."""

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from semsearch.dense.query_adapter import Adapter
from semsearch.dense.vector_format import VectorFormat
from semsearch.embedding.embedder import Vectors
from semsearch.lexical.bm25 import PostingsBM25, QueryScorer
from semsearch.lexical.postings import Postings
from semsearch.lexical.query_word import Word
from semsearch.store.allowed import Allowed
from semsearch.store.local import rows, scoring
from semsearch.store.local.catalog import Catalog
from semsearch.store.local.dense_segment import DenseSegment, open_dense
from semsearch.store.local.lexical_segment import open_lexical
from semsearch.store.local.segment_folder import check_small
from semsearch.store.ranking import cosines_of, lexical_ranking
from semsearch.store.records import IndexInfo, Ranking, Scores

# Queries whose postings are kept at hand: the one that is answered, and texts it is compared with.
_SCORERS = 4


class SegmentSearch:
    """The segments that `catalog` names, of an index that records `info`."""

    def __init__(self, catalog: Catalog, info: IndexInfo) -> None:
        self._catalog = catalog
        self._info = info
        self._postings: list[Postings] | None = None
        self._bm25: PostingsBM25 | None = None
        self._scorers: dict[tuple[Word, ...], QueryScorer] = {}
        self._dense: list[DenseSegment] | None = None
        self._alive: list[scoring.Alive] = []
        self._vector_format: VectorFormat | None = None
        self._adapter: Adapter | None = None

    def postings(self) -> list[Postings]:
        """The lexical segments."""
        if self._postings is None:
            segments = self._segments("lex")
            folder = self._catalog.folder
            opened = [open_lexical(folder, one.name, one.rows, one.files) for one in segments]
            # Both or none: what is damaged is found to be so each time it is asked for.
            self._bm25 = PostingsBM25(opened, [one.alive() for one in segments])
            self._postings = opened
        return self._postings

    def dense_segments(self) -> list[DenseSegment]:
        """The segments of vectors."""
        if self._dense is None:
            segments = self._segments("vec")
            folder, vector_format = self._catalog.folder, self.vector_format()
            self._alive = [one.alive() for one in segments]
            self._dense = [open_dense(folder, one.name, one.rows, one.files, vector_format) for one in segments]
        return self._dense

    def vector_format(self) -> VectorFormat:
        """How the vectors are kept."""
        if self._vector_format is None:
            model = self._info.model
            record = self._catalog.setting("vectors")
            self._vector_format = VectorFormat.from_record(record, model.dim if model else 0)
        return self._vector_format

    def _segments(self, kind: str) -> list[rows.Segment]:
        segments = rows.segments(self._catalog, kind)
        check_small(self._catalog.folder, {one.name: one.files for one in segments})
        return segments

    def lexical(self, words: Sequence[Word], k: int, allowed: Allowed) -> Ranking:
        """The `k` best chunks that are `allowed` by BM25."""
        return lexical_ranking(self.postings(), self.scorer(words), k, allowed)

    def dense(self, vector: Vectors, k: int, allowed: Allowed) -> Ranking:
        """The `k` chunks that are `allowed` nearest to `vector` (d,)."""
        segments = self.dense_segments()
        return scoring.dense_ranking(segments, self._alive, vector, k, allowed)

    def score(self, ids: NDArray[np.int64], words: Sequence[Word], vectors: Vectors | None) -> Scores:
        """`protocol.Snapshot.score`."""
        scorer = self.scorer(words)
        cosines = cosines_of(vectors, ids, self.vectors)
        return Scores(scorer.scores_of(ids), cosines, scorer.held_by(ids), scorer.idf)

    def scorer(self, words: Sequence[Word]) -> QueryScorer:
        """What scores chunks for `words`; made once for each query."""
        key = tuple(words)
        if key not in self._scorers:
            self.postings()
            assert self._bm25 is not None
            while len(self._scorers) >= _SCORERS:
                del self._scorers[next(iter(self._scorers))]
            self._scorers[key] = self._bm25.query(key)
        return self._scorers[key]

    def holding(self, words: Sequence[Word]) -> NDArray[np.int64]:
        """`protocol.Snapshot.holding`."""
        if not words:
            ids = [part.ids if keep is None else part.ids[keep] for part, keep in self._live()]
            return np.sort(np.concatenate(ids)) if ids else np.empty(0, np.int64)
        return self.scorer(words).held_by_all()

    def frequencies(self, words: Sequence[Word]) -> NDArray[np.int64]:
        """`protocol.Snapshot.frequencies`."""
        return self.scorer(words).frequencies

    def completions(self, beginnings: Sequence[str], limit: int | None) -> list[str]:
        """`protocol.Snapshot.completions`."""
        counts: Counter[str] = Counter()
        for part, keep in self._live():
            for position in {one for beginning in beginnings for one in part.beginning_with(beginning)}:
                counts[part.text(position)] += _live_count(part, position, keep)
        held = [item for item in counts.items() if item[1]]
        return [key for key, _ in sorted(held, key=lambda item: (-item[1], item[0]))[:limit]]

    def similar(self, keys: Sequence[str], distance: int, limit: int) -> list[str]:
        """`protocol.Snapshot.similar`."""
        edits: dict[str, int] = {}
        counts: Counter[str] = Counter()
        for part, keep in self._live():
            near: dict[int, int] = {}
            for key in keys:
                for position, distant in part.similar_to(key, distance).items():
                    near[position] = min(distant, near.get(position, distant))
            for position, distant in near.items():
                if count := _live_count(part, position, keep):
                    edits[part.text(position)] = distant
                    counts[part.text(position)] += count
        return sorted(edits, key=lambda key: (edits[key], -counts[key], key))[:limit]

    def close(self) -> None:
        """Lets go of what is not of this folder."""

    def _live(self) -> Iterator[tuple[Postings, scoring.Alive]]:
        """The lexical segments, each with its rows that are not deleted."""
        self.postings()
        assert self._bm25 is not None
        return zip(self._bm25.segments, self._bm25.alive, strict=True)

    def adapted(self, vector: Vectors) -> Vectors:
        """`protocol.Snapshot.adapted`."""
        record = self._info.adapter
        if record is None:
            return vector
        if self._adapter is None:
            self._adapter = Adapter.from_record(record, len(vector))
        return self._adapter(vector)

    def encoded_ids(self) -> NDArray[np.int64]:
        """`protocol.Snapshot.encoded_ids`."""
        segments = self.dense_segments()
        held = [part.ids if keep is None else part.ids[keep] for part, keep in zip(segments, self._alive, strict=True)]
        return np.sort(np.concatenate(held)) if held else np.empty(0, np.int64)

    def vectors(self, ids: NDArray[np.int64]) -> Vectors:
        """`protocol.Snapshot.vectors`."""
        return scoring.vectors_of(self.dense_segments(), ids, self.vector_format().store_dim)


def _live_count(part: Postings, position: int, keep: scoring.Alive) -> int:
    """How many rows that are not deleted hold the term at `position` of `part`; `keep` (n,): those, None: all."""
    rows = part.rows_of(position)
    return len(rows) if keep is None else int(np.count_nonzero(keep[rows]))
