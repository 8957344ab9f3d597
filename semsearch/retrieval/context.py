"""The lines around the best sentence of a hit, from the index: the document itself need not be there any more."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from semsearch.retrieval.hit import ContextLine, Hit
from semsearch.sources.lines import line_in
from semsearch.store.records import Passage

if TYPE_CHECKING:
    from semsearch.store.protocol import Snapshot

# A chunk has about twenty lines; so many chunks on either side hold any context a terminal can show.
_NEIGHBOURS = 8
# In these each sheet has rows of its own from 1 on; what lies on a sheet is told below its rows.
_SHEETS = frozenset({"xlsx", "xls", "ods"})


def context_lines(snapshot: Snapshot, hit: Hit, around: int) -> tuple[ContextLine, ...]:
    """The lines of the best sentence of `hit` (without one: of the passage) and `around` lines on either side."""
    first, last = hit.lines_of(*(hit.sentence or (0, len(hit.text))))
    if first is None or last is None:
        return _within(hit, around)
    passages = snapshot.neighbours(hit.chunk_id, _NEIGHBOURS)
    if hit.type in _SHEETS:
        (own,) = (one for one in passages if one.id == hit.chunk_id)
        passages = [one for one in passages if one.heading == own.heading]
    said = hit.text[slice(*(hit.sentence or (0, len(hit.text))))].split("\n")[0]
    lines = next(
        (lines for lines in _numbered(passages, hit.type in _SHEETS) if said in lines.get(first, "")), dict[int, str]()
    )
    shown = range(max(1, first - around), last + around + 1)
    return tuple(ContextLine(number, lines[number], first <= number <= last) for number in shown if number in lines)


def _numbered(passages: Iterable[Passage], begin_anew: bool) -> list[dict[int, str]]:
    """Number -> text of the lines of `passages`; several of these, where a passage may hold rows that `begin_anew`."""
    found: list[dict[int, str]] = [{}]
    for passage in passages:
        if passage.line_start is None:
            continue
        offset, last = 0, 0
        for text in passage.text.split("\n"):
            number = line_in(passage.text, passage.line_start, passage.line_breaks, offset)
            if begin_anew and number < last:
                found.append({})
            # A chunk may begin inside a line, which the chunk before it then holds whole.
            found[-1][number] = max(found[-1].get(number, ""), text, key=len)
            offset, last = offset + len(text) + 1, number
    return found


def _within(hit: Hit, around: int) -> tuple[ContextLine, ...]:
    """The same for a document without lines, from the passage alone."""
    start, end = hit.sentence or (0, len(hit.text))
    first = hit.text.count("\n", 0, start)
    last = first + hit.text.count("\n", start, end)
    lines = hit.text.split("\n")
    shown = range(max(0, first - around), min(len(lines), last + around + 1))
    return tuple(ContextLine(None, lines[number], first <= number <= last) for number in shown)
