"""What a search returns."""

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from semsearch.retrieval.tables import Row, row_at
from semsearch.settings import host_name

SEARCH_SCHEMA = "semsearch.search/1"
# What is told of the second passage of a file, which the first has not told.
_OF_SECOND = ("heading", "page", "line_start", "line_end", "chunk_id", "score", "snippet", "sentence", "text")


@dataclass(frozen=True)
class Explanation:
    """How a score came about: each leg's score on the scale 0 to 1 within this query, and the weights.

    `lexical` and `lexical_rank` are by words and, where they were compared, by runs of characters; `sparse`: by the
    tokens of a sparse model, of which `lexical` has the `sparse_share`; `name`: how far the
    name of the document stands in the query, 0 to 1, None where that was not looked at.
    """

    fusion: str
    alpha: float | None
    fertility: float | None
    dense: float | None
    lexical: float | None
    dense_rank: int | None
    lexical_rank: int | None
    name: float | None
    sparse: float | None = None
    sparse_share: float | None = None


@dataclass(frozen=True)
class Place:
    """Where a passage stands: the path as results show it, the file itself, page, and 1-based inclusive lines; `host`:
    as in `Hit`."""

    path: str
    file: str
    page: int | None
    line_start: int | None
    line_end: int | None
    host: str = ""


class TextPlace(NamedTuple):
    """From the character `offset` of a hit's text on, lines are counted from `line` (None: it has none) of `page`."""

    offset: int
    page: int | None
    line: int | None


@dataclass(frozen=True)
class ContextLine:
    """A line around the best sentence of a hit; `number` None where a document has no lines."""

    number: int | None
    text: str
    match: bool


@dataclass(frozen=True)
class Hit:
    """One result: a passage, where it stands, and why it came.

    `score`, in [0, 1], is comparable across queries (`retrieval.confidence`); with a reranker it is the reranker's.
    `dense` is the cosine, `lexical` the BM25 score, `sparse` that of a sparse model, `rerank` the reranker's (None:
    took no part). Lines are 1-based and
    inclusive. `page` is that of the best sentence. `path` is relative to the indexed folder, `file` absolute.
    `host`: the machine that the file is on ("": all folders of the index are on this one); the `file` of another
    machine is `//HOST/PATH`.
    `language`: that of its document, ISO 639-1. `sentence`: (start, end) of the best sentence in `text`; `match`: where
    in it the words of the query stand, None: nowhere; `places`: where the parts of `text` stand; `copies`: where
    near-duplicates of the passage stand; `context`: lines around the sentence, when asked. `begins_document`: the
    passage is the first of its document. `table_head`: the head of the table that `text` begins inside, empty where it
    has none; None: `text` does not begin inside one. `second`: of the results by file the next best passage of the same
    one, if it is worth showing. `stamp`: the size in bytes of the file and the time of its modification in nanoseconds
    when it was indexed.
    """

    rank: int
    path: str
    file: str
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
    rerank: float | None
    text: str
    snippet: str
    modified: str
    metadata: Mapping[str, object] = field(default_factory=dict)
    host: str = ""
    explanation: Explanation | None = None
    sentence: tuple[int, int] | None = None
    match: int | None = None
    language: str = ""
    places: tuple[TextPlace, ...] = ()
    copies: tuple[Place, ...] = ()
    context: tuple[ContextLine, ...] = ()
    begins_document: bool = False
    table_head: str | None = None
    second: "Hit | None" = None
    stamp: tuple[int, int] | None = None
    sparse: float | None = None

    @property
    def is_here(self) -> bool:
        """Whether the file is one of this machine, as far as the index knows."""
        return not self.host or self.host == host_name()

    @property
    def told(self) -> int:
        """The character of `text` whose place is told: the words of the query, or where the best sentence begins."""
        return self.match if self.match is not None else self.sentence[0] if self.sentence else 0

    def place_at(self, offset: int) -> tuple[int | None, int | None]:
        """(page, line) of the character at `offset` of `text`."""
        number = bisect_right(self.places, offset, key=lambda place: place.offset) - 1
        begin, page, line = self.places[number] if number >= 0 else TextPlace(0, self.page, self.line_start)
        return page, None if line is None else line + self.text.count("\n", begin, offset)

    def lines_of(self, start: int, end: int) -> tuple[int | None, int | None]:
        """(first, last) line of text[start:end]."""
        return self.place_at(start)[1], self.place_at(max(start, end - 1))[1]

    def row_at(self, start: int, end: int) -> Row:
        """The cells of the table row that text[start:end] is, each with the head of its column; empty where it is none,
        or the heads are not known."""
        return row_at(self.text, self.type, self.table_head, start, end)

    def sentence_lines(self) -> tuple[int | None, int | None]:
        """(the line that is told, the last line of the best sentence); those of the passage where it has none."""
        if self.sentence is None:
            return self.line_start, self.line_end
        return self.lines_of(self.told, self.sentence[1])


@dataclass(frozen=True)
class IndexCoverage:
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
    coverage: IndexCoverage
    seconds: float
    hits: tuple[Hit, ...]
    notices: tuple[str, ...] = ()
    # Languages of the index, by which words are matched, and the term keys that were looked for.
    languages: frozenset[str] = frozenset()
    keys: frozenset[str] = frozenset()


def result_dict(result: SearchResult) -> dict[str, Any]:
    """The `semsearch.search/1` object of `result`."""
    return {
        "schema": SEARCH_SCHEMA,
        "query": result.query,
        "mode": result.mode,
        "index": {
            "path": result.coverage.path,
            "files": result.coverage.files,
            "chunks": result.coverage.chunks,
            "pending": result.coverage.pending,
            "skipped": result.coverage.skipped + result.coverage.failed,
        },
        "seconds": round(result.seconds, 4),
        "results": [hit_dict(hit) for hit in result.hits],
    }


def hit_dict(hit: Hit) -> dict[str, Any]:
    """One entry of `results`."""
    record: dict[str, Any] = {
        "rank": hit.rank,
        "path": hit.path,
        "file": hit.file,
        **host_field(hit.host),
        "type": hit.type,
        "title": hit.title or None,
        "heading": " > ".join(hit.heading) or None,
        "page": hit.page,
        "line_start": hit.line_start,
        "line_end": hit.line_end,
        "chunk_id": hit.chunk_id,
        "score": round(hit.score, 6),
        "scores": {
            "dense": _rounded(hit.dense),
            "lexical": _rounded(hit.lexical),
            **({} if hit.sparse is None else {"sparse": _rounded(hit.sparse)}),
            "rerank": _rounded(hit.rerank),
        },
        "snippet": hit.snippet,
        "sentence": _sentence(hit),
        "text": hit.text,
        "copies": [_place(place) for place in hit.copies],
        "modified": hit.modified,
        "metadata": dict(hit.metadata),
    }
    if hit.context:
        record["context"] = [vars(line) for line in hit.context]
    if hit.second:
        whole = hit_dict(hit.second)
        record["second"] = {key: whole[key] for key in _OF_SECOND}
    if hit.explanation:
        record["explain"] = {key: value for key, value in vars(hit.explanation).items() if value is not None}
    return record


def host_field(host: str) -> dict[str, str]:
    """The JSON field for the machine `host` of a hit; none where all are on this one."""
    return {"host": host} if host else {}


def _place(place: Place) -> dict[str, Any]:
    return {name: value for name, value in vars(place).items() if name != "host"} | host_field(place.host)


def _sentence(hit: Hit) -> dict[str, Any] | None:
    if hit.sentence is None:
        return None
    start, end = hit.sentence
    first, last = hit.sentence_lines()
    row = hit.row_at(start, end)
    return {
        "start": start,
        "end": end,
        "page": hit.place_at(hit.told)[0],
        "line_start": first,
        "line_end": last,
        "text": hit.text[start:end],
        "row": [vars(cell) for cell in row] or None,
    }


def _rounded(score: float | None) -> float | None:
    return None if score is None else round(score, 6)
