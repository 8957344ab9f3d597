"""What a reader made of a file."""

from semsearch.sources.document import Document
from semsearch.sources.lines import line_of as line_at


def headings(document: Document) -> list[tuple[str, tuple[str, ...]]]:
    """(first non-blank line, heading path) of each section."""
    found = []
    for section in document.sections:
        lines = document.text[section.start : section.end].strip().splitlines()
        if lines:
            found.append((lines[0], section.heading))
    return found


def line_of(document: Document, text: str) -> int:
    offset = document.text.index(text)
    return line_at(document.line_starts or ((0, 1),), offset)
