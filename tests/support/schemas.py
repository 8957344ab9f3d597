"""JSON schemas of what the commands print with `--json`."""

from typing import Any

SHARE = {"type": "number", "minimum": 0, "maximum": 1}
NUMBER, TEXT, COUNT = {"type": "number"}, {"type": "string"}, {"type": "integer", "minimum": 0}
OPTIONAL_TEXT, OPTIONAL_NUMBER, OPTIONAL_COUNT = (
    {"type": ["string", "null"]}, {"type": ["number", "null"]}, {"type": ["integer", "null"]},
)  # fmt: skip


def record(**properties: Any) -> dict[str, Any]:
    """A JSON schema of exactly these keys."""
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


LISTED = {"type": "array", "items": record(path=TEXT, reason=TEXT)}
INDEX = record(
    schema={"const": "semsearch.index/1"},
    index=TEXT,
    files=record(**dict.fromkeys(("added", "changed", "renamed", "removed", "unchanged", "skipped", "failed"), COUNT)),
    chunks=record(**dict.fromkeys(("total", "added", "removed", "encoded", "reused", "pending"), COUNT)),
    seconds=record(total=NUMBER, read=NUMBER, encode=NUMBER),
    skipped=LISTED,
    failed=LISTED,
)
PLACE = record(path=TEXT, file=TEXT, page=OPTIONAL_COUNT, line_start=OPTIONAL_COUNT, line_end=OPTIONAL_COUNT)
ROW = {"type": ["array", "null"], "minItems": 1, "items": record(column=OPTIONAL_TEXT, text=TEXT)}
SENTENCE = record(
    start=COUNT, end=COUNT, page=OPTIONAL_COUNT, line_start=OPTIONAL_COUNT, line_end=OPTIONAL_COUNT, text=TEXT, row=ROW
)
HIT = record(
    rank=COUNT, path=TEXT, file=TEXT, type=TEXT, title=OPTIONAL_TEXT, heading=OPTIONAL_TEXT, page=OPTIONAL_COUNT,
    line_start=OPTIONAL_COUNT, line_end=OPTIONAL_COUNT, chunk_id=COUNT, score=SHARE,
    scores=record(dense=OPTIONAL_NUMBER, lexical=OPTIONAL_NUMBER, rerank=OPTIONAL_NUMBER),
    snippet=TEXT, sentence={"anyOf": [SENTENCE, {"type": "null"}]}, text=TEXT,
    copies={"type": "array", "items": PLACE}, modified=TEXT, metadata={"type": "object"},
)  # fmt: skip
SECOND = record(**{
    key: HIT["properties"][key] for key in
    ("heading", "page", "line_start", "line_end", "chunk_id", "score", "snippet", "sentence", "text")
})  # fmt: skip
SEARCH = record(
    schema={"const": "semsearch.search/1"},
    query=TEXT,
    mode={"enum": ["hybrid", "dense", "lexical"]},
    index=record(path=TEXT, files=COUNT, chunks=COUNT, pending=COUNT, skipped=COUNT),
    seconds=NUMBER,
    results={"type": "array", "items": HIT},
)
ERROR = record(schema={"const": "semsearch.error/1"}, error=record(code=TEXT, message=TEXT, hint=TEXT))
