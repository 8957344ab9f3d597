"""Hits for the tests of answering."""

from semsearch.retrieval.hit import Hit


def hit(
    text: str, path: str = "notes.md", line: int | None = 1, page: int | None = None, heading: tuple[str, ...] = ()
) -> Hit:
    last = None if line is None else line + text.count("\n")
    return Hit(
        rank=1, path=path, file=f"/d/{path}", type="markdown", title="", heading=heading, page=page, line_start=line,
        line_end=last, chunk_id=1, score=0.5, dense=None, lexical=None, rerank=None, text=text, snippet="", modified="",
    )  # fmt: skip
