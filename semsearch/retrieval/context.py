"""The lines around the best sentence of a hit, from the index: the document itself need not be there any more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from semsearch.retrieval.hit import ContextLine, Hit
from semsearch.sources.lines import line_in

if TYPE_CHECKING:
    from semsearch.store.protocol import Snapshot

# A chunk has about twenty lines; so many chunks on either side hold any context a terminal can show.
_NEIGHBOURS = 8


def context_lines(snapshot: Snapshot, hit: Hit, around: int) -> tuple[ContextLine, ...]:
    """The lines of the best sentence of `hit` (without one: of the passage) and `around` lines on either side."""
    first, last = hit.lines_of(*(hit.sentence or (0, len(hit.text))))
    if first is None or last is None:
        return _within(hit, around)
    lines: dict[int, str] = {}
    for passage in snapshot.neighbours(hit.chunk_id, _NEIGHBOURS):
        if passage.line_start is None:
            continue
        offset = 0
        for text in passage.text.split("\n"):
            number = line_in(passage.text, passage.line_start, passage.line_breaks, offset)
            # A chunk may begin inside a line, which the chunk before it then holds whole.
            lines[number] = max(lines.get(number, ""), text, key=len)
            offset += len(text) + 1
    shown = range(max(1, first - around), last + around + 1)
    return tuple(ContextLine(number, lines[number], first <= number <= last) for number in shown if number in lines)


def _within(hit: Hit, around: int) -> tuple[ContextLine, ...]:
    """The same for a document without lines, from the passage alone."""
    start, end = hit.sentence or (0, len(hit.text))
    first = hit.text.count("\n", 0, start)
    last = first + hit.text.count("\n", start, end)
    lines = hit.text.split("\n")
    shown = range(max(0, first - around), min(len(lines), last + around + 1))
    return tuple(ContextLine(None, lines[number], first <= number <= last) for number in shown)
