"""What a search returns."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Explanation:
    """How a score came about: each leg's score on the scale 0 to 1 within this query, and the weights."""

    fusion: str
    alpha: float | None
    fertility: float | None
    dense: float | None
    lexical: float | None
    dense_rank: int | None
    lexical_rank: int | None


@dataclass(frozen=True)
class Hit:
    """One result: a passage, where it stands, and why it came.

    `score` orders the hits of one query: the fused score in [0, 1] for hybrid, the cosine for dense, BM25 for lexical.
    `dense` is the cosine, `lexical` the BM25 score (None: the leg took no part). Lines are 1-based and inclusive.
    """

    rank: int
    path: str
    type: str
    title: str
    heading: tuple[str, ...]
    page: int | None
    line_start: int | None
    line_end: int | None
    chunk_id: int
    score: float
    dense: float | None
    lexical: float | None
    text: str
    snippet: str
    modified: str
    metadata: Mapping[str, object] = field(default_factory=dict)
    explanation: Explanation | None = None


@dataclass(frozen=True)
class Coverage:
    """What the searched index holds and what it does not."""

    path: str
    files: int
    chunks: int
    pending: int
    skipped: int
    failed: int


@dataclass(frozen=True)
class SearchResult:
    """The hits of one query, best first. `mode` is what was done: `lexical` when a hybrid search found no vectors."""

    query: str
    mode: str
    coverage: Coverage
    seconds: float
    hits: tuple[Hit, ...]
    notices: tuple[str, ...] = ()
    # Languages of the index, by which words of the query are matched.
    languages: frozenset[str] = frozenset()
