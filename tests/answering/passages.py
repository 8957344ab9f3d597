"""Hits for the tests of answering."""

from semsearch.retrieval.hit import Hit


def hit(
    text: str, path: str = "notes.md", line: int | None = 1, page: int | None = None, heading: tuple[str, ...] = ()
) -> Hit:
    last = None if line is None else line + text.count("\n")
    return Hit(1, path, "md", "", heading, page, line, last, 1, 0.5, None, None, text, "", "2026-01-01T00:00:00Z")
